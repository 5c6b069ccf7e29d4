"""The plan of a run: each measurement in a process of its own, the systems taking turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from benchmarks import investigations
from benchmarks.investigations import QUESTIONS
from benchmarks.places import Place, Places
from benchmarks.real import BLOCK_LOG, LINES
from benchmarks.systems import PEERS, SYSTEMS, TOGETHER
from benchmarks.systems.awaited import TASKS
from benchmarks.tasks import Task
from benchmarks.worker import GROWTH, WAVE, WRITERS, accounts_needed

Result = dict[str, Any]


@frozen
class Operation:
    """Something that is measured.

    Attributes:
        what: in words, for the table.
        unit: of what is counted.
        works_on: what is there beforehand: "accounts", a "mixed" log, a "population" that is
            new in each round, or nothing.
        systems: those that know it.
        stores: those on which it means something.
        after: the operation on the same population that it presupposes.
    """

    what: str
    unit: str
    works_on: str | None
    systems: tuple[str, ...]
    stores: tuple[str, ...] = ("sqlite", "postgres")
    after: str | None = None


_ALL: Final = tuple(name for name in SYSTEMS if name != TOGETHER)
OPERATIONS: Final = {
    "command": Operation("one durable command", "commands", "accounts", _ALL),
    "writers": Operation(
        f"{WRITERS} writer processes", "commands", "accounts", _ALL, ("postgres",)
    ),
    "aio": Operation("the same by one task of asyncio", "commands", "accounts", ("modlog",)),
    "aio_tasks": Operation(f"by {TASKS} tasks at once", "commands", "accounts", ("modlog",)),
    "create": Operation("creation of accounts", "accounts", None, _ALL),
    "adopt": Operation("adoption of a platform's accounts", "accounts", None, ("modlog", "floor")),
    "sweep": Operation("sweep: all deleted", "accounts", "population", tuple(SYSTEMS)),
    "plan": Operation(
        "plan_revert of the sweep", "accounts", "population", ("modlog",), after="sweep"
    ),
    "undo": Operation("undo of the sweep", "accounts", "population", tuple(SYSTEMS), after="sweep"),
    "as_of": Operation("state of all accounts earlier", "events", "mixed", _ALL),
    "fold": Operation("the same, decoded events folded", "events", "mixed", ("modlog",)),
    "history": Operation("history of one account", "accounts", "mixed", _ALL),
    "actor": Operation("deletions by one actor", "actors", "mixed", ("modlog", "floor", *PEERS)),
    "ingest": Operation("import of mixed records", "records", None, ("modlog", "floor")),
    "request": Operation("requests of Django that write a row", "requests", None, ("modlog",)),
    "real": Operation("import of a real block log", "records", None, ("modlog",)),
    "replay": Operation("full replay", "events", "mixed", ("modlog", "eventsourcing")),
    "export": Operation("export to JSON Lines", "events", "mixed", ("modlog",)),
    "parquet": Operation("export to Parquet", "events", "mixed", ("modlog",)),
    "verify": Operation("verification", "events", "mixed", ("modlog",)),
    "rebuild": Operation("rebuild of the current state", "events", "mixed", ("modlog",)),
    "stats": Operation("figures by actor", "events", "mixed", ("modlog",)),
    "size": Operation("bytes of an event", "events", "mixed", ("modlog", "eventsourcing", *PEERS)),
}

# What the floor writes once more, as modlog has filled it.
REWRITTEN: Final = {"ingest": "import", "adopt": "adopted"}
# Each of these uses up accounts of its own.
_ON_ACCOUNTS: Final = [name for name, one in OPERATIONS.items() if one.works_on == "accounts"]

# What is measured in logs of different sizes.
GROWING: Final = {
    "history_in": "history of one account",
    "command_in": "one durable command",
    "wave_sweep_in": "sweep of 1,000 neighbours",
    "wave_revert_in": "revert of those neighbours",
    "sweep_in": "sweep of 1,000 accounts from all over",
    "revert_in": "revert of those accounts",
}
# What is measured once, of the whole of the largest of these logs.
LARGEST: Final = {
    "verify": "verification",
    "rebuild": "rebuild of the current state",
    "stats": "figures by actor",
}
GROWERS: Final = ("modlog", "floor")  # the floor only of sweeps and reverts
MOST_TURNS: Final = 9  # the smallest of these logs has accounts for no more
LOGS: Final = (50_000, 100_000, 500_000, 5_000_000)


@frozen(kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        n: accounts of a population, records and events of a log.
        commands: durable commands of a turn.
        rounds: turns of each system.
        lines: how many lines of the real block log are loaded; all if there are none given.
        logs: sizes of logs between which the growth of costs is measured.
        investigated: size of the log of which questions are asked; none if 0.
    """

    n: int
    commands: int
    rounds: int
    operations: tuple[str, ...]
    systems: tuple[str, ...]
    stores: tuple[str, ...]
    lines: int | None = None
    logs: tuple[int, ...] = ()
    investigated: int = 0

    @property
    def accounts_a_turn(self) -> int:
        """Accounts that one turn uses up, so that all turns meet equally short histories."""
        return WRITERS * accounts_needed(self.commands)

    def _absent(self) -> Iterator[str]:
        """What cannot be measured, as what it needs is not there."""
        if not BLOCK_LOG.exists():
            yield "real"
        if find_spec("django") is None:
            yield "request"

    def turns(self) -> Iterator[tuple[int, str, str, str]]:
        """Round, store, operation and system, those that are compared next to each other."""
        for round_ in range(self.rounds):
            for store in self.stores:
                for name in self.operations:
                    if name in self._absent():
                        continue
                    operation = OPERATIONS[name]
                    for system in self.systems:
                        can = store in operation.stores and store in SYSTEMS[system].stores
                        if can and system in operation.systems:
                            yield round_, store, name, system


