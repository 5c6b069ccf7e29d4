"""SQLite: a whole copy of a file that others go on writing to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from modlog._errors import StoreError
from modlog._storage.sqlite.errors import translated
from modlog._storage.sqlite.session import SQLiteSession, check_open

# Pages that are copied between two reports: 4 MiB, as SQLite's pages usually are.
_PAGES: Final = 1_000


def copy(
    session: SQLiteSession, path: str, moved: Callable[[int, int], object] | None = None
) -> None:
    """Write the database as a transaction sees it to a file that is not there yet.

    SQLite begins a copy anew whenever somebody else writes; within a transaction it copies what
    that sees, so that it comes to its end however much is written meanwhile.

    Args:
        session: in a transaction.
        path: of the file.
        moved: is told how many bytes are written, and of how many.

    Raises:
        StoreError: of its kinds, what SQLite cannot read or write.
    """
    check_open(session)
    size = session.row("PRAGMA page_size")
    assert size is not None

    def report(status: int, remaining: int, total: int) -> None:
        del status
        if moved:
            moved((total - remaining) * size[0], total * size[0])

    with translated(), closing(sqlite3.connect(Path(path).as_uri(), uri=True)) as target:
        session.connection.backup(target, pages=_PAGES, progress=report)
    _check_alone(path)


def _check_alone(path: str) -> None:
    """That all of a copy is in its file: a part left beside it would not come along."""
    for part in ("-wal", "-journal"):
        if Path(path + part).exists():
            raise StoreError(
                f"SQLite left {part} beside the copy that it closed: try again, on a disk that "
                "can lock files"
            )
