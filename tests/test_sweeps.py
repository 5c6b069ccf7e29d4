"""Sweeps: what a plan shows, who decides on it, what becomes of each account, and the way back."""

import hashlib
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest

import modlog
from modlog import (
    Actor,
    ConflictError,
    GuardrailError,
    Guardrails,
    InvalidInputError,
    MissingActorError,
    MissingReasonError,
    Selection,
    Status,
    SweepNotFoundError,
    SweepState,
    SweepStateError,
)
from modlog._domain.events import AccountErased, Envelope, SweepApproved
from modlog._services.sweeps import chunks as sweep_chunks
from modlog.testing import MovableClock
from tests import places
from tests.recording import append

WAN, MEI, BOT = Actor.human("wan"), Actor.human("mei"), Actor.bot("sweeper")
SIGN_UP = Actor.system("sign-up")
WHY = {"actor": WAN, "reason": "clean-up", "policy": "illegal-content"}
# So high that nothing needs an approval, unless a test is about that.
OPEN = Guardrails(sweep_size=10**6, sweep_share=1)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock, guardrails=OPEN) as log:
        yield log


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request, clock):
    """Opens the same ledger again and again, as other processes do."""
    with places.fresh(request.param) as place:

        @contextmanager
        def shared(guardrails=OPEN):
            with place.open(clock=clock, guardrails=guardrails) as log:
                yield log

        yield shared


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 3)


def accounts(log, *ids):
    for account_id in ids:
        log.create(account_id, actor=SIGN_UP)


def outcomes(plan):
    """What became of each account, with the rule that refused it."""
    return {line.account_id: (str(line.outcome), line.rule) for line in plan.outcomes()}


def carry_out(plan, **options):
    """With the approval that it may need where most of the few accounts are no active ones."""
    if plan.needs_approval and plan.approved_by is None:
        plan.approve(actor=Actor.human("second"))
    return plan.execute(**options)


def done(*ids):
    return dict.fromkeys(ids, ("done", None))


def everything(log):
    """Each account that is there: what it is but for its version."""
    return {
        one.id: (one.status, one.profile, one.flags, one.sanctions, one.protected)
        for one in log.accounts()
    }


# The plan


@pytest.fixture
def mixed(log, clock):
    """Accounts of every kind, among them the founder's, long there and never flagged."""
    accounts(log, "110018")
    clock.move(timedelta(days=900))
    log.ingest([{"do": "suspend", "account_id": "imported", "at": clock(), **WHY}])
    accounts(log, "gone", "shut", "spam-1", "spam-2", "erased", "safe", "ended", "absent")
    for account_id in ("spam-1", "spam-2", "gone", "shut"):
        log.flag(account_id, "spam", actor=BOT)
    log.delete("gone", actor=MEI, reason="fraud")
    log.suspend("shut", actor=MEI, reason="fraud")
    log.suspend("ended", until=clock() + timedelta(hours=1), actor=MEI, reason="fraud")
    log.protect("safe", actor=MEI)
    append(log, "erased", AccountErased(), Envelope(actor=MEI, reason="asked for"))
    log.revert(Selection(account_id="absent"), actor=MEI, reason="by mistake")
    clock.move(timedelta(hours=2))
    return log


MIXED = [
    "110018", "imported", "gone", "shut", "spam-1", "spam-2", "erased", "safe", "ended", "absent",
    "nobody",
]  # fmt: skip


def test_a_plan_tells_what_it_is_about(mixed):
    plan = mixed.plan_sweep(MIXED, "delete", **WHY)
    assert plan.size == 11
    assert plan.statuses == {
        "active": 5, "deleted": 1, "suspended": 2, "unknown": 2, "erased": 1,
    }  # fmt: skip
    assert plan.protected == 1
    assert plan.refusals == {"protected-account": 1, "account-erased": 1}
    assert {id_: (status, rule) for id_, status, rule in plan.targets()} == {
        "110018": ("active", None),
        "absent": (None, None),
        "ended": ("active", None),
        "erased": ("erased", "account-erased"),
        "gone": ("deleted", None),
        "imported": ("suspended", None),
        "nobody": (None, None),
        "safe": ("active", "protected-account"),
        "shut": ("suspended", None),
        "spam-1": ("active", None),
        "spam-2": ("active", None),
    }
    assert (plan.action, plan.arguments, plan.state) == ("delete", {}, SweepState.PLANNED)
    assert sum(plan.counts.values()) == 0


def test_the_outlier_is_at_the_top(mixed):
    plan = mixed.plan_sweep(MIXED, "delete", **WHY)
    first, second, *_ = found = plan.outliers(100)
    assert (first.account_id, first.status, first.why) == ("110018", "active", ("never-flagged",))
    assert first.since == mixed.history("110018")[0].recorded_at
    assert (second.account_id, set(second.why)) == ("imported", {"never-flagged", "imported"})
    assert [one.account_id for one in found][-4:] == ["gone", "shut", "spam-1", "spam-2"]
    assert found[-1].why == ()
    (safe,) = [one for one in found if one.account_id == "safe"]
    assert set(safe.why) == {"never-flagged", "protected"}
    assert plan.outliers(1) == [first]
    assert {one.account_id for one in found} == set(MIXED) - {"nobody"}


