"""The threads on which the calls of one ledger run, and those that its transactions have."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from functools import partial
from time import monotonic
from typing import Any, Final, Literal, TypeVar

from attrs import define, field

from modlog._errors import InvalidInputError, StoreError
from modlog._services.work import take_part
from modlog._storage.database import closed
from modlog._storage.waiting import too_long

_T = TypeVar("_T")
Make = Callable[[], AbstractContextManager[None]]
# Of calls: those that only read, those that may wait for the append lock, and those that take long.
Sort = Literal["read", "write", "long"]

# Together no more than the connections that a ledger keeps.
_READERS: Final = 4
_WRITERS: Final = 4
# What takes long and tells of its progress has threads of its own, so that it keeps nobody waiting.
_LONG: Final = 32


class Threads:
    """The threads of one ledger.

    Reading has threads of its own: those that write may all be waiting for the append lock. A
    transaction has one for itself; there is one at a time, and the others wait in the loop.
    """

    def __init__(self, lock_timeout: float) -> None:
        self._lock_timeout = lock_timeout
        self._closed = False
        self._renew()

    def _renew(self) -> None:
        self._pools: dict[Sort, ThreadPoolExecutor] = {
            "read": ThreadPoolExecutor(_READERS, "modlog-read"),
            "write": ThreadPoolExecutor(_WRITERS, "modlog-write"),
            "long": ThreadPoolExecutor(_LONG, "modlog-long"),
        }
        self._turn = asyncio.Lock()
        self._lanes: dict[asyncio.Task[Any] | None, Lane] = {}
        self._pid = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether nothing may be called any more."""
        return self._closed

    # Calls

    def call(self, act: Callable[[], _T], sort: Sort) -> Coroutine[Any, Any, _T]:
        """A call that runs when it is awaited, whoever does that.

        Whose it is, and so the transaction that it is part of and what `acting` settles, is known
        from here on: `gather`, `wait_for` and the like await in tasks of their own.
        """
        lane = self._lanes.get(asyncio.current_task())
        return self._answered(lane, act, sort, copy_context())

    async def _answered(
        self, lane: Lane | None, act: Callable[[], _T], sort: Sort, context: Context
    ) -> _T:
        if lane is not None:
            return await lane.call(act, sort, context)
        if self._closed:
            raise closed()
        if self._pid != os.getpid():
            self._renew()  # the threads of the parent did not come along
        if sort == "write":
            act = partial(self._in_time, monotonic() + self._lock_timeout, act)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pools[sort], context.run, act)

    def _in_time(self, end: float, act: Callable[[], _T]) -> _T:
        """Act, unless all threads have been busy for so long that nobody should wait longer."""
        if monotonic() > end:
            raise too_long(self._lock_timeout)
        return act()

    # Transactions

    @asynccontextmanager
    async def block(self, make: Make) -> AsyncIterator[None]:
        """A block of the ledger, such as a transaction, for calls of the current task."""
        if self._closed:
            raise closed()
        task = asyncio.current_task()
        outer = self._lanes.get(task)
        if outer is not None:
            async with outer.part(make):
                yield
            return
        lane = await self._begun(make)
        self._lanes[task] = lane
        try:
            async with lane.ending():
                yield
        finally:
            del self._lanes[task]
            self._turn.release()

    async def _begun(self, make: Make) -> Lane:
        """A lane in which a block has begun; who has it gives the turn back."""
        try:
            async with asyncio.timeout(self._lock_timeout):
                await self._turn.acquire()
        except TimeoutError:
            raise too_long(self._lock_timeout) from None
        lane = Lane(make)
        beginning = lane.begin()
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # Its thread may wait for others still, and then gives up what it has waited for.
            lane.give_up().add_done_callback(self._given_up)
            raise
        except BaseException:
            lane.stop()
            self._turn.release()
            raise
        return lane

    def _given_up(self, left: asyncio.Future[None]) -> None:
        left.exception()  # nobody is there to be told
        self._turn.release()

    def check_outside(self, what: str) -> None:
        """Refuse what would wait for the end of a transaction of this very task.

        Raises:
            InvalidInputError: one is under way.
        """
        if asyncio.current_task() in self._lanes:
            raise InvalidInputError(f"{what} inside of transaction() or within(): end that first")

    # The end

    async def close(self, last: Callable[[], object]) -> None:
        """Let what is under way come to its end, take nothing more, and do a last thing."""
        self._closed = True
        with _one_thread("modlog-close") as thread:
            await settled(asyncio.get_running_loop().run_in_executor(thread, self._close, last))

    def _close(self, last: Callable[[], object]) -> None:
        last()
        for pool in self._pools.values():
            pool.shutdown()


