"""Checkpoints that somebody vouches for."""

from __future__ import annotations

from collections.abc import Sequence

from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.notes import Note, VerifierKey, parsed_note
from modlog._domain.values import shown
from modlog._errors import EvidenceError
from modlog._services.evidence.keys import check_quorum, signers


def signed_by(
    content: bytes, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Checkpoint:
    """The checkpoint in a note, which a ledger's key has signed.

    Args:
        content: of the note.
        key: the ledger's.
        witnesses: who may cosign.
        quorum: how many of them must.

    Raises:
        EvidenceError: it is no checkpoint, of another ledger, not signed by this key, or
            cosigned by too few.
        ProofError: a signature is wrong.
    """
    note = parsed_note(content)
    return checked(note, parsed_checkpoint(note.text), key, witnesses, quorum)


def checked(
    note: Note,
    checkpoint: Checkpoint,
    key: VerifierKey,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
) -> Checkpoint:
    """The checkpoint, if those who should have signed its note did; see `signed_by`."""
    if checkpoint.origin != key.name:
        raise EvidenceError(
            f"the checkpoint is of {shown(checkpoint.origin)}, and the key of {shown(key.name)}"
        )
    if not signers(note, [key]):
        raise EvidenceError(
            f"the checkpoint is not signed by the key that was given, {shown(key.text)}"
        )
    check_quorum(note, witnesses, quorum)
    return checkpoint
