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

from benchmarks.systems.ledger import IMPORT, SWEEP
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import account_ids
from modlog import Actor, Guardrails
from modlog._ground.events import (
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
_UNDO: Final = f"revert-{'0' * 32}"  # as long as the names that modlog makes
_TARGETS_KEY: Final = bytes(16)
_NAMES: Final = ", ".join(EVENT_COLUMNS)
_CREATED_AT: Final = 1_704_067_200_000_000
_SELECTION: Final = f'{{"batch_id":["{SWEEP}"]}}'

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
    "batch": SWEEP,
    "data": "'{}'",
}
_REVERTED: Final = {
    "type": "events.reverted",
    "reason": "a mistake",
    "policy": "NULL",
    "batch": _UNDO,
    "data": "'{\"targets\":[' || target || ']}'",
}
_KEEP_TARGETS: Final = (
    "INSERT INTO modlog_sweep_targets SELECT {key}, account_id, CASE WHEN EXISTS (SELECT 1"
    " FROM modlog_sanctions AS s WHERE s.account_id = i.account_id) THEN 'suspended'"
    " ELSE 'active' END, 0, NULL FROM ids AS i ORDER BY account_id"
)
_OF_SWEEP: Final = (
    "SELECT account_id, version AS target FROM modlog_events"
    f" WHERE batch_id = '{SWEEP}' AND account_id IS NOT NULL"
)


