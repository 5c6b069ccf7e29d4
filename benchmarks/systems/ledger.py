"""modlog itself, by its public surface; a bare replay, which has none, by its own function."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from tempfile import TemporaryFile
from typing import Any, Final, Literal

import modlog
from benchmarks import investigations, large
from benchmarks.places import Place
from benchmarks.real import Loading
from benchmarks.systems.awaited import TASKS, awaited
from benchmarks.tasks import Measured, Stopwatch, Task, timed
from benchmarks.workload import (
    ACTORS,
    FILLED_AT_ONCE,
    TIMES_EACH_ACTOR,
    Facts,
    Mixed,
    Population,
    Record,
    account_id,
    account_ids,
    asked_accounts,
    earlier,
    window_start,
)
from modlog import Selection
from modlog._storage.replays import pages_of_accounts, replays

SWEEP: Final = "clean-up"
IMPORT: Final = f"import-{'0' * 32}"  # as long as the names that modlog makes
_MODERATOR: Final = modlog.Actor.human("moderator-1")
_SECOND: Final = modlog.Actor.human("moderator-2")

# Of a turn that looks at growth: accounts swept, histories asked for, accounts acted on.
SWEPT, _ASKED, _ACTED_ON, _WARM_UP = 1_000, 200, 100, 10
# Larger logs are made by the same statements, and verifying them takes its time.
_VERIFIED: Final = 500_000
_STRIDE: Final = 7_919  # a prime, so that every account has its turn


class Modlog:
    """A ledger."""

    def __init__(self, place: Place) -> None:
        self._log = modlog.open(place.url, schema=place.schema, create=True)
        self._place = place
        self._store = place.store

    def durability(self) -> str:
        with self._log._work.store.database.reading() as session:
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
        self._ingest(Mixed(task.n), chunk=FILLED_AT_ONCE)

    def fill_import(self, task: Task) -> None:
        self._ingest(Mixed(task.n))

    def fill_adopted(self, task: Task) -> None:
        self.adopt(task)

    def fill_population(self, task: Task) -> None:
        population = Population(task.n)
        self._ingest(population.creations())
        self._ingest(population.marks())

    def check(self, population: Population, *, deleted: bool, marked: bool = True) -> None:
        """Stop the run if one account is not as it must be, or the ledger is not sound."""
        population.check(self._facts(), deleted=deleted, marked=marked)
        report = self._log.verify()
        if not report.ok:
            raise RuntimeError(f"the ledger is not sound: {report.findings[:3]}")

    def _facts(self) -> Iterator[Facts]:
        for account in self._log.accounts():
            kinds = sorted(str(sanction.kind) for sanction in account.sanctions.values())
            nickname = str(account.profile["nickname"])
            yield account.id, nickname, sorted(account.flags.values()), kinds

    def _ingest(
        self, records: Iterable[Record], batch_id: str | None = None, chunk: int = 10_000
    ) -> None:
        with modlog.acting(_MODERATOR):
            outcome = self._log.ingest(records, batch_id, chunk)
        assert not outcome.rejected, outcome.rejected[:3]

    def fill_growth(self, task: Task) -> None:
        large.fill(self._place, task.n)
        if task.n <= _VERIFIED:
            assert self._log.verify().ok

    def fill_investigated(self, task: Task) -> None:
        """A large log that ends with a sweep, part of which has been reverted."""
        ids = account_ids(investigations.swept(task.n))
        large.fill(self._place, task.n - len(ids))
        self.delete_all(ids, SWEEP)
        with modlog.acting(_SECOND, reason="a mistake"):
            mistaken = ids[: investigations.put_right(task.n)]
            self._log.revert(Selection(batch_id=SWEEP, account_id=mistaken))
        if task.n <= _VERIFIED:
            assert self._log.verify().ok

    # Operations

    def growth(self, task: Task) -> Measured:
        """Some operations on accounts that are spread over a log of so many events."""
        accounts = accounts_of_turn(task)
        swept, acted_on = accounts[:SWEPT], accounts[SWEPT:]
        self.commands(acted_on[:_WARM_UP])

        def histories() -> None:
            for id_ in swept[:_ASKED]:
                assert len(self._log.history(id_)) == large.EVENTS_OF_ACCOUNT

        commanded = acted_on[_WARM_UP:]
        histories()  # a cold disk would be measured otherwise, and that by the largest log alone
        history = timed(_ASKED, histories)
        command = timed(2 * len(commanded), lambda: self.commands(commanded))
        sweep, revert = self._swept_and_reverted(swept, task)
        return Measured.of(
            history_in=history,
            command_in=command,
            sweep_in=sweep,
            revert_in=revert,
        )

    def wave(self, task: Task) -> Measured:
        """A sweep of neighbours in a log of so many events, and its revert."""
        wave = wave_of_turn(task)
        self.commands(wave[-_WARM_UP:])
        sweep, revert = self._swept_and_reverted(wave[:SWEPT], task)
        return Measured.of(wave_sweep_in=sweep, wave_revert_in=revert)

    def _swept_and_reverted(self, ids: list[str], task: Task) -> list[Measured]:
        """A sweep and its revert."""
        batch_id = f"sweep {task.first}"

        def revert() -> None:
            with modlog.acting(_MODERATOR, reason="a mistake"):
                outcome = self._log.revert(Selection(batch_id=batch_id))
            assert outcome.reverted == len(ids)

        return [timed(1, lambda: self.delete_all(ids, batch_id)), timed(1, revert)]

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end."""
        log = self._log
        with modlog.acting(_MODERATOR, reason="against the rules", policy="spam"):
            for account_id in accounts:
                log.suspend(account_id)
                log.restore(account_id)

    def aio(self, task: Task) -> Measured:
        return awaited(self._log, task, 1)

    def aio_tasks(self, task: Task) -> Measured:
        return awaited(self._log, task, TASKS)

    def request(self, task: Task) -> Measured:
        from benchmarks.systems import site

        return site.requests(self._place, task.n)

    def ingest(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            self._ingest(watch.without(Mixed(task.n)))
        assert self._log.head == task.n
        return Measured(task.n, watch.seconds)

    def real(self, task: Task) -> Measured:
        """So many lines of a real block log."""
        return Loading(task.n).into(self._log, self._place)

    def create(self, task: Task) -> Measured:
        watch, population = Stopwatch(), Population(task.n)
        with watch.running():
            self._ingest(watch.without(population.creations()), IMPORT)
        return Measured(task.n, watch.seconds)

    def adopt(self, task: Task) -> Measured:
        """A platform's accounts, as they are."""
        watch, rows = Stopwatch(), Population(task.n).as_they_are()
        with watch.running():
            outcome = self._log.adopt(watch.without(rows), batch_id=IMPORT)
        assert not outcome.rejected, outcome.rejected[:3]
        return Measured(task.n, watch.seconds, self.counts())

    def counts(self) -> Mapping[str, int]:
        """How many accounts have each status."""
        return _without_zeros(self._log.count())

    def sweep(self, task: Task) -> Measured:
        """Plan, approve, execute."""
        watch, ids = Stopwatch(), account_ids(task.n)
        with watch.running():
            self.delete_all(ids, SWEEP)
        return Measured(task.n, watch.seconds)

    def delete_all(self, ids: Sequence[str], batch_id: str) -> None:
        """A sweep from its plan to its end."""
        with modlog.acting(_MODERATOR, reason="clean-up", policy="spam"):
            plan = self._log.plan_sweep(ids, "delete", batch_id=batch_id)
            outcome = plan.approve(actor=_SECOND).execute()
        assert outcome.counts["done"] == len(ids), outcome.counts

    def plan(self, task: Task) -> Measured:
        """The look at what an undo would come to."""
        watch = Stopwatch()
        with watch.running():
            plan = self._log.plan_revert(Selection(batch_id=SWEEP))
        assert plan.accounts == task.n, plan
        return Measured(task.n, watch.seconds)

    def undo(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running(), modlog.acting(_MODERATOR, reason="a mistake"):
            outcome = self._log.revert(Selection(batch_id=SWEEP))
        assert outcome.reverted == task.n, outcome
        return Measured(task.n, watch.seconds)

    def as_of(self, task: Task) -> Measured:
        watch, last = Stopwatch(), earlier(task.n)
        with watch.running():
            counts = self._log.as_of(last).count()
        return Measured(last, watch.seconds, _without_zeros(counts))

    def fold(self, task: Task) -> Measured:
        """What `as_of` answers, from decoded events in Python."""
        watch, last = Stopwatch(), earlier(task.n)
        with watch.running():
            events = self._log.events(Selection(up_to_position=last))
            counts = Counter(_folded(events))
        answer = _without_zeros(self._log.as_of(last).count())
        assert counts == answer, (counts, answer)
        return Measured(last, watch.seconds, answer)

    def history(self, task: Task) -> Measured:
        watch, asked = Stopwatch(), asked_accounts(task.n)
        with watch.running():
            found = sum(len(self._log.history(account_id)) for account_id in asked)
        return Measured(len(asked), watch.seconds, found)

    def actor(self, task: Task) -> Measured:
        """All deletions by each actor since the middle of the log."""
        watch, found = Stopwatch(), 0
        (first,) = self._log.events(Selection(positions=window_start(task.n)))
        since, until = first.recorded_at, first.recorded_at + timedelta(days=1)
        asked = [_actor(actor) for actor in ACTORS] * TIMES_EACH_ACTOR
        with watch.running():
            for actor in asked:
                selection = Selection(actor=actor, type="account.deleted", since=since, until=until)
                found += len(list(self._log.events(selection)))
        return Measured(len(asked), watch.seconds, found)

    def actor_in_time(self, task: Task) -> Measured:
        """All that one actor did in the second half of a large log."""
        actor, since, until = large.actor_in_time(task.n)
        return self._counted(Selection(actor=modlog.Actor(**actor), since=since, until=until))

    def batch(self, task: Task) -> Measured:
        return self._counted(Selection(batch_id=SWEEP))

    def _counted(self, selection: Selection) -> Measured:
        watch = Stopwatch()
        with watch.running():
            found = sum(1 for _ in self._log.events(selection))
        return Measured(found, watch.seconds, found)

    def impact(self, task: Task) -> Measured:
        return self._looked_at(task, Selection(batch_id=SWEEP))

    def impact_of_all(self, task: Task) -> Measured:
        return self._looked_at(task, Selection())

    def _looked_at(self, task: Task, selection: Selection) -> Measured:
        watch = Stopwatch()
        with watch.running():
            impact = self._log.impact(selection)
        assert impact.began["deletion"] == investigations.swept(task.n), impact
        return Measured(impact.events, watch.seconds, dict(impact.remarks))

    def replay(self, task: Task) -> Measured:
        watch = Stopwatch()
        store = self._log._work.store
        with watch.running(), store.snapshot() as reader:
            pages = pages_of_accounts(store.database, reader.session)
            deque(replays(store.database, reader.session, pages), maxlen=0)
        return Measured(task.n, watch.seconds)

    def export(self, task: Task) -> Measured:
        return self._exported(task, "jsonl")

    def parquet(self, task: Task) -> Measured:
        return self._exported(task, "parquet")

    def _exported(self, task: Task, format: Literal["jsonl", "parquet"]) -> Measured:
        watch = Stopwatch()
        with TemporaryFile() as file, watch.running():
            outcome = self._log.export(file, format=format)
        assert outcome.events == self._log.head
        return Measured(outcome.events, watch.seconds)

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

    def stats(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            figures = self._log.stats(by="actor")
        assert figures
        return Measured(task.n, watch.seconds)


def accounts_of_turn(task: Task) -> list[str]:
    """Accounts all over the log, others in each turn."""
    known = task.n // large.EVENTS_OF_ACCOUNT
    return [account_id(number * _STRIDE % known) for number in _of_turn(task)]


def wave_of_turn(task: Task) -> list[str]:
    """Accounts whose ids follow each other, as if all had signed up in one hour."""
    known = task.n // large.EVENTS_OF_ACCOUNT
    numbers = _of_turn(task)
    return sorted(account_ids(known))[numbers.start : numbers.stop]


def _of_turn(task: Task) -> range:
    needed = SWEPT + _ACTED_ON
    if (task.first + 1) * needed > task.n // large.EVENTS_OF_ACCOUNT:
        raise RuntimeError(f"a log of {task.n} events has no accounts left for another round")
    return range(task.first * needed, (task.first + 1) * needed)


def _without_zeros(counts: Mapping[modlog.Status, int]) -> dict[str, int]:
    return {str(status): number for status, number in counts.items() if number}


def _folded(events: Iterable[modlog.RecordedEvent]) -> Iterator[str]:
    """The status of each account, from its decoded events."""
    accounts: dict[str | None, dict[int, str]] = {}
    for event in events:
        sanctions = accounts.setdefault(event.account_id, {})
        match event.type:
            case "account.suspended" | "account.deleted":
                sanctions[event.version] = event.type.removeprefix("account.")
            case "account.restored":
                for version in event.data["lifts"]:
                    sanctions.pop(version, None)
    for sanctions in accounts.values():
        yield min(sanctions.values(), default="active")  # "deleted" comes before "suspended"


def _actor(named: dict[str, Any]) -> modlog.Actor:
    return modlog.Actor(**named)
