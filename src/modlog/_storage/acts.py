"""Acts: what a transaction recorded under one envelope and of one type, as one entry each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, frozen

from modlog._domain.events import RecordedEvent
from modlog._domain.jsonable import Jsonable
from modlog._storage.codec import recorded_event
from modlog._storage.database import Row
from modlog._storage.reading import PAGE, Reader, recorded_sql, selected
from modlog._storage.selecting import Condition


@frozen
class Act(Jsonable):
    """The selected events of one act: they share who, why, when recorded, and what they are.

    Attributes:
        first: the first of them.
        last: the position of the last of them.
        events: how many they are.
    """

    first: RecordedEvent
    last: int
    events: int


@define
class ActPages:
    """The acts of the events for which a condition holds, page by page.

    Attributes:
        condition: which events.
        newest_first: the last acts of the log first, or the first.
        bound: acts up to this number, or from this number on, are still to come.
    """

    condition: Condition
    newest_first: bool
    bound: int
    _ended: bool = False

    def next(self, reader: Reader) -> list[Act]:
        """The next page; an empty one at the end."""
        found: list[Act] = []
        while not (found or self._ended):
            found = self._acts(reader, self._rows(reader))
        return found

    def _rows(self, reader: Reader) -> list[Row]:
        """The next acts: the number, the first and last position, how many events."""
        ahead = f"a.number {'<=' if self.newest_first else '>='} ?"
        order = f"ORDER BY a.number{' DESC' if self.newest_first else ''} LIMIT {PAGE}"
        if self.condition.way in ("stream", "occurred"):  # which leads to few events
            rows = self._grouped(reader, f"{ahead} GROUP BY a.number {order}", (self.bound,))
            self._move([number for number, *_ in rows])
            return rows
        of_acts, params = self.condition.acts
        found = reader.session.rows(
            f"SELECT a.number FROM {reader.database.table('acts')} AS a"
            f" WHERE {of_acts} AND {ahead} {order}",
            (*params, self.bound),
        )
        numbers = [number for (number,) in found]
        self._move(numbers)
        among, params = reader.database.among("a.number", numbers)
        return self._grouped(reader, f"{among} GROUP BY a.number", params) if numbers else []

    def _grouped(self, reader: Reader, which: str, params: Sequence[Any]) -> list[Row]:
        return reader.session.rows(
            "SELECT a.number, min(e.position), max(e.position), count(*)"
            f" {selected(reader.database, self.condition)} AND s.kind <> 'foreign' AND {which}",
            (*self.condition.params, *params),
        )

    def _move(self, numbers: Sequence[int]) -> None:
        self._ended = len(numbers) < PAGE
        if numbers:
            self.bound = numbers[-1] + (-1 if self.newest_first else 1)

    def _acts(self, reader: Reader, rows: Sequence[Row]) -> list[Act]:
        events = _events_at(reader, [first for _, first, _, _ in rows])
        return [
            Act(events[first], last, number)
            for _, first, last, number in sorted(rows, reverse=self.newest_first)
        ]


def _events_at(reader: Reader, positions: Sequence[int]) -> Mapping[int, RecordedEvent]:
    if not positions:
        return {}
    among, params = reader.database.among("e.position", positions)
    rows = reader.session.rows(f"{recorded_sql(reader.database)} WHERE {among}", params)
    return {event.position: event for event in map(recorded_event, rows)}
