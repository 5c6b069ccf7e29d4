"""Exports as text: JSON Lines, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final

import orjson

from modlog._domain.values import from_micros, instant_text
from modlog._storage.database import Row
from modlog._storage.exports import COLUMNS

# What makes a spreadsheet take a cell for a formula, also in the width of other scripts, and the
# sign that is put before it: so whoever takes one off has what was there.
_RISKY: Final = frozenset("=+-@\t\r\n＝＋－＠'")
_SIGN: Final = "'"
_SECOND: Final = 1_000_000  # in microseconds
_MINUTE: Final = 60 * _SECOND
_INSTANTS: Final = ("recorded_at", "occurred_at")
_JSON: Final = ("metadata", "data")
_PLACES: Final = tuple(map(COLUMNS.index, _INSTANTS))


def write_json_lines(pages: Iterable[Sequence[Row]], file: BinaryIO) -> None:
    """One JSON object a line, its keys in the order of the columns."""
    for page in pages:
        file.writelines(map(_line, page))


def write_csv(pages: Iterable[Sequence[Row]], file: BinaryIO) -> None:
    """RFC 4180 in UTF-8, with a line of names first; nothing stands for none."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for page in pages:
        writer.writerows(map(_cells, page))
        _move(text, file)
    _move(text, file)


def _move(text: io.StringIO, file: BinaryIO) -> None:
    file.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()


def _line(row: Row) -> bytes:
    fields: dict[str, Any] = dict(zip(COLUMNS, row))  # noqa: B905 as this is asked of every event
    for name in _INSTANTS:
        fields[name] = instant_of(fields[name])
    for name in _JSON:
        if fields[name] is not None:
            fields[name] = orjson.Fragment(fields[name])
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _cells(row: Row) -> list[Any]:
    cells: list[Any] = [
        _SIGN + value if type(value) is str and value[:1] in _RISKY else value for value in row
    ]
    for place in _PLACES:
        cells[place] = instant_of(cells[place])
    return cells


def instant_of(micros: int) -> str:
    """What `instant_text` gives, for instants of which many lie in the same minute."""
    minute, within = divmod(micros, _MINUTE)
    second, rest = divmod(within, _SECOND)
    return f"{_minute(minute)}{second:02}.{rest:06}Z"


@lru_cache(maxsize=1_024)
def _minute(number: int) -> str:
    return instant_text(from_micros(number * _MINUTE))[: len("2026-01-31T11:44:")]
