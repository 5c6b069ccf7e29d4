"""Plans that show what taking changes back would come to, and their application."""

import multiprocessing
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import modlog
from modlog import (
    Actor,
    ConflictError,
    InvalidInputError,
    IrreversibleError,
    MissingActorError,
    MissingReasonError,
    Selection,
    Status,
    UnknownArgumentError,
)
from modlog._domain.events import AccountErased, Draft, Envelope, SweepPlanned
from modlog._services.reverts import applying, reverting
from modlog.testing import MovableClock
from tests import places
from tests.recording import append

ANN = Actor.human("ann")
WAN = {"actor": Actor.human("wan"), "reason": "clean-up of illegal accounts"}
SORRY: dict[str, Any] = {"actor": ANN, "reason": "it was a mistake"}
CLEAN_UP = Selection(batch_id="clean-up")


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        yield log


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(reverting, "CHUNK", 3)
    monkeypatch.setattr(applying, "REPLAYED_AT_ONCE", 2)


def clean_up(log, number=10):
    """A clean-up that deletes accounts, every third of which somebody else had deleted before."""
    ids = [f"{n:05}" for n in range(number)]
    with log.transaction():
        for account_id in ids:
            log.create(account_id, profile={"nickname": account_id}, **WAN)
        for account_id in ids[::3]:
            log.delete(account_id, actor=ANN, reason="on request", batch_id="requests")
        for account_id in ids:
            log.delete(account_id, batch_id="clean-up", **WAN)
    return ids


def erase(log, account_id, batch_id=None):
    envelope = Envelope(actor=Actor.system("erasure"), reason="by law", batch_id=batch_id)
    return append(log, account_id, AccountErased(), envelope)


def statuses(**numbers):
    return dict.fromkeys(Status, 0) | {Status(name): number for name, number in numbers.items()}


# Plans


def test_a_plan_shows_what_would_come_of_it_and_why(log):
    ids = clean_up(log)
    head = log.head
    plan = log.plan_revert(CLEAN_UP)
    assert (plan.selection, plan.head) == (CLEAN_UP, head)
    assert (plan.accounts, plan.targets, plan.idle) == (10, 10, 0)
    assert plan.before == statuses(deleted=10)
    assert plan.after == statuses(deleted=4, active=6)
    assert plan.moves == {
        (Status.DELETED, Status.DELETED): 4,
        (Status.DELETED, Status.ACTIVE): 6,
    }
    lines = list(plan.lines())
    assert [line.account_id for line in lines] == ids
    both, only = lines[0], lines[1]
    assert (both.before, only.before) == (log.account("00000"), log.account("00001"))
    assert (both.targets, only.targets) == ((3,), (2,))
    # Still deleted, by Ann, on request.
    (standing,) = both.standing
    assert (standing.actor, standing.reason, standing.batch_id) == (ANN, "on request", "requests")
    assert both.after.sanctions.keys() == {standing.version}
    assert only.standing == ()
    assert only.after.status is Status.ACTIVE
    assert log.head == head


def test_a_plan_tells_what_does_not_count_anyway(log):
    clean_up(log, 2)
    log.revert(Selection(batch_id="clean-up", account_id="00001"), **SORRY)
    plan = log.plan_revert(CLEAN_UP)
    assert (plan.targets, plan.idle) == (2, 1)
    assert [line.idle for line in plan.lines()] == [(), (2,)]
    assert [line.targets for line in plan.lines()] == [(3,), (2,)]
    # It is named all the same, so that it stays reverted whatever becomes of the first revert.
    plan.apply(**SORRY)
    log.revert(Selection(positions=log.history("00001")[2].position), **SORRY)
    assert log.account("00001").status is Status.ACTIVE


def test_what_cannot_be_reverted_is_itemised(log):
    clean_up(log, 2)
    log.note("00000", "called support", batch_id="clean-up", **WAN)
    log.note("00001", "called support", batch_id="other", **WAN)
    erase(log, "00001", batch_id="clean-up")
    plan = log.plan_revert(CLEAN_UP)
    assert plan.irreversible == {"account.erased": 1, "account.noted": 1}
    assert [line.irreversible for line in plan.lines()] == [
        ((4, "account.noted"),),
        ((4, "account.erased"),),
    ]
    assert plan.after == statuses(deleted=1, erased=1)
    outcome = plan.apply(**SORRY)
    assert outcome.irreversible == plan.irreversible
    assert log.account("00001").status is Status.ERASED
    assert log.verify().ok


