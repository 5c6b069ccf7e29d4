"""The tree over a ledger's events, from its stored tiles and the events that are in none yet."""

from __future__ import annotations

from attrs import frozen

from modlog._domain.evidence.tiles import WIDTH, Edge, subtree
from modlog._domain.evidence.trees import consistency_proof, inclusion_proof, root_of
from modlog._errors import ProofError
from modlog._storage.archives import Range
from modlog._storage.evidence import Evidence, Leaf, Leaves, Stored


@frozen
class Tree:
    """The tree of so many leaves as the edge has.

    Attributes:
        evidence: where its full tiles are kept.
        edge: what is in none.
    """

    evidence: Evidence
    edge: Edge

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, as many as it has.

        Raises:
            ProofError: it is not there.
        """
        if number == self.edge.size // WIDTH ** (level + 1):
            return self.edge.tile(level)
        found = self.evidence.tile(level, number)
        if found is None:
            raise ProofError(
                f"tile {number} of level {level} is gone from the ledger: modlog verify tells more"
            )
        return found[0]

    def root(self, size: int) -> bytes:
        """The root that it had when it had so many leaves."""
        return root_of(size, self._subtree)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """What proves that a leaf is among so many."""
        return inclusion_proof(index, size, self._subtree)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """What proves that so many leaves begin with those before them."""
        return consistency_proof(old, new, self._subtree)

    def _subtree(self, height: int, index: int) -> bytes:
        return subtree(self.tile, height, index)


def leaves_in(evidence: Evidence, part: Range) -> list[tuple[Stored, Leaf]]:
    """The events of a range and their leaves.

    Raises:
        EvidenceError: the ledger was never sealed.
        ProofError: not all of the events are there.
    """
    leaves = Leaves(evidence.needed_salts)
    found = [(event, leaves.of(event)) for event in evidence.stored(part)]
    if len(found) != part.last - part.after or not all(event.act for event, _ in found):
        raise ProofError(
            f"of the events {part.after + 1} to {part.last} some are gone: modlog verify names them"
        )
    return found


def tree_of(evidence: Evidence, size: int) -> Tree:
    """The tree over the first events, of which all full tiles are kept.

    Raises:
        ProofError: tiles or events of it are gone.
    """
    full = size - size % WIDTH
    rest = leaves_in(evidence, Range(full, size)) if size > full else []
    return Tree(evidence, Edge.of(size, [one.hash for _, one in rest], evidence.roots))
