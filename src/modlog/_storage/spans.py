"""What stood when: statuses at present and in the recorded past, from the spans of facets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import define, field, frozen

from modlog._domain.account import AccountState, Status
from modlog._domain.selection import Scope, Selection
from modlog._domain.values import to_micros
from modlog._storage.database import Database, Session
from modlog._storage.projection import (
    EXISTENCE,
    FLAG,
    GRAVE,
    GRAVEST,
    OF_STATUS,
    cards_of_streams,
    numbers,
    status_of_stream,
    status_sql,
    stay_from,
)
from modlog._storage.reading import PAGE, Reader, selected, sources

# From so many accounts on a listing walks through all of them, instead of sorting those it wants.
_FEW: Final = 100_000
_STATUSES: Final = {status.value: status for status in Status}
_GRAVE: Final = frozenset((Status.ERASED, Status.DELETED, Status.SUSPENDED))


@frozen
class Moment:
    """The present, or a place in the past: which spans `x` were open then.

    On the clock of `occurred_at` spans tell the truth of accounts whose events came in order.

    Attributes:
        sql: the condition, and its parameters.
        params: its parameters.
        scope: what bounds it.
    """

    sql: str
    params: tuple[int, ...]
    scope: Scope

    @classmethod
    def of(cls, scope: Scope) -> Moment:
        """The moment at which a view looks, whatever it leaves out."""
        opened: list[str] = []
        still: list[str] = ["x.closed IS NULL"]
        bounds: list[int] = []
        if scope.up_to_position is not None:
            opened.append("x.opened <= ?")
            still.append("x.closed > ?")
            bounds.append(scope.up_to_position)
        if scope.occurred_until is not None:
            opened.append("coalesce(x.opened_at, x.since) <= ?")
            still.append("x.closed_at > ?")
            bounds.append(to_micros(scope.occurred_until))
        sql = " AND ".join((*opened, f"({' OR '.join(still)})"))
        return cls(sql, (*bounds, *bounds), scope)

    @property
    def needs_order(self) -> bool:
        """Whether it is true only of accounts whose events came in order."""
        return self.scope.occurred_until is not None


def count_at(database: Database, session: Session, moment: Moment, at: datetime) -> Counter[Status]:
    """How many accounts had each status at a moment, of those of which spans tell the truth."""
    spans, accounts = database.table("spans"), database.table("accounts")
    in_order = (
        f" AND x.stream IN (SELECT stream FROM {accounts} WHERE in_order = 1)"
        if moment.needs_order
        else ""
    )
    # Few are sanctioned or erased: those are looked at one by one, and the others counted.
    grave = (
        f"SELECT x.stream, {GRAVEST} AS gravest FROM {spans} AS x"
        f" WHERE x.facet IN ({numbers(GRAVE)}) AND {moment.sql}{in_order} GROUP BY x.stream"
    )
    existing = (
        f"SELECT count(DISTINCT x.stream) FROM {spans} AS x"
        f" WHERE x.facet = {EXISTENCE} AND {moment.sql}{in_order}"
    )
    rows = session.rows(
        f"SELECT {status_sql('gravest')}, count(*) FROM ({grave}) AS grave GROUP BY 1"
        f" UNION ALL SELECT 'existing', ({existing})",
        (to_micros(at), *moment.params, *moment.params),
    )
    found: dict[str, int] = dict(rows)
    # An expired suspension is no more than existence.
    found.pop("active", None)
    number = found.pop("existing")
    counts = Counter({Status(name): count for name, count in found.items()})
    counts[Status.ACTIVE] = number - counts[Status.DELETED] - counts[Status.SUSPENDED]
    counts[Status.ABSENT] = _known(database, session, moment) - number - counts[Status.ERASED]
    return counts


def _known(database: Database, session: Session, moment: Moment) -> int:
    """How many accounts had an event at a moment, of those of which spans tell the truth."""
    scope = moment.scope
    bounds = () if scope.up_to_position is None else (scope.up_to_position,)
    if moment.needs_order:
        # The first event of such an account is its creation, and opened the first span.
        assert scope.occurred_until is not None
        bounds = (*bounds, to_micros(scope.occurred_until))
        sql = (
            f"SELECT count(*) FROM {database.table('spans')} AS x"
            f" JOIN {database.table('accounts')} AS c ON c.stream = x.stream"
            " WHERE x.version = 1 AND x.opened = x.stream AND c.in_order = 1"
            f"{'' if scope.up_to_position is None else ' AND x.opened <= ?'} AND x.since <= ?"
        )
    else:
        sql = (
            f"SELECT count(*) FROM {database.table('streams')} WHERE kind = 'account'"
            f"{'' if scope.up_to_position is None else ' AND number <= ?'}"
        )
    row = session.row(sql, bounds)
    assert row is not None
    return int(row[0])


def statuses_at(
    database: Database, session: Session, streams: Sequence[int], moment: Moment, at: datetime
) -> dict[int, Status]:
    """The statuses of these accounts at a moment, of those of which spans tell the truth.

    Those that were not known then are left out.
    """
    among, params = database.among("c.stream", streams)
    scope = moment.scope
    known = ""
    bounds: tuple[int, ...] = ()
    if moment.needs_order:
        assert scope.occurred_until is not None
        known = (
            " AND c.in_order = 1 AND EXISTS (SELECT 1 FROM"
            f" {database.table('spans')} AS f WHERE f.stream = c.stream AND f.version = 1"
            " AND f.opened = f.stream AND f.since <= ?)"
        )
        bounds = (to_micros(scope.occurred_until),)
    if scope.up_to_position is not None:
        known += " AND c.stream <= ?"
        bounds = (*bounds, scope.up_to_position)
    gravest = (
        f"SELECT {GRAVEST} FROM {database.table('spans')} AS x WHERE x.stream = c.stream"
        f" AND x.facet IN ({numbers(OF_STATUS)}) AND {moment.sql}"
    )
    rows = session.rows(
        f"SELECT c.stream, {status_sql(f'({gravest})')} FROM {database.table('accounts')} AS c"
        f" WHERE {among}{known}",
        (to_micros(at), *moment.params, *params, *bounds),
    )
    return {stream: _STATUSES[status] for stream, status in rows}


def standing_at(
    database: Database, session: Session, streams: Sequence[int], moment: Moment
) -> dict[int, AccountState]:
    """What stood of these accounts at a moment; nothing else of their states is known."""
    among, params = database.among("x.stream", streams)
    states = {stream: AccountState() for stream in streams}
    for stream, code, version, since, until, label in session.rows(
        f"SELECT x.stream, x.facet, x.version, x.since, x.until, x.label"
        f" FROM {database.table('spans')} AS x WHERE {among} AND {moment.sql}",
        (*params, *moment.params),
    ):
        stay = stay_from(code, since, until, label)
        states[stream].stays[stay.facet][version] = stay
    return states


def selected_streams(reader: Reader, selections: Sequence[Selection]) -> set[int]:
    """The streams of accounts with events that one of these selections means."""
    found: set[int] = set()
    for selection in selections:
        condition = reader.condition(selection)
        rows = reader.session.rows(
            f"SELECT DISTINCT e.stream {selected(reader.database, condition)}"
            " AND s.kind = 'account'",
            condition.params,
        )
        found.update(stream for (stream,) in rows)
    return found


def out_of_order(database: Database, session: Session) -> list[int]:
    """The streams of accounts of which spans do not tell when what stood occurred."""
    rows = session.rows(
        f"SELECT stream FROM {database.table('accounts')} WHERE in_order = 0 ORDER BY stream"
    )
    return [stream for (stream,) in rows]


@define
class Listing:
    """The accounts of the present that have one of some statuses, and some flag, by id.

    Attributes:
        statuses: one of these; any if there are none.
        flagged: a flag of this label; True for any, False for none, None for no matter.
        at: the instant at which expired suspensions are told.
    """

    statuses: tuple[Status, ...]
    flagged: str | bool | None
    at: datetime
    _after: str = ""
    _begun: bool = False
    _few: list[int] | None = field(default=None)

    def next(self, reader: Reader) -> list[tuple[str, AccountState]]:
        """The next page; an empty one at the end."""
        if not self._begun:
            self._few, self._begun = self._wanted(reader), True
        where, params = self._conditions(reader.database)
        while True:
            if self._few is None:
                page = self._page(reader, f"{where} AND s.id > ?", (*params, self._after))
                self._after = max(page.values(), default=self._after)
                return _states(reader, page)
            some, self._few = self._few[:PAGE], self._few[PAGE:]
            if not some:
                return []
            among, numbers_ = reader.database.among("s.number", some)
            found = _states(
                reader, self._page(reader, f"{where} AND {among}", (*params, *numbers_))
            )
            if found:
                return found

    def _page(self, reader: Reader, where: str, params: Sequence[Any]) -> dict[int, str]:
        rows = reader.session.rows(
            f"SELECT s.number, s.id FROM {reader.database.table('streams')} AS s"
            f" WHERE s.kind = 'account' AND {where} ORDER BY s.id LIMIT {PAGE}",
            params,
        )
        return dict(rows)

    def _conditions(self, database: Database) -> tuple[str, tuple[Any, ...]]:
        parts: list[str] = ["1 = 1"]
        params: list[Any] = []
        if self.statuses:
            names = ", ".join("?" * len(self.statuses))
            parts.append(f"{status_of_stream(database, 's.number')} IN ({names})")
            params += [to_micros(self.at), *(status.value for status in self.statuses)]
        if self.flagged is not None:
            flag = (
                f"EXISTS (SELECT 1 FROM {database.table('spans')} AS y"
                f" WHERE y.stream = s.number AND y.facet = {FLAG} AND y.closed IS NULL"
            )
            if isinstance(self.flagged, str):
                parts.append(f"{flag} AND y.label = ?)")
                params.append(self.flagged)
            else:
                parts.append(f"{'' if self.flagged else 'NOT '}{flag})")
        return " AND ".join(parts), tuple(params)

    def _wanted(self, reader: Reader) -> list[int] | None:
        """The streams that may be meant, by id, if an index tells them and they are not many."""
        spans = reader.database.table("spans")
        if self.flagged:
            params: tuple[str, ...] = ()
            which = f"facet = {FLAG}"
            if isinstance(self.flagged, str):
                which, params = "label = ?", (self.flagged,)  # which nothing but flags have
            wanted = f"SELECT DISTINCT stream FROM {spans} WHERE {which} AND closed IS NULL"
        elif self.statuses and _GRAVE.issuperset(self.statuses):
            facets = [
                code
                for code, status in zip(GRAVE, _IN_ORDER, strict=True)
                if status in self.statuses
            ]
            wanted = (
                f"SELECT DISTINCT stream FROM {spans} WHERE facet IN ({numbers(facets)})"
                " AND closed IS NULL"
            )
            params = ()
        else:
            return None
        rows = reader.session.rows(
            f"SELECT number FROM {reader.database.table('streams')}"
            f" WHERE number IN ({wanted} LIMIT {_FEW}) ORDER BY id",
            params,
        )
        return None if len(rows) >= _FEW else [number for (number,) in rows]


# The statuses that the grave facets lead to, in the order of their codes.
_IN_ORDER: Final = (Status.SUSPENDED, Status.DELETED, Status.ERASED)


def _states(reader: Reader, page: Mapping[int, str]) -> list[tuple[str, AccountState]]:
    return list(states_of_streams(reader.database, reader.session, page).items())


def states_of_streams(
    database: Database, session: Session, streams: Mapping[int, str]
) -> dict[str, AccountState]:
    """The current states of these accounts, by id and in the same order."""
    cards = cards_of_streams(database, session, streams)
    return {id_: card.state for id_, card in cards.items()}


@define
class Differing:
    """The accounts in which two views may differ, as far as they are not too many.

    Attributes:
        reader: of the ledger that both are of.
        streams: of those that were found.
    """

    reader: Reader
    streams: set[int] = field(factory=set)
    _too_many: bool = False

    def add_events(self, after: int, up_to: int) -> None:
        """Those with events between two positions."""
        if up_to > after:
            self._add(
                f"SELECT DISTINCT e.stream FROM {sources(self.reader.database)}"
                " WHERE s.kind = 'account' AND e.position > ? AND e.position <= ?",
                (after, up_to),
            )

    def add_selected(self, selections: Iterable[Selection]) -> None:
        """Those with events that one of these selections means."""
        for selection in selections:
            condition = self.reader.condition(selection)
            self._add(
                f"SELECT DISTINCT e.stream {selected(self.reader.database, condition)}"
                " AND s.kind = 'account'",
                condition.params,
            )

    def add_expiring(self, first: datetime, last: datetime) -> None:
        """Those with a sanction that stands and begins or ends between two instants."""
        if first < last:
            bounds = (to_micros(first), to_micros(last))
            self._add(
                f"SELECT DISTINCT x.stream FROM {self.reader.database.table('spans')} AS x"
                f" WHERE x.facet IN ({numbers(GRAVE)}) AND x.closed IS NULL"
                " AND ((x.since > ? AND x.since <= ?) OR (x.until > ? AND x.until <= ?))",
                (*bounds, *bounds),
            )

    def add_account(self, account_id: str) -> None:
        """One by its id; one that is not known makes them too many."""
        stream = self.reader.stream("account", account_id)
        if stream is None:
            self._too_many = True
        else:
            self.streams.add(stream)

    def _add(self, sql: str, params: Sequence[Any]) -> None:
        if not self._too_many:
            rows = self.reader.session.rows(f"{sql} LIMIT {_FEW}", params)
            self.streams.update(stream for (stream,) in rows)
            self._too_many = len(rows) >= _FEW

    def by_id(self) -> Sequence[int] | None:
        """The streams in the order of ids; None if they are too many."""
        if self._too_many:
            return None
        database = self.reader.database
        return list(ids_of(database, self.reader.session, sorted(self.streams)))


def ids_of(database: Database, session: Session, streams: Sequence[int]) -> dict[int, str]:
    """The ids of these accounts, in the order of ids."""
    among, params = database.among("number", streams)
    rows = session.rows(
        f"SELECT number, id FROM {database.table('streams')} WHERE {among} ORDER BY id", params
    )
    return dict(rows)
