"""Creation, sweep and undo by hand: each one transaction, of statements for all accounts.

The rows are those that modlog leaves behind in the same tables: events, accounts, sanctions,
the list of the sweep's targets and its records. What a sweep's digest would be is not computed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from attrs import frozen

from benchmarks.systems.ledger import IMPORT, SWEEP, SWEPT, accounts_of_turn, wave_of_turn
from benchmarks.tasks import Measured, Stopwatch, Task, timed
from benchmarks.workload import account_ids
from modlog import Actor, Guardrails
from modlog._domain.events import (
    Draft,
    Envelope,
    Event,
    SweepApproved,
    SweepCompleted,
    SweepPlanned,
    SweepProgressed,
)
from modlog._storage.codec import EVENT_COLUMNS, event_row

_CHUNK: Final = 10_000
_NAMES: Final = ", ".join(EVENT_COLUMNS)
_CREATED_AT: Final = 1_704_067_200_000_000


@frozen
class _Batch:
    """A sweep and its undo, and the key of the sweep's list."""

    sweep: str
    undo: str
    key: bytes

    @property
    def selection(self) -> str:
        return f'{{"batch_id":["{self.sweep}"]}}'


# The names are as long as those that modlog makes.
_ONLY: Final = _Batch(SWEEP, f"revert-{'0' * 32}", bytes(16))

# Columns that differ from account to account come from a row with its account_id and version.
_EVENTS: Final = (
    f"INSERT INTO modlog_events ({_NAMES}) SELECT {{position}} + row_number() OVER"
    " (ORDER BY account_id), {at}, {at}, {version}, 1, NULL, account_id, '{type}', 'human',"
    " 'moderator-1', NULL, NULL, '{reason}', {policy}, '{batch}', NULL, {data}"
    " FROM {rows} ORDER BY account_id"
)
_DELETED: Final = {
    "type": "account.deleted",
    "reason": "clean-up",
    "policy": "'spam'",
    "data": "'{}'",
}
_REVERTED: Final = {
    "type": "events.reverted",
    "reason": "a mistake",
    "policy": "NULL",
    "data": "'{\"targets\":[' || target || ']}'",
}
_KEEP_TARGETS: Final = (
    "INSERT INTO modlog_sweep_targets SELECT {key}, account_id, CASE WHEN EXISTS (SELECT 1"
    " FROM modlog_sanctions AS s WHERE s.account_id = i.account_id) THEN 'suspended'"
    " ELSE 'active' END, 0, NULL FROM ids AS i ORDER BY account_id"
)
_OF_SWEEP: Final = (
    "SELECT account_id, version AS target FROM modlog_events"
    " WHERE batch_id = '{batch}' AND account_id IS NOT NULL"
)


class _Sweeps:
    """What both kinds of database are asked for."""

    def sweep(self, task: Task) -> Measured:
        return timed(task.n, lambda: self._sweep(account_ids(task.n), _ONLY))

    def undo(self, task: Task) -> Measured:
        return timed(task.n, lambda: self._undo(_ONLY, task.n))

    def growth(self, task: Task) -> Measured:
        """Both for accounts that are spread over a large log."""
        sweep, revert = self._swept_and_reverted(accounts_of_turn(task), task)
        return Measured.of(sweep_in=sweep, revert_in=revert)

    def wave(self, task: Task) -> Measured:
        """Both for neighbours in a large log."""
        sweep, revert = self._swept_and_reverted(wave_of_turn(task), task)
        return Measured.of(wave_sweep_in=sweep, wave_revert_in=revert)

    def _swept_and_reverted(self, ids: list[str], task: Task) -> tuple[Measured, Measured]:
        batch = _Batch(f"floor {task.first}", f"undo {task.first}", task.first.to_bytes(16))
        return (
            timed(1, lambda: self._sweep(ids[:SWEPT], batch)),
            timed(1, lambda: self._undo(batch, SWEPT)),
        )

    def _sweep(self, ids: Sequence[str], batch: _Batch) -> None:
        raise NotImplementedError

    def _undo(self, batch: _Batch, number: int) -> None:
        raise NotImplementedError


