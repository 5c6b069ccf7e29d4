"""The laws of replay and reversal, where they are decided: in the domain."""

from datetime import timedelta
from functools import reduce

import pytest
from attrs import evolve as replaced
from hypothesis import given as for_all
from hypothesis import strategies as st

from modlog._domain.account import AccountState, evolve, replay
from modlog._domain.decisions import Restore, decide
from modlog._domain.events import AccountDeleted, EventsReverted
from modlog.testing import event, given, histories
from tests import model
from tests.laws import PURE
from tests.likeness import assert_same, plain_event, plain_state

pytestmark = pytest.mark.laws

IRREVERTIBLE = {"account.erased", "account.noted", "action.refused"}


def selections(history):
    """Sets of versions of events that a revert may name."""
    versions = [one.version for one in history if one.type not in IRREVERTIBLE]
    return st.sets(st.sampled_from(versions), min_size=1)


SELECTED_TWICE = histories(erasures=True).flatmap(
    lambda history: st.tuples(st.just(history), selections(history), selections(history))
)


def followed_by(history, event):
    """The history with one more event, later than all the others."""
    last = history[-1]
    moment = last.recorded_at + timedelta(days=10)
    return [
        *history,
        replaced(
            last,
            position=last.position + 1,
            version=last.version + 1,
            recorded_at=moment,
            occurred_at=moment,
            event=event,
        ),
    ]


def reverted(history, versions):
    return followed_by(history, EventsReverted(versions))


def without(history, versions):
    """The history in which these events had never been recorded; the others keep their place."""
    return [one for one in history if one.version not in versions]


def effect(history):
    return plain_state(replay(history))


@PURE
@for_all(histories(erasures=True))
def test_replay_is_the_models(history):
    assert_same(effect(history), model.replay([plain_event(one) for one in history]))
    state = replay(history)
    assert state.version == len(history)
    assert state.latest == max(one.occurred_at for one in history)


@PURE
@for_all(histories(erasures=True, reverts=False))
def test_without_reverts_replay_is_a_fold(history):
    folded = reduce(evolve, history, AccountState())
    assert folded == replay(history)
    assert_same(plain_state(folded), effect(history))


@PURE
@for_all(histories(erasures=True))
def test_what_follows_a_replay_may_be_folded_on(history):
    """A ledger keeps states and folds each new event in; only a revert asks for a replay."""
    for place, one in enumerate(history):
        if one.type != "events.reverted":
            assert evolve(replay(history[:place]), one) == replay(history[: place + 1])


@PURE
@for_all(SELECTED_TWICE)
def test_a_revert_is_as_if_its_targets_had_never_been_recorded(selected):
    history, targets, _ = selected
    assert_same(effect(reverted(history, targets)), effect(without(history, targets)))


@PURE
@for_all(SELECTED_TWICE)
def test_a_revert_of_the_revert_gives_everything_back(selected):
    history, targets, _ = selected
    once = reverted(history, targets)
    assert_same(effect(reverted(once, {len(once)})), effect(history))


@PURE
@for_all(SELECTED_TWICE)
def test_reverts_in_either_order_or_at_once_are_the_same(selected):
    history, some, others = selected
    first = effect(reverted(reverted(history, some), others))
    assert_same(effect(reverted(reverted(history, others), some)), first)
    assert_same(effect(reverted(history, some | others)), first)


@PURE
@for_all(histories())
def test_a_restore_straight_after_a_delete_gives_the_account_back(history):
    before = replay(history)
    if not before.created:
        history = followed_by(history, event("account.created", profile={"nickname": "Lei"}))
        before = replay(history)
    deleted = followed_by(history, AccountDeleted())
    at = deleted[-1].occurred_at
    lifted = decide("110018", replay(deleted), Restore([len(deleted)]), at)
    assert_same(effect(followed_by(deleted, lifted)), plain_state(before))
    everything = replay(followed_by(deleted, decide("110018", replay(deleted), Restore(), at)))
    assert everything.in_force(at) == ()
    for kept in ("profile", "flags", "protected"):
        assert_same(getattr(everything, kept), getattr(before, kept))


def test_targets_that_are_not_there_are_simply_not_there():
    history = given(
        event("account.created"),
        event("account.deleted"),
        event("events.reverted", targets=[2, 9]),
    )
    assert not history.state.sanctions


def test_a_reversal_of_a_reversal_of_a_reversal():
    past = [event("account.created"), event("account.deleted")]
    stands = [bool(given(*past).state.sanctions)]
    for version in (2, 3, 4):
        past.append(event("events.reverted", targets=[version]))
        stands.append(bool(given(*past).state.sanctions))
    assert stands == [True, False, True, False]
