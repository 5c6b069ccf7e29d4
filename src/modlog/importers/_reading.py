"""What sources hold, taken apart: files, answers of an API and tables, as numbered values."""

from __future__ import annotations

import io
import json
import os
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, BinaryIO, Final

from modlog._errors import InvalidInputError
from modlog._services.lines import (
    DAMAGE,
    MAX_LINE,
    damaged,
    opened,
    record_in,
    records,
    without_repetition,
)
from modlog._services.records import Unreadable
from modlog._services.tables import mappings, table

# A path (.gz too), an open binary file, or an iterable of what stands in one: lines or values.
Source = str | os.PathLike[str] | BinaryIO | Iterable[Any]
Numbered = Iterator[tuple[int, Any]]

# A JSON document over several lines has to be in memory whole; answers one a line need not.
MAX_DOCUMENT: Final = 256 * 2**20
_BLANKS: Final = re.compile(r"\s*")


def values_of(source: Source, in_file: Callable[[io.BufferedReader], Numbered]) -> Numbered:
    """The values in a source with their numbers.

    Args:
        source: text is a path; lines of an iterable are JSON.
        in_file: takes a file apart.

    Raises:
        InvalidInputError: the file is damaged, or none of this format.
        OSError: there is no such file, or it may not be read.
    """
    if isinstance(source, str | os.PathLike):
        with opened(os.fspath(source)) as (_, text), _peekable(text) as file:
            yield from in_file(file)
    elif hasattr(source, "read"):
        with _peekable(source) as file:
            yield from in_file(file)
    else:
        yield from enumerate(map(_value, source), 1)


@contextmanager
def _peekable(file: Any) -> Iterator[io.BufferedReader]:
    reader = io.BufferedReader(file)
    try:
        yield reader
    finally:
        if not reader.closed:
            reader.detach()  # the file is its opener's to close


def _value(item: Any) -> Any:
    if isinstance(item, str):
        item = item.encode(errors="surrogatepass")
    return record_in(item) if isinstance(item, bytes) else item


def events_of(
    values: Iterable[tuple[int, Any]], events_in: Callable[[Any], Iterable[Any]]
) -> Numbered:
    """Each event of the values, which may be answers or lists with many; none is numbered 0."""
    count = 0
    for number, value in values:
        for part in value if isinstance(value, list) else (value,):
            for event in events_in(part):
                count += 1
                yield number or count, event


def begins_with(file: io.BufferedReader, *signs: bytes) -> bool:
    """Whether the first characters that are not blank are one of these."""
    try:
        start = file.peek(4_096)
    except DAMAGE as error:
        raise damaged(1, error) from None
    return start.removeprefix(BOM_UTF8).lstrip().startswith(signs)


def json_values(file: io.BufferedReader) -> Numbered:
    """The JSON values of a file: one a line, or documents that go over several lines.

    A value of a line has the line's number; one of a document has 0.
    """
    for number in count(1):
        try:
            line = file.readline(MAX_LINE + 1)
        except DAMAGE as error:
            raise damaged(number, error) from None
        line = line.removeprefix(BOM_UTF8) if number == 1 else line
        if not line or line.strip():
            break
    if not line:
        return
    value = record_in(line)
    if isinstance(value, Unreadable):
        yield from ((0, one) for one in _documents(line, file))
    else:
        yield number, value
        yield from records(file, number + 1)


def _documents(start: bytes, file: io.BufferedReader) -> Iterator[Any]:
    try:
        whole = (start + file.read(MAX_DOCUMENT)).decode()
    except DAMAGE as error:
        raise damaged(1, error) from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the file is no UTF-8: {error}") from None
    if len(whole) >= MAX_DOCUMENT:
        raise InvalidInputError(
            f"the file is one JSON document of more than {MAX_DOCUMENT // 2**20} MiB: write one "
            "answer a line, as `jq -c .` does"
        )
    decoder = json.JSONDecoder(object_pairs_hook=without_repetition)
    at = _past_blanks(whole, 0)
    while at < len(whole):
        try:
            value, at = decoder.raw_decode(whole, at)
        except json.JSONDecodeError as error:
            raise InvalidInputError(
                f"the file is no JSON from line {error.lineno} on: {error.msg}"
            ) from None
        except (RecursionError, ValueError) as error:
            line = whole.count("\n", 0, at) + 1
            raise InvalidInputError(f"the JSON from line {line} on: {error}") from None
        yield value
        at = _past_blanks(whole, at)


def _past_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def table_rows(file: io.BufferedReader) -> Numbered:
    """The rows of a CSV file with a header as mappings; their numbers are those of lines."""
    return mappings(*table(file))
