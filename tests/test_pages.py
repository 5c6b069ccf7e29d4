"""Pages of a log: whatever is selected, all of it comes, and no page goes through the rest."""

import io
from datetime import UTC, datetime

import pytest

import modlog
from modlog import Actor, Selection
from modlog._storage import pages
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

    def rows_page(reader, condition, after, head, **limit):
        rows = own(reader, condition, after, head, **limit)
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
    monkeypatch.setattr(pages, "PAGE", page)

    assert list(log.events(selection)) == expected
    assert list(log.events(selection, newest_first=True)) == expected[::-1]
    assert list(log.subscribe(follow=False, selection=selection)) == expected


@pytest.mark.parametrize("page", [1, 3, 7])
def test_followers_get_what_is_rare(log, monkeypatch, page):
    expected = [event for event in log.history("a") if event.actor == MEI]
    monkeypatch.setattr(pages, "PAGE", page)

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
    monkeypatch.setattr(pages, "PAGE", 1)
    found = log.subscribe(follow=False, selection=Selection(positions=[120]))

    assert [event.position for event in found] == [120]
    assert len(spans) < 10


def test_windows_lie_within_the_bounds(log, spans):
    found = list(log.events(Selection(since=SINCE, up_to_position=80)))

    assert [event.position for event in found] == list(range(60, 81))
    assert spans == [(21, 21)]


@pytest.fixture
def acts(monkeypatch):
    """The selected acts that were read."""
    own = pages.Pages._selected
    acts: list[int] = []

    def selected(self, *given, **more):
        rows = own(self, *given, **more)
        acts.extend(number for number, _ in rows)
        return rows

    monkeypatch.setattr(pages.Pages, "_selected", selected)
    return acts


@pytest.mark.parametrize("window", [1, 4, 1_000])
def test_an_act_is_read_once(log, acts, monkeypatch, window):
    monkeypatch.setattr(pages, "PAGE", 8)
    monkeypatch.setattr(pages, "WINDOW", window)
    expected = [event.position for event in log.history("a") if event.actor == WAN]

    found = [event.position for event in log.events(Selection(actor=WAN))]

    assert found == expected
    assert acts == expected


@pytest.mark.parametrize("most", [1, 3, 7, 40])
def test_of_many_events_of_few_acts_so_many_are_read_at_once(log, spans, monkeypatch, most):
    monkeypatch.setattr(pages, "MOST", most)
    with modlog.acting(MEI), log.transaction():
        for _ in range(20):
            log.note("a", "x")
            log.protect("a", reason="r")
            log.unprotect("a", reason="r")
    expected = [event for event in log.history("a") if event.actor == MEI]

    assert list(log.events(Selection(actor=MEI))) == expected
    assert max(number for _, number in spans) == min(most, len(expected))


def test_acts_outside_the_bounds_are_not_read(log, acts):
    found = log.events(Selection(actor=WAN, since=SINCE, up_to_position=110))

    assert [event.position for event in found] == list(range(101, 111))
    assert acts == list(range(101, 111))


def test_an_act_that_began_before_a_position_is_read_on(log, acts, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 2)
    with modlog.acting(WAN), log.transaction():
        for _ in range(3):
            log.note("a", "x")
            log.protect("a", reason="r")
            log.unprotect("a", reason="r")

    found = log.events(Selection(actor=WAN, type="account.noted", after_position=122))

    assert [event.position for event in found] == [124, 127]
    assert acts == [121]


def test_where_acts_have_few_events_windows_grow(log, spans, monkeypatch):
    monkeypatch.setattr(pages, "WINDOW", 2)

    found = list(log.events(Selection(actor=MEI)))

    assert len(found) == 78
    assert [number for _, number in spans][:4] == [2, 4, 8, 8]
