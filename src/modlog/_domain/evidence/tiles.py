"""The tree in tiles of 256 hashes, as C2SP's tlog-tiles has them.

A tile of level 0 has leaf hashes, one of a level above has the hashes of 256 full tiles below. Full
tiles never change; what is not full yet, the edge, follows from them and the last leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import Factory, define, frozen

from modlog._domain.evidence.trees import SIZE, complete_root, joined, peaks
from modlog._domain.values import shown
from modlog._errors import EvidenceError

# Levels of the tree in a tile, hashes of a full one, and its bytes.
HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
FULL: Final = WIDTH * SIZE

# What gives the bytes of a tile: by its level and index, as wide as it is by now.
Tiles = Callable[[int, int], bytes]
# What gives the hashes above full tiles: of a level, from an index up to another.
Roots = Callable[[int, int, int], Sequence[bytes]]
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5]\d|6[0-3])/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?"
)


@frozen
class Tile:
    """A tile of the tree, or a bundle of the entries below one of level 0.

    Attributes:
        level: from 0; None for entries.
        index: within the level, from 0.
        width: how many hashes or entries it has, up to 256.
    """

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies, such as tile/0/x001/234."""
        *above, last = _thousands(self.index)
        folders = "".join(f"x{part:03}/" for part in above)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{folders}{last:03}{partial}"


def _thousands(number: int) -> list[int]:
    parts = [number % 1_000]
    while number := number // 1_000:
        parts.insert(0, number % 1_000)
    return parts


def parsed_path(path: str) -> Tile:
    """The tile that lies at a path.

    Raises:
        EvidenceError: no tile lies there.
    """
    found = _PATH.fullmatch(path)
    if found:
        level, folders, width = found.groups()
        index = int(re.sub("[x/]", "", folders))
        tile = Tile(None if level == "entries" else int(level), index, int(width or WIDTH))
        if tile.path == path:
            return tile
    raise EvidenceError(f"{shown(path)} is no path of a tile, such as tile/0/x001/234")


def tiles_of(size: int, old: int = 0) -> Iterator[Tile]:
    """The tiles of a tree, level by level, that one of `old` leaves did not have yet."""
    level = 0
    while size:
        for index in range(old // WIDTH, size // WIDTH):
            yield Tile(level, index)
        if size % WIDTH and size > old:
            yield Tile(level, size // WIDTH, size % WIDTH)
        size, old, level = size // WIDTH, old // WIDTH, level + 1


def bundles_of(size: int, old: int = 0) -> Iterator[Tile]:
    """The bundles of the entries of a tree that one of `old` leaves did not have yet."""
    for tile in tiles_of(size, old):
        if tile.level == 0:
            yield Tile(None, tile.index, tile.width)


def hashes_in(data: bytes) -> list[bytes]:
    """The hashes of a tile.

    Raises:
        EvidenceError: it is no tile.
    """
    if not data or len(data) % SIZE or len(data) > FULL:
        raise EvidenceError(
            f"a tile has up to {WIDTH} hashes of {SIZE} bytes, and this has {len(data)} bytes"
        )
    return [data[at : at + SIZE] for at in range(0, len(data), SIZE)]


def root_above(tile: bytes) -> bytes:
    """The hash above those of a full tile."""
    return complete_root(hashes_in(tile))


def subtree(tiles: Tiles, height: int, index: int) -> bytes:
    """The hash of a complete subtree, from the tile that it, or its leaves, stand in.

    Raises:
        EvidenceError: the tile is not as wide.
    """
    level, above = divmod(height, HEIGHT)
    begin = index << above
    tile, first = divmod(begin, WIDTH)
    found = hashes_in(tiles(level, tile))[first : first + (1 << above)]
    if len(found) != 1 << above:
        raise EvidenceError(f"the tile {Tile(level, tile).path} is not as wide as it should be")
    return complete_root(found)


@define
class Edge:
    """The right edge of a growing tree: what is in no full tile yet, level by level.

    Attributes:
        size: how many leaves the tree has.
        rows: the hashes of the last tile of each level, if it is not full.
    """

    size: int = 0
    rows: list[list[bytes]] = Factory(list)

    @classmethod
    def of(cls, size: int, last_leaves: Sequence[bytes], roots: Roots) -> Edge:
        """The edge of a tree that is there.

        Args:
            size: how many leaves it has.
            last_leaves: the hashes of those after the last full tile.
            roots: gives the hashes above full tiles.
        """
        rows, above, level = [list(last_leaves)], size // WIDTH, 0
        while above:
            first = above - above % WIDTH
            rows.append(list(roots(level, first, above)))
            above, level = above // WIDTH, level + 1
        return cls(size, rows)

    def append(self, leaves: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        """Add the hashes of leaves; gives each tile that is full by that, and its bytes.

        They are added as the tiles are taken.
        """
        self.size += len(leaves)
        yield from self._filled(0, leaves)

    def _filled(self, level: int, hashes: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        if level == len(self.rows):
            self.rows.append([])
        row = [*self.rows[level], *hashes]
        at = self.size // WIDTH ** (level + 1) - len(row) // WIDTH
        above = []
        while len(row) >= WIDTH:
            full, row = row[:WIDTH], row[WIDTH:]
            yield Tile(level, at), b"".join(full)
            above.append(complete_root(full))
            at += 1
        self.rows[level] = row
        if above:
            yield from self._filled(level + 1, above)

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        found: list[bytes] = []
        for row in reversed(self.rows):
            for height, index in peaks(0, len(row)):
                begin = index << height
                found.append(complete_root(row[begin : begin + (1 << height)]))
        return joined(found)

    def tile(self, level: int) -> bytes:
        """The bytes of the last tile of a level, as far as it is filled."""
        return b"".join(self.rows[level])


@define
class Growth:
    """A tree that grows from nothing, and what its root was on the way.

    Attributes:
        sizes: at which its root is wanted, in order.
        roots: those so far, by size.
        edge: of the tree by now.
    """

    sizes: Sequence[int]
    roots: dict[int, bytes] = Factory(dict)
    edge: Edge = Factory(Edge)

    def append(self, leaves: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        """As `Edge.append`; roots are taken as the tiles are."""
        before, end = self.edge.size, self.edge.size + len(leaves)
        done = before
        for stop in (*(size for size in self.sizes if before <= size < end), end):
            yield from self.edge.append(leaves[done - before : stop - before])
            if stop in self.sizes:
                self.roots[stop] = self.edge.root
            done = stop