def test_a_sample_is_spread_over_all(log):
    ids = [f"{n:03}" for n in range(100)]
    accounts(log, *ids)
    sample = log.plan_sweep(ids, "delete", **WHY).sample(10)
    assert sample == ids[::10]


def test_the_plan_is_recorded_with_who_why_and_the_limits(log):
    accounts(log, "1", "2")
    limits = Guardrails(sweep_size=7, sweep_share=0.5, deletions_per_hour=9, restored_days=2)
    log._work.guardrails = limits
    plan = log.plan_sweep(
        ["2", "1"], "suspend", until=log._work.clock() + timedelta(days=1), batch_id="march",
        confidence=0.5, correlation_id="ticket", **WHY,
    )  # fmt: skip
    (record,) = log.events(Selection(batch_id="march"))
    assert record == plan.planned
    assert (record.type, record.account_id, record.version) == ("sweep.planned", None, 1)
    assert (record.actor, record.reason, record.policy) == (WAN, "clean-up", "illegal-content")
    assert (record.confidence, record.correlation_id) == (0.5, "ticket")
    assert record.data == {
        "action": "suspend",
        "digest": plan.digest,
        "size": 2,
        "arguments": {"until": "2026-01-02T00:00:00.000000Z"},
        "guardrails": limits.data(),
        "needs_approval": True,
    }
    named = {"sweep_size": 7, "sweep_share": 0.5, "deletions_per_hour": 9, "restored_days": 2}
    assert named.items() <= record.data["guardrails"].items()
    assert record.data["guardrails"]["rules"] == []


def test_the_digest_is_that_of_the_exact_list(log):
    plan = log.plan_sweep(["b", "a", "b"], "flag", label="spam", **WHY)
    text = b'["flag",{"label":"spam","score":null}]["a","b"]'
    assert plan.digest == hashlib.sha256(text).hexdigest()
    assert plan.size == 2


def test_the_list_is_kept_in_an_insert_only_table(log):
    accounts(log, "1")
    log.plan_sweep(["1"], "delete", **WHY)
    table = log._work.store.database.table("sweep_targets")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET rule = 'x'"):
        with (
            pytest.raises(modlog.AppendOnlyError),
            log._work.store.writing(log._work.clock()) as writer,
        ):
            writer.session.run(statement)


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys, iter, reversed])
def test_ids_come_from_any_iterable(log, kind):
    accounts(log, "1", "2", "3")
    plan = log.plan_sweep(kind(["2", "1", "2"]), "delete", **WHY)
    assert [id_ for id_, *_ in plan.targets()] == ["1", "2"]


def test_ids_come_from_a_question(mixed):
    ids = ["gone", "shut", "spam-1", "spam-2"]
    for found in (
        mixed.accounts(flagged="spam"),
        mixed.now().accounts(flagged="spam"),
        mixed.as_of(mixed.head).accounts(flagged="spam"),
        Selection(type="account.flagged"),
        Selection(type=["account.flagged", "sweep.planned"], actor=BOT),
    ):
        plan = mixed.plan_sweep(found, "delete", **WHY)
        assert [id_ for id_, *_ in plan.targets()] == ids


def test_all_that_were_flagged_since_monday(log, clock):
    accounts(log, "1", "2", "3")
    log.flag("1", "spam", actor=BOT)
    monday = clock.move(timedelta(days=1))
    log.flag("2", "spam", actor=BOT)
    plan = log.plan_sweep(Selection(type="account.flagged", since=monday), "delete", **WHY)
    log.flag("3", "spam", actor=BOT)  # later events never join
    plan.execute()
    assert [one.id for one in log.accounts(status=Status.DELETED)] == ["2"]


@pytest.mark.parametrize(
    ("ids", "action", "options"),
    [
        ([], "delete", {}),
        (Selection(batch_id="none of it"), "delete", {}),
        (Selection(), "delete", {}),
        ("110018", "delete", {}),
        ([""], "delete", {}),
        ([7], "delete", {}),
        (["x" * 256], "delete", {}),
        (["1"], "erase", {}),
        (["1"], "note", {}),
        (["1"], "delete", {"until": MovableClock()()}),
        (["1"], "delete", {"label": "spam"}),
        (["1"], "flag", {}),
        (["1"], "flag", {"label": ""}),
        (["1"], "flag", {"label": "spam", "score": 2}),
        (["1"], "suspend", {"until": MovableClock()()}),
        (["1"], "delete", {"batch_id": ""}),
        (["1"], "delete", {"nonsense": 1}),
        (["1"], "delete", {"occurred_at": MovableClock()()}),
    ],
    ids=str,
)
def test_what_cannot_be_planned(log, ids, action, options):
    accounts(log, "1")
    with pytest.raises(InvalidInputError):
        log.plan_sweep(ids, action, **options, **WHY)
    assert list(log.sweeps()) == []
    assert log.head == 1


def test_what_is_shown_of_a_plan_is_a_number(log):
    accounts(log, "1", "2")
    plan = log.plan_sweep(["1", "2"], "flag", label="spam", **WHY)
    for show in (plan.sample, plan.outliers):
        assert show(0) == []
        assert len(show(1)) == 1
        assert len(show(9)) == 2
        for bad in (-1, True, "1"):
            with pytest.raises(InvalidInputError):
                show(bad)


