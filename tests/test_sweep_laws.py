"""The laws of sweeps: equal to single commands one by one, and taken back without a trace."""

from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, GuardrailError, Guardrails, NothingInForceError, Selection
from modlog._domain.account import replay
from modlog._services.sweeps import chunks as sweep_chunks
from modlog.testing import histories
from tests import places
from tests import reverting_model as model
from tests.laws import STORE
from tests.likeness import assert_same, plain_state

pytestmark = pytest.mark.laws

WAN, MEI = Actor.human("wan"), Actor.human("mei")
WHY = {"actor": WAN, "reason": "clean-up", "policy": "illegal-content"}
ACTIONS = ("delete", "suspend", "flag", "clear_flags", "restore")
# Own limits so wide that the single commands beside a sweep meet the same rules as it does.
WIDE = Guardrails(deletions_per_hour=10**6)


@st.composite
def pasts(draw):
    """What happened to a few accounts of every kind, and a clock that is later."""
    several = [
        draw(histories(account_id=f"a{n}", erasures=True, max_size=6))
        for n in range(draw(st.integers(1, 5)))
    ]
    transactions = model.interleaved(several)
    return transactions, draw(model.clocks(transactions[-1][0].recorded_at))


def options(action):
    return {"label": "spam", "score": 0.5} if action == "flag" else {}


def state(log, account_id):
    return plain_state(replay(log.history(account_id)))


def states(log):
    return {account.id: state(log, account.id) for account in log.accounts()}


def timeless(states):
    """Without the instants of sanctions: a sweep and its records take some of their own."""
    return {
        account_id: one
        | {"sanctions": {v: (kind, until) for v, (kind, _, until) in one["sanctions"].items()}}
        for account_id, one in states.items()
    }


def projected(log):
    """Each account as the projection has it, without versions and what depends on them."""
    return {
        one.id: (one.status, one.profile, one.flags, one.sanctions, one.protected)
        for one in log.accounts()
    }


def swept(log, ids, action, batch_id="march"):
    plan = log.plan_sweep(ids, action, batch_id=batch_id, **options(action), **WHY)
    if plan.needs_approval:
        plan.approve(actor=MEI)
    plan.execute()
    return plan


@STORE
@given(
    past=pasts(),
    action=st.sampled_from(ACTIONS),
    chosen=st.sets(st.sampled_from(["a0", "a1", "a2", "a3", "a4", "nobody"]), min_size=1),
    chunk=st.integers(1, 4),
)
def test_a_sweep_equals_its_commands_one_by_one_and_is_taken_back(
    fresh_place, past, action, chosen, chunk
):
    transactions, clock = past
    clock.move(0.0123)  # no suspension ends within the few microseconds of a sweep's own records
    ids = sorted(chosen)
    with (
        pytest.MonkeyPatch.context() as patch,
        fresh_place() as place,
        place.open(clock=clock, guardrails=WIDE) as log,
        places.fresh("sqlite-memory") as beside,
        beside.open(clock=clock, guardrails=WIDE) as single,
    ):
        patch.setattr(sweep_chunks, "CHUNK", chunk)
        for one in (log, single):
            model.write(one, transactions)
        before, shown = states(log), projected(log)
        raw = list(log.events())

        plan = swept(log, ids, action)
        outcomes = {one.account_id: (str(one.outcome), one.rule) for one in plan.outcomes()}
        assert sorted(outcomes) == ids
        assert Counter(what for what, _ in outcomes.values()) == Counter(
            {name: number for name, number in plan.counts.items() if number}
        )
        for account_id in ids:
            assert outcomes[account_id] == alone(single, account_id, action), account_id

        # The same events with the same effects; of what was refused there is no trace here.
        assert list(log.events())[: len(raw)] == raw
        assert_same(timeless(states(log)), timeless(states(single)))
        for account_id, (what, _) in outcomes.items():
            if what == "done":
                found, alike = log.history(account_id)[-1], single.history(account_id)[-1]
                assert (found.type, found.data) == (alike.type, alike.data)
                assert evolve(found, position=0, recorded_at=alike.recorded_at,
                              occurred_at=alike.occurred_at, batch_id=None) == evolve(
                    alike, position=0)  # fmt: skip
        assert log.verify().findings == ()

        # And back.
        log.revert(Selection(batch_id="march"), actor=MEI, reason="by mistake")
        assert plan.reverted() == plan.counts["done"]
        assert_same(states(log), before)
        assert projected(log) == shown
        assert log.verify().findings == ()


def alone(log, account_id, action):
    """What a single command comes to, in the words of a sweep."""
    known = {one.id: one for one in log.accounts()}
    account = known.get(account_id)
    if account is None or account.status == "absent":
        return ("unknown", None)
    if account.status == "erased":
        return ("refused", "account-erased")
    if account.protected:  # any sweep spares it; a single command may flag or restore
        return ("refused", "protected-account")
    try:
        getattr(log, action)(account_id, **options(action), **WHY)
    except NothingInForceError:
        return ("refused", "nothing-in-force")
    except GuardrailError as error:
        return ("refused", error.rule)
    return ("done", None)


@STORE
@given(
    past=pasts(),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=2, max_size=3),
    data=st.data(),
)
def test_sweeps_on_sweeps_and_any_of_them_taken_back(fresh_place, past, actions, data):
    """One goes, the others stay: the state is that of a history without it."""
    transactions, clock = past
    with fresh_place() as place, place.open(clock=clock, guardrails=WIDE) as log:
        model.write(log, transactions)
        ids = [one.id for one in log.accounts()]
        for number, action in enumerate(actions):
            swept(log, ids, action, f"sweep-{number}")
        gone = data.draw(st.sampled_from([f"sweep-{n}" for n in range(len(actions))]))
        expected = {
            id_: plain_state(replay([e for e in log.history(id_) if e.batch_id != gone]))
            for id_ in ids
        }
        full = states(log)
        touched = {e.account_id for e in log.events(Selection(batch_id=gone)) if e.account_id}
        back = log.revert(Selection(batch_id=gone), actor=MEI, reason="by mistake")
        found = states(log)
        for id_ in ids:
            assert_same(found[id_], expected[id_] if id_ in touched else full[id_])
        assert log.sweep(gone).reverted() == len(touched) == log.sweep(gone).counts["done"]
        assert log.verify().findings == ()
        if back.reverted:
            log.revert(Selection(batch_id=back.batch_id), actor=MEI, reason="after all")
            assert_same(states(log), full)
            assert log.sweep(gone).reverted() == 0
