"""Small files that somebody gives: keys, checkpoints, proofs."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from modlog._domain.values import shown
from modlog._errors import EvidenceError


def content_of(path: str | PathLike[str], most: int) -> bytes:
    """What is in a file, up to a byte more than there may be.

    Raises:
        EvidenceError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise EvidenceError(f"{shown(os.fspath(path))} cannot be read: {why}") from error
