"""Bad input meets a clear error, good input comes out as it is stored."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, InvalidInputError, UnknownArgumentError
from modlog._domain import values
from modlog.testing import instants
from tests.laws import PURE

BEIJING = timezone(timedelta(hours=8))
DEEP = values.MAX_JSON_DEPTH


def nested(levels):
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "text", ["", "Lei Jun", "雷军", "\u202e", "👩🏽‍🚀", "\x01\x1f\x7f", "\ufffe"]
)
def test_text_that_databases_hold_is_taken_as_it_is(text):
    assert values.checked_text(text, "a note") == text


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\udfff!", "\ud83d\ude00", "é\0"])
def test_text_that_databases_do_not_hold_is_refused(text):
    with pytest.raises(InvalidInputError, match=r"a note holds U\+.... at index \d"):
        values.checked_text(text, "a note")


@pytest.mark.parametrize("value", [None, b"bytes", 1, True, ["text"]])
def test_what_is_not_text_is_refused_as_text(value):
    with pytest.raises(InvalidInputError, match="must be text"):
        values.checked_text(value, "a note")


@pytest.mark.parametrize("value", ["", "x" * 256, None, 110018, "\0", "\ud800"])
def test_ids_have_1_to_255_characters(value):
    assert values.checked_id("長" * 255, "an id") == "長" * 255
    assert values.checked_id("x", "an id") == "x"
    with pytest.raises(InvalidInputError, match="an id"):
        values.checked_id(value, "an id")


@pytest.mark.parametrize("value", [-5e-324, 1.0000000000000002, -1, 2, float("nan"), True, "1"])
def test_probabilities_run_from_0_to_1(value):
    assert values.checked_probability(0, "a score") == 0.0
    assert values.checked_probability(1, "a score") == 1.0
    with pytest.raises(InvalidInputError, match="a score must be a number from 0 to 1"):
        values.checked_probability(value, "a score")


@pytest.mark.parametrize("value", [[], None, 1, "12", b"12", [0], [-1], [True], [1.0], ["1"]])
def test_versions_are_a_collection_of_whole_numbers_from_1(value):
    with pytest.raises(InvalidInputError, match="lifts"):
        values.checked_versions(value, "lifts")


def test_versions_are_put_in_order_each_once():
    assert values.checked_versions([3, 1, 3, 2], "lifts") == (1, 2, 3)
    assert values.checked_versions({2, 1}, "lifts") == (1, 2)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001
        "2026-01-01T00:00:00Z",
        0,
        None,
        datetime.min.replace(tzinfo=BEIJING),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    ],
)
def test_instants_are_aware_datetimes_within_the_calendar(value):
    with pytest.raises(InvalidInputError, match="occurred_at"):
        values.checked_instant(value, "occurred_at")


def test_instants_are_kept_in_utc():
    instant = values.checked_instant(datetime(2026, 1, 1, 8, tzinfo=BEIJING), "occurred_at")
    assert instant == datetime(2026, 1, 1, tzinfo=UTC)
    assert instant.tzinfo is UTC


@pytest.mark.parametrize("text", ["yesterday", "", "2026-01-01", "2026-01-01T00:00:00", "1\0"])
def test_text_without_an_offset_is_no_instant(text):
    with pytest.raises(InvalidInputError, match="until"):
        values.parsed_instant(text, "until")


@PURE
@given(instants())
def test_instants_survive_text_and_microseconds(instant):
    text = values.instant_text(values.checked_instant(instant, "it"))
    assert len(text) == len("2026-01-01T00:00:00.000000Z")
    assert values.parsed_instant(text, "it") == instant
    assert values.from_micros(values.to_micros(instant)) == instant


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**53,
        -(2**53),
        10**400,
        b"bytes",
        {1, 2},
        object(),
        datetime(2026, 1, 1, tzinfo=UTC),
        1j,
        {1: "a key that is no text"},
        {"\0": 1},
        {"a": ["\ud800"]},
        nested(DEEP + 1),
    ],
)
def test_what_json_does_not_hold_is_refused(value):
    with pytest.raises(InvalidInputError, match="a profile"):
        values.checked_json(value, "a profile")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 2**53 - 1, -(2**53) + 1, -0.0, 1.5e308, "", [], {}, {"": [None]}, nested(DEEP)],
)
def test_what_json_holds_is_taken_as_it_is(value):
    found = values.checked_json(value, "a profile")
    assert repr(found) == repr(value)


def test_json_values_are_copied_and_tuples_become_lists():
    inner = [1]
    found = values.checked_json({"a": (inner, 2)}, "a profile")
    inner.append(3)
    assert found == {"a": [[1], 2]}


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ([0], [False]), ({"a": [1]}, {"a": [1.0]})],
)
def test_values_that_are_equal_in_python_alone_are_not_the_same(one, other):
    assert one == other
    assert not values.same_json(one, other)
    assert values.same_json(one, json.loads(json.dumps(one)))


@pytest.mark.parametrize("value", [None, [], "text", [("a", 1)], {1: 2}])
def test_mappings_have_text_as_keys(value):
    with pytest.raises(InvalidInputError, match="a profile"):
        values.checked_mapping(value, "a profile")


@pytest.mark.parametrize("kind", ["human", "bot", "model", "system"])
def test_actors_come_in_four_kinds(kind):
    actor = getattr(Actor, kind)("wan", account_id="110018")
    assert (actor.kind, actor.id, actor.account_id) == (kind, "wan", "110018")
    assert Actor.parsed({"kind": kind, "id": "wan", "account_id": "110018"}) == actor


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "alien", "id": "wan"},
        {"kind": ["human"], "id": "wan"},
        {"kind": "human", "id": ""},
        {"kind": "human", "id": None},
        {"kind": "human", "id": "x" * 256},
        {"kind": "human"},
        {"id": "wan"},
        {"kind": "model", "id": "m", "version": ""},
        {"kind": "model", "id": "m", "version": 2},
        {"kind": "human", "id": "wan", "account_id": "\0"},
    ],
)
def test_actors_without_sense_are_refused(fields):
    with pytest.raises(InvalidInputError):
        Actor.parsed(fields)


def test_a_misspelt_field_of_an_actor_is_named():
    with pytest.raises(UnknownArgumentError, match="'name'; it takes account_id, id, kind"):
        Actor.parsed({"kind": "human", "id": "wan", "name": "Wan"})


@PURE
@given(st.text(max_size=200) | st.integers() | st.floats() | st.none() | st.binary(max_size=80))
def test_messages_show_values_escaped_and_cut_short(value):
    shown = values.shown(value)
    assert len(shown) <= 60
    assert shown.isascii()
    assert shown.isprintable()
