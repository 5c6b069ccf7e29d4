"""Checkpoints, as C2SP's tlog-checkpoint has them: how long a log is, and the root of its tree."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from attrs import frozen

from modlog._domain.evidence.notes import from_base64
from modlog._domain.evidence.trees import EMPTY_ROOT, SIZE
from modlog._domain.values import shown
from modlog._errors import EvidenceError

_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")
# Lines of a checkpoint that modlog writes; others may add to it.
_LINES: Final = 3


@frozen
class Checkpoint:
    """What is signed.

    Attributes:
        origin: which log it is of, such as example.com/ledger.
        size: how many leaves its tree has: the position of the last event in it.
        root: the 32 bytes of its tree's root.
        more: lines that others have added.
    """

    origin: str
    size: int
    root: bytes
    more: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of its note."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.more)
        return "".join(f"{line}\n" for line in lines)


def parsed_checkpoint(text: str) -> Checkpoint:
    """A checkpoint, from the text of its note.

    Raises:
        EvidenceError: it is none.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < _LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise EvidenceError(
            "a checkpoint is the lines of an origin, a size and a root in base64, not "
            f"{shown(text[:200])}"
        )
    origin, size, root, *more = lines
    found = Checkpoint(origin, int(size), from_base64(root), tuple(more))
    if len(found.root) != SIZE:
        raise EvidenceError(f"the root of a checkpoint has {SIZE} bytes, this {len(found.root)}")
    if not found.size and found.root != EMPTY_ROOT:
        raise EvidenceError("an empty log has one root, and this checkpoint another")
    return found
