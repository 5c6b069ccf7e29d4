"""A transaction that holds the append lock, and what it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, field

from modlog._domain.account import AccountState, Moves, evolve
from modlog._domain.effects import FACETS, Facet
from modlog._domain.events import Draft, Envelope, Event, RecordedEvent
from modlog._domain.values import from_micros, shown, to_micros
from modlog._errors import ConflictError
from modlog._storage.codec import ACT_COLUMNS, EVENT_COLUMNS, act_columns, act_key, data_texts
from modlog._storage.database import Head, Row, Session
from modlog._storage.keys import KEY_COLUMNS, Answer, Key, KeyRow, kept_as
from modlog._storage.projection import Changes
from modlog._storage.reading import Reader

if TYPE_CHECKING:
    from modlog._storage.store import Decide, Store

STREAM_COLUMNS: Final = ("number", "kind", "id")
# An event that is decided, and the state of its account before and after; None of a sweep.
Step = tuple[Draft, AccountState | None, AccountState | None]


@define
class Writer:
    """A transaction that holds the append lock.

    Attributes:
        at: the instant of everything that it records, in microseconds.
        streams: numbers of accounts' streams that it has come across, by id.
    """

    store: Store
    session: Session
    head: Head
    at: int
    instant: datetime = field(init=False)
    streams: dict[str, int] = field(factory=dict)
    _acts: dict[object, int] = field(factory=dict)

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
                self._forget_beyond(head.position)
                raise

    def rolled_back(self) -> None:
        """Take note that the caller has taken his own transaction back to a savepoint of his."""
        self.head = self.store.database.head(self.session)
        self._forget_beyond(self.head.position)

    def _forget_beyond(self, position: int) -> None:
        """Streams and acts have the positions of their first events for numbers."""
        self.streams = {id_: n for id_, n in self.streams.items() if n <= position}
        self._acts = {key: n for key, n in self._acts.items() if n <= position}

    @property
    def reader(self) -> Reader:
        """Queries in the same transaction."""
        return Reader(self.store, self.session, self.head)

    def states(
        self, account_ids: Sequence[str], facets: Sequence[Facet] = FACETS
    ) -> dict[str, AccountState]:
        """The current states of those accounts that are known, these facets of them."""
        cards = self.store.cards(self.session, account_ids, facets)
        self.streams.update((id_, card.stream) for id_, card in cards.items())
        return {id_: card.state for id_, card in cards.items()}

    def record(
        self, account_id: str, decide: Decide, key: Key | None, facets: Sequence[Facet] = FACETS
    ) -> RecordedEvent:
        """One command: look the key up, decide, write."""
        if key and (before := self.store.answered(self.session, key)):
            return before
        state = self.states([account_id], facets).get(account_id) or AccountState()
        return self.decided(decide, key, state)

    def decided(self, decide: Decide, key: Key | None, state: AccountState) -> RecordedEvent:
        """One command whose key is new, on the account's state: decide, write."""
        draft = decide(self.reader, state, self.instant)
        return self.store.write_one(self, draft, state, key)

    def append_one(self, draft: Draft, before: AccountState, key: Key | None) -> RecordedEvent:
        """Write one account's next event."""
        after = evolve(before, draft.entry(self.instant))
        position = self.head.position + 1
        self.append([(draft, before, after)], [key.row(position)] if key else ())
        return draft.recorded(position, self.instant)

    def append(self, steps: Sequence[Step], keys: Sequence[KeyRow] = ()) -> int:
        """Write events, what they change in the projection, and the keys of some of them.

        Args:
            steps: the events, in order, each with the state of its account before and after.
            keys: rows of keys.

        Returns:
            the position of the first.
        """
        first = self.head.position + 1
        batch = Batch(self)
        for draft, before, after in steps:
            batch.add(draft, before, after)
        self.write(batch, keys)
        return first

    def write(self, batch: Batch, keys: Iterable[KeyRow] = ()) -> None:
        """Write the events of a batch, what they change, and the keys of some of them."""
        if batch.events:  # an import may have rejected all records
            batch.write_new()
            self.insert(batch.events)
            batch.changes.write(self.store.database, self.session)
        self.write_keys(keys)

    def insert(self, rows: Sequence[Row], columns: Sequence[str] = EVENT_COLUMNS) -> None:
        """Write rows of events, whose positions follow the head."""
        self.store.database.load(self.session, "events", columns, rows)
        self.moved(len(rows))

    def answered(self, keys: Iterable[str]) -> dict[str, Answer]:
        """What is known of those of these keys that were used, by the key as it is kept."""
        kept = list({kept_as(key) for key in keys})
        if not kept:
            return {}
        database = self.store.database
        where, params = database.among("key", kept)
        rows = self.session.rows(
            f"SELECT key, request, rejection FROM {database.table('keys')} WHERE {where}", params
        )
        return {key: (bytes(request), rejection) for key, request, rejection in rows}

    def write_keys(self, keys: Iterable[KeyRow]) -> None:
        """Write rows of keys."""
        rows = sorted(keys)
        if rows:
            self.store.database.load(self.session, "keys", KEY_COLUMNS, rows)

    def moved(self, number: int) -> None:
        """Take note of so many events that a statement wrote behind the head."""
        self.head = Head(self.head.position + number, self.at)
        self.store.database.advance(self.session, self.head)

    # Numbers

    def act_of(self, position: int, type_name: str, envelope: Envelope) -> tuple[int, bool]:
        """The number of the act that an event at this position is part of, and if it is new."""
        key = act_key(type_name, envelope)
        number = self._acts.setdefault(key, position)
        return number, number == position

    def act_for_chunk(self, sample: Draft) -> int:
        """The act of events that follow the head and are like this one; it is written."""
        number, is_new = self.act_of(self.head.position + 1, sample.event.TYPE, sample.envelope)
        if is_new:
            row = act_columns(number, self.at, sample.event.TYPE, sample.envelope)
            self.store.database.load(self.session, "acts", ACT_COLUMNS, [row])
        return number

    def stream_of(self, account_id: str) -> int | None:
        """The number of an account's stream, if it has one."""
        if account_id not in self.streams:
            self.states([account_id], ())
        return self.streams.get(account_id)

    # Reverts that are under way

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
        taken = f"SELECT number FROM {database.table('acts')} WHERE batch_id = ? LIMIT 1"
        if self.session.row(taken, (batch_id,)):
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to other events: leave it out, and the "
                "revert gets one of its own"
            )
        return None

    def remember_revert(self, batch_id: str, head: int, selection: str) -> None:
        """Keep what a revert was asked with."""
        self.store.database.load(
            self.session,
            "reverts",
            ("batch_id", "head", "selection"),
            [(batch_id, head, selection)],
        )


