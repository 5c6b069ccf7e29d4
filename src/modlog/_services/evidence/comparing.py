"""One walk through the log: its events beside what was sealed of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from attrs import Factory, define, frozen

from modlog._domain.evidence.tiles import FULL, WIDTH, Growth, root_above
from modlog._domain.evidence.trees import SIZE
from modlog._services.crew import Crew
from modlog._services.integrity import Watch
from modlog._storage.archives import Range
from modlog._storage.checks import MOST, Finding
from modlog._storage.evidence import MARK, MARKED, PAGE, Evidence, Leaves, Stored
from modlog._storage.reading import Reader

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
    """What a walk through the log, or through a part of it, found.

    Attributes:
        roots: of the tree, by its size, for those sizes that were asked for.
        hashes: of the leaves of a part: as sealed, or else as they are now.
        differences: the first of them.
        number: how many there are.
        findings: about the tiles themselves.
        last: the last position that was sealed in a tile, or recorded.
    """

    roots: dict[int, bytes] = Factory(dict)
    hashes: list[bytes] = Factory(list)
    differences: list[Difference] = Factory(list)
    number: int = 0
    findings: list[Finding] = Factory(list)
    last: int = 0

    def found(self, message: str) -> None:
        """Take note of something about the tiles."""
        self._add([Finding(check="tiles", message=message)])

    def differs(self, difference: Difference) -> None:
        """Take note of a position at which something else stands."""
        self.number += 1
        if len(self.differences) < KEPT:
            self.differences.append(difference)

    def join(self, part: Comparison) -> None:
        """Add what was found in another part, but for its hashes."""
        self.number += part.number
        self.differences += part.differences[: KEPT - len(self.differences)]
        self._add(part.findings)

    def _add(self, findings: Sequence[Finding]) -> None:
        self.findings += findings[: MOST - len(self.findings)]


@define
class Comparing:
    """The walk.

    Attributes:
        sizes: of the trees whose roots are wanted.
        looking: who looks at the parts of the log.
        watch: is told how many events there are, and how many are through.
    """

    evidence: Evidence
    sizes: Sequence[int]
    looking: Crew
    watch: Watch
    _found: Comparison = Factory(Comparison)
    _sealed: int = 0

    def run(self) -> Comparison:
        """Compare everything."""
        found, self._sealed = self._found, self.evidence.kept
        last = found.last = max(self._sealed, self.evidence.last_event)
        self.watch.total += last
        for level, number in self.evidence.strangers(last):
            found.found(f"tile {number} of level {level} is of no event")
        growth = Growth(self.sizes, found.roots)
        self._check_above(growth, [])
        parts = (Range(after, min(after + PAGE, last)) for after in range(0, last, PAGE))
        for part in self.looking.each(partial(_compared, self._sealed), parts):
            found.join(part)
            self._check_above(growth, part.hashes)
            self.watch.see(events=len(part.hashes))
        return found

    def _check_above(self, growth: Growth, hashes: list[bytes]) -> None:
        """Have the tree grow, and compare what is above its leaves with what is kept."""
        for tile, content in growth.append(hashes):
            last = (tile.index + 1) * WIDTH ** ((tile.level or 0) + 1)
            if tile.level and last <= self._sealed:
                stored = self.evidence.tile(tile.level, tile.index)
                if stored != (content, root_above(content)):
                    what = "is gone" if stored is None else "does not follow from those below"
                    self._found.found(f"tile {tile.index} of level {tile.level} {what}")


def _compared(sealed: int, reader: Reader, part: Range) -> Comparison:
    """The events of a range beside their leaves, of which so many lie in tiles."""
    found = Comparison()
    evidence = Evidence(reader.database, reader.session)
    leaves = Leaves(evidence.needed_salts)
    events = {event.position: event for event in evidence.stored(part)}
    tiles = evidence.tiles(part)
    for position in range(part.after + 1, part.last + 1):
        number, at = divmod(position - 1, WIDTH)
        if at == 0:
            tile = _checked(found, tiles.get(number), number, sealed)
        event = events.get(position)
        fresh = leaves.of(event) if event else None
        if tile is None:
            found.hashes.append(fresh.hash if fresh else _GONE)
            continue
        own = tile[0][at * SIZE : (at + 1) * SIZE]
        marks = tile[2][at * _MARKS : (at + 1) * _MARKS]
        found.hashes.append(own)
        if fresh is None or fresh.hash != own:
            found.differs(Difference(position, event, marks))
        elif fresh.marks != marks:
            found.found(f"the marks of event {position} in its tile were changed")
    return found


def _checked(found: Comparison, tile: _Tile | None, number: int, sealed: int) -> _Tile | None:
    if tile and (len(tile[0]), len(tile[2])) == (FULL, _MARKS * WIDTH):
        if root_above(tile[0]) != tile[1]:
            found.found(f"the root of tile {number} of level 0 does not follow from it")
        return tile
    if (number + 1) * WIDTH <= sealed or tile:
        what = "is cut or longer than it may be" if tile else "is gone"
        found.found(f"tile {number} of level 0 {what}: its events are compared with none")
    return None
