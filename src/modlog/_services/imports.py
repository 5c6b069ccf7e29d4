"""Loading history from elsewhere: records are decided in order, a chunk a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, get_args
from uuid import uuid4

from attrs import define, field
from attrs import evolve as replaced

from modlog._domain.account import AccountState
from modlog._domain.decisions import IMPORTED_WITH, Command, decide
from modlog._domain.events import AccountCreated, AccountEvent, AccountNoted, Envelope
from modlog._domain.values import (
    Actor,
    checked_id,
    checked_text,
    is_mapping,
    parsed_instant,
    shown,
    to_micros,
)
from modlog._errors import (
    AccountErasedError,
    AccountNotFoundError,
    IdempotencyConflictError,
    ImportRejectedError,
    InvalidInputError,
    ModlogError,
    RefusedError,
    StoreError,
)
from modlog._services.acting import settled_actor
from modlog._services.blocks import blocks, check_chunks, each_of
from modlog._services.export_lines import Elsewhere, is_export_line, read_line
from modlog._services.import_outcomes import IngestOutcome, OnRefused, Rejection
from modlog._services.records import (
    Unreadable,
    read_command,
    reason_given,
    record_text,
    texts_in,
)
from modlog._services.requests import request_digest
from modlog._storage.keys import Answer, KeyRow, kept_as
from modlog._storage.writing import Batch, Writer

# Opens the transaction of a chunk.
OpenChunk = Callable[[], AbstractContextManager[Writer]]

EXAMPLE: Final = "[{'do': …}, …]"
_IMPORTER: Final = Actor.system("import")
_UNKNOWN: Final = AccountState()
# How many actors an import keeps: a log may have as many as it has records.
_KEPT_ACTORS: Final = 10_000


class _RejectedBeforeError(ModlogError):
    """The answer that a record's key has had all along."""


def ingest(
    open_chunk: OpenChunk,
    numbered: Iterable[tuple[int, object]],
    *,
    batch_id: str | None,
    chunk: int,
    progress: Callable[[IngestOutcome], object] | None,
    strict: bool,
    on_refused: OnRefused,
) -> IngestOutcome:
    """See `ModLog.ingest`; the records come with their line numbers."""
    _check_options(chunk, progress, on_refused)
    batch = f"import-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
    importing = _Import(batch, keeps_refused=on_refused == "note")
    outcome = IngestOutcome(batch_id=batch)
    for block in blocks(each_of(numbered, EXAMPLE), chunk):
        with open_chunk() as writer:
            taking = _Chunk(importing, writer)
            taking.look_up(block)
            taking.take(block)
            if strict and taking.rejected:
                first = taking.rejected[0]
                raise ImportRejectedError(
                    f"record {first.line} cannot be taken: {first.reason}; nothing of its chunk "
                    f"was written, {outcome.recorded} records before it were",
                    line=first.line,
                )
            taking.write()
        outcome = taking.added_to(outcome)
        if progress:
            progress(outcome)
    return outcome


def _check_options(chunk: object, progress: object, on_refused: object) -> None:
    check_chunks(chunk, progress)
    if on_refused not in get_args(OnRefused):
        raise InvalidInputError(
            f"on_refused must be one of {', '.join(get_args(OnRefused))}, not {shown(on_refused)}"
        )


@define
class _Import:
    """What an import keeps from one chunk to the next.

    Attributes:
        keeps_refused: whether records that are refused become notes.
        reason: of records that give none.
    """

    batch_id: str
    keeps_refused: bool
    reason: str = field(init=False)
    _actors: dict[object, Actor] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.reason = f"{IMPORTED_WITH}{self.batch_id}"

    def actor(self, value: object) -> Actor:
        """The actor of a record; the same few stand in most of them."""
        if value is None:
            return settled_actor("a record")
        if isinstance(value, Actor):
            return value
        cache_key = tuple(value.items()) if type(value) is dict else None
        try:
            return self._actors[cache_key]
        except (KeyError, TypeError):
            pass
        actor = Actor.parsed(value)
        if cache_key is not None and len(self._actors) < _KEPT_ACTORS:
            self._actors[cache_key] = actor
        return actor


