"""A sweep that is killed goes on where it stopped, and ends as if nobody had disturbed it."""

import multiprocessing
import random
import signal
import time
from collections import Counter

import pytest
from attrs import frozen

import modlog
from modlog import Actor, Guardrails, Selection, SweepState
from modlog._services.reverts import reverting
from modlog._services.sweeps import chunks as sweep_chunks
from tests import places

FORK = multiprocessing.get_context("fork")
WAN, MEI = Actor.human("wan"), Actor.human("mei")
SIGN_UP = {"actor": Actor.system("sign-up"), "reason": "spam"}
ACCOUNTS = 60
NOBODY = 5
KILLS = 6  # for each store and each stage
MANY_KILLS = 150

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 7)
    monkeypatch.setattr(reverting, "CHUNK", 7)
    monkeypatch.setattr("modlog._storage.sweeps.lists.PAGE", 7)


IDS = [f"{n:04}" for n in range(ACCOUNTS + NOBODY)]


def spare_some(account, action):
    return "own-rule" if account.id.endswith("9") else None


def opened(place):
    return place.open(guardrails=Guardrails(rules=[spare_some]))


def populate(place):
    """Accounts with one cause or none, some protected, some that need a replay later."""
    with place.open() as log, log.transaction():
        for n, account_id in enumerate(IDS[:ACCOUNTS]):
            log.create(account_id, **SIGN_UP)
            if n % 3 == 0:
                log.delete(account_id, **SIGN_UP)
            if n % 10 == 5:
                log.protect(account_id, **SIGN_UP)
            if n % 7 == 0:
                log.flag(account_id, "spam", batch_id="flags", **SIGN_UP)
    with place.open() as log:
        log.revert(Selection(batch_id="flags"), batch_id="no flags", **SIGN_UP)


# Each stage can be asked for again, whether it was killed before, during or after.


def plan(log):
    log.plan_sweep(IDS, "delete", batch_id="march", actor=WAN, reason="clean-up")


def approve(log):
    if log.sweep("march").state is SweepState.PLANNED:
        log.sweep("march").approve(actor=MEI)


def execute(log):
    log.resume("march", actor=WAN)


def revert(log):
    log.revert(Selection(batch_id="march"), batch_id="back", actor=MEI, reason="by mistake")


STAGES = [plan, approve, execute, revert]


def staged(place, stage, pipe):
    with opened(place) as log:
        pipe.send("begun")
        stage(log)
        pipe.send("through")


def killed_after(place, stage, pause):
    """Whether a process was killed before its stage was through."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=staged, args=(place, stage, theirs))
    child.start()
    assert ours.recv() == "begun"
    time.sleep(pause)
    child.kill()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == -signal.SIGKILL and not ours.poll()


@frozen
class Told:
    """All that a ledger says of a sweep and its accounts, but when it was recorded."""

    accounts: dict
    histories: dict
    records: Counter
    outcomes: list
    counts: dict
    reverted: int


def told(log):
    sweep = log.sweep("march")
    events = [e for e in log.events() if e.account_id]
    return Told(
        accounts={
            one.id: (one.version, one.status, one.flags, one.protected, list(one.sanctions))
            for one in log.accounts()
        },
        histories={
            id_: [
                (e.version, e.type, e.data, e.actor, e.reason, e.batch_id)
                for e in events
                if e.account_id == id_
            ]
            for id_ in IDS
        },
        records=Counter(e.type for e in log.events(Selection(batch_id="march"))),
        outcomes=[(one.account_id, one.outcome, one.rule) for one in sweep.outcomes()],
        counts=dict(sweep.counts),
        reverted=sweep.reverted(),
    )


def undisturbed(kind):
    """What the ledger says after each stage, and how long each took."""
    after, took = [], []
    with places.fresh(kind) as place:
        populate(place)
        with opened(place) as log:
            for stage in STAGES:
                began = time.perf_counter()
                stage(log)
                took.append(time.perf_counter() - began)
                after.append(told(log))
    return after, took


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize(
    "kills", [KILLS, pytest.param(MANY_KILLS, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_stage_that_is_killed_is_finished_later(kind, stage, kills):
    chance = random.Random(f"{stage.__name__} on {kind}")
    after, took = undisturbed(kind)
    number = STAGES.index(stage)
    assert after[2].counts["done"] > 20
    assert after[2].counts["refused"] > 5
    assert after[3].reverted == after[2].counts["done"]
    killed = tries = 0
    while killed < kills:
        tries += 1
        assert tries <= 20 * kills, "it is through too soon to be killed"
        with places.fresh(kind) as place:
            populate(place)
            with opened(place) as log:
                for before in STAGES[:number]:
                    before(log)
            # Again and again, as long as there is something left to kill.
            while killed_after(place, stage, chance.random() * took[number]):
                killed += 1
                with opened(place) as log:
                    assert log.verify().ok
                    given = Selection(batch_id="march", type="account.deleted")
                    assert max(Counter(e.account_id for e in log.events(given)).values(),
                               default=1) == 1  # fmt: skip
                if killed % 3 == 0:
                    break
            with opened(place) as log:
                stage(log)
                assert told(log) == after[number]
                for later in STAGES[number + 1 :]:
                    later(log)
                assert told(log) == after[-1]
                assert log.verify().ok


def test_a_sweep_under_way_in_two_processes_is_done_once(kind):
    after, _ = undisturbed(kind)
    with places.fresh(kind) as place:
        populate(place)
        with opened(place) as log:
            plan(log)
            approve(log)
        pipes = [FORK.Pipe() for _ in range(3)]
        children = [FORK.Process(target=staged, args=(place, execute, p)) for _, p in pipes]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
        with opened(place) as log:
            assert told(log) == after[2]
            assert log.verify().ok


def test_the_plan_is_found_in_another_process(kind):
    with places.fresh(kind) as place:
        populate(place)
        _, theirs = FORK.Pipe()
        child = FORK.Process(target=staged, args=(place, plan, theirs))
        child.start()
        child.join()
        with opened(place) as log:
            found = log.sweep("march")
            head = log.head
            plan(log)  # the same again
            assert log.head == head
            assert found.size == len(IDS)
            with pytest.raises(modlog.ConflictError):
                log.plan_sweep(IDS[1:], "delete", batch_id="march", actor=WAN, reason="clean-up")
