"""Proofs that the ledger gives out: of an event, and that the log went on from a checkpoint."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.notes import parsed_note
from modlog._domain.evidence.proofs import ConsistencyProof, InclusionProof
from modlog._domain.evidence.trees import check_inclusion, leaf_hash
from modlog._domain.jsonable import Jsonable
from modlog._errors import EvidenceError, ProofError
from modlog._services.evidence.receipts import sealed_extra
from modlog._services.evidence.tree import Tree, leaves_in, tree_of
from modlog._storage.archives import Range
from modlog._storage.evidence import Evidence
from modlog._storage.reading import Reader


@frozen(kw_only=True)
class ProofOutcome(Jsonable):
    """A proof, to be kept in a file.

    Attributes:
        origin: of the checkpoint: which ledger it is of.
        size: how many events the checkpoint is of.
        position: of the event that is proven; none if it is proven that the log went on.
        text: the file.
    """

    origin: str
    size: int
    position: int | None
    text: str


def prove_event(
    reader: Reader, position: int, withhold: Collection[str], note: str | None
) -> ProofOutcome:
    """See `ModLog.prove`."""
    evidence = Evidence(reader.database, reader.session)
    checkpoint, note, tree = _signed(evidence, note)
    if not 0 < position <= checkpoint.size:
        raise EvidenceError(
            f"the checkpoint is of the events 1 to {checkpoint.size:,}: there is none of position "
            f"{position:,} in it; modlog seal makes one of all that is recorded"
        )
    ((event, leaf),) = leaves_in(evidence, Range(position - 1, position))
    hashes = tree.inclusion(position - 1, checkpoint.size)
    try:
        check_inclusion(
            position - 1, checkpoint.size, leaf_hash(leaf.entry), checkpoint.root, hashes
        )
    except ProofError as error:
        raise ProofError(
            f"the event at position {position:,} is not what was sealed: modlog verify tells more"
        ) from error
    extra = sealed_extra(event, leaf.entry, evidence.needed_salts, withhold)
    proof = InclusionProof(position - 1, tuple(hashes), note, extra)
    return ProofOutcome(
        origin=checkpoint.origin, size=checkpoint.size, position=position, text=proof.text
    )


def prove_consistency(reader: Reader, old: Checkpoint, note: str | None) -> ProofOutcome:
    """See `ModLog.prove_consistency`."""
    evidence = Evidence(reader.database, reader.session)
    checkpoint, note, tree = _signed(evidence, note)
    if old.origin != checkpoint.origin:
        raise EvidenceError(f"that is a checkpoint of {old.origin}, not of {checkpoint.origin}")
    if old.size > checkpoint.size:
        raise ProofError(
            f"that checkpoint is of {old.size:,} events, and the newest here of "
            f"{checkpoint.size:,}: the end was cut off, or this is an older copy"
        )
    if tree.root(old.size) != old.root:
        raise ProofError(
            f"the log does not begin with the {old.size:,} events of that checkpoint: modlog "
            "verify --checkpoint tells more"
        )
    hashes = tree.consistency(old.size, checkpoint.size)
    proof = ConsistencyProof(old.size, tuple(hashes), note)
    return ProofOutcome(
        origin=checkpoint.origin, size=checkpoint.size, position=None, text=proof.text
    )


def _signed(evidence: Evidence, note: str | None) -> tuple[Checkpoint, str, Tree]:
    """A checkpoint, its note, and the tree that leads to it."""
    if note is None:
        last = evidence.last_checkpoint
        if last is None:
            raise EvidenceError("this ledger has no seal yet: modlog seal --key FILE makes one")
        note = last[1]
    checkpoint = parsed_checkpoint(parsed_note(note.encode()).text)
    if checkpoint.size > evidence.last_event:
        raise ProofError(
            f"the checkpoint is of {checkpoint.size:,} events, and there are "
            f"{evidence.last_event:,}: the end was cut off, or this is an older copy"
        )
    tree = tree_of(evidence, checkpoint.size)
    if tree.root(checkpoint.size) != checkpoint.root:
        raise ProofError(
            f"the {checkpoint.size:,} events of the checkpoint are not those that are here: "
            "modlog verify tells more"
        )
    return checkpoint, note, tree
