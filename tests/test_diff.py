"""Where two views differ."""

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, InvalidInputError, Selection, Status
from modlog.testing import MovableClock
from tests import reverting_model as model
from tests.laws import STORE
from tests.likeness import assert_same, plain_account

WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}
FACETS = ("status", "profile", "flags", "sanctions", "protected")


def told(changes):
    """What a diff says, in the words of the model."""
    return [
        {
            "id": change.id,
            "before": change.before and plain_account(change.before),
            "after": change.after and plain_account(change.after),
            "facets": change.facets,
        }
        for change in changes
    ]


def expected(before, after):
    """What two lists of accounts of the model differ in."""
    one, other = ({account["id"]: account for account in each} for each in (before, after))
    changes = [(id_, one.get(id_), other.get(id_)) for id_ in sorted({*one, *other})]
    return [
        {"id": id_, "before": left, "after": right, "facets": facets(left, right)}
        for id_, left, right in changes
        if facets(left, right)
    ]


def facets(left, right):
    return tuple(name for name in FACETS if not left or not right or differs(left, right, name))


def differs(left, right, name):
    try:
        assert_same(left[name], right[name])
    except AssertionError:
        return True
    return False


def views(log, events):
    """The present, and views of the past or of what would be."""
    positions = st.integers(0, len(events)).map(log.as_of)
    selections = model.filters(events).map(lambda given: log.without(Selection(**given)))
    instants = st.sampled_from([event["occurred_at"] for event in events]).map(
        lambda instant: log.as_of(instant, clock="occurred")
    )
    return st.one_of(st.just(log.now()), positions, selections, instants)


@pytest.mark.laws
@STORE
@given(world=model.worlds(erasures=True), data=st.data())
def test_a_diff_lists_exactly_the_accounts_that_differ(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        drawn = views(log, model.write(log, transactions))
        one, other = data.draw(drawn), data.draw(drawn)
        left, right = ([plain_account(a) for a in view.accounts()] for view in (one, other))
        forth = list(log.diff(one, other))
        assert_same(told(forth), expected(left, right))
        back = [evolve(change, before=change.after, after=change.before) for change in forth]
        assert_same(told(log.diff(other, one)), told(back))
        assert list(log.diff(one, one)) == list(log.diff(other, other)) == []


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        yield log


def test_what_a_batch_has_changed(log):
    for account_id in ("a", "b", "c"):
        log.create(account_id, profile={"nickname": account_id}, **WAN)
    start = log.head
    log.delete("a", batch_id="b1", **WAN)
    log.change_profile("b", {"nickname": "B"}, batch_id="b1", **WAN)
    log.note("c", "called support", batch_id="b1", **WAN)
    log.create("d", batch_id="b1", **WAN)
    changes = {change.id: change for change in log.diff(log.as_of(start), log)}
    assert {id_: change.facets for id_, change in changes.items()} == {
        "a": ("status", "sanctions"),
        "b": ("profile",),
        "d": FACETS,
    }
    assert changes["a"].before.status is Status.ACTIVE
    assert changes["a"].after == log.account("a")
    assert changes["d"].before is None


@pytest.mark.parametrize("values", [(1, True), (1, 1.0), (0.0, -0.0), ([0], [False])])
def test_values_that_are_the_same_to_python_and_not_to_a_platform(log, values):
    before, after = values
    log.create("a", profile={"x": before}, **WAN)
    log.change_profile("a", {"x": after}, **WAN)
    (change,) = log.diff(log.as_of(1), log)
    assert change.facets == ("profile",)
    (line,) = log.plan_revert(Selection(type="profile.changed")).lines()
    assert [remark.code for remark in line.remarks] == ["profile-changes"]


def test_both_sides_look_at_the_same_present(place):
    """However time goes on between the two: a suspension must not end in the middle."""
    ticking = MovableClock()
    day = timedelta(days=1)
    with place.open(clock=lambda: ticking.move(day)) as log:
        log.create("a", **WAN)
        log.suspend("a", until=ticking() + 2.5 * day, **WAN)
        assert list(log.diff(log, log)) == []
        assert list(log.diff(log, log.without(Selection(batch_id="none")))) == []


def test_a_diff_compares_views(log):
    for other in (None, 1, "now", Selection(batch_id="b1")):
        with pytest.raises(InvalidInputError, match="compares views"):
            log.diff(log, other)
        with pytest.raises(InvalidInputError, match="compares views"):
            log.diff(other, log)
