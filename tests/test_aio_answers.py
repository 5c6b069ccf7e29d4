"""`modlog.aio`: projections, and answers as JSON."""

import asyncio
import json
import threading
from contextlib import closing

import pytest
from pydantic import TypeAdapter, ValidationError

from modlog import Actor, InvalidInputError, Selection
from tests.test_aio import opened, own_tables, see, seen_in


def test_a_projection_follows_until_it_is_cancelled_or_the_ledger_closed(place):
    async def main():
        with closing(own_tables()) as own:
            async with opened(place) as log:
                await log.create("a")
                for end in ("cancelled", "closed"):
                    following = asyncio.ensure_future(log.project(see, own, "seen"))
                    await log.note("a", end)
                    while seen_in(own)[-1:] != [await log.head]:
                        await asyncio.sleep(0.001)
                    if end == "cancelled":
                        following.cancel()
                        with pytest.raises(asyncio.CancelledError):
                            await following
            assert await following == 3
            assert seen_in(own) == [1, 2, 3]

    asyncio.run(main())


def test_who_cancels_a_projection_waits_for_its_transaction(place):
    async def main():
        amid, go_on = threading.Event(), threading.Event()

        def wait_and_see(cursor, event):
            amid.set()
            go_on.wait(30)
            see(cursor, event)

        with closing(own_tables()) as own:
            async with opened(place) as log:
                await log.create("a")
                following = asyncio.ensure_future(log.project(wait_and_see, own, "seen"))
                await asyncio.to_thread(amid.wait, 30)
                following.cancel()
                await asyncio.sleep(0.01)
                assert not following.done()
                go_on.set()
                with pytest.raises(asyncio.CancelledError):
                    await following
                assert not own.in_transaction
                assert seen_in(own) == [1]

    asyncio.run(main())


def test_a_projection_in_a_transaction_of_its_task_is_refused(place):
    async def main():
        with closing(own_tables()) as own:
            async with opened(place) as log, log.transaction():
                with pytest.raises(InvalidInputError, match="outside of transaction"):
                    await log.project(see, own, "seen")

    asyncio.run(main())


def test_answers_are_the_json_of_what_they_stand_for(place):
    async def main():
        async with opened(place) as log:
            await log.create("a")
            sweep = await log.plan_sweep(["a"], "delete", reason="spam")
            await sweep.approve(actor=Actor.human("mei"))
            for answer in (
                sweep,
                await sweep.execute(),
                await log.impact(),
                await log.report(),
                await log.plan_revert(Selection(account_id="a", type="account.deleted")),
            ):
                stands_for = type(answer._thing)
                assert answer.as_dict() == answer._thing.as_dict()
                adapter = TypeAdapter(type(answer))
                assert json.loads(adapter.dump_json(answer)) == answer.as_dict()
                described, itself = (
                    one.json_schema(mode="serialization")
                    for one in (adapter, TypeAdapter(stands_for))
                )
                assert described["properties"] == itself["properties"]
                with pytest.raises(ValidationError, match="not read from elsewhere"):
                    adapter.validate_python(answer._thing)

    asyncio.run(main())
