"""modlog itself, by its public surface; a bare replay, which has none, by its own function."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import modlog
from benchmarks.places import Place
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import Mixed, account_ids
from modlog._storage.replays import replays

_MODERATOR = modlog.Actor.human("moderator-1")


class Modlog:
    """A ledger."""

    def __init__(self, place: Place) -> None:
        self._log = modlog.open(place.url, schema=place.schema)
        self._store = place.store

    def durability(self) -> str:
        with self._log._store.database.reading() as session:
            names = (
                ("journal_mode", "synchronous")
                if self._store == "sqlite"
                else ("fsync", "synchronous_commit")
            )
            ask = "PRAGMA" if self._store == "sqlite" else "SHOW"
            return ", ".join(f"{name}={(session.row(f'{ask} {name}') or '?')[0]}" for name in names)

    # What the operations work on

    def fill_accounts(self, task: Task) -> None:
        at = "2024-01-01T00:00:00Z"
        self._ingest(
            {"do": "create", "account_id": id_, "at": at, "profile": {"nickname": f"member {id_}"}}
            for id_ in account_ids(task.n)
        )

    def fill_mixed(self, task: Task) -> None:
        self._ingest(Mixed(task.n))

    def _ingest(self, records) -> None:
        with modlog.acting(_MODERATOR):
            outcome = self._log.ingest(records)
        assert not outcome.rejected, outcome.rejected[:3]

    # Operations

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end."""
        log = self._log
        with modlog.acting(_MODERATOR, reason="against the rules", policy="spam"):
            for account_id in accounts:
                log.suspend(account_id)
                log.restore(account_id)

    def ingest(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            self._ingest(watch.without(Mixed(task.n)))
        assert self._log.head == task.n
        return Measured(task.n, watch.seconds)

    def replay(self, task: Task) -> Measured:
        watch = Stopwatch()
        store = self._log._store
        with watch.running(), store.snapshot() as reader:
            deque(replays(store.database, reader.session), maxlen=0)
        return Measured(task.n, watch.seconds)

    def verify(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            report = self._log.verify()
        assert report.ok, report.findings[:3]
        return Measured(task.n, watch.seconds)

    def rebuild(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            self._log.rebuild()
        return Measured(task.n, watch.seconds)