class SQLiteSweeps(_Sweeps):
    """By sqlite3."""

    _connection: sqlite3.Connection

    def create(self, task: Task) -> Measured:
        """`executemany` for each table."""
        watch = Stopwatch()
        with watch.running(), self._transaction() as (_, at):
            for name, rows in watch.without(_creations(task.n, at)):
                marks = ", ".join("?" * len(rows[0]))
                columns = f"({_NAMES})" if name == "events" else ""
                self._connection.executemany(
                    f"INSERT INTO modlog_{name} {columns} VALUES ({marks})", rows
                )
        return Measured(task.n, watch.seconds)

    def _sweep(self, ids: Sequence[str], batch: _Batch) -> None:
        """A statement for each table; the ids arrive as one JSON array."""
        execute = self._connection.execute
        with self._transaction() as (head, at):
            execute("CREATE TEMP TABLE ids (account_id TEXT PRIMARY KEY) WITHOUT ROWID")
            execute("INSERT INTO ids SELECT value FROM json_each(?) ORDER BY 1", (json.dumps(ids),))
            self._insert(_before(head, at, ids, batch))
            execute(_KEEP_TARGETS.format(key="?"), (batch.key,))
            rows = (
                "(SELECT a.account_id, a.version FROM ids CROSS JOIN modlog_accounts AS a"
                " WHERE a.account_id = ids.account_id)"
            )
            values = {"position": head + 2, "at": at, "version": "version + 1", "rows": rows}
            execute(_EVENTS.format(**_DELETED, **values, batch=batch.sweep))
            self._move_accounts("ids", at)
            execute(
                f"INSERT INTO modlog_sanctions SELECT account_id, version, 'deletion', {at}, NULL"
                f" FROM {rows} ORDER BY account_id"
            )
            self._insert(_after(head + 2 + len(ids), at, ids, batch))

    def _undo(self, batch: _Batch, number: int) -> None:
        """A statement for each table."""
        execute = self._connection.execute
        with self._transaction() as (head, at):
            execute(
                "CREATE TEMP TABLE targets (account_id TEXT, target INTEGER,"
                " PRIMARY KEY (account_id, target)) WITHOUT ROWID"
            )
            execute(f"INSERT INTO targets {_OF_SWEEP.format(batch=batch.sweep)} ORDER BY 1, 2")
            execute(
                "INSERT INTO modlog_reverts VALUES (?, ?, ?)", (batch.undo, head, batch.selection)
            )
            rows = (
                "(SELECT a.account_id, a.version, target FROM targets CROSS JOIN"
                " modlog_accounts AS a WHERE a.account_id = targets.account_id)"
            )
            values = {"position": head, "at": at, "version": "version + 1", "rows": rows}
            execute(_EVENTS.format(**_REVERTED, **values, batch=batch.undo))
            self._move_accounts("targets", at, ", reverted = 1")
            execute(
                "DELETE FROM modlog_sanctions WHERE (account_id, version) IN"
                " (SELECT account_id, target FROM targets)"
            )

    def _move_accounts(self, which: str, at: int, more: str = "") -> None:
        self._connection.execute(
            f"UPDATE modlog_accounts SET version = version + 1, latest = max(latest, {at}){more}"
            f" WHERE account_id IN (SELECT account_id FROM {which})"
        )

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * len(EVENT_COLUMNS))
        self._connection.executemany(f"INSERT INTO modlog_events ({_NAMES}) VALUES ({marks})", rows)

    @contextmanager
    def _transaction(self) -> Iterator[tuple[int, int]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        position, recorded_at = execute(
            "SELECT coalesce(max(position), 0), coalesce(max(recorded_at), 0) FROM"
            " (SELECT position, recorded_at FROM modlog_events ORDER BY position DESC LIMIT 1)"
        ).fetchone()
        yield position, max(recorded_at + 1, time.time_ns() // 1000)
        execute("COMMIT")


class PostgresSweeps(_Sweeps):
    """By psycopg; one statement moves the accounts, and what it returns is what is written."""

    _connection: Any
    _cursor: Any

    def create(self, task: Task) -> Measured:
        """COPY for each table."""
        watch = Stopwatch()
        with watch.running(), self._transaction(task.n) as (_, at):
            for name, rows in watch.without(_creations(task.n, at)):
                columns = f"({_NAMES})" if name == "events" else ""
                with self._cursor.copy(f"COPY modlog_{name} {columns} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        return Measured(task.n, watch.seconds)

    def _sweep(self, ids: Sequence[str], batch: _Batch) -> None:
        """One statement for events, accounts and sanctions; the ids arrive as one array."""
        execute = self._cursor.execute
        after = _after(0, 0, ids, batch)
        with self._transaction(2 + len(ids) + len(after)) as (head, at):
            execute('CREATE TEMP TABLE ids (account_id text COLLATE "C" PRIMARY KEY)')
            execute("INSERT INTO ids SELECT unnest(%s::text[]) AS id ORDER BY 1", (list(ids),))
            execute("ANALYZE ids")
            self._insert(_before(head, at, ids, batch))
            execute(_KEEP_TARGETS.format(key="%s::bytea"), (batch.key,))
            values = {"position": head + 2, "at": at, "version": "version", "rows": "moved"}
            execute(
                f"WITH moved AS (UPDATE modlog_accounts AS a SET version = version + 1,"
                f" latest = greatest(latest, {at}) FROM ids WHERE ids.account_id = a.account_id"
                " RETURNING a.account_id, a.version),"
                f" events AS ({_EVENTS.format(**_DELETED, **values, batch=batch.sweep)})"
                f" INSERT INTO modlog_sanctions SELECT account_id, version, 'deletion', {at}, NULL"
                " FROM moved ORDER BY account_id"
            )
            self._insert(_after(head + 2 + len(ids), at, ids, batch))

    def _undo(self, batch: _Batch, number: int) -> None:
        """One statement for events, accounts and sanctions."""
        execute = self._cursor.execute
        with self._transaction(number) as (head, at):
            execute(
                'CREATE TEMP TABLE targets (account_id text COLLATE "C", target bigint,'
                " PRIMARY KEY (account_id, target))"
            )
            execute(f"INSERT INTO targets {_OF_SWEEP.format(batch=batch.sweep)} ORDER BY 1, 2")
            execute("ANALYZE targets")
            execute(
                "INSERT INTO modlog_reverts VALUES (%s, %s, %s)",
                (batch.undo, head, batch.selection),
            )
            values = {"position": head, "at": at, "version": "version", "rows": "moved"}
            execute(
                f"WITH moved AS (UPDATE modlog_accounts AS a SET version = version + 1,"
                f" latest = greatest(latest, {at}), reverted = 1 FROM targets AS t"
                " WHERE t.account_id = a.account_id RETURNING a.account_id, a.version, target),"
                f" events AS ({_EVENTS.format(**_REVERTED, **values, batch=batch.undo)})"
                " DELETE FROM modlog_sanctions AS s USING targets AS t"
                " WHERE s.account_id = t.account_id AND s.version = t.target"
            )

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        marks = ", ".join(["%s"] * len(EVENT_COLUMNS))
        self._cursor.executemany(f"INSERT INTO modlog_events ({_NAMES}) VALUES ({marks})", rows)

    @contextmanager
    def _transaction(self, events: int) -> Iterator[tuple[int, int]]:
        with self._connection.transaction():
            position, recorded_at = self._cursor.execute(
                "SELECT position, recorded_at FROM modlog_head FOR UPDATE"
            ).fetchone()
            at = max(recorded_at + 1, time.time_ns() // 1000)
            yield position, at
            self._cursor.execute(
                "UPDATE modlog_head SET position = %s, recorded_at = %s", (position + events, at)
            )


def _creations(count: int, at: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The rows of an empty log's first events, and of their accounts in the order of ids."""
    ids = account_ids(count)
    who_and_why = (
        "human",
        "moderator-1",
        None,
        None,
        f"imported with {IMPORT}",
        None,
        IMPORT,
        None,
    )
    yield (
        "events",
        [
            (position, at, _CREATED_AT, 1, 1, None, id_, "account.created", *who_and_why,
             f'{{"profile":{{"nickname":"member {id_}"}}}}')
            for position, id_ in enumerate(ids, 1)
        ],
    )  # fmt: skip
    yield (
        "accounts",
        [
            (id_, 1, _CREATED_AT, 1, 0, 0, 0, f'{{"nickname":"member {id_}"}}')
            for id_ in sorted(ids)
        ],
    )  # fmt: skip


def _before(head: int, at: int, ids: Sequence[str], batch: _Batch) -> list[tuple[Any, ...]]:
    """The records of a sweep that come before it is carried out."""
    planned = SweepPlanned(
        action="delete",
        digest="0" * 64,
        size=len(ids),
        guardrails=Guardrails().data(),
        needs_approval=True,
    )
    approved = SweepApproved(planned.digest)
    return [
        *_records(head, at, 1, [planned], _by("moderator-1", batch)),
        *_records(head + 1, at, 2, [approved], _by("moderator-2", batch)),
    ]


def _after(head: int, at: int, ids: Sequence[str], batch: _Batch) -> list[tuple[Any, ...]]:
    """The records of its progress, as if each chunk had had one, and of its end."""
    last, size = max(ids), len(ids)
    through = [*range(_CHUNK, size, _CHUNK), size]
    progress = [SweepProgressed(number, last, {"done": number}) for number in through]
    return _records(
        head, at, 3, [*progress, SweepCompleted({"done": size})], _by("moderator-1", batch)
    )


def _by(actor: str, batch: _Batch) -> Envelope:
    return Envelope(
        actor=Actor.human(actor), reason="clean-up", policy="spam", batch_id=batch.sweep
    )


def _records(
    head: int, at: int, version: int, events: list[Event], envelope: Envelope
) -> list[tuple[Any, ...]]:
    return [
        event_row(head + number, at, Draft(None, version + number - 1, event, envelope))
        for number, event in enumerate(events, 1)
    ]
