"""A sweep acts on the list that was planned and approved, and on no other."""

import pytest

from modlog import Actor, Guardrails, Selection, Status, SweepState, SweepStateError
from modlog._services.sweeps import chunks as sweep_chunks
from tests import places
from tests.tampering import tamper

WAN, MEI = Actor.human("wan"), Actor.human("mei")
SIGN_UP = Actor.system("sign-up")
WHY = {"actor": WAN, "reason": "clean-up"}
IDS = [str(n) for n in range(1, 8)]
EXCHANGED = "UPDATE modlog_sweep_targets SET account_id = '8' WHERE account_id = '6'"
CHANGES = {
    "exchanged": EXCHANGED,
    "added": "INSERT INTO modlog_sweep_targets SELECT sweep, '55', status, protected, rule"
    " FROM modlog_sweep_targets WHERE account_id = '6'",
    "removed": "DELETE FROM modlog_sweep_targets WHERE account_id = '6'",
}


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def log(place, monkeypatch):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 3)
    with place.open(guardrails=Guardrails(sweep_size=3, sweep_share=1)) as log:
        for account_id in (*IDS, "55", "8"):
            log.create(account_id, actor=SIGN_UP)
        yield log


def approved(log, **given):
    plan = log.plan_sweep(IDS, "delete", batch_id="march", **{**WHY, **given})
    assert plan.needs_approval
    return plan.approve(actor=MEI)


def deleted(log) -> list[str]:
    return [account.id for account in log.accounts(status=Status.DELETED)]


def test_the_list_that_was_approved_is_carried_out(log):
    assert approved(log).execute().counts["done"] == len(IDS)
    assert deleted(log) == IDS
    assert log.verify().ok


@pytest.mark.parametrize("change", CHANGES)
def test_another_list_than_the_approved_one_is_refused(place, log, change):
    plan = approved(log)
    tamper(place, CHANGES[change])
    head = log.head
    with pytest.raises(SweepStateError, match=rf"'march' was changed.*{plan.digest}.*plan another"):
        plan.execute()
    assert (log.head, deleted(log)) == (head, [])
    assert log.sweep("march").state is SweepState.APPROVED
    (finding,) = log.verify().findings
    assert (finding.check, finding.position) == ("sweeps", plan.planned.position)
    assert "'march'" in finding.message
    assert plan.digest in finding.message


@pytest.mark.parametrize("change", CHANGES)
def test_a_sweep_does_not_go_on_with_another_list(place, log, change):
    plan = approved(log)

    def breaks_off(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        plan.execute(progress=breaks_off)
    assert deleted(log) == IDS[:3]
    tamper(place, CHANGES[change])
    head = log.head
    with place.open() as other, pytest.raises(SweepStateError, match="'march' was changed"):
        other.resume("march")
    assert (log.head, deleted(log)) == (head, IDS[:3])


@pytest.mark.parametrize("limit", [10_000, 6], ids=["at once", "in steps"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_list_that_changes_while_it_is_carried_out_is_refused(place, log, change, limit):
    log._work.guardrails = Guardrails(sweep_size=99, sweep_share=1, deletions_per_hour=limit)
    plan = log.plan_sweep(IDS, "delete" if limit == 6 else "suspend", batch_id="march", **WHY)

    def changes(progress):
        if progress.done == 3:
            tamper(place, CHANGES[change])

    with pytest.raises(SweepStateError, match=r"after '3' up to '6'.*nothing was done to them"):
        plan.execute(progress=changes)
    acted = {e.account_id for e in log.events(Selection(batch_id="march")) if e.account_id}
    assert acted == set(IDS[:3])
    assert log.sweep("march").sweep.through == 3


def test_another_process_in_between_is_no_change(place, log):
    plan = approved(log)
    others: list = []

    def another(progress):
        if not others:
            with place.open() as other:
                others.append(other.resume("march"))

    plan.execute(progress=another)
    assert others
    assert deleted(log) == IDS
    assert log.verify().ok


def test_a_protected_account_is_spared_whatever_the_list_says(place, log):
    log.protect("6", actor=WAN)
    plan = approved(log)
    tamper(place, "UPDATE modlog_sweep_targets SET rule = NULL WHERE account_id = '6'")
    plan.execute()
    assert deleted(log) == [account_id for account_id in IDS if account_id != "6"]


LAST = (
    "DELETE FROM modlog_events WHERE act ="
    " (SELECT number FROM modlog_acts WHERE type = 'sweep.completed')"
)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (LAST, "it is running, with 7 of 7"),
        (
            "DELETE FROM modlog_events WHERE version > 4"
            " AND stream = (SELECT number FROM modlog_streams WHERE kind = 'sweep')",
            "it left 0 accounts alone, and keeps the outcomes of 1",
        ),
    ],
)
def test_records_that_are_missing_at_the_end_are_found(place, log, statement, told):
    log.protect("7", actor=WAN)
    approved(log).execute()
    tamper(place, statement)
    found = [f.message for f in log.verify().findings if f.check == "sweeps"]
    assert [told in message for message in found] == [True]
