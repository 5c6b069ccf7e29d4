"""Commands on a ledger for asyncio: by one task, and by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import modlog
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import account_id
from modlog.aio import AsyncModLog

TASKS: Final = 16
# Accounts that are used before the clock runs: threads, connections, prepared statements.
_WARM_UP: Final = 10


def awaited(log: modlog.ModLog, task: Task, tasks: int) -> Measured:
    """A suspension of each account, and its end, by so many tasks that share the accounts."""
    ids = [account_id(task.first + number) for number in range(task.n // 2 + _WARM_UP)]
    watch = Stopwatch()

    async def main() -> None:
        async with AsyncModLog(log) as opened:
            await _at_once(opened, ids[:_WARM_UP], tasks)
            with watch.running():
                await _at_once(opened, ids[_WARM_UP:], tasks)

    asyncio.run(main())
    return Measured(2 * (len(ids) - _WARM_UP), watch.seconds)


async def _at_once(log: AsyncModLog, ids: list[str], tasks: int) -> None:
    left = iter(ids)
    await asyncio.gather(*(_commands(log, left) for _ in range(tasks)))


async def _commands(log: AsyncModLog, ids: Iterator[str]) -> None:
    moderator = modlog.Actor.human("moderator-1")
    with modlog.acting(moderator, reason="against the rules", policy="spam"):
        for id_ in ids:
            await log.suspend(id_)
            await log.restore(id_)
