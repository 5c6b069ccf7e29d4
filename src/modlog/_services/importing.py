"""Loading history from elsewhere: records are decided in order, a chunk a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._errors import (
    IdempotencyConflictError,
    ImportRejectedError,
    InvalidInputError,
    ModlogError,
    StoreError,
)
from modlog._ground.account import AccountState
from modlog._ground.decisions import Command, decide
from modlog._ground.events import AccountCreated, AccountEvent, Draft, Entry, Envelope
from modlog._ground.values import (
    Actor,
    checked_id,
    checked_probability,
    checked_text,
    parsed_instant,
    shown,
)
from modlog._services.acting import settled_actor
from modlog._services.records import Unreadable, read_command
from modlog._services.requests import request_key
from modlog._storage.store import Key, Writer

OpenChunk = Callable[[], AbstractContextManager[Writer]]

_IMPORTER: Final = Actor.system("import")
# How many accounts' states an import keeps from one chunk to the next.
_KEPT_STATES: Final = 50_000


@frozen(kw_only=True)
class Rejection:
    """A record that an import did not take.

    Attributes:
        line: its number, from 1.
        record: the record as it was given.
        reason: why it was rejected.
    """

    line: int
    record: object
    reason: str


@frozen(kw_only=True)
class IngestOutcome:
    """What became of the records of an import.

    Attributes:
        batch_id: the name under which its events can be selected, and reverted.
        recorded: how many records led to an event.
        created: how many accounts were created because a record was the first of them.
        skipped: how many were known already, by their key.
        late: how many of those recorded were older than their account's newest event.
        rejected: those that were not taken, and why.
    """

    batch_id: str
    recorded: int = 0
    created: int = 0
    skipped: int = 0
    late: int = 0
    rejected: list[Rejection] = field(factory=list)

    @property
    def total(self) -> int:
        """How many records were read."""
        return self.recorded + self.skipped + len(self.rejected)


@frozen
class _Parsed:
    """A record whose values are in order, before anything is decided."""

    line: int
    record: object
    account_id: str
    command: Command
    envelope: Envelope
    at: datetime
    key: Key | None


def ingest(
    open_chunk: OpenChunk,
    numbered: Iterable[tuple[int, object]],
    *,
    batch_id: str | None,
    chunk: int,
    progress: Callable[[IngestOutcome], object] | None,
    strict: bool,
) -> IngestOutcome:
    """See `ModLog.ingest`; the records come with their line numbers."""
    if chunk < 1:
        raise InvalidInputError(f"chunk must be a number of records from 1, not {shown(chunk)}")
    batch = f"import-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
    parser = _Parser(batch)
    known = _KnownStates()
    outcome = IngestOutcome(batch_id=batch)
    records = iter(numbered)
    while block := list(islice(records, chunk)):
        rejected: list[Rejection] = []
        parsed = list(parser.parsed(block, rejected))
        with open_chunk() as writer:
            deciding = _Chunk(writer, known, batch, rejected)
            deciding.decide(parsed)
            rejected.sort(key=lambda rejection: rejection.line)
            if strict and rejected:
                first = rejected[0]
                raise ImportRejectedError(
                    f"record {first.line} cannot be taken: {first.reason}; nothing of its chunk "
                    f"was written, {outcome.recorded} records before it were",
                    line=first.line,
                )
            deciding.write()
        outcome.rejected.extend(rejected)
        outcome = deciding.added_to(outcome)
        if progress:
            progress(outcome)
    return outcome


@define
class _Parser:
    """Turns records into commands with envelopes."""

    batch_id: str
    _actors: dict[object, Actor] = field(factory=dict)
    _filled: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._filled = f"imported with {self.batch_id}"

    def parsed(
        self, block: Iterable[tuple[int, object]], rejected: list[Rejection]
    ) -> Iterator[_Parsed]:
        """Those records that can be read; the others are rejected."""
        for line, record in block:
            try:
                yield self._parse(line, record)
            except StoreError:
                raise
            except ModlogError as error:
                text = record.text if isinstance(record, Unreadable) else record
                rejected.append(Rejection(line=line, record=text, reason=str(error)))

    def _parse(self, line: int, record: object) -> _Parsed:
        name, account_id, command = read_command(record)
        assert isinstance(record, Mapping)
        if "at" not in record:
            raise InvalidInputError("a record needs at: when it happened")
        at = parsed_instant(record["at"], "at")
        reason = record.get("reason")
        asked = Envelope(
            actor=self._actor(record.get("actor")),
            reason=None if reason is None else checked_text(reason, "reason"),
            policy=_optional(checked_id, record, "policy"),
            batch_id=_optional(checked_id, record, "batch_id") or self.batch_id,
            confidence=_optional(checked_probability, record, "confidence"),
            correlation_id=_optional(checked_id, record, "correlation_id"),
            occurred_at=at,
        )
        key = _optional(checked_text, record, "key")
        if key == "":
            raise InvalidInputError("key must not be empty: leave it out if there is none")
        return _Parsed(
            line,
            record,
            account_id,
            command,
            asked if reason and reason.strip() else replaced(asked, reason=self._filled),
            at,
            request_key(key, name, account_id, command, asked) if key else None,
        )

    def _actor(self, value: object) -> Actor:
        if value is None:
            return settled_actor("a record")
        if isinstance(value, Actor):
            return value
        # The same few actors stand in most records.
        cache_key = tuple(value.items()) if type(value) is dict else None
        try:
            return self._actors[cache_key]
        except (KeyError, TypeError):
            pass
        actor = Actor.parsed(value)
        if cache_key is not None and len(self._actors) < _KEPT_STATES:
            self._actors[cache_key] = actor
        return actor


def _optional(check: Callable[[Any, str], Any], record: Mapping[str, Any], name: str) -> Any:
    value = record.get(name)
    return None if value is None else check(value, name)


@define
class _KnownStates:
    """States from earlier chunks, good for as long as nobody else has written."""

    head: int = -1
    states: dict[str, AccountState] = field(factory=dict)

    def load(self, writer: Writer, account_ids: set[str]) -> None:
        """Have the states of these accounts, as they are now."""
        if self.head != writer.head.position or len(self.states) > _KEPT_STATES:
            self.states = {}
        missing = [id_ for id_ in account_ids if id_ not in self.states]
        if missing:
            self.states.update(writer.states(missing))

    def forget(self) -> None:
        """Have nothing: the chunk that changed the states was not written."""
        self.head, self.states = -1, {}


@define
class _Chunk:
    """The records of one transaction, as they are decided."""

    writer: Writer
    known: _KnownStates
    batch_id: str
    rejected: list[Rejection]
    drafts: list[Draft] = field(factory=list)
    before: dict[str, AccountState] = field(factory=dict)
    keys: list[tuple[Key, int]] = field(factory=list)
    recorded: int = 0
    created: int = 0
    skipped: int = 0
    late: int = 0
    _answered: dict[bytes, bytes] = field(factory=dict)

    def decide(self, parsed: list[_Parsed]) -> None:
        """Decide each record on the state that the ones before it left."""
        self.known.load(self.writer, {one.account_id for one in parsed})
        self.known.head, states = -1, self.known.states  # good again once they are written
        digests = [one.key.digest for one in parsed if one.key]
        self._answered = self.writer.answered(digests) if digests else {}
        for one in parsed:
            try:
                self._decide(one, states)
            except StoreError:
                raise
            except ModlogError as error:
                self.rejected.append(Rejection(line=one.line, record=one.record, reason=str(error)))

    def _decide(self, one: _Parsed, states: dict[str, AccountState]) -> None:
        if one.key and self._is_answered(one.key):
            self.skipped += 1
            return
        account_id = one.account_id
        state = states.get(account_id) or AccountState()
        is_new = state.version == 0
        if is_new and not isinstance(one.command, AccountCreated):
            opened = AccountState(version=1, latest=one.at, created=True)
            event = decide(account_id, opened, one.command, one.at)
            self._draft(account_id, state, AccountCreated(), self._opening(one))
            self.created += 1
        else:
            event = decide(account_id, state, one.command, one.at)
        if not is_new and one.at < state.latest:
            self.late += 1
        self._draft(account_id, state, event, one.envelope)
        states[account_id] = state
        self.recorded += 1
        if one.key:
            self.keys.append((one.key, len(self.drafts) - 1))
            self._answered[one.key.digest] = one.key.request

    def _is_answered(self, key: Key) -> bool:
        request = self._answered.get(key.digest)
        if request is not None and request != key.request:
            raise IdempotencyConflictError(
                f"the key {shown(key.text)} belongs to another request: use a key of its own for "
                "each record"
            )
        return request is not None

    def _opening(self, one: _Parsed) -> Envelope:
        return Envelope(
            actor=_IMPORTER,
            reason=f"first seen in a record imported with {self.batch_id}",
            batch_id=one.envelope.batch_id,
            occurred_at=one.at,
        )

    def _draft(
        self, account_id: str, state: AccountState, event: AccountEvent, envelope: Envelope
    ) -> None:
        if account_id not in self.before:
            self.before[account_id] = state.copy()
        draft = Draft(account_id, state.version + 1, event, envelope)
        self.drafts.append(draft)
        state.apply(
            Entry(
                version=draft.version,
                occurred_at=envelope.occurred_at or self.writer.instant,
                event=event,
            )
        )

    def write(self) -> None:
        """Write what was decided."""
        if self.drafts:
            states = {id_: (old, self.known.states[id_]) for id_, old in self.before.items()}
            self.writer.append(self.drafts, states, self.keys)
        self.known.head = self.writer.head.position

    def added_to(self, outcome: IngestOutcome) -> IngestOutcome:
        """The outcome so far, with this chunk's."""
        return replaced(
            outcome,
            recorded=outcome.recorded + self.recorded,
            created=outcome.created + self.created,
            skipped=outcome.skipped + self.skipped,
            late=outcome.late + self.late,
        )
