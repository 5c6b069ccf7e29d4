"""How values are told: an instant as text, and anything at all in a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from modlog._errors import InvalidInputError

# As much of a value as an error message shows.
_SHOWN_LENGTH: Final = 60
# Beyond so many bits an integer is told by its size: Python refuses to write the longest ones.
SHOWN_BITS: Final = 256


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a value is a mapping; most are plain dictionaries, which is quick to see."""
    return type(value) is dict or isinstance(value, Mapping)


def checked_instant(value: object, what: str) -> datetime:
    """An aware datetime, in UTC."""
    if not isinstance(value, datetime):
        raise InvalidInputError(f"{what} must be a datetime, not {type(value).__name__}")
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    try:
        if value.utcoffset() is None:
            raise InvalidInputError(
                f"{what} must be an aware datetime, {value.isoformat()} has no time zone: "
                "datetime.now(timezone.utc) has one"
            )
        instant = value.astimezone(UTC)
        # A subclass may compare or print in a way of its own.
        return datetime.combine(instant.date(), instant.time(), UTC)
    except OverflowError:
        raise InvalidInputError(f"{what} lies outside the years 1 to 9999 in UTC") from None
    except (TypeError, ValueError, NotImplementedError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f"{what} is no instant: its time zone does not tell its offset from UTC ({error})"
        ) from None


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with six decimals, as instants are written in `data`."""
    return instant.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def plain(value: Any) -> Any:
    """A field's value as JSON has it: instants as text, tuples as lists."""
    if isinstance(value, datetime):
        return instant_text(value)
    return list(value) if isinstance(value, tuple) else value


def shown(value: object) -> str:
    """A value as an error message may show it: escaped, and cut short."""
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS:
        return f"a number of {value.bit_length():,} bits"
    if isinstance(value, str):
        text = ascii(str.__str__(value)[:_SHOWN_LENGTH])
    elif value is None or isinstance(value, int | float):
        text = repr(value)
    else:
        text = type(value).__name__
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."
