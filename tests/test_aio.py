"""`modlog.aio`: the surface of a ledger, its threads, and what streams."""

import asyncio
import inspect
import sqlite3
import sys
import threading
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from io import BytesIO
from tempfile import TemporaryDirectory

import pytest

import modlog
from modlog import Actor, Guardrails, Selection
from modlog._storage import recorder
from modlog.aio import (
    AsyncImpact,
    AsyncModLog,
    AsyncReconciliation,
    AsyncReport,
    AsyncRevertPlan,
    AsyncSweepOutcome,
    AsyncSweepPlan,
    AsyncView,
)
from modlog.aio._streams import Stream
from modlog.aio._threads import Threads
from tests import places
from tests.test_nasty_arguments import NOT_HERE

WAN = Actor.human("wan")
LONG_AGO = "2024-01-01T00:00:00Z"


@asynccontextmanager
async def opened(place, **options):
    """A ledger of this place, with somebody who acts."""
    with modlog.acting(WAN, reason="clean-up"):
        async with AsyncModLog(await asyncio.to_thread(place.open, **options)) as log:
            yield log


# The surface

BESIDE = {
    modlog.ModLog: AsyncModLog,
    modlog.View: AsyncView,
    modlog.RevertPlan: AsyncRevertPlan,
    modlog.SweepPlan: AsyncSweepPlan,
    modlog.SweepOutcome: AsyncSweepOutcome,
    modlog.Impact: AsyncImpact,
    modlog.Report: AsyncReport,
    modlog.Reconciliation: AsyncReconciliation,
}
# Of the eventsourcing library, whose programs run in threads; attributes that say where a view is.
NOT_AWAITED = {"ModLog.recorder", "View.is_of_now"}


def public_names(cls) -> set[str]:
    names = {name for name in (*dir(cls), *cls.__annotations__) if not name.startswith("_")}
    return {name for name in names if f"{cls.__name__}.{name}" not in {*NOT_HERE, *NOT_AWAITED}}


def own_methods(cls) -> set[str]:
    return {name for name in public_names(cls) if inspect.isfunction(getattr(cls, name, None))}


@pytest.mark.parametrize("cls", BESIDE)
def test_nothing_public_is_forgotten(cls):
    more = {"sync"} if cls is modlog.ModLog else set()
    kept = {"names_from", "ingest_numbered", "ingest"} if cls is modlog.ModLog else set()
    assert public_names(BESIDE[cls]) == public_names(cls) | more | kept


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls in BESIDE for name in sorted(own_methods(cls))]
)
def test_a_method_takes_what_the_ledger_s_own_takes(cls, name):
    own = inspect.signature(getattr(cls, name)).parameters
    awaited = inspect.signature(getattr(BESIDE[cls], name)).parameters
    assert [str(one).partition(":")[0] for one in own.values()] == [
        str(one).partition(":")[0] for one in awaited.values()
    ]
    assert [one.kind for one in own.values()] == [one.kind for one in awaited.values()]
    assert [one.default for one in own.values()] == [one.default for one in awaited.values()]


@pytest.mark.parametrize("method", [AsyncModLog.note, AsyncModLog.verify, AsyncView.as_of])
def test_a_method_is_known_to_be_awaited(method):
    """By frameworks, which call other functions in threads."""
    asked = inspect if sys.version_info >= (3, 12) else asyncio
    assert asked.iscoroutinefunction(method)


def test_opening_takes_what_modlog_open_takes():
    own, awaited = inspect.signature(modlog.open), inspect.signature(modlog.aio.open)
    assert own.parameters == awaited.parameters


@pytest.mark.parametrize("cls", [cls for cls in BESIDE if cls not in (modlog.ModLog, modlog.View)])
def test_an_attribute_is_of_the_type_of_the_ledger_s_own(cls):
    for name, told in BESIDE[cls].__annotations__.items():
        thing = getattr(cls, name, None)
        own = thing.fget.__annotations__["return"] if isinstance(thing, property) else None
        assert told == (own or cls.__annotations__[name]), name


def test_what_is_misspelt_is_no_attribute(place):
    async def main():
        async with opened(place) as log:
            plan = await log.plan_sweep(["a"], "delete")
            with pytest.raises(AttributeError, match="AsyncSweepPlan has no attribute 'sise'"):
                _ = plan.sise
            with pytest.raises(AttributeError):
                plan.size = 3

    asyncio.run(main())