@define
class _Chunk:
    """The records of one transaction, taken one by one.

    Attributes:
        batch: what the records have led to.
        keys: rows of the keys of records that were taken, and of those that were rejected.
        states: of the accounts that records name, as the records so far have left them.
    """

    importing: _Import
    writer: Writer
    batch: Batch = field(init=False)
    keys: list[KeyRow] = field(factory=list)
    states: dict[str, AccountState] = field(factory=dict)
    before: dict[str, AccountState] = field(factory=dict)
    rejected: list[Rejection] = field(factory=list)
    recorded: int = 0
    created: int = 0
    skipped: int = 0
    late: int = 0
    noted: int = 0
    _answered: dict[str, Answer] = field(factory=dict)
    _elsewhere: Elsewhere = field(factory=Elsewhere)

    def __attrs_post_init__(self) -> None:
        self.batch = Batch(self.writer)

    def look_up(self, block: Sequence[tuple[int, object]]) -> None:
        """Have everything that records are decided on."""
        named = [record for _, record in block if is_mapping(record)]
        self.states = self.writer.states(list(set(texts_in(named, "account_id"))))
        self._answered = self.writer.answered(texts_in(named, "key"))
        self._elsewhere = Elsewhere.looked_up(self.writer, named, self.states)

    def take(self, block: Sequence[tuple[int, object]]) -> None:
        """Decide each record on the state that the ones before it left."""
        for line, record in block:
            try:
                self._take(record)
            except StoreError:
                raise
            except ModlogError as error:
                self._reject(line, record, error)
        for id_, old in self.before.items():
            stream = self.writer.streams[id_]
            self.batch.changes.turn(stream, old, self.states[id_])

    def _reject(self, line: int, record: object, error: ModlogError) -> None:
        self.rejected.append(
            Rejection(
                line=line,
                record=record.text if isinstance(record, Unreadable) else record,
                reason=str(error),
                known=isinstance(error, _RejectedBeforeError),
            )
        )

    def _take(self, given_record: object) -> None:
        if self._elsewhere.expected and is_export_line(given_record):
            self._take_line(given_record)
            return
        record, shape, account_id, command = read_command(given_record)
        if "at" not in record:
            raise InvalidInputError("a record needs at: when it happened")
        at = parsed_instant(record["at"], "at")
        given = shape.circumstances_of(record)
        reason = given.get("reason")  # before one is filled in
        envelope = self._envelope(record.get("actor"), given, at)
        key = record.get("key")
        if key is None:
            self._decide(record, account_id, command, envelope, at)
        elif checked_text(key, "key"):
            reason = reason_given(reason)
            request = request_digest(shape.name, account_id, command, envelope, reason=reason)
            if self._is_answered(request, key):
                self.skipped += 1
                return
            try:
                self._decide(record, account_id, command, envelope, at)
            except (RefusedError, AccountNotFoundError, InvalidInputError) as error:
                # Decided later it might be taken, on what was recorded after it.
                self._answer(key, request, None, str(error))
                raise
            self._answer(key, request, self.batch.position, None)
        else:
            raise InvalidInputError("key must not be empty: leave it out if there is none")

    def _take_line(self, record: Mapping[str, Any]) -> None:
        """Take what happened elsewhere as it was recorded: nothing is decided again."""
        line = read_line(record, self.importing.actor)
        state = (line and self.states.get(line.account_id)) or AccountState()
        if line is None or self._elsewhere.has(line, state.version):
            self.skipped += 1
        else:
            self._keep(line.account_id, state, line.event, line.envelope, line.at)

    def _answer(
        self, key: str, request: bytes, position: int | None, rejection: str | None
    ) -> None:
        kept = kept_as(key)
        self.keys.append((kept, request, position, rejection))
        self._answered[kept] = request, rejection

    def _envelope(self, actor: object, given: dict[str, Any], at: datetime) -> Envelope:
        """The envelope of a record, with a reason that names the import if there is none."""
        reason = given.get("reason")
        if not (reason and reason.strip()):
            given["reason"] = self.importing.reason
        given.setdefault("batch_id", self.importing.batch_id)
        return Envelope(actor=self.importing.actor(actor), occurred_at=at, **given)

    def _decide(
        self,
        record: Mapping[str, Any],
        account_id: str,
        command: Command,
        envelope: Envelope,
        at: datetime,
    ) -> None:
        state = self.states.get(account_id) or AccountState()
        opens = state.version == 0 and not isinstance(command, AccountCreated)
        event: AccountEvent
        try:
            event = decide(account_id, _opened(at) if opens else state, command, at)
        except (RefusedError, AccountNotFoundError) as error:
            # Of an account that is erased nothing is kept, not in a note either.
            if not self.importing.keeps_refused or isinstance(error, AccountErasedError):
                raise
            event = AccountNoted(record_text(record))
            self.noted += 1
        if opens:
            self._record(account_id, state, AccountCreated(), self._opening(envelope), at)
            self.created += 1
        self._keep(account_id, state, event, envelope, at)

    def _keep(
        self,
        account_id: str,
        state: AccountState,
        event: AccountEvent,
        envelope: Envelope,
        at: datetime,
    ) -> None:
        if state.version and at < state.latest:
            self.late += 1
        self._record(account_id, state, event, envelope, at)
        self.states[account_id] = state
        self.recorded += 1

    def _is_answered(self, request: bytes, key: str) -> bool:
        answer = self._answered.get(kept_as(key))
        if answer is None:
            return False
        answered, rejection = answer
        if answered != request:
            raise IdempotencyConflictError(
                f"the key {shown(key)} belongs to another request: use a key of its own for "
                "each record"
            )
        if rejection is not None:
            raise _RejectedBeforeError(rejection)
        return True

    def _opening(self, envelope: Envelope) -> Envelope:
        return Envelope(
            actor=_IMPORTER,
            reason=f"first seen in a record imported with {self.importing.batch_id}",
            batch_id=envelope.batch_id,
            occurred_at=envelope.occurred_at,
        )

    def _record(
        self,
        account_id: str,
        state: AccountState,
        event: AccountEvent,
        envelope: Envelope,
        at: datetime,
    ) -> None:
        if account_id not in self.before:
            self.before[account_id] = state.copy() if state.version else _UNKNOWN
        version = state.version + 1
        position = self.batch.position = self.batch.position + 1
        if version == 1:
            self.batch.new_stream(position, account_id)
        stream = self.writer.streams[account_id]
        self.batch.events.append(self.batch.row(position, stream, version, event, envelope))
        state.see(version, at, event.TYPE)
        moves = self._elsewhere.moved(account_id, state, version, at, event)
        if moves.begun or moves.ended:
            self.batch.changes.move(stream, position, to_micros(at), moves)

    def write(self) -> None:
        """Write the events, what they change, and their keys."""
        self.writer.write(self.batch, self.keys)

    def added_to(self, outcome: IngestOutcome) -> IngestOutcome:
        """The outcome so far, with this chunk's."""
        outcome.rejected.extend(self.rejected)
        return replaced(
            outcome,
            recorded=outcome.recorded + self.recorded,
            created=outcome.created + self.created,
            skipped=outcome.skipped + self.skipped,
            late=outcome.late + self.late,
            noted=outcome.noted + self.noted,
        )


def _opened(at: datetime) -> AccountState:
    """An account that was opened with nothing."""
    state = AccountState()
    state.see(1, at, AccountCreated.TYPE)
    state.fold(AccountCreated.TYPE, 1, at, {"profile": {}})
    return state
