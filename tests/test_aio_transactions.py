"""Transactions of `modlog.aio`: bound to their task, and what is left where one is cancelled."""

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from itertools import count

import psycopg
import pytest

import modlog
from modlog import Actor, Guardrails, Selection, StoreError, StoreUnavailableError
from modlog._storage.database import Pool
from modlog.aio import AsyncModLog
from tests import places

WAN = Actor.human("wan")
FILES = [kind for kind in places.KINDS if kind != "sqlite-memory"]


class Hold:
    """A rule that holds each command up whose account is called held, in the ledger's thread."""

    def __init__(self):
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __call__(self, account, command):
        if account.id == "held" and command != "create":
            self.reached.set()
            assert self.let_go.wait(timeout=60)


@asynccontextmanager
async def opened(place, **options):
    """A ledger with the accounts a, b and held."""
    with modlog.acting(WAN, reason="clean-up"):
        log = await asyncio.to_thread(place.open, **options)
        for account_id in ("a", "b", "held"):
            log.create(account_id)
        async with AsyncModLog(log) as opened:
            yield opened
            assert (await opened.verify()).ok


async def types(log):
    return [event.type async for event in log.events(Selection(after_position=3))]


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def failed(log, account_id):
    """A transaction that ends with an error."""
    with suppress(LookupError):
        async with log.transaction():
            await log.suspend(account_id)
            raise LookupError


async def turns(number=20):
    for _ in range(number):
        await asyncio.sleep(0)


# Bound to its task


def test_a_transaction_is_recorded_whole_or_not_at_all(place):
    async def main():
        async with opened(place) as log:
            async with log.transaction():
                await log.flag("a", "spam")
                await log.delete("a")
                assert (await log.account("a")).status == "deleted"
                assert [event.type async for event in log.events()][-1] == "account.deleted"
            await failed(log, "a")
            first, second = await log.history("a"), await types(log)
            assert second == ["account.flagged", "account.deleted"]
            assert first[-1].recorded_at == first[-2].recorded_at

    asyncio.run(main())


def test_an_error_that_is_caught_in_the_block_leaves_the_rest(place):
    async def main():
        async with opened(place) as log:
            async with log.transaction():
                await log.flag("a", "spam")
                with pytest.raises(modlog.NothingInForceError):
                    await log.restore("a")
                await failed(log, "b")
                async with log.transaction():
                    await log.note("a", "text")
            assert await types(log) == ["account.flagged", "account.noted"]

    asyncio.run(main())


def test_the_error_of_the_block_keeps_its_traceback(place):
    async def main():
        async with opened(place) as log:
            with pytest.raises(LookupError) as caught:
                async with log.transaction():
                    await failing()
            assert "failing" in [entry.name for entry in caught.traceback]

    async def failing():
        raise LookupError

    asyncio.run(main())


def test_a_dry_run_leaves_nothing(place):
    async def main():
        async with opened(place) as log:
            async with log.transaction(dry_run=True):
                await log.delete("a")
                assert (await log.account("a")).status == "deleted"
            assert await types(log) == []
            with pytest.raises(modlog.InvalidInputError, match="dry run"):
                async with log.transaction(), log.transaction(dry_run=True):
                    pass

    asyncio.run(main())


@pytest.mark.parametrize("kind", FILES)
def test_a_command_of_another_task_is_no_part_of_it(kind):
    async def other(log):
        assert (await log.account("a")).status == "active"  # what is recorded
        return await log.flag("a", "spam")

    async def main(place):
        async with opened(place) as log:
            with suppress(LookupError):
                async with log.transaction():
                    await log.delete("a")
                    task = asyncio.create_task(other(log))
                    await log.note("a", "text")
                    await turns()
                    assert not task.done()
                    raise LookupError
            assert (await task).version == 2
            assert await types(log) == ["account.flagged"]

    with places.fresh(kind, reuse=True) as place:
        asyncio.run(main(place))


def test_what_its_task_calls_is_part_of_it_whoever_awaits_it(place):
    async def main():
        async with opened(place) as log:
            with suppress(LookupError):
                async with log.transaction():
                    await asyncio.gather(log.delete("a"), log.delete("b"))
                    await asyncio.wait_for(log.note("a", "text"), 60)
                    async with asyncio.TaskGroup() as group:
                        group.create_task(log.note("b", "text"))
                    assert (await log.count())[modlog.Status.DELETED] == 2
                    raise LookupError
            assert await types(log) == []

    asyncio.run(main())


def test_what_is_awaited_after_the_block_is_refused(place):
    async def main():
        async with opened(place) as log:
            async with log.transaction():
                late = log.delete("a")
                left = asyncio.create_task(log.delete("b"))
            for call in (late, left):
                with pytest.raises(modlog.InvalidInputError, match="has ended meanwhile"):
                    await call
            assert await types(log) == []

    asyncio.run(main())