def test_a_sweep_tells_who_and_why(log):
    accounts(log, "1")
    with pytest.raises(MissingActorError):
        log.plan_sweep(["1"], "flag", label="spam", reason="x")
    with pytest.raises(MissingReasonError):
        log.plan_sweep(["1"], "flag", label="spam", actor=WAN)
    with modlog.acting(WAN, reason="clean-up", policy="illegal-content"):
        plan = log.plan_sweep(["1"], "flag", label="spam")
    assert (plan.planned.actor, plan.planned.policy) == (WAN, "illegal-content")


def test_the_same_again_is_the_same_plan(shared):
    with shared() as log:
        accounts(log, "1", "2")
        first = log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
        statuses = first.statuses
    with shared() as log:
        log.flag("1", "spam", actor=BOT)
        head = log.head
        again = log.plan_sweep(iter(["2", "1"]), "delete", batch_id="march", **WHY)
        assert again.planned == first.planned
        assert log.sweep("march").planned == first.planned
        assert again.statuses == statuses
        assert log.head == head


@pytest.mark.parametrize(
    ("ids", "action", "options"),
    [
        (["1"], "delete", {}),
        (["1", "2", "3"], "delete", {}),
        (["1", "2"], "suspend", {}),
        (["1", "2"], "restore", {}),
    ],
)
def test_another_plan_under_the_same_name_is_refused(shared, ids, action, options):
    with shared() as log:
        accounts(log, "1", "2")
        log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
    with shared() as log, pytest.raises(ConflictError, match="march"):
        log.plan_sweep(ids, action, batch_id="march", **options, **WHY)


def test_a_name_that_other_events_have_is_refused(log):
    accounts(log, "1")
    log.flag("1", "spam", actor=BOT, batch_id="march")
    with pytest.raises(ConflictError, match="march"):
        log.plan_sweep(["1"], "delete", batch_id="march", **WHY)


def test_there_is_no_such_sweep(log):
    log.create("1", actor=WAN, batch_id="no sweep")
    for name in ("nothing", "no sweep"):
        with pytest.raises(SweepNotFoundError):
            log.sweep(name)
        with pytest.raises(SweepNotFoundError):
            log.resume(name)


def test_a_planning_that_broke_off_leaves_nothing_behind_that_counts(log, clock, monkeypatch):
    """The next one looks at every account anew."""
    accounts(log, "1", "2")

    def breaks_off(account, action):
        if account.id == "2":
            raise ZeroDivisionError
        return "own-rule"

    monkeypatch.setattr("modlog._storage.sweeps.lists.PAGE", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log._work, "guardrails", Guardrails(rules=[breaks_off]))
        with pytest.raises(ZeroDivisionError):
            log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
    log.suspend("1", actor=MEI, reason="fraud")
    clock.move(1)
    plan = log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
    assert plan.statuses == {"suspended": 1, "active": 1}
    assert carry_out(plan).counts["done"] == 2


def test_several_pages_are_one_plan(log, monkeypatch):
    monkeypatch.setattr("modlog._storage.sweeps.lists.PAGE", 2)
    ids = [str(n) for n in range(7)]
    accounts(log, *ids)
    plan = log.plan_sweep(ids, "delete", **WHY)
    assert (plan.size, plan.statuses) == (7, {"active": 7})
    plan.execute()
    assert log.count()[Status.DELETED] == 7


# The second person


@pytest.fixture
def waiting(log):
    """A plan that needs an approval."""
    accounts(log, "1", "2", "3")
    log._work.guardrails = Guardrails()
    return log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)


@pytest.mark.parametrize(
    ("limits", "size", "needed"),
    [
        ({"sweep_size": 3, "sweep_share": 1}, 3, False),
        ({"sweep_size": 3, "sweep_share": 1}, 4, True),
        ({"sweep_size": 99, "sweep_share": 0.25}, 2, False),
        ({"sweep_size": 99, "sweep_share": 0.25}, 3, True),
    ],
)
def test_large_sweeps_need_an_approval(log, limits, size, needed):
    ids = [str(n) for n in range(10)]
    accounts(log, *ids)
    log.delete("8", actor=MEI, reason="fraud")  # 8 of them are active
    log.suspend("9", actor=MEI, reason="fraud")
    log._work.guardrails = Guardrails(**limits)
    assert log.plan_sweep(ids[:size], "delete", **WHY).needs_approval is needed


def test_the_defaults_are_a_thousand_accounts_and_a_hundredth():
    limits = Guardrails()

    def needs_approval(size: int, active: int) -> bool:
        return limits.needs_approval(size, lambda enough: min(active, enough))

    assert not needs_approval(1_000, 100_000)
    assert needs_approval(1_000, 99_999)
    assert needs_approval(1_001, 10**9)
    assert needs_approval(2, 199)
    assert not needs_approval(2, 200)


def test_without_the_approval_nothing_happens(log, waiting):
    with pytest.raises(SweepStateError, match="approval"):
        waiting.execute()
    with pytest.raises(SweepStateError, match="approval"):
        log.resume("march", actor=MEI)
    assert log.count()[Status.DELETED] == 0
    assert log.sweep("march").state is SweepState.PLANNED