def test_erasures_alone_cannot_be_reverted(log):
    clean_up(log, 2)
    erased = erase(log, "00001")
    for selection in (
        Selection(type="account.erased"),
        Selection(positions=erased.position),
        Selection(account_id="00001", actor="erasure"),
    ):
        with pytest.raises(IrreversibleError, match="erasure"):
            log.plan_revert(selection)
        with pytest.raises(IrreversibleError):
            log.revert(selection, **SORRY)
    assert log.head == erased.position


def test_what_lies_outside_the_ledger_is_remarked_on(log):
    log.create("a", profile={"nickname": "Lei"}, **WAN)
    log.change_profile("a", {"nickname": "Wang"}, batch_id="b1", **WAN)
    log.delete("a", batch_id="b3", **WAN)
    log.protect("a", batch_id="b2", **WAN)
    log.flag("a", label="spam", batch_id="b4", **WAN)

    def codes(**filters):
        (line,) = log.plan_revert(Selection(**filters)).lines()
        assert all(remark.message for remark in line.remarks)
        return [remark.code for remark in line.remarks]

    assert codes(batch_id="b1") == ["profile-changes"]
    assert codes(batch_id="b2") == ["protection-changes"]
    assert codes(batch_id="b3") == ["name-may-be-taken", "messages-were-sent"]
    assert codes(batch_id="b4") == []
    assert "account-ceases" in codes(type="account.created")


def test_a_plan_of_expiring_suspensions_looks_with_the_eyes_of_now(log, clock):
    log.create("a", **WAN)
    log.suspend("a", until=clock() + timedelta(days=1), **WAN)
    log.delete("a", batch_id="clean-up", **WAN)
    assert log.plan_revert(CLEAN_UP).after == statuses(suspended=1)
    clock.move(timedelta(days=2))
    plan = log.plan_revert(CLEAN_UP)
    assert plan.after == statuses(active=1)
    plan.apply(**SORRY)
    assert log.account("a").status is Status.ACTIVE


def test_plans_may_be_looked_at_while_others_are_shown(log, small_chunks):
    clean_up(log)
    plan = log.plan_revert(CLEAN_UP)
    for one, other in zip(plan.lines(), plan.lines(), strict=True):
        assert one == other
        (line,) = log.plan_revert(Selection(account_id=one.account_id, batch_id="clean-up")).lines()
        assert line == one
        log.note(one.account_id, "looked at", **WAN)


def test_lines_that_nobody_reads_to_the_end_leave_nothing_behind(log):
    clean_up(log)
    plan = log.plan_revert(CLEAN_UP)
    for _ in range(3):
        lines = plan.lines()
        next(lines)
        lines.close()
    assert plan.apply(**SORRY).reverted == 10


# Outcomes


def test_a_revert_and_its_own_reversal(log):
    clean_up(log)
    before = list(log.accounts())
    with modlog.acting(ANN, reason="it was a mistake", policy="second-look", batch_id="mine"):
        outcome = log.revert(CLEAN_UP, correlation_id="ticket-1", confidence=0.5)
    assert (outcome.reverted, outcome.already, outcome.targets) == (10, 0, 10)
    assert (outcome.changed, outcome.irreversible) == ((), {})
    assert log.count() == statuses(deleted=4, active=6)
    recorded = list(log.events(Selection(batch_id=outcome.batch_id)))
    assert [event.account_id for event in recorded] == sorted({e.account_id for e in recorded})
    for event in recorded:
        assert event.type == "events.reverted"
        assert (event.actor, event.reason, event.policy) == (ANN, "it was a mistake", "second-look")
        assert (event.correlation_id, event.confidence) == ("ticket-1", 0.5)
    assert outcome.batch_id not in ("mine", "clean-up")

    back = log.revert(Selection(batch_id=outcome.batch_id), **SORRY)
    assert back.batch_id != outcome.batch_id
    assert [(a.id, a.status, a.profile, a.sanctions) for a in log.accounts()] == [
        (a.id, a.status, a.profile, a.sanctions) for a in before
    ]
    assert log.verify().ok


