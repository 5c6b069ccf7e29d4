"""Waking those who wait for new events in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Signal:
    """Wakes those who wait for new events in this process."""

    def __init__(self) -> None:
        self._renew()
        self._count = 0

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._callbacks: list[Callable[[], object]] = []
        self._pid = os.getpid()

    def _own_lock(self) -> threading.RLock:
        if self._pid != os.getpid():
            self._renew()  # a thread of the parent may have held it at the fork
        return self._lock

    @property
    def count(self) -> int:
        """How often there was something new."""
        return self._count

    def notify(self) -> None:
        """There is something new."""
        with self._own_lock():
            self._count += 1
            if self._waiting:
                self._changed.notify_all()
            for tell in self._callbacks:
                tell()

    @contextmanager
    def telling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call something, which must not wait, whenever there is something new in the block."""
        with self._own_lock():
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._own_lock():
                if callback in self._callbacks:  # a fork forgets them
                    self._callbacks.remove(callback)

    def wait(self, seen: int, timeout: float) -> None:
        """Wait until there is more than was seen, or for so many seconds."""
        with self._own_lock():
            if self._count == seen:
                self._waiting += 1
                try:
                    self._changed.wait(timeout)
                finally:
                    self._waiting -= 1
