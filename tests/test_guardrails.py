"""Guardrails: what each stops, what it lets through, and that the attempt is on record."""

from datetime import timedelta

import pytest

import modlog
from modlog import (
    Actor,
    GuardrailError,
    Guardrails,
    InvalidInputError,
    NothingInForceError,
    Selection,
    Status,
)
from modlog.testing import MovableClock

WAN, MEI, QIU = Actor.human("wan"), Actor.human("mei"), Actor.human("qiu")
BOT, MODEL = Actor.bot("sweeper"), Actor.model("classifier", version="3")
SIGN_UP = Actor.system("sign-up")
WHY = {"reason": "clean-up"}


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def guarded(place, clock):
    """Makes the place's ledger, with limits of this test's own and some accounts."""
    logs = []

    def guarded(**limits):
        log = place.open(clock=clock, guardrails=Guardrails(**limits))
        logs.append(log)
        for account_id in ("1", "2", "3", "own"):
            log.create(account_id, actor=SIGN_UP)
        return log

    yield guarded
    for log in logs:
        log.close()


def refusals(log, **filters):
    """The attempts that are on record: account, who, what, by which rule."""
    return [
        (e.account_id, e.actor.id, e.data["action"], e.data["rule"])
        for e in log.events(Selection(type="action.refused", **filters))
    ]


def refused(rule):
    return pytest.raises(GuardrailError, check=lambda error: error.rule == rule)


# Protected accounts


@pytest.mark.parametrize("action", ["delete", "suspend"])
def test_a_protected_account_is_neither_deleted_nor_suspended(guarded, action):
    log = guarded()
    log.protect("1", actor=WAN)
    with refused("protected-account"):
        getattr(log, action)("1", actor=WAN, policy="illegal-content", batch_id="b", **WHY)
    assert log.account("1").status is Status.ACTIVE
    (attempt,) = log.events(Selection(type="action.refused"))
    assert attempt.account_id == "1"
    assert attempt.data == {"action": action, "rule": "protected-account"}
    assert (attempt.actor, attempt.reason) == (WAN, "clean-up")
    assert (attempt.policy, attempt.batch_id) == ("illegal-content", "b")
    assert log.verify().ok


def test_a_protected_account_takes_everything_else(guarded):
    log = guarded()
    log.delete("1", actor=WAN, **WHY)
    log.protect("1", actor=WAN)
    log.flag("1", "spam", actor=WAN)
    log.restore("1", actor=WAN, **WHY)
    log.unprotect("1", actor=WAN, **WHY)
    log.suspend("1", actor=WAN, **WHY)
    assert refusals(log) == []


@pytest.mark.parametrize("action", ["delete", "suspend"])
def test_an_override_takes_a_second_person(guarded, action):
    log = guarded()
    log.protect("1", actor=WAN)
    command = getattr(log, action)
    event = command("1", override_protection=True, approved_by=MEI, actor=WAN, **WHY)
    *_, sanction, approval = log.history("1")
    assert sanction == event
    assert (sanction.actor, approval.actor, approval.type) == (WAN, MEI, "account.noted")
    assert approval.recorded_at == sanction.recorded_at
    assert f"version {sanction.version}" in approval.data["text"]
    assert log.verify().ok


@pytest.mark.parametrize(
    "approver",
    [None, "mei", WAN, Actor.human("wan", account_id="1"), BOT, MODEL, Actor.system("cron")],
    ids=str,
)
def test_an_override_without_a_second_person_is_wrong(guarded, approver):
    log = guarded()
    log.protect("1", actor=WAN)
    head = log.head
    with pytest.raises(InvalidInputError, match="second person"):
        log.delete("1", override_protection=True, approved_by=approver, actor=WAN, **WHY)
    assert log.head == head


def test_two_names_of_one_account_are_no_two_persons(guarded):
    log = guarded()
    log.protect("1", actor=WAN)
    approver = Actor.human("also wan", account_id="own")
    with pytest.raises(InvalidInputError, match="second person"):
        log.delete(
            "1",
            override_protection=True,
            approved_by=approver,
            actor=Actor.human("wan", account_id="own"),
            **WHY,
        )