@pytest.mark.parametrize(
    "approver",
    [WAN, BOT, Actor.model("m", version="1"), Actor.system("cron"), Actor.bot("wan")],
    ids=lambda actor: f"{actor.kind} {actor.id}",
)
def test_the_approval_is_a_second_person_s(log, waiting, approver):
    with pytest.raises(InvalidInputError, match="second person"):
        waiting.approve(actor=approver)
    assert log.sweep("march").state is SweepState.PLANNED


def test_an_approval_is_recorded_with_the_digest(log, waiting):
    assert waiting.approve(actor=MEI, reason="looked at all of them") is waiting
    record = list(log.events(Selection(batch_id="march")))[-1]
    assert (record.type, record.data) == ("sweep.approved", {"digest": waiting.digest})
    assert (record.actor, record.reason) == (MEI, "looked at all of them")
    assert (waiting.state, waiting.approved_by) == (SweepState.APPROVED, MEI)
    assert log.sweep("march").approved_by == MEI
    assert waiting.execute().counts["done"] == 2


def test_an_approval_of_another_digest_is_void(log, waiting):
    with log._work.store.writing(log._work.clock()) as writer:
        other = SweepApproved("0" * 64)
        envelope = Envelope(actor=MEI, batch_id="march")
        writer.append([(modlog._domain.events.Draft(None, 2, other, envelope), None, None)])
    plan = log.sweep("march")
    assert (plan.state, plan.approved_by) == (SweepState.PLANNED, None)
    with pytest.raises(SweepStateError, match="approval"):
        plan.execute()


def test_a_stale_plan_is_approved_where_it_stands_now(shared):
    with shared(Guardrails()) as log:
        accounts(log, "1")
        log.plan_sweep(["1"], "delete", batch_id="march", **WHY)
    with shared() as here, shared() as there:
        stale = here.sweep("march")
        there.sweep("march").reject(actor=MEI, reason="not these")
        with pytest.raises(SweepStateError, match="rejected"):
            stale.approve(actor=MEI)
        with pytest.raises(SweepStateError, match="rejected"):
            stale.execute()


def test_a_rejection_is_final(log, waiting):
    with pytest.raises(MissingReasonError):
        waiting.reject(actor=MEI)
    waiting.reject(actor=WAN, reason="the founder is among them")
    record = list(log.events(Selection(batch_id="march")))[-1]
    assert (record.type, record.data["digest"]) == ("sweep.rejected", waiting.digest)
    assert record.reason == "the founder is among them"
    assert waiting.state is SweepState.REJECTED
    for attempt in (
        lambda: waiting.approve(actor=MEI),
        lambda: waiting.reject(actor=MEI, reason="again"),
        waiting.execute,
        lambda: log.resume("march"),
    ):
        with pytest.raises(SweepStateError, match="rejected"):
            attempt()
    again = log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
    assert again.state is SweepState.REJECTED
    assert log.count()[Status.DELETED] == 0


@pytest.mark.parametrize("state", ["approved", "running", "completed"])
def test_what_is_decided_is_not_decided_again(log, waiting, state, monkeypatch):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 1)
    waiting.approve(actor=MEI)
    if state == "running":
        with pytest.raises(KeyboardInterrupt):
            waiting.execute(progress=interrupt)
    if state == "completed":
        waiting.execute()
    assert log.sweep("march").state == state
    for attempt in (
        lambda: waiting.approve(actor=MEI),
        lambda: waiting.reject(actor=MEI, reason="late"),
    ):
        with pytest.raises(SweepStateError, match=state):
            attempt()


def interrupt(_):
    raise KeyboardInterrupt


# Carrying out


@pytest.mark.parametrize("action", ["delete", "suspend", "flag", "clear_flags", "restore"])
def test_each_action_is_done_to_each_account(mixed, clock, action):
    options = {
        "suspend": {"until": clock() + timedelta(days=1)},
        "flag": {"label": "spam", "score": 0.5},
    }.get(action, {})
    plan = mixed.plan_sweep(MIXED, action, batch_id="march", **options, **WHY)
    outcome = carry_out(plan, actor=MEI)
    acted = [id_ for id_, (what, _) in outcomes(plan).items() if what == "done"]
    events = [e for e in mixed.events(Selection(batch_id="march")) if e.account_id]
    assert [e.account_id for e in events] == acted
    assert len(acted) == outcome.counts["done"] == plan.counts["done"]
    expected = {
        "delete": ("110018 ended gone imported shut spam-1 spam-2", "account.deleted"),
        "suspend": ("110018 ended gone imported shut spam-1 spam-2", "account.suspended"),
        "flag": ("110018 ended gone imported shut spam-1 spam-2", "account.flagged"),
        "clear_flags": ("gone shut spam-1 spam-2", "flags.cleared"),
        "restore": ("gone imported shut", "account.restored"),
    }
    assert (" ".join(acted), *{e.type for e in events}) == expected[action]
    for event in events:  # the planner's decision, carried out by somebody else
        assert (event.actor, event.reason, event.policy) == (WAN, "clean-up", "illegal-content")
        assert event.occurred_at == event.recorded_at
    assert mixed.verify().findings == ()
    rules = {rule for _, rule in outcomes(plan).values() if rule}
    nothing = {"nothing-in-force"} if action in ("clear_flags", "restore") else set()
    assert rules == {"protected-account", "account-erased"} | nothing
    # What the plan said would be refused is what was refused.
    assert plan.refusals == Counter(rule for _, rule in outcomes(plan).values() if rule)


