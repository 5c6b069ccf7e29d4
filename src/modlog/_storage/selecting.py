"""A selection as a condition in SQL, on events `e`, their acts `a` and their streams `s`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from attrs import frozen

from modlog._domain.selection import Scope, Selection
from modlog._domain.values import Actor, to_micros
from modlog._storage.database import Database

_Part = tuple[str, tuple[Any, ...]]
Way = Literal["position", "act", "stream", "occurred"]
# What is asked of acts, each by a column of its own.
_OF_ACTS: Final = ("batch_id", "correlation_id", "type", "policy", "actor_kind")
# Which ways filters open, that of the fewest events first.
_WAYS: Final[tuple[tuple[Way, tuple[str, ...]], ...]] = (
    ("stream", ("account_id", "positions")),
    ("act", ("batch_id", "correlation_id", "actor")),
    ("occurred", ("occurred_since", "occurred_until")),
    ("act", ("type", "policy", "actor_kind")),
)


@frozen
class Condition:
    """A condition on events with their acts and streams, and its parameters.

    Attributes:
        sql: the whole condition.
        params: its parameters.
        way: what leads to few events: their acts, their streams, their positions, or when they
            occurred.
        acts: what of it is asked of acts alone, and its parameters.
        after: it holds for no event up to this position.
        up_to: it holds for no event after this position; None if that is not known.
    """

    sql: str
    params: tuple[Any, ...]
    way: Way = "position"
    acts: _Part = ("1 = 1", ())
    after: int = 0
    up_to: int | None = None


EVERY_EVENT: Final = Condition("1 = 1", ())


def condition_of(
    selection: Selection, database: Database, position_before: Callable[[datetime], int]
) -> Condition:
    """The condition that holds for exactly the events that are selected."""
    given = dict(selection.given())
    acts = [_among(database, f"a.{name}", given[name]) for name in _OF_ACTS if name in given]
    if "actor" in given:
        acts.append(_by_actors(given["actor"]))
    after, last = _range(given, position_before)
    parts = [*acts, *_places(given, database), *_bounds(after, last)]
    if occurred := _occurred(given, position_before):
        parts.append(occurred)
    return Condition(*_all_of(parts), _way(given), _all_of(acts), after, last)


def _way(given: Mapping[str, Any]) -> Way:
    """What leads to the fewest events, as far as one can tell."""
    for way, names in _WAYS:
        if not given.keys().isdisjoint(names):
            return way
    return "position"


def _places(given: Mapping[str, Any], database: Database) -> Iterator[_Part]:
    if "account_id" in given:
        among, params = _among(database, "id", given["account_id"])
        numbers = f"SELECT number FROM {database.table('streams')} WHERE kind = 'account'"
        yield f"e.stream IN ({numbers} AND {among})", params
    if "positions" in given:
        yield _among(database, "e.position", given["positions"])


def _range(
    given: Mapping[str, Any], position_before: Callable[[datetime], int]
) -> tuple[int, int | None]:
    """After which position, and up to which, they lie: instants grow with positions."""
    after, last = [given.get("after_position", 0)], [given.get("up_to_position")]
    if "since" in given:
        after.append(position_before(given["since"]))
    if "until" in given:
        last.append(position_before(given["until"]))
    return max(after), min((one for one in last if one is not None), default=None)


def _bounds(after: int, last: int | None) -> Iterator[_Part]:
    if after:
        yield "e.position > ?", (after,)
    if last is not None:
        yield "e.position <= ?", (last,)


def _occurred(given: Mapping[str, Any], position_before: Callable[[datetime], int]) -> _Part | None:
    """That an event occurred between two instants; None if neither is given.

    Most events have no time of their own, but that of their act, and so are a range of the log.
    """
    own: list[_Part] = []
    recorded: list[_Part] = []
    if "occurred_since" in given:
        since = given["occurred_since"]
        own.append(("e.occurred_at >= ?", (to_micros(since),)))
        recorded.append(("e.position > ?", (position_before(since),)))
    if "occurred_until" in given:
        until = given["occurred_until"]
        own.append(("e.occurred_at < ?", (to_micros(until),)))
        recorded.append(("e.position <= ?", (position_before(until),)))
    if not own:
        return None
    (of_own, params), (of_act, more) = _all_of(own), _all_of(recorded)
    return f"(({of_own}) OR (e.occurred_at IS NULL AND {of_act}))", (*params, *more)


def condition_of_scope(
    scope: Scope, database: Database, position_before: Callable[[datetime], int]
) -> Condition:
    """The condition that holds for exactly the events that a view keeps."""
    parts: list[_Part] = []
    if scope.up_to_position is not None:
        parts.append(("e.position <= ?", (scope.up_to_position,)))
    if scope.occurred_until is not None:
        until = to_micros(scope.occurred_until)
        parts.append(("coalesce(e.occurred_at, a.recorded_at) <= ?", (until,)))
    for selection in scope.excluded:
        condition = condition_of(selection, database, position_before)
        # An event without a policy, say, is not one of that policy: NULL must not exclude.
        # An erasure is never left out.
        parts.append(
            (f"(({condition.sql}) IS NOT TRUE OR a.type = 'account.erased')", condition.params)
        )
    return Condition(*_all_of(parts))


def both(one: Condition, other: Condition) -> Condition:
    """The events for which both conditions hold, by the way of the first."""
    sql, params = _all_of([(one.sql, one.params), (other.sql, other.params)])
    return Condition(sql, params, one.way, one.acts)


def up_to(position: int) -> Condition:
    """The events up to a position, included."""
    return Condition("e.position <= ?", (position,))


def after_position(position: int) -> Condition:
    """The events after a position."""
    return Condition("e.position > ?", (position,))


def _all_of(parts: Sequence[_Part]) -> _Part:
    return (
        " AND ".join(sql for sql, _ in parts) or "1 = 1",
        tuple(value for _, params in parts for value in params),
    )


def _among(database: Database, column: str, values: Sequence[Any]) -> _Part:
    if len(values) == 1:
        return f"{column} = ?", (values[0],)
    return database.among(column, values)


def _by_actors(actors: Sequence[Actor | str]) -> _Part:
    parts: list[str] = []
    params: list[Any] = []
    for actor in actors:
        if isinstance(actor, Actor):
            # By the id: an index of kinds tells less, and SQLite might take that.
            parts.append("(a.actor_id = ? AND a.actor_kind || '' = ?)")
            params += [actor.id, actor.kind]
        else:
            parts.append("a.actor_id = ?")
            params.append(actor)
    return f"({' OR '.join(parts)})", tuple(params)
