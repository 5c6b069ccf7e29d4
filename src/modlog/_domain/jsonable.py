"""Answers as JSON values, for programs: one rule for the command line and for web frameworks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from operator import methodcaller
from typing import Any, ClassVar, Final, Self, get_type_hints

from attrs import fields

from modlog._domain.telling import (
    SHOWN_BITS,
    checked_instant,
    instant_text,
    is_mapping,
    shown,
)
from modlog._errors import InvalidInputError

# Twice as deep as a profile may be, and no answer has one deeper inside than that.
_DEPTH: Final = 128


class Jsonable:
    """What the ledger answers with: its public attributes are JSON values in `as_dict`.

    Pydantic, and FastAPI with it, takes one for a response as it is, and describes it.
    """

    __slots__ = ()
    # Properties that are told as well, and attributes that are not.
    _also: ClassVar[tuple[str, ...]] = ()
    _apart: ClassVar[tuple[str, ...]] = ()

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON values, which are its own copy.

        Instants are ISO 8601 text in UTC with six decimals, versions that are keys are text.
        Text that no UTF-8 holds, and what JSON has no form for, is told as in messages of errors.
        """
        return {name: as_json(getattr(self, name)) for name in _names(type(self))}

    def __iter__(self) -> Iterator[Any]:
        """So that `dict` of it is `as_dict`: FastAPI sends so what an endpoint does not declare."""
        return iter(self.as_dict().items())

    @property
    def __pydantic_serializer__(self) -> Any:
        """How Pydantic sends it where anything may stand, as in `dict[str, Any]`."""
        return _serializer()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        """How Pydantic checks, sends and describes it: a schema of its core is a dictionary."""
        return {
            "type": "function-wrap",
            "function": {"type": "no-info", "function": cls._itself},
            "schema": cls._shape(handler),
            "serialization": {"type": "function-plain", "function": cls.as_dict},
            "ref": f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        }

    @classmethod
    def _shape(cls, handler: Any) -> dict[str, Any]:
        """What `as_dict` gives, as a schema of Pydantic's core."""
        return {
            "type": "typed-dict",
            "cls": cls,
            "fields": {
                name: {"type": "typed-dict-field", "schema": handler.generate_schema(hint)}
                for name, hint in _hints(cls).items()
            },
        }

    @classmethod
    def _itself(cls, value: object, _handler: object) -> Self:
        """An answer comes from the ledger, and is never read from what somebody sent."""
        if not isinstance(value, cls):
            raise ValueError(f"the ledger gives {cls.__name__}, which is not read from elsewhere")
        return value


@cache
def _serializer() -> Any:
    try:
        from pydantic_core import SchemaSerializer  # is there already: nobody else asks for this
    except ImportError:
        raise AttributeError("__pydantic_serializer__") from None
    whole: Any = {"type": "function-plain", "function": methodcaller("as_dict")}
    return SchemaSerializer({"type": "any", "serialization": whole})


def _names(cls: type[Any]) -> tuple[str, ...]:
    public = [one.name for one in fields(cls) if not one.name.startswith("_")]
    return tuple(name for name in (*public, *cls._also) if name not in cls._apart)


def _hints(cls: type[Any]) -> dict[str, Any]:
    """The types of what is told; those of private attributes need not be there at run time."""
    declared = {one.name: one.type for one in fields(cls)}
    own = {name: declared[name] for name in _names(cls) if name in declared}
    told = type(cls.__name__, (), {"__module__": cls.__module__, "__annotations__": own})
    hints = get_type_hints(told)
    for name in _names(cls):
        if name not in own:
            hints[name] = get_type_hints(getattr(cls, name).fget)["return"]
    return hints


class _TooDeep(Exception):  # noqa: N818
    """A value is nested deeper than any that the ledger keeps, perhaps in itself."""


def as_json(value: object) -> Any:
    """Any value as JSON has it, copied."""
    try:
        return _json(value, _DEPTH)
    except _TooDeep:
        return shown(value)


def _json(value: object, depth: int) -> Any:  # noqa: PLR0911 (a line for each kind)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int.__index__(value) if int.bit_length(value) <= SHOWN_BITS else shown(value)
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else shown(value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Jsonable):
        return value.as_dict()
    if depth == 0:
        raise _TooDeep
    if is_mapping(value):
        return {_key(key): _json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item, depth - 1) for item in value]
    return shown(value)


def _text(value: str) -> str:
    text = str.__str__(value)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _key(key: object) -> str:
    text = _json(key, 0)
    return text if isinstance(text, str) else shown(text)


def _instant(value: datetime) -> str:
    try:
        return instant_text(checked_instant(value, "it"))
    except InvalidInputError:  # of a record that was rejected, say
        return shown(value)