def test_one_that_others_deleted_gets_its_own_cause(mixed):
    plan = mixed.plan_sweep(["gone"], "delete", batch_id="march", **WHY)
    carry_out(plan)
    assert outcomes(plan) == done("gone")
    mixed.revert(Selection(batch_id="march"), actor=MEI, reason="by mistake")
    assert mixed.account("gone").status is Status.DELETED


def test_the_outcome_of_every_account(mixed):
    """Real situations between the plan and its execution."""
    ids = [*MIXED, "born", "reborn"]
    plan = mixed.plan_sweep(ids, "delete", batch_id="march", **WHY)
    mixed.delete("spam-1", actor=MEI, reason="fraud")  # status
    mixed.protect("110018", actor=MEI)  # protection
    mixed.unprotect("safe", actor=MEI, reason="by mistake")
    accounts(mixed, "born", "absent")  # existence
    mixed.delete("spam-2", actor=WAN, reason="at once", batch_id="march")
    mixed.flag("ended", "spam", actor=BOT)  # nothing of it
    outcome = carry_out(plan)
    expected = {
        "110018": ("changed", None),
        "absent": ("changed", None),
        "born": ("changed", None),
        "ended": ("done", None),
        "erased": ("refused", "account-erased"),
        "gone": ("done", None),
        "imported": ("done", None),
        "nobody": ("unknown", None),
        "reborn": ("unknown", None),
        "safe": ("changed", None),
        "shut": ("done", None),
        "spam-1": ("changed", None),
        "spam-2": ("already", None),
    }
    assert outcomes(plan) == expected
    assert [(o.account_id, str(o.outcome), o.rule) for o in outcome.accounts()] == [
        (id_, *what) for id_, what in expected.items()
    ]
    assert outcome.counts == {"done": 4, "refused": 1, "already": 1, "unknown": 2, "changed": 5}
    assert mixed.account("110018").status is Status.ACTIVE
    assert len(mixed.account("spam-2").sanctions) == 1
    assert mixed.verify().findings == ()


def test_a_refused_attempt_under_its_name_is_no_deed_of_the_sweep(log):
    accounts(log, "1")
    log._work.guardrails = Guardrails(
        sweep_size=9,
        sweep_share=1,
        rules=[lambda account, action: (action == "flag" and "no") or None],
    )
    plan = log.plan_sweep(["1"], "delete", batch_id="march", **WHY)
    with pytest.raises(GuardrailError):
        log.flag("1", "spam", actor=BOT, batch_id="march")
    plan.execute()
    assert outcomes(plan) == done("1")
    assert plan.reverted() == 0
    log.revert(Selection(batch_id="march"), actor=MEI, reason="by mistake")
    assert plan.reverted() == 1


def test_a_suspension_that_ends_in_between_is_a_change(log, clock):
    accounts(log, "1")
    log.suspend("1", until=clock() + timedelta(hours=1), actor=MEI, reason="fraud")
    plan = log.plan_sweep(["1"], "delete", **WHY)
    clock.move(timedelta(hours=2))
    carry_out(plan)
    assert outcomes(plan) == {"1": ("changed", None)}


def test_progress_comes_with_every_chunk(log, small_chunks):
    ids = [str(n) for n in range(7)]
    accounts(log, *ids)
    seen: list[modlog.SweepProgress] = []
    plan = log.plan_sweep(ids, "delete", batch_id="march", **WHY)
    plan.execute(progress=seen.append, actor=MEI)
    assert [(one.done, one.total) for one in seen] == [(3, 7), (6, 7), (7, 7)]
    records = [e for e in log.events(Selection(batch_id="march")) if not e.account_id]
    assert [(e.type, e.version, e.actor) for e in records] == [
        ("sweep.planned", 1, WAN),
        ("sweep.progressed", 2, MEI),
        ("sweep.progressed", 3, MEI),
        ("sweep.progressed", 4, MEI),
        ("sweep.completed", 5, MEI),
    ]
    assert [e.data["through"] for e in records[1:4]] == [3, 6, 7]
    for record in records[1:]:  # with the chunk that it tells of
        told = [e for e in log.events() if e.recorded_at == record.recorded_at and e.account_id]
        assert len(told) in (1, 3)
    assert records[-1].data["outcomes"] == {"done": 7}


def test_never_more_than_a_chunk_in_a_transaction(log):
    assert sweep_chunks.CHUNK == 10_000


def test_carried_out_again_it_does_nothing(log):
    accounts(log, "1", "2")
    plan = log.plan_sweep(["1", "2"], "delete", batch_id="march", **WHY)
    first = plan.execute()
    head = log.head
    assert plan.execute().counts == log.resume("march").counts == first.counts
    assert log.head == head


