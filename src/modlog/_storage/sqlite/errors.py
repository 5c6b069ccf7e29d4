"""SQLite: errors of the driver as modlog's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from modlog._errors import (
    AppendOnlyError,
    ConcurrencyError,
    ConflictError,
    CorruptCacheError,
    InvalidInputError,
    ModlogError,
    ReadOnlyStoreError,
    SchemaError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)

_ERRORS: Final[dict[int, tuple[type[ModlogError], str]]] = {
    sqlite3.SQLITE_READONLY: (ReadOnlyStoreError, "open it where it may be written"),
    sqlite3.SQLITE_FULL: (StoreFullError, "make room; nothing was written"),
    sqlite3.SQLITE_BUSY: (StoreUnavailableError, "another process holds the lock: try again"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailableError, "another user holds the lock: try again"),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUnavailableError,
        "check that the folder exists and may be written",
    ),
    sqlite3.SQLITE_PERM: (StoreUnavailableError, "check who may read and write the file"),
    sqlite3.SQLITE_IOERR: (StoreUnavailableError, "check the disk; nothing was written"),
    sqlite3.SQLITE_NOTADB: (SchemaError, "the file is not an SQLite database: check the path"),
    sqlite3.SQLITE_CORRUPT: (SchemaError, "the file is damaged: restore it from a backup"),
    sqlite3.SQLITE_TOOBIG: (InvalidInputError, "a value is larger than SQLite takes"),
}


@contextmanager
def translated() -> Iterator[None]:
    """Let errors of the driver leave as modlog's own."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(error) from error
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"SQLite: a stored text is no UTF-8 ({error.reason}): the file is damaged; restore it "
            "from a backup"
        ) from error


def translation(error: sqlite3.Error) -> ModlogError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return ConcurrencyError(
            "somebody else wrote since this transaction began to read: begin again, "
            "with BEGIN IMMEDIATE"
        )
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        if "taken" in str(error):
            return ConflictError(f"SQLite: {error}")
        return AppendOnlyError(f"SQLite: {error}")
    if "no such index" in str(error):
        return CorruptCacheError(f"SQLite: {error}: rebuild() makes it again")
    kind, advice = _ERRORS.get((code or 0) & 0xFF, (StoreError, "see the error's cause"))
    return kind(f"SQLite: {error}: {advice}")