def test_an_approval_without_an_override_is_wrong(guarded):
    with pytest.raises(InvalidInputError, match="override_protection"):
        guarded().delete("1", approved_by=MEI, actor=WAN, **WHY)


def test_an_override_of_what_is_not_protected_leaves_no_note(guarded):
    log = guarded()
    log.delete("1", override_protection=True, approved_by=MEI, actor=WAN, **WHY)
    assert [event.type for event in log.history("1")] == ["account.created", "account.deleted"]


def test_who_is_sanctioned_approves_of_nothing(guarded):
    log = guarded()
    log.protect("1", actor=WAN)
    log.suspend("own", actor=WAN, **WHY)
    with refused("sanctioned-actor"):
        log.delete(
            "1",
            override_protection=True,
            approved_by=Actor.human("mei", account_id="own"),
            actor=WAN,
            **WHY,
        )


# The actor's own account


def test_nobody_lifts_a_sanction_on_an_account_of_their_own(guarded):
    log = guarded()
    log.delete("own", actor=WAN, **WHY)
    with refused("own-account"):
        log.restore("own", actor=Actor.human("rogue", account_id="own"), **WHY)
    assert log.account("own").status is Status.DELETED
    assert refusals(log) == [("own", "rogue", "restore", "own-account")]
    log.restore("own", actor=Actor.human("mei", account_id="1"), **WHY)
    assert log.account("own").status is Status.ACTIVE


@pytest.mark.parametrize("sanction", ["suspend", "delete"])
def test_an_actor_whose_own_account_is_sanctioned_can_do_nothing(guarded, sanction):
    log = guarded()
    rogue = Actor.human("rogue", account_id="own")
    log.flag("1", "spam", actor=rogue)
    getattr(log, sanction)("own", actor=WAN, **WHY)
    attempts = {
        "flag": lambda: log.flag("2", "spam", actor=rogue),
        "clear_flags": lambda: log.clear_flags("1", actor=rogue),
        "suspend": lambda: log.suspend("2", actor=rogue, **WHY),
        "delete": lambda: log.delete("2", actor=rogue, **WHY),
        "note": lambda: log.note("2", "hello", actor=rogue),
        "change_profile": lambda: log.change_profile("2", {"a": 1}, actor=rogue),
        "protect": lambda: log.protect("2", actor=rogue),
        "unprotect": lambda: log.unprotect("2", actor=rogue, **WHY),
    }
    for attempt in attempts.values():
        with refused("sanctioned-actor"):
            attempt()
    assert [what for _, _, what, _ in refusals(log)] == list(attempts)
    log.restore("own", actor=WAN, **WHY)
    log.flag("2", "spam", actor=rogue)


def test_a_creation_that_is_refused_is_on_record_with_the_one_who_tried(guarded):
    log = guarded()
    log.delete("own", actor=WAN, **WHY)
    with refused("sanctioned-actor"):
        log.create("new", actor=Actor.human("rogue", account_id="own"))
    with pytest.raises(modlog.AccountNotFoundError):
        log.account("new")
    assert refusals(log) == [("own", "rogue", "create", "sanctioned-actor")]
    assert log.verify().ok


def test_a_suspension_that_has_ended_binds_no_actor(guarded, clock):
    log = guarded()
    log.suspend("own", until=clock() + timedelta(hours=1), actor=WAN, **WHY)
    clock.move(timedelta(hours=2))
    log.flag("1", "spam", actor=Actor.human("mei", account_id="own"))
    assert refusals(log) == []


# After a human's restoring


