"""Putting a file in its place: beside its name until it is whole and on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from modlog._domain.values import shown
from modlog._errors import InvalidInputError


@contextmanager
def put_in_place(path: Path, *, force: bool) -> Iterator[Path]:
    """Give a name under which to write a file; it gets its own if the block ends well.

    Args:
        path: of the file that is to be there.
        force: whether one that is there is replaced.

    Raises:
        InvalidInputError: there is one already.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    _check_free(path, force)
    part = part_of(path)
    try:
        yield part
        keep(part)
        _check_free(path, force)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    keep(path.parent)


def part_of(path: Path) -> Path:
    """A name beside another, for what is not whole yet."""
    return path.with_name(f".modlog-{token_hex(8)}.part")


def _check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise InvalidInputError(
            f"{shown(os.fspath(path))} is there already: name another file, or say force=True to "
            "replace it"
        )


def keep(path: Path) -> None:
    """Have a file, or the names in a folder, outlive a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def named(name: Any) -> Iterator[None]:
    """Have errors of the system tell of the name that the caller knows."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, name or error.filename) from error
