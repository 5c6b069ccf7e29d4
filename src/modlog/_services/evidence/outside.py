"""Where a checkpoint is kept outside of the database: a file, a folder, or whatever a call does."""

from __future__ import annotations

import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from modlog._domain.evidence.notes import MAX_BYTES
from modlog._domain.values import shown
from modlog._errors import InvalidInputError
from modlog._services.evidence.files import content_of
from modlog._services.putting import named, put_in_place

Target = str | PathLike[str] | Callable[[str], object]
# The names in a folder, as C2SP's tlog-tiles has the first.
NEWEST: Final = "checkpoint"
EARLIER: Final = "checkpoints"


@frozen
class Outside:
    """A place for checkpoints.

    Attributes:
        path: of a file or a folder, if it is one.
        call: is given each note, if there is one.
    """

    path: Path | None = None
    call: Callable[[str], object] | None = None
    is_folder: bool = False

    def __str__(self) -> str:
        return shown(str(self.path))

    def last(self) -> bytes | None:
        """The note that lies there.

        Raises:
            EvidenceError: it cannot be read.
        """
        if self.path is None or not self._newest.exists():
            return None
        return content_of(self._newest, MAX_BYTES)

    def put(self, note: bytes, size: int) -> None:
        """Keep a note; in a folder beside those before it.

        Raises:
            OSError: it cannot be written.
        """
        if self.call:
            self.call(note.decode())
        if self.path is None:
            return
        if self.is_folder:
            earlier = self.path / EARLIER
            earlier.mkdir(parents=True, exist_ok=True)
            _write(earlier / str(size), note)
        _write(self._newest, note)

    @property
    def _newest(self) -> Path:
        assert self.path is not None
        return self.path / NEWEST if self.is_folder else self.path


def _write(path: Path, note: bytes) -> None:
    with named(os.fspath(path)), put_in_place(path, force=True) as part:
        part.write_bytes(note)


def outside(target: object) -> Outside:
    """The place that a path, a file:// URL or a callable names; None for none.

    Raises:
        InvalidInputError: it is nothing of that.
    """
    if target is None:
        return Outside()
    if callable(target):
        return Outside(call=target)
    text = os.fspath(target) if isinstance(target, PathLike) else target
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInputError(
            "a checkpoint goes to a file, a folder, a file:// URL or a callable, not to "
            f"{shown(target)}"
        )
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise InvalidInputError(
                f"{shown(text)} is no place for a checkpoint: give a path or a file:// URL, or a "
                "callable that takes it elsewhere"
            )
        text = unquote(parts.path)
    path = Path(text)
    return Outside(path, is_folder=text.endswith("/") or path.is_dir())