def test_a_revert_behind_which_the_account_was_sanctioned_again(log):
    log.create("a", **WAN)
    suspended = log.suspend("a", **WAN).position
    log.revert(Selection(positions=[suspended]), **SORRY)
    taken_back = log.head
    log.delete("a", **WAN)
    log.revert(Selection(positions=[taken_back]), **SORRY)

    assert set(log.account("a").sanctions) == {2, 4}
    assert log.verify().ok


def test_every_plain_argument_reaches_the_event(log, clock):
    clean_up(log, 1)
    then = clock() - timedelta(days=1)
    log.revert(CLEAN_UP, batch_id="r1", occurred_at=then, **SORRY)
    (event,) = log.events(Selection(batch_id="r1"))
    assert event.occurred_at == then
    assert log.verify().ok


def test_a_revert_needs_who_and_why(log):
    clean_up(log, 1)
    plan = log.plan_revert(CLEAN_UP)
    head = log.head
    for reason in (None, "", " \n"):
        with pytest.raises(MissingReasonError):
            plan.apply(actor=ANN, reason=reason)
    with pytest.raises(MissingReasonError):
        plan.apply(actor=ANN)
    with pytest.raises(MissingActorError):
        plan.apply(reason="it was a mistake")
    misspelt: dict[str, Any] = {"reasons": "x"}
    with pytest.raises(UnknownArgumentError):
        plan.apply(actor=ANN, **misspelt)
    for batch_id in ("", 1):
        with pytest.raises(InvalidInputError):
            plan.apply(batch_id=batch_id, **SORRY)
    with pytest.raises(InvalidInputError, match="itemise or raise"):
        plan.apply(on_conflict="ignore", **SORRY)
    assert log.head == head


def test_progress_is_told_after_each_transaction(log, small_chunks):
    clean_up(log)
    told = []

    def progress(one):
        # Whoever is told may ask, and sees what is done.
        active = sum(e.type == "events.reverted" for e in log.events())
        log.plan_revert(CLEAN_UP)
        told.append((one.done, one.total, active))

    log.revert(CLEAN_UP, progress=progress, **SORRY)
    assert told == [(3, 10, 3), (6, 10, 6), (9, 10, 9), (10, 10, 10)]
    assert log.verify().ok


def test_a_chunk_is_one_transaction(log, small_chunks):
    clean_up(log)
    log.revert(CLEAN_UP, batch_id="r1", **SORRY)
    instants = [event.recorded_at for event in log.events(Selection(batch_id="r1"))]
    assert [instants.count(one) for one in sorted(set(instants))] == [3, 3, 3, 1]


# What came later


def test_later_events_never_join_a_plan(log):
    clean_up(log, 2)
    plan = log.plan_revert(CLEAN_UP)
    log.create("late", batch_id="clean-up", **WAN)
    log.delete("late", batch_id="clean-up", **WAN)
    assert [line.account_id for line in plan.lines()] == ["00000", "00001"]
    outcome = plan.apply(**SORRY)
    assert (outcome.reverted, outcome.targets) == (2, 2)
    assert log.account("late").status is Status.DELETED


def test_a_later_event_of_the_batch_on_a_planned_account_does_not_join(log):
    clean_up(log, 2)
    plan = log.plan_revert(CLEAN_UP)
    log.note("00001", "seen", batch_id="clean-up", **WAN)
    log.delete("00000", batch_id="clean-up", **WAN)
    outcome = plan.apply(**SORRY)
    assert (outcome.reverted, outcome.changed) == (1, ("00000",))
    assert log.history("00001")[-1].data["targets"] == [2]


