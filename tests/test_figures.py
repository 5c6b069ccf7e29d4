"""Figures of sanctions and flags, beside what plain Python counts over the events."""

import sqlite3
import statistics
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import Actor, InvalidInputError, Selection
from modlog.testing import MovableClock
from tests import reverting_model as reverting
from tests.causes import causes, hand, is_lifting, took
from tests.laws import STORE
from tests.likeness import plain_event
from tests.tracing import own_connection, traced

WAYS = ("actor", "actor_kind", "policy", "batch", "label", "day", "hour")
SANCTIONS = ("account.suspended", "account.deleted")
HOUR = timedelta(hours=1)

# What the figures have to be


def keys(event, by):
    """Of what figures an event is a part."""
    actor, at = event["actor"], event["occurred_at"].astimezone(UTC).isoformat()
    return {
        "actor": hand(event),
        "actor_kind": actor["kind"],
        "policy": event["policy"],
        "batch": event["batch_id"],
        "label": event["data"].get("label"),
        "day": at[:10],
        "hour": at[:13] + ":00Z",
    }[by]


def expected(events, chosen, by):
    """All figures, by what they are of."""
    positions = {event["position"] for event in chosen}
    groups: dict = {}
    for event, end in causes(events):
        is_flag = event["type"] == "account.flagged"
        is_counted = is_flag or (event["type"] in SANCTIONS and by != "label")
        if event["position"] in positions and is_counted:
            sanctions, flags = groups.setdefault(keys(event, by), ([], []))
            if is_flag:
                flags.append(event)
            else:
                sanctions.append((event, end))
    first: dict = {}
    for event in events:
        first.setdefault(event["account_id"], event["position"])
    return {
        key: of_sanctions(sanctions) | of_flags(flags, first)
        for key, (sanctions, flags) in groups.items()
    }


def of_sanctions(sanctions):
    lifted = [(event, end) for event, end in sanctions if is_lifting(end)]
    others = [(event, end) for event, end in lifted if hand(event) != hand(end)]
    kept = [event for event, end in sanctions if (event, end) not in lifted]
    times = sorted(took(event, end) for event, end in lifted)
    machines = [event for event, _ in sanctions if event["actor"]["kind"] in ("bot", "model")]
    return {
        "sanctions": len(sanctions),
        "lifted_by_others": len(others),
        "lifted_by_same": len(lifted) - len(others),
        "overturn_rate": len(others) / len(sanctions) if sanctions else None,
        "median_seconds": statistics.median(times) / 1e6 if times else None,
        "p95_seconds": nearest_rank(times) / 1e6 if times else None,
        "automated_share": len(machines) / len(sanctions) if sanctions else None,
        "overturned_confidence": mean_confidence([event for event, _ in others]),
        "upheld_confidence": mean_confidence(kept),
    }


def nearest_rank(times):
    """The smallest that at least 95 in 100 do not exceed."""
    return next(
        one for one in times if sum(other <= one for other in times) * 100 >= 95 * len(times)
    )


def mean_confidence(events):
    known = [event["confidence"] for event in events if event["confidence"] is not None]
    return statistics.mean(known) if known else None


def of_flags(flags, first):
    hours = Counter(keys(flag, "hour") for flag in flags)
    bursts = {
        (-hands(flag, flags), first[flag["account_id"]], flag["account_id"]) for flag in flags
    }
    most, _, account_id = min(bursts, default=(0, 0, None))
    hour, number = min(hours.items(), key=lambda item: (-item[1], item[0]), default=(None, 0))
    return {
        "flags": len(flags),
        "flagged_accounts": len({flag["account_id"] for flag in flags}),
        "busiest_hour": hour,
        "busiest_flags": number,
        "burst": -most,
        "burst_account": account_id,
    }


def hands(last, flags):
    """Who flagged the account within the hour that ends with a flag."""
    return len(
        {
            hand(flag)
            for flag in flags
            if flag["account_id"] == last["account_id"]
            and last["occurred_at"] - HOUR <= flag["occurred_at"] <= last["occurred_at"]
        }
    )


def told(figures):
    return {one.by: {k: v for k, v in asdict(one).items() if k != "by"} for one in figures}