class SQLiteSweeps:
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

    def sweep(self, task: Task) -> Measured:
        """A statement for each table; the ids arrive as one JSON array."""
        watch, ids, execute = Stopwatch(), account_ids(task.n), self._connection.execute
        with watch.running(), self._transaction() as (head, at):
            execute("CREATE TEMP TABLE ids (account_id TEXT PRIMARY KEY) WITHOUT ROWID")
            execute("INSERT INTO ids SELECT value FROM json_each(?) ORDER BY 1", (json.dumps(ids),))
            self._insert(_before(head, at, ids))
            execute(_KEEP_TARGETS.format(key="?"), (_TARGETS_KEY,))
            rows = (
                "(SELECT a.account_id, a.version FROM ids CROSS JOIN modlog_accounts AS a"
                " WHERE a.account_id = ids.account_id)"
            )
            values = {"position": head + 2, "at": at, "version": "version + 1", "rows": rows}
            execute(_EVENTS.format(**_DELETED, **values))
            self._move_accounts("ids", at)
            execute(
                f"INSERT INTO modlog_sanctions SELECT account_id, version, 'deletion', {at}, NULL"
                f" FROM {rows} ORDER BY account_id"
            )
            self._insert(_after(head + 2 + len(ids), at, ids))
        return Measured(task.n, watch.seconds)

    def undo(self, task: Task) -> Measured:
        """A statement for each table."""
        watch, execute = Stopwatch(), self._connection.execute
        with watch.running(), self._transaction() as (head, at):
            execute(
                "CREATE TEMP TABLE targets (account_id TEXT, target INTEGER,"
                " PRIMARY KEY (account_id, target)) WITHOUT ROWID"
            )
            execute(f"INSERT INTO targets {_OF_SWEEP} ORDER BY 1, 2")
            execute("INSERT INTO modlog_reverts VALUES (?, ?, ?)", (_UNDO, head, _SELECTION))
            rows = (
                "(SELECT a.account_id, a.version, target FROM targets CROSS JOIN"
                " modlog_accounts AS a WHERE a.account_id = targets.account_id)"
            )
            values = {"position": head, "at": at, "version": "version + 1", "rows": rows}
            execute(_EVENTS.format(**_REVERTED, **values))
            self._move_accounts("targets", at)
            execute(
                "DELETE FROM modlog_sanctions WHERE (account_id, version) IN"
                " (SELECT account_id, target FROM targets)"
            )
        return Measured(task.n, watch.seconds)

    def _move_accounts(self, which: str, at: int) -> None:
        self._connection.execute(
            f"UPDATE modlog_accounts SET version = version + 1, latest = max(latest, {at})"
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


class PostgresSweeps:
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

    def sweep(self, task: Task) -> Measured:
        """One statement for events, accounts and sanctions; the ids arrive as one array."""
        watch, ids, execute = Stopwatch(), account_ids(task.n), self._cursor.execute
        after = _after(0, 0, ids)
        with watch.running(), self._transaction(2 + len(ids) + len(after)) as (head, at):
            execute('CREATE TEMP TABLE ids (account_id text COLLATE "C" PRIMARY KEY)')
            execute("INSERT INTO ids SELECT unnest(%s::text[]) AS id ORDER BY 1", (ids,))
            execute("ANALYZE ids")
            self._insert(_before(head, at, ids))
            execute(_KEEP_TARGETS.format(key="%s::bytea"), (_TARGETS_KEY,))
            values = {"position": head + 2, "at": at, "version": "version", "rows": "moved"}
            execute(
                f"WITH moved AS (UPDATE modlog_accounts AS a SET version = version + 1,"
                f" latest = greatest(latest, {at}) FROM ids WHERE ids.account_id = a.account_id"
                " RETURNING a.account_id, a.version),"
                f" events AS ({_EVENTS.format(**_DELETED, **values)})"
                f" INSERT INTO modlog_sanctions SELECT account_id, version, 'deletion', {at}, NULL"
                " FROM moved ORDER BY account_id"
            )
            self._insert(_after(head + 2 + len(ids), at, ids))
        return Measured(task.n, watch.seconds)

    def undo(self, task: Task) -> Measured:
        """One statement for events, accounts and sanctions."""
        watch, execute = Stopwatch(), self._cursor.execute
        with watch.running(), self._transaction(task.n) as (head, at):
            execute(
                'CREATE TEMP TABLE targets (account_id text COLLATE "C", target bigint,'
                " PRIMARY KEY (account_id, target))"
            )
            execute(f"INSERT INTO targets {_OF_SWEEP} ORDER BY 1, 2")
            execute("ANALYZE targets")
            execute("INSERT INTO modlog_reverts VALUES (%s, %s, %s)", (_UNDO, head, _SELECTION))
            values = {"position": head, "at": at, "version": "version", "rows": "moved"}
            execute(
                f"WITH moved AS (UPDATE modlog_accounts AS a SET version = version + 1,"
                f" latest = greatest(latest, {at}) FROM targets AS t"
                " WHERE t.account_id = a.account_id RETURNING a.account_id, a.version, target),"
                f" events AS ({_EVENTS.format(**_REVERTED, **values)})"
                " DELETE FROM modlog_sanctions AS s USING targets AS t"
                " WHERE s.account_id = t.account_id AND s.version = t.target"
            )
        return Measured(task.n, watch.seconds)

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


def _before(head: int, at: int, ids: Sequence[str]) -> list[tuple[Any, ...]]:
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
        *_records(head, at, 1, [planned]),
        *_records(head + 1, at, 2, [approved], actor="moderator-2"),
    ]


def _after(head: int, at: int, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """The records of its progress, as if each chunk had had one, and of its end."""
    last, size = max(ids), len(ids)
    through = [*range(_CHUNK, size, _CHUNK), size]
    progress = [SweepProgressed(number, last, {"done": number}) for number in through]
    return _records(head, at, 3, [*progress, SweepCompleted({"done": size})])


def _records(
    head: int, at: int, version: int, events: list[Event], actor: str = "moderator-1"
) -> list[tuple[Any, ...]]:
    envelope = Envelope(actor=Actor.human(actor), reason="clean-up", policy="spam", batch_id=SWEEP)
    return [
        event_row(head + number, at, Draft(None, version + number - 1, event, envelope))
        for number, event in enumerate(events, 1)
    ]
