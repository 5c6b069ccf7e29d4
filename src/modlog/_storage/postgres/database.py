"""PostgreSQL: the store for a server. What differs from SQLite stands here and nowhere else.

Appends are serialised by one row, `modlog_head`: its lock makes the order of commits the order
of positions, so that no reader ever passes over a gap that is filled later.
"""

from __future__ import annotations

import select
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property, partial
from typing import Any, Final

import psycopg

from modlog._domain.values import shown
from modlog._errors import InvalidInputError, SchemaError, StoreUnavailableError
from modlog._storage.database import LOCK_TIMEOUT, Head, Pool, Row, Session, Turns, elsewhere
from modlog._storage.postgres.connecting import Options, connected
from modlog._storage.postgres.errors import (
    check_outcome_known,
    not_replicated,
    translated,
    translation,
)
from modlog._storage.postgres.rights import replacing
from modlog._storage.postgres.session import PostgresSession, connection_of, is_idle
from modlog._storage.postgres.waiting import Waiting
from modlog._storage.scripts import Scripts

_Connection = psycopg.Connection[tuple[Any, ...]]
_PREFIX: Final = "modlog_"
# The names of modlog among advisory locks: "modlog" in ASCII, and the next.
ADVISORY: Final[Mapping[Turns, int]] = {"tables": 120325193625447, "seals": 120325193625448}
# From this many rows on, COPY is faster than a statement for each.
_COPY_FROM: Final = 20
_CLOCK: Final = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS clock"


