"""What was done to a log, told from where it differs from what was sealed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from attrs import define, field

from modlog._services.evidence.comparing import Comparison, Difference
from modlog._storage.checks import MOST, Finding
from modlog._storage.evidence import MARK, MARKED, Leaves

# The marks that are the same wherever an event stands: of its stream and its act.
_ANYWHERE: Final = slice(0, 2 * MARK)
_CONTENT: Final = slice(2 * MARK, None)
# Edited events that are looked at for what was exchanged between them.
_LOOKED_AT: Final = 50
_TOLD: Final[Mapping[str, str]] = {
    "stream": "its account or stream",
    "act": "its act: who, why, by which rule, when",
    "data": "its data",
    "personal": "its personal values",
}


def named(found: Comparison, leaves: Leaves, head: int) -> list[Finding]:
    """The findings of a comparison, each by its name.

    Args:
        found: the comparison.
        leaves: with the salts of the ledger.
        head: the last position of the log as it is now.
    """
    findings = [*found.findings]
    cut = [one for one in found.differences if one.event is None and one.position > head]
    if found.last > head:
        findings.append(
            Finding(
                check="truncated",
                message=f"the end of the log was cut off: events up to {found.last:,} were sealed, "
                f"and it ends at {head:,}",
                position=head + 1,
            )
        )
    naming = _Naming(found.differences, leaves)
    told = [*naming.findings({one.position for one in cut})]
    findings += told[:MOST]
    rest = found.number - len(found.differences) + max(0, len(told) - MOST)
    if rest:
        findings.append(
            Finding(check="edited", message=f"{rest:,} more events are not as they were sealed")
        )
    return findings


@define
class _Naming:
    differences: Sequence[Difference]
    leaves: Leaves
    _at: dict[int, Difference] = field(init=False)
    _moved: dict[int, int] = field(init=False)
    _shift: int = 0

    def __attrs_post_init__(self) -> None:
        self._at = {one.position: one for one in self.differences}
        self._moved = self._found_elsewhere()

    def findings(self, cut: set[int]) -> Iterator[Finding]:
        """What became of each position that differs, but of those behind the log's end."""
        last = max(self._at, default=0)
        taken = set(self._moved.values())
        told = 0
        edited = []
        for position, one in self._at.items():
            is_new = one.event is not None and position not in self._moved
            is_missed = position not in taken
            shift = self._shift_at(position)
            if is_new and is_missed and not shift:
                edited.append(one)
            elif is_missed and position not in cut and position - min(shift, 0) <= last:
                told += 1
                yield self._deleted(position)
            elif is_new and position + max(shift, 0) <= last and position not in cut:
                told += 1
                yield self._inserted(position)
        yield from self._reordered(every=not told)
        yield from self._edited(edited)

    def _found_elsewhere(self) -> dict[int, int]:
        """From where events stand to where they were sealed, of those that were moved."""
        places: dict[bytes, list[int]] = defaultdict(list)
        for one in self.differences:
            places[one.marks[_ANYWHERE]].append(one.position)
        moved: dict[int, int] = {}
        taken: set[int] = set()
        for one in self.differences:
            place = self._place_of(one, places, taken)
            if place is not None:
                moved[one.position] = place
                taken.add(place)
        return moved

    def _place_of(
        self, one: Difference, places: Mapping[bytes, Sequence[int]], taken: set[int]
    ) -> int | None:
        if one.event is None:
            return None
        own = self.leaves.of(one.event).marks
        if own == one.marks:
            return None  # only its place was changed
        near = sorted(places[own[_ANYWHERE]], key=lambda place: abs(place - one.position))
        for place in near[:_LOOKED_AT]:
            if place in taken or place == one.position:
                continue
            if self.leaves.of(one.event, place).marks == self._at[place].marks:
                return place
        return None

    def _shift_at(self, position: int) -> int:
        """By how many places what stands just before was moved; 0 if it was not, or exchanged."""
        for near in (position - 1, position, position + 1):
            place = self._moved.get(near)
            if place is not None and self._moved.get(place) != near:
                return place - near
        return 0

    def _reordered(self, *, every: bool) -> Iterator[Finding]:
        for position, place in self._moved.items():
            if every or self._moved.get(place) == position:
                yield Finding(
                    check="reordered",
                    message=f"what stands here was sealed at position {place:,}",
                    position=position,
                )

    def _deleted(self, position: int) -> Finding:
        stands = self._at[position].event
        then = ", and what followed was given its place" if stands else ""
        return Finding(
            check="deleted",
            message=f"the event that was sealed here is gone{then}",
            position=position,
        )

    def _inserted(self, position: int) -> Finding:
        return Finding(
            check="inserted",
            message="this event was not sealed here: it was put between others",
            position=position,
        )

    def _edited(self, edited: Sequence[Difference]) -> Iterator[Finding]:
        swapped = self._swapped(edited[:_LOOKED_AT])
        for one in edited:
            other = swapped.get(one.position)
            yield Finding(
                check="edited" if other is None else "swapped",
                message=f"{self._parts(one)} is not what was sealed"
                if other is None
                else f"its data are those that were sealed at position {other:,}",
                position=one.position,
                account_id=_account_of(one),
            )

    def _swapped(self, edited: Sequence[Difference]) -> dict[int, int]:
        """From events to those whose data they have."""
        found = {}
        for one in edited:
            for other in edited:
                if one is not other and self._has_data_of(one, other):
                    found[one.position] = other.position
        return found

    def _has_data_of(self, one: Difference, other: Difference) -> bool:
        assert one.event is not None, "it is one that was edited"
        there = self.leaves.of(one.event, other.position).marks[_CONTENT]
        here = self.leaves.of(one.event).marks[_CONTENT]
        return any(there) and there == other.marks[_CONTENT] and here != one.marks[_CONTENT]

    def _parts(self, one: Difference) -> str:
        assert one.event is not None, "it is one that was edited"
        own = self.leaves.of(one.event).marks
        differing = [
            _TOLD[name]
            for name, (begin, end) in zip(MARKED, pairwise(range(0, 20, MARK)), strict=True)
            if own[begin:end] != one.marks[begin:end]
        ]
        return "; ".join(differing) or "its place: position, version, type or instants"


def _account_of(one: Difference) -> str | None:
    assert one.event is not None, "it is one that was edited"
    kind, id_ = one.event.stream or ("", "")
    return id_ if kind == "account" else None
