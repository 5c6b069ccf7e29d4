"""Creation, sweep and undo by hand: each one transaction, of a statement for each table.

The rows are those that modlog leaves behind in the same tables: streams, acts, events, accounts,
spans, the list of the sweep's targets and its records.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from attrs import frozen

from benchmarks.systems.ledger import IMPORT, SWEEP, SWEPT, accounts_of_turn, wave_of_turn
from benchmarks.tasks import Measured, Stopwatch, Task, timed
from benchmarks.workload import account_ids
from modlog import Actor, Guardrails
from modlog._domain.events import (
    AccountCreated,
    AccountDeleted,
    Envelope,
    Event,
    EventsReverted,
    SweepApproved,
    SweepCompleted,
    SweepPlanned,
    SweepProgressed,
)
from modlog._storage.codec import ACT_COLUMNS, EVENT_COLUMNS, act_columns, data_texts
from modlog._storage.projection import ACCOUNT_COLUMNS, SPAN_COLUMNS
from modlog._storage.sweeps.lists import ListDigest
from modlog._storage.sweeps.targets import sweep_key

# How the facets of spans are written.
_EXISTENCE, SUSPENSION, _DELETION = 1, 4, 5
_COLUMNS: Final = {
    "streams": ("number", "kind", "id"),
    "acts": ACT_COLUMNS,
    "events": EVENT_COLUMNS,
    "accounts": ACCOUNT_COLUMNS,
    "spans": SPAN_COLUMNS[:5],
}
_CHUNK: Final = 10_000
_CREATED_AT: Final = 1_704_067_200_000_000
Rows = dict[str, list[tuple[Any, ...]]]


@frozen
class _Batch:
    """A sweep and its undo."""

    sweep: str
    undo: str

    @property
    def selection(self) -> str:
        return f'{{"batch_id":["{self.sweep}"]}}'


# The names are as long as those that modlog makes.
_ONLY: Final = _Batch(SWEEP, f"revert-{'0' * 32}")

# The accounts that are acted on: where each stands, and what its last event is, for an undo.
_CHOSEN: Final = (
    "CREATE TEMP TABLE chosen (stream INTEGER PRIMARY KEY, id TEXT, version INTEGER,"
    " ordinal INTEGER, target INTEGER)"
)
_BY_ID: Final = (
    "INSERT INTO chosen SELECT s.number, s.id, c.version + 1, row_number() OVER (ORDER BY s.id),"
    " NULL FROM {ids} AS i CROSS JOIN modlog_streams AS s CROSS JOIN modlog_accounts AS c"
    " WHERE s.kind = 'account' AND s.id = i.id AND c.stream = s.number"
)
_OF_SWEEP: Final = (
    "INSERT INTO chosen SELECT s.number, s.id, c.version + 1, row_number() OVER (ORDER BY s.id),"
    " e.version FROM modlog_acts AS a CROSS JOIN modlog_events AS e"
    " CROSS JOIN modlog_streams AS s CROSS JOIN modlog_accounts AS c WHERE a.batch_id = ?"
    " AND a.type || '' = 'account.deleted' AND e.act = a.number AND s.number = e.stream"
    " AND c.stream = e.stream"
)
_KEEP_TARGETS: Final = (
    "INSERT INTO modlog_sweep_targets SELECT ?, id, CASE WHEN EXISTS (SELECT 1"
    " FROM modlog_spans AS x WHERE x.stream = i.stream AND x.closed IS NULL"
    f" AND x.facet = {SUSPENSION}) THEN 'suspended' ELSE 'active' END, 0, NULL"
    " FROM chosen AS i ORDER BY id"
)
_EVENTS: Final = (
    "INSERT INTO modlog_events (position, act, stream, version, data)"
    " SELECT {head} + ordinal, {head} + 1, stream, version, {data} FROM chosen ORDER BY ordinal"
)
_TARGETS: Final = "'{\"targets\":[' || target || ']}'"
_ACCOUNTS: Final = (
    "UPDATE modlog_accounts SET version = version + 1, latest = {at}"
    " WHERE stream IN (SELECT stream FROM chosen)"
)
_BEGIN: Final = (
    "INSERT INTO modlog_spans (stream, version, opened, facet, since)"
    f" SELECT stream, version, {{head}} + ordinal, {_DELETION}, {{at}} FROM chosen ORDER BY stream"
)
_END: Final = (
    "UPDATE modlog_spans AS x SET closed = {head} + c.ordinal, closed_at = {at} FROM chosen AS c"
    " WHERE x.stream = c.stream AND x.version = c.target AND x.closed IS NULL"
)


class _Sweeps:
    """The same statements for both kinds of database."""

    _ids: str  # a list of ids that comes as one parameter

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
        batch = _Batch(f"floor {task.first}", f"undo {task.first}")
        return (
            timed(1, lambda: self._sweep(ids[:SWEPT], batch)),
            timed(1, lambda: self._undo(batch, SWEPT)),
        )

    def create(self, task: Task) -> Measured:
        """The rows of each table as fast as they go in."""
        watch = Stopwatch()
        with watch.running(), self._transaction(task.n) as (_, at):
            for name, rows in watch.without(_creations(task.n, at).items()):
                self._load(name, rows)
        return Measured(task.n, watch.seconds)

    def _sweep(self, ids: Sequence[str], batch: _Batch) -> None:
        number = len(ids)
        after = _after(ids)
        with self._transaction(2 + number + len(after)) as (head, at):
            self._choose(_BY_ID.format(ids=self._ids), ids)
            stream, envelope = head + 1, _by("moderator-1", batch)
            digest = ListDigest.of("delete", {}, sorted(ids)).text()
            planned, approved = _before(digest, number)
            self._load("streams", [(stream, "sweep", batch.sweep)])
            self._write_records((stream, head, 1), at, [planned], envelope)
            self._write_records((stream, head + 1, 2), at, [approved], _by("moderator-2", batch))
            self._execute(_KEEP_TARGETS, (sweep_key(batch.sweep, digest, at),))
            self._load("acts", [act_columns(head + 3, at, AccountDeleted.TYPE, envelope)])
            for sql in (_EVENTS, _ACCOUNTS, _BEGIN):
                self._execute(sql.format(head=head + 2, at=at, data="NULL"))
            self._write_records((stream, head + 2 + number, 3), at, after, envelope)

    def _undo(self, batch: _Batch, number: int) -> None:
        envelope = Envelope(
            actor=Actor.human("moderator-1"), reason="a mistake", batch_id=batch.undo
        )
        with self._transaction(number) as (head, at):
            self._choose(_OF_SWEEP, batch.sweep)
            self._execute(
                "INSERT INTO modlog_reverts VALUES (?, ?, ?)", (batch.undo, head, batch.selection)
            )
            self._load("acts", [act_columns(head + 1, at, EventsReverted.TYPE, envelope)])
            for sql in (_EVENTS, _ACCOUNTS, _END):
                self._execute(sql.format(head=head, at=at, data=_TARGETS))

    def _write_records(
        self, place: tuple[int, int, int], at: int, events: Sequence[Event], envelope: Envelope
    ) -> None:
        """Records of the sweep itself: from which stream, head and version on; an act for each."""
        stream, head, version = place
        acts, rows = [], []
        for number, event in enumerate(events):
            position = head + 1 + number
            acts.append(act_columns(position, at, event.TYPE, envelope))
            data = data_texts(event)
            rows.append((position, position, stream, version + number, None, *data))
        self._load("acts", acts)
        self._load("events", rows)

    def _choose(self, sql: str, which: Any) -> None:
        raise NotImplementedError

    def _execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        raise NotImplementedError

    def _load(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        raise NotImplementedError

    def _transaction(self, events: int) -> AbstractContextManager[tuple[int, int]]:
        """One of so many events; gives the head and the instant."""
        raise NotImplementedError


class SQLiteSweeps(_Sweeps):
    """By sqlite3."""

    _connection: sqlite3.Connection
    _ids = "(SELECT value AS id FROM json_each(?) ORDER BY 1)"

    def _choose(self, sql: str, which: Any) -> None:
        self._execute("DROP TABLE IF EXISTS chosen")
        self._execute(_CHOSEN)
        self._execute(sql, (which if isinstance(which, str) else json.dumps(which),))

    def _execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._connection.execute(sql, params)

    def _load(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        columns, marks = ", ".join(_COLUMNS[name]), ", ".join("?" * len(_COLUMNS[name]))
        self._connection.executemany(
            f"INSERT INTO modlog_{name} ({columns}) VALUES ({marks})", rows
        )

    @contextmanager
    def _transaction(self, events: int) -> Iterator[tuple[int, int]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        head, recorded_at = execute(
            "SELECT position, recorded_at FROM modlog_events JOIN modlog_acts ON number = act"
            " ORDER BY position DESC LIMIT 1"
        ).fetchone() or (0, 0)
        yield head, max(recorded_at + 1, time.time_ns() // 1000)
        execute("COMMIT")


class PostgresSweeps(_Sweeps):
    """By psycopg; many rows by COPY."""

    _connection: Any
    _cursor: Any
    _ids = "(SELECT unnest(?::text[]) AS id)"

    def _choose(self, sql: str, which: Any) -> None:
        self._execute("DROP TABLE IF EXISTS chosen")
        self._execute(_CHOSEN.replace("id TEXT", 'id text COLLATE "C"'))
        self._execute(sql, (which,))
        self._execute("ANALYZE chosen")

    def _execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql.replace("?", "%s"), params)

    def _load(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = ", ".join(_COLUMNS[name])
        with self._cursor.copy(f"COPY modlog_{name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def _transaction(self, events: int) -> Iterator[tuple[int, int]]:
        with self._connection.transaction():
            head, recorded_at = self._cursor.execute(
                "SELECT position, recorded_at FROM modlog_head FOR UPDATE"
            ).fetchone()
            at = max(recorded_at + 1, time.time_ns() // 1000)
            yield head, at
            self._cursor.execute(
                "UPDATE modlog_head SET position = %s, recorded_at = %s", (head + events, at)
            )


def _creations(count: int, at: int) -> Rows:
    """The rows of an empty log's first events, all of one act."""
    numbered = list(enumerate(account_ids(count), 1))
    envelope = Envelope(
        actor=Actor.human("moderator-1"), reason=f"imported with {IMPORT}", batch_id=IMPORT
    )
    profiles = [{"nickname": f"member {id_}"} for _, id_ in numbered]
    texts = [data_texts(AccountCreated(profile)) for profile in profiles]
    return {
        "streams": [(number, "account", id_) for number, id_ in numbered],
        "acts": [act_columns(1, at, AccountCreated.TYPE, envelope)],
        "events": [
            (number, 1, number, 1, _CREATED_AT, *texts[number - 1]) for number, _ in numbered
        ],
        "accounts": [
            (number, 1, _CREATED_AT, 1, f'{{"nickname":"member {id_}"}}')
            for number, id_ in numbered
        ],
        "spans": [(number, 1, number, _EXISTENCE, _CREATED_AT) for number, _ in numbered],
    }


def _before(digest: str, size: int) -> tuple[Event, Event]:
    """The records of a sweep that come before it is carried out."""
    planned = SweepPlanned(
        action="delete",
        digest=digest,
        size=size,
        guardrails=Guardrails().data(),
        needs_approval=True,
    )
    return planned, SweepApproved(digest)


def _after(ids: Sequence[str]) -> list[Event]:
    """The records of its progress, as if each chunk had had one, and of its end."""
    last, size = max(ids), len(ids)
    through = [*range(_CHUNK, size, _CHUNK), size]
    progress = [SweepProgressed(number, last, {"done": number}) for number in through]
    return [*progress, SweepCompleted({"done": size})]


def _by(actor: str, batch: _Batch) -> Envelope:
    return Envelope(
        actor=Actor.human(actor), reason="clean-up", policy="spam", batch_id=batch.sweep
    )
