"""Records: commands as mappings, in the form that imports and what-ifs take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from attrs import frozen

from modlog._errors import InvalidInputError
from modlog._ground.decisions import ARGUMENTS, COMMANDS, Command
from modlog._ground.events import AccountDeleted, AccountProtected, AccountUnprotected
from modlog._ground.values import check_names, checked_id, shown

_COMMON: Final = frozenset(
    (
        "do",
        "account_id",
        "at",
        "actor",
        "reason",
        "policy",
        "confidence",
        "correlation_id",
        "batch_id",
        "key",
    )
)
_BARE: Final[Mapping[str, Command]] = {
    "delete": AccountDeleted(),
    "protect": AccountProtected(),
    "unprotect": AccountUnprotected(),
}
_NAMES: Final = {name: _COMMON.union(arguments) for name, arguments in ARGUMENTS.items()}


@frozen
class Unreadable:
    """A line of a file that holds no record, and why."""

    text: str
    reason: str


def is_mapping(record: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a record is a mapping; most are plain dictionaries, which is quick to see."""
    return type(record) is dict or isinstance(record, Mapping)


def read_command(record: object) -> tuple[str, str, Command]:
    """The name of a record's command, the account it is about, and the command itself.

    Raises:
        InvalidInputError: the record is no mapping, or a name or value in it cannot be.
    """
    if not is_mapping(record):
        if isinstance(record, Unreadable):
            raise InvalidInputError(record.reason)
        raise InvalidInputError(f"a record is a mapping, not {shown(record)}")
    name = record.get("do")
    if not isinstance(name, str) or name not in COMMANDS:
        raise InvalidInputError(f"do must be one of {', '.join(COMMANDS)}, not {shown(name)}")
    if not record.keys() <= _NAMES[name]:
        check_names(record, _NAMES[name], f"a record with do={name}")
    if "account_id" not in record:
        raise InvalidInputError("a record needs account_id")
    return name, checked_id(record["account_id"], "account_id"), _command(name, record)


def _command(name: str, record: Mapping[str, Any]) -> Command:
    if name in _BARE:
        return _BARE[name]
    arguments = {argument: record[argument] for argument in ARGUMENTS[name] if argument in record}
    try:
        return COMMANDS[name](**arguments)
    except TypeError:
        missing = ", ".join(each for each in ARGUMENTS[name] if each not in arguments)
        raise InvalidInputError(f"a record with do={name} needs {missing}") from None