def assert_figures(log, events, chosen, selection, by):
    found = log.stats(selection, by=by)
    right = expected(events, chosen, by)
    assert told(found) == {
        key: {
            name: pytest.approx(value) if name.endswith("confidence") else value
            for name, value in values.items()
        }
        for key, values in right.items()
    }
    assert found == sorted(found, key=lambda one: (-one.sanctions, -one.flags, one.by or ""))


# Laws


@pytest.mark.laws
@STORE
@given(world=reverting.worlds(erasures=True), data=st.data())
def test_figures_are_what_the_events_tell(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = reverting.write(log, transactions)
        for by in WAYS:
            assert_figures(log, events, events, None, by)
        filters = data.draw(reverting.filters(events))
        chosen, selection = reverting.chosen(events, filters), Selection(**filters)
        for by in WAYS:
            assert_figures(log, events, chosen, selection, by)


START = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
# Of one account or another, by one hand or another, so many minutes or an hour after the start.
FLAGS = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from("wxyz"),
    st.sampled_from(["spam", "hate"]),
    st.integers(0, 150).map(lambda minutes: timedelta(minutes=minutes))
    | st.sampled_from([timedelta(0), HOUR, HOUR + timedelta(microseconds=1)]),
)


@pytest.mark.laws
@STORE
@given(flags=st.lists(FLAGS, min_size=1, max_size=12))
def test_a_crowd_is_seen_as_a_crowd(fresh_place, flags):
    with fresh_place() as place, place.open(clock=MovableClock(START)) as log:
        for account_id, who, label, after in flags:
            if account_id not in {account.id for account in log.accounts()}:
                log.create(account_id, actor=Actor.system("sign-up"))
            actor, at = Actor.human(who), START + after
            log.flag(account_id, label=label, actor=actor, occurred_at=at)
        events = [plain_event(event) for event in log.events()]
        for by in ("label", "actor_kind", "day"):
            assert_figures(log, events, events, None, by)


# Examples


@pytest.fixture
def clock():
    return MovableClock(START)


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        yield log


WAN, MEI = (
    {"actor": Actor.human("wan"), "reason": "clean-up"},
    {"actor": Actor.human("mei"), "reason": "mistake"},
)
SWEEPER = {"actor": Actor.bot("sweeper"), "reason": "spam"}


def created(log, *ids):
    for account_id in ids:
        log.create(account_id, actor=Actor.system("sign-up"))


def test_nothing_selected_gives_no_figures(log):
    created(log, "a")
    assert [log.stats(by=by) for by in WAYS] == [[]] * len(WAYS)
    log.delete("a", **WAN)
    assert log.stats(Selection(actor="nobody")) == []
    assert log.stats(Selection(type="account.restored")) == []


def test_who_lifted_what_and_how_soon(log, clock):
    created(log, "a", "b", "c", "d")
    for account_id, confidence in zip("abcd", (0.9, 0.8, 0.3, None), strict=True):
        log.delete(account_id, **SWEEPER, confidence=confidence)
    clock.move(10)
    log.restore("a", **MEI)
    clock.move(10)
    log.restore("b", **SWEEPER)
    clock.move(40)
    log.revert(Selection(account_id="c", type="account.deleted"), **MEI)
    (figures,) = log.stats()
    assert figures.by == "bot:sweeper"
    assert (figures.sanctions, figures.lifted_by_others, figures.lifted_by_same) == (4, 2, 1)
    assert (figures.overturn_rate, figures.automated_share) == (0.5, 1.0)
    # The clock of the ledger goes on by microseconds with each command.
    assert figures.median_seconds == pytest.approx(20, abs=0.1)
    assert figures.p95_seconds == pytest.approx(60, abs=0.1)
    assert figures.overturned_confidence == pytest.approx(0.6)
    assert figures.upheld_confidence is None


def test_the_same_id_of_another_kind_is_another_hand(log):
    created(log, "a")
    log.delete("a", actor=Actor.bot("wan"), reason="spam")
    log.restore("a", **WAN)
    (figures,) = log.stats()
    assert (figures.by, figures.lifted_by_others, figures.lifted_by_same) == ("bot:wan", 1, 0)