def test_a_sweep_that_stopped_is_resumed_elsewhere(shared, small_chunks):
    ids = [str(n) for n in range(8)]
    with shared() as log:
        accounts(log, *ids)
        plan = log.plan_sweep(ids, "delete", batch_id="march", **WHY)
        with pytest.raises(KeyboardInterrupt):
            plan.execute(progress=interrupt)
    with shared() as log:
        plan = log.sweep("march")
        assert (plan.state, plan.counts["done"]) == (SweepState.RUNNING, 3)
        assert outcomes(plan) == done("0", "1", "2")
        assert log.count()[Status.DELETED] == 3
        seen: list[modlog.SweepProgress] = []
        outcome = log.resume("march", progress=seen.append, actor=MEI)
        assert [one.done for one in seen] == [6, 8]
        assert outcome.counts["done"] == 8
        assert Counter(e.account_id for e in log.events(Selection(type="account.deleted"))) == (
            Counter(ids)
        )
        assert log.verify().findings == ()


def test_between_chunks_others_go_on(log, small_chunks):
    ids = [str(n) for n in range(9)]
    accounts(log, *ids)
    plan = log.plan_sweep(ids, "delete", batch_id="march", **WHY)

    def meanwhile(progress):
        if progress.done == 3:
            log.restore("0", actor=MEI, reason="by mistake")  # through already
            log.delete("4", actor=MEI, reason="fraud")
            log.protect("7", actor=MEI)
            log.change_profile("8", {"nickname": "x"}, actor=SIGN_UP)

    plan.execute(progress=meanwhile)
    changed = {"4": ("changed", None), "7": ("changed", None)}
    assert outcomes(plan) == done(*ids) | changed
    statuses = {one.id: str(one.status) for one in log.accounts()}
    assert statuses == dict.fromkeys(ids, "deleted") | {"0": "active", "7": "active"}
    assert log.account("8").profile == {"nickname": "x"}
    assert log.verify().findings == ()


def test_one_within_another_doubles_nothing(shared, small_chunks):
    ids = [str(n) for n in range(10)]
    with shared() as here, shared() as there:
        accounts(here, *ids)
        plan = here.plan_sweep(ids, "delete", batch_id="march", **WHY)
        outcome = plan.execute(progress=lambda _: there.resume("march"))
        assert outcome.counts["done"] == 10
        assert [e.account_id for e in here.events(Selection(type="account.deleted"))] == ids
        completed = Selection(type="sweep.completed")
        assert len(list(here.events(completed))) == 1


def test_several_at_once_double_nothing(shared, small_chunks):
    ids = [f"{n:02}" for n in range(60)]
    with shared() as log:
        accounts(log, *ids)
        log.plan_sweep(ids, "delete", batch_id="march", **WHY)
        found = []

        def work():
            with shared() as own:
                found.append(own.resume("march", actor=MEI).counts["done"])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(5):
            log.flag(ids[-1 - n], "spam", actor=BOT)
        for thread in threads:
            thread.join()
        assert found == [60] * 4
        deleted = [e.account_id for e in log.events(Selection(type="account.deleted"))]
        assert sorted(deleted) == ids
        assert sum(len(one.flags) for one in log.accounts()) == 5
        assert log.verify().findings == ()


def test_single_commands_at_the_same_time_lose_nothing(shared, small_chunks):
    ids = [f"{n:02}" for n in range(30)]
    with shared() as log:
        accounts(log, *ids)
        plan = log.plan_sweep(ids, "delete", batch_id="march", **WHY)
        given = []

        def work():
            with shared() as own:
                for account_id in reversed(ids):
                    given.append(own.suspend(account_id, actor=MEI, reason="fraud"))

        thread = threading.Thread(target=work)
        thread.start()
        plan.execute()
        thread.join()
        for event in given:
            assert log.history(event.account_id)[event.version - 1] == event
        for account_id, (outcome, _) in outcomes(plan).items():
            kinds = {one.kind for one in log.account(account_id).sanctions.values()}
            # A sweep spares whom somebody else was quicker to suspend.
            expected = {"done": {"suspension", "deletion"}, "changed": {"suspension"}}
            assert kinds == expected[outcome]
        assert log.verify().findings == ()


def test_in_a_transaction_a_sweep_is_undone_with_it(log, small_chunks):
    ids = [str(n) for n in range(7)]
    accounts(log, *ids)
    before = everything(log)

    def half_done():
        with log.transaction():
            log.plan_sweep(ids, "delete", batch_id="march", **WHY).execute()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert everything(log) == before
    assert list(log.sweeps()) == []
    with log.transaction():
        log.plan_sweep(ids, "delete", batch_id="march", **WHY).execute()
    assert log.count()[Status.DELETED] == 7
    assert log.verify().findings == ()


# Guardrails of sweeps


def test_protected_accounts_are_left_out_of_every_sweep(log):
    accounts(log, "1", "2")
    log.flag("1", "spam", actor=BOT)
    log.delete("1", actor=MEI, reason="fraud")
    log.protect("1", actor=MEI)
    for action in ("delete", "suspend", "flag", "clear_flags", "restore"):
        options = {"label": "spam"} if action == "flag" else {}
        plan = log.plan_sweep(["1"], action, **options, **WHY)
        carry_out(plan)
        assert outcomes(plan) == {"1": ("refused", "protected-account")}


def test_the_rate_holds_for_sweeps(log, clock, small_chunks):
    ids = [str(n) for n in range(9)]
    accounts(log, *ids)
    log._work.guardrails = Guardrails(sweep_size=99, sweep_share=1, deletions_per_hour=5)
    accounts(log, "another")
    log.delete("0", actor=WAN, reason="fraud")
    plan = log.plan_sweep(ids, "delete", **WHY)
    plan.execute(actor=MEI)  # they are the planner's deletions
    late = dict.fromkeys(ids[4:], ("refused", "deletion-rate"))
    assert outcomes(plan) == done(*ids[:4]) | late
    clock.move(timedelta(hours=1, seconds=1))
    again = log.plan_sweep(ids[4:], "delete", **WHY)
    assert not again.needs_approval
    assert again.execute().counts["done"] == 5


