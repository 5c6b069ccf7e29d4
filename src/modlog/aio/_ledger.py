"""The ledger, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
)
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any, Self

from modlog._domain.events import RecordedEvent
from modlog._domain.guardrails import Guardrails
from modlog._domain.selection import Selection
from modlog._domain.values import checked_wait, shown
from modlog._errors import InvalidInputError
from modlog._services.adoption.reconciling import Reconciliation
from modlog._services.adoption.rows import Numbered
from modlog._services.forensics.differences import AccountChange
from modlog._services.ledger import ModLog, open_ledger
from modlog._services.projections import TRACKING, Handler, Progress
from modlog._services.views import View
from modlog._storage.clock import Clock
from modlog._storage.database import LOCK_TIMEOUT
from modlog.aio._answers import (
    AsyncImpact,
    AsyncReconciliation,
    AsyncReport,
    AsyncRevertPlan,
    AsyncSweepOutcome,
    AsyncSweepPlan,
    AsyncView,
)
from modlog.aio._streams import Following, Stream, Subscription
from modlog.aio._surface import (
    Beside,
    read,
    read_as,
    streamed,
    streamed_as,
    written,
    written_as,
)
from modlog.aio._threads import Threads


class AsyncModLog(Beside[ModLog]):
    """A ledger for asyncio: what `ModLog` has, awaited, on threads of its own.

    A method is awaited, and one that streams is for `async for`. It takes the arguments of the
    method of `ModLog`, which says what it does. What the ledger calls back (`progress`,
    `predicate`, a clock, guardrails, an iterable of records) it calls in one of its threads.

    Belongs to one event loop. Used as an asynchronous context manager, it is closed at the end.

    Args:
        log: a ledger that is open; it is closed with this one.
    """

    __slots__ = ()

    def __init__(self, log: ModLog) -> None:
        if not isinstance(log, ModLog):
            raise InvalidInputError(
                f"AsyncModLog() takes a ledger as modlog.open gives it, not {shown(log)}: or open "
                "one with modlog.aio.open"
            )
        super().__init__(log, Threads(log._work.store.lock_timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the ledger when what is under way has ended; subscriptions end.

        Raises:
            InvalidInputError: inside of `transaction` or `within`.
        """
        self._threads.check_outside("close()")
        await self._threads.close(self._close)

    def _close(self) -> None:
        self._thing.close()
        self._thing._work.store.signal.notify()  # subscriptions look again, and see it

    @property
    def sync(self) -> ModLog:
        """The ledger itself, for code that runs in threads."""
        return self._thing

    @property
    def head(self) -> Coroutine[Any, Any, int]:
        """The last position in the log, to be awaited; 0 when it is empty."""
        return self._threads.call(lambda: self._thing.head, "read")

    async def wait_for(self, position: int, timeout: float | None = 60) -> None:
        """See `ModLog.wait_for`."""
        pauses = self._thing._pauses(position, timeout)
        while (pause := await self._threads.call(lambda: next(pauses, None), "read")) is not None:
            await asyncio.sleep(pause)

    # Transactions

    def transaction(self, *, dry_run: bool = False) -> AbstractAsyncContextManager[None]:
        """Make the commands of this task in the block one transaction; see `ModLog.transaction`.

        It is bound to the task: commands of other tasks are not part of it, and wait. Where a
        task is cancelled in the block, nothing of the transaction is recorded. A command that is
        cancelled alone, as by a timeout, spoils it: the block ends with `StoreError`.
        """
        return self._threads.block(lambda: self._thing.transaction(dry_run=dry_run))

    def within(self, connection: Any) -> AbstractAsyncContextManager[None]:
        """Make the commands of this task part of your own transaction; see `ModLog.within`.

        Args:
            connection: as `ModLog.within` takes it, one that may be used in any thread: that of
                sqlite3 needs ``check_same_thread=False``. No asynchronous one.
        """
        return self._threads.block(lambda: self._thing.within(connection))

    # Commands

    create = written(ModLog.create)
    change_profile = written(ModLog.change_profile)
    flag = written(ModLog.flag)
    clear_flags = written(ModLog.clear_flags)
    suspend = written(ModLog.suspend)
    delete = written(ModLog.delete)
    restore = written(ModLog.restore)
    protect = written(ModLog.protect)
    unprotect = written(ModLog.unprotect)
    note = written(ModLog.note)
    settle = written(ModLog.settle)

    # Questions

    account = read(ModLog.account)
    accounts = streamed(ModLog.accounts)
    count = read(ModLog.count)
    history = read(ModLog.history)
    events = streamed(ModLog.events)
    acts = streamed(ModLog.acts)
    names_from = read(ModLog.names_from)

    def subscribe(
        self,
        after: int = 0,
        follow: bool = True,
        timeout: float | None = None,
        *,
        selection: Selection | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        """See `ModLog.subscribe`. It ends, too, when the ledger is closed.

        Who is cancelled while he waits for an event has lost none.
        """
        pages, wait = self._thing._following(after, follow, timeout, selection)
        return Subscription(Following(self._threads, self._thing, pages, wait))

    async def project(
        self,
        handle: Handler,
        connection: Any,
        name: str,
        *,
        table: str = TRACKING,
        selection: Selection | None = None,
        follow: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> int:
        """See `ModLog.project`. It ends, too, when the ledger is closed.

        Who is cancelled waits for the transaction that is under way. The handler is called in a
        thread, not always in the same one: a connection of sqlite3 needs
        ``check_same_thread=False``.
        """
        wait = checked_wait(follow, timeout)
        one = self._thing._projection(
            handle, connection, name, table=table, selection=selection, progress=progress
        )
        moves = Following(self._threads, self._thing, one.moves(), wait, "long")
        try:
            async for _ in moves:
                pass
        finally:
            await moves.settled()
        return await asyncio.to_thread(one.tracking.position)

    # Investigations

    blame = read(ModLog.blame)
    bisect = read(ModLog.bisect)
    statement = read(ModLog.statement)
    stats = read(ModLog.stats)
    impact = read_as(AsyncImpact, ModLog.impact)
    dsa = streamed(ModLog.dsa)
    report = read_as(AsyncReport, ModLog.report)
    export = read(ModLog.export)
    to_arrow = read(ModLog.to_arrow)
    archive = read(ModLog.archive)

    def diff(
        self, before: AsyncView | AsyncModLog, after: AsyncView | AsyncModLog
    ) -> AsyncIterator[AccountChange]:
        """See `ModLog.diff`."""
        return Stream(self._threads, partial(self._thing.diff, _bare(before), _bare(after)))

    # Views and reverts

    now = read_as(AsyncView, ModLog.now)
    as_of = read_as(AsyncView, ModLog.as_of)
    without = read_as(AsyncView, ModLog.without)
    with_ = read_as(AsyncView, ModLog.with_)
    plan_revert = read_as(AsyncRevertPlan, ModLog.plan_revert)
    revert = written(ModLog.revert)

    # Sweeps

    plan_sweep = written_as(AsyncSweepPlan, ModLog.plan_sweep)
    sweep = read_as(AsyncSweepPlan, ModLog.sweep)
    sweeps = streamed_as(AsyncSweepPlan, ModLog.sweeps)
    resume = written_as(AsyncSweepOutcome, ModLog.resume)

    # Accounts in bulk

    adopt = written(ModLog.adopt)
    create_many = written(ModLog.create_many)

    async def reconcile(
        self,
        rows: Iterable[Mapping[str, object]] | Numbered,
        *,
        hard_deletes: bool = False,
        progress: Callable[[Reconciliation], object] | None = None,
    ) -> AsyncReconciliation:
        """See `ModLog.reconcile`. Rows are read as the differences are asked for, in a thread."""
        begin = partial(self._thing.reconcile, rows, hard_deletes=hard_deletes, progress=progress)
        return AsyncReconciliation(await self._threads.call(begin, "read"), self._threads)

    # Import, check, repair

    ingest = written(ModLog.ingest)
    ingest_numbered = written(ModLog.ingest_numbered)
    verify = read(ModLog.verify)
    rebuild = written(ModLog.rebuild)
    accept_clock = written(ModLog.accept_clock)
    seal = written(ModLog.seal)
    prove = read(ModLog.prove)
    prove_consistency = read(ModLog.prove_consistency)
    bundle = read(ModLog.bundle)


def _bare(one: AsyncView | AsyncModLog) -> View | ModLog:
    if not isinstance(one, AsyncView | AsyncModLog):
        raise InvalidInputError(f"diff() compares views or ledgers of modlog.aio, not {shown(one)}")
    return one._thing


def open_async(
    url: str | PathLike[str],
    *,
    clock: Clock | None = None,
    guardrails: Guardrails | None = None,
    schema: str | None = None,
    create: bool = False,
    lock_timeout: float = LOCK_TIMEOUT,
    read_only: bool = False,
) -> Opening:
    """Open a ledger for asyncio; see `modlog.open` for the arguments and what it raises.

    Returns:
        what is awaited, or entered with `async with`, for an `AsyncModLog`.
    """
    return Opening(
        partial(
            open_ledger,
            url,
            clock=clock,
            guardrails=guardrails,
            schema=schema,
            create=create,
            lock_timeout=lock_timeout,
            read_only=read_only,
        )
    )


class Opening(Awaitable[AsyncModLog], AbstractAsyncContextManager[AsyncModLog]):
    """A ledger that is about to be opened, in a thread."""

    def __init__(self, begin: Callable[[], ModLog]) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Any, Any, AsyncModLog]:
        return self._opened().__await__()

    async def _opened(self) -> AsyncModLog:
        thread = ThreadPoolExecutor(1, "modlog-open")
        opening = thread.submit(self._begin)
        thread.shutdown(wait=False)
        try:
            return AsyncModLog(await asyncio.wrap_future(opening))
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise

    async def __aenter__(self) -> AsyncModLog:
        self._log = await self
        return self._log

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._log.close()


def _close(opening: Future[ModLog]) -> None:
    """Close what was opened for nobody."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