@define
class Batch:
    """Rows of events that are being put together, with new streams, acts, and what changes.

    Attributes:
        position: of the last event.
    """

    writer: Writer
    position: int = field(init=False)
    events: list[Row] = field(factory=list)
    changes: Changes = field(factory=Changes)
    _streams: list[Row] = field(factory=list)
    _acts: list[Row] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.position = self.writer.head.position

    def add(self, draft: Draft, before: AccountState | None, after: AccountState | None) -> None:
        """Put an event behind the others."""
        position = self.position = self.position + 1
        stream = self._stream(position, draft)
        event = self.row(position, stream, draft.version, draft.event, draft.envelope)
        self.events.append(event)
        if before is not None and after is not None:
            occurred_at = draft.envelope.occurred_at
            at = self.writer.at if occurred_at is None else to_micros(occurred_at)
            self.changes.move(stream, position, at, Moves.between(before, after))
            self.changes.turn(stream, before, after)

    def row(
        self, position: int, stream: int, version: int, event: Event, envelope: Envelope
    ) -> Row:
        """An event's row, in the order of `EVENT_COLUMNS`; its act is written with the others."""
        act, is_new = self.writer.act_of(position, event.TYPE, envelope)
        if is_new:
            self._acts.append(act_columns(act, self.writer.at, event.TYPE, envelope))
        occurred_at = envelope.occurred_at
        return (
            position,
            act,
            stream,
            version,
            None if occurred_at is None else to_micros(occurred_at),
            *data_texts(event),
        )

    def _stream(self, position: int, draft: Draft) -> int:
        if draft.account_id is None:
            return self._stream_of_sweep(position, str(draft.envelope.batch_id), draft.version)
        stream = None if draft.version == 1 else self.writer.stream_of(draft.account_id)
        return self.new_stream(position, draft.account_id) if stream is None else stream

    def new_stream(self, position: int, account_id: str) -> int:
        """Give an account's stream its number."""
        self.writer.streams[account_id] = position
        self._streams.append((position, "account", account_id))
        return position

    def _stream_of_sweep(self, position: int, batch_id: str, version: int) -> int:
        for number, kind, id_ in self._streams:
            if (kind, id_) == ("sweep", batch_id):
                return int(number)
        known = None if version == 1 else self.writer.reader.stream("sweep", batch_id)
        if known is None:
            self._streams.append((position, "sweep", batch_id))
            return position
        return known

    def write_new(self) -> None:
        """Write the new streams and acts, before the events that name them."""
        database, session = self.writer.store.database, self.writer.session
        if self._streams:
            database.load(session, "streams", STREAM_COLUMNS, self._streams)
        if self._acts:
            database.load(session, "acts", ACT_COLUMNS, self._acts)
