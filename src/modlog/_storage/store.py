"""The ledger in a database: one body of SQL for both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import Any

from modlog._domain.account import AccountState
from modlog._domain.effects import FACETS, Facet
from modlog._domain.events import Draft, RecordedEvent
from modlog._domain.values import shown, to_micros
from modlog._errors import IdempotencyConflictError
from modlog._storage.clock import check_not_ahead, next_instant
from modlog._storage.codec import recorded_event
from modlog._storage.database import LOCK_TIMEOUT, Database, Head, Row, Session, elsewhere
from modlog._storage.keys import Key, kept_as
from modlog._storage.projection import Card, card_sql, cards_of, cards_of_streams
from modlog._storage.reading import PAGE, Reader, recorded_sql
from modlog._storage.signal import Signal
from modlog._storage.unwrapping import unwrapped
from modlog._storage.writing import Writer

# What a command decides, from the account as it is and the instant at which it is recorded;
# the reader is for what guardrails ask.
Decide = Callable[[Reader, AccountState, datetime], Draft]


class Store:
    """Everything that is read from and written to a ledger's tables.

    Attributes:
        on_machine_time: whether instants come from the machine's clock, which must then agree
            with the server's; a clock that was given may say anything.
        lock_timeout: how long one who writes waits for another, in seconds.
        on_commit: called after each transaction of this store, if there is something to call.
        address: the URL and the schema by which another process opens it; None in memory. There
            may be a password in it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.on_machine_time = False
        self.lock_timeout = LOCK_TIMEOUT
        self.signal = Signal()
        self.on_commit: Callable[[], object] | None = None
        self.address: tuple[str, str | None] | None = None

    def committed(self) -> None:
        """A transaction of this store has recorded something."""
        self.signal.notify()
        if self.on_commit:
            self.on_commit()

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
            yield self._writer(opened, self.database.lock_head(opened), now)
        self.committed()

    @contextmanager
    def joining(self, connection: Any, now: datetime) -> Iterator[Writer]:
        """A part of the caller's own transaction; the caller commits.

        Raises:
            InvalidInputError: the connection leads to another ledger, or is no connection.
        """
        own = self._ledger_id

        def check(session: Session) -> None:
            if self.read_ledger_id(session) != own:
                raise elsewhere()

        with self.database.joining(unwrapped(connection), check) as (session, head):
            yield self._writer(session, head, now)

    @cached_property
    def _ledger_id(self) -> str:
        with self.database.reading() as session:
            return self.read_ledger_id(session)

    def read_ledger_id(self, session: Session) -> str:
        """What the ledger was named when it began."""
        row = session.row(f"SELECT value FROM {self.database.table('meta')} WHERE name = 'ledger'")
        return "" if row is None else str(row[0])

    def _writer(self, session: Session, head: Head, now: datetime) -> Writer:
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
        self,
        account_id: str,
        decide: Decide,
        key: Key | None,
        now: datetime,
        facets: Sequence[Facet],
    ) -> RecordedEvent:
        """As `record`, for a decision that looks at nothing beyond the account's state.

        Whoever overtakes it changes the account's version, so it need not hold the lock.
        """
        return self.record(account_id, decide, key, now, facets)

    def record(
        self,
        account_id: str,
        decide: Decide,
        key: Key | None,
        now: datetime,
        facets: Sequence[Facet],
    ) -> RecordedEvent:
        """One command as one transaction: take the lock, look the key up, decide, write.

        Args:
            facets: those of the account that the decision depends on.
        """
        with self.database.reading() as session, self.database.beginning(session):
            card, head = self._locked(session, account_id, facets)
            # Under the lock, or another could use the key meanwhile; before the clock is asked.
            if key and (before := self.answered(session, key)):
                return before
            at = self.next_instant(session, head, to_micros(now))
            writer = Writer(self, session, head, at)
            if card:
                writer.streams[account_id] = card.stream
            event = writer.decided(decide, key, card.state if card else AccountState())
        self.committed()
        return event

    def _locked(
        self, session: Session, account_id: str, facets: Sequence[Facet]
    ) -> tuple[Card | None, Head]:
        """What is kept of an account, and the log's end, in a transaction that has the lock."""
        return self.card_and_head(session, account_id, facets)

    def write_one(
        self, writer: Writer, draft: Draft, before: AccountState, key: Key | None
    ) -> RecordedEvent:
        """Write one account's next event within a transaction."""
        return writer.append_one(draft, before, key)

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

    def cards(
        self, session: Session, account_ids: Sequence[str], facets: Sequence[Facet] = FACETS
    ) -> dict[str, Card]:
        """What is kept of those accounts that are known, these facets of it."""
        if len(account_ids) == 1:
            sql = self._sql(f"card {' '.join(facets)}", lambda: card_sql(self.database, facets))
            return cards_of(session.rows(sql, (*account_ids, *account_ids)))
        found: dict[str, Card] = {}
        reader, asked = Reader(self, session), sorted(account_ids)
        for first in range(0, len(asked), PAGE):
            streams = {n: id_ for id_, n in reader.streams(asked[first : first + PAGE]).items()}
            found |= cards_of_streams(self.database, session, streams, facets)
        return found

    @cached_property
    def _statements(self) -> dict[str, str]:
        return {}

    def _sql(self, name: str, make: Callable[[], str]) -> str:
        """A statement that every command sends, put together once."""
        found = self._statements.get(name)
        if found is None:
            found = self._statements[name] = make()
        return found

    def card_and_head(
        self, session: Session, account_id: str, facets: Sequence[Facet] = FACETS
    ) -> tuple[Card | None, Head]:
        """What is kept of an account, if it is known, and the log's end, of one moment."""
        sql = self._sql(
            f"card and head {' '.join(facets)}",
            lambda: (
                f"{card_sql(self.database, facets)} UNION ALL SELECT '', -1, position,"
                f" recorded_at, clock, NULL, NULL FROM ({self.database.head_query}) AS head"
            ),
        )
        head: Head | None = None
        rows = []
        for row in session.often(sql, (account_id, account_id)):
            if row[1] == -1:
                head = Head(*row[2:5])
            else:
                rows.append(row)
        return cards_of(rows).get(account_id), head or Head(0, 0)

    def answered(self, session: Session, key: Key) -> RecordedEvent | None:
        """The event that this request led to before.

        Raises:
            IdempotencyConflictError: the key was used for another request, or an import
                rejected the record that it belongs to.
        """
        row = self._kept(session, key.text)
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
        return self._answer_at(session, position)

    def settled(self, session: Session, key: str) -> RecordedEvent | None:
        """The event that a key led to, whatever it was asked with."""
        row = self._kept(session, key)
        return None if row is None or row[1] is None else self._answer_at(session, row[1])

    def _kept(self, session: Session, key: str) -> Row | None:
        return session.row(
            f"SELECT request, position, rejection FROM {self.database.table('keys')} WHERE key = ?",
            (kept_as(key),),
        )

    def _answer_at(self, session: Session, position: int) -> RecordedEvent:
        event = session.row(f"{recorded_sql(self.database)} WHERE e.position = ?", (position,))
        assert event is not None, "a key is written together with its event"
        return recorded_event(event)
