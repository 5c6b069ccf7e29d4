"""A plot of cost against the size of the log, as SVG by hand: both axes are logarithmic."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, log10
from typing import Final

from attrs import frozen

from benchmarks.places import STORES
from benchmarks.running import GROWING
from benchmarks.tables import Results

_WIDTH, _HEIGHT = 380, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 40, 40, 45
_LEGEND: Final = 24
_COLOURS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)  # told apart by everybody

Line = dict[int, float]


@frozen
class _Axis:
    """From a value to a place: logarithmic, between two powers of ten."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: list[float], start: float, end: float) -> _Axis:
        low, high = floor(log10(min(values))), ceil(log10(max(values)))
        return cls(low, max(high, low + 1), start, end)

    def at(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def plot(results: Results) -> str | None:
    """A panel for each store, a line for each operation; None if there is nothing to show."""
    panels = {
        store: {name: costs for name in GROWING if (costs := results.costs(name, store))}
        for store in STORES
    }
    panels = {store: lines for store, lines in panels.items() if lines}
    if not panels:
        return None
    width, height = _WIDTH * len(panels), _HEIGHT + _LEGEND * len(GROWING)
    parts = [
        part
        for number, (store, lines) in enumerate(panels.items())
        for part in _panel(store, lines, number * _WIDTH)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            ' font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *parts,
            *_legend(),
            "</svg>\n",
        ]
    )


def _panel(store: str, lines: dict[str, Line], offset: float) -> Iterator[str]:
    across = _Axis.over(
        [log for line in lines.values() for log in line], offset + _LEFT, offset + _WIDTH - _RIGHT
    )
    up = _Axis.over(
        [1000 * cost for line in lines.values() for cost in line.values()],
        _HEIGHT - _BOTTOM,
        _TOP,
    )
    yield _text(offset + _WIDTH / 2, _TOP - 15, f"{store}: milliseconds by events in the log")
    for tick in across.ticks():
        yield _rule(across.at(tick), up.start, across.at(tick), up.end)
        yield _text(across.at(tick), up.start + 18, f"{tick:,.0f}")
    for tick in up.ticks():
        yield _rule(across.start, up.at(tick), across.end, up.at(tick))
        yield _text(across.start - 6, up.at(tick) + 4, f"{tick:g}", anchor="end")
    for name, line in lines.items():
        points = [(across.at(log), up.at(1000 * cost)) for log, cost in line.items()]
        yield from _line(points, _colour(name))


def _line(points: list[tuple[float, float]], colour: str) -> Iterator[str]:
    path = " ".join(f"{x},{y}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'


def _legend() -> Iterator[str]:
    for number, (name, what) in enumerate(GROWING.items()):
        y = _HEIGHT + _LEGEND * number + 4
        yield from _line([(_LEFT, y), (_LEFT + 24, y)], _colour(name))
        yield _text(_LEFT + 34, y + 4, what, anchor="start")


def _colour(name: str) -> str:
    return _COLOURS[list(GROWING).index(name)]


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
