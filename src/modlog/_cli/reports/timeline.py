"""Where the marks of a timeline stand: its axis leaves out long times in which nothing happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import sqrt
from typing import Final

from attrs import frozen

from modlog._cli.answers import instant_of, length_of
from modlog._cli.reports.words import done_alone
from modlog._domain.figures import FLAGGING, LIFTING, SANCTIONING
from modlog._services.forensics.reports import Report
from modlog._storage.deeds import Tick

WIDTH: Final = 960
_LEFT: Final = 190
_RIGHT: Final = 24
_TOP: Final = 30
_LANE: Final = 44
_BAR: Final = 4
_BREAK: Final = 64
_POINT: Final = 56
_BREAKS: Final = 5
# A time is left out if it is so much of the stretch that it lies in, and so many seconds.
_LONG: Final = 0.3
_LONG_SECONDS: Final = 60


@frozen
class Stretch:
    """A piece of the axis: times in seconds since 1970, places from the left."""

    first: float
    last: float
    left: float
    width: float

    def place(self, at: float) -> float:
        span = self.last - self.first
        return self.left + (self.width - _BAR) * ((at - self.first) / span if span else 0.5)


@frozen
class Mark:
    """A bar: events of one type within a short time."""

    left: float
    top: float
    height: float
    title: str


@frozen
class Lane:
    """The bars of one type of event."""

    middle: float
    bottom: float
    name: str
    events: int
    colour: str
    marks: Sequence[Mark]


@frozen
class Label:
    """A text at a place; several lines."""

    left: float
    lines: Sequence[str]
    anchor: str = "start"


@frozen
class Timeline:
    """All that is drawn; nothing if nothing happened."""

    height: float
    bottom: float
    stretches: Sequence[Stretch]
    lanes: Sequence[Lane]
    labels: Sequence[Label]
    breaks: Sequence[Label]
    sign: float | None

    width: int = WIDTH
    left: int = _LEFT
    top: int = _TOP
    bar: int = _BAR


def timeline(report: Report) -> Timeline:
    """The timeline of a report."""
    event = report.first_sign
    sign = None if event is None else event.occurred_at.timestamp() // 1
    at = {tick.at.timestamp() for tick in report.ticks}
    moments = sorted(at if sign is None else at | {sign})
    stretches = _placed(_stretches(moments))
    types = sorted({tick.type for tick in report.ticks}, key=_rank)
    bottom = _TOP + _LANE * len(types)
    return Timeline(
        height=bottom + 52,
        bottom=bottom,
        stretches=stretches,
        lanes=[
            _lane(type_name, number, [t for t in report.ticks if t.type == type_name], stretches)
            for number, type_name in enumerate(types)
        ],
        labels=[label for one in stretches for label in _labels(one)],
        breaks=[
            Label(after.left - _BREAK / 2, [length_of(after.first - before.last)], "middle")
            for before, after in pairwise(stretches)
        ],
        sign=None if sign is None else _place(stretches, sign),
    )


def _rank(type_name: str) -> tuple[int, str]:
    """Sanctions above, then flags, then what lifts them, then all else."""
    groups = (SANCTIONING, FLAGGING, LIFTING)
    return next((n for n, group in enumerate(groups) if type_name in group), 3), type_name


def _stretches(moments: Sequence[float]) -> list[list[float]]:
    """The moments, parted where nothing happened for long."""
    parts = [list(moments)] if moments else []
    for _ in range(_BREAKS):
        found = [(_quiet(part), n) for n, part in enumerate(parts)]
        (share, cut), number = max(found, default=((0.0, 0), 0))
        if share <= _LONG:
            break
        parts[number : number + 1] = [parts[number][:cut], parts[number][cut:]]
    return parts


def _quiet(part: Sequence[float]) -> tuple[float, int]:
    """The longest time between two moments, as a share of the whole, and where it ends."""
    gaps = [(later - one, n + 1) for n, (one, later) in enumerate(pairwise(part))]
    gap, cut = max(gaps, default=(0.0, 0))
    return (gap / (part[-1] - part[0]) if gap >= _LONG_SECONDS else 0.0), cut


def _placed(parts: Sequence[Sequence[float]]) -> list[Stretch]:
    """Moments alone take little of the width; the other stretches share what is left."""
    wide = sum(part[0] < part[-1] for part in parts)
    room = WIDTH - _LEFT - _RIGHT - _BREAK * (len(parts) - 1) - _POINT * (len(parts) - wide)
    left, placed = float(_LEFT), []
    for part in parts:
        width = room / wide if part[0] < part[-1] else _POINT
        placed.append(Stretch(part[0], part[-1], left, width))
        left += width + _BREAK
    return placed


def _place(stretches: Sequence[Stretch], at: float) -> float:
    return next(one.place(at) for one in stretches if at <= one.last)


def _lane(type_name: str, number: int, ticks: Sequence[Tick], stretches: Sequence[Stretch]) -> Lane:
    columns: Counter[int] = Counter()
    since: dict[int, datetime] = {}
    for tick in ticks:
        left = round(_place(stretches, tick.at.timestamp()) / _BAR) * _BAR
        columns[left] += tick.events
        since.setdefault(left, tick.at)
    bottom = _TOP + _LANE * (number + 1) - 8
    most = max(columns.values())
    marks = []
    for left, events in columns.items():
        height = max(4.0, (_LANE - 14) * sqrt(events / most))
        title = f"from {instant_of(since[left])}: {events:,} × {type_name}"
        marks.append(Mark(left, bottom - height, round(height, 1), title))
    colour = ("sanction", "flag", "lifting", "other")[_rank(type_name)[0]]
    return Lane(bottom - 10, bottom, done_alone(type_name), sum(columns.values()), colour, marks)


def _labels(stretch: Stretch) -> list[Label]:
    """The beginning of a stretch, and its end where there is room for it."""
    first, last = (
        instant_of(datetime.fromtimestamp(at, UTC)).split() for at in (stretch.first, stretch.last)
    )
    if stretch.width <= _POINT:
        return [Label(stretch.left + stretch.width / 2, first, "middle")]
    labels = [Label(stretch.left, first)]
    if stretch.width > 3 * _POINT:
        labels.append(Label(stretch.left + stretch.width, last, "end"))
    return labels
