"""SQLite: the embedded store. What differs from PostgreSQL stands in `sqlite*` and nowhere else."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson

from modlog._errors import InvalidInputError, StoreUnavailableError
from modlog._storage.database import Head, Pool, Row, Session, elsewhere
from modlog._storage.schema import (
    EVENTS,
    INSERT_ONLY,
    TABLES,
    ColumnType,
    Table,
    create_indexes,
    create_table,
)
from modlog._storage.sqlite.errors import translated, translation
from modlog._storage.sqlite.loading import INSERT, insertion, loading
from modlog._storage.sqlite.session import SQLiteSession, Transaction, check_open, lost
from modlog._storage.sqlite.settling import Settling

_PREFIX: Final = "modlog_"
_TYPES: Final[dict[ColumnType, str]] = {
    "integer": "INTEGER",
    "small": "INTEGER",
    "real": "REAL",
    "text": "TEXT",
    "bytes": "BLOB",
}
# Pages that a connection keeps at the most. Accounts come in no order, so that inserts meet
# all of an index; with SQLite's own 2 MiB most of them would have to be read again.
_CACHE_KIB: Final = 64 * 1024
# How long a writer waits for one of another process, in seconds.
_LOCK_TIMEOUT: Final = 60.0
# How long it waits between two tries where SQLite does not wait by itself, in seconds.
_LOCK_PAUSE: Final = 0.005


class SQLiteDatabase:
    """A ledger in an SQLite file, or in memory for the life of this object.

    A file is in WAL mode with `synchronous=FULL`: what is committed survives a power cut, and
    readers never wait for writers. In memory there is one connection, used in turns.
    """

    def __init__(self, path: str | None, *, mode: str = "rwc") -> None:
        self._path = str(Path(path).absolute()) if path else None  # connections come later, too
        self._mode = mode
        self._writer = threading.Lock()
        self._turn = threading.RLock()  # of the one connection in memory
        self._memory = None if path else self._connect()
        self._home = self._pid = os.getpid()
        self._pool = Pool(self._connect, _close)
        self._finalizer = weakref.finalize(self, self._pool.close)
        self._forked_within = False
        self._settling = Settling(self._pool)
        _close_files_at_forks()
        _databases.add(self)

    # Dialect

    head_query = "SELECT position, recorded_at FROM modlog_events ORDER BY position DESC LIMIT 1"

    writes_at_once = False

    def table(self, name: str) -> str:
        return _PREFIX + name

    # OR FAIL, because a statement that fails is never undone alone, but always with its transaction
    # or savepoint: else SQLite would copy each page first that the statement is about to change.

    def insert_into(self, name: str) -> str:
        return f"{INSERT} {self.table(name)}"

    def update_accounts(self) -> str:
        return f"UPDATE OR FAIL {self.table('accounts')}"

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        if isinstance(values[0], bytes):  # JSON has none
            return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)
        return f"{column} IN (SELECT value FROM json_each(?))", (orjson.dumps(values).decode(),)

    def json_text(self, column: str, key: str) -> str:
        return f"json_extract({column}, '$.{key}')"

    def json_items(self, column: str, key: str) -> str:
        return f"json_each({column}, '$.{key}') AS item"

    def joined(self, expression: str) -> str:
        return f"group_concat({expression}, ',')"

    def values_query(self, values: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
        return "SELECT value FROM json_each(?)", (orjson.dumps(values).decode(),)

    # Sessions

    def reading(self) -> AbstractContextManager[Session]:
        return _Reading(self)

    @contextmanager
    def snapshot(self, session: Session | None = None) -> Iterator[Session]:
        with nullcontext(session) if session else self.reading() as opened:
            assert isinstance(opened, SQLiteSession)
            with Transaction(opened, "BEGIN"):
                yield opened

    def beginning(self, session: Session) -> AbstractContextManager[Session]:
        # Threads queue here in order; only processes have to poll for SQLite's own lock.
        if self._pid != os.getpid():
            self._writer = threading.Lock()  # a thread of the parent may have held it
            self._pid = os.getpid()
        assert isinstance(session, SQLiteSession)
        return Transaction(session, "BEGIN IMMEDIATE", self._writer)

    @contextmanager
    def joining(self, connection: Any, check: Callable[[Session], None]) -> Iterator[Session]:
        if not isinstance(connection, sqlite3.Connection):
            raise InvalidInputError(
                f"within() on SQLite takes a sqlite3.Connection, not {type(connection).__name__}"
            )
        if connection.text_factory is not str:
            raise InvalidInputError("within() needs a connection whose text_factory is str")
        is_open = connection.in_transaction
        if not is_open and connection.isolation_level is None:
            raise InvalidInputError(
                "within() needs an open transaction, this connection commits each statement "
                'by itself: execute("BEGIN IMMEDIATE") first'
            )
        with translated():
            if not is_open:
                connection.execute("BEGIN IMMEDIATE")
            try:
                session = _locked(connection)
                check(session)
            except BaseException:
                if not is_open:
                    connection.rollback()
                raise
            yield session
            if session.is_lost:
                raise lost()

    @contextmanager
    def savepoint(self, session: Session) -> Iterator[None]:
        assert isinstance(session, SQLiteSession)
        with translated():
            check_open(session)
            session.run("SAVEPOINT modlog_part")
            try:
                yield
            except BaseException:
                self._undo_part(session)
                raise
            session.run("RELEASE modlog_part")

    def _undo_part(self, session: SQLiteSession) -> None:
        if session.connection.in_transaction:
            session.run("ROLLBACK TO modlog_part")
            session.run("RELEASE modlog_part")
        else:
            session.is_lost = session.shared

    def take(self) -> SQLiteSession:
        """A session for this thread alone, until it is given back."""
        if self._path is None:
            self._turn.acquire()
            try:
                return self._checked_memory()
            except BaseException:
                self._turn.release()
                raise
        if self._forked_within:
            raise StoreUnavailableError(
                "this process was forked from within a transaction on the ledger's file, "
                "and SQLite cannot tell whose locks are whose: fork outside of them"
            )
        return self._pool.take()

    def give_back(self, session: SQLiteSession) -> None:
        """Let others have a session that was taken."""
        if self._path is None:
            self._turn.release()
        else:
            self._pool.give_back(session, usable=not session.connection.in_transaction)

    def _checked_memory(self) -> SQLiteSession:
        if self._home != os.getpid():
            raise StoreUnavailableError(
                "a ledger in memory belongs to the process that opened it: use a file, or open "
                "one in this process"
            )
        if self._memory is None or self._pool.closed:
            raise StoreUnavailableError("this ledger is closed: open it again with modlog.open")
        return self._memory

    # The end of the log: events are never deleted, so the last row is the truth.

    def head(self, session: Session) -> Head:
        row = session.row(self.head_query)
        return Head(*row) if row else Head(0, 0)

    def lock_head(self, session: Session) -> Head:
        return self.head(session)  # `writing` and `joining` have SQLite's own lock already

    def advance(self, session: Session, head: Head) -> None:
        pass

    def temporary(
        self, session: Session, name: str, columns: str, key: str = "", *, passing: bool = False
    ) -> None:
        del passing  # to take rows out of a table leaves nothing behind here
        session.run(f"DROP TABLE IF EXISTS temp.{name}")
        end = f", PRIMARY KEY ({key})) WITHOUT ROWID" if key else ")"
        session.run(f"CREATE TEMP TABLE {name} ({columns}{end}")

    def fill(self, session: Session, name: str, texts: Sequence[str]) -> None:
        values, params = self.values_query(texts)
        session.run(f"INSERT INTO temp.{name} {values}", params)

    def empty(self, session: Session, name: str) -> None:
        session.run(f"DELETE FROM temp.{name}")

    def steer(self, session: Session) -> None:
        pass  # a CROSS JOIN says it in the statement

    def analyze(self, session: Session, name: str) -> None:
        pass  # without statistics SQLite takes the order in which a statement names its tables

    def load(
        self, session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        session.many(insertion(self.table(table.name), tuple(columns)), rows)

    @contextmanager
    def loading(
        self, session: Session, table: Table, columns: Sequence[str]
    ) -> Iterator[Callable[[Row], object]]:
        assert isinstance(session, SQLiteSession)
        if session.shared:
            rows: list[Row] = []
            yield rows.append
            self.load(session, table, columns, rows)
            return
        with loading(session.connection, self.table(table.name), tuple(columns)) as add:
            yield add

    def postponing(self, session: Session) -> AbstractContextManager[None]:
        return self._settling.postponing(session) if self._path else nullcontext()

    def settle(self) -> None:
        if self._path:
            self._settling.settle()

    def settle_later(self) -> None:
        self._settling.settle_later()

    def await_settling(self) -> None:
        self._settling.finish()

    # Schema

    def lock_schema(self, session: Session) -> None:
        pass  # `writing` has SQLite's own lock already

    def create(self, session: Session, tables: Sequence[Table]) -> None:
        for table in tables:
            end = " STRICT" if table is EVENTS else " STRICT, WITHOUT ROWID"
            session.run(create_table(table, _PREFIX, _TYPES, end))
            for statement in create_indexes(table, _PREFIX, _PREFIX):
                session.run(statement)
        for table in tables:
            if table in INSERT_ONLY:
                for statement in _guards(table):
                    session.run(statement)

    def found_columns(self, session: Session) -> dict[str, dict[str, str]]:
        among, params = self.among("name", [_PREFIX + name for name in TABLES])
        names = session.rows(
            f"SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND {among}", params
        )
        return {
            name.removeprefix(_PREFIX): dict(
                session.rows("SELECT name, type FROM pragma_table_info(?)", (name,))
            )
            for (name,) in names
        }

    def expected_columns(self, table: Table) -> dict[str, str]:
        return {column.name: _TYPES[column.type] for column in table.columns}

    def missing_guards(self, session: Session) -> list[str]:
        found = {
            name for (name,) in session.rows("SELECT name FROM sqlite_master WHERE type='trigger'")
        }
        wanted = [
            f"{_PREFIX}{table.name}_{act}"
            for table in INSERT_ONLY
            for act in ("insert", "update", "delete")
        ]
        return [name for name in wanted if name not in found]

    # Connections

    def _connect(self) -> SQLiteSession:
        with translated():
            connection = sqlite3.connect(
                f"file:{quote(self._path, errors='surrogateescape')}?mode={self._mode}"
                if self._path
                else ":memory:",
                uri=bool(self._path),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                timeout=_LOCK_TIMEOUT,
            )
            try:
                if self._path and self._mode != "ro":
                    _set_wal(connection)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            except BaseException:
                connection.close()
                raise
            if self._mode == "rwc":
                self._mode = "rw"  # a file that is gone is not to be made again
            return SQLiteSession(connection)

    def _before_fork(self) -> None:
        self._settling.give_up()
        self._is_at_rest = self._pool.before_fork()

    def _after_fork_in_parent(self) -> None:
        self._pool.after_fork()

    def _after_fork_in_child(self) -> None:
        self._settling = Settling(self._pool)
        self._forked_within = not self._is_at_rest

    def close(self) -> None:
        try:
            self.await_settling()
        finally:
            self._finalizer()
        if self._memory is not None and self._home == os.getpid():
            with self._turn:
                self._memory.connection.close()


def _set_wal(connection: sqlite3.Connection) -> None:
    """Have a file in WAL mode; wait while others open it for the first time, or close it.

    SQLite itself does not wait here: two that both want the file alone could wait for ever.
    """
    until = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_LOCK_PAUSE)
        else:
            return


def _locked(connection: sqlite3.Connection) -> SQLiteSession:
    """A session in the caller's transaction, with SQLite's write lock."""
    session = SQLiteSession(connection, shared=True)
    try:
        # In a deferred transaction a statement that may write is what takes the lock.
        session.run("UPDATE modlog_meta SET value = value WHERE name IS NULL")
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such table"):
            raise elsewhere() from None
        raise
    return session


_databases: Final[weakref.WeakSet[SQLiteDatabase]] = weakref.WeakSet()


@cache
def _close_files_at_forks() -> None:
    """Have no file open when this process is forked.

    SQLite keeps account of its locks by process and file. A child that is born with open files
    takes the locks of its parent for its own: it waits for ever on one that nobody will give
    back, and writes where it holds none.
    """
    os.register_at_fork(
        before=lambda: _tell_all(SQLiteDatabase._before_fork),
        after_in_parent=lambda: _tell_all(SQLiteDatabase._after_fork_in_parent),
        after_in_child=lambda: _tell_all(SQLiteDatabase._after_fork_in_child),
    )


def _tell_all(what: Callable[[SQLiteDatabase], None]) -> None:
    for database in tuple(_databases):
        what(database)


def _close(session: SQLiteSession) -> None:
    session.close()


class _Reading:
    """A session for the time of a block. Classes are quicker here than generators would be."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    def __enter__(self) -> Session:
        self._session = self._database.take()
        return self._session

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._database.give_back(self._session)
        if isinstance(error, sqlite3.Error):
            raise translation(error) from error


