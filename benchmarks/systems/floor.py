"""The floor: hand-written SQL that writes what modlog writes, and decides nothing.

The tables, indexes and triggers are modlog's own, made by opening a ledger at the place.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import evolve

import modlog
from benchmarks.places import Place
from benchmarks.systems.floor_queries import Queries
from benchmarks.systems.floor_sweeps import SUSPENSION, PostgresSweeps, SQLiteSweeps
from benchmarks.systems.ledger import Modlog
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import Population

_CHUNK: Final = 10_000
_CACHE_KIB: Final = 64 * 1024  # as modlog has it
_ACT: Final = "number, recorded_at, type, schema, actor_kind, actor_id, reason, policy"
_WHO_AND_WHY: Final = ("human", "moderator-1", "against the rules", "spam")


def Floor(place: Place) -> _SQLite | _Postgres:
    """The floor of that kind of database."""
    modlog.open(place.url, schema=place.schema, create=True).close()
    return _SQLite(place) if place.store == "sqlite" else _Postgres(place)


class _Filled(Queries):
    """What is filled is filled and checked by modlog; only the operations are hand-written."""

    _place: Place

    def fill_accounts(self, task: Task) -> None:
        Modlog(self._place).fill_accounts(task)

    def fill_population(self, task: Task) -> None:
        Modlog(self._place).fill_population(task)

    def ingest(self, task: Task) -> Measured:
        """`executemany` for each table, a transaction for each chunk."""
        return self._again(task)

    def adopt(self, task: Task) -> Measured:
        """The same, but on PostgreSQL COPY: nothing is quicker."""
        measured = self._again(task, copy=True)
        return evolve(measured, answer=Modlog(self._place).counts())

    def _again(self, task: Task, copy: bool = False) -> Measured:
        assert task.source is not None
        watch = Stopwatch()
        with watch.running():
            self._write_again(task.source, watch, copy)
        return Measured(task.n, watch.seconds)

    def _write_again(self, source: Place, watch: Stopwatch, copy: bool) -> None:
        """Write the rows of a ledger once more, chunk by chunk, the watch running meanwhile."""
        raise NotImplementedError

    def check(self, population: Population, **expected: bool) -> None:
        """Stop the run if one account is not as it must be, or the ledger is not sound."""
        Modlog(self._place).check(population, **expected)


class _SQLite(SQLiteSweeps, _Filled):
    """By sqlite3."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connection = sqlite3.connect(place.path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def _rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, params).fetchall()

    def durability(self) -> str:
        ask = self._connection.execute
        return ", ".join(
            f"{name}={ask(f'PRAGMA {name}').fetchone()[0]}"
            for name in ("journal_mode", "synchronous")
        )

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end."""
        for account_id in accounts:
            suspended = self._record(account_id, "account.suspended", '{"until":null}')
            self._record(
                account_id, "account.restored", f'{{"lifts":[{suspended}]}}', lifted=suspended
            )

    def _record(self, account_id: str, type_: str, data: str, lifted: int | None = None) -> int:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        position, now = execute(
            "SELECT position + 1, max(?, recorded_at + 1) FROM modlog_events"
            " JOIN modlog_acts ON number = act ORDER BY position DESC LIMIT 1",
            (time.time_ns() // 1000,),
        ).fetchone()
        ((stream, version),) = execute(
            "UPDATE modlog_accounts SET version = version + 1, latest = max(latest, ?)"
            " WHERE stream = (SELECT number FROM modlog_streams WHERE kind = 'account' AND id = ?)"
            " RETURNING stream, version",
            (now, account_id),
        ).fetchall()
        execute(
            f"INSERT INTO modlog_acts ({_ACT}) VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
            (position, now, type_, *_WHO_AND_WHY),
        )
        execute(
            "INSERT INTO modlog_events (position, act, stream, version, data)"
            " VALUES (?, ?, ?, ?, ?)",
            (position, position, stream, version, data),
        )
        if lifted is None:
            execute(
                "INSERT INTO modlog_spans (stream, version, opened, facet, since)"
                f" VALUES (?, ?, ?, {SUSPENSION}, ?)",
                (stream, version, position, now),
            )
        else:
            execute(
                "UPDATE modlog_spans SET closed = ?, closed_at = ?"
                " WHERE stream = ? AND version = ? AND closed IS NULL",
                (position, now, stream, lifted),
            )
        execute("COMMIT")
        return int(version)

    def _write_again(self, source: Place, watch: Stopwatch, copy: bool) -> None:
        del copy  # there is no such thing
        execute = self._connection.execute
        for chunk in watch.without(_chunks(_rows_sqlite(source)), block=1):
            execute("BEGIN IMMEDIATE")
            for name, rows in chunk.items():
                marks = ", ".join("?" * len(rows[0]))
                self._connection.executemany(f"INSERT INTO modlog_{name} VALUES ({marks})", rows)
            execute("COMMIT")


class _Postgres(PostgresSweeps, _Filled):
    """By psycopg: one statement a command, `executemany` (which pipelines) for many rows."""

    def __init__(self, place: Place) -> None:
        import psycopg

        self._place = place
        self._connection = psycopg.connect(place.url, autocommit=True)
        self._connection.execute(f'SET search_path = "{place.schema}"')
        self._cursor = self._connection.cursor()

    def _rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._cursor.execute(sql.replace("?", "%s"), params).fetchall()

    def durability(self) -> str:
        ask = self._cursor.execute
        return ", ".join(
            f"{name}={(ask(f'SHOW {name}').fetchone() or '?')[0]}"
            for name in ("fsync", "synchronous_commit")
        )

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end."""
        for account_id in accounts:
            suspended = self._record(_BEGIN, account_id, "account.suspended", '{"until":null}')
            lifts = f'{{"lifts":[{suspended}]}}'
            self._record(_END, account_id, "account.restored", lifts, suspended)

    def _record(self, sql: str, account_id: str, type_: str, data: str, *lifted: int) -> int:
        now = time.time_ns() // 1000
        row = self._cursor.execute(
            sql, (now, account_id, type_, *_WHO_AND_WHY, data, *lifted), prepare=True
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _write_again(self, source: Place, watch: Stopwatch, copy: bool) -> None:
        write = self._copy if copy else self._insert
        recorded_at = 0  # a chunk may have events of an act before it, and no act
        for chunk in watch.without(_chunks(_rows_postgres(source)), block=1):
            with self._connection.transaction():
                for name, rows in chunk.items():
                    write(name, rows)
                recorded_at = chunk["acts"][-1][1] if "acts" in chunk else recorded_at
                self._cursor.execute(
                    "UPDATE modlog_head SET position = %s, recorded_at = %s",
                    (chunk["events"][-1][0], recorded_at),
                )

    def _insert(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        marks = ", ".join(["%s"] * len(rows[0]))
        self._cursor.executemany(f"INSERT INTO modlog_{name} VALUES ({marks})", rows)

    def _copy(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._cursor.copy(f"COPY modlog_{name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


_RECORD: Final = (
    "WITH head AS (UPDATE modlog_head SET position = position + 1,"
    " recorded_at = greatest(%s, recorded_at + 1) RETURNING position, recorded_at),"
    " account AS (UPDATE modlog_accounts SET version = version + 1,"
    " latest = greatest(latest, recorded_at) FROM head, modlog_streams"
    " WHERE stream = number AND kind = 'account' AND id = %s RETURNING stream, version),"
    f" act AS (INSERT INTO modlog_acts ({_ACT})"
    " SELECT position, recorded_at, %s, 1, %s, %s, %s, %s FROM head),"
    " event AS (INSERT INTO modlog_events (position, act, stream, version, data)"
    " SELECT position, position, stream, version, %s FROM head, account),"
    " span AS ({span})"
    " SELECT version FROM account"
)
_BEGIN: Final = _RECORD.format(
    span="INSERT INTO modlog_spans (stream, version, opened, facet, since)"
    f" SELECT stream, version, position, {SUSPENSION}, recorded_at FROM head, account"
)
_END: Final = _RECORD.format(
    span="UPDATE modlog_spans AS x SET closed = position, closed_at = recorded_at"
    " FROM head, account WHERE x.stream = account.stream AND x.version = %s AND closed IS NULL"
)

# The rows of a ledger by table, with the position that each is owed to: that of its first event.
# A row of the projection is written once, as it is in the end.
_OWED_TO: Final = {
    "streams": "number",
    "acts": "number",
    "events": "position",
    "accounts": "stream",
    "spans": "opened",
    "keys": "position",
}


def _chunks(
    tables: dict[str, Iterator[tuple[Any, ...]]],
) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Rows of all tables up to every ten-thousandth position, by key."""
    waiting = {name: next(rows, None) for name, rows in tables.items()}
    last = 0
    while waiting["events"] is not None:
        last += _CHUNK
        chunk: dict[str, list[tuple[Any, ...]]] = {}
        for name, rows in tables.items():
            chunk[name] = []
            row = waiting[name]
            while row is not None and row[0] <= last:
                chunk[name].append(tuple(row[1:]))
                row = next(rows, None)
            waiting[name] = row
            chunk[name].sort()
        yield {name: rows for name, rows in chunk.items() if rows}


def _rows_sqlite(source: Place) -> dict[str, Iterator[tuple[Any, ...]]]:
    connection = sqlite3.connect(source.path)
    return {
        name: connection.execute(f"SELECT {owed}, t.* FROM modlog_{name} AS t ORDER BY {owed}")
        for name, owed in _OWED_TO.items()
    }


def _rows_postgres(source: Place) -> dict[str, Iterator[tuple[Any, ...]]]:
    import psycopg

    found: dict[str, Iterator[tuple[Any, ...]]] = {}
    for name, owed in _OWED_TO.items():
        cursor = psycopg.connect(source.url).cursor(name)
        cursor.itersize = _CHUNK
        rows = f'SELECT {owed}, t.* FROM "{source.schema}".modlog_{name} AS t ORDER BY {owed}'
        found[name] = iter(cursor.execute(rows))
    return found