@pytest.mark.parametrize("automat", [BOT, MODEL], ids=["bot", "model"])
@pytest.mark.parametrize("action", ["delete", "suspend"])
@pytest.mark.parametrize("way", ["restore", "revert"])
def test_no_machine_repeats_what_a_human_has_put_right(guarded, clock, automat, action, way):
    log = guarded(restored_days=7)
    log.delete("1", actor=automat, batch_id="b", **WHY)
    if way == "restore":
        log.restore("1", actor=MEI, **WHY)
    else:
        log.revert(Selection(batch_id="b"), actor=MEI, **WHY)
    command = getattr(log, action)
    clock.move(timedelta(days=7) - timedelta(minutes=1))
    with refused("restored-by-human"):
        command("1", actor=automat, **WHY)
    log.flag("1", "spam", actor=automat)  # telling is not sanctioning
    command("2", actor=automat, **WHY)
    clock.move(timedelta(minutes=2))
    command("1", actor=automat, **WHY)
    assert refusals(log) == [("1", automat.id, action, "restored-by-human")]


def test_a_human_can_sanction_again(guarded):
    log = guarded()
    log.delete("1", actor=BOT, **WHY)
    log.restore("1", actor=MEI, **WHY)
    log.delete("1", actor=WAN, **WHY)
    assert log.account("1").status is Status.DELETED


def test_a_machine_s_restoring_binds_nobody(guarded):
    log = guarded()
    log.delete("1", actor=BOT, **WHY)
    log.restore("1", actor=BOT, **WHY)
    log.delete("1", actor=BOT, **WHY)
    assert refusals(log) == []


# The rate


def test_so_many_deletions_an_hour_and_no_more(guarded, clock):
    log = guarded(deletions_per_hour=3)
    for account_id in ("1", "2", "3"):
        log.delete(account_id, actor=BOT, **WHY)
        clock.move(timedelta(minutes=10))
    with refused("deletion-rate"):
        log.delete("own", actor=BOT, **WHY)
    log.suspend("own", actor=BOT, **WHY)  # no deletion
    log.delete("own", actor=WAN, **WHY)  # another actor
    log.delete("own", actor=Actor.human(BOT.id), **WHY)  # as its name under another kind
    clock.move(timedelta(minutes=29))
    with refused("deletion-rate"):
        log.delete("own", actor=BOT, **WHY)
    clock.move(timedelta(minutes=2))  # the first is more than an hour ago
    log.delete("own", actor=BOT, **WHY)
    with refused("deletion-rate"):
        log.delete("own", actor=BOT, **WHY)


def test_the_rate_counts_when_it_was_recorded(guarded, clock):
    log = guarded(deletions_per_hour=1)
    log.delete("1", actor=BOT, occurred_at=clock() - timedelta(days=9), **WHY)
    with refused("deletion-rate"):
        log.delete("2", actor=BOT, occurred_at=clock() - timedelta(days=5), **WHY)


def test_none_at_all_is_a_limit_too(guarded):
    with refused("deletion-rate"):
        guarded(deletions_per_hour=0).delete("1", actor=WAN, **WHY)


# Own rules


def test_own_rules_get_the_account_and_the_action(guarded):
    seen = []

    def spare_the_young(account, action):
        seen.append((account.id, account.version, account.status, action))
        return "too-young" if action == "delete" and not account.flags else None

    log = guarded(rules=[lambda account, action: None, spare_the_young])
    seen.clear()
    with refused("too-young"):
        log.delete("1", actor=WAN, **WHY)
    log.flag("2", "spam", actor=WAN)
    log.delete("2", actor=WAN, **WHY)
    assert seen == [
        ("1", 1, Status.ACTIVE, "delete"),
        ("2", 1, Status.ACTIVE, "flag"),
        ("2", 2, Status.ACTIVE, "delete"),
    ]
    assert refusals(log) == [("1", "wan", "delete", "too-young")]


@pytest.mark.parametrize("answer", [True, "", 7])
def test_what_is_no_code_is_no_refusal(guarded, answer):
    log = guarded(rules=[lambda account, action: answer if action == "delete" else None])
    with pytest.raises(InvalidInputError, match="refusal of"):
        log.delete("1", actor=WAN, **WHY)
    assert log.account("1").status is Status.ACTIVE


