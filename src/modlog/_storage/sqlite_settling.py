"""SQLite: when pages are moved from the write-ahead log to their places in the file.

A commit that finds many pages in the log moves them, and whoever commits waits for it. After
large transactions it is done later: a page that several of them change is then moved once, or
nobody waits for it at all.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from modlog._errors import ModlogError
from modlog._storage.database import Pool, Session

if TYPE_CHECKING:
    from modlog._storage.sqlite import SQLiteSession

# Pages in the write-ahead log from which on a commit moves them: SQLite's own figure, and that
# for a series of large transactions, which are 250 MiB.
_PAGES: Final = 1_000
_PAGES_OF_SERIES: Final = 64 * _PAGES


class Settling:
    """What large transactions have left in the write-ahead log of one file."""

    def __init__(self, pool: Pool[SQLiteSession]) -> None:
        self._pool = pool
        self._is_due = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def postponing(self, session: Session) -> Iterator[None]:
        """Let commits of one session leave what they change in the log."""
        self._is_due = True
        session.run(f"PRAGMA wal_autocheckpoint = {_PAGES_OF_SERIES}")
        try:
            yield
        finally:
            session.run(f"PRAGMA wal_autocheckpoint = {_PAGES}")

    def settle(self) -> None:
        """Move what is left. If that cannot be done, a later commit does it."""
        if not self._is_due:
            return
        self._is_due = False
        with suppress(ModlogError, sqlite3.Error):
            # A connection of its own: those in the pool have pages at hand that are asked for.
            session = self._pool.take(anew=True)
            try:
                session.run("PRAGMA wal_checkpoint(PASSIVE)")  # passive: waits for nobody
            finally:
                self._pool.give_back(session, usable=False)

    def settle_later(self) -> None:
        """Have it moved by a thread; one that is at it already may leave the rest to a commit."""
        if self._is_due and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self.settle, name="modlog-settling")
            with suppress(RuntimeError):  # the process is about to end
                self._thread.start()

    def finish(self) -> None:
        """Wait for the thread."""
        if self._thread and self._thread.is_alive():
            self._thread.join()
