"""Where an export goes: beside its name until it is whole, or straight to who reads it."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final

from modlog._services.putting import named, put_in_place

# Bytes that are written at once; larger pieces cost more than they save.
_BUFFER: Final = 2**17

Target = str | PathLike[str] | BinaryIO


@contextmanager
def output(target: Target, *, force: bool, packed: bool) -> Iterator[BinaryIO]:
    """A file to write to; under its name there is nothing new unless the block ends well.

    Args:
        target: a path, or what has `write` and stays open.
        force: whether a file that is there is replaced.
        packed: whether what is written is packed with gzip.

    Raises:
        InvalidInputError: there is a file already, or the target is none.
        OSError: it cannot be written; with the name of the target.
    """
    if not isinstance(target, str | PathLike):
        with named(getattr(target, "name", None)):
            yield target
            target.flush()
        return
    with named(os.fspath(target)), _opened(Path(target), force) as file:
        if not packed:
            yield file
            return
        packer = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)
        with io.BufferedWriter(packer, _BUFFER) as packing:
            yield packing


@contextmanager
def _opened(path: Path, force: bool) -> Iterator[BinaryIO]:
    if path.exists() and not path.is_file():
        with path.open("wb") as file:  # a pipe, or a device: it has no name to be put under
            yield file
        return
    with put_in_place(path, force=force) as part, part.open("xb", _BUFFER) as file:
        yield file
