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
from typing import Final

from modlog._errors import ModlogError
from modlog._storage.database import Pool, Session
from modlog._storage.sqlite.session import SQLiteSession

# Pages in the write-ahead log from which on a commit moves them: SQLite's own figure, and that
# for a series of large transactions, which are 250 MiB.
_PAGES: Final = 1_000
_PAGES_OF_SERIES: Final = 64 * _PAGES


class Settling:
    """Moves what large transactions have left in the write-ahead log of one file."""

    def __init__(self, pool: Pool[SQLiteSession]) -> None:
        self._pool = pool
        self._is_due = False
        self._lock = threading.Lock()  # of the two below
        self._thread: threading.Thread | None = None
        self._session: SQLiteSession | None = None

    @contextmanager
    def postponing(self, session: Session) -> Iterator[None]:
        """Let commits of one session leave what they change in the log."""
        self._is_due = True
        session.row(f"PRAGMA wal_autocheckpoint = {_PAGES_OF_SERIES}")
        try:
            yield
        finally:
            session.row(f"PRAGMA wal_autocheckpoint = {_PAGES}")

    def settle(self) -> None:
        """Move what is left. If that cannot be done, a later commit does it."""
        with suppress(ModlogError, sqlite3.Error):
            # A connection of its own: those in the pool have pages at hand that are asked for.
            session = self._session = self._pool.take(anew=True)
            try:
                session.row("PRAGMA wal_checkpoint(PASSIVE)")  # passive: waits for nobody
            finally:
                with self._lock:
                    self._session = None
                self._pool.give_back(session, usable=False)

    def settle_later(self) -> None:
        """Have it moved by a thread; one that is at it already may leave the rest to a commit."""
        if not self._is_due:
            return  # a child that is born in a series has nothing to do with its file
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self.settle, name="modlog-settling")
                with suppress(RuntimeError):  # the process is about to end
                    self._thread.start()

    def finish(self) -> None:
        """Wait for the thread."""
        thread = self._thread
        if thread and thread.is_alive():
            thread.join()

    def give_up(self) -> None:
        """Have the thread leave the rest to a commit: somebody is about to fork."""
        with self._lock:
            if self._session:
                self._session.connection.interrupt()
