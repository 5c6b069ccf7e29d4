"""Who waits for the append lock of a ledger, how long, and who must not wait at all.

Nobody waits for ever. Who would wait for a transaction of his own thread is told at once: the
thread that waits is the one that would have to end it. An event loop is one thread for all tasks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final
from weakref import ref

from attrs import define, field

from modlog._domain.values import shown
from modlog._errors import InvalidInputError, StoreUnavailableError

# The shortest that both databases can count, in seconds.
_MIN_TIMEOUT: Final = 0.001
# The longest that both databases can count, in seconds: 2³¹ ms, nearly 25 days.
_MAX_TIMEOUT: Final = 2_147_483


@define(eq=False)
class Holder:
    """Who has the append lock of a ledger.

    Attributes:
        connection: the caller's own, where the transaction is his; it outlives the block.
        in_block: whether the block of the ledger is still under way.
    """

    connection: ref[object] | None = None
    in_block: bool = True
    thread: threading.Thread = field(factory=threading.current_thread)  # numbers are used again
    process: int = field(factory=os.getpid)

    @property
    def is_this_thread(self) -> bool:
        """Whether it is this one; that of a parent, at a fork, is not."""
        return self.thread is threading.current_thread() and self.process == os.getpid()


# By ledger. There is one holder at the most, and who comes next takes the place of the last.
_holders: Final[dict[Hashable, Holder]] = {}


def holder_of(ledger: Hashable) -> Holder | None:
    """Who had the lock of a ledger last, in this process and as far as it is known."""
    return _holders.get(ledger)


def check_not_own(ledger: Hashable) -> None:
    """Refuse to wait for a transaction of this very thread.

    Raises:
        StoreUnavailableError: one is under way.
    """
    holder = _holders.get(ledger)
    if holder is not None and holder.in_block and holder.is_this_thread:
        raise own_thread()


def own_thread() -> StoreUnavailableError:
    """What is raised then."""
    return StoreUnavailableError(
        "a transaction of this ledger is under way in this same thread, which would wait for "
        "itself: end that transaction first, and await or yield nothing inside its block; or run "
        "each in a thread of its own, for instance with asyncio.to_thread"
    )


@contextmanager
def holding(ledger: Hashable, connection: object = None) -> Iterator[None]:
    """Have it known, for a block, that this thread has the lock of a ledger.

    Args:
        ledger: which, in terms of its database.
        connection: that of a caller who ends the transaction by himself, after the block.
    """
    holder = _holders[ledger] = Holder(None if connection is None else _reference(connection))
    try:
        yield
    finally:
        holder.in_block = False
        if holder.connection is None:
            forget(ledger, holder)


def hold(ledger: Hashable) -> Holder:
    """As `holding`, until `forget`."""
    holder = _holders[ledger] = Holder()
    return holder


def forget(ledger: Hashable, holder: Holder) -> None:
    """It has the lock no more."""
    if _holders.get(ledger) is holder:
        del _holders[ledger]


def _reference(connection: object) -> ref[object] | None:
    try:
        return ref(connection)
    except TypeError:  # connections of sqlite3 cannot be followed
        return None


def too_long(timeout: float) -> StoreUnavailableError:
    """What is raised after that many seconds."""
    return StoreUnavailableError(
        f"another thread or process has held the ledger's lock for {timeout:g} s, the "
        "lock_timeout, and nothing was written: end long transactions, also those of within() "
        "that are not yet committed, and try again"
    )


def checked_timeout(value: object) -> float:
    """A `lock_timeout` in seconds.

    Raises:
        InvalidInputError: no number, or none that both databases can wait.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"lock_timeout is a number of seconds, not {shown(value)}")
    if not _MIN_TIMEOUT <= value <= _MAX_TIMEOUT:
        raise InvalidInputError(
            f"lock_timeout is from {_MIN_TIMEOUT} to {_MAX_TIMEOUT} seconds, not {shown(value)}"
        )
    return float(value)
