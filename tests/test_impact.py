"""What selected events came to, beside what plain Python tells from the events."""

import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, InvalidInputError, Selection, Status
from modlog.testing import MovableClock
from tests import model
from tests import reverting_model as reverting
from tests.causes import KINDS, causes, hand, is_lifting, took
from tests.laws import STORE

START = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
HITS = ("account.suspended", "account.deleted", "account.flagged")

# What it has to be


def expected(events, chosen, at):
    """The numbers, and the lines by account."""
    positions = {event["position"] for event in chosen}
    everything = list(causes(events))
    own = [(event, end) for event, end in everything if event["position"] in positions]
    lines = {
        account_id: line(
            account_id,
            reverting.by_account(events)[account_id],
            [(e, end) for e, end in everything if e["account_id"] == account_id],
            positions,
            at,
        )
        for account_id in dict.fromkeys(
            event["account_id"]
            for event in events
            if event["account_id"] in {one["account_id"] for one in chosen}
        )
    }
    return {
        "events": len(chosen),
        "accounts": len(lines),
        "began": Counter(KINDS[event["type"]] for event, _ in own),
        "standing": Counter(KINDS[event["type"]] for event, end in own if end is None),
        "repairs": repairs(own),
        "several_batches": sum(len(one["batches"]) > 1 for one in lines.values()),
        "remarks": Counter(code for one in lines.values() for code in one["remarks"]),
    }, list(lines.values())


def repairs(own):
    groups: dict = {}
    for event, end in own:
        if end is not None and end["type"] != "account.erased":
            groups.setdefault((hand(end), end["type"]), []).append((event, end))
    found = [
        {
            "by": by,
            "type": type_,
            "number": len(group),
            "accounts": len({event["account_id"] for event, _ in group}),
            "median_seconds": statistics.median(took(event, end) for event, end in group) / 1e6,
        }
        for (by, type_), group in groups.items()
    ]
    return sorted(found, key=lambda one: (-one["number"], one["by"], one["type"]))


def line(account_id, history, own, positions, at):
    hits = [(event, end) for event, end in own if event["type"] in HITS]
    chosen = [(event, end) for event, end in hits if event["position"] in positions]
    sanctions = [(event, end) for event, end in chosen if event["type"] != "account.flagged"]
    lifted = [event for event, end in sanctions if is_lifting(end)]
    others = [event for event, end in hits if end is None and event["position"] not in positions]
    status = model.status(model.replay(history), at)
    all_lifted = bool(sanctions) and len(lifted) == len(sanctions)
    holds = {
        "still-sanctioned": any(end is None and bites(event, at) for event, end in sanctions),
        "otherwise-sanctioned": all_lifted and any(bites(event, at) for event in others),
        "still-flagged": all_lifted
        and any(end is None and event["type"] == "account.flagged" for event, end in hits),
        "messages-were-sent": bool(lifted),
        "name-may-be-taken": status in ("active", "suspended")
        and any(event["type"] == "account.deleted" for event in lifted),
    }
    return {
        "account_id": account_id,
        "status": status,
        "standing": tuple(event["version"] for event, end in chosen if end is None),
        "lifted": tuple(event["version"] for event in lifted),
        "others": tuple(event["version"] for event in others),
        "batches": tuple(sorted({e["batch_id"] for e, _ in hits if e["batch_id"] is not None})),
        "remarks": [code for code, is_so in holds.items() if is_so],
    }


def bites(event, at):
    if event["type"] == "account.deleted":
        return True
    until = event["data"].get("until")
    is_over = until is not None and model.instant_of(until) <= at
    return event["type"] == "account.suspended" and not is_over


def told(line):
    fields = asdict(line) | {"status": line.status.value}
    return fields | {"remarks": [remark.code for remark in line.remarks]}


def assert_impact(impact, events, chosen, at):
    numbers, lines = expected(events, chosen, at)
    found = {name: getattr(impact, name) for name in numbers} | {
        "repairs": [asdict(one) for one in impact.repairs],
        "standing": {kind: number for kind, number in impact.standing.items() if number},
    }
    assert found == numbers
    assert [told(one) for one in impact.lines()] == lines
    assert impact.began.keys() == impact.standing.keys()


# Laws


