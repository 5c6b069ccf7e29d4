"""Queries in one session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import define

from modlog._domain.account import AccountState, Stays
from modlog._domain.effects import FACETS, Facet
from modlog._domain.events import RecordedEvent
from modlog._domain.selection import Scope, Selection
from modlog._domain.values import Actor, from_micros, to_micros
from modlog._storage.codec import RECORDED, recorded_event
from modlog._storage.database import Database, Head, Row, Session
from modlog._storage.projection import stay_from
from modlog._storage.selecting import Condition, condition_of, condition_of_scope

if TYPE_CHECKING:
    from modlog._storage.store import Store

# Rows that are fetched at a time, between which no transaction stays open.
PAGE: Final = 1_000
# Positions in which selected acts are looked for at a time, and those of events looked up at once.
WINDOW: Final = 10 * PAGE
POSITIONS: Final = 100 * PAGE


def acted(database: Database) -> str:
    """Events `e` with their acts `a`, for a FROM clause."""
    table = database.table
    return f"{table('events')} AS e JOIN {table('acts')} AS a ON a.number = e.act"


def sources(database: Database) -> str:
    """Events `e` with their acts `a` and their streams `s`, for a FROM clause."""
    return f"{acted(database)} JOIN {database.table('streams')} AS s ON s.number = e.stream"


def selected(database: Database, condition: Condition) -> str:
    """The events for which a condition holds, as the rest of a statement from its FROM on.

    Where acts lead to few events, or when they occurred, SQLite has to begin with that: it would
    rather walk through all events in an order that spares it a sort (33 times as long in a log of
    240,000 without ANALYZE).
    """
    if condition.way not in ("act", "occurred"):
        return f"FROM {sources(database)} WHERE {condition.sql}"
    table = database.table
    first = [f"{table('acts')} AS a", f"{table('events')} AS e"]
    if condition.way == "occurred":
        first.reverse()
    return (
        f"FROM {' CROSS JOIN '.join(first)} CROSS JOIN {table('streams')} AS s"
        f" WHERE e.act = a.number AND s.number = e.stream AND {condition.sql}"
    )


def recorded_sql(database: Database) -> str:
    """The query for whole events, as `recorded_event` takes them, up to its condition."""
    return f"SELECT {RECORDED} FROM {sources(database)}"


@define
class Reader:
    """Queries in one session."""

    store: Store
    session: Session
    _known_head: Head | None = None

    @property
    def database(self) -> Database:
        """Where it reads."""
        return self.store.database

    def _table(self, name: str) -> str:
        return self.database.table(name)

    def head(self) -> Head:
        """The log's end."""
        return self._known_head or self.database.head(self.session)

    # Accounts

    def state_and_head(self, account_id: str) -> tuple[AccountState, Head]:
        """An account's current state, version 0 if it is not known, and the log's end."""
        card, head = self.store.card_and_head(self.session, account_id)
        return card.state if card else AccountState(), head

    def states(
        self, account_ids: Sequence[str], facets: Sequence[Facet] = FACETS
    ) -> dict[str, AccountState]:
        """The current states of those accounts that are known, these facets of them."""
        cards = self.store.cards(self.session, account_ids, facets)
        return {account_id: card.state for account_id, card in cards.items()}

    def standing(self, account_id: str, versions: Sequence[int]) -> Stays:
        """What stands of an account under these versions."""
        among, params = self.database.among("x.version", versions)
        rows = self.session.rows(
            "SELECT x.version, x.facet, x.since, x.until, x.label"
            f" FROM {self._table('streams')} AS s JOIN {self._table('spans')} AS x"
            " ON x.stream = s.number"
            f" WHERE s.kind = 'account' AND s.id = ? AND {among} AND coalesce(x.closed, 0) = 0",
            (account_id, *params),
        )
        return {version: stay_from(*stay) for version, *stay in rows}

    def stream(self, kind: str, id_: str) -> int | None:
        """The number of a stream, if there is one of that kind and id."""
        row = self.session.row(
            f"SELECT number FROM {self._table('streams')} WHERE kind = ? AND id = ?", (kind, id_)
        )
        return None if row is None else int(row[0])

    def streams(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        """The numbers of those accounts that are known, by id."""
        among, params = self.database.among("id", account_ids)
        return dict(
            self.session.rows(
                f"SELECT id, number FROM {self._table('streams')}"
                f" WHERE kind = 'account' AND {among}",
                params,
            )
        )

    # Events

    def history(self, account_id: str) -> list[RecordedEvent]:
        """All events of an account, in order."""
        stream = f"SELECT number FROM {self._table('streams')} WHERE kind = 'account' AND id = ?"
        rows = self.session.rows(
            f"{recorded_sql(self.database)} WHERE e.stream = ({stream}) ORDER BY e.version",
            (account_id,),
        )
        return [recorded_event(row) for row in rows]

    def events_of(
        self, account_ids: Sequence[str], condition: Condition
    ) -> dict[str, list[RecordedEvent]]:
        """These accounts' events for which a condition holds, whole, by account and version."""
        among, params = self.database.among("s.id", sorted(account_ids))
        found: dict[str, list[RecordedEvent]] = {}
        for row in self.session.rows(
            f"{recorded_sql(self.database)} WHERE s.kind = 'account' AND {among}"
            f" AND {condition.sql} ORDER BY s.id, e.version",
            (*params, *condition.params),
        ):
            event = recorded_event(row)
            found.setdefault(str(event.account_id), []).append(event)
        return found

    def rows_page(self, condition: Condition, after: int, head: int) -> list[Row]:
        """The next events up to a head for which a condition holds, in the columns `RECORDED`."""
        # Where few events are meant, PostgreSQL would else walk the log to spare itself a sort
        # (three accounts in a log of 240,000 without statistics: 85 ms instead of 0.2).
        order = "e.position" if condition.way == "position" else "+e.position"
        return self.session.rows(
            f"{recorded_sql(self.database)} WHERE s.kind <> 'foreign' AND {order} > ?"
            f" AND {order} <= ? AND {condition.sql} ORDER BY {order} LIMIT {PAGE}",
            (after, head, *condition.params),
        )

    # Places in the log

    def recorded_at(self, position: int) -> datetime | None:
        """When the event at a position was recorded; None if there is none."""
        row = self.session.row(
            f"SELECT a.recorded_at FROM {self._table('events')} AS e"
            f" JOIN {self._table('acts')} AS a ON a.number = e.act WHERE e.position = ?",
            (position,),
        )
        return None if row is None else from_micros(row[0])

    def position_at(self, instant: datetime) -> int:
        """The last position recorded at an instant or before; 0 if there is none."""
        return self._last_position(to_micros(instant) + 1)

    def position_before(self, instant: datetime) -> int:
        """The last position recorded before an instant; 0 if there is none."""
        return self._last_position(to_micros(instant))

    def _last_position(self, before: int) -> int:
        """The last position recorded before so many microseconds since 1970.

        Instants grow with positions, so this halves the log until it has the place.
        """
        events, acts = self._table("events"), self._table("acts")
        row = self.session.row(
            "WITH RECURSIVE halving (low, high) AS (SELECT CAST(0 AS BIGINT),"
            f" coalesce((SELECT max(position) FROM {events}), 0)"
            " UNION ALL SELECT"
            " CASE WHEN a.recorded_at < ? THEN e.position ELSE low END,"
            " CASE WHEN a.recorded_at < ? THEN high ELSE e.position - 1 END"
            f" FROM halving JOIN {events} AS e ON e.position = (low + high + 1) / 2"
            f" JOIN {acts} AS a ON a.number = e.act WHERE low < high)"
            " SELECT low FROM halving WHERE low = high",
            (before, before),
        )
        assert row is not None
        return int(row[0])

    def condition(self, selection: Selection) -> Condition:
        """The selection as a condition on events."""
        return condition_of(selection, self.database, self.position_before)

    def scope(self, scope: Scope) -> Condition:
        """The events that a view keeps, as a condition on events."""
        return condition_of_scope(scope, self.database, self.position_before)

    # What guardrails ask

    def has_grown_by(self, number: int, since: datetime) -> bool:
        """Whether the log has so many events from after an instant."""
        head = self.head().position
        if head < number:
            return False
        oldest = self.recorded_at(head - number + 1)
        return oldest is not None and oldest > since

    def deletions_by(self, actor: Actor, since: datetime, at_most: int) -> int:
        """How many deletions an actor recorded after an instant, counted up to a limit."""
        row = self.session.row(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._table('acts')} AS a"
            f" JOIN {self._table('events')} AS e ON e.act = a.number"
            # Without || SQLite goes through all deletions of the time instead (0.3 ms, not 0.05).
            " WHERE a.actor_id = ? AND a.actor_kind || '' = ? AND a.number > ?"
            f" AND a.type || '' = 'account.deleted' LIMIT {at_most}) AS deletions",
            (actor.id, actor.kind, self.position_at(since)),
        )
        assert row is not None
        return int(row[0])

    def restored_by_human(self, account_id: str, since: datetime) -> bool:
        """Whether a human has restored an account, or reverted something of it, since then."""
        stream = f"SELECT number FROM {self._table('streams')} WHERE kind = 'account' AND id = ?"
        row = self.session.row(
            f"SELECT max(1) FROM {restorings(self.database, f'({stream})')}",
            (account_id, to_micros(since)),
        )
        return row is not None and row[0] is not None


