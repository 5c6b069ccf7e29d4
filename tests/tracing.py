"""What a ledger sends to its database."""

from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def own_session(log):
    """The session that the ledger takes next, for whatever it does."""
    pool = log._work.store.database._pool
    session = pool.take()
    try:
        yield session
    finally:
        pool.give_back(session)


@contextmanager
def own_connection(log):
    """The connection of that session."""
    with own_session(log) as session:
        yield session.connection


@contextmanager
def traced(log):
    """The statements, with their parameters, that the ledger sends to its database."""
    seen: list[tuple[str, Any]] = []
    with own_session(log) as session:
        connection = session.connection
        if isinstance(connection, psycopg.Connection):
            own, session.cursor = session.cursor, tracing_cursor(seen)(connection)
            session.often = session.rows
        else:
            connection.set_trace_callback(lambda sql: seen.append((sql, ())))
    try:
        yield seen
    finally:
        if isinstance(connection, psycopg.Connection):
            session.cursor = own
            del session.often
        else:
            connection.set_trace_callback(None)
        # What a trigger does in SQLite is told as comments; PostgreSQL tells nothing of it.
        seen[:] = [(sql, params) for sql, params in seen if not sql.startswith("--")]


def tracing_cursor(seen):
    class Tracing(psycopg.Cursor):
        def execute(self, query, params=None, **options):
            seen.append((query, params))
            return super().execute(query, params, **options)

        def executemany(self, query, params_seq, **options):
            seen.extend((query, params) for params in params_seq)
            return super().executemany(query, params_seq, **options)

    return Tracing