@pytest.mark.parametrize(
    "limits",
    [
        {"sweep_size": -1},
        {"sweep_size": True},
        {"sweep_size": 1.5},
        {"sweep_share": 1.1},
        {"sweep_share": -0.1},
        {"sweep_share": "1"},
        {"deletions_per_hour": None},
        {"restored_days": -1},
        {"rules": ["no callable"]},
    ],
    ids=str,
)
def test_limits_that_are_none(limits):
    with pytest.raises(InvalidInputError):
        Guardrails(**limits)


def test_the_defaults():
    limits = Guardrails()
    assert (limits.sweep_size, limits.sweep_share) == (1_000, 0.01)
    assert (limits.deletions_per_hour, limits.restored_days, limits.rules) == (10_000, 30, ())


def test_open_takes_guardrails_alone(place):
    with pytest.raises(InvalidInputError, match="guardrails="):
        place.open(guardrails={"sweep_size": 1})


# What is on record


def test_the_attempt_stays_when_the_transaction_around_it_is_undone(guarded):
    log = guarded()
    log.protect("1", actor=WAN)

    def half_done():
        with log.transaction():
            log.flag("2", "spam", actor=WAN)
            log.delete("1", actor=WAN, **WHY)

    with refused("protected-account"):
        half_done()
    assert log.account("2").flags == {}
    assert refusals(log) == [("1", "wan", "delete", "protected-account")]
    assert log.verify().ok


def test_the_attempt_stays_when_the_rest_goes_on(guarded):
    log = guarded()
    log.protect("1", actor=WAN)
    with log.transaction():
        log.flag("2", "spam", actor=WAN)
        with pytest.raises(GuardrailError):
            log.delete("1", actor=WAN, **WHY)
        log.flag("3", "spam", actor=WAN)
    assert log.account("2").flags
    assert log.account("3").flags
    assert refusals(log) == [("1", "wan", "delete", "protected-account")]


def test_the_attempt_changes_nothing_of_the_account(guarded):
    log = guarded()
    log.protect("1", actor=WAN)
    before = log.account("1")
    with pytest.raises(GuardrailError):
        log.delete("1", actor=WAN, **WHY)
    after = log.account("1")
    assert after.version == before.version + 1
    assert (after.status, after.profile, after.protected) == (Status.ACTIVE, {}, True)


def test_a_refused_request_keeps_no_key(guarded):
    log = guarded()
    log.protect("1", actor=WAN)
    for _ in range(2):
        with refused("protected-account"):
            log.delete("1", actor=WAN, idempotency_key="k", **WHY)
    log.unprotect("1", actor=WAN, **WHY)
    assert log.delete("1", actor=WAN, idempotency_key="k", **WHY).type == "account.deleted"


def test_what_the_state_refuses_is_no_guardrail_s_business(guarded):
    log = guarded()
    with pytest.raises(NothingInForceError):
        log.restore("own", actor=Actor.human("rogue", account_id="own"), **WHY)
    assert refusals(log) == []


# What is outside of them


def test_imports_are_outside(guarded):
    log = guarded(deletions_per_hour=0, rules=[spare_everybody])
    base = {"at": "2020-01-01T00:00:00Z", "actor": BOT, **WHY}
    outcome = log.ingest(
        [
            {"do": "protect", "account_id": "old", **base},
            {"do": "delete", "account_id": "old", **base},
        ]
    )
    assert (outcome.recorded, outcome.rejected) == (2, [])
    assert log.account("old").status is Status.DELETED


def test_views_are_outside(guarded):
    log = guarded(deletions_per_hour=0)
    log.protect("1", actor=WAN)
    record = {"do": "delete", "account_id": "1", "actor": BOT, **WHY}
    assert log.with_([record]).account("1").status is Status.DELETED
    assert refusals(log) == []


