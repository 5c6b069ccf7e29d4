"""Tables: rows of cells under the names of their columns, as CSV has them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from modlog._domain.values import shown
from modlog._errors import InvalidInputError
from modlog._services.lines import MAX_LINE, numbered_lines, unreadable


def table(text: BinaryIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of a CSV's columns, and its rows with the numbers of the lines on which they end.

    Blank lines are passed over.

    Raises:
        InvalidInputError: the file is no CSV in UTF-8, damaged, or ends too soon.
    """
    rows = _rows(text)
    _, names = next(rows, (0, []))
    return names, rows


def _rows(text: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_decoded(text), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise _unsound(reader.line_num, error) from None


def _decoded(text: BinaryIO) -> Iterator[str]:
    for number, line in numbered_lines(text):
        if len(line) > MAX_LINE:
            raise _unsound(number, f"it is longer than {MAX_LINE // 2**20} MiB")
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise _unsound(number, f"no UTF-8: {error.reason}") from None


def _unsound(line: int, error: object) -> InvalidInputError:
    return InvalidInputError(f"the file is no sound CSV from line {line} on ({error})")


def mappings(
    names: Sequence[str], rows: Iterable[tuple[int, Sequence[object]]]
) -> Iterator[tuple[int, object]]:
    """Numbered rows as mappings; one with more or fewer cells comes as `Unreadable`.

    Raises:
        InvalidInputError: two columns have the same name.
    """
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InvalidInputError(f"two columns are called {shown(min(twice))}: rename one of them")
    return (_mapping(names, number, row) for number, row in rows)


def _mapping(names: Sequence[str], number: int, row: Sequence[object]) -> tuple[int, object]:
    if len(row) == len(names):
        return number, dict(zip(names, row, strict=True))
    text = ",".join("" if cell is None else str(cell) for cell in row)
    told = f"{len(row)} fields, and the header has {len(names)}"
    return number, unreadable(text.encode(errors="replace"), told)
