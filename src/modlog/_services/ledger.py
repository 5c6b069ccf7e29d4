"""The ledger: every command on an account, and every question about the present."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from os import getpid
from types import MappingProxyType, TracebackType
from typing import Any, Self, Unpack

from attrs import define, field

from modlog._errors import AccountNotFoundError, ConcurrencyError, GuardrailError, InvalidInputError
from modlog._ground.account import Account, AccountState, Status, account_at
from modlog._ground.blame import Blame, blame
from modlog._ground.decisions import COMMANDS, decide
from modlog._ground.events import AccountNoted, ActionRefused, Draft, Envelope, RecordedEvent
from modlog._ground.guardrails import Guardrails
from modlog._ground.selection import Selection
from modlog._ground.values import Actor, checked_id, from_micros, shown
from modlog._services.acting import Given, split
from modlog._services.forensics import AccountChange, diff
from modlog._services.guarding import Intended, Override, check_guardrails
from modlog._services.importing import IngestOutcome, ingest
from modlog._services.integrity import VerificationReport, verify
from modlog._services.requests import request_key
from modlog._services.reverting import (
    OnConflict,
    Reverting,
    RevertOutcome,
    RevertPlan,
    RevertProgress,
)
from modlog._services.sweeping import SweepOutcome, SweepPlan, SweepProgress, Sweeps
from modlog._services.views import ClockName, View, checked_statuses
from modlog._storage.clock import Clock, checked_clock
from modlog._storage.database import Session
from modlog._storage.opening import open_store
from modlog._storage.recorder import Backoff, LedgerRecorder
from modlog._storage.replays import rebuild_all
from modlog._storage.selecting import Condition
from modlog._storage.store import Decide, Key, Reader, Store, Writer


@define(eq=False)
class _Open:
    """A transaction that is under way, for commands and questions of its block.

    Attributes:
        afterwards: what is to be done by itself once it has ended, either way; None for a
            caller's own transaction, whose end the ledger does not see.
    """

    writer: Writer
    afterwards: list[Callable[[], None]] | None = None
    under_way: bool = True
    process: int = field(factory=getpid)

    @property
    def is_ours(self) -> bool:
        """Whether it goes on, in this process: a forked child takes no part in it."""
        return self.under_way and self.process == getpid()


# For each ledger, the transaction of the current task or thread.
_open: ContextVar[Mapping[int, _Open]] = ContextVar(
    "modlog.transactions",
    default=MappingProxyType({}),
)


def open_ledger(
    url: str,
    *,
    clock: Clock | None = None,
    guardrails: Guardrails | None = None,
    schema: str | None = None,
) -> ModLog:
    """Open a ledger; a new database gets its tables.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` for one in
            memory, ``postgresql://user@host/database``. An SQLite URL takes ``?mode=ro``.
        clock: gives the time as an aware datetime; the machine's clock if left out.
        guardrails: the limits within which commands stay; none if left out.
        schema: a PostgreSQL schema of the ledger's own, made if it is not there.

    Raises:
        InvalidUrlError: a URL that cannot be read.
        SchemaError: tables of modlog's names with another shape or of a newer version.
        StoreUnavailableError: the database cannot be reached or opened.
    """
    if guardrails is not None and not isinstance(guardrails, Guardrails):
        raise InvalidInputError(f"guardrails= takes Guardrails, not {shown(guardrails)}")
    return ModLog(open_store(url, schema), checked_clock(clock), guardrails)


class ModLog:
    """A ledger of account lifecycle events.

    May be shared between threads, and used as a context manager that closes it. Each command
    is one transaction, unless `transaction` or `within` makes several of them one, and returns
    the `RecordedEvent` that it led to. Besides its own arguments every command takes those of
    `Given`; what is not given comes from `modlog.acting`.
    """

    def __init__(self, store: Store, clock: Clock, guardrails: Guardrails | None = None) -> None:
        self._store = store
        self._clock = clock
        self._guardrails = guardrails
        self._recorder = LedgerRecorder(store, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger's connections; using it afterwards raises `StoreUnavailableError`."""
        self._store.close()

    @property
    def recorder(self) -> LedgerRecorder:
        """The ledger as an `ApplicationRecorder` of the eventsourcing library."""
        return self._recorder

    # Commands

    def create(
        self,
        account_id: str,
        profile: Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Open an account, with a profile: a mapping from text to JSON values other than null.

        Raises:
            AccountExistsError: it exists already.
        """
        return self._record("create", account_id, {"profile": profile or {}}, given)

    def change_profile(
        self, account_id: str, changes: Mapping[str, Any], **given: Unpack[Given]
    ) -> RecordedEvent:
        """Set keys of the profile; None removes a key.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("change_profile", account_id, {"changes": changes}, given)

    def flag(
        self, account_id: str, label: str, score: float | None = None, **given: Unpack[Given]
    ) -> RecordedEvent:
        """Put a flag on an account, with a score from 0 to 1 if there is one.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("flag", account_id, {"label": label, "score": score}, given)

    def clear_flags(
        self, account_id: str, flags: Collection[int] | None = None, **given: Unpack[Given]
    ) -> RecordedEvent:
        """Take flags off an account: those of these versions, or all that stand.

        Raises:
            AccountNotFoundError: there is no such account.
            NothingInForceError: no flag stands, or one that is named does not.
        """
        return self._record("clear_flags", account_id, {"flags": flags}, given)

    def suspend(
        self,
        account_id: str,
        until: datetime | None = None,
        *,
        override_protection: bool = False,
        approved_by: Actor | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Suspend an account until an instant, or indefinitely. A reason is due.

        Args:
            account_id: the account.
            until: an aware datetime; None for indefinitely.
            override_protection: suspend it although it is protected; a note of the approval
                is recorded with it.
            approved_by: the second person, a human, who agrees to that.
            **given: see `Given`.

        Raises:
            AccountNotFoundError: there is no such account.
            GuardrailError: it is protected, or another guardrail stops it.
            InvalidInputError: `until` is not later than the suspension itself.
        """
        asked = (override_protection, approved_by)
        return self._record("suspend", account_id, {"until": until}, given, asked)

    def delete(
        self,
        account_id: str,
        *,
        override_protection: bool = False,
        approved_by: Actor | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Delete an account; one that is deleted gets a further cause. A reason is due.

        Args:
            account_id: the account.
            override_protection: delete it although it is protected; a note of the approval
                is recorded with it.
            approved_by: the second person, a human, who agrees to that.
            **given: see `Given`.

        Raises:
            AccountNotFoundError: there is no such account.
            GuardrailError: it is protected, or another guardrail stops it.
        """
        asked = (override_protection, approved_by)
        return self._record("delete", account_id, {}, given, asked)

    def restore(
        self, account_id: str, lifts: Collection[int] | None = None, **given: Unpack[Given]
    ) -> RecordedEvent:
        """Lift sanctions: those of these versions, or all in force. A reason is due.

        Raises:
            AccountNotFoundError: there is no such account.
            NothingInForceError: no sanction is in force, or one that is named does not stand.
        """
        return self._record("restore", account_id, {"lifts": lifts}, given)

    def protect(self, account_id: str, **given: Unpack[Given]) -> RecordedEvent:
        """Shield an account from sweeps.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("protect", account_id, {}, given)

    def unprotect(self, account_id: str, **given: Unpack[Given]) -> RecordedEvent:
        """Take the shield from an account. A reason is due.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("unprotect", account_id, {}, given)

    def note(self, account_id: str, text: str, **given: Unpack[Given]) -> RecordedEvent:
        """Write something down about an account; it changes nothing.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("note", account_id, {"text": text}, given)

    def _record(
        self,
        name: str,
        account_id: str,
        arguments: Mapping[str, Any],
        given: Mapping[str, Any],
        asked: tuple[bool, Actor | None] = (False, None),
    ) -> RecordedEvent:
        account_id = checked_id(account_id, "account_id")
        envelope, key_text, expected = split(name, given)
        override = Override.asked(*asked, envelope.actor)
        command = COMMANDS[name](**arguments)
        key = request_key(key_text, name, account_id, command, envelope) if key_text else None

        def decided(reader: Reader, state: AccountState, instant: datetime) -> Draft:
            _check_expected(account_id, state, expected)
            event = decide(account_id, state, command, envelope.occurred_at or instant)
            if self._guardrails is not None:
                intended = Intended(
                    account_id=account_id,
                    state=state,
                    action=name,
                    actor=envelope.actor,
                    at=instant,
                    override=override,
                )
                check_guardrails(self._guardrails, reader, intended)
            return Draft(account_id, state.version + 1, event, envelope)

        try:
            return self._carry_out(account_id, decided, key, override)
        except GuardrailError as error:
            self._refused(account_id, ActionRefused(name, error.rule), envelope)
            raise

    def _carry_out(
        self, account_id: str, decided: Decide, key: Key | None, override: Override | None
    ) -> RecordedEvent:
        if override is None and self._writer() is None:
            return self._store.record(account_id, decided, key, self._clock())
        with self._chunk() as writer:
            head = writer.head.position
            event = writer.record(account_id, decided, key)
            is_new = event.position > head  # not one that its key answered
            if override and is_new and writer.states([account_id])[account_id].protected:
                writer.record(account_id, _approval(event, override), None)
            return event

    def _refused(self, account_id: str, refusal: ActionRefused, envelope: Envelope) -> None:
        """Record that a guardrail stopped somebody, by itself and whatever else is undone."""

        def stream_of(reader: Reader) -> str:
            # An account that does not exist has no stream; the one who acts has.
            known = reader.states([account_id]).get(account_id)
            own = envelope.actor.account_id
            return account_id if own is None or (known and known.version) else own

        def record() -> None:
            with self._chunk() as writer:
                stream = stream_of(Reader(self._store, writer.session))
                writer.record(
                    stream,
                    lambda _, state, __: Draft(stream, state.version + 1, refusal, envelope),
                    None,
                )

        opened = self._opened()
        if opened is not None and opened.afterwards is not None:
            opened.afterwards.append(record)
        else:
            record()

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the commands in the block one transaction: all are recorded, or none.

        It holds the append lock from its beginning, so keep it short. A command that fails
        leaves no trace of itself; the others go on if the error is caught inside the block.
        """
        writer = self._writer()
        if writer is not None:
            with writer.part():
                yield
            return
        afterwards: list[Callable[[], None]] = []
        try:
            with (
                self._store.writing(self._clock()) as writer,
                self._under_way(_Open(writer, afterwards)),
            ):
                yield
        finally:
            for record in afterwards:
                record()

    @contextmanager
    def within(self, connection: Any) -> Iterator[None]:
        """Make the commands in the block part of the caller's own open transaction.

        The caller commits or rolls back, and the ledger with it. From the beginning of the
        block until then every other writer of the ledger waits, so commit soon.

        Args:
            connection: a ``sqlite3.Connection`` or ``psycopg.Connection`` to the database that
                holds this ledger, with a transaction open or about to open.

        Raises:
            InvalidInputError: a connection of another kind, to another database, or one that
                commits each statement by itself; or a transaction of this ledger is under way
                already, for whose end the block would wait for ever.
        """
        if self._writer() is not None:
            raise InvalidInputError(
                "within() inside a transaction of the same ledger would wait for its end: leave "
                "one of the two out"
            )
        with (
            self._store.joining(connection, self._clock()) as writer,
            self._under_way(_Open(writer)),
        ):
            yield

    @contextmanager
    def _under_way(self, opened: _Open) -> Iterator[None]:
        token = _open.set({**_open.get(), id(self): opened})
        try:
            yield
        finally:
            opened.under_way = False
            _open.reset(token)

    def _opened(self) -> _Open | None:
        # A task that was started in the block may outlive it, with a copy of the context.
        opened = _open.get().get(id(self))
        return opened if opened is not None and opened.is_ours else None

    def _writer(self) -> Writer | None:
        opened = self._opened()
        return None if opened is None else opened.writer

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        writer = self._writer()
        if writer is not None:
            yield Reader(self._store, writer.session)
            return
        with self._store.reading() as reader:
            yield reader

    # Questions

    @property
    def head(self) -> int:
        """The last position in the log; 0 when it is empty."""
        with self._reader() as reader:
            return reader.head().position

    def account(self, account_id: str) -> Account:
        """An account as it is now.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        checked_id(account_id, "account_id")
        with self._reader() as reader:
            state, head = reader.state_and_head(account_id)
        if state.version == 0:
            raise AccountNotFoundError(
                f"account {shown(account_id)} is not in this ledger: check the id; "
                "accounts() lists those that are"
            )
        return account_at(account_id, state, self._instant(head.recorded_at))

    def accounts(
        self,
        status: Status | str | Collection[Status | str] | None = None,
        flagged: str | bool | None = None,
    ) -> Iterator[Account]:
        """Accounts as they are now, in the order of their ids, streaming.

        Args:
            status: only those with this status, or with one of these.
            flagged: only those with a flag of this label; True for any flag, False for none.
        """
        statuses = checked_statuses(status)
        if isinstance(flagged, str):
            checked_id(flagged, "flagged")
        with self._reader() as reader:
            at = self._instant(reader.head().recorded_at)
        return self._accounts(statuses, flagged, at)

    def _accounts(
        self, statuses: tuple[Status, ...], flagged: str | bool | None, at: datetime
    ) -> Iterator[Account]:
        after = ""
        while True:
            with self._reader() as reader:
                ids = reader.account_ids_page(after, statuses, flagged, at)
                states = reader.states(ids) if ids else {}
            if not ids:
                return
            for account_id in ids:
                yield account_at(account_id, states[account_id], at)
            after = ids[-1]

    def count(self) -> Mapping[Status, int]:
        """How many accounts have each status now, zeros included."""
        with self._reader() as reader:
            return reader.count(self._instant(reader.head().recorded_at))

    def history(self, account_id: str) -> list[RecordedEvent]:
        """All events of an account, in order.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        checked_id(account_id, "account_id")
        with self._reader() as reader:
            events = reader.history(account_id)
        if not events:
            raise AccountNotFoundError(f"account {shown(account_id)} is not in this ledger")
        return events

    def events(self, selection: Selection | None = None) -> Iterator[RecordedEvent]:
        """The selected events in the order of their positions, streaming.

        Those recorded after the call are left out. Events of other programs are not modlog's
        to show: `recorder.select_notifications` has them.
        """
        selection = Selection() if selection is None else selection
        if not isinstance(selection, Selection):
            raise InvalidInputError(f"events() takes a Selection, not {shown(selection)}")
        with self._reader() as reader:
            head = reader.head().position
            condition = reader.condition(selection)
        return self._events(condition, head)

    def _events(self, condition: Condition, head: int) -> Iterator[RecordedEvent]:
        after = 0
        while True:
            with self._reader() as reader:
                events = reader.events_page(condition, after, head)
            if not events:
                return
            yield from events
            after = events[-1].position

    def subscribe(
        self, after: int = 0, follow: bool = True, timeout: float | None = None
    ) -> Iterator[RecordedEvent]:
        """Events after a position, and then those that any process records, as they come.

        Args:
            after: start behind this position; 0 for the beginning.
            follow: wait for more at the end of the log; False ends there.
            timeout: end when nothing new came for so many seconds; None waits for ever.
        """
        with self._reader() as reader:
            condition = reader.condition(Selection(after_position=after))
        return self._follow(condition, after, timeout if follow else 0.0)

    def _follow(
        self, condition: Condition, after: int, timeout: float | None
    ) -> Iterator[RecordedEvent]:
        signal = self._store.signal
        wait = Backoff(timeout)
        while True:
            seen = signal.count
            with self._reader() as reader:
                head = reader.head().position
                events = reader.events_page(condition, after, head)
            yield from events
            after = max(after, events[-1].position if events else head)
            if events:
                wait = Backoff(timeout)
            elif wait.left > 0:
                signal.wait(seen, wait.next())
            else:
                return

    # Views

    def as_of(self, moment: int | datetime, *, clock: ClockName = "recorded") -> View:
        """The ledger as it was at a position or an instant; see `View.as_of`."""
        return self.now().as_of(moment, clock=clock)

    def without(self, selection: Selection) -> View:
        """The ledger as if the selected events had never been recorded; it writes nothing."""
        return self.now().without(selection)

    def with_(self, records: Iterable[Mapping[str, object]]) -> View:
        """The ledger as it would be after these commands; it writes nothing."""
        return self.now().with_(records)

    def now(self) -> View:
        """The present as a view, for instance to compare it with another."""
        return View(self._reader, self._present)

    def diff(self, before: View | ModLog, after: View | ModLog) -> Iterator[AccountChange]:
        """The accounts in which two views differ, in the order of their ids, streaming.

        Args:
            before: a view, or the ledger itself for the present.
            after: likewise.
        """
        return diff(_view(before), _view(after))

    def blame(self, account_id: str) -> list[Blame]:
        """For each facet of an account, the event that made it so, or took it away.

        The facets are its existence, each key of its profile, each flag, each sanction, and
        its protection.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        return blame(self.history(account_id))

    # Reverts

    def plan_revert(self, selection: Selection, *, everything: bool = False) -> RevertPlan:
        """What taking the selected events back would come to; it writes nothing.

        The result of a revert equals the history in which the events had never been recorded.
        It names every selected event that can be reverted, also those that do not count now.

        Args:
            selection: the events, as of now; later ones never join.
            everything: must be true for a selection without any filter.

        Raises:
            IrreversibleError: erasures are selected, and nothing else that can be reverted.
            InvalidInputError: a selection without any filter.
        """
        return self._reverting().plan(selection, everything=everything)

    def revert(
        self,
        selection: Selection,
        *,
        everything: bool = False,
        batch_id: str | None = None,
        on_conflict: OnConflict = "itemise",
        progress: Callable[[RevertProgress], object] | None = None,
        **given: Any,
    ) -> RevertOutcome:
        """Take the selected events back; see `plan_revert` and `RevertPlan.apply`.

        Reverting the outcome's own batch takes the revert back.
        """
        return self.plan_revert(selection, everything=everything).apply(
            batch_id=batch_id, on_conflict=on_conflict, progress=progress, **given
        )

    # Sweeps

    def plan_sweep(
        self,
        ids: Iterable[str | Account] | Selection,
        action: str,
        *,
        batch_id: str | None = None,
        until: datetime | None = None,
        label: str | None = None,
        score: float | None = None,
        **given: Any,
    ) -> SweepPlan:
        """Lay down one decision for many accounts: recorded, to be looked at, not carried out.

        Args:
            ids: the accounts: ids, or accounts as `accounts()` and views give them, in any
                iterable; or a selection, for the accounts of its events as of now.
            action: delete, suspend, flag, clear_flags or restore.
            batch_id: names the sweep; a new name is made if left out. Planning the same again
                under the same name gives the same plan.
            until: the end of the suspensions, for suspend.
            label: of the flags, for flag.
            score: of the flags, for flag.
            **given: reason (due), actor, policy, confidence, correlation_id; what is not given
                comes from `acting`.

        Raises:
            ConflictError: the batch_id belongs to something else.
            GuardrailError: the actor's own account is suspended or deleted.
            InvalidInputError: no accounts, or an argument that the action does not take.
        """
        arguments = {"until": until, "label": label, "score": score}
        named = {name: value for name, value in arguments.items() if value is not None}
        return self._sweeps().plan(ids, action, named, batch_id, given)

    def sweep(self, batch_id: str) -> SweepPlan:
        """A sweep by its name, whoever planned it and wherever.

        Raises:
            SweepNotFoundError: there is none of that name.
        """
        return self._sweeps().get(batch_id)

    def sweeps(self) -> Iterator[SweepPlan]:
        """All sweeps in the order in which they were planned, with their state and counts."""
        return self._sweeps().all()

    def resume(
        self,
        batch_id: str,
        *,
        progress: Callable[[SweepProgress], object] | None = None,
        actor: Actor | None = None,
    ) -> SweepOutcome:
        """Go on with a sweep where it stopped; see `SweepPlan.execute`."""
        return self.sweep(batch_id).execute(progress=progress, actor=actor)

    def _sweeps(self) -> Sweeps:
        guardrails = self._guardrails or Guardrails()
        return Sweeps(guardrails, self._reader, self._chunk_in, self._present, self._refused)

    def _reverting(self) -> Reverting:
        refused = self._refused if self._guardrails is not None else None
        return Reverting(self._reader, self._chunk_in, self._snapshot_in, self._present, refused)

    @contextmanager
    def _chunk_in(self, reader: Reader) -> Iterator[Writer]:
        with self._chunk(reader.session) as writer:
            yield writer

    @contextmanager
    def _snapshot_in(self, reader: Reader) -> Iterator[Reader]:
        if self._writer() is not None:  # a transaction that holds the lock is one already
            yield reader
            return
        with self._store.snapshot(reader.session) as snapshot:
            yield snapshot

    # Import, check, repair

    def ingest(
        self,
        records: Iterable[object],
        batch_id: str | None = None,
        chunk: int = 10_000,
        progress: Callable[[IngestOutcome], object] | None = None,
        strict: bool = False,
    ) -> IngestOutcome:
        """Load history from elsewhere: commands as mappings, decided in order.

        A record has `do` (a command's name), `account_id`, `at` (when it happened: an aware
        datetime or ISO 8601 text), `actor` (an `Actor` or a mapping with kind and id; may come
        from `acting`), the command's own arguments, and optionally `reason`, `policy`,
        `confidence`, `correlation_id`, `batch_id` and `key`: an idempotency key, with which
        the same record is taken once however often it is loaded. An account that was not seen
        before is created with the first record of it that is accepted.

        Args:
            records: an iterable; it is read as the import goes on.
            batch_id: names the import in its events; a new name is made if left out.
            chunk: records a transaction.
            progress: called after each transaction with the outcome so far.
            strict: raise at the first record that is rejected; its chunk is not written.

        Returns:
            how many records were recorded, skipped (known by their key) and late (older than
            their account's newest event), and which were rejected and why.

        Raises:
            ImportRejectedError: a record was rejected, with `strict`.
        """
        return self.ingest_numbered(enumerate(records, 1), batch_id, chunk, progress, strict)

    def ingest_numbered(
        self,
        numbered: Iterable[tuple[int, object]],
        batch_id: str | None = None,
        chunk: int = 10_000,
        progress: Callable[[IngestOutcome], object] | None = None,
        strict: bool = False,
    ) -> IngestOutcome:
        """`ingest` of records that bring their own numbers, as the lines of a file have them."""
        return ingest(
            self._chunk,
            numbered,
            batch_id=batch_id,
            chunk=chunk,
            progress=progress,
            strict=strict,
        )

    @contextmanager
    def _chunk(self, session: Session | None = None) -> Iterator[Writer]:
        writer = self._writer()
        if writer is not None:
            with writer.part():
                yield writer
            return
        with self._store.writing(self._clock(), session) as writer:
            yield writer

    def verify(self, progress: Callable[[int], object] | None = None) -> VerificationReport:
        """Check the ledger against itself, as of one moment.

        Positions and versions have no gaps, instants grow, every event can be read, the
        projection is what a replay of the events gives, keys lead to events, and the database
        still refuses changes.

        Args:
            progress: called now and then with the number of accounts replayed so far.
        """
        return verify(self._store, progress)

    def rebuild(self, progress: Callable[[int], object] | None = None) -> int:
        """Make the current state again from the events, in one transaction.

        Args:
            progress: called now and then with the number of accounts rebuilt so far.

        Returns:
            the number of accounts.
        """
        with self._store.writing(self._clock()) as writer:
            return rebuild_all(self._store.database, writer.session, progress)

    def _present(self, reader: Reader) -> datetime:
        return self._instant(reader.head().recorded_at)

    def _instant(self, recorded_at: int) -> datetime:
        """Now; never before what is recorded, so that nothing recorded lies in the future."""
        return max(self._clock(), from_micros(recorded_at))


def _check_expected(account_id: str, state: AccountState, expected: int | None) -> None:
    if expected is not None and state.version != expected:
        raise ConcurrencyError(
            f"account {shown(account_id)} was expected at version {expected} and is at "
            f"{state.version}: look at it again, and decide again"
        )


def _view(view: View | ModLog) -> View:
    if isinstance(view, ModLog):
        return view.now()
    if not isinstance(view, View):
        raise InvalidInputError(f"diff() compares views or ledgers, not {shown(view)}")
    return view


def _approval(event: RecordedEvent, override: Override) -> Decide:
    """The note with which a second person agrees to a sanction of a protected account."""
    text = f"agrees to version {event.version}, {event.type}, although the account is protected"
    envelope = Envelope(
        actor=override.approved_by,
        reason=event.reason,
        policy=event.policy,
        batch_id=event.batch_id,
        correlation_id=event.correlation_id,
    )
    account_id = str(event.account_id)
    return lambda _, state, __: Draft(account_id, state.version + 1, AccountNoted(text), envelope)