def test_how_much_is_the_work_of_bots_and_models(log):
    created(log, *"abcd")
    kinds = (Actor.bot, Actor.model, Actor.human, Actor.system)
    for account_id, kind in zip("abcd", kinds, strict=True):
        log.delete(account_id, actor=kind("x"), reason="spam", policy="p")
    assert [one.automated_share for one in log.stats(by="policy")] == [0.5]


@pytest.mark.parametrize(("apart", "burst"), [(HOUR, 2), (HOUR + timedelta(microseconds=1), 1)])
def test_within_an_hour_includes_its_end(log, apart, burst):
    created(log, "a")
    for who, at in (("wan", START), ("mei", START + apart)):
        log.flag("a", label="spam", actor=Actor.human(who), occurred_at=at)
    (figures,) = log.stats(by="label")
    assert (figures.flags, figures.burst, figures.burst_account) == (2, burst, "a")
    assert (figures.busiest_hour, figures.busiest_flags) == ("2026-03-09T11:00Z", 1)


def test_a_sanction_that_came_back_is_lifted_once_or_not_at_all(log):
    created(log, "a")
    log.delete("a", **WAN)
    first = log.revert(Selection(type="account.deleted"), **MEI)
    second = log.revert(Selection(batch_id=first.batch_id), **WAN)
    (figures,) = log.stats()
    assert (figures.sanctions, figures.lifted_by_others, figures.median_seconds) == (1, 0, None)
    log.revert(Selection(batch_id=second.batch_id), **WAN)
    (figures,) = log.stats()
    assert (figures.sanctions, figures.lifted_by_others, figures.lifted_by_same) == (1, 0, 1)


def test_an_expiry_is_no_lifting(log, clock):
    created(log, "a")
    log.suspend("a", until=START + HOUR, **WAN)
    clock.move(7_200)
    (figures,) = log.stats()
    assert (figures.sanctions, figures.overturn_rate, figures.median_seconds) == (1, 0.0, None)


def test_times_run_on_the_clock_of_what_occurred(log):
    created(log, "a", "b")
    for account_id, minutes in (("a", 1), ("b", 4)):
        log.delete(account_id, **WAN, occurred_at=START - HOUR)
        log.restore(account_id, **MEI, occurred_at=START - HOUR + timedelta(minutes=minutes))
    (figures,) = log.stats(by="hour")
    assert (figures.by, figures.median_seconds) == ("2026-03-09T10:00Z", 150.0)
    assert figures.p95_seconds == 240.0


def test_days_before_1970_are_told_right(log):
    created(log, "a")
    log.delete("a", **WAN, occurred_at=datetime(1969, 12, 31, 23, 59, tzinfo=UTC))
    assert [one.by for one in log.stats(by="day")] == ["1969-12-31"]
    assert [one.by for one in log.stats(by="hour")] == ["1969-12-31T23:00Z"]


@pytest.mark.parametrize("ask", [lambda log: log.stats(), lambda log: log.impact()])
def test_sorts_take_little_memory_and_leave_the_cache_as_it_was(tmp_path, ask):
    """SQLite gives each sort as much as its cache may have."""
    file = tmp_path / "ledger.db"
    with modlog.open(file) as log:
        created(log, "a")
        log.flag("a", label="spam", actor=Actor.human("wan"))
        with traced(log) as seen:
            ask(log)
        sizes = [sql for sql, _ in seen if sql.startswith("PRAGMA cache_size = ")]
        assert sizes[0] == "PRAGMA cache_size = -8192"
        with own_connection(log) as connection:
            assert connection.execute("PRAGMA cache_size").fetchone() == (-65_536,)
        with closing(sqlite3.connect(file, isolation_level=None)) as own:
            own.execute("PRAGMA cache_size = 77")
            own.execute("BEGIN IMMEDIATE")
            with log.within(own):
                ask(log)
            assert own.execute("PRAGMA cache_size").fetchone() == (77,)


@pytest.mark.parametrize("by", ["day of the week", "", None, ["actor"]])
def test_an_unknown_way_to_group_is_told_with_those_there_are(log, by):
    with pytest.raises(InvalidInputError, match="must be one of actor, actor_kind, policy, batch"):
        log.stats(by=by)


def test_figures_are_of_a_selection(log):
    with pytest.raises(InvalidInputError, match=r"stats\(\) takes a Selection, not 'wan'"):
        log.stats("wan")
