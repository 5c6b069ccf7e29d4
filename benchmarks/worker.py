"""The process that measures: `python -m benchmarks.worker TASK`, and prints what it found."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import attrs

from benchmarks.places import analyze, size
from benchmarks.systems import opened
from benchmarks.tasks import Measured, Task, peak_memory
from benchmarks.workload import Population, account_id

WRITERS: Final = 4
# Turns that look at growth: with accounts from all over the log, and with neighbours.
GROWTH: Final = "growth"
WAVE: Final = "wave"
# Accounts of each writer that are used before its clock runs: connections, prepared statements.
WARM_UP: Final = 10
# So short that asked once it shows whether what it reads is still in the processor's caches.
REPEATED: Final = {"as_of": 5}
# How the accounts of a population must be after each operation.
_LEAVES: Final = {
    "fill_population": {"deleted": False},
    "create": {"deleted": False, "marked": False},
    "sweep": {"deleted": True},
    "plan": {"deleted": True},
    "undo": {"deleted": False},
}


def main() -> None:
    task = Task.loaded(sys.argv[1])
    if task.operation.startswith("fill_"):
        _fill(task)
        return
    before = peak_memory()
    system: Any = None
    if task.operation == "writers":
        measured, durability = _writers(task), ""
    else:
        system = opened(task.system, task.place)
        durability = system.durability()
        before = peak_memory()
        if task.operation == "size":
            measured = Measured(task.n, 0.0, size=size(task.place))
        elif task.operation == "command":
            measured = Measured(task.n, _seconds(system, _accounts(task.first, task.n)))
        else:
            measured = _asked(getattr(system, task.operation), task)
    growth = round(peak_memory() - before, 1)
    _check(system, task)
    by_hand = task.operation in getattr(system, "by_hand", ())
    more = {"growth_mb": growth, "durability": durability, "by_hand": by_hand}
    print(json.dumps(attrs.asdict(measured) | more))


def _asked(act: Callable[[Task], Measured], task: Task) -> Measured:
    times = [act(task) for _ in range(REPEATED.get(task.operation, 1))]
    return attrs.evolve(
        times[0],
        count=sum(one.count for one in times),
        seconds=sum(one.seconds for one in times),
    )


def _fill(task: Task) -> None:
    system = opened(task.system, task.place)
    getattr(system, task.operation)(task)
    analyze(task.place)
    _check(system, task)


def _check(system: Any, task: Task) -> None:
    if task.operation in _LEAVES:
        system.check(Population(task.n), **_LEAVES[task.operation])


def accounts_needed(commands: int) -> int:
    """How many accounts so many commands are for: two for each, and those of the warm-up."""
    return commands // 2 + WARM_UP


def _accounts(first: int, commands: int) -> list[str]:
    return [account_id(first + number) for number in range(accounts_needed(commands))]


def _seconds(system: Any, accounts: list[str], start: Any = None) -> float:
    system.commands(accounts[:WARM_UP])
    if start:
        start.wait(timeout=20)  # one that fails must not keep the others
    since = time.perf_counter()
    system.commands(accounts[WARM_UP:])
    return time.perf_counter() - since


def _writers(task: Task) -> Measured:
    """Writers at once, a process with so many commands each; until the slowest is through."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(WRITERS), context.Queue()
    processes = [
        context.Process(
            target=_writer,
            args=(task, task.first + number * accounts_needed(task.n), task.n, start, results),
        )
        for number in range(WRITERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return Measured(WRITERS * task.n, max(results.get(timeout=1) for _ in processes))


def _writer(task: Task, first: int, commands: int, start: Any, results: Any) -> None:
    system = opened(task.system, task.place)
    results.put(_seconds(system, _accounts(first, commands), start))


if __name__ == "__main__":
    main()
