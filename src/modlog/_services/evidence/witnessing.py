"""A witness: it remembers how far it saw each log, and cosigns only what goes on from there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from os import PathLike
from pathlib import Path

from attrs import frozen

from modlog._domain.evidence.checkpoints import Checkpoint
from modlog._domain.evidence.notes import MAX_BYTES, VerifierKey, parsed_note
from modlog._domain.evidence.proofs import ConsistencyProof, parsed_proof
from modlog._domain.evidence.trees import EMPTY_ROOT
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import EvidenceError, InvalidInputError
from modlog._services.evidence.files import content_of
from modlog._services.evidence.keys import SigningKey, signing_key, verifier_key
from modlog._services.evidence.proofs import check_growth
from modlog._services.evidence.signed import signed_by
from modlog._services.evidence.verifying import GivenCheckpoint, KeyFile, content_given
from modlog._services.putting import named, put_in_place


@frozen(kw_only=True)
class WitnessOutcome(Jsonable):
    """What a witness has cosigned.

    Attributes:
        origin: which ledger it is of.
        old_size: how many events the checkpoint was of that it saw before; 0 if it saw none.
        size: how many events this one is of.
        note: the checkpoint with the cosignature.
    """

    origin: str
    old_size: int
    size: int
    note: str


def witness(
    proof: GivenCheckpoint,
    key: SigningKey | str | PathLike[str],
    ledger: KeyFile,
    state: str | PathLike[str],
) -> WitnessOutcome:
    """Cosign a ledger's checkpoint, if the log went on from what was cosigned before.

    Run by somebody who does not run the ledger. What was seen of each ledger last is kept in a
    folder, a file for each; it is there before the cosignature is given out.

    Args:
        proof: of `ModLog.prove_consistency`, from the checkpoint that was cosigned last; the
            first time the checkpoint alone will do. A path, or text.
        key: the witness's, made with `SigningKey.generate(name, witness=True)`.
        ledger: the ledger's public key.
        state: the folder. Copies of it are other witnesses: let there be one.

    Raises:
        EvidenceError: no proof, or none from the checkpoint that was seen last; a key or
            checkpoint of another ledger.
        InvalidInputError: the folder cannot be one.
        ProofError: the log shrank or was forked, or a signature is wrong; nothing is cosigned.
        OSError: what was seen cannot be kept.
    """
    own, log = signing_key(key), verifier_key(ledger)
    found = _asked(proof)
    new = signed_by(found.note.encode(), log)
    path = _folder(state) / f"{sha256(new.origin.encode()).hexdigest()}.checkpoint"
    with _alone(path):
        old = _seen(path, log)
        check_growth(found if old.size else ConsistencyProof(0, (), found.note), new, old)
        note = parsed_note(found.note.encode())
        cosigned = note.signed(own.cosign(note.text, int(time.time()))).written()
        with named(str(path)), put_in_place(path, force=True) as part:
            part.write_text(found.note, encoding="utf-8")
    return WitnessOutcome(origin=new.origin, old_size=old.size, size=new.size, note=cosigned)


def _asked(proof: GivenCheckpoint) -> ConsistencyProof:
    name, content = content_given(proof, "a proof", 2 * MAX_BYTES)
    if not content.startswith(b"old "):
        note = parsed_note(content)
        return ConsistencyProof(0, (), note.written())
    found = parsed_proof(content)
    if not isinstance(found, ConsistencyProof):
        raise EvidenceError(f"{name} is no proof that a log went on")
    return found


def _folder(state: object) -> Path:
    if not isinstance(state, str | PathLike) or not os.fspath(state):
        raise InvalidInputError(f"state= is the path of a folder, not {shown(state)}")
    folder = Path(state)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _seen(path: Path, key: VerifierKey) -> Checkpoint:
    """What was cosigned last, or the empty log."""
    if not path.exists():
        return Checkpoint(key.name, 0, EMPTY_ROOT)
    return signed_by(content_of(path, MAX_BYTES), key)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one at a time look at what was seen and put another in its place."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # Windows: let one process be the witness
            pass
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
