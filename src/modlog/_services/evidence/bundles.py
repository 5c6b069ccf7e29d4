"""A sealed log as a folder that others verify with their own programs (C2SP's tlog-tiles)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.notes import MAX_BYTES, VerifierKey, parsed_note
from modlog._domain.evidence.tiles import WIDTH, Growth, Tile, bundles_of, tiles_of
from modlog._domain.evidence.trees import leaf_hash
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import checked_callable, shown
from modlog._errors import EvidenceError, InvalidInputError, ProofError
from modlog._services.evidence.files import content_of
from modlog._services.evidence.outside import EARLIER, NEWEST
from modlog._services.evidence.tree import Tree, leaves_in, tree_of
from modlog._services.evidence.verifying import KeyFile, needed_keys, trusted
from modlog._services.putting import named, put_in_place
from modlog._storage.archives import Range
from modlog._storage.evidence import PAGE, Evidence
from modlog._storage.reading import Reader

KEYS: Final = "keys"
# Of an entry there are two bytes before it that say how long it is.
_LENGTH: Final = 2
_LONGEST: Final = 2**16 - 1
# The greatest bundle and tile.
_MOST: Final = WIDTH * (_LENGTH + _LONGEST)


@frozen(kw_only=True)
class BundleProgress(Jsonable):
    """How far a bundle is.

    Attributes:
        done: events whose leaves are through.
        total: events that there are.
    """

    done: int
    total: int


@frozen(kw_only=True)
class BundleOutcome(Jsonable):
    """What a bundle has.

    Attributes:
        origin: which ledger it is of.
        size: how many events it has.
        added: how many of them were not there before.
        checkpoints: how many earlier ones lie beside the newest.
    """

    origin: str
    size: int
    added: int
    checkpoints: int


def folder_of(path: object) -> Path:
    """The folder of a bundle.

    Raises:
        InvalidInputError: no path is given.
    """
    if not isinstance(path, str | PathLike) or not os.fspath(path):
        raise InvalidInputError(f"a bundle is the path of a folder, not {shown(path)}")
    return Path(path)


@define
class Bundling:
    """The writing of a bundle.

    Attributes:
        folder: where to.
        keys: public keys that go along.
        progress: is told how far it is.
    """

    folder: Path
    keys: Sequence[VerifierKey] = ()
    progress: Callable[[BundleProgress], object] | None = None

    def write(self, reader: Reader) -> BundleOutcome:
        """Write what is sealed, or what of it is not there yet; the newest checkpoint last."""
        evidence = Evidence(reader.database, reader.session)
        last = evidence.last_checkpoint
        if last is None:
            raise EvidenceError("this ledger has no seal yet: modlog seal --key FILE makes one")
        checkpoint = parsed_checkpoint(parsed_note(last[1].encode()).text)
        tree = tree_of(evidence, checkpoint.size)
        if tree.root(checkpoint.size) != checkpoint.root:
            raise ProofError("the log is not what was sealed: modlog verify tells more")
        old = self._there(checkpoint, tree)
        for tile in tiles_of(checkpoint.size, old):
            self._put(tile.path, tree.tile(tile.level or 0, tile.index))
        self._write_entries(evidence, checkpoint.size, old)
        earlier = self._write_earlier(evidence, checkpoint.size)
        if self.keys:
            self._put(KEYS, "".join(f"{key.text}\n" for key in self.keys).encode())
        newest = self.folder / NEWEST
        with named(str(newest)), put_in_place(newest, force=True) as part:
            part.write_text(last[1], encoding="utf-8")
        return BundleOutcome(
            origin=checkpoint.origin,
            size=checkpoint.size,
            added=checkpoint.size - old,
            checkpoints=earlier,
        )

    def _there(self, checkpoint: Checkpoint, tree: Tree) -> int:
        """How many events the folder has, if it is a bundle of this ledger."""
        self.folder.mkdir(parents=True, exist_ok=True)
        newest = self.folder / NEWEST
        if not newest.exists():
            if any(self.folder.iterdir()) and not (self.folder / "tile").is_dir():
                raise InvalidInputError(
                    f"{shown(os.fspath(self.folder))} has other files in it: name another folder"
                )
            return 0
        there = parsed_checkpoint(parsed_note(content_of(newest, MAX_BYTES)).text)
        is_same = there.origin == checkpoint.origin and there.size <= checkpoint.size
        if not is_same or tree.root(there.size) != there.root:
            raise ProofError(
                f"the bundle at {shown(os.fspath(self.folder))} is of another log, or of one that "
                "went another way; nothing was written"
            )
        return there.size

    def _write_entries(self, evidence: Evidence, size: int, old: int) -> None:
        begin = old - old % WIDTH
        for after in range(begin, size, PAGE):
            part = Range(after, min(after + PAGE, size))
            entries = [leaf.entry for _, leaf in leaves_in(evidence, part)]
            for tile in bundles_of(part.last, part.after):
                first = tile.index * WIDTH - after
                some = entries[first : first + tile.width]
                self._put(tile.path, b"".join(map(_with_length, some)))
            if self.progress:
                self.progress(BundleProgress(done=part.last, total=size))

    def _write_earlier(self, evidence: Evidence, size: int) -> int:
        number = 0
        for each, note in evidence.checkpoints():
            if each < size:
                self._put(f"{EARLIER}/{each}", note.encode())
                number += 1
        return number

    def _put(self, path: str, content: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _with_length(entry: bytes) -> bytes:
    if len(entry) > _LONGEST:
        raise EvidenceError(f"an entry of a bundle has at most {_LONGEST:,} bytes")
    return len(entry).to_bytes(_LENGTH) + entry


# Checking


@frozen
class _Bundle:
    """A folder that is to be checked.

    Attributes:
        folder: where it lies.
        name: as it was given.
    """

    folder: Path
    name: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "name", shown(os.fspath(self.folder)))

    def content(self, path: str) -> bytes:
        """What is in a file of it."""
        return content_of(self.folder / path, _MOST)

    def earlier(self) -> Iterator[tuple[str, bytes]]:
        """The earlier checkpoints, and their names."""
        folder = self.folder / EARLIER
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                yield f"{EARLIER}/{path.name}", content_of(path, MAX_BYTES)

    def entries(self, tile: Tile) -> list[bytes]:
        """The entries of one of its files.

        Raises:
            ProofError: it has more or fewer than it should, or is cut.
        """
        content, found, at = self.content(tile.path), [], 0
        while at < len(content):
            length = int.from_bytes(content[at : at + _LENGTH])
            entry = content[at + _LENGTH : at + _LENGTH + length]
            if len(entry) != length or at + _LENGTH > len(content):
                raise ProofError(f"{self.name}: {tile.path} is cut")
            found.append(entry)
            at += _LENGTH + length
        if len(found) != tile.width:
            raise ProofError(
                f"{self.name}: {tile.path} has {len(found)} entries, and should have {tile.width}"
            )
        return found


def verify_bundle(
    folder: str | PathLike[str],
    key: KeyFile,
    *,
    witnesses: Sequence[KeyFile] | KeyFile = (),
    quorum: int | None = None,
    progress: Callable[[BundleProgress], object] | None = None,
) -> BundleOutcome:
    """Check a bundle without the ledger: every entry, every tile and every checkpoint in it.

    Args:
        folder: where it lies.
        key: the ledger's public key, or the path of its file; not one from the bundle.
        witnesses: public keys of witnesses that must have cosigned the newest checkpoint.
        quorum: how many of them; all, if left out.
        progress: is called now and then with a `BundleProgress`.

    Raises:
        EvidenceError: it could not be checked: a file is missing, or is no key or checkpoint.
        ProofError: it is wrong: a file was changed, or checkpoints contradict each other.
    """
    checked_callable(progress, "progress")
    bundle = _Bundle(folder_of(folder))
    own, others, needed = needed_keys(key, witnesses, quorum)
    signed = trusted(bundle.name, bundle.content(NEWEST), own, others, needed).checkpoint
    earlier = {
        name: trusted(f"{bundle.name}: {name}", content, own, (), 0).checkpoint
        for name, content in bundle.earlier()
    }
    growth = Growth(sorted({signed.size, *(one.size for one in earlier.values())}))
    _grow(bundle, growth, signed.size, progress)
    for name, one in {NEWEST: signed, **earlier}.items():
        if growth.roots.get(one.size) != one.root:
            raise ProofError(
                f"{bundle.name}: the entries do not lead to the root in {name}, which is of "
                f"{one.size:,} events of {signed.size:,}"
            )
    return BundleOutcome(origin=signed.origin, size=signed.size, added=0, checkpoints=len(earlier))


def _grow(
    bundle: _Bundle,
    growth: Growth,
    size: int,
    progress: Callable[[BundleProgress], object] | None,
) -> None:
    """Have the tree grow from the entries, and compare each tile with its file."""
    _check_tiles(bundle, growth.append([]))
    for tile in bundles_of(size):
        hashes = [leaf_hash(entry) for entry in bundle.entries(tile)]
        _check_tiles(bundle, growth.append(hashes))
        if progress and (tile.index % 100 == 0 or growth.edge.size == size):
            progress(BundleProgress(done=growth.edge.size, total=size))
    last: Mapping[int, Tile] = {
        tile.level: tile for tile in tiles_of(size) if tile.level is not None and tile.width < WIDTH
    }
    _check_tiles(bundle, ((tile, growth.edge.tile(level)) for level, tile in last.items()))


def _check_tiles(bundle: _Bundle, tiles: Iterator[tuple[Tile, bytes]]) -> None:
    for tile, content in tiles:
        if bundle.content(tile.path) != content:
            raise ProofError(f"{bundle.name}: {tile.path} does not follow from the entries")
