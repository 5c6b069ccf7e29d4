"""The ledger in a database: one body of SQL for both kinds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._domain.account import AccountState, Status, evolve
from modlog._domain.events import Draft, Entry, RecordedEvent
from modlog._domain.selection import Scope, Selection
from modlog._domain.values import Actor, from_micros, shown, to_micros
from modlog._errors import ConflictError, IdempotencyConflictError
from modlog._storage.clock import check_not_ahead, next_instant
from modlog._storage.codec import EVENT_COLUMNS, event_row, recorded_event
from modlog._storage.database import Database, Head, Row, Session, elsewhere
from modlog._storage.projection import Changes, card_sql, states_of
from modlog._storage.replays import States, histories, projected, replays
from modlog._storage.schema import EVENTS, KEYS, REVERTS
from modlog._storage.selecting import Condition, condition_of, condition_of_scope
from modlog._storage.views import count_within

# Rows that are fetched at a time, between which no transaction stays open.
PAGE: Final = 1_000

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)

# What a command decides, from the account as it is and the instant at which it is recorded;
# the reader is for what guardrails ask.
Decide = Callable[["Reader", AccountState, datetime], Draft]


@frozen
class Key:
    """An idempotency key and the request that it belongs to, as 16-byte digests."""

    digest: bytes
    request: bytes
    text: str


# A key's request, by digest, and why it was rejected; None if it was not.
Answer = tuple[bytes, str | None]


class Signal:
    """Wakes those who wait for new events in this process."""

    def __init__(self) -> None:
        self._renew()
        self._count = 0

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._pid = os.getpid()

    def _own_lock(self) -> threading.RLock:
        if self._pid != os.getpid():
            self._renew()  # a thread of the parent may have held it at the fork
        return self._lock

    @property
    def count(self) -> int:
        """How often there was something new."""
        return self._count

    def notify(self) -> None:
        """There is something new."""
        with self._own_lock():
            self._count += 1
            if self._waiting:
                self._changed.notify_all()

    def wait(self, seen: int, timeout: float) -> None:
        """Wait until there is more than was seen, or for so many seconds."""
        with self._own_lock():
            if self._count == seen:
                self._waiting += 1
                try:
                    self._changed.wait(timeout)
                finally:
                    self._waiting -= 1


class Store:
    """Everything that is read from and written to a ledger's tables.

    Attributes:
        on_machine_time: whether instants come from the machine's clock, which must then agree
            with the server's; a clock that was given may say anything.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.on_machine_time = False
        self.signal = Signal()
        table = database.table
        self._events = table("events")
        self._by_id = card_sql(database, "account_id = ?")
        self._by_ids = card_sql(database, "account_id IN (SELECT id FROM asked)")
        # The account and the log's end in one statement, so that both are of one moment.
        self._with_head = (
            f"{self._by_id} UNION ALL SELECT '', -1, position, recorded_at, clock, NULL, NULL,"
            f" NULL, NULL FROM ({database.head_query}) AS head"
        )
        self._one_key = f"SELECT request, position, rejection FROM {table('keys')} WHERE digest = ?"
        self._one_event = f"SELECT {_COLUMNS} FROM {self._events} WHERE position = ?"

    # Writing

    @contextmanager
    def writing(self, now: datetime, session: Session | None = None) -> Iterator[Writer]:
        """A transaction that holds the append lock from its beginning.

        Args:
            now: what the clock says.
            session: a session of `reading` to hold it in.

        Raises:
            ClockError: the clock is more than five minutes behind the ledger, or ahead of the
                server's.
        """
        with (
            nullcontext(session) if session else self.database.reading() as opened,
            self.database.beginning(opened),
        ):
            yield self._writer(opened, now)
        self.signal.notify()

    @contextmanager
    def joining(self, connection: Any, now: datetime) -> Iterator[Writer]:
        """A part of the caller's own transaction; the caller commits.

        Raises:
            InvalidInputError: the connection leads to another ledger.
        """
        own = self._ledger_id

        def check(session: Session) -> None:
            if self._read_ledger_id(session) != own:
                raise elsewhere()

        with self.database.joining(connection, check) as session:
            yield self._writer(session, now)

    @cached_property
    def _ledger_id(self) -> str:
        with self.database.reading() as session:
            return self._read_ledger_id(session)

    def _read_ledger_id(self, session: Session) -> str:
        row = session.row(f"SELECT value FROM {self.database.table('meta')} WHERE name = 'ledger'")
        return "" if row is None else str(row[0])

    def _writer(self, session: Session, now: datetime) -> Writer:
        head = self.database.lock_head(session)
        return Writer(self, session, head, self.next_instant(session, head, to_micros(now)))

    def next_instant(self, session: Session, head: Head, now: int) -> int:
        """The instant of the next transaction, in microseconds like what the clock says.

        Raises:
            ClockError: the clock is more than five minutes behind the ledger, or ahead of the
                server's.
        """
        if self.on_machine_time:
            check_not_ahead(head, now)
        return next_instant(self.database, session, head, now)

    def record_optimistically(
        self, account_id: str, decide: Decide, key: Key | None, now: datetime
    ) -> RecordedEvent:
        """As `record`, for a decision that looks at nothing beyond the account's state.

        Whoever overtakes it changes the account's version, so it need not hold the lock.
        """
        return self.record(account_id, decide, key, now)

    def record(
        self, account_id: str, decide: Decide, key: Key | None, now: datetime
    ) -> RecordedEvent:
        """One command as one transaction: take the lock, look the key up, decide, write."""
        with self.database.reading() as session, self.database.beginning(session):
            state, head = self._locked(session, account_id)
            # Under the lock, or another could use the key meanwhile; before the clock is asked.
            if key and (before := self.answered(session, key)):
                return before
            at = self.next_instant(session, head, to_micros(now))
            writer = Writer(self, session, head, at)
            event = writer.decided(decide, key, state)
        self.signal.notify()
        return event

    def _locked(self, session: Session, account_id: str) -> tuple[AccountState, Head]:
        """An account's current state and the log's end, in a transaction that has the lock."""
        return self.state_and_head(session, account_id)

    def write_one(
        self, writer: Writer, draft: Draft, before: AccountState, key: Key | None
    ) -> RecordedEvent:
        """Write one account's next event within a transaction."""
        after = evolve(before, draft.entry(writer.instant))
        position = writer.head.position + 1
        writer.append_rows(
            [event_row(position, writer.at, draft)],
            [(str(draft.account_id), before, after)],
            [(key.digest, key.request, position)] if key else (),
        )
        return draft.recorded(position, writer.instant)

    # Reading

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Reads, each of which sees what is committed as it starts."""
        with self.database.reading() as session:
            yield Reader(self, session)

    @contextmanager
    def snapshot(self, session: Session | None = None) -> Iterator[Reader]:
        """Reads that all see the same moment, in a session of `reading` if one is given."""
        with self.database.snapshot(session) as opened:
            yield Reader(self, opened)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # Statements

    def states(self, session: Session, account_ids: Sequence[str]) -> dict[str, AccountState]:
        """The current states of those accounts that are known."""
        if len(account_ids) == 1:
            return states_of(session.rows(self._by_id, tuple(account_ids) * 3))
        if len(account_ids) <= PAGE:
            where, params = self.database.among("account_id", sorted(account_ids))
            return states_of(session.rows(card_sql(self.database, where), params * 3))
        # Many ids are taken out of their parameter once, not once for each table.
        asked, params = self.database.values_query(sorted(account_ids))
        return states_of(
            session.rows(f"WITH asked (id) AS MATERIALIZED ({asked}) {self._by_ids}", params)
        )

    def state_and_head(self, session: Session, account_id: str) -> tuple[AccountState, Head]:
        """An account's current state, version 0 if it is not known, and the log's end."""
        head: Head | None = None
        rows = []
        for row in session.often(self._with_head, (account_id,) * 3):
            if row[1] == -1:
                head = Head(*row[2:5])
            else:
                rows.append(row)
        return states_of(rows).get(account_id) or AccountState(), head or Head(0, 0)

    def answered(self, session: Session, key: Key) -> RecordedEvent | None:
        """The event that this request led to before.

        Raises:
            IdempotencyConflictError: the key was used for another request, or an import
                rejected the record that it belongs to.
        """
        row = session.row(self._one_key, (key.digest,))
        if row is None:
            return None
        request, position, rejection = row
        if rejection is not None:
            raise IdempotencyConflictError(
                f"the idempotency key {shown(key.text)} belongs to an import record that was "
                f"rejected ({rejection}): use a key of its own for each request"
            )
        if bytes(request) != key.request:
            raise IdempotencyConflictError(
                f"the idempotency key {shown(key.text)} belongs to another request, answered at "
                f"position {position}: use a key of its own for each request"
            )
        event = session.row(self._one_event, (position,))
        assert event is not None, "a key is written together with its event"
        return recorded_event(event)


@define
class Writer:
    """A transaction that holds the append lock.

    Attributes:
        at: the instant of everything that it records, in microseconds.
    """

    store: Store
    session: Session
    head: Head
    at: int
    instant: datetime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.instant = from_micros(self.at)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the transaction that fails alone, without taking the rest with it."""
        head = self.head
        with self.store.database.savepoint(self.session):
            try:
                yield
            except BaseException:
                self.head = head
                raise

    def states(self, account_ids: Sequence[str]) -> dict[str, AccountState]:
        """The current states of those accounts that are known."""
        return self.store.states(self.session, account_ids)

    def answered(self, digests: Sequence[bytes]) -> dict[bytes, Answer]:
        """What is known of those of these keys, by digest, that were used."""
        database = self.store.database
        where, params = database.among("digest", digests)
        rows = self.session.rows(
            f"SELECT digest, request, rejection FROM {database.table('keys')} WHERE {where}", params
        )
        return {bytes(digest): (bytes(request), rejection) for digest, request, rejection in rows}

    def record(self, account_id: str, decide: Decide, key: Key | None) -> RecordedEvent:
        """One command: look the key up, decide, write."""
        if key and (before := self.store.answered(self.session, key)):
            return before
        state = self.states([account_id]).get(account_id) or AccountState()
        return self.decided(decide, key, state)

    def decided(self, decide: Decide, key: Key | None, state: AccountState) -> RecordedEvent:
        """One command whose key is new, on the account's state: decide, write."""
        reader = Reader(self.store, self.session, self.head)
        draft = decide(reader, state, self.instant)
        return self.store.write_one(self, draft, state, key)

    def append(
        self,
        drafts: Sequence[Draft],
        states: Mapping[str, tuple[AccountState, AccountState]],
        keys: Sequence[tuple[Key, int]] = (),
    ) -> int:
        """Write events, what they change in the projection, and the keys of some of them.

        Args:
            drafts: the events, in order.
            states: for each account that they touch, the state before and after.
            keys: keys, each with the index of its event in `drafts`.

        Returns:
            the position of the first.
        """
        first = self.head.position + 1
        self.append_rows(
            [event_row(first + i, self.at, draft) for i, draft in enumerate(drafts)],
            ((account_id, *before_and_after) for account_id, before_and_after in states.items()),
            [(key.digest, key.request, first + index) for key, index in keys],
        )
        return first

    def append_rows(
        self,
        rows: Sequence[Row],
        states: Iterable[tuple[str, AccountState, AccountState]],
        keys: Sequence[tuple[bytes, bytes, int]],
    ) -> None:
        """As `append`, from rows of `event_row` whose positions follow the head.

        Args:
            rows: the events.
            states: accounts with their state before and after.
            keys: digest, request and position.
        """
        self.insert(rows)
        self.change(Changes.between(states), keys)

    def change(self, changes: Changes, keys: Sequence[tuple[bytes, bytes, int]]) -> None:
        """Write what events that are written change in the projection, and their keys.

        Args:
            changes: of accounts.
            keys: digest, request and position.
        """
        changes.write(self.store.database, self.session)
        if keys:
            columns = ("digest", "request", "position")
            self.store.database.load(self.session, KEYS, columns, sorted(keys))

    def reject(self, keys: Sequence[tuple[bytes, bytes, str]]) -> None:
        """Keep the keys of records that an import rejected: digest, request and why."""
        if keys:
            columns = ("digest", "request", "rejection")
            self.store.database.load(self.session, KEYS, columns, sorted(keys))

    def remembered_revert(self, batch_id: str) -> tuple[int, str] | None:
        """The head and selection that a revert was first asked with, if it was.

        Raises:
            ConflictError: the batch is something else.
        """
        database = self.store.database
        row = self.session.row(
            f"SELECT head, selection FROM {database.table('reverts')} WHERE batch_id = ?",
            (batch_id,),
        )
        if row is not None:
            return int(row[0]), str(row[1])
        taken = f"SELECT position FROM {database.table('events')} WHERE batch_id = ? LIMIT 1"
        if self.session.row(taken, (batch_id,)):
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to other events: leave it out, and the "
                "revert gets one of its own"
            )
        return None

    def remember_revert(self, batch_id: str, head: int, selection: str) -> None:
        """Keep what a revert was asked with."""
        self.store.database.load(
            self.session, REVERTS, REVERTS.names, [(batch_id, head, selection)]
        )

    def moved(self, number: int) -> None:
        """Take note of so many events that a statement wrote behind the head."""
        self.head = Head(self.head.position + number, self.at)
        self.store.database.advance(self.session, self.head)

    def adding(self) -> AbstractContextManager[Callable[[Row], object]]:
        """Write many events, each as soon as it is decided; nothing else until the block ends.

        Yields:
            what takes rows of `event_row`, whose positions follow the head. How many they were
            is for `moved`.
        """
        return self.store.database.loading(self.session, EVENTS, EVENT_COLUMNS)

    def insert(
        self, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = EVENT_COLUMNS
    ) -> None:
        """Write rows of events, whose positions follow the head."""
        self.store.database.load(self.session, EVENTS, columns, rows)
        self.moved(len(rows))


