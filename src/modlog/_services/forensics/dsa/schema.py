"""What the database takes: the JSON schema that each statement is checked against.

Its source stands in the schema. jsonschema, which reads it, is an extra, loaded when it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from modlog._domain.values import shown
from modlog._errors import InvalidInputError

# As much of what is wrong as a message shows: a text may have thousands of characters.
_SHOWN: int = 200


@cache
def schema() -> dict[str, Any]:
    """The schema of one statement."""
    loaded: dict[str, Any] = json.loads(
        files(__package__).joinpath("statement.schema.json").read_text("utf-8")
    )
    return loaded


def attributes() -> tuple[str, ...]:
    """The names of all attributes, in their order."""
    return tuple(schema()["properties"])


def check_installed() -> None:
    """Refuse what needs jsonschema where it is not there.

    Raises:
        InvalidInputError: it is not installed.
    """
    try:
        import jsonschema  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "statements for the DSA need jsonschema, which is not installed: pip install "
            "'modlog[dsa]'"
        ) from error


def failures(statement: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a statement lacks, by name, and what is wrong with it, in words."""
    missing: dict[str, None] = {}
    wrong: list[str] = []
    for error in _validator().iter_errors(statement):
        if error.validator == "required":
            missing |= dict.fromkeys(
                name for name in error.validator_value if name not in error.instance
            )
        else:
            wrong.append(f"{'.'.join(map(str, error.path))}: {_told(error)}")
    return tuple(missing), tuple(wrong)


def check_attribute(name: str, value: object, where: str) -> None:
    """Refuse what no statement can have under a name.

    Raises:
        InvalidInputError: it is not what the schema asks for.
    """
    check_installed()
    for error in _validator().evolve(schema=_alone(name)).iter_errors(value):
        raise InvalidInputError(f"{where}: {_told(error)}")


def _told(error: Any) -> str:
    """What is asked for and what is there; a pattern by what it stands for."""
    if error.validator == "pattern":
        return f"must be {error.schema['description']}, not {shown(error.instance)}"
    return str(error.message[:_SHOWN])


def _alone(name: str) -> dict[str, Any]:
    return {**schema()["properties"][name], "$defs": schema()["$defs"]}


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())
