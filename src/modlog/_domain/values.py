"""The small values that events are made of, and the checks that bad input meets."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar, cast, get_args

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.telling import checked_instant as checked_instant
from modlog._domain.telling import instant_text as instant_text
from modlog._domain.telling import is_mapping as is_mapping
from modlog._domain.telling import shown as shown
from modlog._errors import InvalidInputError, UnknownArgumentError

ActorKind = Literal["human", "bot", "model", "system"]
ACTOR_KINDS: Final = get_args(ActorKind)

# Ids, codes and labels stand in indexes; PostgreSQL takes at most 2,704 bytes a row there,
# and 255 characters of UTF-8 are at most 1,020 bytes.
MAX_ID_LENGTH: Final = 255
# Integers that every JSON reader gives back unchanged (RFC 8259, section 6).
MAX_INTEGER: Final = 2**53 - 1
# What a column of both databases holds, in which positions stand.
MAX_POSITION: Final = 2**63 - 1
# Deeper than any profile that means something, well above what parsers and stacks bear.
MAX_JSON_DEPTH: Final = 64

# Of an act's metadata as JSON in UTF-8, in bytes: enough for a request, too little for its body.
MAX_METADATA: Final = 16 * 2**10

# So many seconds, a thousand years, are as good as for ever.
_LONGEST: Final = 3e10
_V = TypeVar("_V")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT: Final = datetime.max.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a database can hold the text."""
    return (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text)


def checked_text(value: object, what: str) -> str:
    """Any text that a database can hold: no NUL, no lone surrogates.

    An enumeration's member, or what else is a kind of text, becomes plain text: drivers and
    `str()` would give its name for it.
    """
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} must be text, not {type(value).__name__}")
    if type(value) is not str:
        value = str.__str__(value)
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


def checked_whole(value: object, what: str, most: int = MAX_INTEGER) -> int:
    """A whole number from 0, as a plain one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidInputError(f"{what} must be a whole number from 0, not {shown(value)}")
    return int.__index__(value)


def checked_position(value: object, what: str) -> int:
    """A position in a log, from 0 for its beginning."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_POSITION:
        raise InvalidInputError(f"{what} must be a position from 0, not {shown(value)}")
    return int.__index__(value)


def checked_seconds(value: object, what: str) -> float | None:
    """A time from 0, infinity included, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidInputError(f"{what} must be seconds from 0, or None, not {shown(value)}")
    return float(value) if value <= _LONGEST else math.inf


def checked_truth(value: object, what: str) -> bool:
    """Yes or no, and nothing that Python only takes for one of them."""
    if value is not True and value is not False:
        raise InvalidInputError(f"{what} must be True or False, not {shown(value)}")
    return value


def checked_wait(follow: object, timeout: object) -> float | None:
    """The seconds that whoever follows waits for more: none if it is not to follow."""
    seconds = checked_seconds(timeout, "timeout")
    return seconds if checked_truth(follow, "follow") else 0.0


def checked_callable(value: _V, what: str) -> _V:
    """What can be called, or None."""
    if value is not None and not callable(value):
        raise InvalidInputError(f"{what} must be something to call, not {shown(value)}")
    return value


def checked_iterable(value: object, what: str) -> Iterator[Any]:
    """What there is in something that can be gone through; text is no such thing."""
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Iterable):
        raise InvalidInputError(f"{what} must be several, as in a list, not {shown(value)}")
    return iter(value)


def checked_versions(value: object, what: str) -> tuple[int, ...]:
    """Versions of events, from 1, in ascending order, each once."""
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Collection):
        raise InvalidInputError(f"{what} must be a collection of versions, not {shown(value)}")
    if not value:
        raise InvalidInputError(f"{what} must name one version at least")
    for version in value:
        is_version = isinstance(version, int) and not isinstance(version, bool)
        if not is_version or not 1 <= version <= MAX_INTEGER:
            raise InvalidInputError(f"{what} must hold versions from 1, not {shown(version)}")
    return tuple(sorted({int.__index__(version) for version in value}))


def parsed_instant(value: object, what: str) -> datetime:
    """An instant given as an aware datetime or as ISO 8601 text with an offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(str.__str__(value))
        except ValueError:
            raise InvalidInputError(
                f"{what} must be ISO 8601 with an offset, as 2026-01-31T11:44:00Z, "
                f"not {shown(value)}"
            ) from None
    return checked_instant(value, what)


def before(instant: datetime, by: timedelta) -> datetime:
    """The instant so much earlier, or the first that there is."""
    return instant - by if instant - FIRST_INSTANT > by else FIRST_INSTANT


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
        return float.__float__(value)
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
    if type(key) is str and is_storable(key):
        return key
    return checked_text(key, f"a key in {what}")


def _checked_integer(value: int, what: str) -> int:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise InvalidInputError(
            f"{what} must lie within ±(2⁵³−1), beyond which JSON readers lose digits: "
            "store larger numbers as text"
        )
    return int.__index__(value)


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


def checked_metadata(value: object, what: str) -> dict[str, Any]:
    """A mapping from text to JSON values of at most 16 KiB together, copied."""
    metadata = checked_mapping(value, what)
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_METADATA:
        raise InvalidInputError(
            f"{what} must have at most {MAX_METADATA:,} bytes as JSON, this one has {size:,}: keep "
            "what is larger elsewhere, and here the place where it is"
        )
    return metadata


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


@frozen(kw_only=True, slots=True, cache_hash=True)
class Actor(Jsonable):
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

    # One call for all of them: every event that is read has an actor.
    def __attrs_post_init__(self) -> None:
        kind = self.kind
        if kind not in ACTOR_KINDS:
            raise InvalidInputError(
                f"an actor's kind is one of {', '.join(ACTOR_KINDS)}, not {shown(kind)}"
            )
        if kind.__class__ is not str:
            object.__setattr__(self, "kind", str.__str__(kind))
        id = checked_id(self.id, "an actor's id")
        if id is not self.id:
            object.__setattr__(self, "id", id)
        if self.version is not None:
            self._check_id("version", self.version)
        if self.account_id is not None:
            self._check_id("account_id", self.account_id)

    def _check_id(self, name: str, value: str) -> None:
        checked = checked_id(value, f"an actor's {name}")
        if checked is not value:
            object.__setattr__(self, name, checked)

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
