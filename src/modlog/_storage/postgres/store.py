"""The store on PostgreSQL: single commands that decide without holding the lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

from modlog._domain.account import AccountState, Moves, evolve
from modlog._domain.effects import Facet
from modlog._domain.events import Draft, RecordedEvent
from modlog._domain.values import from_micros, same_json, to_micros
from modlog._errors import ConflictError
from modlog._storage.codec import act_columns, data_texts
from modlog._storage.database import Head, Session
from modlog._storage.keys import Key, kept_as
from modlog._storage.postgres.database import PostgresDatabase
from modlog._storage.postgres.errors import check_outcome_known, translation
from modlog._storage.postgres.session import connection_of
from modlog._storage.projection import Card, code_of, profile_text
from modlog._storage.reading import Reader
from modlog._storage.store import Decide, Store
from modlog._storage.writing import Writer

# The types of the function's arguments, in order: whatever a caller's connection does with
# parameters, the function is found.
_TYPES: Final = (
    *("bigint", "bigint", "text", "bigint", "bigint", "smallint", "text", "smallint", "bigint"),
    *("text", "bigint[]", "bigint", "bigint", "smallint", "text", "text", "text", "text", "text"),
    *("text", "text", "text", "double precision", "text", "text", "text", "text", "text", "bytea"),
)


def _call(function: str, before: str) -> str:
    """The statement that calls the function.

    Args:
        function: its name.
        before: an expression, not NULL, that is evaluated before the call, for what it does.
    """
    first, *rest = (f"CAST(? AS {name})" for name in _TYPES)
    first = f"CASE WHEN {before} IS NOT NULL THEN {first} END"
    return f"SELECT * FROM {function}({', '.join((first, *rest))})"


class PostgresStore(Store):
    """A store that records a single command without holding the lock while it decides.

    The account is read and the event decided first; one call then takes the lock, checks that
    the account is still at that version, and writes. Who was overtaken decides again, and after
    three times takes the lock first, so that everybody gets through.
    """

    database: PostgresDatabase
    _ATTEMPTS: Final = 3

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._call = _call(database.record_function, "true")
        # Arguments are evaluated before the call, and with the first one the limit is set.
        self._limited_call = _call(database.record_function, database.limit)

    def record_optimistically(
        self,
        account_id: str,
        decide: Decide,
        key: Key | None,
        now: datetime,
        facets: Sequence[Facet],
    ) -> RecordedEvent:
        self.database.check_may_wait()
        for _ in range(self._ATTEMPTS):
            with self.database.reading() as session:
                event = self._attempt(
                    session, account_id, decide, key, now=to_micros(now), facets=facets
                )
            if event is not None:
                self.committed()
                return event
        return self.record(account_id, decide, key, now, facets)

    def _attempt(
        self,
        session: Session,
        account_id: str,
        decide: Decide,
        key: Key | None,
        *,
        now: int,
        facets: Sequence[Facet],
    ) -> RecordedEvent | None:
        if key and (before := self.answered(session, key)):
            return before
        card, head = self.card_and_head(session, account_id, facets)
        state = card.state if card else AccountState()
        reader = Reader(self, session, head)
        draft = decide(reader, state, from_micros(self.next_instant(session, head, now)))
        try:
            stream = card.stream if card else None
            return self._write(session, draft, state, key, now=now, stream=stream)
        except ConflictError:
            return None

    def _locked(
        self, session: Session, account_id: str, facets: Sequence[Facet]
    ) -> tuple[Card | None, Head]:
        head = self.database.lock_head(session)  # what is read before it may be out of date
        return self.cards(session, [account_id], facets).get(account_id), head

    def write_one(
        self, writer: Writer, draft: Draft, before: AccountState, key: Key | None
    ) -> RecordedEvent:
        account_id, position = str(draft.account_id), writer.head.position + 1
        stream = writer.stream_of(account_id) if before.version else None
        act, is_new = writer.act_of(position, draft.event.TYPE, draft.envelope)
        event = self._write(
            writer.session,
            draft,
            before,
            key,
            now=writer.at,
            stream=stream,
            fixed=writer.at,
            act=None if is_new else act,
        )
        writer.streams.setdefault(account_id, event.position)
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
        stream: int | None,
        fixed: int | None = None,
        act: int | None = None,
    ) -> RecordedEvent:
        after = evolve(before, draft.entry(from_micros(now)))
        occurred_at = draft.envelope.occurred_at
        _, _, type_name, schema, *envelope = act_columns(0, 0, draft.event.TYPE, draft.envelope)
        params = (
            now,
            fixed,
            draft.account_id,
            stream,
            after.version,
            *_account_arguments(before, after),
            act,
            None if occurred_at is None else to_micros(occurred_at),
            schema,
            type_name,
            *envelope,
            *data_texts(draft.event),
            *((kept_as(key.text), key.request) if key else (None, None)),
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
    moves = Moves.between(before, after)
    stay = moves.begun.get(after.version)
    until = stay.until if stay else None
    return (
        int(after.in_order),
        None if same_json(before.profile, after.profile) else profile_text(after),
        code_of(stay) if stay else None,
        None if until is None else to_micros(until),
        stay.label if stay else None,
        list(moves.ended) or None,
    )
