"""The laws of reversal, on every kind of store, beside a model of dictionaries."""

from collections import Counter
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from modlog import Actor, IrreversibleError, Selection
from modlog._domain.account import replay
from modlog._domain.events import (
    AccountDeleted,
    AccountErased,
    AccountFlagged,
    AccountNoted,
    AccountProtected,
    AccountRestored,
    AccountUnprotected,
    Envelope,
    ProfileChanged,
)
from modlog._domain.reverts import reversal
from modlog._services.reverts import applying
from modlog.testing import histories
from tests import reverting_model as model
from tests.laws import PURE, STORE
from tests.likeness import assert_same, plain_account, plain_event, plain_state
from tests.model import STATUSES
from tests.recording import append, record

pytestmark = pytest.mark.laws

WAN: dict[str, Any] = {"actor": Actor.human("wan"), "reason": "it was a mistake"}


def rows(log):
    """The raw rows of events."""
    with log._work.store.snapshot() as reader:
        return reader.session.rows(
            f"SELECT * FROM {log._work.store.database.table('events')} ORDER BY position"
        )


def plain(log):
    return [plain_account(account) for account in log.accounts()]


def in_sets_or_not(data):
    """Plain reverts are written in sets where they are many, and these here are few."""
    return patch.object(applying, "FEW", data.draw(st.sampled_from((0, applying.FEW))))


def states(accounts):
    """Accounts without their versions, which tell of nothing but how much was recorded."""
    return [account | {"version": None} for account in accounts]


def plain_line(line):
    return {
        "account_id": line.account_id,
        "before": plain_account(line.before),
        "after": plain_account(line.after),
        "targets": line.targets,
        "idle": line.idle,
        "irreversible": line.irreversible,
        "standing": [plain_event(event) for event in line.standing],
    }


def planned(log, filters):
    """The plan; None if it is refused, as erasures alone are."""
    try:
        return log.plan_revert(Selection(**filters))
    except IrreversibleError:
        return None


@STORE
@given(world=model.worlds(erasures=True), data=st.data())
def test_a_revert_is_the_history_without_its_targets(fresh_place, world, data):
    """Laws 1, 2, 3 and 6, and the plan tells the truth."""
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        filters = data.draw(model.filters(events))
        chosen = model.chosen(events, filters)
        targets = model.revertible(chosen)
        expected = model.plan(events, chosen, clock())
        before, raw = plain(log), rows(log)
        plan = planned(log, filters)
        if plan is None:
            assert not targets
            assert "account.erased" in {one["type"] for one in chosen}
            return

        # The plan, which writes nothing.
        assert_same([plain_line(line) for line in plan.lines()], expected)
        assert plan.moves == model.moves(expected)
        assert plan.targets == len(targets)
        assert plan.accounts == len(model.by_account(targets))
        assert plan.idle == sum(len(line["idle"]) for line in expected)
        assert plan.irreversible == Counter(e["type"] for e in model.left_out(chosen, targets))
        for side in ("before", "after"):
            statuses = Counter(line[side]["status"] for line in expected if line["targets"])
            assert getattr(plan, side) == {name: statuses[name] for name in STATUSES}
        assert rows(log) == raw

        # Its application.
        with in_sets_or_not(data):
            outcome = plan.apply(**WAN)
        assert (outcome.reverted, outcome.targets) == (plan.accounts, plan.targets)
        assert (outcome.already, outcome.changed) == (0, ())
        assert outcome.irreversible == plan.irreversible
        assert rows(log)[: len(raw)] == raw
        assert {
            one.account_id: (one.type, tuple(one.data["targets"]), one.reason)
            for one in log.events(Selection(after_position=len(raw)))
        } == {
            line["account_id"]: ("events.reverted", line["targets"], WAN["reason"])
            for line in expected
            if line["targets"]
        }
        after = {line["account_id"]: line["after"] for line in expected}
        assert_same(states(plain(log)), states([after.get(one["id"], one) for one in before]))
        assert log.verify().findings == ()

        # And back.
        if outcome.reverted:
            log.revert(Selection(batch_id=outcome.batch_id), **WAN)
            assert_same(states(plain(log)), states(before))
            assert rows(log)[: len(raw)] == raw
            assert log.verify().findings == ()


@STORE
@given(data=st.data())
def test_the_sets_the_replay_and_the_model_agree(fresh_place, data):
    """Law 8: in one revert, accounts that need a replay and such that do not."""
    both = [
        data.draw(histories(account_id=f"{kind}-{n}", reverts=kind == "tangled", max_size=8))
        for kind in ("plain", "tangled")
        for n in range(2)
    ]
    transactions = model.interleaved(both)
    types = data.draw(
        model.several("account.deleted", "account.suspended", "account.flagged", "events.reverted")
    )
    clock = data.draw(model.clocks(transactions[-1][0].recorded_at))
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        chosen = model.chosen(events, {"type": types})
        expected = {}
        for account_id, own in model.by_account(chosen).items():
            found = reversal(log.history(account_id), [one["version"] for one in own])
            expected[account_id] = plain_state(found.after)
        lines = model.plan(events, chosen, clock())
        plan = log.plan_revert(Selection(type=types))
        assert plan.moves == model.moves(lines)
        with in_sets_or_not(data):
            plan.apply(**WAN)
        for line in lines:
            id_ = line["account_id"]
            assert_same(plain_state(replay(log.history(id_))), expected[id_])
            assert_same(
                plain_account(log.account(id_)),
                line["after"] | {"version": line["before"]["version"] + 1},
            )
        assert log.verify().findings == ()


