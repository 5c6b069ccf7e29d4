"""Checking proofs without the ledger: from files and public keys alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from modlog._domain.evidence.checkpoints import Checkpoint
from modlog._domain.evidence.notes import MAX_BYTES, VerifierKey
from modlog._domain.evidence.proofs import ConsistencyProof, InclusionProof, parsed_proof
from modlog._domain.evidence.trees import check_consistency, check_inclusion, leaf_hash
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import from_micros
from modlog._errors import EvidenceError, ProofError
from modlog._services.evidence.receipts import opened
from modlog._services.evidence.verifying import (
    GivenCheckpoint,
    KeyFile,
    content_given,
    needed_keys,
    trusted,
)


@frozen(kw_only=True)
class ProvenEvent(Jsonable):
    """What a proof proves of an event; a part that was kept back is None.

    Attributes:
        origin: which ledger it is of.
        size: how many events the checkpoint is of.
        position: of the event.
        version: in its stream.
        type: what happened.
        recorded_at: when it was recorded.
        occurred_at: when it happened.
        stream: of what: the kind, such as account, and the id.
        act: who, why, by which rule: the columns of its act.
        data: its own fields, those that are about a person included; {} if it has none.
        withheld: the parts that the proof does not show.
        seen_at: when a witness saw the checkpoint, if one did.
    """

    origin: str
    size: int
    position: int
    version: int
    type: str
    recorded_at: datetime
    occurred_at: datetime
    stream: tuple[str, str] | None
    act: Mapping[str, Any] | None
    data: Mapping[str, Any]
    withheld: tuple[str, ...]
    seen_at: datetime | None


@frozen(kw_only=True)
class ProvenGrowth(Jsonable):
    """What a proof proves of a log: that it begins with what it was.

    Attributes:
        origin: which ledger it is of.
        old_size: how many events it had.
        size: how many events the newer checkpoint is of.
        seen_at: when a witness saw that, if one did.
    """

    origin: str
    old_size: int
    size: int
    seen_at: datetime | None


def verify_proof(
    proof: GivenCheckpoint,
    key: KeyFile,
    *,
    checkpoint: GivenCheckpoint | None = None,
    witnesses: Sequence[KeyFile] | KeyFile = (),
    quorum: int | None = None,
) -> ProvenEvent | ProvenGrowth:
    """Check a proof that a ledger gave out, without the ledger.

    Args:
        proof: the path of its file, or its text; of `ModLog.prove` or `prove_consistency`.
        key: the ledger's public key, or the path of its file.
        checkpoint: for the proof that a log went on: the older checkpoint, signed.
        witnesses: public keys of witnesses that must have cosigned the checkpoint in it.
        quorum: how many of them; all, if left out.

    Raises:
        EvidenceError: it could not be checked: no proof, key or checkpoint, or one of another
            ledger, not signed by this key, or cosigned by too few.
        ProofError: it is wrong.
    """
    name, content = content_given(proof, "a proof", 2 * MAX_BYTES)
    own, others, needed = needed_keys(key, witnesses, quorum)
    try:
        found = parsed_proof(content)
        signed = trusted("its checkpoint", found.note.encode(), own, others, needed)
        seen_at = None if signed.seen_at is None else from_micros(signed.seen_at * 1_000_000)
        if isinstance(found, ConsistencyProof):
            return _growth(found, signed.checkpoint, _older(checkpoint, own), seen_at)
        return _event(found, signed.checkpoint, seen_at)
    except (EvidenceError, ProofError) as error:
        raise type(error)(f"{name}: {error}") from error


def _older(checkpoint: GivenCheckpoint | None, key: VerifierKey) -> Checkpoint:
    if checkpoint is None:
        raise EvidenceError(
            "it proves that a log went on from an older checkpoint: give that, checkpoint=, too"
        )
    name, content = content_given(checkpoint, "a checkpoint", MAX_BYTES)
    return trusted(name, content, key, (), 0).checkpoint


def _growth(
    proof: ConsistencyProof, new: Checkpoint, old: Checkpoint, seen_at: datetime | None
) -> ProvenGrowth:
    check_growth(proof, new, old)
    return ProvenGrowth(origin=new.origin, old_size=old.size, size=new.size, seen_at=seen_at)


def check_growth(proof: ConsistencyProof, new: Checkpoint, old: Checkpoint) -> None:
    """Check that a log went on from a checkpoint.

    Raises:
        EvidenceError: the proof begins at another one.
        ProofError: it shrank, was forked, or this does not prove it.
    """
    if old.size > new.size:
        raise ProofError(f"the log shrank from {old.size:,} events to {new.size:,}")
    if old.size == new.size:
        if old.root != new.root:
            raise ProofError(
                f"two checkpoints of {new.size:,} events have different roots: the log was forked"
            )
        return
    if proof.old != old.size:
        raise EvidenceError(
            f"the proof begins at {proof.old:,} events, and the older checkpoint is of {old.size:,}"
        )
    check_consistency(old.size, new.size, old.root, new.root, proof.hashes)


def _event(proof: InclusionProof, signed: Checkpoint, seen_at: datetime | None) -> ProvenEvent:
    entry, found = opened(proof.extra)
    leaf, parts = found.leaf, found.parts
    check_inclusion(proof.index, signed.size, leaf_hash(entry), signed.root, proof.hashes)
    if leaf["position"] != proof.index + 1:
        raise ProofError("the leaf says that it stands at another position than it does")
    kind, _, id_ = parts.get("stream", b"").decode(errors="replace").partition("\0")
    data = {**_fields(parts.get("data")), **_fields(parts.get("personal"))}
    return ProvenEvent(
        origin=signed.origin,
        size=signed.size,
        position=leaf["position"],
        version=leaf["version"],
        type=leaf["type"],
        recorded_at=from_micros(leaf["recorded_at"]),
        occurred_at=from_micros(leaf["occurred_at"]),
        stream=(kind, id_) if "stream" in parts else None,
        act=_fields(parts["act"]) if "act" in parts else None,
        data=data,
        withheld=tuple(
            name for name in ("stream", "act", "data", "personal") if name in leaf.keys() - parts
        ),
        seen_at=seen_at,
    )


def _fields(content: bytes | None) -> dict[str, Any]:
    """The fields in a stored part; the bytes of other programs as they are."""
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"": content.decode(errors="backslashreplace")}
