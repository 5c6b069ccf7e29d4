"""Two hundred tasks at once on one ledger of `modlog.aio`, many of them cancelled."""

import asyncio
import random
import threading
from contextlib import suppress

import pytest
from attrs import define, field

import modlog
from modlog import Actor, Guardrails, Selection
from modlog.aio import AsyncModLog

TASKS = 200
ACCOUNTS = [f"account {number}" for number in range(20)]
# Longer than the run, so that nobody is told that he has waited too long.
PATIENCE = 600


@define
class Run:
    """What the tasks were told.

    Attributes:
        log: the ledger.
        recorded: positions of events that were acknowledged, by themselves.
        whole: names of transactions that were acknowledged.
        undone: names of those that ended in an error, or were cancelled before their end.
        begun: names of all others: cancelled while they were ending.
        heard: positions that a subscription gave.
    """

    log: AsyncModLog
    recorded: set[int] = field(factory=set)
    whole: set[str] = field(factory=set)
    undone: set[str] = field(factory=set)
    begun: set[str] = field(factory=set)
    heard: list[int] = field(factory=list)

    async def command(self, name: str, chance: random.Random) -> None:
        for number in range(chance.randint(1, 3)):
            key = f"{name} {number}"
            event = await self.log.note(chance.choice(ACCOUNTS), "t", idempotency_key=key)
            self.recorded.add(event.position)
            again = await self.log.note(str(event.account_id), "t", idempotency_key=key)
            assert again == event

    async def transaction(self, name: str, chance: random.Random) -> None:
        self.undone.add(name)
        async with self.log.transaction():
            with modlog.acting(batch_id=name):
                await self.log.note(chance.choice(ACCOUNTS), "t")
                await asyncio.sleep(0)
                await asyncio.gather(
                    *(self.log.flag(chance.choice(ACCOUNTS), "x") for _ in range(2))
                )
                if chance.random() < 0.2:
                    raise LookupError
            self.undone.remove(name)
            self.begun.add(name)
        self.begun.remove(name)
        self.whole.add(name)

    async def questions(self, name: str, chance: random.Random) -> None:
        assert (await self.log.account(chance.choice(ACCOUNTS))).status == "active"
        events = [event.position async for event in self.log.events()]
        assert events == list(range(1, len(events) + 1))
        assert sum((await self.log.count()).values()) == len(ACCOUNTS)

    async def subscription(self, name: str, chance: random.Random) -> None:
        async for event in self.log.subscribe():
            self.heard.append(event.position)


async def tried(act, name: str, chance: random.Random) -> None:
    with suppress(LookupError):
        await act(name, chance)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_whatever_was_acknowledged_is_there_and_nothing_else(place, seed):
    chance = random.Random(seed)
    caught: list[dict] = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, told: caught.append(told))
        with modlog.acting(Actor.bot("many"), reason="all at once"):
            log = await asyncio.to_thread(
                place.open, guardrails=Guardrails.off(), lock_timeout=PATIENCE
            )
            log.ingest(
                {"do": "create", "account_id": one, "at": "2024-01-01T00:00:00Z"}
                for one in ACCOUNTS
            )
            async with AsyncModLog(log) as opened:
                run = Run(opened)
                listening = asyncio.create_task(run.subscription("", chance))
                await at_once(run, chance)
                await check(run)
                head = await opened.head
                while not run.heard or run.heard[-1] < head:
                    await asyncio.sleep(0)
                assert run.heard == list(range(1, head + 1))
            await listening

    asyncio.run(main())
    assert caught == []
    assert not [one for one in threading.enumerate() if one.name.startswith("modlog-read")]


async def at_once(run: Run, chance: random.Random) -> None:
    acts = [run.command, run.transaction, run.transaction, run.questions]
    tasks = [
        asyncio.create_task(tried(chance.choice(acts), f"task {number}", random.Random(number)))
        for number in range(TASKS)
    ]
    left = set(tasks)
    while left:
        for task in chance.sample(sorted(left, key=tasks.index), min(len(left), 2)):
            if chance.random() < 0.4:
                task.cancel()
        await asyncio.wait(left, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
        left = {task for task in left if not task.done()}
    for task in tasks:
        if not task.cancelled():
            assert task.exception() is None, task.exception()
    assert sum(task.cancelled() for task in tasks) > TASKS / 10


async def check(run: Run) -> None:
    assert (await run.log.verify()).ok
    positions = {event.position async for event in run.log.events()}
    assert run.recorded <= positions
    assert run.recorded
    found: dict[str, int] = {}
    async for event in run.log.events(Selection(type=["account.noted", "account.flagged"])):
        if event.batch_id:
            found[event.batch_id] = found.get(event.batch_id, 0) + 1
    assert set(found.values()) == {3}
    assert run.whole
    assert run.whole <= found.keys() <= run.whole | run.begun
    assert run.undone
    assert not run.undone & found.keys()
