"""One walk through the log: its events beside what was sealed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import Factory, define, frozen

from modlog._domain.evidence.tiles import FULL, WIDTH, Growth, root_above
from modlog._domain.evidence.trees import SIZE
from modlog._storage.archives import Range
from modlog._storage.checks import MOST, Finding
from modlog._storage.evidence import MARK, MARKED, PAGE, Evidence, Leaf, Leaves, Stored

# Differences that are kept to be named; of more it is told how many there are.
KEPT: Final = 2_000
_MARKS: Final = MARK * len(MARKED)
# Stands for the leaf of an event that is gone, so that the tree goes on and leads elsewhere.
_GONE: Final = bytes(SIZE)
# The hashes of a tile, the one above them, and marks.
_Tile = tuple[bytes, bytes, bytes]


@frozen
class Difference:
    """A position at which something else stands than was sealed.

    Attributes:
        position: of both.
        event: what stands there now; none if nothing does.
        marks: of what was sealed there; none of this length if the tile is gone.
    """

    position: int
    event: Stored | None
    marks: bytes


@define
class Comparison:
    """What a walk through the log found.

    Attributes:
        roots: of the tree, by its size, for those sizes that were asked for.
        differences: the first of them.
        number: how many there are.
        findings: about the tiles themselves.
        last: the last position that was sealed in a tile, or recorded.
    """

    roots: dict[int, bytes] = Factory(dict)
    differences: list[Difference] = Factory(list)
    number: int = 0
    findings: list[Finding] = Factory(list)
    last: int = 0

    def found(self, message: str) -> None:
        """Take note of something about the tiles."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(check="tiles", message=message))


@define
class Comparing:
    """The walk.

    Attributes:
        sizes: of the trees whose roots are wanted.
        progress: is told how many events were looked at.
    """

    evidence: Evidence
    sizes: Sequence[int]
    progress: Callable[[int], object] | None = None
    _found: Comparison = Factory(Comparison)
    _sealed: int = 0

    def run(self) -> Comparison:
        """Compare everything."""
        found, self._sealed = self._found, self.evidence.kept
        found.last = max(self._sealed, self.evidence.last_event)
        for level, number in self.evidence.strangers(found.last):
            found.found(f"tile {number} of level {level} is of no event")
        growth = Growth(self.sizes, found.roots)
        self._check_above(growth, [])
        for after in range(0, found.last, PAGE):
            part = Range(after, min(after + PAGE, found.last))
            self._check_above(growth, [*self._hashes(part)])
            if self.progress:
                self.progress(part.last)
        return found

    def _hashes(self, part: Range) -> Iterator[bytes]:
        """The hashes of the leaves of a range: as sealed, or else as they are now."""
        leaves = Leaves(self.evidence.needed_salts)
        events = {event.position: event for event in self.evidence.stored(part)}
        tiles = self.evidence.tiles(part)
        for position in range(part.after + 1, part.last + 1):
            number, at = divmod(position - 1, WIDTH)
            if at == 0:
                tile = self._checked(tiles.get(number), number)
            event = events.get(position)
            fresh = leaves.of(event) if event else None
            if tile is None:
                yield fresh.hash if fresh else _GONE
                continue
            hashes, _, marks = tile
            sealed = hashes[at * SIZE : (at + 1) * SIZE]
            self._compare(position, event, fresh, sealed, marks[at * _MARKS : (at + 1) * _MARKS])
            yield sealed

    def _checked(self, tile: _Tile | None, number: int) -> _Tile | None:
        if tile and (len(tile[0]), len(tile[2])) == (FULL, _MARKS * WIDTH):
            if root_above(tile[0]) != tile[1]:
                self._found.found(f"the root of tile {number} of level 0 does not follow from it")
            return tile
        if (number + 1) * WIDTH <= self._sealed or tile:
            what = "is cut or longer than it may be" if tile else "is gone"
            self._found.found(f"tile {number} of level 0 {what}: its events are compared with none")
        return None

    def _compare(
        self, position: int, event: Stored | None, fresh: Leaf | None, sealed: bytes, marks: bytes
    ) -> None:
        if fresh and fresh.hash == sealed:
            if fresh.marks != marks:
                self._found.found(f"the marks of event {position} in its tile were changed")
            return
        self._found.number += 1
        if self._found.number <= KEPT:
            self._found.differences.append(Difference(position, event, marks))

    def _check_above(self, growth: Growth, hashes: list[bytes]) -> None:
        """Have the tree grow, and compare what is above its leaves with what is kept."""
        for tile, content in growth.append(hashes):
            last = (tile.index + 1) * WIDTH ** ((tile.level or 0) + 1)
            if tile.level and last <= self._sealed:
                stored = self.evidence.tile(tile.level, tile.index)
                if stored != (content, root_above(content)):
                    what = "is gone" if stored is None else "does not follow from those below"
                    self._found.found(f"tile {tile.index} of level {tile.level} {what}")
