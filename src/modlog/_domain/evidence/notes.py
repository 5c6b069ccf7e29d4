"""Signed notes, as C2SP's signed-note has them: text, and who says so.

Which signatures are right is for whoever has the keys; here is only how they are written.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from attrs import frozen

from modlog._domain.values import shown
from modlog._errors import EvidenceError

# Types of signatures.
ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
TYPES: Final = (ED25519, COSIGNATURE)

# What a note may have, in bytes and in signatures: enough for any that somebody signs on purpose.
MAX_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100

_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_LINE: Final = "\u2014 "
# No control characters but the ends of lines.
_CONTROL: Final = re.compile("[\0-\x09\x0b-\x1f]")


@frozen
class Signature:
    """A line below a note.

    Attributes:
        name: of the key.
        key_id: of the key, which with the name tells which one it is.
        content: what the key made of the text.
    """

    name: str
    key_id: bytes
    content: bytes

    @property
    def line(self) -> str:
        """The line, with its end."""
        return f"{_LINE}{self.name} {b64encode(self.key_id + self.content).decode()}\n"


@frozen
class Note:
    """A text with signatures that nobody has checked yet.

    Attributes:
        text: with the end of its last line.
        signatures: in order.
    """

    text: str
    signatures: tuple[Signature, ...]

    def written(self) -> str:
        """The note as it lies in a file."""
        return f"{self.text}\n{''.join(one.line for one in self.signatures)}"

    def signed(self, *more: Signature) -> Note:
        """The same with more signatures."""
        return Note(self.text, (*self.signatures, *more))


@frozen
class VerifierKey:
    """A public key, as it is given to those who check.

    Attributes:
        name: of the key; of a log's it is the origin of its checkpoints.
        kind: 1 for a log's own signatures, 4 for the cosignatures of a witness.
        public: the 32 bytes of an Ed25519 key.
    """

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes by which signatures name it."""
        return key_id_of(self.name, self.kind, self.public)

    @property
    def text(self) -> str:
        """The key in a line, such as example.com/log+530d903a+Aekyye…"""
        public = b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{public}"


def key_id_of(name: str, kind: int, public: bytes) -> bytes:
    """The id of a key."""
    return sha256(f"{name}\n".encode() + bytes([kind]) + public).digest()[:_ID_BYTES]


def checked_key_name(name: object) -> str:
    """The name of a key: not empty, without white space, plus signs and control characters.

    Raises:
        EvidenceError: it is another.
    """
    if not isinstance(name, str) or not name or "+" in name or not _is_clean(name):
        raise EvidenceError(
            "a key is named like an address without https://, such as example.com/ledger, without "
            f"spaces and plus signs, not {shown(name)}"
        )
    return name


def _is_clean(name: str) -> bool:
    return name.isprintable() and not any(sign.isspace() for sign in name)


def parsed_key(text: str) -> VerifierKey:
    """A public key, from its line.

    Raises:
        EvidenceError: it is none, or of a type that this modlog does not know.
    """
    name, _, rest = text.strip("\n").partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        content = from_base64(encoded)
        key = VerifierKey(checked_key_name(name), content[0], content[1:])
    except (EvidenceError, IndexError) as error:
        raise EvidenceError(
            "a verifier key is a line like example.com/ledger+530d903a+Aekyye…, and this is none"
        ) from error
    if key.kind not in TYPES or len(key.public) != _KEY_BYTES:
        raise EvidenceError(
            f"the key {shown(name)} is of type {key.kind}; modlog knows Ed25519 keys of logs (1) "
            "and of witnesses (4)"
        )
    if key.key_id.hex() != key_id:
        raise EvidenceError(f"the key {shown(name)} was changed: its id is not that of its bytes")
    return key


def parsed_note(content: bytes) -> Note:
    """A note, from its bytes.

    Raises:
        EvidenceError: it is no signed note.
    """
    if len(content) > MAX_BYTES:
        raise EvidenceError(f"a signed note has at most {MAX_BYTES:,} bytes, this {len(content):,}")
    try:
        written = content.decode()
    except UnicodeDecodeError as error:
        raise EvidenceError("a signed note is text in UTF-8, and this is not") from error
    text, empty, lines = written.rpartition("\n\n")
    if not empty or not lines.endswith("\n") or _CONTROL.search(written):
        raise EvidenceError("a signed note is text, an empty line, and lines of signatures")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise EvidenceError(f"a signed note has at most {MAX_SIGNATURES} signatures")
    return Note(f"{text}\n", _signatures(signatures))


def _signatures(lines: Sequence[str]) -> tuple[Signature, ...]:
    return tuple(_signature(line) for line in lines)


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_LINE).partition(" ")
    if line.startswith(_LINE):
        content = from_base64(encoded)
        if len(content) > _ID_BYTES:
            key_id, made = content[:_ID_BYTES], content[_ID_BYTES:]
            return Signature(checked_key_name(name), key_id, made)
    raise EvidenceError(f"this is no line of a signature: {shown(line[:200])}")


def from_base64(text: str) -> bytes:
    """Bytes from their one base64 text.

    Raises:
        EvidenceError: it is not base64, or could be written otherwise.
    """
    try:
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceError(f"this is no base64: {shown(text[:200])}") from error
    if b64encode(content).decode() != text:
        raise EvidenceError(f"this is not how base64 writes it: {shown(text[:200])}")
    return content