class PostgresDatabase:
    """A ledger in one schema of a PostgreSQL database."""

    def __init__(
        self,
        options: Options,
        *,
        schema: str | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        read_only: bool = False,
    ) -> None:
        self._waiting = Waiting(options.conninfo, lock_timeout, read_only=read_only)
        self._pool = Pool(partial(_connect, options), _close, _is_alive)
        self._finalizer = weakref.finalize(self, self._pool.close)
        self._schema = schema or self._current_schema()
        self._qualifier = f"{_quoted(self._schema)}."
        self._waiting.head = self.table("head")
        # Connections of callers that are known to lead here.
        self._joined: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self.open_spans = f"{self.table('spans')} AS x"

    def _current_schema(self) -> str:
        with self.reading() as session:
            row = session.row("SELECT current_schema()")
        if row is None or row[0] is None:
            raise StoreUnavailableError(
                "PostgreSQL has no current schema for this user: name one with schema="
            )
        return str(row[0])

    # Dialect

    scripts = Scripts("modlog._storage.postgres")

    def table(self, name: str) -> str:
        return f"{self._qualifier}{_PREFIX}{name}"

    def insert_into(self, name: str) -> str:
        return f"INSERT INTO {self.table(name)}"

    def update(self, name: str) -> str:
        return f"UPDATE {self.table(name)}"

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        return f"{column} = ANY(?)", (list(values),)

    @property
    def head_query(self) -> str:
        return f"SELECT position, recorded_at, {_CLOCK} FROM {self.table('head')}"

    def joined(self, expression: str) -> str:
        return f"string_agg(({expression})::text, ',')"

    def json_list(self, expression: str) -> str:
        return f"json_agg({expression})::text"

    def values_query(self, values: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
        return "SELECT unnest(?::text[])", (list(values),)

    @property
    def limit(self) -> str:
        """An expression that limits the wait for locks, for the rest of a transaction."""
        return self._waiting.limit

    @property
    def record_function(self) -> str:
        """The name of the function that records one event."""
        return f"{self._qualifier}{_PREFIX}record"

    # Sessions

    def reading(self) -> AbstractContextManager[Session]:
        return _Reading(self._pool)

    @contextmanager
    def snapshot(self, session: Session | None = None) -> Iterator[Session]:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        session_or_new = nullcontext(session) if session else self.reading()
        with session_or_new as opened, _transaction(opened, begin):
            yield opened

    @contextmanager
    def beginning(self, session: Session) -> Iterator[Session]:
        self._waiting.check(self.reading)
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        with translated(writing=True), _transaction(session, begin):
            # Of this transaction alone: behind a pooler the next one may be somebody else's.
            session.row(f"SELECT {self._waiting.limit}")
            with self._waiting.holding():
                yield session

    def check_may_wait(self) -> None:
        """Refuse to write in a ledger that is open to be read, and to wait for oneself."""
        self._waiting.check(self.reading)

    @contextmanager
    def joining(
        self, connection: Any, check: Callable[[Session], None]
    ) -> Iterator[tuple[Session, Head]]:
        if not isinstance(connection, psycopg.Connection):
            raise InvalidInputError(
                "within() on PostgreSQL takes a psycopg.Connection, not "
                f"{type(connection).__name__}"
            )
        if is_idle(connection) and connection.autocommit:
            raise InvalidInputError(
                "within() needs an open transaction, this connection commits each statement by "
                "itself: open one with connection.transaction() first"
            )
        self._waiting.check(self.reading, connection)
        with translated(writing=True):
            session = PostgresSession(connection)
            if connection not in self._joined:
                # A query of a table that is not there would abort the caller's transaction.
                if session.row("SELECT to_regclass(?)", (self.table("meta"),)) == (None,):
                    raise elsewhere()
                check(session)
                self._joined.add(connection)  # it never leads to another database
            head = session.row(self._limited_lock)
            with self._waiting.holding(connection):
                yield session, Head(*head[:3]) if head else Head(0, 0)

    @cached_property
    def _limited_lock(self) -> str:
        """As `lock_head`, with the wait limited, and the caller's own limit as it was again.

        In one statement, as callers are requests: what is in brackets is carried out first.
        """
        return (
            "WITH limits AS MATERIALIZED"
            f" (SELECT current_setting('lock_timeout') AS old, {self._waiting.limit} AS new)"
            f" SELECT position, recorded_at, {_CLOCK}, set_config('lock_timeout', old, true)"
            f" FROM (SELECT h.position, h.recorded_at, old FROM limits, {self.table('head')} AS h"
            " FOR UPDATE OF h) AS locked"
        )

    @contextmanager
    def savepoint(self, session: Session) -> Iterator[None]:
        session.run("SAVEPOINT modlog_part")
        try:
            yield
        except BaseException:
            session.run("ROLLBACK TO SAVEPOINT modlog_part")
            session.run("RELEASE SAVEPOINT modlog_part")
            raise
        session.run("RELEASE SAVEPOINT modlog_part")

    # The end of the log: one row, whose lock is the append lock.

    def head(self, session: Session) -> Head:
        row = session.row(self.head_query)
        return Head(*row) if row else Head(0, 0)

    def lock_head(self, session: Session) -> Head:
        row = session.row(f"{self.head_query} FOR UPDATE")
        return Head(*row) if row else Head(0, 0)

    def advance(self, session: Session, head: Head) -> None:
        session.run(
            f"UPDATE {self.table('head')} SET position = ?, recorded_at = ?",
            (head.position, head.recorded_at),
        )

    def passing(self, session: Session, name: str, columns: str, key: str = "") -> None:
        columns = columns.replace(" text", ' text COLLATE "C"')
        columns += f", PRIMARY KEY ({key})" if key else ""
        session.run(f"DROP TABLE IF EXISTS pg_temp.{name}")
        session.run(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP")

    def fill(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        self._copy(session, f"pg_temp.{name}", columns, rows)

    def analyze(self, session: Session, name: str) -> None:
        session.run(f"ANALYZE pg_temp.{name}")

    def analyze_loaded(self, session: Session, name: str) -> None:
        session.run(f"ANALYZE {self.table(name)}")

    def sorting(self, session: Session) -> AbstractContextManager[None]:
        del session
        return nullcontext()  # the server's work_mem sees to that

    def load(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        if len(rows) < _COPY_FROM:
            values = ", ".join("?" * len(columns))
            into = f"{self.table(name)} ({', '.join(columns)})"
            session.many(f"INSERT INTO {into} VALUES ({values})", rows)
        else:
            self._copy(session, self.table(name), columns, rows)

    def _copy(
        self, session: Session, table: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        assert isinstance(session, PostgresSession)
        with session.cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    # Schema

    def check_place(self, session: Session) -> None:
        if not self._has_schema(session):
            raise SchemaError(
                f"there is no schema {shown(self._schema)} in this database: check its name, or "
                "begin a ledger in it with create=True"
            )

    def _has_schema(self, session: Session) -> bool:
        found = session.row("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self._schema,))
        return found is not None

    def alone(self, session: Session, at: Turns) -> None:
        session.run("SELECT pg_advisory_xact_lock(?)", (ADVISORY[at],))

    def make_room(self, session: Session) -> None:
        if not self._has_schema(session):
            session.run(f"CREATE SCHEMA {_quoted(self._schema)}")

    def run_script(self, session: Session, script: str) -> None:
        session.run("SELECT set_config('search_path', ?, true)", (_quoted(self._schema),))
        # Several statements at once are never prepared, whatever the connection prepares else.
        connection_of(session).execute(script.encode(), prepare=False)

    def replacing(self, session: Session, names: Sequence[str]) -> AbstractContextManager[None]:
        tables = [_PREFIX + name for name in names]
        return replacing(session, self._schema, tables, [f"{_PREFIX}record"])

    def found_columns(self, session: Session) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table, column in session.rows(
            # information_schema tells a role only of tables on which it may do something.
            "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_namespace AS n"
            " ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE n.nspname = ? AND c.relname = ANY(?) AND a.attnum > 0"
            " AND NOT a.attisdropped ORDER BY a.attnum",
            (self._schema, [_PREFIX + name for name in self.scripts.columns()]),
        ):
            found.setdefault(table.removeprefix(_PREFIX), []).append(column)
        return found

    def found_objects(self, session: Session) -> set[str]:
        rows = session.rows(
            "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ? AND tgenabled = 'A'"
            " UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = ?",
            (self._schema, self._schema),
        )
        return {name for (name,) in rows}

    def copy_to(
        self, session: Session, path: str, moved: Callable[[int, int], object] | None
    ) -> None:
        del session, path, moved
        raise InvalidInputError(
            "a ledger on PostgreSQL is backed up by the server's own programs: pg_dump, or "
            "pg_basebackup and an archive of the write-ahead log"
        )

    # Connections

    def close(self) -> None:
        self._finalizer()


@contextmanager
def _transaction(session: Session, begin: str) -> Iterator[None]:
    assert isinstance(session, PostgresSession)
    connection = session.connection
    session.run(begin)
    try:
        yield
    except BaseException:
        _roll_back(connection)
        raise
    try:
        session.run("COMMIT")
    except psycopg.Error as error:
        check_outcome_known(connection, error)
        raise
    if session.is_alone:
        raise not_replicated()


class _Reading:
    """A session for the time of a block. Classes are quicker here than generators would be."""

    def __init__(self, pool: Pool[PostgresSession]) -> None:
        self._pool = pool

    def __enter__(self) -> Session:
        self._session = self._pool.take()
        return self._session

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        session = self._session
        self._pool.give_back(session, usable=is_idle(session.connection) and not session.is_alone)
        if isinstance(error, psycopg.Error):
            raise translation(error) from error
        if session.is_alone and error is None:
            raise not_replicated()


def _connect(options: Options) -> PostgresSession:
    # Not a method: the pool must not hold the database, or it would never be let go.
    with translated():
        session = PostgresSession(connected(options))
    session.connection.add_notice_handler(session.note)
    return session


def _close(session: PostgresSession) -> None:
    session.connection.close()


def _is_alive(session: PostgresSession) -> bool:
    """Whether the server has not hung up: on an idle connection nothing is there to be read."""
    poll = select.poll()
    poll.register(session.connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _roll_back(connection: _Connection) -> None:
    with suppress(psycopg.Error):  # the error that led here says more
        connection.rollback()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
