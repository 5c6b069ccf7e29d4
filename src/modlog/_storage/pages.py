"""The events of a selection, page by page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from attrs import Factory, define

from modlog._domain.events import RecordedEvent
from modlog._storage.codec import recorded_event
from modlog._storage.database import Row
from modlog._storage.reading import PAGE, Reader, selected
from modlog._storage.selecting import Condition

# Positions whose selected acts are taken together, and how many times as many where these have few
# events; and how many events of them are read at once.
WINDOW: Final = 10 * PAGE
_WIDEST: Final = 4
MOST: Final = 2 * WINDOW
# Positions of events that are looked up at once.
POSITIONS: Final = 100 * PAGE


@define
class Pages:
    """The events for which a condition holds, in the order of positions, page by page.

    Acts have the positions of their first events for numbers, and those of one transaction lie
    beside each other. So the selected acts are taken in windows of whole transactions, and each
    window's events are sorted by themselves. What occurred between two instants lies anywhere in
    the log: of these, the next positions are looked up, many at once. By position, events are
    looked for in windows, twice as wide as what the last one went through: without statistics, or
    with a plan for any bounds, PostgreSQL sorts all that lies within the bounds for each page.
    """

    condition: Condition
    head: int
    after: int = 0
    _window: Sequence[int] = ()
    _acts: list[tuple[int, int]] = Factory(list)
    _next_act: int = 0
    _windows: int = 1
    _positions: Sequence[int] = ()
    _covered: int = 0

    def __attrs_post_init__(self) -> None:
        self.after = max(self.after, self.condition.after)
        if self.condition.up_to is not None:
            self.head = min(self.head, self.condition.up_to)

    def next(self, reader: Reader) -> list[RecordedEvent]:
        """The next page; an empty one at the end."""
        return [recorded_event(row) for row in self.rows(reader)]

    def rows(self, reader: Reader) -> list[Row]:
        """As `next`, in the columns `RECORDED`."""
        if self.condition.way == "act":
            return self._of_acts(reader)
        if self.condition.way == "occurred":
            return self._at_positions(reader)
        if self.condition.way == "position":
            return self._in_windows(reader)
        return self._moved(reader.rows_page(self.condition, self.after, self.head, limit=PAGE))

    def _in_windows(self, reader: Reader) -> list[Row]:
        page: list[Row] = []
        while not page and self.after < self.head:
            end = min(self.after + max(PAGE, 2 * self._covered), self.head)
            page = reader.rows_page(self.condition, self.after, end, limit=PAGE)
            end = page[-1][0] if len(page) == PAGE else end
            self._covered, self.after = end - self.after, end
        return page

    def _of_acts(self, reader: Reader) -> list[Row]:
        while acts := self._window or self._next_window(reader):
            among, params = reader.database.among("e.act", acts)
            condition = Condition(
                f"{among} AND {self.condition.sql}", (*params, *self.condition.params), "act"
            )
            page = reader.rows_page(condition, self.after, self.head, limit=MOST)
            self._window = acts if len(page) == MOST else ()
            self._windows = 1 if len(page) >= PAGE else min(2 * self._windows, _WIDEST)
            if page:
                return self._moved(page)
        return []

    def _at_positions(self, reader: Reader) -> list[Row]:
        if not self._positions and self.after < self.head:
            self._look_up_positions(reader)
        some, self._positions = self._positions[:PAGE], self._positions[PAGE:]
        if not some:
            return []
        condition = Condition(*reader.database.among("e.position", some), "occurred")
        return self._moved(reader.rows_page(condition, self.after, self.head))

    def _look_up_positions(self, reader: Reader) -> None:
        rows = reader.session.rows(
            f"SELECT e.position {selected(reader.database, self.condition)}"
            " AND s.kind <> 'foreign' AND +e.position > ? AND +e.position <= ?"
            f" ORDER BY +e.position LIMIT {POSITIONS}",
            (*self.condition.params, self.after, self.head),
        )
        self._positions = [position for (position,) in rows]
        if len(rows) < POSITIONS:
            self.head = rows[-1][0] if rows else self.after  # there are no more

    def _moved(self, page: list[Row]) -> list[Row]:
        if page:
            self.after = page[-1][0]
        return page

    def _next_window(self, reader: Reader) -> Sequence[int]:
        """The next selected acts, of whole transactions."""
        if not self._acts:
            self._acts = self._next_acts(reader)
        if not self._acts:
            return ()
        end = bisect_left(self._acts, (self._acts[0][0] + self._windows * WINDOW,))
        while end < len(self._acts) and self._acts[end][1] == self._acts[end - 1][1]:
            end += 1
        window, self._acts = self._acts[:end], self._acts[end:]
        return [number for number, _ in window]

    def _next_acts(self, reader: Reader) -> list[tuple[int, int]]:
        """Some more of the selected acts, and when they were recorded; of whole transactions."""
        if not self._next_act:
            self._next_act = self._first_act(reader)
        acts = self._selected(reader, "a.number >= ?", self._next_act)
        if acts:
            acts += self._selected(
                reader, "a.number > ? AND a.recorded_at = ?", *acts[-1], limit=False
            )
            self._next_act = acts[-1][0] + 1
        return acts

    def _first_act(self, reader: Reader) -> int:
        """The number of the first act of the transaction of the next event."""
        recorded_at = reader.recorded_at(self.after + 1)
        return reader.position_before(recorded_at) + 1 if recorded_at else self.after + 1

    def _selected(
        self, reader: Reader, which: str, *bounds: int, limit: bool = True
    ) -> list[tuple[int, int]]:
        sql, params = self.condition.acts
        return reader.session.rows(
            f"SELECT a.number, a.recorded_at FROM {reader.database.table('acts')} AS a"
            f" WHERE {sql} AND {which} AND a.number <= ? ORDER BY a.number"
            f"{f' LIMIT {PAGE}' if limit else ''}",
            (*params, *bounds, self.head),
        )