# Every call in one of the ledger's threads


@contextmanager
def threads_seen(log: AsyncModLog):
    """The threads in which the database was used in the block."""
    database, seen = type(log.sync._work.database), set()
    names = ("reading", "joining")
    own = {name: getattr(database, name) for name in names}

    def watched(name):
        def called(*args, **given):
            seen.add(threading.current_thread())
            return own[name](*args, **given)

        return called

    for name in names:
        setattr(database, name, watched(name))
    try:
        yield seen
    finally:
        for name in names:
            setattr(database, name, own[name])


async def whole(stream):
    return [one async for one in stream]


async def within_a_transaction(log):
    async with log.transaction():
        await log.note("a", "text")


async def looked_at(plan):
    """All of a sweep's plan that has to be looked up."""
    await plan.statuses, await plan.refusals, await plan.protected
    await plan.outliers(), await plan.sample(), await plan.reverted()
    await whole(plan.targets())
    await whole(plan.outcomes())


async def swept(log):
    plan = await log.plan_sweep(["a", "b"], "flag", label="x", batch_id="sweep")
    await looked_at(plan)
    if plan.needs_approval:
        await plan.approve(actor=Actor.human("mei"))
    await whole((await plan.execute()).accounts())
    await log.resume("sweep")
    await (await log.plan_sweep(["a"], "flag", label="y", batch_id="other")).reject(
        actor=Actor.human("mei")
    )


async def reverted(log):
    plan = await log.plan_revert(Selection(account_id="b", type="account.flagged"))
    assert plan.accounts == 1
    await whole(plan.lines())
    await plan.apply()


async def viewed(log):
    view = await (await log.as_of(4)).without(Selection(type="account.flagged"))
    view = await view.with_([{"do": "note", "account_id": "a", "text": "t"}])
    view = await view.as_of(3)
    await view.account("a"), await view.count(), await view.history("a"), await view.statement("a")
    await whole(view.accounts())
    await whole(log.diff(view, log))


def own_tables():
    """A platform's own database, for any thread, with nothing in it yet."""
    own = sqlite3.connect(":memory:", check_same_thread=False)
    own.executescript(
        "CREATE TABLE tracking (projection TEXT PRIMARY KEY, position BIGINT NOT NULL);"
        "INSERT INTO tracking VALUES ('seen', 0); CREATE TABLE seen (position BIGINT)"
    )
    return own


def see(cursor, event):
    cursor.execute("INSERT INTO seen VALUES (?)", (event.position,))


def seen_in(own):
    return [position for (position,) in own.execute("SELECT position FROM seen")]


async def projected(log):
    with closing(own_tables()) as own:
        head = await log.head
        assert await log.project(see, own, "seen", follow=False) == head
        assert seen_in(own) == list(range(1, head + 1))


async def compared(log):
    """Differences, with what was found so far; progress comes while they are asked for."""
    seen: list[int] = []
    rows = [{"account_id": id_, "status": "active"} for id_ in "abd"]
    found = await log.reconcile(rows, progress=lambda so_far: seen.append(so_far.total))
    assert (found.total, found.same, seen) == (0, True, [])
    kinds = [(one.kind, one.account_id) async for one in found]
    assert kinds == [("unknown here", "d"), ("unknown there", "c")]
    assert (found.total, found.same, found.counts.total(), seen) == (3, False, 2, [3])


async def archived(log):
    with TemporaryDirectory() as folder:
        assert (await log.archive(folder)).last == await log.head


async def sealed(log):
    outcome = await log.seal(modlog.SigningKey.generate("example.com/ledger"))
    assert (await log.prove(1)).size == outcome.size
    assert (await log.prove_consistency(outcome)).size == outcome.size
    with TemporaryDirectory() as folder:
        assert (await log.bundle(folder)).size == outcome.size


async def reported(log):
    report = await log.report()
    assert [line.impact for line in report.lines] == await whole(report.impact.lines())
    assert await whole((await log.impact()).lines()) == await whole(report.impact.lines())


