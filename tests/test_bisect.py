"""When something first held of an account."""

from datetime import UTC, datetime, timedelta
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import AccountNotFoundError, Actor, InvalidInputError, Selection, Status
from modlog._domain.spans import first_held
from modlog.testing import MovableClock, histories
from tests.laws import PURE, STORE
from tests.likeness import plain_account, plain_event
from tests.reverting_model import account, worlds, write

WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}

PREDICATES = {
    "deleted": lambda one: one["status"] == "deleted",
    "active": lambda one: one["status"] == "active",
    "protected": lambda one: one["protected"],
    "flagged": lambda one: one["flags"],
    "two sanctions": lambda one: len(one["sanctions"]) == 2,
    "no nickname": lambda one: "nickname" not in one["profile"],
    "gone": lambda one: one["status"] in ("absent", "erased"),
    "never": lambda _: False,
}


@pytest.mark.laws
@PURE
@given(history=histories(erasures=True), name=st.sampled_from(sorted(PREDICATES)))
def test_it_is_the_first_event_whose_replay_satisfies(history, name):
    events, holds = [plain_event(event) for event in history], PREDICATES[name]
    right = None
    for number, event in enumerate(events, 1):
        id_, at = event["account_id"], event["recorded_at"]
        if holds(account(id_, events[:number], at, event["version"])):
            right = event["version"]
            break
    found = first_held(
        history,
        history[0].account_id,
        lambda one: holds(plain_account(one)),
        attrgetter("recorded_at"),
    )
    assert (found and found.version) == right


@pytest.mark.laws
@STORE
@given(world=worlds(erasures=True), name=st.sampled_from(sorted(PREDICATES)))
def test_it_is_the_first_position_at_which_the_past_satisfies(fresh_place, world, name):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = write(log, transactions)
        holds = PREDICATES[name]
        for account_id in {event["account_id"] for event in events}:
            found = log.bisect(account_id, lambda one: holds(plain_account(one)))
            own = [event for event in events if event["account_id"] == account_id]
            right = [
                event["position"]
                for event in own
                if holds(plain_account(log.as_of(event["position"]).account(account_id)))
            ]
            assert (found and found.position) == next(iter(right), None)


@pytest.fixture
def clock():
    return MovableClock(datetime(2026, 3, 9, 11, 44, tzinfo=UTC))


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        log.create("a", profile={"nickname": "Lei"}, **WAN)
        yield log


def test_what_held_once_is_found_although_it_holds_no_more(log):
    log.flag("a", label="spam", **WAN)
    deleted = log.delete("a", **WAN)
    restored = log.restore("a", **WAN)
    log.delete("a", **WAN)
    assert log.bisect("a", lambda one: one.status is Status.DELETED) == deleted
    assert log.bisect("a", lambda one: one.flags and not one.sanctions).version == 2
    assert log.bisect("a", lambda one: one.version > 3 and one.status == "active") == restored
    assert log.bisect("a", lambda one: one.protected) is None


def test_a_revert_counts_from_when_it_was_recorded(log):
    log.change_profile("a", {"nickname": "Lei Jun"}, **WAN)
    log.revert(Selection(type="profile.changed"), **WAN)
    back = log.bisect("a", lambda one: one.version > 1 and one.profile == {"nickname": "Lei"})
    assert (back.version, back.type) == (3, "events.reverted")


def test_each_event_is_asked_about_at_the_instant_of_its_recording(log, clock):
    start = clock()
    log.suspend("a", until=start + timedelta(hours=1), **WAN)
    clock.move(7_200)
    log.note("a", "of before it was over", occurred_at=start, **WAN)
    free = log.bisect("a", lambda one: one.sanctions and one.status is Status.ACTIVE)
    assert free.type == "account.noted"


def test_imported_history_is_asked_about_when_it_happened(log, clock):
    then = clock() - timedelta(days=900)
    of_old = log.suspend("a", until=then + timedelta(days=1), occurred_at=then, **WAN)

    def suspended(one):
        return one.status is Status.SUSPENDED

    assert log.bisect("a", suspended) is None
    assert log.bisect("a", suspended, clock="occurred") == of_old
    with pytest.raises(InvalidInputError, match="recorded or occurred, not 'noon'"):
        log.bisect("a", suspended, clock="noon")


