"""What streams: pulled in a thread, many at once, and handed out in the loop one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final, Generic, Self, TypeVar

from modlog._domain.events import RecordedEvent
from modlog._errors import StoreUnavailableError
from modlog._services.ledger import ModLog
from modlog._storage.recorder import Backoff
from modlog.aio._threads import Threads

_T = TypeVar("_T")

# How many are pulled at first, and then twice as many each time, up to so many.
_FIRST: Final = 32
_MOST: Final = 1_024


class Pulled(Generic[_T]):
    """Pulls from something in a thread.

    Who is cancelled while he waits has lost nothing: the next one gets what was pulled meanwhile.
    """

    def __init__(self, threads: Threads, pull: Callable[[], _T]) -> None:
        self._threads = threads
        self._pull = pull
        self._under_way: asyncio.Future[_T] | None = None

    async def next(self) -> _T:
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._threads.call(self._pull, "read"))
        await asyncio.wait([self._under_way])
        pulled, self._under_way = self._under_way, None
        return pulled.result()


class Stream(AsyncIterator[_T]):
    """An iterator of the ledger's, for `async for`. It begins when the first is asked for."""

    def __init__(self, threads: Threads, begin: Callable[[], Iterator[_T]]) -> None:
        self._begin = begin
        self._items: Iterator[_T] | None = None
        self._size = _FIRST
        self._pulled = Pulled(threads, self._pull)
        self._ready: deque[_T] = deque()
        self._over: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T:
        while not self._ready:
            if self._over:
                over, self._over = self._over, StopAsyncIteration()
                raise over
            found, self._over = await self._pulled.next()
            self._ready.extend(found)
        return self._ready.popleft()

    def _pull(self) -> tuple[list[_T], BaseException | None]:
        """The next ones, and what comes after them, if it is known."""
        found: list[_T] = []
        try:
            if self._items is None:
                self._items = self._begin()
            for item in islice(self._items, self._size):
                found.append(item)  # those before an error are kept
        except Exception as error:
            return found, error
        over = StopAsyncIteration() if len(found) < self._size else None
        self._size = min(self._size * 2, _MOST)
        return found, over


class Subscription(AsyncIterator[RecordedEvent]):
    """Events as they come. It waits for them in the loop, and ends when the ledger is closed."""

    def __init__(
        self,
        threads: Threads,
        log: ModLog,
        pages: Iterator[list[RecordedEvent]],
        timeout: float | None,
    ) -> None:
        self._threads = threads
        self._signal = log._work.store.signal
        self._timeout = timeout
        self._pulled = Pulled(threads, lambda: (self._signal.count, next(pages)))
        self._ready: deque[RecordedEvent] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordedEvent:
        wait = Backoff(self._timeout)
        while not self._ready:
            seen, events = await self._next_page()
            self._ready.extend(events)
            if not events:
                if wait.left <= 0:
                    raise StopAsyncIteration
                await self._until_news(seen, wait.next())
        return self._ready.popleft()

    async def _next_page(self) -> tuple[int, list[RecordedEvent]]:
        try:
            return await self._pulled.next()
        except StoreUnavailableError:
            if self._threads.closed:
                raise StopAsyncIteration from None
            raise

    async def _until_news(self, seen: int, timeout: float) -> None:
        """Wait until this process records something, or for so many seconds."""
        news = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, news.set)
        with self._signal.telling(wake):
            if self._signal.count == seen:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await news.wait()
