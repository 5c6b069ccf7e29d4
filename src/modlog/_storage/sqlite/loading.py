"""SQLite: rows are written by a thread of their own, while the next ones are made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from threading import Event
from typing import Any, Final

from modlog._storage.database import Row

# How rows are inserted: see `SQLiteDatabase.insert_into`.
INSERT: Final = "INSERT OR FAIL INTO"
# Rows of a statement. Fewer, and the thread waits for Python's lock more than it writes; more,
# and more of a chunk is left to be written when its last row has come.
_ROWS: Final = 1_000


@contextmanager
def loading(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...]
) -> Iterator[Callable[[Row], object]]:
    """Insert rows one after another; what is yielded takes a row.

    `executemany` gives Python's lock away for each row and has to wait until it gets it back. A
    statement of many rows runs without it from its first to its last.

    Args:
        connection: one that may be used by any thread, and that nobody uses meanwhile.
        table: as statements name it.
        columns: of the rows.
    """
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(columns)
    size = min(_ROWS, most)
    cursor = connection.cursor()
    rows: list[Row] = []
    written: list[Future[None]] = []
    has_failed = Event()

    def write(params: Sequence[Any]) -> None:
        # A full disk rolls the transaction back: what came after it would be written by itself.
        if has_failed.is_set():
            return
        try:
            cursor.execute(insertion(table, columns, size), params)
        except BaseException:
            has_failed.set()
            raise

    def add(row: Row) -> None:
        rows.append(row)
        if len(rows) == size:
            written.append(writing.submit(write, tuple(chain.from_iterable(rows))))
            rows.clear()

    with ThreadPoolExecutor(1) as writing:  # it begins a thread when there is something to do
        yield add
        for one in written:
            one.result()
    cursor.executemany(insertion(table, columns), rows)


@lru_cache(maxsize=64)
def insertion(table: str, columns: tuple[str, ...], rows: int = 1) -> str:
    """The statement that inserts so many rows."""
    row = f"({', '.join('?' * len(columns))})"
    return f"{INSERT} {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"
