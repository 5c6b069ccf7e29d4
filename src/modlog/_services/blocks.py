"""Records that come from outside: any number of them, numbered, and a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import MAX_POSITION, checked_callable, is_mapping, shown
from modlog._errors import InvalidInputError


def numbered(records: Iterable[object], example: str) -> Iterator[tuple[int, object]]:
    """Records with their numbers, from 1.

    Raises:
        InvalidInputError: they are no records that one could go through.
    """
    return enumerate(each_of(records, example), 1)


def each_of(records: Iterable[Any], example: str) -> Iterator[Any]:
    """Records, one by one; text, a single record and what the ledger answers are no such thing."""
    one = isinstance(records, str | bytes | Jsonable) or is_mapping(records)
    try:
        if not one:
            return iter(records)
    except TypeError:
        pass
    raise InvalidInputError(
        f"records must be an iterable of mappings, as {example}, not {shown(records)}"
    )


def blocks(records: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """So many at a time, read as they are asked for."""
    while block := list(islice(records, min(size, MAX_POSITION))):
        yield block


def check_chunks(chunk: object, progress: object) -> None:
    """Refuse what does not say how to go on chunk by chunk."""
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise InvalidInputError(f"chunk must be a number of records from 1, not {shown(chunk)}")
    checked_callable(progress, "progress")
