"""PostgreSQL schemas that are used again: a new one costs more than what a test does in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psycopg
from attrs import field, frozen, mutable
from psycopg.sql import SQL, Identifier

import modlog
from tests import places

# All that tells one ledger's schema from another's but its rows, as one text.
FORM = """
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT concat_ws(' ', c.relkind, c.relname, c.relacl, a.attnum, a.attname, a.atttypid)
    FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT concat_ws(' ', tgname, tgenabled, c.relname)
    FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
    WHERE c.relnamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT concat_ws(' ', proname, md5(prosrc)) FROM pg_proc
    WHERE pronamespace = %(schema)s::regnamespace
) AS lines (line)
"""
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY relname
"""
TRIGGERS = """
SELECT relname, tgname FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
WHERE relnamespace = %s::regnamespace AND tgenabled = 'A'
"""


@frozen
class Schema:
    """A schema with a ledger that is to be made empty again.

    Attributes:
        form: what `FORM` gives for it as it was when it was new.
        empty: the statements that make it empty.
    """

    name: str
    form: str
    empty: SQL


@mutable
class _Schemas:
    """Those of this process that are empty and not in use."""

    connection: psycopg.Connection
    idle: list[Schema] = field(factory=list)


@contextmanager
def schema() -> Iterator[str]:
    """The name of a schema with an empty ledger in it, or without one.

    Afterwards it is made as it was, whatever rows there are; if anything else about it is
    another, it is dropped.
    """
    schemas = _schemas(os.getpid())
    one = schemas.idle.pop() if schemas.idle else _new(schemas.connection)
    try:
        yield one.name
    finally:
        _take_back(schemas, one)


def _take_back(schemas: _Schemas, one: Schema) -> None:
    connection = schemas.connection
    if _form(connection, one.name) == one.form:
        connection.execute(one.empty)
        schemas.idle.append(one)
    else:
        _drop(connection, one.name)


@cache
def _schemas(_pid: int) -> _Schemas:
    connection = psycopg.connect(places.postgres_url(), autocommit=True)
    # A test that left a transaction open is to fail here, not to hang.
    connection.execute("SET lock_timeout = '10s'")
    connection.execute("SET client_min_messages = 'warning'")
    return _Schemas(connection)


def drop_all() -> None:
    """Drop what this process has made, if it has made any."""
    if not _schemas.cache_info().currsize:
        return
    schemas = _schemas(os.getpid())
    with schemas.connection:
        while schemas.idle:
            _drop(schemas.connection, schemas.idle.pop().name)


def _new(connection) -> Schema:
    name = places.new_schema_name()
    modlog.open(places.postgres_url(), schema=name, create=True).close()
    return Schema(name, _form(connection, name), _emptying(connection, name))


def _form(connection, name: str) -> str:
    row = connection.execute("SELECT to_regnamespace(%s)", (name,)).fetchone()
    return "" if row == (None,) else connection.execute(FORM, {"schema": name}).fetchone()[0]


def _emptying(connection, name: str) -> SQL:
    """Guards off, rows out, the rows of a new ledger in again, guards on."""
    statements = []
    triggers = connection.execute(TRIGGERS, (name,)).fetchall()
    for table, trigger in triggers:
        statements.append(_alter(name, table, "DISABLE TRIGGER {}", trigger))
    for (table,) in connection.execute(TABLES, (name,)).fetchall():
        place = Identifier(name, table)
        statements.append(SQL("DELETE FROM {}").format(place))
        for row in connection.execute(SQL("SELECT * FROM {}").format(place)).fetchall():
            values = SQL(", ").join(row)
            statements.append(SQL("INSERT INTO {} VALUES ({})").format(place, values))
    for table, trigger in triggers:
        statements.append(_alter(name, table, "ENABLE ALWAYS TRIGGER {}", trigger))
    return SQL("; ").join(statements)  # sent as one, they are one transaction


def _alter(name: str, table: str, how: str, trigger: str):
    do = SQL(how).format(Identifier(trigger))
    return SQL("ALTER TABLE {} {}").format(Identifier(name, table), do)


def _drop(connection, name: str) -> None:
    connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name)))