def test_transactions_of_many_tasks_take_turns(place):
    async def one(log, number):
        async with log.transaction():
            await log.note("a", f"{number}")
            await turns(3)
            await log.note("b", f"{number}")

    async def main():
        async with opened(place) as log:
            await asyncio.gather(*(one(log, number) for number in range(30)))
            a, b = await log.history("a"), await log.history("b")
            assert [event.data["text"] for event in a[1:]] == [e.data["text"] for e in b[1:]]
            assert len(a) == 31

    asyncio.run(main())


@pytest.mark.parametrize("wait", ["command", "transaction"])
def test_who_waits_for_another_task_is_told_when_it_takes_too_long(place, wait):
    async def main():
        async with opened(place, lock_timeout=0.05) as log, log.transaction():
            await log.delete("a")
            with pytest.raises(StoreUnavailableError, match="the lock_timeout"):
                await asyncio.create_task(waiting(log))
            await log.note("a", "text")

    async def waiting(log):
        if wait == "command":
            await log.delete("b")
        async with log.transaction():
            pass

    asyncio.run(main())


@pytest.mark.parametrize("kind", FILES)
def test_commands_that_wait_for_a_thread_are_told_as_well(kind, monkeypatch):
    """None of them waits for all the others one after another."""

    async def main(place):
        async with opened(place, lock_timeout=0.2) as log, log.transaction():
            waiting = [asyncio.create_task(note(log)) for _ in range(60)]
            for error in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(error, StoreUnavailableError)
            assert len(asked) < 20

    async def note(log):
        await log.note("a", "text")

    asked: list[str] = []
    own = modlog.ModLog._record

    def record(self, name, *args):
        asked.append(name)
        return own(self, name, *args)

    monkeypatch.setattr(modlog.ModLog, "_record", record)
    with places.fresh(kind, reuse=True) as place:
        asyncio.run(main(place))


# Within your own


@contextmanager
def connected(place):
    if place.kind == "postgres":
        with psycopg.connect(place.url, options=f"-csearch_path={place.schema}") as connection:
            yield connection
    else:
        path = place.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, check_same_thread=False)) as own:
            yield own


@pytest.mark.parametrize("kind", FILES)
def test_commands_are_part_of_a_transaction_of_your_own(kind):
    async def main(place):
        async with opened(place, lock_timeout=0.05) as log:
            with connected(place) as connection:
                async with log.within(connection):
                    await log.delete("a")
                    await asyncio.to_thread(connection.execute, "CREATE TABLE own (id INTEGER)")
                for wait in (log.note("a", "other"), within_a_transaction(log)):
                    with pytest.raises(StoreUnavailableError, match="another thread or process"):
                        await wait
                connection.rollback()
                async with log.within(connection):
                    await log.flag("a", "spam")
                connection.commit()
            assert await types(log) == ["account.flagged"]

    with places.fresh(kind, reuse=True) as place:
        asyncio.run(main(place))


async def within_a_transaction(log):
    async with log.transaction():
        await log.note("a", "text")


def test_an_asynchronous_connection_is_refused(postgres_url, schema):
    async def main():
        connection = await psycopg.AsyncConnection.connect(postgres_url)
        async with modlog.aio.open(postgres_url, schema=schema, create=True) as log, connection:
            with pytest.raises(modlog.InvalidInputError, match="not AsyncConnection"):
                async with log.within(connection):
                    pass

    asyncio.run(main())


# Cancelled


def test_between_commands(place):
    async def deleting(log, started):
        async with log.transaction():
            await log.delete("a")
            started.set()
            await asyncio.Event().wait()

    async def main():
        async with opened(place) as log:
            started = asyncio.Event()
            task = asyncio.create_task(deleting(log, started))
            await started.wait()
            await cancelled(task)
            await log.note("a", "text")  # nobody holds the lock
            assert await types(log) == ["account.noted"]

    asyncio.run(main())


def test_in_a_command_of_a_transaction(place):
    """The block ends when the command has, and nothing is left of it."""
    hold = Hold()

    async def deleting(log):
        async with log.transaction():
            await log.delete("a")
            await log.delete("held")

    async def main():
        async with opened(place, guardrails=Guardrails(rules=[hold])) as log:
            task = asyncio.create_task(deleting(log))
            await asyncio.to_thread(hold.reached.wait)
            task.cancel()
            await turns()
            assert not task.done()
            task.cancel()  # once more, which changes nothing
            await turns()
            assert not task.done()
            hold.let_go.set()
            await cancelled(task)
            assert await types(log) == []

    asyncio.run(main())


def test_in_a_command_by_itself(place):
    """It goes on in its thread: whether it was recorded, its key tells."""
    hold = Hold()

    async def main():
        async with opened(place, guardrails=Guardrails(rules=[hold])) as log:
            task = asyncio.create_task(log.delete("held", idempotency_key="k"))
            await asyncio.to_thread(hold.reached.wait)
            await cancelled(task)
            hold.let_go.set()
            event = await log.delete("held", idempotency_key="k")
            assert await types(log) == ["account.deleted"]
            assert event.version == 2

    asyncio.run(main())


