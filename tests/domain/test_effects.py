"""The table of effects: complete, and each entry says what its type of event does."""

import pytest

from modlog._domain.effects import EFFECTS
from modlog._domain.events import EVENT_CLASSES, AccountEvent, EventsReverted, data_of
from modlog.testing import event, given
from tests.golden.make import EVENTS
from tests.likeness import plain_state

CREATED = event("account.created", profile={"nickname": "Lei Jun"})
# An account on which every facet stands that can: versions 1 to 5.
FULL = (
    CREATED,
    event("account.flagged", label="spam"),
    event("account.suspended"),
    event("account.deleted"),
    event("account.protected"),
)
EMPTY = (event("account.created"),)


@pytest.mark.parametrize("name", EVENT_CLASSES)
def test_every_type_of_event_has_its_entry(name):
    assert name in EFFECTS, (
        f"{name} is an event and has no entry in _domain/effects.py: say there what it does to "
        "an account, and add its file to tests/golden (python -m tests.golden.make)"
    )


def test_no_entry_is_left_over():
    assert set(EFFECTS) == set(EVENT_CLASSES)


@pytest.mark.parametrize("past", [(), EMPTY, FULL], ids=["nothing", "an account", "everything"])
@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.TYPE)
def test_what_an_event_changes_is_what_its_entry_says(past, one):
    """Tried on every kind of account; the golden events have every field."""
    if not isinstance(one, AccountEvent) or isinstance(one, EventsReverted):
        return  # a revert does what the replay without its targets does
    effect = EFFECTS[one.TYPE]
    before, after = (plain_state(given(*some).state) for some in (past, (*past, one)))
    if effect.named_in:
        assert data_of(one)[effect.named_in]
    if (effect.needs_account and not past) or not effect.changes_state:
        assert after == before
        return
    facets = {*effect.ends, effect.begins}
    for name, facet in (
        ("created", "existence"),
        ("protected", "protection"),
        ("erased", "erasure"),
        ("flags", "flag"),
        ("sanctions", "sanction"),
    ):
        if facet not in facets:
            assert after[name] == before[name], name
        elif facet == effect.begins:
            assert after[name], name
        elif effect.named_in is None:
            assert not after[name], name
    if effect.profile is None:
        assert after["profile"] == before["profile"]


def test_only_begins_is_said_of_what_a_revert_can_simply_take_away():
    assert {name for name, effect in EFFECTS.items() if effect.only_begins} == {
        "account.flagged",
        "account.suspended",
        "account.deleted",
    }
