"""Files of JSON Lines, plain or gzipped, read as strictly as a ledger has to."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, BinaryIO, Final

import orjson

from modlog._errors import InvalidInputError
from modlog._services.records import Unreadable
from modlog._storage.exports import COLUMNS

# Well above any record that means something; a file without line ends must not fill the memory.
MAX_LINE: Final = 16 * 2**20

_GZIP: Final = b"\x1f\x8b"
# How exports begin that hold no lines of JSON.
_OTHER_EXPORTS: Final = (b"PAR1", ",".join(COLUMNS).encode())
_MEMBER: Final = re.compile(rb'"[ \t\r\n]*:')
# From here on integers may be beyond 64 bits, which orjson turns into rounded floats.
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
# As much of a line that cannot be read as is kept to find it again.
_KEPT: Final = 1_000
# What reading a gzipped file raises that is damaged, or ends too soon.
DAMAGE: Final = (EOFError, gzip.BadGzipFile, zlib.error)


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A file as it is, which knows how far it was read, and the text in it, unpacked.

    Args:
        path: the file; "-" for standard input, which stays open.

    Raises:
        OSError: there is no such file, or it may not be read.
        InvalidInputError: a .gz with nothing in it, as an interrupted download leaves it; or an
            export in another format than JSON Lines.
    """
    is_stdin = path == "-"
    with open(0 if is_stdin else path, "rb", closefd=not is_stdin) as file:
        yield _unpacked(path, file)


def _unpacked(path: str, file: io.BufferedReader) -> tuple[BinaryIO, BinaryIO]:
    start = file.peek(len(_OTHER_EXPORTS[-1]))
    if path.endswith(".gz") and not start:
        raise InvalidInputError(f"{path} is empty, and a .gz never is: fetch it again")
    if start.startswith(_OTHER_EXPORTS):
        raise InvalidInputError(
            f"{path} is an export in Parquet or CSV, and an import takes JSON Lines: "
            "export to .jsonl"
        )
    if path.endswith(".gz") or start.startswith(_GZIP):
        return file, gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return file, file


def records(text: BinaryIO, first: int = 1) -> Iterator[tuple[int, object]]:
    """The records of a text with their line numbers; blank lines are passed over.

    The text begins with the line of the number `first`. A line that holds no record comes as
    `Unreadable`.

    Raises:
        InvalidInputError: the file itself is damaged, or ends too soon.
    """
    for number, line in numbered_lines(text, first):
        if line.strip():
            yield number, record_in(line)


def numbered_lines(text: BinaryIO, first: int = 1) -> Iterator[tuple[int, bytes]]:
    """The lines of a text with their numbers, without a byte order mark.

    Raises:
        InvalidInputError: the file itself is damaged, or ends too soon.
    """
    for number in count(first):
        try:
            line = _next_line(text)
        except DAMAGE as error:
            raise damaged(number, error) from None
        if not line:
            return
        yield number, line.removeprefix(BOM_UTF8) if number == 1 else line


def damaged(line: int, error: Exception) -> InvalidInputError:
    """The error of a gzipped file that cannot be read beyond a line."""
    return InvalidInputError(
        f"the file is no sound gzip from line {line} on ({error}): fetch it again"
    )


def _next_line(text: BinaryIO) -> bytes:
    line = rest = text.readline(MAX_LINE + 1)
    while len(line) > MAX_LINE and rest and not rest.endswith(b"\n"):
        rest = text.readline(MAX_LINE)  # pass over what is too long, without keeping it
    return line


def record_in(line: bytes) -> object:
    """The JSON value in a line; `Unreadable` if there is none, or not exactly one."""
    if len(line) > MAX_LINE:
        return unreadable(line, f"longer than {MAX_LINE // 2**20} MiB")
    try:
        value = orjson.loads(line)
        # What the fast reader lets pass in silence, the slow one tells or keeps as it is.
        if _LONG_NUMBER.search(line) or len(_MEMBER.findall(line)) != _members(value):
            return json.loads(line, object_pairs_hook=without_repetition)
    except RecursionError:
        return unreadable(line, "nested too deeply")
    except orjson.JSONDecodeError as error:
        return unreadable(line, f"not JSON: {error.msg} at character {error.colno}")
    except ValueError as error:
        return unreadable(line, f"not JSON: {error}")
    return value


def _members(value: object) -> int:
    """How many keys a JSON value has, its inner objects' included."""
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if isinstance(value, list) else 0


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for a decoder; ValueError if a key stands there twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!a} stands there twice")
    return value


def unreadable(line: bytes, reason: str) -> Unreadable:
    """What stands for a line that holds no record."""
    return Unreadable(line[:_KEPT].decode(errors="replace").rstrip("\r\n"), reason)