def restorings(database: Database, stream: str) -> str:
    """What humans have restored or reverted in a stream since an instant, for a FROM clause."""
    # The act is asked for each event, so that no planner can begin with the acts of all humans:
    # PostgreSQL did so for each account where it had no statistics yet, which never ended. Where it
    # has them, planning a bot's sweep costs 1.3 times as much this way.
    return (
        f"{database.table('events')} AS r WHERE r.stream = {stream} AND (SELECT ra.recorded_at"
        f" FROM {database.table('acts')} AS ra WHERE ra.number = r.act"
        " AND ra.actor_kind = 'human' AND ra.type IN ('account.restored', 'events.reverted')) > ?"
    )


@define
class Pages:
    """The events for which a condition holds, in the order of positions, page by page.

    Acts have the positions of their first events for numbers, and those of one transaction lie
    beside each other. So the selected acts are taken in windows of whole transactions, and each
    window's events are sorted by themselves. What occurred between two instants lies anywhere in
    the log: of these, the next positions are looked up, many at once. By position, events are
    looked for in windows, twice as wide as what the last one went through: without statistics, or
    with a plan for any bounds, PostgreSQL sorts all that lies within the bounds for each page.
    """

    condition: Condition
    head: int
    after: int = 0
    _acts: Sequence[int] = ()
    _next_act: int = 0
    _positions: Sequence[int] = ()
    _covered: int = 0

    def next(self, reader: Reader) -> list[RecordedEvent]:
        """The next page; an empty one at the end."""
        return [recorded_event(row) for row in self.rows(reader)]

    def rows(self, reader: Reader) -> list[Row]:
        """As `next`, in the columns `RECORDED`."""
        if self.condition.way == "act":
            return self._of_acts(reader)
        if self.condition.way == "occurred":
            return self._at_positions(reader)
        if self.condition.way == "position":
            return self._in_windows(reader)
        return self._moved(reader.rows_page(self.condition, self.after, self.head))

    def _in_windows(self, reader: Reader) -> list[Row]:
        page: list[Row] = []
        self.after = max(self.after, self.condition.after)
        last = self.head if self.condition.up_to is None else min(self.head, self.condition.up_to)
        while not page and self.after < last:
            end = min(self.after + max(PAGE, 2 * self._covered), last)
            page = reader.rows_page(self.condition, self.after, end)
            end = page[-1][0] if len(page) == PAGE else end
            self._covered, self.after = end - self.after, end
        return page

    def _of_acts(self, reader: Reader) -> list[Row]:
        while True:
            if not self._acts:
                self._acts = self._window(reader)
                if not self._acts:
                    return []
            among, params = reader.database.among("e.act", self._acts)
            condition = Condition(
                f"{among} AND {self.condition.sql}", (*params, *self.condition.params), "act"
            )
            page = self._moved(reader.rows_page(condition, self.after, self.head))
            if len(page) < PAGE:
                self._acts = ()
            if page:
                return page

    def _at_positions(self, reader: Reader) -> list[Row]:
        if not self._positions and self.after < self.head:
            self._look_up_positions(reader)
        some, self._positions = self._positions[:PAGE], self._positions[PAGE:]
        if not some:
            return []
        condition = Condition(*reader.database.among("e.position", some), "occurred")
        return self._moved(reader.rows_page(condition, self.after, self.head))

    def _look_up_positions(self, reader: Reader) -> None:
        rows = reader.session.rows(
            f"SELECT e.position {selected(reader.database, self.condition)}"
            " AND s.kind <> 'foreign' AND +e.position > ? AND +e.position <= ?"
            f" ORDER BY +e.position LIMIT {POSITIONS}",
            (*self.condition.params, self.after, self.head),
        )
        self._positions = [position for (position,) in rows]
        if len(rows) < POSITIONS:
            self.head = rows[-1][0] if rows else self.after  # there are no more

    def _moved(self, page: list[Row]) -> list[Row]:
        if page:
            self.after = page[-1][0]
        return page

    def _window(self, reader: Reader) -> Sequence[int]:
        """The next selected acts, of whole transactions."""
        rows = self._selected(reader, "a.number >= ?", self._next_act)
        if not rows:
            return ()
        first, _ = rows[0]
        window = [row for row in rows if row[0] < first + WINDOW]
        last, recorded_at = window[-1]
        window += self._selected(
            reader, "a.number > ? AND a.recorded_at = ?", last, recorded_at, limit=False
        )
        self._next_act = window[-1][0] + 1
        return [number for number, _ in window]

    def _selected(
        self, reader: Reader, which: str, *bounds: int, limit: bool = True
    ) -> list[tuple[Any, ...]]:
        sql, params = self.condition.acts
        return reader.session.rows(
            f"SELECT a.number, a.recorded_at FROM {reader.database.table('acts')} AS a"
            f" WHERE {sql} AND {which} AND a.number <= ? ORDER BY a.number"
            f"{f' LIMIT {PAGE}' if limit else ''}",
            (*params, *bounds, self.head),
        )
