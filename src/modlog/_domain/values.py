"""The small values that events are made of, and the checks that bad input meets."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeGuard, cast, get_args

from attrs import frozen

from modlog._errors import InvalidInputError, UnknownArgumentError

ActorKind = Literal["human", "bot", "model", "system"]
ACTOR_KINDS: Final = get_args(ActorKind)

# Ids, codes and labels stand in indexes; PostgreSQL takes at most 2,704 bytes a row there,
# and 255 characters of UTF-8 are at most 1,020 bytes.
MAX_ID_LENGTH: Final = 255
# Integers that every JSON reader gives back unchanged (RFC 8259, section 6).
MAX_INTEGER: Final = 2**53 - 1
# Deeper than any profile that means something, well above what parsers and stacks bear.
MAX_JSON_DEPTH: Final = 64

# As much of a value as an error message shows.
_SHOWN_LENGTH: Final = 60

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a database can hold the text."""
    return (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a value is a mapping; most are plain dictionaries, which is quick to see."""
    return type(value) is dict or isinstance(value, Mapping)


def checked_text(value: object, what: str) -> str:
    """Any text that a database can hold: no NUL, no lone surrogates."""
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} must be text, not {type(value).__name__}")
    if value.isascii() and "\0" not in value:
        return value
    if found := _UNSTORABLE.search(value):
        raise InvalidInputError(
            f"{what} holds U+{ord(found[0]):04X} at index {found.start()}, which cannot be "
            "stored as text: leave out NUL characters and lone surrogates"
        )
    return value


def checked_id(value: object, what: str) -> str:
    """A short text that identifies something: 1 to 255 characters."""
    if (
        type(value) is str
        and 1 <= len(value) <= MAX_ID_LENGTH
        and value.isascii()
        and ("\0" not in value)
    ):
        return value
    text = checked_text(value, what)
    if not 1 <= len(text) <= MAX_ID_LENGTH:
        raise InvalidInputError(
            f"{what} must have 1 to {MAX_ID_LENGTH} characters, this one has {len(text)}"
        )
    return text


def checked_probability(value: object, what: str) -> float:
    """A finite number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInputError(f"{what} must be a number from 0 to 1, not {shown(value)}")
    return float(value)


def checked_versions(value: object, what: str) -> tuple[int, ...]:
    """Versions of events, from 1, in ascending order, each once."""
    if isinstance(value, str | bytes) or not isinstance(value, Collection):
        raise InvalidInputError(f"{what} must be a collection of versions, not {shown(value)}")
    if not value:
        raise InvalidInputError(f"{what} must name one version at least")
    for version in value:
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise InvalidInputError(f"{what} must hold versions from 1, not {shown(version)}")
    return tuple(sorted(set(cast("Collection[int]", value))))


def checked_instant(value: object, what: str) -> datetime:
    """An aware datetime, in UTC."""
    if not isinstance(value, datetime):
        raise InvalidInputError(f"{what} must be a datetime, not {type(value).__name__}")
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise InvalidInputError(
            f"{what} must be an aware datetime, {value.isoformat()} has no time zone: "
            "datetime.now(timezone.utc) has one"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(f"{what} lies outside the years 1 to 9999 in UTC") from None


def parsed_instant(value: object, what: str) -> datetime:
    """An instant given as an aware datetime or as ISO 8601 text with an offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidInputError(
                f"{what} must be ISO 8601 with an offset, as 2026-01-31T11:44:00Z, "
                f"not {shown(value)}"
            ) from None
    return checked_instant(value, what)


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with six decimals, as instants are written in `data`."""
    return instant.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 in UTC, as instants are stored in columns."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant of so many microseconds since 1970 in UTC."""
    return EPOCH + timedelta(microseconds=micros)


def checked_json(value: object, what: str, depth: int = MAX_JSON_DEPTH) -> Any:
    """A JSON value, copied: finite numbers, integers within ±(2⁵³−1), text that can be stored.

    Tuples become lists, as JSON knows no other.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return checked_text(value, what)
    if isinstance(value, int):
        return _checked_integer(value, what)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError(f"{what} must be finite, JSON has no {value}")
        return value
    if depth == 0:
        raise InvalidInputError(f"{what} is nested deeper than {MAX_JSON_DEPTH} levels")
    if is_mapping(value):
        return {
            _checked_key(key, what): checked_json(item, what, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [checked_json(item, what, depth - 1) for item in value]
    raise InvalidInputError(f"{what} must be a JSON value, {type(value).__name__} is none")


def _checked_key(key: object, what: str) -> str:
    # What it is called in a message is put together only if there is one.
    if isinstance(key, str) and is_storable(key):
        return key
    return checked_text(key, f"a key in {what}")


def _checked_integer(value: int, what: str) -> int:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise InvalidInputError(
            f"{what} must lie within ±(2⁵³−1), beyond which JSON readers lose digits: "
            "store larger numbers as text"
        )
    return value


def same_json(one: Any, other: Any) -> bool:
    """Equal as JSON tells values apart: 1, 1.0 and true are three, and 0.0 is not -0.0."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return all(map(same_json, one, other))
    return not isinstance(one, float) or repr(one) == repr(other)


def checked_mapping(value: object, what: str) -> dict[str, Any]:
    """A mapping from text to JSON values, copied."""
    if not is_mapping(value):
        raise InvalidInputError(f"{what} must be a mapping, not {type(value).__name__}")
    return cast("dict[str, Any]", checked_json(value, what))


def check_names(given: Collection[object], known: Collection[str], what: str) -> None:
    """Refuse names that do not exist.

    Raises:
        UnknownArgumentError: with the names that do.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UnknownArgumentError(
            f"{what} has no {', '.join(shown(name) for name in unknown)}; "
            f"it takes {', '.join(sorted(known))}"
        )


def shown(value: object) -> str:
    """A value as an error message may show it: escaped, and cut short."""
    text = (
        ascii(value)
        if isinstance(value, str | int | float | bool | None)
        else (type(value).__name__)
    )
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."


@frozen(kw_only=True, slots=True)
class Actor:
    """Who acts: a human, a bot, a model or a system, and the account it acts from.

    Attributes:
        kind: "human", "bot", "model" or "system".
        id: 1 to 255 characters, as the platform names its staff and machines.
        version: of a model or bot, so that its decisions can be found again.
        account_id: the actor's own account in this ledger, if it has one.
    """

    kind: ActorKind
    id: str
    version: str | None = None
    account_id: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.kind not in ACTOR_KINDS:
            raise InvalidInputError(
                f"an actor's kind is one of {', '.join(ACTOR_KINDS)}, not {shown(self.kind)}"
            )
        checked_id(self.id, "an actor's id")
        if self.version is not None:
            checked_id(self.version, "an actor's version")
        if self.account_id is not None:
            checked_id(self.account_id, "an actor's account_id")

    @classmethod
    def human(cls, id: str, *, account_id: str | None = None) -> Actor:
        """A person."""
        return cls(kind="human", id=id, account_id=account_id)

    @classmethod
    def bot(cls, id: str, *, version: str | None = None, account_id: str | None = None) -> Actor:
        """A program that applies rules."""
        return cls(kind="bot", id=id, version=version, account_id=account_id)

    @classmethod
    def model(cls, id: str, *, version: str | None = None, account_id: str | None = None) -> Actor:
        """A statistical model, with the version that decided."""
        return cls(kind="model", id=id, version=version, account_id=account_id)

    @classmethod
    def system(cls, id: str, *, version: str | None = None, account_id: str | None = None) -> Actor:
        """The platform itself: imports, migrations, time-outs."""
        return cls(kind="system", id=id, version=version, account_id=account_id)

    @classmethod
    def parsed(cls, value: object) -> Actor:
        """An actor as it stands, or from a mapping with `kind` and `id`."""
        if isinstance(value, Actor):
            return value
        if not isinstance(value, Mapping):
            raise InvalidInputError(
                f"an actor is an Actor or a mapping with kind and id, not {shown(value)}"
            )
        check_names(value, ("kind", "id", "version", "account_id"), "an actor")
        if "kind" not in value or "id" not in value:
            raise InvalidInputError("an actor needs both kind and id")
        return cls(**value)
