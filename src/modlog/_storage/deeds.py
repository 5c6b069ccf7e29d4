"""Who did what, and when: selected events, and those that ended what they had begun."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from attrs import frozen

from modlog._domain.events import AccountNoted, RecordedEvent
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection
from modlog._domain.values import from_micros, to_micros
from modlog._errors import CorruptEventError
from modlog._storage.codec import recorded_event
from modlog._storage.figures import causes, condition_for
from modlog._storage.impacts import BEGINNING
from modlog._storage.reading import Reader, recorded_sql, selected
from modlog._storage.selecting import Condition, both, up_to

_SECOND: Final = 1_000_000
_AT: Final = "coalesce(e.occurred_at, a.recorded_at)"
_HAND: Final = "a.actor_kind || ':' || a.actor_id"


@frozen(kw_only=True)
class Deed(Jsonable):
    """What one hand did for one reason: events that share all of this.

    Attributes:
        by: the hand, as kind:id.
        type: of the events.
        reason: the reason that was given.
        policy: the code of the rule that was applied.
        batch_id: their batch.
        selected: whether these are selected events; else they ended what such had begun.
        events: how many they are.
        accounts: on how many accounts.
        first: when the first of them occurred.
        last: when the last of them did.
    """

    by: str
    type: str
    reason: str | None
    policy: str | None
    batch_id: str | None
    selected: bool
    events: int
    accounts: int
    first: datetime
    last: datetime


@frozen(kw_only=True)
class Tick(Jsonable):
    """Events of one type in one second, or one hour.

    Attributes:
        at: the beginning of that time.
        type: of the events.
        events: how many they are.
    """

    at: datetime
    type: str
    events: int


def deeds(reader: Reader, selection: Selection) -> tuple[Deed, ...]:
    """What was done, in the order in which it began."""
    envelope = f"{_HAND}, a.type, a.reason, a.policy, a.batch_id, i.chosen"
    rows = _rows(
        reader,
        selection,
        f"{envelope}, count(*), count(DISTINCT e.stream), min({_AT}), max({_AT})",
        f"GROUP BY {envelope} ORDER BY min({_AT}), min(e.position)",
    )
    return tuple(
        Deed(
            by=by,
            type=type_name,
            reason=reason,
            policy=policy,
            batch_id=batch_id,
            selected=bool(chosen),
            events=events,
            accounts=accounts,
            first=_instant(first),
            last=_instant(last),
        )
        for by, type_name, reason, policy, batch_id, chosen, events, accounts, first, last in rows
    )


def ticks(reader: Reader, selection: Selection, seconds: int) -> tuple[Tick, ...]:
    """How many events of each type there were in times of this length, in order."""
    length = seconds * _SECOND
    down = f"CASE WHEN {_AT} < 0 THEN {length - 1} ELSE 0 END"  # division cuts towards zero
    start = f"({_AT} - {down}) / {length} * {length}"
    rows = _rows(
        reader, selection, f"{start}, a.type, count(*)", f"GROUP BY {start}, a.type ORDER BY 1, 2"
    )
    return tuple(
        Tick(at=_instant(at), type=type_name, events=events) for at, type_name, events in rows
    )


def _rows(reader: Reader, selection: Selection, columns: str, ending: str) -> list[Any]:
    """Of the events `e` concerned, with their acts `a`, and whether they are chosen (`i`)."""
    database = reader.database
    chosen = _chosen(reader, selection)
    began = condition_for(reader, selection, BEGINNING)
    return reader.session.rows(
        f"WITH involved AS (SELECT e.position AS position, 1 AS chosen"
        f" {selected(database, chosen)} AND s.kind = 'account'"
        f" UNION ALL SELECT x.closed, 0 {causes(database, began)}"
        " AND ender.type <> 'account.erased'),"
        " once AS (SELECT position, max(chosen) AS chosen FROM involved GROUP BY position)"
        f" SELECT {columns} FROM once AS i CROSS JOIN {database.table('events')} AS e"
        f" CROSS JOIN {database.table('acts')} AS a"
        f" WHERE e.position = i.position AND a.number = e.act {ending}",
        (*chosen.params, *began.params),
    )


def _instant(micros: int) -> datetime:
    """An instant as it is stored.

    Raises:
        CorruptEventError: it is none that modlog writes.
    """
    try:
        return from_micros(micros)
    except OverflowError as error:
        raise CorruptEventError(f"an event is damaged: its instant is {micros}") from error


def _chosen(reader: Reader, selection: Selection) -> Condition:
    # Bounded, as PostgreSQL without statistics would else walk through all events.
    return both(reader.condition(selection), up_to(reader.head().position))


def first_sign(reader: Reader, selection: Selection, since: datetime) -> RecordedEvent | None:
    """The first event that shows that somebody noticed; None if there is none.

    It ended something that the selected events had begun, or is a note on one of their accounts,
    from an instant on, and no selected one.
    """
    positions = [*_first_ends(reader, selection), *_first_notes(reader, selection, since)]
    if not positions:
        return None
    among, params = reader.database.among("e.position", positions)
    rows = reader.session.rows(
        f"{recorded_sql(reader.database)} WHERE {among} ORDER BY {_AT}, e.position LIMIT 1", params
    )
    return recorded_event(rows[0])


def _first_ends(reader: Reader, selection: Selection) -> list[int]:
    began = condition_for(reader, selection, BEGINNING)
    rows = reader.session.rows(
        f"SELECT x.closed {causes(reader.database, began)} AND ender.type <> 'account.erased'"
        " ORDER BY x.closed_at, x.closed LIMIT 1",
        began.params,
    )
    return [position for (position,) in rows]


def _first_notes(reader: Reader, selection: Selection, since: datetime) -> list[int]:
    database = reader.database
    chosen = _chosen(reader, selection)
    notes = both(reader.condition(Selection(type=AccountNoted.TYPE)), up_to(reader.head().position))
    rows = reader.session.rows(
        f"SELECT e.position {selected(database, notes)} AND {_AT} >= ?"
        f" AND ({chosen.sql}) IS NOT TRUE"
        f" AND e.stream IN (SELECT e.stream {selected(database, chosen)})"
        f" ORDER BY {_AT}, e.position LIMIT 1",
        (*notes.params, to_micros(since), *chosen.params, *chosen.params),
    )
    return [position for (position,) in rows]