_REFUSAL: Final = "modlog: events are append-only"


def _guards(table: Table) -> list[str]:
    """Triggers that keep the rows of a table as they are.

    INSERT OR REPLACE removes the row in its way without asking delete triggers, so an insert
    is looked at as well. An event must take the next position and a version that is free; of
    a statement with several, those before the one that is refused stay (`insert_into` says why).
    In the other tables a row that is there already stays, and the new one is passed over.
    """
    name = _PREFIX + table.name
    same_key = " AND ".join(f"{column} = NEW.{column}" for column in table.key)
    insert = (
        _event_guard(name)
        if table is EVENTS
        else f" WHEN EXISTS (SELECT 1 FROM {name} WHERE {same_key}) BEGIN SELECT RAISE(IGNORE); END"
    )
    return [
        f"CREATE TRIGGER {name}_update BEFORE UPDATE ON {name}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER {name}_delete BEFORE DELETE ON {name}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER {name}_insert BEFORE INSERT ON {name}{insert}",
    ]


def _event_guard(table: str) -> str:
    return (
        f" WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM {table})"
        " OR CASE"
        f" WHEN NEW.account_id IS NOT NULL THEN EXISTS (SELECT 1 FROM {table}"
        " WHERE account_id = NEW.account_id AND version = NEW.version)"
        f" WHEN NEW.foreign_id IS NOT NULL THEN EXISTS (SELECT 1 FROM {table}"
        " WHERE foreign_id = NEW.foreign_id AND version = NEW.version)"
        f" ELSE EXISTS (SELECT 1 FROM {table} WHERE account_id IS NULL AND foreign_id IS NULL"
        " AND batch_id = NEW.batch_id AND version = NEW.version) END"
        f" BEGIN SELECT RAISE(FAIL, '{_REFUSAL}: this place is taken, or is not the next'); END"
    )
