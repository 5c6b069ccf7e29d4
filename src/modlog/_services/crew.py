"""Looking at a ledger part by part: in this process, or in several side by side.

Each process looks at a part in a snapshot of its own. What stands up to a position never changes,
and an account and its projection agree at every moment, so together they see what one would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final, Protocol, TypeVar

from attrs import frozen

from modlog._errors import StoreUnavailableError
from modlog._storage.opening import store_at
from modlog._storage.reading import Reader
from modlog._storage.store import Store

_Part = TypeVar("_Part")
_Found = TypeVar("_Found")
# A process takes a second to begin, in which as many events are looked at.
LARGE: Final = 50_000
MOST_PROCESSES: Final = 256
# Parts that wait for each process, so that none waits for a part.
_AHEAD: Final = 2


class Crew(Protocol):
    """Whoever looks at parts of a ledger."""

    def each(
        self, look: Callable[[Reader, _Part], _Found], parts: Iterable[_Part]
    ) -> Iterator[_Found]:
        """What a look at each part finds, in their order."""
        ...


@frozen
class Alone:
    """One after the other, in a session at hand."""

    reader: Reader

    def each(
        self, look: Callable[[Reader, _Part], _Found], parts: Iterable[_Part]
    ) -> Iterator[_Found]:
        return (look(self.reader, part) for part in parts)


@frozen
class _Several:
    """Several at a time, each in a process of its own."""

    pool: ProcessPoolExecutor
    processes: int

    def each(
        self, look: Callable[[Reader, _Part], _Found], parts: Iterable[_Part]
    ) -> Iterator[_Found]:
        waiting: deque[Future[_Found]] = deque()
        for part in parts:
            waiting.append(self.pool.submit(_look, look, part))
            if len(waiting) > _AHEAD * self.processes:
                yield self._found(waiting.popleft())
        while waiting:
            yield self._found(waiting.popleft())

    def _found(self, future: Future[_Found]) -> _Found:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise StoreUnavailableError(
                "one of the processes that looked at the ledger came to an end: killed, perhaps "
                "for want of memory, or the program has no `if __name__ == '__main__':`; try "
                "processes=1"
            ) from error


@contextmanager
def crew(reader: Reader, processes: int) -> Iterator[Crew]:
    """Who looks at a ledger: so many processes, if it is large and they can get at it.

    Args:
        reader: in this process.
        processes: how many at the most.

    Raises:
        StoreUnavailableError: one of them came to an end, while it is used.
    """
    address = reader.store.address
    if processes == 1 or address is None or reader.head().position < LARGE:
        yield Alone(reader)
        return
    # A process that was forked could do nothing with the connections of this one.
    context = get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_open, initargs=address)
    try:
        yield _Several(pool, processes)
    finally:
        pool.shutdown(cancel_futures=True)


_stores: Final[list[Store]] = []  # that of this process, if it is one of several


def _open(url: str, schema: str | None) -> None:
    _stores.append(store_at(url, schema, mode="ro"))


def _look(look: Callable[[Reader, _Part], _Found], part: _Part) -> _Found:
    (store,) = _stores
    with store.snapshot() as reader:
        return look(reader, part)
