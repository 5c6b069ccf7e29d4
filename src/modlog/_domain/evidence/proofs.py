"""Proofs as files: of an event (C2SP's tlog-proof), and of a log that went on (tlog-witness)."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from attrs import frozen

from modlog._domain.evidence.notes import MAX_BYTES, from_base64
from modlog._domain.evidence.trees import SIZE
from modlog._domain.values import shown
from modlog._errors import EvidenceError

_FIRST: Final = "c2sp.org/tlog-proof@v1"
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,18}")
# A tree of the greatest size has proofs of no more.
MOST_HASHES: Final = 63


@frozen
class InclusionProof:
    """That an entry is in a log.

    Attributes:
        index: of the entry, from 0.
        hashes: from its sibling up.
        note: the checkpoint, signed.
        extra: what else whoever made it gives along; nobody vouches for it.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes | None = None

    @property
    def text(self) -> str:
        """The file."""
        extra = [] if self.extra is None else [f"extra {b64encode(self.extra).decode()}"]
        return _written([_FIRST, *extra, f"index {self.index}"], self.hashes, self.note)


@frozen
class ConsistencyProof:
    """That a log begins with what it was before; also what a witness is asked with.

    Attributes:
        old: how many entries it had.
        hashes: of the proof.
        note: the newer checkpoint, signed.
    """

    old: int
    hashes: tuple[bytes, ...]
    note: str

    @property
    def text(self) -> str:
        """The file."""
        return _written([f"old {self.old}"], self.hashes, self.note)


def _written(lines: list[str], hashes: tuple[bytes, ...], note: str) -> str:
    lines = [*lines, *(b64encode(one).decode() for one in hashes)]
    return "".join(f"{line}\n" for line in lines) + f"\n{note}"


def parsed_proof(content: bytes) -> InclusionProof | ConsistencyProof:
    """A proof, from the bytes of its file.

    Raises:
        EvidenceError: it is none.
    """
    if len(content) > 2 * MAX_BYTES:
        raise EvidenceError(f"a proof has at most {2 * MAX_BYTES:,} bytes, not {len(content):,}")
    try:
        head, empty, note = content.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise EvidenceError("a proof is text in UTF-8, and this is not") from error
    lines = head.split("\n")
    if not empty:
        raise EvidenceError("a proof is lines of hashes, an empty line, and a signed checkpoint")
    if lines[0] != _FIRST:
        old = _number(lines[0], "old")
        return ConsistencyProof(old, _hashes(lines[1:]), note)
    extra = None
    if len(lines) > 1 and lines[1].startswith("extra "):
        extra = from_base64(lines.pop(1).removeprefix("extra "))
    index = _number(lines[1] if len(lines) > 1 else "", "index")
    return InclusionProof(index, _hashes(lines[2:]), note, extra)


def _number(line: str, name: str) -> int:
    word, _, number = line.partition(" ")
    if word != name or not _NUMBER.fullmatch(number):
        raise EvidenceError(
            f"a proof begins with {_FIRST} and an index, or with an old size, not with "
            f"{shown(line[:100])}"
        )
    return int(number)


def _hashes(lines: list[str]) -> tuple[bytes, ...]:
    if len(lines) > MOST_HASHES:
        raise EvidenceError(f"a proof has at most {MOST_HASHES} hashes, this {len(lines)}")
    found = tuple(from_base64(line) for line in lines)
    if any(len(one) != SIZE for one in found):
        raise EvidenceError(f"the hashes of a proof have {SIZE} bytes")
    return found
