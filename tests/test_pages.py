"""Pages of a log: whatever is selected, all of it comes, and no page goes through the rest."""

import io
from datetime import UTC, datetime

import pytest

from modlog import Actor, Selection
from modlog._storage import reading
from modlog._storage.reading import PAGE, Reader
from modlog.testing import MovableClock

WAN, MEI = Actor.human("wan"), Actor.human("mei")
SINCE = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.fixture
def log(place):
    """Where wan has acted often, now and then, and often again."""
    clock = MovableClock()
    with place.open(clock=clock) as log:
        for turn in range(120):
            clock.move(1)
            often = not 20 < turn < 100
            log.note("a", "x", actor=WAN if often or turn == 50 else MEI) if turn else log.create(
                "a", actor=WAN
            )
        yield log


@pytest.fixture
def spans(monkeypatch):
    """How many positions each page was looked for in, and how many events it has."""
    own, spans = Reader.rows_page, []

    def rows_page(reader, condition, after, head):
        rows = own(reader, condition, after, head)
        spans.append((head - after, len(rows)))
        return rows

    monkeypatch.setattr(Reader, "rows_page", rows_page)
    return spans


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(since=SINCE),
        Selection(after_position=7, up_to_position=101),
        Selection(positions=[1, 9, 120]),
        Selection(positions=[77]),
        Selection(up_to_position=0),
    ],
)
@pytest.mark.parametrize("page", [1, 3, 7])
def test_windows_lose_nothing(log, monkeypatch, selection, page):
    expected = [event for event in log.history("a") if holds(selection, event)]
    monkeypatch.setattr(reading, "PAGE", page)

    assert list(log.events(selection)) == expected
    assert list(log.events(selection, newest_first=True)) == expected[::-1]
    assert list(log.subscribe(follow=False, selection=selection)) == expected


@pytest.mark.parametrize("page", [1, 3, 7])
def test_followers_get_what_is_rare(log, monkeypatch, page):
    expected = [event for event in log.history("a") if event.actor == MEI]
    monkeypatch.setattr(reading, "PAGE", page)

    assert list(log.subscribe(follow=False, selection=Selection(actor=MEI))) == expected


def holds(selection, event):
    given = dict(selection.given())
    return (
        event.recorded_at >= given.get("since", event.recorded_at)
        and given.get("after_position", 0) < event.position
        and event.position <= given.get("up_to_position", event.position)
        and event.position in given.get("positions", (event.position,))
    )


def test_no_page_goes_through_the_rest_of_the_log(log, spans):
    at, actor = "2026-01-01T00:00:00Z", {"kind": "human", "id": "wan"}
    record = {"do": "note", "account_id": "a", "at": at, "actor": actor, "text": "x"}
    log.ingest([record] * (9 * PAGE))
    del spans[:]

    log.export(io.BytesIO(), format="jsonl")

    assert len(spans) == 10
    assert max(width for width, _ in spans) <= 2 * PAGE


def test_where_little_is_found_windows_grow(log, spans, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 1)
    found = log.subscribe(follow=False, selection=Selection(positions=[120]))

    assert [event.position for event in found] == [120]
    assert len(spans) < 10


def test_windows_lie_within_the_bounds(log, spans):
    found = list(log.events(Selection(since=SINCE, up_to_position=80)))

    assert [event.position for event in found] == list(range(60, 81))
    assert spans == [(21, 21)]
