"""The ledger: every command on an account, and every question about the present."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Self, Unpack

from modlog._domain.account import Account
from modlog._domain.guardrails import Guardrails
from modlog._domain.selection import Selection
from modlog._domain.values import (
    Actor,
    checked_callable,
    checked_truth,
    shown,
)
from modlog._errors import InvalidInputError
from modlog._services.acting import RevertGiven, SweepGiven
from modlog._services.adoption.surface import Adoption
from modlog._services.archive.archives import Archives
from modlog._services.blocks import numbered
from modlog._services.clock import accept_clock
from modlog._services.commands import Commands
from modlog._services.evidence.surface import Evident
from modlog._services.exports.exporting import Exports
from modlog._services.forensics.questions import Forensics
from modlog._services.import_outcomes import IngestOutcome, OnRefused
from modlog._services.imports import EXAMPLE, ingest
from modlog._services.projections import Projections
from modlog._services.reverts.plans import (
    OnConflict,
    RevertOutcome,
    RevertPlan,
    RevertProgress,
    asked_for,
)
from modlog._services.reverts.reverting import Reverting
from modlog._services.sweeps.plans import SweepOutcome, SweepPlan, SweepProgress
from modlog._services.sweeps.sweeping import Sweeps
from modlog._services.views import ClockName, View
from modlog._services.work import Work
from modlog._storage.clock import AcceptedClock, Clock, checked_clock
from modlog._storage.database import LOCK_TIMEOUT
from modlog._storage.opening import open_store
from modlog._storage.rebuilding import rebuild_all
from modlog._storage.recorder import LedgerRecorder


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
    store.lock_timeout = lock_timeout
    return ModLog(Work(store, checked_clock(clock), guardrails or Guardrails()))


class ModLog(Commands, Forensics, Exports, Adoption, Archives, Evident, Projections):
    """A ledger of account lifecycle events.

    May be shared between threads, and used as a context manager that closes it. Each command
    is one transaction, unless `transaction` or `within` makes several of them one, and returns
    the `RecordedEvent` that it led to. Besides its own arguments every command takes those of
    `Given`; what is not given comes from `modlog.acting`.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._recorder = LedgerRecorder(work.store, work.clock)

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
        self._work.store.close()

    @property
    def recorder(self) -> LedgerRecorder:
        """The ledger as an `ApplicationRecorder` of the eventsourcing library."""
        return self._recorder

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
        return View(self._work)

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
        return Reverting(self._work).plan(selection, everything=everything)

    def revert(
        self,
        selection: Selection,
        *,
        everything: bool = False,
        batch_id: str | None = None,
        on_conflict: OnConflict = "itemise",
        progress: Callable[[RevertProgress], object] | None = None,
        **given: Unpack[RevertGiven],
    ) -> RevertOutcome:
        """Take the selected events back; see `plan_revert` and `RevertPlan.apply`.

        Reverting the outcome's own batch takes the revert back.
        """
        asked = asked_for(batch_id, on_conflict, progress, given)
        return Reverting(self._work).revert(selection, asked, everything=everything)

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
        **given: Unpack[SweepGiven],
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
            **given: reason (due), actor, policy, confidence, correlation_id, metadata; what is
                not given comes from `acting`.

        Raises:
            ConflictError: the batch_id belongs to something else.
            GuardrailError: the actor's own account is suspended or deleted.
            InvalidInputError: no accounts, or an argument that the action does not take.
        """
        arguments = {"until": until, "label": label, "score": score}
        named = {name: value for name, value in arguments.items() if value is not None}
        return Sweeps(self._work).plan(ids, action, named, batch_id, given)

    def sweep(self, batch_id: str) -> SweepPlan:
        """A sweep by its name, whoever planned it and wherever.

        Raises:
            SweepNotFoundError: there is none of that name.
        """
        return Sweeps(self._work).get(batch_id)

    def sweeps(self) -> Iterator[SweepPlan]:
        """All sweeps in the order in which they were planned, with their state and counts."""
        return Sweeps(self._work).all()

    def resume(
        self,
        batch_id: str,
        *,
        progress: Callable[[SweepProgress], object] | None = None,
        actor: Actor | None = None,
    ) -> SweepOutcome:
        """Go on with a sweep where it stopped; see `SweepPlan.execute`."""
        return self.sweep(batch_id).execute(progress=progress, actor=actor)

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
        `confidence`, `correlation_id`, `metadata`, `batch_id` and `key`: an idempotency key,
        with which the same record is decided once, however often it is loaded: what was rejected
        stays rejected. An account that was not seen before is created with the first record of it
        that is accepted. A line of an export (see `export`) is recorded as it is.

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
            how many records were recorded, skipped (known already), late (older than
            their account's newest event) and noted, and which were rejected and why.

        Raises:
            ImportRejectedError: a record was rejected, with `strict`.
            InvalidInputError: an argument that cannot be; nothing was read.
        """
        return self.ingest_numbered(
            numbered(records, EXAMPLE), batch_id, chunk, progress, strict, on_refused=on_refused
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
        return ingest(
            self._work.chunk,
            numbered,
            batch_id=batch_id,
            chunk=chunk,
            progress=progress,
            strict=strict,
            on_refused=on_refused,
        )

    def rebuild(self, progress: Callable[[int], object] | None = None) -> int:
        """Make the current state again from the events, in one transaction.

        Args:
            progress: called now and then with the number of accounts rebuilt so far.

        Returns:
            the number of accounts.
        """
        checked_callable(progress, "progress")
        with self._work.store.writing(self._work.clock()) as writer:
            return rebuild_all(self._work.store.database, writer.session, progress)

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
        if self._work.writer() is not None:
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
        return accept_clock(self._work.store, self._work.clock(), given, dry_run=dry_run)
