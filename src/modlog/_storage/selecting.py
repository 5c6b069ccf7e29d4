"""A selection as a condition in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from modlog._domain.selection import Scope, Selection
from modlog._domain.values import Actor, to_micros
from modlog._storage.database import Database

_Part = tuple[str, tuple[Any, ...]]


@frozen
class Condition:
    """A condition on rows of events, with its parameters.

    Attributes:
        position: how the query names the position when it compares and sorts. Where an index
            on accounts or positions leads to few rows, the name is hidden behind a plus sign:
            PostgreSQL would else walk the whole log in order to spare itself the sort.
    """

    sql: str
    params: tuple[Any, ...]
    position: str


def condition_of(
    selection: Selection, database: Database, position_before: Callable[[datetime], int]
) -> Condition:
    """The condition that holds for exactly the events that are selected."""
    given = dict(selection.given())
    parts: list[_Part] = []
    for name in ("account_id", "batch_id", "type", "policy"):
        if name in given:
            parts.append(_among(database, name, given[name]))
    if "actor" in given:
        parts.append(_by_actors(given["actor"]))
    if "positions" in given:
        parts.append(_among(database, "position", given["positions"]))
    # Instants grow with positions, so a time window is a range of the log.
    if "since" in given:
        parts.append(("position > ?", (position_before(given["since"]),)))
    if "until" in given:
        parts.append(("position <= ?", (position_before(given["until"]),)))
    if "after_position" in given:
        parts.append(("position > ?", (given["after_position"],)))
    if "up_to_position" in given:
        parts.append(("position <= ?", (given["up_to_position"],)))
    return _all_of(
        parts, "+position" if "account_id" in given or "positions" in given else "position"
    )


EVERY_EVENT: Final = Condition("1 = 1", (), "position")


def up_to(position: int) -> Condition:
    """The events up to a position, included."""
    return Condition("position <= ?", (position,), "position")


def both(one: Condition, other: Condition) -> Condition:
    """The events for which both conditions hold; positions are named as the first says."""
    return Condition(f"{one.sql} AND {other.sql}", (*one.params, *other.params), one.position)


def condition_of_scope(
    scope: Scope, database: Database, position_before: Callable[[datetime], int]
) -> Condition:
    """The condition that holds for exactly the events that a view keeps."""
    parts: list[_Part] = []
    if scope.up_to_position is not None:
        parts.append(("position <= ?", (scope.up_to_position,)))
    if scope.occurred_until is not None:
        parts.append(("occurred_at <= ?", (to_micros(scope.occurred_until),)))
    for selection in scope.excluded:
        condition = condition_of(selection, database, position_before)
        # An event without a policy, say, is not one of that policy: NULL must not exclude.
        parts.append((f"({condition.sql}) IS NOT TRUE", condition.params))
    return _all_of(parts, "position")


def _all_of(parts: Sequence[_Part], position: str) -> Condition:
    return Condition(
        " AND ".join(sql for sql, _ in parts) or "1 = 1",
        tuple(value for _, params in parts for value in params),
        position,
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
            parts.append("(actor_id = ? AND actor_kind = ?)")
            params += [actor.id, actor.kind]
        else:
            parts.append("actor_id = ?")
            params.append(actor)
    return f"({' OR '.join(parts)})", tuple(params)