@STORE
@given(history=histories(account_id="a", max_size=8), data=st.data())
def test_reverts_commute_and_add_up(fresh_place, history, data):
    """Law 4, on three accounts with the same history."""
    copies = [history_of(account_id, history) for account_id in ("s-t", "t-s", "both")]
    versions = model.several(*(one.version for one in history), most=len(history))
    first, second = data.draw(versions), data.draw(versions)
    clock = data.draw(model.clocks(history[-1].recorded_at))
    with fresh_place() as place, place.open(clock=clock) as log:
        model.write(log, model.interleaved(copies))
        revert = reverter(log)
        revert("s-t", first)
        revert("s-t", second)
        revert("t-s", second)
        revert("t-s", first)
        revert("both", {*first, *second})
        expected = reversal(history, {*first, *second}).after
        found = {id_: plain_state(replay(log.history(id_))) for id_ in ("s-t", "t-s", "both")}
        for state in found.values():
            assert_same(state, plain_state(expected))
        shown = states(plain(log))
        assert_same([one | {"id": None} for one in shown], [shown[0] | {"id": None}] * 3)
        assert log.verify().findings == ()


def history_of(account_id, history):
    return [evolve(one, account_id=account_id) for one in history]


def reverter(log):
    """Reverts what these versions of an account were before any revert."""
    positions = {(one.account_id, one.version): one.position for one in log.events()}

    def revert(account_id, versions):
        at = [positions[account_id, version] for version in versions]
        return log.revert(Selection(positions=at), **WAN)

    return revert


@STORE
@given(world=model.worlds(), data=st.data())
def test_a_reversal_can_be_reversed_as_often_as_one_likes(fresh_place, world, data):
    """Law 3, upon itself: the odd ones give the revert, the even ones what was before."""
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        outcome = log.revert(Selection(**data.draw(model.filters(events))), **WAN)
        assume(outcome.reverted)
        taken_back = states(plain(log))
        before = states(model.accounts(events, clock()))
        for expected in (before, taken_back, before, taken_back):
            outcome = log.revert(Selection(batch_id=outcome.batch_id), **WAN)
            assert_same(states(plain(log)), expected)
        assert log.verify().findings == ()


# What may happen between the links of a chain; of some of it, what a revert does depends.
BETWEEN = {
    "note": AccountNoted("x"),
    "flag": AccountFlagged("spam"),
    "delete": AccountDeleted(),
    "protect": AccountProtected(),
    "unprotect": AccountUnprotected(),
    "change": ProfileChanged({"nickname": "x"}),
    "erase": AccountErased(),
}
# Most often, the link that is the end of the chain is taken back.
STEPS = st.sampled_from(("last", "link", "link", "link", "some", "restore", *BETWEEN))


@STORE
@given(
    history=histories(account_id="a", erasures=True, max_size=8),
    steps=st.lists(STEPS, max_size=10),
    data=st.data(),
)
def test_a_chain_of_reverts_is_its_replay(fresh_place, history, steps, data):
    """Laws 1, 2, 3 and 8: of a chain nothing is replayed that need not be."""
    clock = data.draw(model.clocks(history[-1].recorded_at))
    with fresh_place() as place, place.open(clock=clock) as log:
        record(log, history)
        link = log.head
        for step in steps:
            recorded = log.history("a")
            state, head = replay(recorded), log.head
            expected = state
            if step in BETWEEN or step == "restore":
                event = BETWEEN.get(step) or AccountRestored(sorted(data.draw(some_of(head))))
                append(log, "a", event, Envelope(**WAN))
                expected = replay(log.history("a"))
            else:
                versions = {"last": {head}, "link": {link}}.get(step) or data.draw(some_of(head))
                expected = reversal(recorded, versions).after
                with suppress(IrreversibleError):
                    log.revert(Selection(positions=sorted(versions)), **WAN)
                    link = log.head
            assert_same(plain_state(replay(log.history("a"))), plain_state(expected))
            assert log.verify().findings == ()


def test_a_link_that_changed_nothing_changes_nothing_when_it_is_taken_back(fresh_place):
    """What stands was not opened by it, though its chain is about that."""
    with fresh_place() as place, place.open() as log:
        log.create("a", **WAN)
        for target in (log.delete("a", **WAN).position, 3, 3, 5, 6):
            log.revert(Selection(positions=[target]), **WAN)
            stands = [2] if log.head > 3 else []  # by the first revert of the revert, at 4
            assert list(log.account("a").sanctions) == stands
        assert log.verify().findings == ()


def some_of(head):
    return st.sets(st.integers(max(1, head - 3), head), min_size=1, max_size=3)


@PURE
@given(history=histories(max_size=20), data=st.data())
def test_a_reversal_is_the_replay_of_the_rest(history, data):
    """Law 2 of what is shown before a revert; laws 2, 3 and 4 of replays are the domain's own."""
    versions = model.several(*(one.version for one in history), most=len(history))
    first = data.draw(versions)
    found = reversal(history, first)
    rest = [one for one in history if one.version not in found.targets]
    assert_same(plain_state(found.after), plain_state(replay(rest)))
    assert_same(plain_state(found.before), plain_state(replay(history)))
    assert found.targets == tuple(
        one.version
        for one in history
        if one.version in first and one.type not in model.IRREVERSIBLE
    )