def test_approved_sweeps_are_exempt_from_the_rate(log):
    ids = [str(n) for n in range(9)]
    accounts(log, *ids)
    log._work.guardrails = Guardrails(deletions_per_hour=5)
    plan = log.plan_sweep(ids, "delete", **WHY).approve(actor=MEI)
    assert plan.execute().counts["done"] == 9


def test_the_rate_is_about_deletions(log):
    ids = [str(n) for n in range(9)]
    accounts(log, *ids)
    log._work.guardrails = Guardrails(sweep_size=99, sweep_share=1, deletions_per_hour=0)
    assert log.plan_sweep(ids, "suspend", **WHY).execute().counts["done"] == 9


def test_the_limits_of_the_plan_govern_whoever_carries_it_out(shared):
    limits = Guardrails(sweep_size=99, sweep_share=1, deletions_per_hour=2)
    with shared(limits) as log:
        accounts(log, "1", "2", "3")
        log.plan_sweep(["1", "2", "3"], "delete", batch_id="march", **WHY)
    with shared() as log:
        counts = log.resume("march").counts
        assert (counts["done"], counts["refused"]) == (2, 1)


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
def test_no_machine_sweeps_what_a_human_has_put_right(log, clock, when):
    accounts(log, "1", "2", "3")
    for account_id in ("1", "2"):
        log.delete(account_id, actor=BOT, reason="clean-up")
    log.restore("1", actor=MEI, reason="by mistake")
    log.restore("2", actor=BOT, reason="by mistake")
    plan = log.plan_sweep(["1", "2", "3"], "suspend", actor=BOT, reason="clean-up")
    assert plan.refusals == {"restored-by-human": 1}
    if when == "after the plan":
        log.delete("3", actor=BOT, reason="clean-up")
        log.restore("3", actor=MEI, reason="by mistake")
    carry_out(plan)
    refused = {"1": ("refused", "restored-by-human")}
    if when == "after the plan":
        refused["3"] = ("refused", "restored-by-human")
    assert outcomes(plan) == done("1", "2", "3") | refused
    clock.move(timedelta(days=31))
    assert log.plan_sweep(["1", "3"], "delete", actor=BOT, reason="x").refusals == {}
    assert log.plan_sweep(["1", "3"], "delete", **WHY).refusals == {}  # a human


def test_nobody_sweeps_a_sanction_off_an_account_of_their_own(log, clock):
    accounts(log, "1", "own")
    until = clock() + timedelta(days=1)
    log.suspend("own", occurred_at=clock() - timedelta(days=1), until=clock() + timedelta(1),
                actor=MEI, reason="fraud")  # fmt: skip
    rogue = Actor.human("rogue", account_id="own")
    with pytest.raises(GuardrailError, check=lambda error: error.rule == "sanctioned-actor"):
        log.plan_sweep(["own"], "restore", actor=rogue, reason="mine", batch_id="march")
    (attempt,) = log.events(Selection(type="action.refused"))
    assert (attempt.account_id, attempt.actor) == ("own", rogue)
    assert attempt.data == {"action": "plan_sweep", "rule": "sanctioned-actor"}
    assert list(log.sweeps()) == []
    # The name is free for who may.
    carry_out(log.plan_sweep(["own"], "restore", actor=MEI, reason="over", batch_id="march"))
    assert log.account("own").status is Status.ACTIVE
    assert until > clock()


def test_an_account_of_one_s_own_in_a_restoring_is_itemised(log):
    accounts(log, "1", "own")
    log.delete("1", actor=MEI, reason="fraud")
    rogue = Actor.human("rogue", account_id="own")
    plan = log.plan_sweep(["1", "own"], "restore", actor=rogue, reason="all")
    assert plan.refusals == {"own-account": 1}
    carry_out(plan)
    assert outcomes(plan) == done("1") | {"own": ("refused", "own-account")}


@pytest.mark.parametrize("who", ["planner", "runner"])
def test_who_is_sanctioned_meanwhile_stops_the_sweep(log, small_chunks, who):
    ids = [str(n) for n in range(7)]
    accounts(log, "own", *ids)
    rogue = Actor.human("rogue", account_id="own")
    planner = rogue if who == "planner" else WAN
    plan = log.plan_sweep(ids, "delete", actor=planner, reason="clean-up", batch_id="march")

    def meanwhile(_):
        log.suspend("own", actor=MEI, reason="a rogue")

    with pytest.raises(GuardrailError, check=lambda error: error.rule == "sanctioned-actor"):
        plan.execute(progress=meanwhile, actor=rogue)
    assert log.sweep("march").counts["done"] == 3
    (attempt,) = log.events(Selection(type="action.refused"))
    assert (attempt.account_id, attempt.data["action"]) == ("own", "execute")
    if who == "runner":  # somebody else may go on; of a sanctioned planner's nobody
        assert log.resume("march", actor=MEI).counts["done"] == 7
    else:
        with pytest.raises(GuardrailError):
            log.resume("march", actor=MEI)
        log.restore("own", actor=MEI, reason="was none")
        assert log.resume("march", actor=MEI).counts["done"] == 7
    assert log.verify().findings == ()


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_who_is_sanctioned_decides_nothing(log, waiting, decision):
    accounts(log, "own")
    log.suspend("own", actor=MEI, reason="a rogue")
    rogue = Actor.human("rogue", account_id="own")
    with pytest.raises(GuardrailError):
        getattr(waiting, decision)(actor=rogue, reason="because")
    assert log.sweep("march").state is SweepState.PLANNED
    (attempt,) = log.events(Selection(type="action.refused"))
    assert (attempt.account_id, attempt.data["action"]) == ("own", decision)


