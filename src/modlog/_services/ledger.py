"""The ledger: every command on an account, and every question about the present."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any, Final, Self

from modlog._domain.account import Account, Status, account_at
from modlog._domain.blame import Blame, blame
from modlog._domain.events import RecordedEvent
from modlog._domain.guardrails import Guardrails
from modlog._domain.selection import Selection
from modlog._domain.values import (
    Actor,
    checked_callable,
    checked_id,
    checked_position,
    checked_seconds,
    checked_truth,
    from_micros,
    shown,
)
from modlog._errors import AccountNotFoundError, InvalidInputError
from modlog._services.clock import accept_clock
from modlog._services.commands import Commands
from modlog._services.forensics import AccountChange, diff
from modlog._services.import_outcomes import IngestOutcome, OnRefused
from modlog._services.imports import ingest, numbered
from modlog._services.integrity import VerificationReport, verify
from modlog._services.reverts import (
    OnConflict,
    Reverting,
    RevertOutcome,
    RevertPlan,
    RevertProgress,
    asked_for,
)
from modlog._services.sweeps import SweepOutcome, SweepPlan, SweepProgress, Sweeps
from modlog._services.views import ClockName, View, checked_flagged, checked_statuses
from modlog._storage.clock import AcceptedClock, Clock, checked_clock
from modlog._storage.database import LOCK_TIMEOUT
from modlog._storage.opening import open_store
from modlog._storage.recorder import Backoff, LedgerRecorder
from modlog._storage.replays import rebuild_all
from modlog._storage.selecting import Condition
from modlog._storage.store import Reader, Store, Writer

# Records of a transaction, or accounts of a series, from which on it counts as large: what each
# of them changes may lie in two pages of its own.
_LARGE: Final = 500


def open_ledger(
    url: str | PathLike[str],
    *,
    clock: Clock | None = None,
    guardrails: Guardrails | None = None,
    schema: str | None = None,
    create: bool = False,
    lock_timeout: float = LOCK_TIMEOUT,
    read_only: bool = False,
) -> ModLog:
    """Open a ledger; a new database gets its tables.

    Args:
        url: a path, ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` for one
            in memory, ``postgresql://user@host/database``. An SQLite URL takes ``?mode=ro``, one
            of PostgreSQL ``?prepare_threshold=none`` beside libpq's own options. Text without
            ``://`` is a path; one that has ``:`` or ``@`` in it is given as a `Path`.
        clock: gives the time as an aware datetime; the machine's clock if left out.
        guardrails: the limits within which commands and sweeps stay; the defaults of
            `Guardrails` if left out, `Guardrails.off()` for none.
        schema: a PostgreSQL schema of the ledger's own.
        create: whether such a schema is made if it is not there. Without `schema`, a fresh
            database or file begins a ledger in any case.
        lock_timeout: how long one who writes waits for another thread or process, in seconds. Who
            would wait for a transaction of his own thread is told at once.
        read_only: refuse everything that writes; the ledger must be there.

    Raises:
        ReadOnlyStoreError: with `read_only`, a database without a ledger.
        InvalidUrlError: a URL that cannot be read.
        SchemaError: there is no such schema; or tables of modlog's names with another shape or
            of a newer version.
        StoreUnavailableError: the database cannot be reached or opened.
    """
    if guardrails is not None and not isinstance(guardrails, Guardrails):
        raise InvalidInputError(f"guardrails= takes Guardrails, not {shown(guardrails)}")
    store = open_store(url, schema, lock_timeout, create=create, read_only=read_only)
    store.on_machine_time = clock is None
    return ModLog(store, checked_clock(clock), guardrails or Guardrails())


class ModLog(Commands):
    """A ledger of account lifecycle events.

    May be shared between threads, and used as a context manager that closes it. Each command
    is one transaction, unless `transaction` or `within` makes several of them one, and returns
    the `RecordedEvent` that it led to. Besides its own arguments every command takes those of
    `Given`; what is not given comes from `modlog.acting`.
    """

    def __init__(self, store: Store, clock: Clock, guardrails: Guardrails) -> None:
        super().__init__(store, clock, guardrails)
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
        account_id = checked_id(account_id, "account_id")
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
        statuses, flagged = checked_statuses(status), checked_flagged(flagged)
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
        account_id = checked_id(account_id, "account_id")
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

        Raises:
            InvalidInputError: no position, or a time that is none.
        """
        after = checked_position(after, "after")
        wait = checked_seconds(timeout, "timeout") if checked_truth(follow, "follow") else 0.0
        with self._reader() as reader:
            condition = reader.condition(Selection(after_position=after))
        return self._follow(condition, after, wait)

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
        asked = asked_for(batch_id, on_conflict, progress, given)
        return self._reverting().revert(selection, asked, everything=everything)

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
        return Sweeps(
            self._guardrails,
            self._reader,
            self._chunk_in,
            self._series_in,
            self._present,
            self._refused,
        )

    def _reverting(self) -> Reverting:
        refused = self._refused if self._guardrails.enabled else None
        return Reverting(
            self._reader,
            self._chunk_in,
            self._series_in,
            self._snapshot_in,
            self._present,
            refused,
            self._guardrails,
        )

    @contextmanager
    def _chunk_in(self, reader: Reader) -> Iterator[Writer]:
        with self._chunk(reader.session) as writer:
            yield writer

    @contextmanager
    def _series_in(self, reader: Reader, size: int) -> Iterator[None]:
        """Chunks that change so many accounts together, or take back so many events."""
        if size < _LARGE or self._writer() is not None:
            yield
            return
        try:
            with self._store.database.postponing(reader.session):
                yield
        finally:
            self._store.database.settle_later()

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
        *,
        on_refused: OnRefused = "reject",
    ) -> IngestOutcome:
        """Load history from elsewhere: commands as mappings, decided in order.

        A record has `do` (a command's name), `account_id`, `at` (when it happened: an aware
        datetime or ISO 8601 text), `actor` (an `Actor` or a mapping with kind and id; may come
        from `acting`), the command's own arguments, and optionally `reason`, `policy`,
        `confidence`, `correlation_id`, `batch_id` and `key`: an idempotency key, with which
        the same record is decided once, however often it is loaded: what was rejected stays
        rejected. An account that was not seen before is created with the first record of it
        that is accepted.

        Args:
            records: an iterable; it is read as the import goes on.
            batch_id: names the import in its events; a new name is made if left out.
            chunk: records a transaction.
            progress: called after each transaction with the outcome so far.
            strict: raise at the first record that is rejected; its chunk is not written.
            on_refused: what becomes of a record that the state of its account refuses, such as
                a restore where nothing is in force: "reject" it, or keep it as a "note" that
                carries it whole.

        Returns:
            how many records were recorded, skipped (known by their key), late (older than
            their account's newest event) and noted, and which were rejected and why.

        Raises:
            ImportRejectedError: a record was rejected, with `strict`.
            InvalidInputError: an argument that cannot be; nothing was read.
        """
        return self.ingest_numbered(
            numbered(records), batch_id, chunk, progress, strict, on_refused=on_refused
        )

    def ingest_numbered(
        self,
        numbered: Iterable[tuple[int, object]],
        batch_id: str | None = None,
        chunk: int = 10_000,
        progress: Callable[[IngestOutcome], object] | None = None,
        strict: bool = False,
        *,
        on_refused: OnRefused = "reject",
    ) -> IngestOutcome:
        """`ingest` of records that bring their own numbers, as the lines of a file have them."""
        afterwards: set[Callable[[], None]] = set()
        try:
            return ingest(
                partial(self._chunk_of_import, afterwards),
                numbered,
                batch_id=batch_id,
                chunk=chunk,
                progress=progress,
                strict=strict,
                on_refused=on_refused,
            )
        finally:
            for do in afterwards:
                do()

    @contextmanager
    def _chunk_of_import(
        self, afterwards: set[Callable[[], None]], records: int
    ) -> Iterator[Writer]:
        if records < _LARGE or self._writer() is not None:
            with self._chunk() as writer:
                yield writer
            return
        afterwards.add(self._store.database.settle)
        with (
            self._store.reading() as reader,
            self._store.database.postponing(reader.session),
            self._chunk(reader.session) as writer,
        ):
            yield writer

    def verify(self, progress: Callable[[int], object] | None = None) -> VerificationReport:
        """Check the ledger against itself, as of one moment.

        Positions and versions have no gaps, instants grow, every event can be read, the
        projection is what a replay of the events gives, keys lead to events, and the database
        still refuses changes.

        Args:
            progress: called now and then with the number of accounts replayed so far.
        """
        return verify(self._store, checked_callable(progress, "progress"))

    def rebuild(self, progress: Callable[[int], object] | None = None) -> int:
        """Make the current state again from the events, in one transaction.

        Args:
            progress: called now and then with the number of accounts rebuilt so far.

        Returns:
            the number of accounts.
        """
        checked_callable(progress, "progress")
        with self._store.writing(self._clock()) as writer:
            return rebuild_all(self._store.database, writer.session, progress)

    def accept_clock(
        self, *, reason: str | None = None, actor: Actor | None = None, dry_run: bool = False
    ) -> AcceptedClock:
        """Let the ledger go on although its last instant lies ahead of the clock.

        A wrong clock has recorded an event in the future, and every command since is a
        `ClockError`. From now on each transaction gets the last instant and a microsecond, until
        the clock has caught up. Another leap into the future needs to be accepted anew. That it
        was accepted is recorded for ever, and `verify` tells of it.

        Args:
            reason: why; due, and taken from `acting` if left out.
            actor: who accepts it; taken from `acting` if left out.
            dry_run: only tell what would be recorded.

        Raises:
            ClockError: this machine's clock is far ahead of the database server's.
            InvalidInputError: inside a transaction of this ledger.
            RefusedError: commands are recorded already, nothing needs to be accepted.
        """
        if self._writer() is not None:
            raise InvalidInputError(
                "accept_clock() is a transaction of its own: call it outside of transaction() "
                "and within()"
            )
        given = {
            name: value
            for name, value in (("reason", reason), ("actor", actor))
            if value is not None
        }
        dry_run = checked_truth(dry_run, "dry_run")
        return accept_clock(self._store, self._clock(), given, dry_run=dry_run)

    def _present(self, reader: Reader) -> datetime:
        return self._instant(reader.head().recorded_at)

    def _instant(self, recorded_at: int) -> datetime:
        """Now; never before what is recorded, so that nothing recorded lies in the future."""
        return max(self._clock(), from_micros(recorded_at))


def _view(view: View | ModLog) -> View:
    if isinstance(view, ModLog):
        return view.now()
    if not isinstance(view, View):
        raise InvalidInputError(f"diff() compares views or ledgers, not {shown(view)}")
    return view
