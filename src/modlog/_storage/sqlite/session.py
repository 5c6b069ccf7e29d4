"""SQLite: statements on one connection, and its transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from modlog._errors import StoreError
from modlog._storage.database import Row, Session
from modlog._storage.waiting import check_not_own, forget, hold, too_long


class SQLiteSession:
    """Statements on one SQLite connection.

    Attributes:
        shared: whether it is the caller's own, which may belong to one thread.
        is_lost: whether an error has taken back the whole transaction of that caller.
    """

    def __init__(self, connection: sqlite3.Connection, *, shared: bool = False) -> None:
        self.connection = connection
        self.shared = shared
        self.is_lost = False
        self._cursor = connection.cursor()
        self._cursor.row_factory = None
        self._execute = self._cursor.execute

    def close(self) -> None:
        self._cursor.close()  # with a row unread it would keep the file open
        self.connection.close()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._execute(sql, params).fetchall()

    often = rows

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        found = self._execute(sql, params).fetchall()  # unfinished, it would hold its read lock
        return found[0] if found else None

    @contextmanager
    def streamed(self, sql: str) -> Iterator[tuple[list[str], Iterator[Row]]]:
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(sql)
            yield [name for name, *_ in cursor.description or ()], cursor

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._execute(sql, params)

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        self._cursor.executemany(sql, rows)


class Turn:
    """The turn of a writer: of the threads of this process one at a time, in order.

    Args:
        ledger: how its holders are known.
        lock: for which threads queue.
        timeout: how long one waits for the others, in seconds.
        check: raises where the file is not the right one any more.
    """

    def __init__(
        self, ledger: Hashable, lock: threading.Lock, timeout: float, check: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._lock = lock
        self._timeout = timeout
        self.check = check

    def begin(self, run: Callable[[], None]) -> None:
        """Wait for it, and begin the transaction with it."""
        check_not_own(self._ledger)
        if not self._lock.acquire(timeout=self._timeout):
            raise too_long(self._timeout)
        try:
            run()
        except BaseException as error:
            self._lock.release()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise too_long(self._timeout) from error
            raise
        self._holder = hold(self._ledger)

    def end(self) -> None:
        """Give it to the next."""
        forget(self._ledger, self._holder)
        self._lock.release()


class Transaction:
    """A transaction for the time of a block, in the turn of a writer if there is one."""

    def __init__(self, session: SQLiteSession, begin: str, turn: Turn | None = None) -> None:
        self._session = session
        self._begin = begin
        self._turn = turn

    def __enter__(self) -> Session:
        if self._turn:
            self._turn.begin(self._run_begin)
        else:
            self._run_begin()
        return self._session

    def _run_begin(self) -> None:
        self._session.run(self._begin)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                check_open(self._session)
                if self._turn:
                    self._turn.check()  # not acknowledged into a file that is gone meanwhile
                self._session.run("COMMIT")
        finally:
            try:
                _roll_back(self._session)
            finally:
                if self._turn:
                    self._turn.end()


def check_open(session: SQLiteSession) -> None:
    """Refuse to go on after a full disk or an I/O error that somebody has caught in a transaction.

    It has been rolled back by then, and what came after it would be recorded by itself.
    """
    if not session.connection.in_transaction:
        raise lost()


def lost() -> StoreError:
    """What is raised then."""
    return StoreError(
        "SQLite gave the whole transaction up after an error in it, and nothing of it is "
        "recorded: begin it again"
    )


def _roll_back(session: SQLiteSession) -> None:
    # It is committed, or a full disk or an I/O error has rolled it back already.
    if session.connection.in_transaction:
        session.run("ROLLBACK")
