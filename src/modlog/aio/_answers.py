"""What stands beside the ledger's answers that read or write when they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from datetime import datetime
from typing import Any, Self

from modlog._domain.account import Status
from modlog._domain.events import RecordedEvent
from modlog._domain.figures import Figures
from modlog._domain.selection import Selection
from modlog._domain.sweeps import Sweep, SweepState
from modlog._domain.values import Actor
from modlog._services.adoption.reconciling import Difference, DifferenceKind, Reconciliation
from modlog._services.forensics.impacts import Impact
from modlog._services.forensics.reports import Report, ReportLine
from modlog._services.reverts.plans import RevertPlan
from modlog._services.sweeps.plans import SweepOutcome, SweepPlan
from modlog._services.views import View
from modlog._storage.checks import Finding
from modlog._storage.deeds import Deed, Tick
from modlog._storage.impacts import Repair
from modlog.aio._streams import Stream
from modlog.aio._surface import (
    Beside,
    BesideAnswer,
    read,
    read_as_itself,
    streamed,
    written,
    written_as,
    written_as_itself,
)
from modlog.aio._threads import Threads


class AsyncView(Beside[View]):
    """A `modlog.View` whose questions are awaited."""

    __slots__ = ()

    as_of = read_as_itself(View.as_of)
    without = read_as_itself(View.without)
    with_ = read_as_itself(View.with_)
    account = read(View.account)
    accounts = streamed(View.accounts)
    count = read(View.count)
    history = read(View.history)
    statement = read(View.statement)


class AsyncRevertPlan(BesideAnswer[RevertPlan]):
    """A `modlog.RevertPlan`: its attributes as they are, `apply` awaited, `lines` streaming."""

    __slots__ = ()
    _of = RevertPlan

    selection: Selection
    head: int
    accounts: int
    targets: int
    idle: int
    irreversible: Mapping[str, int]
    moves: Mapping[tuple[Status, Status], int]
    unprotects: int
    before: Mapping[Status, int]
    after: Mapping[Status, int]

    lines = streamed(RevertPlan.lines)
    apply = written(RevertPlan.apply)


class AsyncSweepOutcome(BesideAnswer[SweepOutcome]):
    """A `modlog.SweepOutcome`, whose `accounts` stream."""

    __slots__ = ()
    _of = SweepOutcome

    batch_id: str
    counts: Mapping[str, int]

    accounts = streamed(SweepOutcome.accounts)


class AsyncSweepPlan(BesideAnswer[SweepPlan]):
    """A `modlog.SweepPlan`: what it knows as it is, what it has to look up or to do is awaited.

    To be awaited are `statuses`, `refusals` and `protected`, too.
    """

    __slots__ = ()
    _of = SweepPlan

    sweep: Sweep
    batch_id: str
    action: str
    arguments: Mapping[str, Any]
    size: int
    digest: str
    state: SweepState
    planned: RecordedEvent
    planned_at: datetime
    actor: Actor
    reason: str | None
    policy: str | None
    approved_by: Actor | None
    needs_approval: bool
    counts: Mapping[str, int]

    @property
    def statuses(self) -> Coroutine[Any, Any, Mapping[str, int]]:
        """See `SweepPlan.statuses`."""
        return self._threads.call(lambda: self._thing.statuses, "read")

    @property
    def refusals(self) -> Coroutine[Any, Any, Mapping[str, int]]:
        """See `SweepPlan.refusals`."""
        return self._threads.call(lambda: self._thing.refusals, "read")

    @property
    def protected(self) -> Coroutine[Any, Any, int]:
        """See `SweepPlan.protected`."""
        return self._threads.call(lambda: self._thing.protected, "read")

    outliers = read(SweepPlan.outliers)
    targets = streamed(SweepPlan.targets)
    sample = read(SweepPlan.sample)
    approve = written_as_itself(SweepPlan.approve)
    reject = written_as_itself(SweepPlan.reject)
    execute = written_as(AsyncSweepOutcome, SweepPlan.execute)
    outcomes = streamed(SweepPlan.outcomes)
    reverted = read(SweepPlan.reverted)


class AsyncImpact(BesideAnswer[Impact]):
    """A `modlog.Impact`, whose `lines` stream."""

    __slots__ = ()
    _of = Impact

    selection: Selection
    head: int
    events: int
    accounts: int
    began: Mapping[str, int]
    standing: Mapping[str, int]
    figures: Figures
    repairs: tuple[Repair, ...]
    several_batches: int
    remarks: Mapping[str, int]

    lines = streamed(Impact.lines)


class AsyncReport(BesideAnswer[Report]):
    """A `modlog.Report`, whose `impact` is an `AsyncImpact`."""

    __slots__ = ()
    _of = Report

    at: datetime
    deeds: tuple[Deed, ...]
    ticks: tuple[Tick, ...]
    first_sign: RecordedEvent | None
    findings: tuple[Finding, ...]
    lines: tuple[ReportLine, ...]

    @property
    def impact(self) -> AsyncImpact:
        """See `Report.impact`."""
        return AsyncImpact(self._thing.impact, self._threads)


class AsyncReconciliation(BesideAnswer[Reconciliation], AsyncIterator[Difference]):
    """A `modlog.Reconciliation`, for `async for`.

    Its numbers are those of the differences found, some of which may not have been handed out yet.
    """

    __slots__ = ("_found",)
    _of = Reconciliation

    head: int
    total: int
    counts: Counter[DifferenceKind]
    same: bool

    def __init__(self, thing: Reconciliation, threads: Threads) -> None:
        super().__init__(thing, threads)
        self._found = Stream(threads, lambda: thing)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Difference:
        return await anext(self._found)
