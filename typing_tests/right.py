"""What a platform writes: no type checker has anything to say, and each knows the types."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Unpack, assert_type

from fastapi import Depends, FastAPI

import modlog
import modlog.asgi
from modlog import Actor, Given, Selection, Status
from modlog.aio import AsyncModLog

LATER = datetime(2027, 1, 1, tzinfo=UTC)


def commands(log: modlog.ModLog) -> None:
    with modlog.acting(Actor.human("wan"), reason="spam", policy="p", metadata={"ip": "::1"}):
        assert_type(log.create("110018", profile={"nickname": "Lei"}), modlog.RecordedEvent)
        log.suspend("110018", until=LATER, batch_id="b", occurred_at=LATER, confidence=0.5)
        log.flag("110018", label="spam", score=0.9, idempotency_key="k", expected_version=2)
        log.restore("110018", lifts=[2], correlation_id="ticket-7", reason=None)
    with modlog.acting(batch_id="b"), modlog.acting(reason=None), log.transaction(dry_run=True):
        log.delete("110018", actor=Actor.bot("b", version="1"), reason="spam")


def suspended(log: modlog.ModLog, account_id: str, **given: Unpack[Given]) -> modlog.RecordedEvent:
    """A platform's own command, which takes what every command takes."""
    return log.suspend(account_id, **given)


def questions(log: modlog.ModLog) -> None:
    account = log.account("110018")
    assert_type(account, modlog.Account)
    assert_type(account.status, Status)
    assert_type(account.profile, Mapping[str, Any])
    assert_type(account.flags, Mapping[int, str])
    assert_type(account.sanctions[2].until, datetime | None)
    assert_type(account.as_dict(), dict[str, Any])
    assert_type(
        log.accounts(status=["active", Status.DELETED], flagged=True), Iterator[modlog.Account]
    )
    assert_type(log.count()[Status.ACTIVE], int)
    for event in log.subscribe(after=log.head, timeout=1.5, selection=Selection(actor="wan")):
        assert_type(event.type, str)
        assert_type(event.data, Mapping[str, Any])
    assert_type(log.as_of(LATER, clock="occurred").without(Selection(batch_id="b")), modlog.View)
    assert_type(
        log.bisect("110018", lambda account: account.protected), modlog.RecordedEvent | None
    )


def selections(names: Mapping[str, Any]) -> None:
    Selection(actor=[Actor.human("wan"), "mei"], actor_kind="bot", type=("account.deleted",))
    Selection(since=LATER, occurred_until=LATER, after_position=7, positions=range(3))
    Selection(**names)


def plans(log: modlog.ModLog, show: Callable[[int, int], None]) -> None:
    plan = log.plan_sweep(["110018"], "delete", reason="spam", batch_id="march", confidence=0.5)
    plan.approve(actor=Actor.human("mei"), reason="all of them")
    outcome = plan.execute(progress=lambda so_far: show(so_far.done, so_far.total))
    assert_type(outcome, modlog.SweepOutcome)
    assert_type(outcome.counts, Mapping[str, int])
    revert = log.plan_revert(Selection(batch_id="march"))
    assert_type([line.after.status for line in revert.lines()], list[Status])
    assert_type(revert.apply(reason="a mistake", occurred_at=LATER), modlog.RevertOutcome)
    log.revert(Selection(batch_id="march"), reason="a mistake", on_conflict="raise", policy=None)


def see(cursor: sqlite3.Cursor, event: modlog.RecordedEvent) -> None:
    cursor.execute("INSERT INTO seen VALUES (?)", (event.position,))


def projections(log: modlog.ModLog, own: sqlite3.Connection) -> None:
    assert_type(log.project(see, own, "n", selection=Selection(actor="wan"), timeout=1), int)


async def awaited(log: AsyncModLog, own: sqlite3.Connection, **given: Unpack[Given]) -> None:
    assert_type(await log.delete("110018", **given), modlog.RecordedEvent)
    assert_type(await log.account("110018"), modlog.Account)
    async for event in log.subscribe(after=await log.head):
        assert_type(event, modlog.RecordedEvent)
    plan = await log.plan_sweep(["110018"], "delete", reason="spam")
    assert_type(plan.as_dict(), dict[str, Any])
    async with log.transaction():
        await plan.approve(actor=Actor.human("mei"))
    async for line in (await plan.execute()).accounts():
        assert_type(line, modlog.SweepLine)
    assert_type(await log.project(see, own, "n", follow=False), int)


app = FastAPI(lifespan=modlog.asgi.lifespan("sqlite:///moderation.db"))
app.add_middleware(modlog.asgi.ActingMiddleware, actor=Actor.system("api"), reason="moderation")


@app.get("/accounts/{account_id}")
async def account_of(
    account_id: str, log: Annotated[AsyncModLog, Depends(modlog.asgi.ledger)]
) -> modlog.Account:
    return await log.account(account_id)