CALLS = {
    "create": lambda log: log.create("new", {"nickname": "Lei"}),
    "change_profile": lambda log: log.change_profile("a", {"nickname": "Lei"}),
    "flag": lambda log: log.flag("a", "spam"),
    "clear_flags": lambda log: log.clear_flags("b"),
    "suspend": lambda log: log.suspend("a"),
    "delete": lambda log: log.delete("a"),
    "restore": lambda log: log.restore("c"),
    "protect": lambda log: log.protect("a"),
    "unprotect": lambda log: log.unprotect("a"),
    "note": lambda log: log.note("a", "text"),
    "transaction": within_a_transaction,
    "account": lambda log: log.account("a"),
    "accounts": lambda log: whole(log.accounts()),
    "count": lambda log: log.count(),
    "head": lambda log: log.head,
    "history": lambda log: log.history("a"),
    "events": lambda log: whole(log.events(newest_first=True)),
    "acts": lambda log: whole(log.acts()),
    "subscribe": lambda log: whole(log.subscribe(follow=False)),
    "project": projected,
    "names_from": lambda log: log.names_from("account", "a"),
    "blame": lambda log: log.blame("a"),
    "bisect": lambda log: log.bisect("a", lambda account: account.flags),
    "statement": lambda log: log.statement("a"),
    "stats": lambda log: log.stats(by="day"),
    "impact": lambda log: log.impact(Selection(account_id="a")),
    "report": reported,
    "dsa": lambda log: whole(log.dsa(policies={})),
    "export": lambda log: log.export(BytesIO(), format="jsonl"),
    "to_arrow": lambda log: log.to_arrow(),
    "archive": archived,
    "diff, as_of, without, with_": viewed,
    "now": lambda log: log.now(),
    "wait_for": lambda log: log.wait_for(1),
    "settle": lambda log: log.settle("k"),
    "plan_revert": reverted,
    "revert": lambda log: log.revert(Selection(account_id="b")),
    "plan_sweep, resume": swept,
    "sweep, sweeps": lambda log: whole(log.sweeps()),
    "ingest": lambda log: log.ingest([{"do": "create", "account_id": "new", "at": LONG_AGO}]),
    "adopt": lambda log: log.adopt([{"account_id": "new", "at": None, "status": "deleted"}]),
    "create_many": lambda log: log.create_many([{"account_id": "new"}]),
    "reconcile": compared,
    "verify": lambda log: log.verify(),
    "rebuild": lambda log: log.rebuild(),
    "seal, prove, prove_consistency, bundle": sealed,
}


# These have tests of their own, or are as one of the others.
OTHERS = {"accept_clock", "close", "ingest_numbered", "within"}


def test_no_call_is_forgotten():
    named = {name for names in CALLS for name in names.split(", ")}
    assert named | OTHERS == public_names(modlog.ModLog) | {"ingest", "names_from"} | OTHERS


@pytest.mark.parametrize("name", CALLS)
def test_the_loop_s_thread_does_not_touch_the_database(place, name):
    async def main():
        async with opened(place) as log:
            for account_id in "abc":
                await log.create(account_id)
            await log.flag("b", "spam")
            await log.delete("c")
            await log.plan_sweep(["a"], "flag", label="x")
            with threads_seen(log) as seen:
                await CALLS[name](log)
            # A view of the present reads nothing before it is asked.
            assert bool(seen) == (name != "now")
            assert all(thread.name.startswith("modlog-") for thread in seen)
            assert (await log.verify()).ok

    asyncio.run(main())


def test_the_loop_turns_while_a_command_waits(place):
    """The lock is let go only when it has turned a thousand times."""
    turned, holding = threading.Event(), threading.Event()

    def hold(log):
        with log.transaction():
            holding.set()
            assert turned.wait(timeout=60)

    async def main():
        async with opened(place) as log:
            await log.create("a")
            holder = asyncio.ensure_future(asyncio.to_thread(hold, log.sync))
            await asyncio.to_thread(holding.wait)
            noting = asyncio.ensure_future(log.note("a", "text"))
            deleting = asyncio.ensure_future(within_a_transaction(log))
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert not noting.done()
            assert not deleting.done()
            turned.set()
            await asyncio.gather(holder, noting, deleting)
            assert await log.head == 3

    asyncio.run(main())


