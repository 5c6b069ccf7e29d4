"""What occurred between two instants, also in history that was imported."""

from datetime import UTC, datetime, timedelta

import pytest
from eventsourcing.persistence import StoredEvent

from modlog import Actor, Selection, Status
from modlog._storage import pages
from modlog.testing import MovableClock

WAN = Actor.human("wan")
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = START - timedelta(days=400)


@pytest.fixture
def log(place):
    """Imported history, then a day of the platform's own, with one event told late."""
    clock = MovableClock(START)
    with place.open(clock=clock) as log:
        log.ingest(
            {"do": do, "account_id": f"a{n % 5}", "at": LONG_AGO + n * HOUR, "actor": WAN}
            | {"reason": "spam", "key": f"{n}", "policy": f"p{n % 2}"}
            for n, do in enumerate(["create"] * 5 + ["delete"] * 10)
        )
        log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"")])
        for n in range(5):
            clock.move(3_600)
            log.suspend(f"a{n}", actor=WAN, reason="live")
        log.suspend("a0", actor=WAN, reason="told late", occurred_at=LONG_AGO + 7 * HOUR)
        yield log


def found(log, **filters) -> list[int]:
    return [event.position for event in log.events(Selection(**filters))]


def between(first, end):
    return {"occurred_since": first, "occurred_until": end}


def test_imported_history_is_found_by_when_it_occurred(log):
    morning = between(LONG_AGO + 6 * HOUR, LONG_AGO + 9 * HOUR)

    assert found(log, **morning) == [7, 8, 9, 22]
    assert found(log, since=LONG_AGO, until=LONG_AGO + 20 * HOUR) == []


def test_an_event_without_a_time_of_its_own_occurred_when_it_was_recorded(log):
    assert found(log, **between(START + 2 * HOUR, START + 4 * HOUR)) == [18, 19]
    assert found(log, occurred_since=START) == [17, 18, 19, 20, 21]
    assert found(log, occurred_until=LONG_AGO + HOUR) == [1]
    assert found(log, occurred_until=START + HOUR) == [*range(1, 16), 22]


def test_none_between_an_instant_and_itself(log):
    assert found(log, **between(LONG_AGO, LONG_AGO)) == []
    assert found(log, **between(LONG_AGO + HOUR, LONG_AGO)) == []


def test_with_other_filters(log):
    morning = between(LONG_AGO + 6 * HOUR, LONG_AGO + 9 * HOUR)

    assert found(log, **morning, type="account.deleted") == [7, 8, 9]
    assert found(log, **morning, policy="p1") == [8]
    assert found(log, **morning, account_id=["a0", "a1"]) == [7, 22]
    assert found(log, **morning, after_position=7, up_to_position=9) == [8, 9]
    assert found(log, **morning, actor_kind="bot") == []
    assert found(log, **morning, actor="wan", actor_kind=["bot", "human"]) == [7, 8, 9, 22]


def test_reverts_views_and_sweeps_take_it(log):
    told_late = Selection(**between(LONG_AGO, LONG_AGO + 99 * HOUR), type="account.suspended")
    assert log.plan_sweep(told_late, "flag", label="x", actor=WAN, reason="x").size == 1
    late = Selection(**between(LONG_AGO + 10 * HOUR, LONG_AGO + 99 * HOUR))

    assert log.without(late).count()[Status.DELETED] == 5
    assert log.plan_revert(late).targets == 5
    assert log.plan_sweep(late, "flag", label="x", actor=WAN, reason="x").size == 5
    log.revert(late, actor=WAN, reason="a mistake")
    assert len(log.account("a4").sanctions) == 2
    first = Selection(**between(LONG_AGO + 5 * HOUR, LONG_AGO + 10 * HOUR))
    log.revert(first, actor=WAN, reason="a mistake")
    assert [s.kind for s in log.account("a4").sanctions.values()] == ["suspension"]
    assert [s.kind for s in log.account("a0").sanctions.values()] == ["suspension"]


@pytest.mark.parametrize("positions", [1, 2, 7, 1_000])
def test_positions_are_looked_up_so_many_at_a_time(log, monkeypatch, positions):
    monkeypatch.setattr(pages, "POSITIONS", positions)
    monkeypatch.setattr(pages, "PAGE", 3)
    log.note("a0", "after it all", actor=WAN)
    lookups: list[object] = []
    look_up = pages.Pages._look_up_positions
    monkeypatch.setattr(
        pages.Pages, "_look_up_positions", lambda *given: lookups.append(look_up(*given))
    )

    events = found(log, **between(LONG_AGO, START + 5 * HOUR))

    assert events == [*range(1, 16), *range(17, 21), 22]
    assert len(lookups) == 20 // positions + 1


def test_what_is_recorded_meanwhile_stays_out(log, monkeypatch):
    monkeypatch.setattr(pages, "POSITIONS", 2)
    events = log.events(Selection(occurred_since=START))
    first = next(events)
    log.note("a0", "x", actor=WAN)

    assert [first.position, *(event.position for event in events)] == [17, 18, 19, 20, 21]