def test_an_account_with_newer_events_is_reverted_if_the_outcome_is_the_one_shown(log):
    clean_up(log, 6)
    plan = log.plan_revert(CLEAN_UP)
    shown = {line.account_id: line.after for line in plan.lines()}
    log.note("00001", "called support", **WAN)  # changes nothing
    log.delete("00002", **WAN)  # one more cause
    log.restore("00004", actor=ANN, reason="found out already")  # all that the revert would do
    log.change_profile("00005", {"nickname": "x"}, **WAN)
    outcome = plan.apply(**SORRY)
    assert outcome.changed == ("00002", "00005")
    assert outcome.reverted == 4
    for account_id in ("00000", "00001", "00003", "00004"):
        assert log.account(account_id).status is shown[account_id].status
        assert log.history(account_id)[-1].type == "events.reverted"
    for account_id in outcome.changed:
        assert log.history(account_id)[-1].type != "events.reverted"
    assert log.verify().ok


def test_a_conflict_may_be_raised_and_its_chunk_is_not_written(log, small_chunks):
    clean_up(log)
    plan = log.plan_revert(CLEAN_UP)
    log.delete("00004", **WAN)  # in the second chunk
    with pytest.raises(ConflictError, match="00004"):
        plan.apply(batch_id="r1", on_conflict="raise", **SORRY)
    done = [event.account_id for event in log.events(Selection(batch_id="r1"))]
    assert done == ["00000", "00001", "00002"]
    assert log.verify().ok
    # The rest can be had with another plan.
    outcome = log.plan_revert(CLEAN_UP).apply(on_conflict="raise", **SORRY)
    assert outcome.reverted == 10
    assert log.account("00005").status is Status.ACTIVE


# The same batch_id again


def test_a_revert_goes_on_where_it_stopped(log, small_chunks):
    clean_up(log)
    for n in range(5):
        log.note(f"0000{n}", "seen", batch_id="clean-up", **WAN)
    plan = log.plan_revert(CLEAN_UP)
    with pytest.raises(InterruptedError):
        plan.apply(batch_id="r1", progress=stop, **SORRY)
    # Events of the batch that came in between do not join.
    log.delete("00009", batch_id="clean-up", **WAN)
    told: list = []
    again = log.plan_revert(CLEAN_UP).apply(
        batch_id="r1", progress=lambda one: told.append((one.done, one.total)), **SORRY
    )
    assert (again.already, again.reverted, again.changed) == (3, 6, ("00009",))
    assert again.irreversible == {"account.noted": 5}
    assert told == [(6, 10), (9, 10), (10, 10)]
    once_more = plan.apply(batch_id="r1", **SORRY)
    assert (once_more.already, once_more.reverted) == (9, 0)
    ids = [event.account_id for event in log.events(Selection(batch_id="r1"))]
    assert len(ids) == len(set(ids)) == 9
    assert log.verify().ok


def stop(_):
    raise InterruptedError


