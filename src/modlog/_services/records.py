"""Records: commands as mappings, in the form that imports and what-ifs take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from attrs import asdict, frozen

from modlog._domain.decisions import ARGUMENTS, COMMANDS, Command
from modlog._domain.events import AccountDeleted, AccountProtected, AccountUnprotected
from modlog._domain.values import (
    Actor,
    check_names,
    checked_id,
    checked_instant,
    checked_metadata,
    checked_probability,
    checked_text,
    instant_text,
    is_mapping,
    is_storable,
    parsed_instant,
    shown,
)
from modlog._errors import InvalidInputError
from modlog._storage.codec import canonical

# What a record may say of its event's circumstances, besides when and by whom.
CIRCUMSTANCES: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "reason": checked_text,
    "policy": checked_id,
    "batch_id": checked_id,
    "confidence": checked_probability,
    "correlation_id": checked_id,
    "metadata": checked_metadata,
}
_COMMON: Final = frozenset(("do", "account_id", "at", "actor", "key", *CIRCUMSTANCES))
_BARE: Final[Mapping[str, Command]] = {
    "delete": AccountDeleted(),
    "protect": AccountProtected(),
    "unprotect": AccountUnprotected(),
}


@frozen
class Shape:
    """What all records with the same command and keys have in common; found out once.

    Attributes:
        name: of the command.
        arguments: which of the command's own arguments are there.
        circumstances: which of those are there, each with its check.
    """

    name: str
    arguments: tuple[str, ...]
    circumstances: tuple[tuple[str, Callable[[object, str], Any]], ...]

    def circumstances_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The circumstances that a record of this shape gives, checked.

        Raises:
            InvalidInputError: a value that no event takes.
        """
        return {
            name: check(value, name)
            for name, check in self.circumstances
            if (value := record[name]) is not None
        }

    def command_of(self, record: Mapping[str, Any]) -> Command:
        """The command of a record of this shape.

        Raises:
            InvalidInputError: an argument is missing, or has a value that cannot be.
        """
        if self.name in _BARE:
            return _BARE[self.name]
        try:
            return COMMANDS[self.name](**{name: record[name] for name in self.arguments})
        except TypeError:
            missing = [name for name in ARGUMENTS[self.name] if name not in self.arguments]
            raise InvalidInputError(
                f"a record with do={self.name} needs {', '.join(missing)}"
            ) from None


@lru_cache(maxsize=1_024)
def _shape(name: str, keys: tuple[str, ...]) -> Shape:
    if name not in COMMANDS:
        raise InvalidInputError(f"do must be one of {', '.join(COMMANDS)}, not {shown(name)}")
    check_names(keys, _COMMON.union(ARGUMENTS[name]), f"a record with do={name}")
    if "account_id" not in keys:
        raise InvalidInputError("a record needs account_id")
    return Shape(
        name,
        tuple(argument for argument in ARGUMENTS[name] if argument in keys),
        tuple((name, check) for name, check in CIRCUMSTANCES.items() if name in keys),
    )


@frozen
class Unreadable:
    """A line of a file that holds no record, and why."""

    text: str
    reason: str


@frozen
class Addition:
    """A command that is taken as given; at no time of its own where it says none."""

    account_id: str
    command: Command
    at: datetime | None


def read_addition(record: Mapping[str, object]) -> Addition:
    """What a record adds to a view.

    Raises:
        InvalidInputError: it is no record.
    """
    _, _, account_id, command = read_command(record)
    at = record.get("at")
    return Addition(account_id, command, None if at is None else parsed_instant(at, "at"))


def read_command(record: object) -> tuple[Mapping[str, Any], Shape, str, Command]:
    """A record that is a mapping, its shape, the account that it is about, and its command.

    Raises:
        InvalidInputError: the record is no mapping, or a name or value in it cannot be.
    """
    if not is_mapping(record):
        if isinstance(record, Unreadable):
            raise InvalidInputError(record.reason)
        raise InvalidInputError(f"a record is a mapping, not {shown(record)}")
    name = record.get("do")
    if not isinstance(name, str):
        raise InvalidInputError(f"do must be one of {', '.join(COMMANDS)}, not {shown(name)}")
    shape = _shape(name, tuple(record))
    return record, shape, checked_id(record["account_id"], "account_id"), shape.command_of(record)


def reason_given(reason: str | None) -> str | None:
    """The reason of a record as its request has it: all that are blank are the same."""
    return reason if reason is None or reason.strip() else ""


def texts_in(records: Iterable[Mapping[str, Any]], name: str) -> Iterator[str]:
    """The values of one field that may be what they should be; others are rejected later."""
    for record in records:
        value = record.get(name)
        if isinstance(value, str) and is_storable(value):
            yield value


def record_text(record: Mapping[str, Any]) -> str:
    """A record that was read, whole, as canonical JSON: it can be read again."""
    return canonical(_json_of(record)).decode()


def _json_of(value: Any) -> Any:
    if isinstance(value, Actor):
        return asdict(value)
    if isinstance(value, datetime):
        return instant_text(checked_instant(value, "an instant"))
    if is_mapping(value):
        return {str.__str__(name): _json_of(one) for name, one in value.items()}
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Collection) and not isinstance(value, str):
        return [_json_of(one) for one in value]
    return value
