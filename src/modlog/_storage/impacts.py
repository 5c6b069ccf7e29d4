"""What became of what selected events began: in numbers, and account by account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from attrs import frozen

from modlog._domain.effects import types_where
from modlog._domain.impacts import Hit, ImpactLine, impact_line
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import EVERYTHING, Selection
from modlog._domain.values import from_micros
from modlog._storage.database import Row
from modlog._storage.figures import causes, condition_for, ending, is_last, seconds
from modlog._storage.projection import codes_of, damaged, name_of, numbers, stay_from
from modlog._storage.reading import Reader, selected
from modlog._storage.replays import by_stream
from modlog._storage.selecting import both, up_to
from modlog._storage.spans import Moment, ids_of, statuses_at

_HITS: Final = codes_of(("flag", "sanction"))
BEGINNING: Final = types_where(lambda effect: effect.begins not in {None, "erasure"})


@frozen(kw_only=True)
class Repair(Jsonable):
    """What one hand ended of what selected events had begun, in one way.

    Attributes:
        by: the hand, as kind:id.
        type: of the events that did it, such as "events.reverted".
        number: how many sanctions, flags, protections and accounts they ended.
        accounts: of how many accounts.
        median_seconds: the median of the times from the beginning to the end, on the clock of
            `occurred_at`; for an even number the mean of the two in the middle.
    """

    by: str
    type: str
    number: int
    accounts: int
    median_seconds: float


def touched(reader: Reader, selection: Selection, head: int) -> tuple[int, Sequence[int]]:
    """How many events of accounts are selected up to a head, and the streams of these accounts.

    The streams are in the order in which the ledger came to know the accounts.
    """
    database = reader.database
    condition = both(reader.condition(selection), up_to(head))
    found = selected(database, condition)
    if selection.is_everything:  # to look up the act of each would take most of the time
        found = (
            f"FROM {database.table('events')} AS e JOIN {database.table('streams')} AS s"
            f" ON s.number = e.stream WHERE {condition.sql}"
        )
    rows = reader.session.rows(
        f"SELECT e.stream, count(*) {found}"
        " AND s.kind = 'account' GROUP BY e.stream ORDER BY e.stream",
        condition.params,
    )
    return sum(number for _, number in rows), [stream for stream, _ in rows]


def begun(reader: Reader, selection: Selection) -> dict[str, tuple[int, int]]:
    """How many facets of each kind the selected events began, and how many of them stand."""
    condition = condition_for(reader, selection, BEGINNING)
    rows = reader.session.rows(
        "SELECT x.facet, count(*), count(CASE WHEN x.closed IS NULL THEN 1 END)"
        f" {causes(reader.database, condition)} GROUP BY x.facet ORDER BY x.facet DESC",
        condition.params,
    )
    return {name_of(code): (number, standing) for code, number, standing in rows}


def repairs(reader: Reader, selection: Selection) -> tuple[Repair, ...]:
    """Who ended what the selected events began, and how, but by an erasure; the most first."""
    condition = condition_for(reader, selection, BEGINNING)
    rows = reader.session.rows(
        "WITH ended AS (SELECT ender.actor_kind || ':' || ender.actor_id AS hand, ender.type"
        " AS how, x.stream AS stream, x.closed_at - x.since AS took"
        f" {causes(reader.database, condition)} AND ender.type <> 'account.erased'),"
        " ranked AS (SELECT hand, how, stream, took,"
        " row_number() OVER (PARTITION BY hand, how ORDER BY took) AS place,"
        " count(*) OVER (PARTITION BY hand, how) AS number FROM ended)"
        " SELECT hand, how, count(*), count(DISTINCT stream),"
        " min(CASE WHEN place = (number + 1) / 2 THEN took END),"
        " min(CASE WHEN place = (number + 2) / 2 THEN took END)"
        " FROM ranked GROUP BY hand, how ORDER BY 3 DESC, 1, 2",
        condition.params,
    )
    return tuple(
        Repair(by=by, type=how, number=number, accounts=accounts, median_seconds=seconds(low, up))
        for by, how, number, accounts, low, up in rows
    )


Look = tuple[ImpactLine, Sequence[Hit]]


def looks(
    reader: Reader, selection: Selection, head: int, streams: Sequence[int], at: datetime
) -> list[Look]:
    """What the selected events up to a head came to for these accounts, in their order.

    Each with all sanctions and flags that ever took hold of the account, by version.

    Raises:
        CorruptCacheError: a row is not what modlog writes.
    """
    database, session = reader.database, reader.session
    ids = ids_of(database, session, streams)
    statuses = statuses_at(database, session, streams, Moment.of(EVERYTHING), at)
    hits = _hits(reader, selection, head, streams)
    return [
        (impact_line(ids[stream], statuses[stream], own, at), own)
        for stream in streams
        for own in (hits.get(stream, ()),)
    ]


def _hits(
    reader: Reader, selection: Selection, head: int, streams: Sequence[int]
) -> Mapping[int, Sequence[Hit]]:
    """All sanctions and flags that ever took hold of these accounts, by version."""
    database = reader.database
    table = database.table
    condition = both(reader.condition(selection), up_to(head))
    among, params = database.among("x.stream", streams)
    rows = reader.session.rows(
        "SELECT x.stream, x.version, x.facet, x.since, x.until, x.label,"
        f" CASE WHEN {condition.sql} THEN 1 ELSE 0 END, a.batch_id,"
        " x.closed_at, ender.actor_kind || ':' || ender.actor_id, ender.type"
        f" FROM {table('spans')} AS x"
        f" CROSS JOIN {table('events')} AS e CROSS JOIN {table('acts')} AS a"
        f" {ending(database)}"
        f" WHERE {among} AND x.facet IN ({numbers(_HITS)})"
        " AND e.stream = x.stream AND e.version = x.version AND a.number = e.act"
        f" AND {is_last(database)} ORDER BY x.stream, x.version",
        (*condition.params, *params),
    )
    try:
        return {stream: [_hit(row) for row in own] for stream, own in by_stream(rows).items()}
    except OverflowError as error:
        raise damaged(error) from error


def _hit(row: Row) -> Hit:
    _, version, code, since, until, label, is_selected, batch_id, closed_at, *ended = row
    return Hit(
        version=version,
        stay=stay_from(code, since, until, label),
        selected=bool(is_selected),
        batch_id=batch_id,
        ended_at=None if closed_at is None else from_micros(closed_at),
        ended_by=ended[0],
        ended_how=ended[1],
    )
