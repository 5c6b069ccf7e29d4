"""SQLite: the embedded store. What differs from PostgreSQL stands in `sqlite*` and nowhere else."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, Final

import orjson

from modlog._errors import InvalidInputError, StoreUnavailableError
from modlog._storage.database import (
    LOCK_TIMEOUT,
    Head,
    Pool,
    Row,
    Session,
    Turns,
    closed,
    elsewhere,
)
from modlog._storage.scripts import Scripts
from modlog._storage.sqlite.copying import copy
from modlog._storage.sqlite.errors import translated, translation
from modlog._storage.sqlite.files import File, mark_unsafe
from modlog._storage.sqlite.session import SQLiteSession, Transaction, Turn, check_open, lost
from modlog._storage.waiting import check_not_own, holder_of, holding, too_long

_PREFIX: Final = "modlog_"
_INSERT: Final = "INSERT OR FAIL INTO"
_SORTING_KIB: Final = 8 * 1024


class SQLiteDatabase:
    """A ledger in an SQLite file, or in memory for the life of this object.

    A file is in WAL mode with `synchronous=FULL`: what is committed survives a power cut, and
    readers never wait for writers. In memory there is one connection, used in turns.
    """

    def __init__(
        self, path: str | None, *, mode: str = "rwc", lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self._file = File(path, mode, lock_timeout)
        self._timeout = lock_timeout
        self._writer = threading.Lock()
        self._turn = threading.RLock()  # of the one connection in memory
        self._memory = None if path else self._file()
        self._home = self._pid = os.getpid()
        self._pool = Pool(self._file, _close)
        self._finalizer = weakref.finalize(self, _end, self._pool, self._memory)
        _close_files_at_forks()
        _databases.add(self)

    @property
    def _ledger(self) -> Hashable:
        """By which all that opened the same file know whose turn it is."""
        return self._file.identity or id(self)

    # Dialect

    head_query = (  # the machine has one clock
        "SELECT e.position, a.recorded_at, NULL AS clock FROM modlog_events AS e"
        " JOIN modlog_acts AS a ON a.number = e.act ORDER BY e.position DESC LIMIT 1"
    )
    scripts = Scripts("modlog._storage.sqlite")

    # By itself SQLite takes the primary key, and walks through all spans of the account.
    open_spans = "modlog_spans AS x INDEXED BY modlog_spans_open"

    def table(self, name: str) -> str:
        return _PREFIX + name

    # OR FAIL, because a statement that fails is never undone alone, but always with its transaction
    # or savepoint: else SQLite would copy each page first that the statement is about to change.

    def insert_into(self, name: str) -> str:
        return f"{_INSERT} {self.table(name)}"

    def update(self, name: str) -> str:
        return f"UPDATE OR FAIL {self.table(name)}"

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        if values and isinstance(values[0], bytes):  # JSON has none
            return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)
        return f"{column} IN (SELECT value FROM json_each(?))", (orjson.dumps(values).decode(),)

    def joined(self, expression: str) -> str:
        return f"group_concat({expression}, ',')"

    def json_list(self, expression: str) -> str:
        return f"json_group_array({expression})"

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
        self._file.check_may_write()
        # Threads queue here in order; only processes have to poll for SQLite's own lock.
        if self._pid != os.getpid():
            self._writer = threading.Lock()  # a thread of the parent may have held it
            self._pid = os.getpid()
        assert isinstance(session, SQLiteSession)
        turn = Turn(self._ledger, self._writer, self._timeout, self._file.check)
        return Transaction(session, "BEGIN IMMEDIATE", turn)

    @contextmanager
    def joining(
        self, connection: Any, check: Callable[[Session], None]
    ) -> Iterator[tuple[Session, Head]]:
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
        self._file.check_may_write()
        check_not_own(self._ledger)
        self._file.check()
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
            with holding(self._ledger):
                yield session, self.head(session)
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
        if self._file.path is None:
            return self._take_memory()
        if self._pool.closed:
            raise closed()  # whatever has become of the file
        self._file.check()
        return self._pool.take()

    def give_back(self, session: SQLiteSession) -> None:
        """Let others have a session that was taken."""
        if self._file.path is None:
            self._turn.release()
        else:
            self._pool.give_back(session, usable=not session.connection.in_transaction)

    def _take_memory(self) -> SQLiteSession:
        session = self._checked_memory()
        # Its own thread could take it, and would be shown what is not committed yet.
        check_not_own(self._ledger)
        if not self._turn.acquire(timeout=self._timeout):
            raise too_long(self._timeout)
        if self._pool.closed:  # while it was waited for
            self._turn.release()
            raise closed()
        return session

    def _checked_memory(self) -> SQLiteSession:
        if self._home != os.getpid():
            raise StoreUnavailableError(
                "a ledger in memory belongs to the process that opened it: use a file, or open "
                "one in this process"
            )
        if self._memory is None or self._pool.closed:
            raise closed()
        return self._memory

    # The end of the log: events are never deleted, so the last row is the truth.

    def head(self, session: Session) -> Head:
        row = session.row(self.head_query)
        return Head(*row) if row else Head(0, 0)

    def lock_head(self, session: Session) -> Head:
        return self.head(session)  # `writing` has SQLite's own lock already

    def advance(self, session: Session, head: Head) -> None:
        pass

    def passing(self, session: Session, name: str, columns: str, key: str = "") -> None:
        session.run(f"DROP TABLE IF EXISTS temp.{name}")
        end = f", PRIMARY KEY ({key})) WITHOUT ROWID" if key else ")"
        session.run(f"CREATE TEMP TABLE {name} ({columns}{end}")

    def fill(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        session.many(_insertion(f"temp.{name}", columns), rows)

    def analyze(self, session: Session, name: str) -> None:
        pass  # without statistics SQLite takes the order in which a statement names its tables

    def analyze_loaded(self, session: Session, name: str) -> None:
        pass  # its plans are the same for tables of any size

    @contextmanager
    def sorting(self, session: Session) -> Iterator[None]:
        # Each sort of a statement may take as much as the cache, and some have five.
        cache = session.row("PRAGMA cache_size")
        assert cache is not None
        session.run(f"PRAGMA cache_size = -{_SORTING_KIB}")
        try:
            yield
        finally:
            session.run(f"PRAGMA cache_size = {cache[0]}")  # the caller's own, in `within`

    def load(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        session.many(_insertion(self.table(name), columns), rows)

    # Schema

    def check_place(self, session: Session) -> None:
        del session  # connecting has made the file, or refused to

    def alone(self, session: Session, at: Turns) -> None:
        pass  # `beginning` has SQLite's own lock already

    def make_room(self, session: Session) -> None:
        pass

    def run_script(self, session: Session, script: str) -> None:
        for statement in _statements(script):
            session.run(statement)

    @contextmanager
    def replacing(self, session: Session, names: Sequence[str]) -> Iterator[None]:
        for name in names:
            session.run(f"DROP TABLE IF EXISTS {self.table(name)}")
        yield

    def found_columns(self, session: Session) -> dict[str, list[str]]:
        among, params = self.among("name", [_PREFIX + name for name in self.scripts.columns()])
        names = session.rows(
            f"SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND {among}", params
        )
        return {
            name.removeprefix(_PREFIX): [
                column
                for (column,) in session.rows("SELECT name FROM pragma_table_info(?)", (name,))
            ]
            for (name,) in names
        }

    def found_objects(self, session: Session) -> set[str]:
        rows = session.rows("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'index')")
        return {name for (name,) in rows}

    # Connections

    def copy_to(
        self, session: Session, path: str, moved: Callable[[int, int], object] | None
    ) -> None:
        assert isinstance(session, SQLiteSession)
        copy(session, path, moved)

    def _before_fork(self) -> None:
        self._is_at_rest = self._pool.before_fork()

    def _after_fork_in_parent(self) -> None:
        self._pool.after_fork()

    def _after_fork_in_child(self) -> None:
        holder = holder_of(self._ledger)  # or a caller's own connection, in within()
        if self._file.path and not (self._is_at_rest and holder is None):
            mark_unsafe(self._file.identity)

    def close(self) -> None:
        is_own_memory = self._memory is not None and self._home == os.getpid()
        with self._turn if is_own_memory else nullcontext():
            self._finalizer()


def _end(pool: Pool[SQLiteSession], memory: SQLiteSession | None) -> None:
    """Close what a database has open, when it is closed or has been dropped."""
    pool.close()
    if memory is not None:
        memory.close()


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


def _insertion(table: str, columns: Sequence[str]) -> str:
    """The statement that inserts a row."""
    return f"{_INSERT} {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: together they would commit what is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
