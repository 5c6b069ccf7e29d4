"""What a report gathers, beside what plain Python tells from the events."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, CorruptEventError, InvalidInputError, ReportProgress, Selection
from modlog.testing import MovableClock
from tests import reverting_model as reverting
from tests.causes import KINDS, causes, hand
from tests.laws import STORE
from tests.tampering import tamper

START = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)

# What it has to be


def involved(events, chosen):
    """The chosen events, and those that ended what they had begun: (event, whether chosen)."""
    positions = {event["position"] for event in chosen}
    ends = {
        end["position"]: end
        for event, end in causes(events)
        if event["position"] in positions and end is not None and end["type"] != "account.erased"
    }
    others = [end for position, end in sorted(ends.items()) if position not in positions]
    return [(event, True) for event in chosen] + [(event, False) for event in others]


def deeds(events, chosen):
    groups: dict = {}
    for event, is_chosen in involved(events, chosen):
        key = (hand(event), event["type"], event["reason"], event["policy"], event["batch_id"])
        groups.setdefault((*key, is_chosen), []).append(event)
    found = [
        (
            *key,
            len(group),
            len({event["account_id"] for event in group}),
            min(event["occurred_at"] for event in group),
            max(event["occurred_at"] for event in group),
            min(event["position"] for event in group),
        )
        for key, group in groups.items()
    ]
    return [one[:-1] for one in sorted(found, key=lambda one: (one[-3], one[-1]))]


def first_sign(events, chosen):
    positions = {event["position"] for event in chosen}
    accounts = {event["account_id"] for event in chosen}
    start = min((event["occurred_at"] for event in chosen), default=None)
    notes = [
        event
        for event in events
        if event["type"] == "account.noted"
        and event["account_id"] in accounts
        and event["position"] not in positions
        and event["occurred_at"] >= start
    ]
    ends = [
        end
        for event, end in causes(events)
        if event["position"] in positions and end is not None and end["type"] != "account.erased"
    ]
    found = sorted((one["occurred_at"], one["position"]) for one in notes + ends)
    return found[0][1] if found else None


def hits(events, chosen):
    """Of each account its chosen sanctions and flags, each with the end of it."""
    positions = {event["position"] for event in chosen}
    found: dict = {}
    for event, end in causes(events):
        if event["position"] in positions and KINDS[event["type"]] in (
            "deletion",
            "suspension",
            "flag",
        ):
            how = (None,) * 3 if end is None else (end["occurred_at"], hand(end), end["type"])
            found.setdefault(event["account_id"], []).append((event["version"], *how))
    return found


def second(instant):
    return instant.replace(microsecond=0)


@pytest.mark.laws
@STORE
@given(world=reverting.worlds(erasures=True), data=st.data())
def test_it_is_what_the_events_tell(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = reverting.write(log, transactions)
        filters = data.draw(reverting.filters(events))
        chosen, selection = reverting.chosen(events, filters), Selection(**filters)
        report = log.report(selection, profile=["nickname"])
        impact = log.impact(selection)

        fields = ("by", "type", "reason", "policy", "batch_id", "selected", "events", "accounts")
        assert [
            tuple(getattr(deed, name) for name in (*fields, "first", "last"))
            for deed in report.deeds
        ] == deeds(events, chosen)
        assert {(tick.at, tick.type): tick.events for tick in report.ticks} == Counter(
            (second(event["occurred_at"]), event["type"]) for event, _ in involved(events, chosen)
        )
        assert list(report.ticks) == sorted(report.ticks, key=lambda tick: (tick.at, tick.type))
        sign = report.first_sign
        assert (sign and sign.position) == first_sign(events, chosen)
        assert report.findings == ()
        assert [line.impact for line in report.lines] == list(impact.lines())
        assert {
            line.impact.account_id: [
                (one.version, one.ended_at, one.ended_by, one.ended_how) for one in line.hits
            ]
            for line in report.lines
            if line.hits
        } == hits(events, chosen)
        assert (report.impact.head, report.impact.remarks) == (log.head, impact.remarks)
        for line in report.lines:
            profile = log.account(line.impact.account_id).profile
            assert line.profile == {k: v for k, v in profile.items() if k == "nickname"}


# Examples


@pytest.fixture
def clock():
    return MovableClock(START)


WAN = {"actor": Actor.human("wan"), "reason": "clean-up", "batch_id": "clean-up"}
MEI = {"actor": Actor.human("mei"), "reason": "mistake"}


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        for account_id in ("110018", "a", "b"):
            log.create(account_id, {"nickname": f"<{account_id}>"}, actor=Actor.system("sign-up"))
        clock.move(60)
        for account_id in ("110018", "a", "b"):
            log.delete(account_id, **WAN)
        clock.move(600)
        yield log


OF_BATCH = Selection(batch_id="clean-up")


def test_nobody_has_noticed(log):
    report = log.report(OF_BATCH)
    assert report.first_sign is None
    assert [(deed.by, deed.events, deed.selected) for deed in report.deeds] == [
        ("human:wan", 3, True)
    ]
    assert report.at == START + timedelta(seconds=660)


def test_a_note_is_a_sign_and_a_repair_is_another(log, clock):
    noted = log.note("a", "called support", actor=Actor.human("owner"))
    clock.move(60)
    log.restore("110018", **MEI)
    report = log.report(OF_BATCH, profile=["nickname", "avatar"])
    assert report.first_sign == noted
    assert [(deed.type, deed.selected) for deed in report.deeds] == [
        ("account.deleted", True),
        ("account.restored", False),
    ]
    founder, *others = report.lines
    assert founder.profile == {"nickname": "<110018>"}
    (hit,) = founder.hits
    assert (hit.stay.kind, hit.ended_by, hit.ended_how) == (
        "deletion",
        "human:mei",
        "account.restored",
    )
    assert hit.lifted
    assert not hit.stands
    assert all(one.hits[0].stands for one in others)


def test_a_note_of_before_or_of_another_account_is_none(log, clock):
    log.create("c", actor=Actor.system("sign-up"))
    log.note("c", "of another", actor=Actor.human("owner"))
    log.note("a", "of before", actor=Actor.human("owner"), occurred_at=START)
    assert log.report(OF_BATCH).first_sign is None


def test_what_ends_it_counts_once_where_it_is_selected_itself(log):
    log.restore("a", **MEI)
    report = log.report(Selection(account_id="a"))
    assert [(deed.type, deed.selected, deed.events) for deed in report.deeds] == [
        ("account.created", True, 1),
        ("account.deleted", True, 1),
        ("account.restored", True, 1),
    ]


def test_of_many_events_the_ticks_are_hours(log, monkeypatch):
    monkeypatch.setattr("modlog._services.forensics.reports._MANY", 2)
    (tick,) = log.report(OF_BATCH).ticks
    assert (tick.at, tick.events) == (START.replace(minute=0), 3)


def test_progress_tells_of_each_page(log, monkeypatch):
    monkeypatch.setattr("modlog._storage.reading.PAGE", 2)
    told: list[ReportProgress] = []
    log.report(OF_BATCH, progress=told.append)
    assert [(one.done, one.total) for one in told] == [(2, 3), (3, 3)]


@pytest.mark.parametrize("fresh_place", ["sqlite", "postgres"], indirect=True)
def test_an_account_that_is_not_what_its_events_tell_is_found(place, clock, log):
    tamper(place, 'UPDATE modlog_accounts SET profile = \'{"nickname":"x"}\'')
    report = log.report(Selection(account_id="a"))
    (finding,) = report.findings
    assert (finding.account_id, finding.check) == ("a", "projection")
    assert "profile" in finding.message


@pytest.mark.parametrize("fresh_place", ["sqlite", "postgres"], indirect=True)
def test_an_instant_that_is_none_is_an_error_that_says_so(place, clock, log):
    tamper(place, f"UPDATE modlog_events SET occurred_at = {2**62} WHERE position = 5")
    with pytest.raises(CorruptEventError, match="damaged"):
        log.report(OF_BATCH)


def test_it_takes_a_selection_and_keys(log):
    with pytest.raises(InvalidInputError, match=r"report\(\) takes a Selection, not"):
        log.report("clean-up")
    with pytest.raises(InvalidInputError, match="profile must be several"):
        log.report(OF_BATCH, profile="nickname")
    with pytest.raises(InvalidInputError, match="progress must be something to call"):
        log.report(OF_BATCH, progress=1)