@pytest.mark.parametrize("kind", [kind for kind in places.KINDS if kind != "sqlite-memory"])
def test_reads_do_not_wait_for_those_that_write(kind):
    """With all threads of writers waiting for the lock, which an account that is read lets go."""

    async def main(place):
        async with opened(place) as log:
            await log.create("a")
            async with log.transaction():
                writers = [asyncio.ensure_future(log_note(log)) for _ in range(20)]
                await asyncio.sleep(0)
                other = asyncio.ensure_future(read(log))
                assert await other == "active"
            await asyncio.gather(*writers)

    async def log_note(log):
        await log.note("a", "text")

    async def read(log):
        return (await log.account("a")).status

    with places.fresh(kind, reuse=True) as place:
        asyncio.run(main(place))


def test_long_calls_keep_nobody_waiting(place):
    """Ten imports at once, which go on only when others have read and written."""
    begun, done = threading.Barrier(11), threading.Event()

    def records(number):
        yield {"do": "create", "account_id": f"new {number}", "at": LONG_AGO}
        begun.wait(timeout=60)
        assert done.wait(timeout=60)

    async def main():
        async with opened(place) as log:
            await log.create("a")
            imports = [asyncio.ensure_future(log.ingest(records(number))) for number in range(10)]
            await asyncio.to_thread(begun.wait, 60)
            await log.note("a", "text")
            assert (await log.account("a")).status == "active"
            done.set()
            outcomes = await asyncio.gather(*imports)
            assert [one.recorded for one in outcomes] == [1] * 10

    asyncio.run(main())


def test_who_acts_is_known_in_the_threads(place):
    async def act(log, name):
        with modlog.acting(Actor.bot(name), correlation_id=f"request of {name}"):
            async with log.transaction():
                await log.create(name)
            await log.note(name, "text")

    async def main():
        async with opened(place) as log:
            await asyncio.gather(*(act(log, f"bot {number}") for number in range(10)))
            for event in await whole(log.events()):
                assert event.actor == Actor.bot(event.account_id)
                assert event.correlation_id == f"request of {event.account_id}"

    asyncio.run(main())


# Streams


def test_streams_are_what_the_ledger_s_own_are(place):
    async def main():
        async with opened(place, guardrails=Guardrails.off()) as log:
            await log.ingest(
                {"do": "create", "account_id": f"{number:04}", "at": LONG_AGO}
                for number in range(3_000)
            )
            accounts = await whole(log.accounts())
            assert len(accounts) == 3_000
            assert accounts == list(log.sync.accounts())
            events = await whole(log.events())
            assert events == list(log.sync.events())
            assert await whole(log.subscribe(follow=False)) == events
            first = [event async for _, event in numbered(log.events(), 100)]
            assert first == events[:100]

    asyncio.run(main())


async def numbered(stream, limit):
    number = 0
    async for one in stream:
        yield number, one
        number += 1
        if number == limit:
            return


def test_a_stream_that_fails_gives_what_came_before(place):
    def failing():
        yield from range(50)
        raise LookupError

    async def main():
        stream: Stream[int] = Stream(Threads(1.0), failing)
        got: list[int] = []
        with suppress(LookupError):
            async for one in stream:
                got.append(one)
            pytest.fail("no error")
        assert got == list(range(50))
        assert await whole(stream) == []

    asyncio.run(main())


def test_who_is_cancelled_while_he_waits_for_an_event_has_lost_none(place):
    async def main():
        async with opened(place) as log:
            stream = log.subscribe()
            got: list[modlog.RecordedEvent] = []
            writing = asyncio.ensure_future(written(log))
            while len(got) < 50:
                with suppress(TimeoutError):
                    got.append(await asyncio.wait_for(anext(stream), 0.000_1))
            assert [event.position for event in got] == list(range(1, 51))
            await writing

    async def written(log):
        await log.create("a")
        for _ in range(49):
            await log.note("a", "text")

    asyncio.run(main())


