"""A selection says exactly what it means: not given is not none, and nothing is misspelt."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from modlog import Actor, InvalidInputError, Selection, UnknownArgumentError


def select(**filters: Any) -> Any:
    return Selection(**filters)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FILTERS = (
    "account_id",
    "actor",
    "actor_kind",
    "batch_id",
    "type",
    "policy",
    "correlation_id",
    "since",
    "until",
    "occurred_since",
    "occurred_until",
    "after_position",
    "up_to_position",
    "positions",
)


@pytest.mark.parametrize("name", FILTERS)
def test_none_is_not_a_filter(name):
    with pytest.raises(InvalidInputError, match=f"{name} is None"):
        select(**{name: None})


SEVERAL = ("account_id", "actor", "actor_kind", "batch_id", "type", "policy", "correlation_id")


@pytest.mark.parametrize("name", [*SEVERAL, "positions"])
@pytest.mark.parametrize("empty", [[], (), set(), {}])
def test_an_empty_collection_is_not_a_filter(name, empty):
    with pytest.raises(InvalidInputError, match=f"{name} is an empty collection"):
        select(**{name: empty})


@pytest.mark.parametrize("misspelt", ["batch", "account_ids", "before", "Type"])
def test_a_misspelt_filter_is_named_with_those_that_there_are(misspelt):
    with pytest.raises(UnknownArgumentError, match=f"'{misspelt}'; it takes account_id, actor"):
        select(**{misspelt: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account_id", ""),
        ("account_id", "x" * 256),
        ("account_id", 110018),
        ("account_id", ["110018", None]),
        ("account_id", b"110018"),
        ("actor", "\ud800"),
        ("actor", [Actor.human("wan"), 1]),
        ("batch_id", "\0"),
        ("type", "account.vanished"),
        ("type", ["account.deleted", "deleted"]),
        ("type", [["account.deleted"]]),
        ("policy", [""]),
        ("actor_kind", "robot"),
        ("actor_kind", ["human", "Human"]),
        ("actor_kind", [["human"]]),
        ("correlation_id", ""),
        ("correlation_id", ["ticket-1", 7]),
        ("occurred_since", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("occurred_until", "2026-01-01T00:00:00Z"),
        ("occurred_until", [NOON]),
        ("since", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("until", "2026-01-01T00:00:00Z"),
        ("after_position", -1),
        ("after_position", True),
        ("up_to_position", 1.0),
        ("up_to_position", [1]),
        ("positions", "1"),
        ("positions", [1, -1]),
    ],
)
def test_values_out_of_bounds_are_refused(name, value):
    with pytest.raises(InvalidInputError, match=name):
        select(**{name: value})


def test_one_value_is_like_several():
    assert Selection(account_id="a") == Selection(account_id=["a", "a"])
    assert Selection(positions=3) == Selection(positions={3})
    assert Selection(type=["account.deleted", "account.created"]).type == (
        "account.deleted",
        "account.created",
    )
    wan = Actor.human("wan")
    assert Selection(actor=wan) == Selection(actor=[wan])
    assert Selection(actor=wan) != Selection(actor="wan")


def test_instants_in_any_time_zone_are_the_same_selection():
    beijing = NOON.astimezone(timezone(timedelta(hours=8)))
    assert Selection(since=beijing) == Selection(since=NOON)


def test_a_selection_knows_whether_it_means_everything():
    assert Selection().is_everything
    for name, value in {"account_id": "a", "since": NOON, "after_position": 0}.items():
        selection = select(**{name: value})
        assert not selection.is_everything
        assert [given for given, _ in selection.given()] == [name]


def test_a_selection_stays_what_it_was():
    ids = ["a"]
    selection = select(account_id=ids)
    ids.append("b")
    assert selection == Selection(account_id="a")
    with pytest.raises(AttributeError):
        selection.account_id = "b"