def test_reverts_are_outside(guarded):
    log = guarded(deletions_per_hour=0, rules=[spare_everybody])
    log.protect("1", actor=SIGN_UP)
    with refused("protected-account"):
        log.delete("1", actor=BOT, **WHY)
    outcome = log.revert(Selection(account_id="2"), actor=BOT, **WHY)
    assert (outcome.reverted, outcome.refused) == (1, ())


def spare_everybody(account, action):
    return None if action in ("create", "protect") else "spared"


# But reverts are inside of those on the actor


@pytest.mark.parametrize("replayed", [False, True], ids=["set", "replay"])
def test_a_revert_by_a_sanctioned_actor_is_refused(guarded, replayed):
    log = guarded()
    for account_id in ("1", "2", "own"):
        log.delete(account_id, actor=WAN, batch_id="b", **WHY)
    if replayed:
        undone = log.revert(Selection(batch_id="b"), actor=WAN, **WHY)
        log.revert(Selection(batch_id=undone.batch_id), actor=WAN, **WHY)
    rogue = Actor.human("rogue", account_id="own")
    before = log.count()
    plan = log.plan_revert(Selection(batch_id="b"))
    with refused("sanctioned-actor"):
        plan.apply(actor=rogue, batch_id="mine", **WHY)
    assert log.count() == before
    assert refusals(log) == [("own", "rogue", "revert", "sanctioned-actor")]
    log.restore("own", actor=WAN, **WHY)
    assert plan.apply(actor=rogue, batch_id="mine", **WHY).reverted >= 2
    assert log.verify().ok


def test_a_revert_leaves_out_the_actor_s_own_sanctions(guarded, clock):
    log = guarded()
    until = clock() + timedelta(hours=1)
    for account_id in ("1", "own", "z"):
        if account_id == "z":
            log.create("z", actor=SIGN_UP)
        log.suspend(account_id, until=until, actor=WAN, batch_id="b", **WHY)
    clock.move(timedelta(hours=2))  # it has ended, and stands on the record
    progress: list[modlog.RevertProgress] = []
    outcome = log.revert(
        Selection(batch_id="b"),
        actor=Actor.human("rogue", account_id="own"),
        progress=progress.append,
        **WHY,
    )
    assert (outcome.reverted, outcome.refused, outcome.changed) == (2, ("own",), ())
    assert (progress[-1].done, progress[-1].total) == (3, 3)
    assert len(log.account("own").sanctions) == 1
    assert log.account("1").sanctions == log.account("z").sanctions == {}
    assert refusals(log) == [("own", "rogue", "revert", "own-account")]
    # By somebody else it is reverted as any other.
    again = log.revert(Selection(batch_id="b", account_id="own"), actor=MEI, **WHY)
    assert (again.reverted, again.refused) == (1, ())
    assert log.verify().ok


def test_a_revert_of_one_s_own_flags_is_nobody_s_harm(guarded):
    log = guarded()
    log.flag("own", "spam", actor=WAN, batch_id="b")
    outcome = log.revert(Selection(batch_id="b"), actor=Actor.human("mei", account_id="own"), **WHY)
    assert (outcome.reverted, outcome.refused) == (1, ())
    assert refusals(log) == []


def test_a_ledger_has_the_default_guardrails_unless_others_are_given(place):
    with place.open() as log, modlog.acting(Actor.human("wan"), reason="clean-up"):
        log.create("1")
        log.protect("1")
        with pytest.raises(GuardrailError, match="protected-account"):
            log.delete("1")
        assert log.plan_sweep(["1"], "delete").needs_approval


def test_off_stops_nothing(place):
    off = Guardrails.off()
    with place.open(guardrails=off) as log, modlog.acting(Actor.human("wan"), reason="clean-up"):
        log.create("1")
        log.protect("1")
        log.delete("1")
        own = Actor.bot("b", account_id="1")
        log.restore("1", actor=own)
        log.delete("1", actor=own)
        outcome = log.plan_sweep(["1"], "delete", actor=own).execute()
        assert outcome.counts["done"] == 1
        assert log.revert(Selection(batch_id=outcome.batch_id), actor=own).reverted == 1
        assert log.verify().ok