@define
class Reader:
    """Queries in one session."""

    store: Store
    session: Session
    _known_head: Head | None = None

    @property
    def _database(self) -> Database:
        return self.store.database

    def head(self) -> Head:
        """The log's end."""
        return self._known_head or self._database.head(self.session)

    def state_and_head(self, account_id: str) -> tuple[AccountState, Head]:
        """An account's current state, version 0 if it is not known, and the log's end."""
        return self.store.state_and_head(self.session, account_id)

    def states(self, account_ids: Sequence[str]) -> dict[str, AccountState]:
        """The current states of those accounts that are known."""
        return self.store.states(self.session, account_ids)

    def history(self, account_id: str) -> list[RecordedEvent]:
        """All events of an account, in order."""
        rows = self.session.rows(
            f"SELECT {_COLUMNS} FROM {self._database.table('events')}"
            " WHERE account_id = ? ORDER BY version",
            (account_id,),
        )
        return [recorded_event(row) for row in rows]

    def recorded_at(self, position: int) -> datetime | None:
        """When the event at a position was recorded; None if there is none."""
        row = self.session.row(
            f"SELECT recorded_at FROM {self._database.table('events')} WHERE position = ?",
            (position,),
        )
        return None if row is None else from_micros(row[0])

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
            f"SELECT count(*) FROM (SELECT 1 FROM {self._database.table('events')}"
            " WHERE actor_id = ? AND actor_kind = ? AND position > ?"
            f" AND type || '' = 'account.deleted' LIMIT {at_most}) AS deletions",
            (actor.id, actor.kind, self.position_at(since)),
        )
        assert row is not None
        return int(row[0])

    def restored_by_human(self, account_id: str, since: datetime) -> bool:
        """Whether a human has restored an account, or reverted something of it, since then."""
        row = self.session.row(
            f"SELECT 1 FROM {self._database.table('events')} WHERE account_id = ?"
            " AND actor_kind = 'human' AND recorded_at > ?"
            " AND type || '' IN ('account.restored', 'events.reverted') LIMIT 1",
            (account_id, to_micros(since)),
        )
        return row is not None

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
        events = self._database.table("events")
        row = self.session.row(
            "WITH RECURSIVE halving (low, high) AS (SELECT CAST(0 AS BIGINT),"
            f" coalesce((SELECT max(position) FROM {events}), 0)"
            " UNION ALL SELECT"
            " CASE WHEN recorded_at < ? THEN position ELSE low END,"
            " CASE WHEN recorded_at < ? THEN high ELSE position - 1 END"
            f" FROM halving JOIN {events} ON position = (low + high + 1) / 2 WHERE low < high)"
            " SELECT low FROM halving WHERE low = high",
            (before, before),
        )
        assert row is not None
        return int(row[0])

    def condition(self, selection: Selection) -> Condition:
        """The selection as a condition on rows of events."""
        return condition_of(selection, self._database, self.position_before)

    def scope(self, scope: Scope) -> Condition:
        """The events that a view keeps, as a condition on rows of events."""
        return condition_of_scope(scope, self._database, self.position_before)

    def replays(self, condition: Condition) -> States:
        """The state that the events of each account lead to for which a condition holds."""
        return replays(self._database, self.session, condition)

    def events_of(
        self, account_ids: Sequence[str], condition: Condition
    ) -> dict[str, list[RecordedEvent]]:
        """These accounts' events for which a condition holds, whole, by account and version."""
        among, params = self._database.among("account_id", account_ids)
        found: dict[str, list[RecordedEvent]] = {}
        for row in self.session.rows(
            f"SELECT {_COLUMNS} FROM {self._database.table('events')}"
            f" WHERE {among} AND {condition.sql} ORDER BY account_id, version",
            (*params, *condition.params),
        ):
            event = recorded_event(row)
            found.setdefault(str(event.account_id), []).append(event)
        return found

    def histories(self, account_ids: Sequence[str], condition: Condition) -> dict[str, list[Entry]]:
        """What a fold needs of these accounts' events for which a condition holds."""
        return histories(self._database, self.session, account_ids, condition)

    def projected(self) -> States:
        """The states that the projection holds, in the order of ids."""
        return projected(self._database, self.session)

    def count_within(self, scope: Scope, at: datetime) -> dict[Status, int]:
        """How many accounts have each status at an instant, by the events of a view alone."""
        # Several statements look at the same events if none looks beyond the head of the first.
        last = self.head().position
        if scope.up_to_position is not None:
            last = min(last, scope.up_to_position)
        rest = self.scope(replaced(scope, up_to_position=None))
        return count_within(self._database, self.session, last, rest, at)

    def events_page(self, condition: Condition, after: int, head: int) -> list[RecordedEvent]:
        """The next events up to a head for which a condition holds."""
        rows = self.session.rows(
            f"SELECT {_COLUMNS} FROM {self._database.table('events')}"
            f" WHERE foreign_id IS NULL AND {condition.position} > ?"
            f" AND {condition.position} <= ? AND {condition.sql}"
            f" ORDER BY {condition.position} LIMIT {PAGE}",
            (after, head, *condition.params),
        )
        return [recorded_event(row) for row in rows]

    def account_ids_page(
        self, after: str, statuses: Sequence[Status], flagged: str | bool | None, at: datetime
    ) -> list[str]:
        """The next ids of accounts with one of these statuses and that flag."""
        where = ["account_id > ?"]
        params: list[Any] = [after]
        if statuses:
            where.append(f"{self._status()} IN ({', '.join('?' * len(statuses))})")
            params += [to_micros(at), *(status.value for status in statuses)]
        if flagged is not None:
            flags = f"SELECT account_id FROM {self._database.table('flags')}"
            if isinstance(flagged, str):
                where.append(f"account_id IN ({flags} WHERE label = ?)")
                params.append(flagged)
            else:
                where.append(f"account_id {'' if flagged else 'NOT '}IN ({flags})")
        rows = self.session.rows(
            f"SELECT account_id FROM {self._database.table('accounts')} AS a"
            f" WHERE {' AND '.join(where)} ORDER BY account_id LIMIT {PAGE}",
            params,
        )
        return [account_id for (account_id,) in rows]

    def count(self, at: datetime) -> dict[Status, int]:
        """How many accounts have each status."""
        rows = self.session.rows(
            f"SELECT {self._status()} AS status, count(*)"
            f" FROM {self._database.table('accounts')} AS a GROUP BY 1",
            (to_micros(at),),
        )
        return dict.fromkeys(Status, 0) | {Status(name): n for name, n in rows}

    def _status(self) -> str:
        # The same order as AccountState.status; its one parameter is the instant.
        standing = f"SELECT 1 FROM {self._database.table('sanctions')} AS s WHERE"
        return (
            "CASE WHEN erased = 1 THEN 'erased' WHEN created = 0 THEN 'absent'"
            f" WHEN EXISTS ({standing} s.account_id = a.account_id AND s.kind = 'deletion')"
            " THEN 'deleted'"
            f" WHEN EXISTS ({standing} s.account_id = a.account_id AND s.kind = 'suspension'"
            " AND (s.until IS NULL OR s.until > ?)) THEN 'suspended' ELSE 'active' END"
        )