def test_a_subscription_is_woken_by_what_the_process_records(place, monkeypatch):
    """By nothing else: it would look again only in an hour."""
    monkeypatch.setattr(recorder.Backoff, "next", lambda self: 3_600.0)

    async def main():
        async with opened(place) as log:
            await log.create("a")
            for act in (
                lambda: log.note("a", "text"),
                lambda: asyncio.to_thread(log.sync.note, "a", "text"),
                lambda: within_a_transaction(log),
            ):
                stream = log.subscribe(after=await log.head)
                waiting = asyncio.ensure_future(anext(stream))
                while not log.sync._work.store.signal._callbacks:
                    await asyncio.sleep(0)
                await act()
                assert (await waiting).type == "account.noted"
                assert log.sync._work.store.signal._callbacks == []

    asyncio.run(main())


def test_a_subscription_ends(place):
    async def main():
        async with opened(place) as log:
            await log.create("a")
            await log.flag("a", "spam")
            assert len(await whole(log.subscribe(timeout=0.01))) == 2
            assert (
                len(
                    await whole(
                        log.subscribe(selection=Selection(type="account.flagged"), follow=False)
                    )
                )
                == 1
            )
            cancelled = asyncio.ensure_future(whole(log.subscribe()))
            await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            waiting = [asyncio.ensure_future(whole(log.subscribe())) for _ in range(20)]
            while len(log.sync._work.store.signal._callbacks) < 20:
                await asyncio.sleep(0)
        for events in await asyncio.gather(*waiting):
            assert [event.version for event in events] == [1, 2]
        assert await whole(log.subscribe()) == []

    asyncio.run(main())


# Opening and closing


def test_after_it_is_closed_everything_says_so(place):
    async def main():
        async with opened(place) as log:
            await log.create("a")
        for call in (log.count(), whole(log.events()), within_a_transaction(log)):
            with pytest.raises(modlog.StoreUnavailableError, match="closed"):
                await call
        await log.close()

    asyncio.run(main())


def test_closing_waits_for_what_is_under_way(place):
    async def main():
        async with opened(place) as log:
            calls = [asyncio.ensure_future(log.create(f"{number}")) for number in range(50)]
            await asyncio.sleep(0)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in ended} <= {modlog.RecordedEvent, modlog.StoreUnavailableError}
        left = {thread.name for thread in threading.enumerate()} - {"modlog-close_0"}
        assert not [name for name in left if name.startswith("modlog-")]

    asyncio.run(main())


def test_closing_inside_a_transaction_is_refused(place):
    async def main():
        async with opened(place) as log, log.transaction():
            with pytest.raises(modlog.InvalidInputError, match="close"):
                await log.close()

    asyncio.run(main())


def test_it_is_opened_by_await_too(place):
    async def main():
        options = {"schema": place.schema, "create": True}
        async with modlog.aio.open(place.url, **options) as log:
            await log.create("a", actor=WAN)
        log = await modlog.aio.open(place.url, **options)
        assert sum((await log.count()).values()) == (place.kind != "sqlite-memory")
        await log.close()

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [None, "sqlite://", AsyncModLog])
def test_only_a_ledger_is_taken_for_one(wrong):
    with pytest.raises(modlog.InvalidInputError, match=r"modlog\.aio\.open"):
        AsyncModLog(wrong)


def test_what_cannot_be_opened_says_why(tmp_path):
    async def main():
        with pytest.raises(modlog.StoreUnavailableError):
            await modlog.aio.open(tmp_path / "no folder" / "ledger.db")
        with pytest.raises(modlog.InvalidUrlError):
            async with modlog.aio.open("mysql://"):
                pass

    asyncio.run(main())


def test_what_was_opened_for_somebody_who_is_gone_is_closed(place, monkeypatch):
    going, gone, closed = threading.Event(), threading.Event(), threading.Event()
    own_open, own_close = modlog.open, modlog.ModLog.close

    def slow_open(*args, **options):
        going.set()
        assert gone.wait(timeout=60)
        return own_open(*args, **options)

    def close(log):
        own_close(log)
        closed.set()

    monkeypatch.setattr("modlog.aio._ledger.open_ledger", slow_open)
    monkeypatch.setattr(modlog.ModLog, "close", close)

    async def main():
        opening = modlog.aio.open(place.url, schema=place.schema, create=True)
        task = asyncio.ensure_future(opening.__aenter__())
        await asyncio.to_thread(going.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gone.set()
        assert await asyncio.to_thread(closed.wait, 60)

    asyncio.run(main())
