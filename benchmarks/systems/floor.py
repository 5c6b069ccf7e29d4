"""The floor: hand-written SQL that writes what modlog writes, and decides nothing.

The tables, indexes and triggers are modlog's own, made by opening a ledger at the place.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import modlog
from benchmarks.places import Place
from benchmarks.systems.floor_queries import Queries
from benchmarks.systems.floor_sweeps import PostgresSweeps, SQLiteSweeps
from benchmarks.systems.ledger import Modlog
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import Population
from modlog._storage.schema import TABLES

_CHUNK: Final = 10_000
_CACHE_KIB: Final = 64 * 1024  # as modlog has it
_EVENT: Final = (
    "position, recorded_at, occurred_at, version, schema, account_id, type, actor_kind,"
    " actor_id, reason, policy, data"
)
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

    def check(self, population: Population, **expected: bool) -> None:
        """Stop the run if one account is not as it must be, or the ledger is not sound."""
        Modlog(self._place).check(population, **expected)


class _SQLite(SQLiteSweeps, _Filled):
    """By sqlite3."""

    _store = "sqlite"

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
            " ORDER BY position DESC LIMIT 1",
            (time.time_ns() // 1000,),
        ).fetchone()
        ((version,),) = execute(
            "UPDATE modlog_accounts SET version = version + 1, latest = max(latest, ?)"
            " WHERE account_id = ? RETURNING version",
            (now, account_id),
        ).fetchall()
        execute(
            f"INSERT INTO modlog_events ({_EVENT}) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (position, now, now, version, account_id, type_, *_WHO_AND_WHY, data),
        )
        if lifted is None:
            execute(
                "INSERT INTO modlog_sanctions VALUES (?, ?, 'suspension', ?, NULL)",
                (account_id, version, now),
            )
        else:
            execute(
                "DELETE FROM modlog_sanctions WHERE account_id = ? AND version = ?",
                (account_id, lifted),
            )
        execute("COMMIT")
        return int(version)

    def ingest(self, task: Task) -> Measured:
        """`executemany` for each table, a transaction for each chunk."""
        assert task.source is not None
        watch, execute = Stopwatch(), self._connection.execute
        with watch.running():
            for chunk in watch.without(_chunks(_rows_sqlite(task.source), task.n), block=1):
                execute("BEGIN IMMEDIATE")
                for name, rows in chunk.items():
                    marks = ", ".join("?" * len(TABLES[name].columns))
                    self._connection.executemany(
                        f"INSERT INTO modlog_{name} VALUES ({marks})", rows
                    )
                execute("COMMIT")
        return Measured(task.n, watch.seconds)


class _Postgres(PostgresSweeps, _Filled):
    """By psycopg: one statement a command, `executemany` (which pipelines) for many rows."""

    _store = "postgres"

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
            suspended = self._record(
                _RECORD.format(
                    sanction="INSERT INTO modlog_sanctions SELECT %s, version, 'suspension',"
                    " recorded_at, NULL::bigint FROM event"
                ),
                (account_id, "account.suspended", '{"until":null}', account_id),
            )
            self._record(
                _RECORD.format(
                    sanction="DELETE FROM modlog_sanctions WHERE account_id = %s AND version = %s"
                ),
                (
                    account_id,
                    "account.restored",
                    f'{{"lifts":[{suspended}]}}',
                    account_id,
                    suspended,
                ),
            )

    def _record(self, sql: str, params: tuple[Any, ...]) -> int:
        account_id, type_, data, *rest = params
        row = self._cursor.execute(
            sql,
            (
                time.time_ns() // 1000,
                account_id,
                account_id,
                type_,
                *_WHO_AND_WHY,
                data,
                *rest,
            ),
            prepare=True,
        ).fetchone()
        assert row is not None
        return int(row[0])

    def ingest(self, task: Task) -> Measured:
        """`executemany` for each table, a transaction for each chunk."""
        assert task.source is not None
        watch = Stopwatch()
        with watch.running():
            for chunk in watch.without(_chunks(_rows_postgres(task.source), task.n), block=1):
                with self._connection.transaction():
                    for name, rows in chunk.items():
                        marks = ", ".join(["%s"] * len(TABLES[name].columns))
                        self._cursor.executemany(
                            f"INSERT INTO modlog_{name} VALUES ({marks})", rows
                        )
                    self._cursor.execute(
                        "UPDATE modlog_head SET position = %s, recorded_at = %s",
                        chunk["events"][-1][:2],
                    )
        return Measured(task.n, watch.seconds)


_RECORD: Final = (
    "WITH head AS (UPDATE modlog_head SET position = position + 1,"
    " recorded_at = greatest(%s, recorded_at + 1) RETURNING position, recorded_at),"
    " account AS (UPDATE modlog_accounts SET version = version + 1,"
    " latest = greatest(latest, recorded_at) FROM head WHERE account_id = %s RETURNING version),"
    f" event AS (INSERT INTO modlog_events ({_EVENT}) SELECT position, recorded_at, recorded_at,"
    " version, 1, %s, %s, %s, %s, %s, %s, %s FROM head, account"
    " RETURNING version, recorded_at),"
    " sanction AS ({sanction})"
    " SELECT version FROM event"
)

# The rows of a ledger, in the order in which an import writes them. A row of the projection
# goes with the event that it is owed to, so that each is written once.
_IN_ORDER: Final = {
    "events": "SELECT position, e.* FROM {events} AS e ORDER BY position",
    "accounts": "SELECT position, a.* FROM {accounts} AS a JOIN {events} AS e"
    " ON e.account_id = a.account_id AND e.version = 1 ORDER BY position",
    "flags": "SELECT position, f.* FROM {flags} AS f JOIN {events} AS e"
    " ON e.account_id = f.account_id AND e.version = f.version ORDER BY position",
    "sanctions": "SELECT position, s.* FROM {sanctions} AS s JOIN {events} AS e"
    " ON e.account_id = s.account_id AND e.version = s.version ORDER BY position",
    "keys": "SELECT position, k.* FROM {keys} AS k ORDER BY position",
}


def _chunks(
    tables: dict[str, Iterator[tuple[Any, ...]]], count: int
) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Rows of all tables up to every ten-thousandth position; by key, except for the events."""
    waiting = {name: next(rows, None) for name, rows in tables.items()}
    for last in range(_CHUNK, count + _CHUNK, _CHUNK):
        chunk: dict[str, list[tuple[Any, ...]]] = {}
        for name, rows in tables.items():
            chunk[name] = []
            row = waiting[name]
            while row is not None and row[0] <= last:
                chunk[name].append(tuple(row[1:]))
                row = next(rows, None)
            waiting[name] = row
            if name != "events":
                chunk[name].sort()
        yield {name: rows for name, rows in chunk.items() if rows}


def _rows_sqlite(source: Place) -> dict[str, Iterator[tuple[Any, ...]]]:
    connection = sqlite3.connect(source.path)
    names = {name: f"modlog_{name}" for name in TABLES}
    return {name: connection.execute(sql.format(**names)) for name, sql in _IN_ORDER.items()}


def _rows_postgres(source: Place) -> dict[str, Iterator[tuple[Any, ...]]]:
    import psycopg

    names = {name: f'"{source.schema}".modlog_{name}' for name in TABLES}
    found: dict[str, Iterator[tuple[Any, ...]]] = {}
    for name, sql in _IN_ORDER.items():
        cursor = psycopg.connect(source.url).cursor(name)
        cursor.itersize = _CHUNK
        found[name] = iter(cursor.execute(sql.format(**names)))
    return found
