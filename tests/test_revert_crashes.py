"""A revert that is killed goes on where it stopped, and nobody can tell afterwards."""

import multiprocessing
import random
import signal
import time

import pytest

from modlog import Actor, ConflictError, Selection, Status
from modlog._services.reverts import reverting
from tests import places
from tests.likeness import assert_same, plain_account

FORK = multiprocessing.get_context("fork")
ANN = Actor.human("ann")
WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}
SORRY = {"actor": ANN, "reason": "it was a mistake"}
CLEAN_UP = Selection(batch_id="clean-up")
ACCOUNTS = 60
# Enough to make the chances of a kill between any two statements good.
KILLS = 10
MANY_KILLS = 500

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    """A place that several processes can open."""
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(reverting, "CHUNK", 7)


def clean_up(place, prefix=""):
    """A batch of deletions, some of which need a replay, some of which stand for another cause."""
    ids = [f"{prefix}{n:04}" for n in range(ACCOUNTS)]
    with place.open() as log, log.transaction():
        for n, account_id in enumerate(ids):
            log.create(account_id, **WAN)
            if n % 3 == 0:
                log.delete(account_id, actor=ANN, reason="on request")
            log.delete(account_id, batch_id="clean-up", **WAN)
            if n % 2 == 0:
                log.change_profile(account_id, {"nickname": ""}, batch_id="clean-up", **WAN)
            if n % 5 == 0:
                log.note(account_id, "seen", batch_id="clean-up", **WAN)
    return ids


def apply(place, pipe=None):
    with place.open() as log:
        plan = log.plan_revert(CLEAN_UP)
        if pipe:
            pipe.send("begun")
        outcome = plan.apply(batch_id="r1", **SORRY)
        if pipe:
            pipe.send(outcome)
        return outcome


def killed_after(place, pause):
    """Whether the process was killed before its revert was through."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=apply, args=(place, theirs))
    child.start()
    assert ours.recv() == "begun"
    time.sleep(pause)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL and not ours.poll()


def undisturbed(place):
    """What the revert comes to if nobody disturbs it."""
    with places.fresh(place.kind) as other:
        clean_up(other)
        began = time.perf_counter()
        outcome = apply(other)
        took = time.perf_counter() - began
        with other.open() as log:
            return outcome, plain(log), recorded_reverts(log), took


def plain(log):
    return [without_instants(plain_account(account)) for account in log.accounts()]


def without_instants(account):
    sanctions = account["sanctions"].items()
    return account | {"sanctions": {v: one | {"since": None} for v, one in sanctions}}


def recorded_reverts(log):
    return [
        (event.account_id, event.version, event.data, event.reason, event.actor)
        for event in log.events(Selection(batch_id="r1"))
    ]


def check_kills(place, kills):
    """Kill the revert so often, each time in the middle; it comes to the same as without."""
    outcome, accounts, events, took = undisturbed(place)
    chance = random.Random(1)
    interrupted = partly_done = 0
    while interrupted < kills:
        with places.fresh(place.kind) as fresh:
            clean_up(fresh)
            done = 0
            while done < ACCOUNTS and killed_after(fresh, chance.uniform(0, took / 2)):
                interrupted += 1
                with fresh.open() as log:
                    before, done = done, len(recorded_reverts(log))
                    # Whole chunks, each with its projection.
                    assert done % 7 == 0 or done == ACCOUNTS
                    assert done >= before
                    assert log.verify().ok
                partly_done += 0 < done < ACCOUNTS
            again = apply(fresh)
            with fresh.open() as log:
                assert_same(plain(log), accounts)
                assert_same(recorded_reverts(log), events)
                assert again.reverted + again.already == outcome.reverted == ACCOUNTS
                assert again.irreversible == outcome.irreversible
                assert log.verify().ok
    assert partly_done > 0


def test_a_revert_that_is_killed_comes_to_the_same(shared_place):
    check_kills(shared_place, KILLS)


@pytest.mark.soak
def test_a_revert_that_is_killed_very_often_comes_to_the_same(shared_place):
    check_kills(shared_place, MANY_KILLS)


def test_processes_that_apply_the_same_at_once_share_the_work(shared_place):
    ids = clean_up(shared_place)
    pipes = [FORK.Pipe() for _ in range(3)]
    children = [FORK.Process(target=apply, args=(shared_place, theirs)) for _, theirs in pipes]
    for child in children:
        child.start()
    answers = []
    for ours, _ in pipes:
        assert ours.poll(60)
        assert ours.recv() == "begun"
        assert ours.poll(60)
        answers.append(ours.recv())
    for child in children:
        child.join(60)
    assert sum(one.reverted for one in answers) == len(ids)
    assert {one.reverted + one.already for one in answers} == {len(ids)}
    with shared_place.open() as log:
        assert sorted(event.account_id for event in log.events(Selection(batch_id="r1"))) == ids
        assert log.count()[Status.DELETED] == ACCOUNTS / 3
        assert log.verify().ok


def test_the_batch_of_a_killed_revert_is_not_free_for_another(shared_place):
    clean_up(shared_place)
    killed_after(shared_place, 0.01)
    with shared_place.open() as log:
        apply(shared_place)
        with pytest.raises(ConflictError):
            log.revert(Selection(type="account.deleted"), batch_id="r1", **SORRY)