@pytest.mark.laws
@STORE
@given(world=reverting.worlds(erasures=True), data=st.data())
def test_it_is_what_the_events_tell(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = reverting.write(log, transactions)
        at = max(clock(), events[-1]["recorded_at"])
        assert_impact(log.impact(Selection()), events, events, at)
        filters = data.draw(reverting.filters(events))
        chosen, selection = reverting.chosen(events, filters), Selection(**filters)
        impact = log.impact(selection)
        assert_impact(impact, events, chosen, at)
        kinds = log.stats(selection, by="actor_kind")
        assert impact.figures.sanctions == sum(one.sanctions for one in kinds)
        assert impact.figures.flags == sum(one.flags for one in kinds)
        assert impact.head == log.head


# Examples


@pytest.fixture
def clock():
    return MovableClock(START)


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        for account_id in ("110018", "a", "b", "c"):
            log.create(account_id, actor=Actor.system("sign-up"))
        yield log


WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}
MEI = {"actor": Actor.human("mei"), "reason": "mistake"}


def clean_up(log):
    """A batch over four accounts, one of which another batch hits, too."""
    for account_id in ("110018", "a", "b", "c"):
        log.delete(account_id, **WAN, batch_id="clean-up")
    log.suspend("b", actor=Actor.bot("sweeper"), reason="spam", batch_id="nightly")
    log.flag("c", label="spam", actor=Actor.model("m1"))


def test_the_batch_that_hit_the_founder(log, clock):
    clean_up(log)
    deleted = log.history("110018")[1]
    clock.move(600)
    log.restore("110018", **MEI)
    log.revert(Selection(account_id=["b", "c"], batch_id="clean-up"), **MEI)
    impact = log.impact(Selection.like(deleted))
    assert (impact.accounts, impact.events) == (4, 4)
    assert (impact.began, impact.standing) == ({"deletion": 4}, {"deletion": 1})
    assert [(one.by, one.type, one.number) for one in impact.repairs] == [
        ("human:mei", "events.reverted", 2),
        ("human:mei", "account.restored", 1),
    ]
    assert impact.figures.lifted_by_others == 3
    assert impact.figures.median_seconds == pytest.approx(600, abs=1)
    assert impact.several_batches == 1
    assert impact.remarks == {
        "still-sanctioned": 1,
        "otherwise-sanctioned": 1,
        "still-flagged": 1,
        "messages-were-sent": 3,
        "name-may-be-taken": 3,
    }
    lines = {one.account_id: one for one in impact.lines()}
    assert lines["b"].status is Status.SUSPENDED
    assert (lines["b"].others, lines["b"].batches) == ((3,), ("clean-up", "nightly"))
    assert [remark.code for remark in lines["a"].remarks] == ["still-sanctioned"]


def test_later_events_never_join_and_the_lines_tell_of_now(log):
    clean_up(log)
    impact = log.impact(Selection(actor="wan"))
    log.create("d", **WAN)
    log.suspend("110018", **WAN)
    log.restore("a", **MEI)
    lines = {one.account_id: one for one in impact.lines()}
    assert list(lines) == ["110018", "a", "b", "c"]
    assert (lines["110018"].standing, lines["110018"].others) == ((2,), (3,))
    assert lines["a"].lifted == (2,)


def test_a_suspension_that_is_over_is_nothing_to_put_right(log, clock):
    log.suspend("a", **WAN, until=START + timedelta(hours=1), batch_id="x")
    assert log.impact(Selection(batch_id="x")).remarks == {"still-sanctioned": 1}
    clock.move(3_600)
    impact = log.impact(Selection(batch_id="x"))
    assert (impact.remarks, impact.standing) == ({}, {"suspension": 1})


def test_nothing_selected(log):
    impact = log.impact(Selection(batch_id="none"))
    assert (impact.accounts, impact.events, impact.repairs) == (0, 0, ())
    assert (impact.began, impact.remarks, list(impact.lines())) == ({}, {}, [])
    assert impact.figures.sanctions == 0


def test_it_goes_on_over_several_pages(log, monkeypatch):
    monkeypatch.setattr("modlog._storage.reading.PAGE", 3)
    clean_up(log)
    impact = log.impact(Selection(batch_id="clean-up"))
    assert [one.account_id for one in impact.lines()] == ["110018", "a", "b", "c"]
    assert impact.remarks == {"still-sanctioned": 4}


def test_inside_a_transaction_it_sees_what_that_has_written(log):
    with log.transaction():
        clean_up(log)
        assert log.impact(Selection(batch_id="clean-up")).standing == {"deletion": 4}
        assert log.stats(by="batch")[0].sanctions == 4


def test_it_is_of_a_selection(log):
    assert log.impact().accounts == 4
    with pytest.raises(InvalidInputError, match=r"impact\(\) takes a Selection, not"):
        log.impact("clean-up")
