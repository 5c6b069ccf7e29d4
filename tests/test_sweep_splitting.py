"""One large sweep cannot be had as many small ones: those of an hour count together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from modlog import Actor, Guardrails, Status, SweepStateError
from modlog.testing import MovableClock

WAN, MEI = Actor.human("wan", account_id="own"), Actor.human("mei")
SIGN_UP = Actor.system("sign-up")
WHY = {"reason": "clean-up"}


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def guarded(place, clock):
    """Makes the place's ledger, with limits of this test's own and accounts of some number."""
    logs = []

    def guarded(accounts=100, **limits):
        log = place.open(clock=clock, guardrails=Guardrails(**limits))
        logs.append(log)
        with log.transaction():
            for n in range(accounts):
                log.create(str(n), actor=SIGN_UP)
        return log

    yield guarded
    for log in logs:
        log.close()


def plan(log, first, number=3, action="delete", actor=WAN, **given):
    ids = [str(n) for n in range(first, first + number)]
    return log.plan_sweep(ids, action, actor=actor, **WHY, **given)


def test_small_sweeps_of_an_hour_count_together(guarded, clock):
    log = guarded(sweep_size=8, sweep_share=1)
    assert [plan(log, n).needs_approval for n in (0, 3)] == [False, False]
    third = plan(log, 6)
    assert third.needs_approval
    with pytest.raises(SweepStateError, match="within the hour"):
        third.execute()
    assert not plan(log, 9, number=2).needs_approval  # what needs an approval does not count
    clock.move(timedelta(hours=1, seconds=1))
    assert not plan(log, 12).needs_approval


def test_splitting_deletes_no_more_than_one_sweep_may(guarded):
    """15 accounts at a time, of 2,000 that are active: one sweep may have 20."""
    log = guarded(accounts=2_000)
    done = 0
    for n in range(34):
        small = plan(log, n * 15, number=15)
        if not small.needs_approval:
            done += small.execute().counts["done"]
    assert done == log.count()[Status.DELETED] == 15


def test_the_share_is_of_the_sum_too(guarded):
    log = guarded(sweep_size=99, sweep_share=0.05)
    assert [plan(log, n).needs_approval for n in (0, 3)] == [False, True]


def test_what_was_carried_out_counts_whatever_the_action(guarded):
    log = guarded(sweep_size=8, sweep_share=1)
    plan(log, 0, action="suspend").execute()
    plan(log, 3, action="flag", label="spam").execute()
    assert plan(log, 6).needs_approval


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_was_decided_on_counts_no_more(guarded, decision):
    log = guarded(sweep_size=8, sweep_share=1)
    plan(log, 0)
    getattr(plan(log, 3), decision)(actor=MEI, **WHY)
    assert not plan(log, 6).needs_approval
    assert plan(log, 9).needs_approval


def test_only_one_person_s_sweeps_count_together(guarded):
    log = guarded(sweep_size=5, sweep_share=1)
    plan(log, 0)
    assert not plan(log, 3, actor=MEI).needs_approval
    for same in (Actor.bot("wan"), Actor.human("wan's other name", account_id="own")):
        assert plan(log, 6, actor=same).needs_approval


def test_planning_the_same_again_counts_once(guarded):
    log = guarded(sweep_size=5, sweep_share=1)
    for _ in range(2):
        assert not plan(log, 0, batch_id="march").needs_approval
    assert not plan(log, 3, number=2).needs_approval


def test_off_counts_nothing(place):
    with place.open(guardrails=Guardrails.off()) as log:
        log.create("1", actor=SIGN_UP)
        assert [plan(log, 1, number=1).needs_approval for _ in range(3)] == [False] * 3


def test_who_plans_from_many_threads_gets_no_more(guarded):
    log = guarded(sweep_size=8, sweep_share=1)
    barrier = Barrier(8)

    def planned(n):
        barrier.wait()
        return plan(log, n * 3)

    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(planned, range(8)))
    assert sum(one.size for one in plans if not one.needs_approval) == 6