@define(eq=False)
class Lane:
    """A thread for one block of the ledger, and for the calls that are part of it.

    Attributes:
        make: gives the block.
        context: in which it begins and ends.
        spoilt: whether a command was cancelled of which nobody knows how far it came.
        ended: whether nothing may join it any more.
    """

    make: Make
    context: Context = field(factory=copy_context)
    spoilt: bool = False
    ended: bool = False
    _block: AbstractContextManager[None] | None = None
    _thread: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "modlog-transaction"))

    def _run(self, act: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:
        """Have the thread do something in the block's own context, after all it has to do yet."""
        run = partial(self.context.run, act, *args)
        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    def begin(self) -> asyncio.Future[None]:
        """Enter the block."""
        return self._run(self._enter)

    def _enter(self) -> None:
        block = self.make()
        block.__enter__()
        self._block = block

    def _leave(self, error: BaseException | None) -> None:
        block, self._block = self._block, None
        if block is not None:
            _leave(block, error)

    def give_up(self) -> asyncio.Future[None]:
        """Leave the block as soon as it was entered, and let nothing of it stay."""

        left = self._run(self._leave, asyncio.CancelledError())
        self.stop()
        return left

    def stop(self) -> None:
        """Let the thread end when it has done all."""
        self.ended = True
        self._thread.shutdown(wait=False)

    async def call(self, act: Callable[[], _T], sort: Sort, context: Context) -> _T:
        """Call something as a part of the block."""
        self._check()
        take_part(context, self.context)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, context.run, act)
        except asyncio.CancelledError:
            self.spoilt = self.spoilt or sort != "read"
            raise

    def _check(self) -> None:
        if self.ended:
            raise InvalidInputError(
                "this was called inside a transaction that has ended meanwhile: await it within "
                "the block"
            )
        if self.spoilt:
            raise _spoilt()

    @asynccontextmanager
    async def part(self, make: Make) -> AsyncIterator[None]:
        """A block within the block."""
        inner = make()
        try:
            await settled(self._run(inner.__enter__))
        except asyncio.CancelledError:
            self.spoilt = True
            raise
        async with self._left(partial(_leave, inner)):
            yield

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Leave the block at the end of this one, in the same way, and wait until that is done."""
        try:
            async with self._left(self._leave):
                try:
                    yield
                finally:
                    self.ended = True
                if self.spoilt:
                    raise _spoilt()
        finally:
            self.stop()

    @asynccontextmanager
    async def _left(self, leave: Callable[[BaseException | None], object]) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            await settled(self._run(leave, error))
            raise
        await settled(self._run(leave, None))


def _leave(block: AbstractContextManager[None], error: BaseException | None) -> None:
    """Leave a block with an error, which its caller raises, or without one."""
    try:
        if error is None:
            block.__exit__(None, None, None)
        else:
            block.__exit__(type(error), error, error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            raise


async def settled(future: asyncio.Future[_T]) -> _T:
    """What a future comes to, waited for to its end even if the one who waits is cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()  # is known now, and not told
        raise cancelled
    return future.result()


@contextmanager
def _one_thread(name: str) -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(1, name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)


def _spoilt() -> StoreError:
    return StoreError(
        "a command of this transaction was cancelled, so that nobody knows whether it is part of "
        "it: nothing of the transaction is recorded; begin it again"
    )
