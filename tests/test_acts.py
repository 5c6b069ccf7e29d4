"""Acts and events newest first are the events themselves, put together and turned around."""

from datetime import UTC, datetime, timedelta
from itertools import groupby, islice

import pytest

import modlog
from modlog import Actor, Selection
from modlog._storage import acts

T0 = datetime(2026, 3, 9, 22, 0, tzinfo=UTC)
WAN, BOT, QIU = Actor.human("wan"), Actor.bot("sweeper"), Actor.human("qiu")


@pytest.fixture
def ledger(place):
    with place.open() as log:
        with modlog.acting(WAN, reason="clean-up"):
            with log.transaction():  # two acts that take turns
                for n in range(6):
                    log.create(f"a{n}", policy="even" if n % 2 == 0 else "odd")
            plan = log.plan_sweep([f"a{n}" for n in range(5)], "delete", batch_id="march")
            plan.approve(actor=QIU)
            plan.execute()
            log.restore("a1", actor=QIU)
            for n in range(3):
                log.flag("a2", "spam", actor=BOT, occurred_at=T0 + timedelta(days=n))
            log.revert(Selection(batch_id="march", account_id=["a2", "a3"]), actor=QIU)
        yield log


SELECTIONS = {
    "everything": Selection(),
    "an actor": Selection(actor="qiu"),
    "a batch": Selection(batch_id="march"),
    "an account": Selection(account_id=["a1", "a2"]),
    "types": Selection(type=["account.created", "account.deleted"]),
    "when it occurred": Selection(occurred_until=T0 + timedelta(days=1, hours=1)),
    "a policy in a range": Selection(policy="odd", up_to_position=4),
    "a range": Selection(after_position=3, up_to_position=9),
    "none": Selection(batch_id="april"),
}


@pytest.mark.parametrize("page", [1, 2, 1_000])
@pytest.mark.parametrize("name", SELECTIONS)
def test_acts_are_the_selected_events_put_together(ledger, monkeypatch, name, page):
    monkeypatch.setattr(acts, "PAGE", page)
    monkeypatch.setattr("modlog._services.questions.PAGE", page)
    selection = SELECTIONS[name]
    events = list(ledger.events(selection))
    found = list(ledger.acts(selection, newest_first=False))

    assert list(ledger.acts(selection)) == found[::-1]
    assert list(ledger.events(selection, newest_first=True)) == events[::-1]
    assert {act.first.position: (act.last, act.events) for act in found} == together(events)


def together(events):
    def act(event):
        return (event.recorded_at, event.type, event.actor.kind, event.policy or "")

    groups = (list(own) for _, own in groupby(sorted(events, key=act), act))
    return {own[0].position: (own[-1].position, len(own)) for own in groups}


def test_acts_stream_newest_first_from_the_log_as_it_was_asked(ledger):
    first = ledger.acts()
    ledger.note("a1", "later", actor=QIU)
    assert next(first).first.type == "events.reverted"
    assert next(ledger.acts()).first.type == "account.noted"


def test_a_follower_may_choose(ledger):
    chosen = Selection(actor=BOT)
    assert [e.type for e in ledger.subscribe(follow=False, selection=chosen)] == [
        "account.flagged"
    ] * 3
    live = ledger.subscribe(after=ledger.head, timeout=20, selection=chosen)
    ledger.note("a1", "not his", actor=QIU)
    ledger.note("a1", "his", actor=BOT)
    assert [event.data["text"] for event in islice(live, 1)] == ["his"]


@pytest.mark.parametrize("call", ["acts", "events"])
def test_what_is_no_selection_is_refused(ledger, call):
    with pytest.raises(modlog.InvalidInputError, match=rf"{call}\(\) takes a Selection"):
        getattr(ledger, call)("march")
    with pytest.raises(modlog.InvalidInputError, match="newest_first"):
        getattr(ledger, call)(newest_first=1)
