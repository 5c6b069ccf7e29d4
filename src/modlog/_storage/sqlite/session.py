"""SQLite: statements on one connection, and its transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from modlog._errors import StoreError
from modlog._storage.database import Row, Session


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

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._execute(sql, params)

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        self._cursor.executemany(sql, rows)


class Transaction:
    """A transaction for the time of a block, under a lock of this process if there is one."""

    def __init__(
        self, session: SQLiteSession, begin: str, lock: threading.Lock | None = None
    ) -> None:
        self._session = session
        self._begin = begin
        self._lock = lock

    def __enter__(self) -> Session:
        if self._lock:
            self._lock.acquire()
        try:
            self._session.run(self._begin)
        except BaseException:
            self._release()
            raise
        return self._session

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                check_open(self._session)
                self._session.run("COMMIT")
        finally:
            try:
                _roll_back(self._session)
            finally:
                self._release()

    def _release(self) -> None:
        if self._lock:
            self._lock.release()


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
