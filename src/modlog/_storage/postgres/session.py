"""PostgreSQL: statements on one connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from modlog._storage.database import Row, Session
from modlog._storage.postgres.cursor import Cursor

# Rows of a streamed query that are fetched at a time.
_FETCHED: Final = 10_000
_Connection = psycopg.Connection[tuple[Any, ...]]


def _numbered(sql: str) -> str:
    return sql.replace("?", "%s")


class PostgresSession:
    """Statements on one PostgreSQL connection.

    Attributes:
        is_alone: whether it has committed what no standby has confirmed: somebody ended the wait.
    """

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        # Not the connection's own factory: a caller's may bind parameters in another way.
        self.cursor = Cursor(connection, row_factory=tuple_row)
        self.is_alone = False

    def note(self, said: Diagnostic) -> None:
        """Take note of a warning that the server sends with an answer."""
        self.is_alone |= said.source_function == "SyncRepWaitForLSN"

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._query(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        return self._query(sql, params).fetchone()

    @contextmanager
    def streamed(self, sql: str) -> Iterator[tuple[list[str], Iterator[Row]]]:
        with self.connection.cursor("modlog_rows") as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(sql.encode())
            yield [column.name for column in cursor.description or ()], iter(cursor)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self.cursor.execute(_numbered(sql), params or None)

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        self.cursor.executemany(_numbered(sql), rows)

    def _query(self, sql: str, params: Sequence[Any]) -> Cursor:
        try:
            return self.cursor.execute(_numbered(sql), params)
        except psycopg.errors.InvalidSqlStatementName:
            # Somebody made the server forget what was prepared. Nothing has been carried out,
            # and outside of a transaction it does no harm to have found out too late.
            if not is_idle(self.connection):
                raise
            return self.cursor.execute(_numbered(sql), params, prepare=False)

    often = rows


def is_idle(connection: _Connection) -> bool:
    return connection.info.transaction_status == TransactionStatus.IDLE


def connection_of(session: Session) -> _Connection:
    """The driver's connection below a session."""
    assert isinstance(session, PostgresSession)
    return session.connection