@define
class _Population:
    """Accounts of one system that live for a round, and what has been done to them."""

    round: int
    place: Place
    done: set[str] = field(factory=set)


@define
class Run:
    """A plan under way."""

    plan: Plan
    places: Places
    tell: Callable[[str], object]
    _filled: dict[tuple[str, str, str], Place] = field(factory=dict)
    _populations: dict[tuple[str, str], _Population] = field(factory=dict)
    _answers: dict[tuple[str, str], Any] = field(factory=dict)

    def results(self) -> Iterator[Result]:
        """What was measured, as it comes."""
        yield from self._compared()
        yield from self._growing()
        yield from self._largest()
        yield from self._investigated()

    def _compared(self) -> Iterator[Result]:
        for round_, store, name, system in self.plan.turns():
            self.tell(f"round {round_ + 1} of {self.plan.rounds}: {name}, {system} on {store}")
            measured = self._measured(round_, store, name, system)
            self._check_answer(name, store, measured["answer"])
            turn = {"operation": name, "system": system, "store": store, "round": round_}
            yield turn | {"log": self.plan.n} | measured

    def _growing(self) -> Iterator[Result]:
        """The same operations in logs of different sizes, which take turns as well."""
        for round_ in range(self.plan.rounds if self.plan.logs else 0):
            for store in self.plan.stores:
                for log in self.plan.logs:
                    for name in (GROWTH, WAVE):
                        yield from self._turns_in(name, store, log, round_)

    def _turns_in(self, name: str, store: str, log: int, round_: int) -> Iterator[Result]:
        place = self._large_place(store, log, name)
        for number, system in enumerate(GROWERS):
            first = round_ * len(GROWERS) + number
            if system in self.plan.systems and first < MOST_TURNS:
                self.tell(f"round {round_ + 1}: {name}, {log:,} events, {system} on {store}")
                task = self._task(name, system, place, log, first=first)
                turn = {"operation": name, "system": system, "store": store}
                yield turn | {"round": round_, "log": log} | _run(task)

    def _largest(self) -> Iterator[Result]:
        for store in self.plan.stores if self.plan.logs else ():
            log = max(self.plan.logs)
            for name in LARGEST:
                self.tell(f"{name}: {log:,} events, modlog on {store}")
                task = self._task(name, "modlog", self._large_place(store, log), log)
                turn = {"operation": f"{name} {GROWTH}", "system": "modlog", "store": store}
                yield turn | {"round": 0, "log": log} | _run(task)

    def _investigated(self) -> Iterator[Result]:
        log = self.plan.investigated
        for round_ in range(self.plan.rounds if log else 0):
            for store in self.plan.stores:
                for name, question in QUESTIONS.items():
                    if question.asked:
                        yield from self._asked(name, store, log, round_)

    def _asked(self, name: str, store: str, log: int, round_: int) -> Iterator[Result]:
        """A question to a large log, and the floor's answer to it."""
        place = self._large_place(store, log, investigations.FILL)
        operation = f"{name} {investigations.FILL}"
        for system in investigations.SYSTEMS[: 1 + QUESTIONS[name].has_floor]:
            self.tell(f"round {round_ + 1}: {name}, {log:,} events, {system} on {store}")
            measured = _run(self._task(name, system, place, log))
            self._check_answer(operation, store, measured["answer"])
            turn = {"operation": operation, "system": system, "store": store}
            yield turn | {"round": round_, "log": log} | measured

    def _check_answer(self, name: str, store: str, answer: Any) -> None:
        """Stop the run if a system finds something else than the others."""
        expected = self._answers.setdefault((name, store), answer)
        if answer != expected:
            raise RuntimeError(f"{name} on {store}: one finds {answer}, another {expected}")

    def _measured(self, round_: int, store: str, name: str, system: str) -> Result:
        works_on = OPERATIONS[name].works_on
        if works_on is None:
            rewrites = name in REWRITTEN and system == "floor"
            source = self._filled_place(REWRITTEN[name], "modlog", store) if rewrites else None
            place = self.places.fresh(store)
            sizes = {"real": self.plan.lines or LINES, "request": self.plan.commands}
            n = sizes.get(name, self.plan.n)
            try:
                return _run(self._task(name, system, place, n, source=source))
            finally:
                self.places.drop(place)
        if works_on == "population":
            return self._measured_on_population(round_, store, name, system)
        if works_on == "mixed":
            owner = "modlog" if system == "floor" else system
            place = self._filled_place(works_on, owner, store)
            return _run(self._task(name, system, place, self.plan.n))
        place = self._filled_place(works_on, system, store)
        turn = len(_ON_ACCOUNTS) * round_ + _ON_ACCOUNTS.index(name)
        first = turn * self.plan.accounts_a_turn
        return _run(self._task(name, system, place, self.plan.commands, first=first))

    def _measured_on_population(self, round_: int, store: str, name: str, system: str) -> Result:
        population = self._populations.get((store, system))
        if population is None or population.round != round_:
            population = self._new_population(round_, store, system)
        before = OPERATIONS[name].after
        if before and before not in population.done:
            self._measured_on_population(round_, store, before, system)
        population.done.add(name)
        return _run(self._task(name, system, population.place, self.plan.n))

    def _new_population(self, round_: int, store: str, system: str) -> _Population:
        if (store, system) in self._populations:
            self.places.drop(self._populations[store, system].place)
        self.tell(f"filling: population, {system} on {store}")
        population = _Population(round_, self.places.fresh(store))
        self._populations[store, system] = population
        _run(self._task("fill_population", system, population.place, self.plan.n))
        return population

    def _task(self, operation: str, system: str, place: Place, n: int, **more: Any) -> Task:
        return Task(operation=operation, system=system, place=place, n=n, **more)

    def _filled_place(self, works_on: str, system: str, store: str) -> Place:
        key = (works_on, system, store)
        if key not in self._filled:
            self.tell(f"filling: {works_on}, {system} on {store}")
            place = self._filled[key] = self.places.fresh(store)
            n = (
                self.plan.n
                if works_on in ("mixed", *REWRITTEN.values())
                else len(_ON_ACCOUNTS) * self.plan.rounds * self.plan.accounts_a_turn
            )
            _run(self._task(f"fill_{works_on}", system, place, n))
        return self._filled[key]

    def _large_place(self, store: str, log: int, name: str = GROWTH) -> Place:
        key = (name, str(log), store)
        if key not in self._filled:
            self.tell(f"filling: {log:,} events on {store}")
            self._filled[key] = self.places.fresh(store)
            fill = name if name == investigations.FILL else GROWTH
            _run(self._task(f"fill_{fill}", "modlog", self._filled[key], log))
        return self._filled[key]


def _run(task: Task) -> Result:
    """What a process of its own measured; nothing, if it only filled."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", task.dumped()],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env=os.environ,
        check=True,
        text=True,
    )
    return json.loads(done.stdout) if done.stdout else {}