def test_own_rules_are_asked_when_the_sweep_is_planned(log, monkeypatch):
    monkeypatch.setattr("modlog._storage.sweeps.lists.PAGE", 2)
    asked = []

    def spare_the_unflagged(account, action):
        asked.append((account.id, str(account.status), action))
        return None if account.flags or action != "delete" else "unflagged"

    accounts(log, "1", "2", "3", "4")
    log.flag("1", "spam", actor=BOT)
    log.protect("4", actor=MEI)
    log._work.guardrails = Guardrails(sweep_size=99, sweep_share=1, rules=[spare_the_unflagged])
    plan = log.plan_sweep(["1", "2", "3", "4", "nobody"], "delete", **WHY)
    assert plan.refusals == {"unflagged": 2, "protected-account": 1}
    assert plan.planned.data["guardrails"]["rules"] == ["spare_the_unflagged"]
    assert asked == [(id_, "active", "delete") for id_ in ("1", "2", "3")]
    log._work.guardrails = Guardrails(rules=[lambda account, action: "too late"])
    carry_out(plan)
    assert outcomes(plan) == done("1") | {
        "2": ("refused", "unflagged"),
        "3": ("refused", "unflagged"),
        "4": ("refused", "protected-account"),
        "nobody": ("unknown", None),
    }


# All of them


def test_all_sweeps_with_their_state_and_counts(log):
    accounts(log, "1", "2", "3")
    log.plan_sweep(["1"], "delete", batch_id="c", **WHY)
    log.plan_sweep(["1", "2"], "flag", label="spam", batch_id="a", **WHY).execute()
    log.plan_sweep(["3"], "delete", batch_id="b", **WHY).reject(actor=MEI, reason="no")
    found = [(one.batch_id, str(one.state), one.size, one.counts["done"]) for one in log.sweeps()]
    assert found == [("c", "planned", 1, 0), ("a", "completed", 2, 2), ("b", "rejected", 1, 0)]


# The way back


def test_a_sweep_is_undone(mixed):
    before = everything(mixed)
    plan = mixed.plan_sweep(MIXED, "delete", batch_id="march", **WHY)
    carry_out(plan)
    assert plan.reverted() == 0
    outcome = mixed.revert(Selection(batch_id="march"), actor=MEI, reason="by mistake")
    assert outcome.reverted == plan.counts["done"] == plan.reverted() == 7
    assert everything(mixed) == before
    assert mixed.sweep("march").state is SweepState.COMPLETED
    mixed.revert(Selection(batch_id=outcome.batch_id), actor=MEI, reason="after all")
    assert plan.reverted() == 0
    assert mixed.verify().findings == ()


def test_one_account_is_taken_out_of_it(mixed):
    plan = mixed.plan_sweep(MIXED, "delete", batch_id="march", **WHY)
    carry_out(plan)
    before = everything(mixed)
    one = Selection(batch_id="march", account_id="110018")
    assert mixed.revert(one, actor=MEI, reason="the founder").reverted == 1
    assert mixed.account("110018").status is Status.ACTIVE
    after = everything(mixed)
    assert {id_ for id_ in before if before[id_] != after[id_]} == {"110018"}
    assert plan.reverted() == mixed.sweep("march").reverted() == 1
    rest = mixed.revert(Selection(batch_id="march"), actor=MEI, reason="all of it")
    assert rest.reverted == plan.reverted() == 7


def test_a_sweep_that_never_ended_is_undone_as_far_as_it_came(log, small_chunks):
    ids = [str(n) for n in range(7)]
    accounts(log, *ids)
    before = everything(log)
    plan = log.plan_sweep(ids, "delete", batch_id="march", **WHY)
    with pytest.raises(KeyboardInterrupt):
        plan.execute(progress=interrupt)
    assert log.revert(Selection(batch_id="march"), actor=MEI, reason="stop").reverted == 3
    assert everything(log) == before
    assert plan.reverted() == 3


def test_a_restoring_by_sweep_is_undone(log):
    accounts(log, "1", "2")
    for account_id in ("1", "2"):
        log.delete(account_id, actor=BOT, reason="clean-up")
        log.suspend(account_id, actor=BOT, reason="clean-up")
    before = everything(log)
    plan = log.plan_sweep(["1", "2"], "restore", batch_id="march", **WHY)
    carry_out(plan)
    assert log.count()[Status.ACTIVE] == 2
    log.revert(Selection(batch_id="march"), actor=MEI, reason="by mistake")
    assert everything(log) == before
    assert plan.reverted() == 2