def test_two_that_apply_the_same_at_once_share_the_work(fresh_place, small_chunks):
    with fresh_place() as place, place.open() as log:
        ids = clean_up(log, 40)
        plan = log.plan_revert(CLEAN_UP)
        begin = threading.Barrier(2)
        outcomes = []

        def apply():
            begin.wait()
            outcomes.append(plan.apply(batch_id="r1", **SORRY))

        threads = [threading.Thread(target=apply) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [e.account_id for e in log.events(Selection(batch_id="r1"))] == ids
        one, other = outcomes
        assert one.reverted + other.reverted == one.reverted + one.already == 40
        assert log.verify().ok


def test_one_that_comes_between_the_chunks_of_another(fresh_place, small_chunks):
    with fresh_place() as place, place.open() as log:
        ids = clean_up(log)
        plan = log.plan_revert(CLEAN_UP)
        others: list = []

        def progress(_):
            if not others:
                others.append(plan.apply(batch_id="r1", **SORRY))

        outcome = plan.apply(batch_id="r1", progress=progress, **SORRY)
        assert [(one.reverted, one.already) for one in others] == [(7, 3)]
        assert (outcome.reverted, outcome.already) == (3, 7)
        assert [e.account_id for e in log.events(Selection(batch_id="r1"))] == ids


def test_a_batch_id_belongs_to_one_selection(log):
    clean_up(log)
    log.revert(CLEAN_UP, batch_id="r1", **SORRY)
    head = log.head
    for other in (Selection(batch_id="requests"), Selection(batch_id="clean-up", policy="x")):
        with pytest.raises(ConflictError, match="another selection"):
            log.revert(other, batch_id="r1", **SORRY)
    with pytest.raises(ConflictError, match="other events"):
        log.revert(CLEAN_UP, batch_id="requests", **SORRY)
    with pytest.raises(ConflictError, match="other events"):
        log.revert(CLEAN_UP, batch_id="clean-up", **SORRY)
    assert log.head == head


# Transactions


def test_a_revert_is_part_of_a_transaction(log):
    clean_up(log)
    with suppress(InterruptedError), log.transaction():
        log.revert(CLEAN_UP, batch_id="r1", **SORRY)
        assert log.count() == statuses(deleted=4, active=6)
        raise InterruptedError
    assert log.count() == statuses(deleted=10)
    with log.transaction():
        log.create("late", **WAN)
        log.delete("late", batch_id="clean-up", **WAN)
        plan = log.plan_revert(CLEAN_UP)
        assert plan.accounts == len(list(plan.lines())) == 11
        outcome = plan.apply(batch_id="r1", **SORRY)
        assert outcome.reverted == 11
        log.revert(Selection(batch_id="r1", account_id="late"), **SORRY)
    assert log.count() == statuses(deleted=5, active=6)
    assert log.verify().ok


def test_a_conflict_within_a_transaction_leaves_the_rest_of_it(log):
    clean_up(log)
    plan = log.plan_revert(CLEAN_UP)
    with log.transaction():
        log.delete("00001", **WAN)
        with pytest.raises(ConflictError):
            plan.apply(on_conflict="raise", **SORRY)
        log.note("00001", "kept", **WAN)
    assert [event.type for event in log.history("00001")[-2:]] == [
        "account.deleted",
        "account.noted",
    ]
    assert log.verify().ok


def test_a_revert_is_part_of_the_callers_own_transaction(fresh_place):
    with fresh_place() as place, place.open() as log:
        if place.kind == "sqlite-memory":
            return  # there is no other connection to it
        clean_up(log)
        for end in ("rollback", "commit"):
            connection: Any = connect(place)
            with log.within(connection):
                assert log.plan_revert(CLEAN_UP).accounts == 10
                log.revert(CLEAN_UP, **SORRY)
            getattr(connection, end)()
            connection.close()
            reverted = 6 if end == "commit" else 0
            assert log.count() == statuses(deleted=10 - reverted, active=reverted)
        assert log.verify().ok


def connect(place):
    if place.kind == "sqlite":
        return sqlite3.connect(place.url.removeprefix("sqlite:///"))
    return psycopg.connect(place.url)


def test_a_plan_of_a_ledger_that_may_only_be_read(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with modlog.open(url) as log:
        clean_up(log)
    with modlog.open(f"{url}?mode=ro") as log:
        plan = log.plan_revert(CLEAN_UP)
        assert plan.after == statuses(deleted=4, active=6)
        assert len(list(plan.lines())) == 10
        with pytest.raises(modlog.ReadOnlyStoreError):
            plan.apply(**SORRY)


# Selections


def test_a_selection_that_matches_nothing(log):
    clean_up(log, 1)
    head = log.head
    for selection in (
        Selection(batch_id="none"),
        Selection(after_position=head),
        Selection(positions=head + 9),
        Selection(up_to_position=0),
        Selection(until=datetime(1990, 1, 1, tzinfo=UTC)),
        Selection(since=datetime(2990, 1, 1, tzinfo=UTC)),
    ):
        plan = log.plan_revert(selection)
        assert (plan.accounts, plan.targets, plan.irreversible) == (0, 0, {})
        assert plan.before == plan.after == statuses()
        assert list(plan.lines()) == []
        outcome = plan.apply(**SORRY)
        assert (outcome.reverted, outcome.targets, outcome.changed) == (0, 0, ())
    assert log.head == head


def test_records_of_sweeps_are_not_reverted(log, clock):
    clean_up(log, 2)
    planned = SweepPlanned("delete", "0" * 64, 2, {}, {})
    envelope = Envelope(actor=ANN, reason="clean-up", batch_id="clean-up")
    with log._work.store.writing(clock()) as writer:
        writer.append([(Draft(None, 1, planned, envelope), None, None)])
    sweep = log.plan_revert(Selection(type="sweep.planned"))
    assert (sweep.accounts, sweep.irreversible) == (0, {})
    assert sweep.apply(**SORRY).reverted == 0
    assert log.without(Selection(type="sweep.planned")).count() == log.count()
    assert log.revert(CLEAN_UP, **SORRY).reverted == 2


def test_everything_has_to_be_said(log):
    clean_up(log, 3)
    for refused in (log.plan_revert, lambda selection: log.revert(selection, **SORRY)):
        with pytest.raises(InvalidInputError, match="everything=True"):
            refused(Selection())
        for wrong in (None, "clean-up", {"batch_id": "clean-up"}, [1]):
            with pytest.raises(InvalidInputError, match="takes a Selection"):
                refused(wrong)
    log.revert(Selection(), everything=True, **SORRY)
    assert log.count() == statuses(absent=3)
    # The same again finds that nothing counts but its own forerunner.
    log.revert(Selection(), everything=True, **SORRY)
    assert log.count() == statuses(absent=3)


def test_ids_of_every_script_come_in_one_order(log, small_chunks):
    ids = sorted(
        ["a", "B", "_", "é", "e\u0301", "z", "長", "🏴‍☠️", "10", "9", "\u202egnp", " ", "~"]
    )
    for account_id in reversed(ids):
        log.create(account_id, **WAN)
        log.delete(account_id, batch_id="clean-up", **WAN)
        log.change_profile(account_id, {"x": 1}, batch_id="clean-up", **WAN)
    plan = log.plan_revert(CLEAN_UP)
    assert [line.account_id for line in plan.lines()] == ids
    assert plan.apply(**SORRY).reverted == len(ids)
    assert log.verify().ok


# Size

SPAWN = multiprocessing.get_context("spawn")


@pytest.mark.parametrize(
    ("kind", "number", "most"),  # megabytes
    [
        ("sqlite", 20_000, 40),
        pytest.param("sqlite", 100_000, 100, marks=pytest.mark.soak),
        pytest.param("postgres", 100_000, 100, marks=pytest.mark.soak),
    ],
)
def test_memory_stays_flat_however_many_accounts_there_are(kind, number, most):
    with places.fresh(kind) as place:
        with place.open() as log:
            log.ingest(many(number), batch_id="import")
        ours, theirs = SPAWN.Pipe()
        child = SPAWN.Process(target=growth, args=(place, number, theirs))
        child.start()
        grown = ours.recv()
        child.join()
    assert grown.keys() == {"plan", "lines", "apply", "count"}
    assert all(megabytes < most for megabytes in grown.values()), grown


def many(number):
    """Accounts of which a clean-up deletes each, and changes every fourth besides."""
    common: dict = {"at": "2026-01-01T00:00:00Z", "actor": WAN["actor"], "reason": "clean-up"}
    ids = [f"{n:06}" for n in range(number)]
    for account_id in ids:
        yield {"do": "create", "account_id": account_id, "profile": {"nickname": "x"}, **common}
    common["batch_id"] = "clean-up"
    for account_id in ids:
        yield {"do": "delete", "account_id": account_id, **common}
    for account_id in ids[::4]:
        yield {
            "do": "change_profile",
            "account_id": account_id,
            "changes": {"nickname": None},
            **common,
        }


def growth(place, number, pipe):
    """How many megabytes more a process comes to need, step by step."""
    with place.open() as log:
        log.count()
        before = peak()
        grown = {}
        plan = log.plan_revert(CLEAN_UP)
        grown["plan"] = peak() - before
        assert sum(1 for _ in plan.lines()) == number
        grown["lines"] = peak() - before
        assert plan.apply(**SORRY).reverted == number
        grown["apply"] = peak() - before
        assert log.count()[Status.ACTIVE] == log.without(CLEAN_UP).count()[Status.ACTIVE] == number
        grown["count"] = peak() - before
    pipe.send(grown)


def peak():
    """The most memory that this process has held so far, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024