def test_in_a_command_that_no_thread_has_begun(place):
    hold = Hold()

    async def main():
        async with opened(place, guardrails=Guardrails(rules=[hold])) as log:
            busy = [asyncio.create_task(log.flag("held", "x")) for _ in range(8)]
            await asyncio.to_thread(hold.reached.wait)
            last = asyncio.create_task(log.delete("a"))
            await turns()
            await cancelled(last)
            hold.let_go.set()
            await asyncio.gather(*busy)
            assert await types(log) == ["account.flagged"] * 8

    asyncio.run(main())


def test_while_a_transaction_waits_for_the_lock(place):
    """The task goes on at once; its thread gives the lock back when it gets it."""
    holding, let_go = threading.Event(), threading.Event()

    def hold(log):
        with log.transaction():
            holding.set()
            assert let_go.wait(timeout=60)

    async def deleting(log):
        async with log.transaction():
            await log.delete("a")

    async def main():
        async with opened(place) as log:
            holder = asyncio.ensure_future(asyncio.to_thread(hold, log.sync))
            await asyncio.to_thread(holding.wait)
            for _ in range(5):
                waiting = [asyncio.create_task(deleting(log)) for _ in range(10)]
                await turns()
                for task in waiting:
                    await cancelled(task)
            threads = [one for one in threading.enumerate() if "transaction" in one.name]
            assert len(threads) == 1  # the others wait in the loop
            let_go.set()
            await holder
            async with log.transaction():
                await log.note("a", "text")
            assert await types(log) == ["account.noted"]

    asyncio.run(main())


def test_amid_the_commit(place, monkeypatch):
    """It is recorded, as a commit is not stopped, and the task is told that it was cancelled."""
    reached, let_go = threading.Event(), threading.Event()
    own = modlog.ModLog.transaction

    @contextmanager
    def slow(log, **options):
        with own(log, **options):
            yield
            reached.set()
            assert let_go.wait(timeout=60)

    monkeypatch.setattr(modlog.ModLog, "transaction", slow)

    async def deleting(log):
        async with log.transaction():
            await log.delete("a")

    async def main():
        async with opened(place) as log:
            task = asyncio.create_task(deleting(log))
            await asyncio.to_thread(reached.wait)
            task.cancel()
            await turns()
            assert not task.done()
            let_go.set()
            await cancelled(task)
            assert await types(log) == ["account.deleted"]

    asyncio.run(main())


def test_a_command_that_times_out_spoils_its_transaction(place):
    """Nobody knows whether it is part of it."""
    hold = Hold()

    async def main():
        async with opened(place, guardrails=Guardrails(rules=[hold])) as log:
            with pytest.raises(StoreError, match="begin it again"):
                await spoilt(log, hold)
            assert await types(log) == []
            await log.delete("held")

    asyncio.run(main())


async def spoilt(log, hold):
    async with log.transaction():
        await log.delete("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log.delete("held"), 0.01)
        hold.let_go.set()
        for call in (log.note("a", "text"), log.count()):
            with pytest.raises(StoreError, match="begin it again"):
                await call


def test_a_question_that_times_out_spoils_nothing(place):
    hold = Hold()

    def asked(account):
        hold(account, "")

    async def main():
        async with opened(place) as log:
            async with log.transaction():
                await log.delete("a")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(log.bisect("held", asked), 0.01)
                hold.let_go.set()
                await log.delete("b")
            assert await types(log) == ["account.deleted"] * 2

    asyncio.run(main())


def test_what_tells_of_its_progress_stops(place):
    """An import without end stops at its next chunk."""
    read, ended = threading.Event(), threading.Event()

    def endless():
        try:
            for number in count():
                yield {"do": "create", "account_id": f"{number}", "at": "2024-01-01T00:00:00Z"}
                if number == 50:
                    read.set()
        finally:
            ended.set()

    async def main():
        async with opened(place) as log:
            task = asyncio.create_task(log.ingest(endless(), chunk=10))
            await asyncio.to_thread(read.wait)
            await cancelled(task)
            assert await asyncio.to_thread(ended.wait, 60)

    asyncio.run(main())


def test_its_own_report_of_progress_is_called_too(place):
    async def main():
        told: list[int] = []
        async with opened(place) as log:
            records = [
                {"do": "create", "account_id": f"new {number}", "at": "2024-01-01T00:00:00Z"}
                for number in range(30)
            ]
            await log.ingest(records, None, 10, lambda outcome: told.append(outcome.recorded))
            assert told == [10, 20, 30]
            with pytest.raises(modlog.InvalidInputError, match="progress"):
                await log.verify(progress="loud")

    asyncio.run(main())


def test_no_connection_is_left_behind(place):
    """However tasks end."""

    async def one(log, number):
        async with log.transaction():
            await log.note("a", f"{number}")
            await turns(number)
            await log.note("b", f"{number}")

    async def main():
        async with opened(place) as log:
            tasks = [asyncio.create_task(one(log, number)) for number in range(20)]
            for task in tasks[::2]:
                await turns(15)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            pool = log.sync._work.database._pool
            assert isinstance(pool, Pool)
            assert pool._in_use == []
            for thread in threading.enumerate():
                if thread.name.startswith("modlog-transaction"):
                    thread.join(60)
                    assert not thread.is_alive()

    asyncio.run(main())
