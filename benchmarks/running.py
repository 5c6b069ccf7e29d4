"""The plan of a run: each measurement in a process of its own, the systems taking turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from benchmarks.places import Place, Places
from benchmarks.systems import SYSTEMS
from benchmarks.tasks import Task
from benchmarks.worker import WRITERS, accounts_needed

Result = dict[str, Any]


@frozen
class Operation:
    """Something that is measured.

    Attributes:
        what: in words, for the table.
        unit: of what is counted.
        works_on: what is there beforehand: "accounts", a "mixed" log, or nothing.
        systems: those that know it.
        stores: those on which it means something.
    """

    what: str
    unit: str
    works_on: str | None
    systems: tuple[str, ...]
    stores: tuple[str, ...] = ("sqlite", "postgres")


OPERATIONS: Final = {
    "command": Operation("one durable command", "commands", "accounts", tuple(SYSTEMS)),
    "writers": Operation(
        f"{WRITERS} writer processes", "commands", "accounts", tuple(SYSTEMS), ("postgres",)
    ),
    "ingest": Operation("import of mixed records", "records", None, ("modlog", "floor")),
    "replay": Operation("full replay", "events", "mixed", ("modlog", "eventsourcing")),
    "verify": Operation("verification", "events", "mixed", ("modlog",)),
    "rebuild": Operation("rebuild of the current state", "events", "mixed", ("modlog",)),
}


@frozen(kw_only=True)
class Plan:
    """What is to be measured."""

    n: int
    commands: int
    rounds: int
    operations: tuple[str, ...]
    systems: tuple[str, ...]
    stores: tuple[str, ...]

    @property
    def accounts_a_turn(self) -> int:
        """Accounts that one turn uses up, so that all turns meet equally short histories."""
        return accounts_needed(self.commands, WRITERS)

    def turns(self) -> Iterator[tuple[int, str, str, str]]:
        """Round, store, operation and system, those that are compared next to each other."""
        for round_ in range(self.rounds):
            for store in self.stores:
                for name in self.operations:
                    operation = OPERATIONS[name]
                    for system in self.systems:
                        if system in operation.systems and store in operation.stores:
                            yield round_, store, name, system


@define
class Run:
    """A plan under way."""

    plan: Plan
    places: Places
    tell: Callable[[str], object]
    _filled: dict[tuple[str, str, str], Place] = field(factory=dict)

    def results(self) -> Iterator[Result]:
        """What was measured, as it comes."""
        for round_, store, name, system in self.plan.turns():
            self.tell(f"round {round_ + 1} of {self.plan.rounds}: {name}, {system} on {store}")
            measured = self._measured(round_, store, name, system)
            yield {
                "operation": name,
                "system": system,
                "store": store,
                "round": round_,
                "log": self.plan.n,
                **measured,
            }

    def _measured(self, round_: int, store: str, name: str, system: str) -> Result:
        works_on = OPERATIONS[name].works_on
        if works_on is None:
            source = self._filled_place("mixed", "modlog", store) if system == "floor" else None
            place = self.places.fresh(store)
            try:
                return _run(self._task(name, system, place, self.plan.n, source=source))
            finally:
                self.places.drop(place)
        place = self._filled_place(works_on, system, store)
        if works_on == "mixed":
            return _run(self._task(name, system, place, self.plan.n))
        turn = 2 * round_ + (name == "writers")
        first = turn * self.plan.accounts_a_turn
        return _run(self._task(name, system, place, self.plan.commands, first=first))

    def _task(self, operation: str, system: str, place: Place, n: int, **more: Any) -> Task:
        return Task(operation=operation, system=system, place=place, n=n, **more)

    def _filled_place(self, works_on: str, system: str, store: str) -> Place:
        key = (works_on, system, store)
        if key not in self._filled:
            self.tell(f"filling: {works_on}, {system} on {store}")
            place = self._filled[key] = self.places.fresh(store)
            n = (
                self.plan.n
                if works_on == "mixed"
                else 2 * self.plan.rounds * self.plan.accounts_a_turn
            )
            _run(self._task(f"fill_{works_on}", system, place, n))
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
