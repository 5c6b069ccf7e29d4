"""Which events are meant: the filters that queries, reverts and views share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from attrs import field, frozen
from attrs import fields as attrs_fields

from modlog._domain.events import EVENT_CLASSES, RecordedEvent
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import (
    ACTOR_KINDS,
    LAST_INSTANT,
    Actor,
    before,
    check_names,
    checked_id,
    checked_instant,
    checked_position,
    checked_text,
    checked_truth,
    instant_text,
    shown,
)
from modlog._errors import InvalidInputError

_V = TypeVar("_V")


class _Everything:
    """Stands for a filter that was not given; none is not the same."""

    def __repr__(self) -> str:
        return "any"

    def __reduce__(self) -> str:
        return "ANY"  # copied or sent to another process it is still the same


ANY: Final = _Everything()


def _several(check: Callable[[Any, str], _V], what: str) -> Callable[[Any], tuple[_V, ...]]:
    """A converter: one value or several, each checked; none and no values are refused."""

    def convert(value: Any) -> tuple[_V, ...]:
        if value is None:
            raise InvalidInputError(
                f"{what} is None, which selects nothing: leave the filter out to mean any"
            )
        if isinstance(value, str | bytes | bytearray | Actor) or not isinstance(value, Collection):
            return (check(value, what),)
        if not value:
            raise InvalidInputError(
                f"{what} is an empty collection, which selects nothing: "
                "leave the filter out to mean any"
            )
        return tuple(dict.fromkeys(check(item, what) for item in value))

    return convert


def _checked_actor(value: object, what: str) -> Actor | str:
    return value if isinstance(value, Actor) else checked_id(value, what)


def _checked_type(value: object, what: str) -> str:
    if not isinstance(value, str) or value not in EVENT_CLASSES:
        raise InvalidInputError(
            f"{what} must be an event's type, not {shown(value)}; there are "
            f"{', '.join(sorted(EVENT_CLASSES))}"
        )
    return checked_text(value, what)


def _checked_kind(value: object, what: str) -> str:
    if not isinstance(value, str) or value not in ACTOR_KINDS:
        raise InvalidInputError(
            f"{what} must be one of {', '.join(ACTOR_KINDS)}, not {shown(value)}"
        )
    return checked_text(value, what)


def _one(check: Callable[[Any, str], _V], what: str) -> Callable[[Any], _V]:
    def convert(value: Any) -> _V:
        if value is None:
            raise InvalidInputError(f"{what} is None: leave the filter out to mean any")
        return check(value, what)

    return convert


def _filter(convert: Callable[[Any], Any]) -> Any:
    return field(converter=lambda value: value if value is ANY else convert(value))


def _by_known_names(init: Callable[..., None]) -> Callable[..., None]:
    """Tell of a misspelt filter as of any other wrong input."""

    @wraps(init)
    def checked(self: Selection, **given: Any) -> None:
        check_names(given, FILTERS, "a selection")
        init(self, **given)

    return checked


Likeness = Literal["actor", "policy", "batch"]
# What two events may have in common, and under which name an event and a selection have it.
LIKENESSES: Final[Mapping[Likeness, str]] = {
    "actor": "actor",
    "policy": "policy",
    "batch": "batch_id",
}

_Several: TypeAlias = _V | Collection[_V] | _Everything


@frozen(init=False)
class Selection(Jsonable):
    """The events for which all that is given holds; one value or several for each filter.

    Attributes:
        account_id: events of these accounts.
        actor: by these actors; a text matches the id under any kind, an `Actor` kind and id.
        actor_kind: by actors of these kinds: human, bot, model, system.
        batch_id: that were part of these batches.
        type: of these types, such as "account.deleted".
        policy: that applied these policies.
        correlation_id: tied to these requests, tickets or traces outside.
        since: recorded at this instant or later.
        until: recorded before this instant.
        occurred_since: occurred at this instant or later; where nobody said when an event
            occurred, it did when it was recorded.
        occurred_until: occurred before this instant.
        after_position: after this position in the log.
        up_to_position: up to this position, included.
        positions: at exactly these positions.

    Raises:
        InvalidInputError: None or an empty collection as a filter, or a value out of bounds.
    """

    account_id: tuple[str, ...] | _Everything = _filter(_several(checked_id, "account_id"))
    actor: tuple[Actor | str, ...] | _Everything = _filter(_several(_checked_actor, "actor"))
    actor_kind: tuple[str, ...] | _Everything = _filter(_several(_checked_kind, "actor_kind"))
    batch_id: tuple[str, ...] | _Everything = _filter(_several(checked_id, "batch_id"))
    type: tuple[str, ...] | _Everything = _filter(_several(_checked_type, "type"))
    policy: tuple[str, ...] | _Everything = _filter(_several(checked_id, "policy"))
    correlation_id: tuple[str, ...] | _Everything = _filter(_several(checked_id, "correlation_id"))
    since: datetime | _Everything = _filter(_one(checked_instant, "since"))
    until: datetime | _Everything = _filter(_one(checked_instant, "until"))
    occurred_since: datetime | _Everything = _filter(_one(checked_instant, "occurred_since"))
    occurred_until: datetime | _Everything = _filter(_one(checked_instant, "occurred_until"))
    after_position: int | _Everything = _filter(_one(checked_position, "after_position"))
    up_to_position: int | _Everything = _filter(_one(checked_position, "up_to_position"))
    positions: tuple[int, ...] | _Everything = _filter(_several(checked_position, "positions"))

    def __init__(
        self,
        *,
        account_id: _Several[str] = ANY,
        actor: _Several[Actor | str] = ANY,
        actor_kind: _Several[str] = ANY,
        batch_id: _Several[str] = ANY,
        type: _Several[str] = ANY,
        policy: _Several[str] = ANY,
        correlation_id: _Several[str] = ANY,
        since: datetime | _Everything = ANY,
        until: datetime | _Everything = ANY,
        occurred_since: datetime | _Everything = ANY,
        occurred_until: datetime | _Everything = ANY,
        after_position: int | _Everything = ANY,
        up_to_position: int | _Everything = ANY,
        positions: _Several[int] = ANY,
    ) -> None:
        convert: Any = self.__attrs_init__  # takes what the converters take
        convert(
            account_id,
            actor,
            actor_kind,
            batch_id,
            type,
            policy,
            correlation_id,
            since,
            until,
            occurred_since,
            occurred_until,
            after_position,
            up_to_position,
            positions,
        )

    if not TYPE_CHECKING:  # they tell of a misspelt filter themselves
        __init__ = _by_known_names(__init__)

    @classmethod
    def like(
        cls,
        event: RecordedEvent,
        *,
        within: timedelta = timedelta(hours=1),
        by: Likeness = "actor",
    ) -> Selection:
        """What the same hand, rule or batch did around an event, that event included.

        Args:
            event: as the ledger gave it.
            within: how long before and after it, both ends included, on the clock of
                `occurred_at`: what an import brought in counts when it happened.
            by: what has to be the same: "actor" (kind and id), which every event has, "policy"
                or "batch".

        Raises:
            InvalidInputError: no event, a time that is none, or an event without that policy
                or batch.
        """
        if not isinstance(event, RecordedEvent):
            raise InvalidInputError(f"like() takes a recorded event, not {shown(event)}")
        if by not in tuple(LIKENESSES):
            raise InvalidInputError(f"by must be one of {', '.join(LIKENESSES)}, not {shown(by)}")
        name = LIKENESSES[by]
        value = getattr(event, name)
        if value is None:
            raise InvalidInputError(
                f"the event at position {event.position} has no {by}: choose another by="
            )
        since, until = _around(event.occurred_at, within)
        return cls(**{name: value}, occurred_since=since, occurred_until=until)

    def given(self) -> Iterator[tuple[str, Any]]:
        """The filters that were given, by name."""
        for name in FILTERS:
            value = getattr(self, name)
            if value is not ANY:
                yield name, value

    def as_dict(self) -> dict[str, Any]:
        """The filters that were given, as JSON values."""
        return {name: _plain(value) for name, value in self.given()}

    @classmethod
    def _shape(cls, _handler: Any) -> dict[str, Any]:
        return {"type": "dict", "keys_schema": {"type": "literal", "expected": list(FILTERS)}}

    @property
    def is_everything(self) -> bool:
        """Whether no filter at all was given."""
        return next(self.given(), None) is None


@frozen(kw_only=True)
class Scope:
    """The events that a view keeps: all for which every bound holds and no exclusion does.

    Attributes:
        up_to_position: up to this position, included.
        occurred_until: that occurred at this instant or earlier.
        excluded: none of these selections.
    """

    up_to_position: int | None = None
    occurred_until: datetime | None = None
    excluded: tuple[Selection, ...] = ()

    def within(self, other: Scope) -> Scope:
        """The events that both keep."""
        return Scope(
            up_to_position=_least(self.up_to_position, other.up_to_position),
            occurred_until=_least(self.occurred_until, other.occurred_until),
            excluded=tuple(dict.fromkeys(self.excluded + other.excluded)),
        )


def _plain(value: Any) -> Any:
    match value:
        case tuple():
            return [_plain(item) for item in value]
        case Actor():
            return {"kind": value.kind, "id": value.id}
        case datetime():
            return instant_text(value)
    return value


def _least(one: Any, other: Any) -> Any:
    return min((bound for bound in (one, other) if bound is not None), default=None)


EVERYTHING: Final = Scope()
FILTERS: Final = tuple(attribute.name for attribute in attrs_fields(Selection))


def checked_selection(selection: object, asker: str) -> Selection:
    """A selection; every event if there is none.

    Raises:
        InvalidInputError: anything else.
    """
    if selection is None:
        return Selection()
    if not isinstance(selection, Selection):
        raise InvalidInputError(f"{asker} takes a Selection, not {shown(selection)}")
    return selection


def check_selection(selection: object, *, everything: bool) -> None:
    """Refuse what no revert or sweep may mean.

    Raises:
        InvalidInputError: no selection, or one of all events without `everything=True`.
    """
    if not isinstance(selection, Selection):
        raise InvalidInputError(f"a revert takes a Selection, not {shown(selection)}")
    if selection.is_everything and not checked_truth(everything, "everything"):
        raise InvalidInputError(
            "Selection() means every event of the ledger: say everything=True if that is meant"
        )


def _around(instant: datetime, within: object) -> tuple[datetime, datetime]:
    """The first instant that lies so near, and the first one after it that does not.

    Raises:
        InvalidInputError: no length of time.
    """
    if not isinstance(within, timedelta) or within < timedelta(0):
        raise InvalidInputError(
            f"within must be a timedelta from 0, as timedelta(hours=1), not {shown(within)}"
        )
    later = min(within, LAST_INSTANT - instant - timedelta.resolution)
    return before(instant, within), instant + later + timedelta.resolution
