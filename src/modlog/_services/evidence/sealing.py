"""Sealing: the tree over the log is brought up to its head, and its root signed.

It stands outside of the append path: events are read as anybody reads them, and what is made of
them is written in short transactions of its own.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from attrs import define, frozen

from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.leaves import SALT
from modlog._domain.evidence.notes import Note, parsed_note
from modlog._domain.evidence.tiles import WIDTH, Edge, Tile
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import ConcurrencyError, EvidenceError, ProofError
from modlog._services.evidence.keys import SigningKey
from modlog._services.evidence.outside import Outside
from modlog._services.evidence.signed import signed_by
from modlog._services.evidence.tree import Tree, leaves_in, tree_of
from modlog._storage.archives import Range
from modlog._storage.evidence import PAGE, Evidence
from modlog._storage.reading import Reader
from modlog._storage.store import Store

Filled = list[tuple[Tile, bytes, bytes | None]]


@frozen(kw_only=True)
class SealProgress(Jsonable):
    """How far a seal is.

    Attributes:
        done: events that are in the tree.
        total: events that there are.
    """

    done: int
    total: int


@frozen(kw_only=True)
class SealOutcome(Jsonable):
    """What a seal came to.

    Attributes:
        origin: which ledger the checkpoint is of: the name of its key.
        size: how many events it is of: the position of the last.
        root: of the tree over them, in base64 as the checkpoint has it.
        sealed: how many of them were in no checkpoint before.
        note: the checkpoint, signed: what is kept outside of the database.
    """

    origin: str
    size: int
    root: str
    sealed: int
    note: str


@define
class Sealing:
    """One call of `ModLog.seal`."""

    store: Store
    key: SigningKey
    outside: Outside
    progress: Callable[[SealProgress], object] | None
    _edge: Edge | None = None

    def run(self) -> SealOutcome:
        """Seal what there is."""
        self._begin()
        for total in self._missing():
            done = self._extend()
            if self.progress:
                self.progress(SealProgress(done=min(done, total), total=total))
        outcome = self._sign()
        if not self._is_further(outcome.size):
            self.outside.put(outcome.note.encode(), outcome.size)
        return outcome

    def _is_further(self, size: int) -> bool:
        """Whether another sealer has brought a longer checkpoint outside meanwhile."""
        content = self.outside.last()
        return content is not None and signed_by(content, self.key.verifier).size > size

    def _begin(self) -> None:
        """Give the ledger its secret, if it has none."""
        with self.store.reading() as reader:
            if self._evidence(reader).salts:
                return
        with self.store.database.reading() as session, self.store.database.beginning(session):
            self.store.database.alone(session, "seals")
            evidence = Evidence(self.store.database, session)
            if evidence.salts is None:
                evidence.keep_secret(secrets.token_bytes(SALT))

    def _missing(self) -> Iterator[int]:
        """The head, as long as there are events for full tiles that are not there."""
        while True:
            with self.store.snapshot() as reader:
                evidence = self._evidence(reader)
                head = evidence.last_event
                if head - evidence.sealed < WIDTH:
                    return
            yield head

    def _extend(self) -> int:
        """Add the next full tiles; how many leaves they have by then."""
        with self.store.snapshot() as reader:
            evidence = self._evidence(reader)
            sealed = evidence.sealed
            head = evidence.last_event
            part = Range(sealed, min(sealed + PAGE, head - head % WIDTH))
            edge = self._edge
            if edge is None or edge.size != sealed:
                edge = tree_of(evidence, sealed).edge
            tiles = _filled(edge, evidence, part)
            self._edge = edge
        self._keep(tiles, sealed)
        return part.last

    def _keep(self, tiles: Filled, sealed: int) -> None:
        database = self.store.database
        with database.reading() as session, database.beginning(session):
            database.alone(session, "seals")
            evidence = Evidence(database, session)
            # Another sealer may have been here meanwhile: its tiles are the same.
            if evidence.sealed == sealed:
                evidence.keep_tiles(tiles)

    def _sign(self) -> SealOutcome:
        """The checkpoint of all that there is, kept; the one before if nothing was added."""
        with self.store.snapshot() as reader:
            evidence = self._evidence(reader)
            sealed = evidence.sealed
            head = min(evidence.last_event, sealed + WIDTH - 1)
            if head < sealed:
                raise ProofError(
                    f"{sealed:,} events were sealed, and there are {head:,}: the end was cut off, "
                    "or this is an older copy; nothing was signed"
                )
            tree = tree_of(evidence, head)
            last = evidence.last_checkpoint
            before = self._checked(last, tree) if last else None
            self._check_outside(tree)
        if last and before and before.size == head:
            return _outcome(before, last[1], 0)
        made = Checkpoint(self.key.name, head, tree.root(head))
        note = Note(made.text, (self.key.sign(made.text),)).written()
        return _outcome(made, self._kept(head, note), head - (before.size if before else 0))

    def _kept(self, size: int, note: str) -> str:
        database = self.store.database
        with database.reading() as session, database.beginning(session):
            database.alone(session, "seals")
            evidence = Evidence(database, session)
            last = evidence.last_checkpoint
            if last and last[0] > size:
                raise ConcurrencyError(
                    f"another sealer has signed {last[0]:,} events meanwhile: let one seal a ledger"
                )
            if last and last[0] == size:
                return last[1]
            evidence.keep_checkpoint(size, note)
            return note

    def _checked(self, last: tuple[int, str], tree: Tree) -> Checkpoint:
        """The last checkpoint, which the log must go on from."""
        before = parsed_checkpoint(parsed_note(last[1].encode()).text)
        if before.origin != self.key.name:
            raise EvidenceError(
                f"the checkpoints of this ledger are of the origin {shown(before.origin)}, and the "
                f"key is named {shown(self.key.name)}: give the key of this ledger, or a new one "
                "of the same name"
            )
        self._check_goes_on(before, tree, "its last checkpoint")
        return before

    def _check_outside(self, tree: Tree) -> None:
        content = self.outside.last()
        if content is not None:
            checkpoint = signed_by(content, self.key.verifier)
            self._check_goes_on(checkpoint, tree, f"the checkpoint at {self.outside}")

    def _check_goes_on(self, before: Checkpoint, tree: Tree, what: str) -> None:
        """That the log begins as it was when it was signed."""
        size = tree.edge.size
        if before.size > size:
            raise ProofError(
                f"{what} is of {before.size:,} events, and there are {size:,}: the end was cut "
                "off, or this is an older copy; nothing was signed"
            )
        if tree.root(before.size) != before.root:
            raise ProofError(
                f"the log does not begin with the {before.size:,} events of {what}: they were "
                "changed since, and modlog verify tells which; nothing was signed"
            )

    def _evidence(self, reader: Reader) -> Evidence:
        return Evidence(reader.database, reader.session)


def after_commits(store: Store, key: SigningKey, outside: Outside) -> Callable[[], object]:
    """What seals after each transaction, for one thread at a time."""
    lock = threading.Lock()

    def seal() -> None:
        with lock, suppress(ConcurrencyError):  # another process has sealed more, this included
            Sealing(store, key, outside, None).run()

    return seal


def _filled(edge: Edge, evidence: Evidence, part: Range) -> Filled:
    """The tiles that the events of a range fill."""
    leaves = [one for _, one in leaves_in(evidence, part)]
    filled: Filled = []
    for tile, hashes in edge.append([one.hash for one in leaves]):
        marks = None
        if tile.level == 0:
            first = tile.index * WIDTH - part.after
            marks = b"".join(one.marks for one in leaves[first : first + WIDTH])
        filled.append((tile, hashes, marks))
    return filled


def _outcome(checkpoint: Checkpoint, note: str, sealed: int) -> SealOutcome:
    return SealOutcome(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.text.splitlines()[2],
        sealed=sealed,
        note=note,
    )
