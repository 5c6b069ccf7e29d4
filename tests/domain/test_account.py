"""The account as a fold of its events: total, pure, and what each event means."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from modlog import Status
from modlog._domain.account import AccountState, account_at, evolve, replay
from modlog._domain.events import Entry, data_of
from modlog._domain.values import MAX_INTEGER
from modlog.testing import event, events, given, histories, instants
from tests import model
from tests.laws import PURE
from tests.likeness import assert_same, plain_account, plain_event, plain_state

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CREATED = event("account.created", profile={"nickname": "Lei Jun"})
DELETED = event("account.deleted")
ENTRIES = st.builds(
    Entry,
    version=st.integers(1, MAX_INTEGER),
    occurred_at=instants().map(lambda one: one.astimezone(UTC)),
    event=events(),
)


@pytest.mark.laws
@PURE
@for_all(st.lists(ENTRIES, max_size=8))
def test_evolve_is_total(anything):
    """No event in any state raises; the version moves; the state that was given stays as it is."""
    state = AccountState()
    for entry in anything:
        before, kept = state, deepcopy(state)
        state = evolve(before, entry)
        assert state.version == entry.version
        assert_same(plain_state(before), plain_state(kept))
        assert (before.version, before.latest) == (kept.version, kept.latest)


@pytest.mark.laws
@PURE
@for_all(st.lists(st.tuples(events(), instants()), max_size=8))
def test_a_fold_of_anything_is_the_models(pairs):
    """Also of what no ledger would have recorded: versions that point nowhere, no creation."""
    entries = [
        Entry(version=version, occurred_at=at.astimezone(UTC), event=one)
        for version, (one, at) in enumerate([(CREATED, NOON), *pairs], 1)
    ]
    state = AccountState()
    for entry in entries:
        state = evolve(state, entry)
    plain = [
        {
            "version": entry.version,
            "type": entry.event.TYPE,
            "occurred_at": entry.occurred_at,
            "data": data_of(entry.event),
        }
        for entry in entries
    ]
    assert_same(plain_state(state), model.fold(plain))


@pytest.mark.parametrize("missing", ["profile.changed", "account.deleted", "account.protected"])
def test_what_happens_to_no_account_changes_nothing_but_the_version(missing):
    fields = {"changes": {"bio": "…"}} if missing == "profile.changed" else {}
    state = given(event(missing, **fields)).state
    assert_same(plain_state(state), plain_state(AccountState()))
    assert state.version == 1


def test_erasure_takes_hold_even_if_the_creation_does_not_count():
    past = given(
        CREATED, event("account.erased"), event("events.reverted", targets=[1, 2]), CREATED
    )
    assert past.state.erased
    assert past.state.profile == {}
    assert past.state.version == 4


def test_what_comes_after_an_erasure_changes_nothing():
    erased = given(CREATED, DELETED, event("account.erased")).state
    later = given(
        CREATED,
        DELETED,
        event("account.erased"),
        event("account.restored", lifts=[2]),
        event("profile.changed", changes={"nickname": "Lei"}),
    ).state
    assert_same(plain_state(later), plain_state(erased))


def test_null_removes_a_key_of_the_profile():
    past = given(CREATED, event("profile.changed", changes={"nickname": None, "bio": "…"}))
    assert past.state.profile == {"bio": "…"}


def suspended(until):
    return (NOON, event("account.suspended", until=until))


@pytest.mark.parametrize(
    ("past", "status"),
    [
        (given(), Status.ABSENT),
        (given(CREATED), Status.ACTIVE),
        (given(CREATED, suspended(None)), Status.SUSPENDED),
        (given(CREATED, suspended(NOON + SECOND)), Status.SUSPENDED),
        (given(CREATED, suspended(NOON)), Status.ACTIVE),
        (given(CREATED, suspended(NOON), suspended(None)), Status.SUSPENDED),
        (given(CREATED, suspended(None), DELETED), Status.DELETED),
        (given(CREATED, DELETED, event("account.erased")), Status.ERASED),
        (given(CREATED, DELETED, event("events.reverted", targets=[1])), Status.ABSENT),
        (given(CREATED, DELETED, event("events.reverted", targets=[2])), Status.ACTIVE),
    ],
)
def test_the_status_at_noon(past, status):
    assert past.state.status(NOON) is status


@PURE
@for_all(histories(erasures=True), instants())
def test_an_account_at_an_instant_is_the_models(history, at):
    past = model.Model()
    past.events = [plain_event(one) for one in history]
    found = account_at("110018", replay(history), at.astimezone(UTC))
    assert_same(plain_account(found), past.account("110018", at))
