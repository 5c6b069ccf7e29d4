"""A protection is lifted by a human who may: by `unprotect` and by a revert alike."""

import pytest

from modlog import Actor, GuardrailError, Guardrails, Selection

WAN, MEI = Actor.human("wan"), Actor.human("mei")
BOT, MODEL = Actor.bot("sweeper"), Actor.model("classifier", version="3")
SIGN_UP = Actor.system("sign-up")
WHY = {"reason": "clean-up"}
PROTECTION = Selection(type="account.protected")


def only_staff(account, action):
    return "staff-account" if action == "unprotect" and account.id == "staff" else None


@pytest.fixture
def log(place):
    with place.open(guardrails=Guardrails(rules=[only_staff])) as log:
        for account_id in ("1", "2", "staff"):
            log.create(account_id, actor=SIGN_UP)
            log.protect(account_id, actor=MEI)
        yield log


def refusals(log):
    return [
        (e.account_id, e.actor.id, e.data["action"], e.data["rule"])
        for e in log.events(Selection(type="action.refused"))
    ]


def protected(log):
    return [account.id for account in log.accounts() if account.protected]


@pytest.mark.parametrize("automat", [BOT, MODEL], ids=["bot", "model"])
def test_no_machine_unprotects(log, automat):
    with pytest.raises(GuardrailError, match="only a human") as caught:
        log.unprotect("1", actor=automat, **WHY)
    assert caught.value.rule == "protected-account"
    assert refusals(log) == [("1", automat.id, "unprotect", "protected-account")]
    assert protected(log) == ["1", "2", "staff"]


@pytest.mark.parametrize("automat", [BOT, MODEL], ids=["bot", "model"])
def test_no_machine_reverts_a_protection(log, automat):
    log.flag("1", "spam", actor=WAN)
    progress: list = []
    outcome = log.revert(
        Selection(account_id=["1", "2"], type=["account.protected", "account.flagged"]),
        actor=automat,
        progress=progress.append,
        **WHY,
    )
    assert (outcome.reverted, outcome.refused, outcome.changed) == (0, ("1", "2"), ())
    assert progress[-1].done == progress[-1].total == 2
    assert refusals(log) == [
        (account_id, automat.id, "revert", "protected-account") for account_id in ("1", "2")
    ]
    assert protected(log) == ["1", "2", "staff"]
    assert log.verify().ok


def test_the_way_of_a_revert_asks_what_unprotect_asks(log):
    plan = log.plan_revert(PROTECTION)
    assert plan.unprotects == 3
    assert all("no longer" in line.remarks[0].message for line in plan.lines())
    outcome = plan.apply(actor=WAN, **WHY)
    assert (outcome.reverted, outcome.refused) == (2, ("staff",))
    assert refusals(log) == [("staff", "wan", "revert", "staff-account")]
    with pytest.raises(GuardrailError, match="staff-account"):
        log.unprotect("staff", actor=WAN, **WHY)
    assert protected(log) == ["staff"]
    # Protecting again is nobody's harm.
    again = log.revert(Selection(batch_id=outcome.batch_id), actor=BOT, **WHY)
    assert (again.reverted, again.refused) == (2, ())
    assert protected(log) == ["1", "2", "staff"]
    assert log.verify().ok


def test_taking_a_protected_account_s_creation_back_lifts_its_protection(log):
    outcome = log.revert(Selection(type="account.created", account_id="1"), actor=BOT, **WHY)
    assert (outcome.reverted, outcome.refused) == (0, ("1",))


def test_off_lets_everybody(place):
    with place.open(guardrails=Guardrails.off()) as log:
        log.create("1", actor=SIGN_UP)
        log.protect("1", actor=MEI)
        assert log.revert(PROTECTION, actor=BOT, **WHY).reverted == 1
        log.protect("1", actor=MEI)
        log.unprotect("1", actor=BOT, **WHY)
        assert protected(log) == []
