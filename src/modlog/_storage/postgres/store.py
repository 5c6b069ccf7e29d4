"""The store on PostgreSQL: single commands that decide without holding the lock."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import psycopg

from modlog._domain.account import AccountState, evolve
from modlog._domain.events import Draft, RecordedEvent
from modlog._domain.values import from_micros, same_json, to_micros
from modlog._errors import ConflictError
from modlog._storage.codec import event_row
from modlog._storage.database import Head, Session
from modlog._storage.postgres.database import PostgresDatabase, connection_of
from modlog._storage.postgres.errors import check_outcome_known, translation
from modlog._storage.postgres.function import record_call
from modlog._storage.projection import profile_text, sanction_columns
from modlog._storage.store import Decide, Key, Reader, Store, Writer


class PostgresStore(Store):
    """A store that can record a single command without holding the lock while it decides.

    The account is read and the event decided first; one call then takes the lock, checks that
    the account is still at that version, and writes. Who was overtaken decides again, and after
    three times takes the lock first, so that everybody gets through.
    """

    database: PostgresDatabase
    _ATTEMPTS: Final = 3

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._call = record_call(database.record_function)
        # Arguments are evaluated before the call, and with the first one the limit is set.
        self._limited_call = record_call(database.record_function, before=database.limit)

    def record_optimistically(
        self, account_id: str, decide: Decide, key: Key | None, now: datetime
    ) -> RecordedEvent:
        self.database.check_may_wait()
        for _ in range(self._ATTEMPTS):
            with self.database.reading() as session:
                event = self._attempt(session, account_id, decide, key, to_micros(now))
            if event is not None:
                self.signal.notify()
                return event
        return self.record(account_id, decide, key, now)

    def _attempt(
        self, session: Session, account_id: str, decide: Decide, key: Key | None, now: int
    ) -> RecordedEvent | None:
        if key and (before := self.answered(session, key)):
            return before
        state, head = self.state_and_head(session, account_id)
        reader = Reader(self, session, head)
        draft = decide(reader, state, from_micros(self.next_instant(session, head, now)))
        try:
            return self._write(session, draft, state, key, now=now)
        except ConflictError:
            return None

    def _locked(self, session: Session, account_id: str) -> tuple[AccountState, Head]:
        head = self.database.lock_head(session)  # what is read before it may be out of date
        return self.states(session, [account_id]).get(account_id) or AccountState(), head

    def write_one(
        self, writer: Writer, draft: Draft, before: AccountState, key: Key | None
    ) -> RecordedEvent:
        event = self._write(writer.session, draft, before, key, now=writer.at, fixed=writer.at)
        writer.head = Head(event.position, writer.at)
        return event

    def _write(
        self,
        session: Session,
        draft: Draft,
        before: AccountState,
        key: Key | None,
        *,
        now: int,
        fixed: int | None = None,
    ) -> RecordedEvent:
        after = evolve(before, draft.entry(from_micros(now)))
        _, _, occurred_at, _, schema, confidence, _, *rest = event_row(0, None, draft)
        params = (
            now,
            fixed,
            draft.account_id,
            *_account_arguments(before, after),
            occurred_at,
            schema,
            confidence,
            *rest,
            *((key.digest, key.request) if key else (None, None)),
        )
        try:
            call = self._call if fixed is not None else self._limited_call
            ((position, recorded_at),) = session.often(call, params)
        except psycopg.Error as error:
            check_outcome_known(connection_of(session), error)
            raise translation(error, writing=True) from error
        return draft.recorded(position, from_micros(recorded_at))


def _account_arguments(before: AccountState, after: AccountState) -> tuple[Any, ...]:
    """What one event changes of its account, as the function takes it."""
    version = after.version
    sanction = after.sanctions.get(version)
    kind, _, until = sanction_columns(sanction) if sanction else (None, None, None)
    return (
        version,
        int(after.created),
        int(after.erased),
        int(after.protected),
        None if same_json(before.profile, after.profile) else profile_text(after),
        after.flags.get(version),
        [flag for flag in before.flags if flag not in after.flags] or None,
        kind,
        until,
        [old for old in before.sanctions if old not in after.sanctions] or None,
    )