def test_a_predicate_may_change_what_it_is_given(log):
    log.note("a", "x", **WAN)
    log.change_profile("a", {"avatar": "a.png"}, **WAN)
    seen = []

    def spoil(account):
        seen.append(dict(account.profile))
        account.profile.clear()

    assert log.bisect("a", spoil) is None
    assert seen == [
        {"nickname": "Lei"},
        {"nickname": "Lei"},
        {"nickname": "Lei", "avatar": "a.png"},
    ]


def test_errors(log):
    with pytest.raises(AccountNotFoundError, match="account 'b' is not in this ledger"):
        log.bisect("b", bool)
    with pytest.raises(InvalidInputError, match="predicate must be something to call, not None"):
        log.bisect("a", None)
    with pytest.raises(ZeroDivisionError):
        log.bisect("a", lambda one: 1 / 0)


# What the same hand, rule or batch did around an event

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def cleaned(log, clock):
    """The same hand, rule or batch at it, one after another."""
    clock.move(60)
    by = {"actor": Actor.human("wan"), "reason": "clean-up"}
    for account_id in "bcdef":
        log.create(account_id, actor=Actor.system("sign-up"))
    clock.move(3_600)
    log.delete("b", **by, policy="p", batch_id="x")
    clock.move(3_601)
    event = log.delete("c", **by, policy="p", batch_id="x")
    log.delete("d", actor=Actor.bot("wan"), reason="spam", policy="p")
    log.delete("e", actor=Actor.human("mei"), reason="spam", batch_id="x")
    clock.move(7_200)
    log.delete("f", **by, policy="p", batch_id="x")
    return event


def accounts(log, selection):
    return [event.account_id for event in log.events(selection)]


def test_the_same_hand_rule_or_batch(log, cleaned):
    like = Selection.like
    assert accounts(log, like(cleaned)) == ["c"]
    assert accounts(log, like(cleaned, within=timedelta(hours=1) + SECOND)) == ["b", "c"]
    assert accounts(log, like(cleaned, by="policy")) == ["c", "d"]
    assert accounts(log, like(cleaned, by="batch")) == ["c", "e"]
    assert accounts(log, like(cleaned, by="batch", within=timedelta(days=1))) == list("bcef")
    assert accounts(log, like(cleaned, within=timedelta(0))) == ["c"]
    assert accounts(log, like(cleaned, within=timedelta.max)) == ["a", "b", "c", "f"]


def test_what_was_imported_counts_when_it_happened(log, cleaned):
    at = datetime(2020, 1, 1, tzinfo=UTC)
    log.delete("c", **WAN, occurred_at=at - timedelta(hours=2))
    log.delete("d", **WAN, occurred_at=at - timedelta(minutes=59))
    event = log.delete("e", **WAN, occurred_at=at)
    assert accounts(log, Selection.like(event)) == ["d", "e"]
    assert accounts(log, Selection.like(cleaned)) == ["c"]


def test_the_ends_of_the_calendar_are_no_bound(log):
    last = datetime.max.replace(tzinfo=UTC)
    for at in (datetime.min.replace(tzinfo=UTC), last - MICROSECOND):
        event = log.note("a", "x", **WAN, occurred_at=at)
        assert accounts(log, Selection.like(event)) == ["a"]


def test_both_ends_are_included(log, cleaned):
    before = next(log.events(Selection(account_id="b", type="account.deleted")))
    apart = cleaned.recorded_at - before.recorded_at
    for within, found in ((apart, ["b", "c"]), (apart - MICROSECOND, ["c"])):
        assert accounts(log, Selection.like(cleaned, within=within)) == found
    for within, found in ((apart, ["b", "c"]), (apart - MICROSECOND, ["b"])):
        assert accounts(log, Selection.like(before, within=within)) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"within": 3_600}, "within must be a timedelta from 0, as timedelta"),
        ({"within": timedelta(seconds=-1)}, "within must be a timedelta from 0"),
        ({"by": "hand"}, "by must be one of actor, policy, batch, not 'hand'"),
        ({"by": ["actor"]}, "by must be one of actor, policy, batch, not list"),
        ({"by": "policy"}, "the event at position 1 has no policy: choose another by="),
        ({"by": "batch"}, "the event at position 1 has no batch"),
    ],
)
def test_bad_input(log, given, message):
    with pytest.raises(InvalidInputError, match=message):
        Selection.like(next(log.events()), **given)


@pytest.mark.parametrize("event", ["a", None, 1])
def test_only_recorded_events_have_their_like(event):
    with pytest.raises(InvalidInputError, match=r"like\(\) takes a recorded event, not"):
        Selection.like(event)
