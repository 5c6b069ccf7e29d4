"""Keys that sign checkpoints, and what they say about a note."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, Self

from attrs import field, frozen

from modlog._domain.evidence.notes import (
    COSIGNATURE,
    ED25519,
    Note,
    Signature,
    VerifierKey,
    checked_key_name,
    from_base64,
    parsed_key,
)
from modlog._domain.values import shown
from modlog._errors import EvidenceError, InvalidInputError, ProofError
from modlog._services.evidence.files import content_of
from modlog._services.putting import named, put_in_place

_PRIVATE: Final = "PRIVATE+KEY+"
_SEED_BYTES: Final = 32
_TIME_BYTES: Final = 8
# What a key's file has at the most, in bytes.
_MAX_FILE: Final = 10_000


@frozen
class SigningKey:
    """A private key, in the form of Go's `golang.org/x/mod/sumdb/note`.

    Attributes:
        name: of the key; of a ledger's it is the origin of its checkpoints.
        kind: 1 for a ledger's own, 4 for one of a witness.
    """

    name: str
    kind: int
    _seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str, *, witness: bool = False) -> Self:
        """A new key.

        Args:
            name: like an address without https://, such as example.com/ledger.
            witness: whether it is to cosign the checkpoints of others.

        Raises:
            EvidenceError: a name that no key has.
            InvalidInputError: cryptography is not installed.
        """
        ed25519 = _ed25519()
        seed = ed25519.Ed25519PrivateKey.generate().private_bytes_raw()
        return cls(checked_key_name(name), COSIGNATURE if witness else ED25519, seed)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key from its line; what is wrong with it is told without it.

        Raises:
            EvidenceError: it is no private key.
            InvalidInputError: cryptography is not installed.
        """
        _ed25519()
        wrong = EvidenceError(
            "a signing key is the line that modlog key generate writes: PRIVATE+KEY+NAME+…"
        )
        name, _, rest = text.strip().removeprefix(_PRIVATE).partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            content = from_base64(encoded)
            key = cls(checked_key_name(name), content[0], content[1:])
        except (EvidenceError, IndexError):
            raise wrong from None
        is_known = key.kind in (ED25519, COSIGNATURE) and len(content) == 1 + _SEED_BYTES
        if not text.strip().startswith(_PRIVATE) or not is_known:
            raise wrong
        if key.verifier.key_id.hex() != key_id:
            raise EvidenceError(f"the key {shown(name)} was changed: its id is not its own")
        return key

    @property
    def verifier(self) -> VerifierKey:
        """The public key, for whoever checks."""
        return VerifierKey(self.name, self.kind, self._private().public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The private key in a line: keep it where the ledger's administrators cannot read it."""
        encoded = b64encode(bytes([self.kind]) + self._seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    def sign(self, text: str) -> Signature:
        """A ledger's signature below the text of a note.

        Raises:
            EvidenceError: the key is one of a witness.
        """
        if self.kind != ED25519:
            raise EvidenceError(f"the key {shown(self.name)} of a witness signs no checkpoint")
        return self._signature(self._private().sign(text.encode()))

    def cosign(self, text: str, timestamp: int) -> Signature:
        """A witness's signature below the text of a checkpoint.

        Args:
            text: of the checkpoint.
            timestamp: seconds since 1970.

        Raises:
            EvidenceError: the key is none of a witness.
        """
        if self.kind != COSIGNATURE:
            raise EvidenceError(
                f"the key {shown(self.name)} is a ledger's: modlog key generate --for-witness "
                "makes one that cosigns"
            )
        made = self._private().sign(_cosigned(text, timestamp))
        return self._signature(timestamp.to_bytes(_TIME_BYTES) + made)

    def _signature(self, content: bytes) -> Signature:
        return Signature(self.name, self.verifier.key_id, content)

    def _private(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self._seed)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise InvalidInputError(
            "signatures need cryptography, which is not installed: pip install 'modlog[evidence]'"
        ) from error
    return ed25519


def _cosigned(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def is_right(signature: Signature, text: str, key: VerifierKey) -> bool:
    """Whether a signature is what its key makes of a text."""
    from cryptography.exceptions import InvalidSignature

    content, message = signature.content, text.encode()
    if key.kind == COSIGNATURE:
        timestamp = int.from_bytes(content[:_TIME_BYTES])
        content, message = content[_TIME_BYTES:], _cosigned(text, timestamp)
    try:
        _ed25519().Ed25519PublicKey.from_public_bytes(key.public).verify(content, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signers(note: Note, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Those of the keys that have signed a note, each once, in the order of its signatures.

    Signatures of other keys are passed over; one of a known key must be right.

    Raises:
        ProofError: one is not.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, None] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None or key in found:
            continue
        if not is_right(signature, note.text, key):
            raise ProofError(
                f"the signature of {shown(key.name)} is not over this text: one of them was changed"
            )
        found[key] = None
    return tuple(found)


def check_quorum(note: Note, witnesses: Sequence[VerifierKey], quorum: int) -> None:
    """Check that so many of the witnesses have cosigned.

    Raises:
        ProofError: a cosignature is wrong.
        EvidenceError: there are too few.
    """
    found = signers(note, witnesses)
    if len({key.public for key in found}) < quorum:
        names = ", ".join(shown(key.name) for key in found) or "none"
        raise EvidenceError(f"{quorum} witnesses have to cosign it; of those known did: {names}")


def seen_at(note: Note, witnesses: Sequence[VerifierKey]) -> int | None:
    """When the last of the witnesses that cosigned a note says it was seen; none if none did.

    Returns:
        seconds since 1970.

    Raises:
        ProofError: a cosignature is wrong.
    """
    ids = {(key.name, key.key_id) for key in signers(note, witnesses)}
    times = [
        int.from_bytes(one.content[:_TIME_BYTES])
        for one in note.signatures
        if (one.name, one.key_id) in ids
    ]
    return max(times, default=None)


def key_file(path: str | PathLike[str]) -> str:
    """The line in the file of a key.

    Raises:
        EvidenceError: it cannot be read, or is no text of a line.
    """
    content = content_of(path, _MAX_FILE)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _MAX_FILE or "\n" in text:
        raise EvidenceError(f"{shown(os.fspath(path))} is no file of a key: that is one line")
    return text


def write_keys(key: SigningKey, path: str | PathLike[str], *, force: bool = False) -> str:
    """Write a key to a file that its owner alone may read, and the public one beside it.

    Returns:
        the path of the public key: the other's with .pub.

    Raises:
        InvalidInputError: a file is there already, without `force`.
        OSError: they cannot be written.
    """
    private = os.fspath(path)
    public = f"{private}.pub"
    for name in (private, public):
        if Path(name).exists() and not force:
            raise InvalidInputError(
                f"{shown(name)} is there already: name another file, or say force=True to replace "
                "it; what it has signed stays signed by it"
            )
    for name, line, mode in ((private, key.text, 0o600), (public, key.verifier.text, 0o644)):
        with named(name), put_in_place(Path(name), force=force) as part:
            part.touch(mode)
            part.write_text(f"{line}\n")
    return public


def signing_key(key: SigningKey | str | PathLike[str]) -> SigningKey:
    """A signing key, or the one in a file."""
    if isinstance(key, SigningKey):
        return key
    if isinstance(key, str | PathLike):
        return SigningKey.parse(key_file(key))
    raise InvalidInputError(f"key is a SigningKey, or the path of its file, not {shown(key)}")


def verifier_key(key: VerifierKey | str | PathLike[str]) -> VerifierKey:
    """A public key, or the one in a file."""
    if isinstance(key, VerifierKey):
        return key
    if isinstance(key, str | PathLike):
        return parsed_key(key_file(key))
    raise InvalidInputError(f"key is a VerifierKey, or the path of its file, not {shown(key)}")
