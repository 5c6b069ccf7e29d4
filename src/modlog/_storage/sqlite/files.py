"""SQLite: connections to one file, which has to stay the same file, and forks."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from modlog._domain.values import shown
from modlog._errors import ReadOnlyStoreError, StoreUnavailableError
from modlog._storage.sqlite.errors import translated
from modlog._storage.sqlite.session import SQLiteSession

# Pages that a connection keeps at the most. Accounts come in no order, so that inserts meet
# all of an index; with SQLite's own 2 MiB most of them would have to be read again.
_CACHE_KIB: Final = 64 * 1024
# How long it waits between two tries where SQLite does not wait by itself, in seconds.
_LOCK_PAUSE: Final = 0.005

# The oldest SQLite whose tables hold the types of their columns.
_OLDEST: Final = (3, 37)

# A file, whatever its name: device and inode.
Identity = tuple[int, int]

# Files with a transaction under way when this process was forked from its parent.
_unsafe: Final[set[Identity]] = set()


class File:
    """A database file, or memory if the path is none; each call connects to it anew.

    It belongs to a pool, and must not know the database: else neither would ever be let go.

    Attributes:
        path: absolute; connections come later, too.
        identity: the file's, once it is known.
    """

    def __init__(self, path: str | None, mode: str, lock_timeout: float) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreUnavailableError(
                f"modlog needs SQLite {'.'.join(map(str, _OLDEST))} or newer, and this Python has "
                f"{sqlite3.sqlite_version}: use one that was built with a newer SQLite"
            )
        self.path = str(Path(path).absolute()) if path else None
        self.mode = mode
        self.identity: Identity | None = None
        self._timeout = lock_timeout

    def __call__(self) -> SQLiteSession:
        self.check()
        with translated():
            try:
                connection = self._connected()
            except sqlite3.OperationalError as error:
                self._check_missing(error)
                raise
        if self.path and self.identity is None:
            self.identity = self._found()
        if self.mode == "rwc":
            self.mode = "rw"  # a file that is gone is not to be made again
        return SQLiteSession(connection)

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(self.path, errors='surrogateescape')}?mode={self.mode}"
            if self.path
            else ":memory:",
            uri=bool(self.path),
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=self._timeout,
        )
        try:
            if self.path and self.mode != "ro":
                _set_wal(connection, self._timeout)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Refuse a file that is not the one that was opened, and one that a fork has spoilt.

        What is written into a file without a name is gone when it is closed.

        Raises:
            StoreUnavailableError: it is gone, or another; or it must not be used here.
        """
        if not self.path:
            return
        found = self._found()
        if found in _unsafe:
            raise StoreUnavailableError(
                "this process was forked while a transaction on the ledger's file was under way "
                "in its parent, and SQLite cannot tell whose locks are whose: fork when there is "
                "none, or start processes afresh (multiprocessing: spawn or forkserver)"
            )
        if self.identity is not None and found != self.identity:
            what = "is gone" if found is None else "was replaced by another file"
            raise StoreUnavailableError(
                f"the ledger's file {shown(self.path)} {what} while it was open, and nothing was "
                "written: put it back, or close this ledger and open the right one"
            )

    def check_may_write(self) -> None:
        """Refuse to begin a transaction in a ledger that is open to be read, on any connection.

        Raises:
            ReadOnlyStoreError: it is.
        """
        if self.mode == "ro":
            raise ReadOnlyStoreError(
                "this ledger was opened to be read only: open it without mode=ro or "
                "read_only=True to write"
            )

    def _found(self) -> Identity | None:
        assert self.path
        try:
            status = os.stat(self.path)  # noqa: PTH116 - twice as fast as a Path's, each time
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnavailableError(f"the ledger's file cannot be reached: {error}") from error
        return status.st_dev, status.st_ino

    def _check_missing(self, error: sqlite3.OperationalError) -> None:
        can_open = error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN
        if can_open or self.mode == "rwc" or self._found() is not None:
            return
        raise StoreUnavailableError(
            f"there is no file {shown(self.path)}, and none is made in this mode: check the path; "
            "a new ledger begins without mode= and read_only="
        ) from error


def mark_unsafe(identity: Identity | None) -> None:
    """In a child: its parent had a transaction under way on this file.

    SQLite's account of locks, by process and file, came along in memory. It says that locks are
    held which nobody will give back, and that others need not be asked for which are not held.
    Nothing takes it out of there: closing the connection that the parent is in the middle of would
    change the index of the write-ahead log, which both share, under the parent's hands.
    """
    if identity is not None:
        _unsafe.add(identity)


def _set_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Have a file in WAL mode; wait while others open it for the first time, or close it.

    SQLite itself does not wait here: two that both want the file alone could wait for ever.
    """
    until = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_LOCK_PAUSE)
        else:
            return
