"""The loss of a primary: nothing that was acknowledged is lost, and nothing is recorded twice."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from attrs import define, field

import modlog
from modlog import Actor, Guardrails, ModLog
from tests import cluster
from tests.cluster import Node, until, url_of
from tests.test_terminations import TARGETS, Storm, check_nothing_lost, check_swept_once

ANN = Actor.human("ann")
SECONDS_BETWEEN = 0.5


@pytest.fixture(autouse=True)
def somebody():
    with modlog.acting(ANN, reason="clean-up"):
        yield


@contextmanager
def two_machines(*, synchronous: bool = True) -> Iterator[tuple[Node, Node]]:
    """A primary with a ledger, and its hot standby."""
    with cluster.primary() as primary:
        modlog.open(primary.url).close()
        standby = primary.standby()
        try:
            if synchronous:
                primary.require_standby()
            yield primary, standby
        finally:
            standby.remove()


def opened(*nodes: Node) -> ModLog:
    url = url_of(*nodes, target_session_attrs="read-write")
    return modlog.open(url, guardrails=Guardrails.off())


@define
class Follower:
    """Somebody who takes each event once, and goes on after the last wherever the primary is.

    Attributes:
        seen: the positions, in order.
    """

    log: ModLog
    over: threading.Event = field(factory=threading.Event)
    seen: list[int] = field(factory=list)

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(modlog.StoreUnavailableError):
                after = self.seen[-1] if self.seen else 0
                for event in self.log.subscribe(after=after, timeout=0.1):
                    self.seen.append(event.position)


@pytest.mark.parametrize(
    "failovers", [3, pytest.param(50, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_primaries_that_are_lost_one_after_the_other(failovers):
    with two_machines() as machines, opened(*machines) as log:
        for account_id in ("0", "1", *TARGETS):
            log.create(account_id)
        storm, follower = Storm(log), Follower(log)
        turns = [partial(storm.note, 0), partial(storm.note, 1), storm.sweep, storm.ask]
        workers = [threading.Thread(target=storm.run, args=(turn,)) for turn in turns]
        following = threading.Thread(target=follower.run)
        for thread in (*workers, following):
            thread.start()
        try:
            roles = machines
            for _ in range(failovers):
                roles = lose(*roles, storm)
        finally:
            storm.over.set()
            for worker in workers:
                worker.join()
            until(lambda: follower.seen[-1:] == [log.head])
            follower.over.set()
            following.join()

        assert not storm.alien
        assert storm.lost.total() >= failovers
        check_nothing_lost(log, storm.acknowledged)
        check_swept_once(log)
        assert follower.seen == list(range(1, log.head + 1))
        assert [event.position for event in log.events()] == follower.seen


def lose(primary: Node, standby: Node, storm: Storm) -> tuple[Node, Node]:
    """The primary dies amid the work, its standby takes over, and it comes back as a standby."""
    time.sleep(SECONDS_BETWEEN)
    primary.kill()
    standby.promote()
    acknowledged = len(storm.acknowledged)
    until(lambda: len(storm.acknowledged) > acknowledged)
    primary.follow(standby)
    standby.require_standby()
    return standby, primary


def test_a_command_that_no_standby_has_confirmed_is_not_acknowledged():
    with two_machines() as (primary, standby), opened(primary) as log:
        log.create("a")
        standby.stop()
        with pytest.raises(modlog.OutcomeUnknownError, match="wait for a standby was cancelled"):
            within_a_cancelled_wait(primary, lambda: log.note("a", "x", idempotency_key="k"))
        with pytest.raises(modlog.OutcomeUnknownError, match="wait for a standby was cancelled"):
            within_a_cancelled_wait(primary, lambda: several(log))

        standby.start()
        event = log.settle("k")  # waits for the standby, and says what it has, too
        assert event is not None
        with modlog.open(standby.url, read_only=True) as copy:
            copy.wait_for(event.position)
            assert copy.history("a") == log.history("a")
        assert log.note("a", "x", idempotency_key="k") == event
        assert log.note("a", "y").version == 4  # the connection is as good as before


def several(log: ModLog) -> None:
    with log.transaction():
        log.note("a", "several")


def within_a_cancelled_wait(primary: Node, act) -> None:
    """Do something whose commit waits for a standby, until somebody ends the wait."""
    thread = threading.Thread(target=cancel_waits, args=(primary,))
    thread.start()
    try:
        act()
    finally:
        thread.join()


def cancel_waits(primary: Node) -> None:
    waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    until(lambda: primary.ask(f"SELECT pg_cancel_backend(pid) {waiting}"))


def test_a_primary_that_comes_back_alone_acknowledges_nothing():
    """It takes itself for the primary, and the new one knows nothing of what it records."""
    with two_machines() as (old, new), opened(old, new) as log:
        log.create("a")
        old.kill()
        new.promote()
        log.note("a", "x")
        old.start()
        with opened(old) as past:
            assert past.head == 1
            with pytest.raises(modlog.OutcomeUnknownError):
                within_a_cancelled_wait(old, lambda: past.note("a", "y"))
        assert log.head == 2  # who was connected stays with the new one
        assert log.verify().ok


def test_what_an_asynchronous_standby_has_not_got_is_lost_and_can_be_found_out():
    with two_machines(synchronous=False) as (primary, standby), opened(primary, standby) as log:
        log.create("a")
        until(
            lambda: (
                standby.ask("SELECT pg_last_wal_replay_lsn()")
                == primary.ask("SELECT pg_current_wal_lsn()")
            )
        )
        standby.stop()
        lost = log.note("a", "x", idempotency_key="k")
        primary.kill()
        standby.start()
        standby.promote()
        assert again(lambda: log.head) == 1
        assert log.verify().ok
        with pytest.raises(modlog.StoreUnavailableError, match="promoted without it"):
            log.wait_for(lost.position, timeout=0)
        assert log.settle("k") is None
        assert log.note("a", "x", idempotency_key="k").version == 2


def again(ask):
    """An answer, asked for until the server that is gone is noticed."""
    while True:
        with suppress(modlog.StoreUnavailableError):
            return ask()
