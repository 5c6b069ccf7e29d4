"""Events check what they are made of, and survive the way to JSON and back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from modlog import InvalidInputError, UnknownArgumentError
from modlog._domain.decisions import ARGUMENTS, COMMANDS
from modlog._domain.events import EVENT_CLASSES, data_of, event_of
from modlog.testing import commands, event, events, profiles
from tests.laws import PURE
from tests.likeness import assert_same

TYPES = {
    "account.created": {"profile"},
    "profile.changed": {"changes"},
    "account.flagged": {"label", "score"},
    "flags.cleared": {"flags"},
    "account.suspended": {"until"},
    "account.deleted": set(),
    "account.restored": {"lifts"},
    "account.protected": set(),
    "account.unprotected": set(),
    "events.reverted": {"targets"},
    "account.erased": set(),
    "account.noted": {"text"},
    "action.refused": {"action", "rule"},
}
SWEEPS = ("planned", "approved", "rejected", "progressed", "completed")


def test_there_are_these_types_with_these_fields():
    found = {name: set(cls.__annotations__) - {"TYPE"} for name, cls in EVENT_CLASSES.items()}
    sweeps = {f"sweep.{name}" for name in SWEEPS}
    assert found.keys() == TYPES.keys() | sweeps
    assert {name: found[name] for name in TYPES} == TYPES


@PURE
@given(events())
def test_every_event_survives_its_way_through_json(event):
    data = data_of(event)
    read = event_of(event.TYPE, json.loads(json.dumps(data)))
    assert read == event
    assert_same(data_of(read), data)


@PURE
@given(profiles(), commands())
def test_what_the_strategies_draw_is_what_events_take(profile, command):
    assert_same(data_of(event("account.created", profile=profile)), {"profile": profile})
    arguments = {name: command[name] for name in ARGUMENTS[command["do"]]}
    assert isinstance(COMMANDS[command["do"]](**arguments), COMMANDS[command["do"]])


@pytest.mark.parametrize(
    ("type_name", "fields"),
    [
        ("account.created", {"profile": {"nickname": None}}),
        ("account.created", {"profile": None}),
        ("account.created", {"profile": {"nickname": "\0"}}),
        ("account.created", {"profile": {"joined": datetime(2026, 1, 1, tzinfo=UTC)}}),
        ("profile.changed", {"changes": {}}),
        ("profile.changed", {"changes": {"age": float("nan")}}),
        ("account.flagged", {"label": ""}),
        ("account.flagged", {"label": "x" * 256}),
        ("account.flagged", {"label": "spam", "score": 1.01}),
        ("account.flagged", {"label": "spam", "score": -0.01}),
        ("account.flagged", {"label": "spam", "score": float("nan")}),
        ("account.flagged", {"label": "spam", "score": True}),
        ("flags.cleared", {"flags": []}),
        ("account.suspended", {"until": datetime(2026, 1, 1)}),  # noqa: DTZ001
        ("account.suspended", {"until": "tomorrow"}),
        ("account.restored", {"lifts": [0]}),
        ("account.restored", {"lifts": None}),
        ("events.reverted", {"targets": []}),
        ("account.noted", {"text": "\ud800"}),
        ("account.noted", {"text": None}),
        ("action.refused", {"action": "", "rule": "protected"}),
        ("sweep.planned", {"action": "delete", "digest": "d", "size": -1}),
        ("sweep.planned", {"action": "delete", "digest": "d", "size": 2**53}),
        ("sweep.completed", {"outcomes": None}),
        ("account.vanished", {}),
    ],
)
def test_an_event_is_not_made_of_what_it_cannot_hold(type_name, fields):
    with pytest.raises(InvalidInputError):
        event(type_name, **fields)


def test_stored_data_have_every_field_and_no_other():
    with pytest.raises(InvalidInputError, match="lacks score"):
        event_of("account.flagged", {"label": "spam"})
    with pytest.raises(UnknownArgumentError, match="'why'"):
        event_of("account.deleted", {"why": "spam"})
    with pytest.raises(UnknownArgumentError, match="'lable'"):
        event_of("account.flagged", {"lable": "spam", "score": None})


def test_an_event_does_not_change_with_what_it_was_made_from():
    profile = {"tags": ["founder"]}
    created: Any = event("account.created", profile=profile)
    profile["tags"].append("spammer")
    assert created.profile == {"tags": ["founder"]}


def test_events_are_frozen():
    deleted: Any = event("account.deleted")
    with pytest.raises(AttributeError):
        deleted.reason = "spam"
