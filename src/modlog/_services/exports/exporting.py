"""Exports: any selection of the log as JSON Lines, CSV or Parquet, and as Arrow tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, get_args

from attrs import define, frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection, checked_selection
from modlog._domain.values import (
    MAX_POSITION,
    checked_callable,
    checked_truth,
    checked_whole,
    shown,
)
from modlog._errors import InvalidInputError
from modlog._services.columns import check_installed
from modlog._services.exports import arrow
from modlog._services.exports.outputs import Target, output
from modlog._services.exports.texts import write_csv, write_json_lines
from modlog._services.work import Work
from modlog._storage.database import Row
from modlog._storage.exports import flat
from modlog._storage.pages import Pages

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_NAMES: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
_WRITERS: Final[dict[Format, Callable[[Iterable[Sequence[Row]], BinaryIO], None]]] = {
    "jsonl": write_json_lines,
    "csv": write_csv,
    "parquet": arrow.write_parquet,
}
_GZIP: Final = ".gz"


@frozen(kw_only=True)
class ExportProgress(Jsonable):
    """How far an export is.

    Attributes:
        events: how many are written.
        position: of the last of them.
        head: where the log ends.
    """

    events: int
    position: int
    head: int

    @property
    def done(self) -> int:
        """Positions that are through."""
        return self.position

    @property
    def total(self) -> int:
        """Positions that there are."""
        return self.head


@frozen(kw_only=True)
class ExportOutcome(Jsonable):
    """What an export has written.

    Attributes:
        events: how many.
        last: the position of the last of them; 0 if there is none.
        head: where the log ended when it began: what comes later lies after that position.
        format: jsonl, csv or parquet.
    """

    events: int
    last: int
    head: int
    format: Format


@define
class _Events:
    """The selected events as rows, page by page; no connection is held while they are used."""

    work: Work
    pages: Pages
    head: int
    progress: Callable[[ExportProgress], object] | None
    limit: int | None
    events: int = 0
    last: int = 0

    def __iter__(self) -> Iterator[list[Row]]:
        while self.limit is None or self.events < self.limit:
            with self.work.reader() as reader:
                rows = self.pages.rows(reader)
            if not rows:
                return
            left = None if self.limit is None else self.limit - self.events
            page = [flat(row) for row in islice(rows, left)]
            yield page
            self.events += len(page)
            self.last = page[-1][0]
            if self.progress:
                self.progress(
                    ExportProgress(events=self.events, position=self.last, head=self.head)
                )


class Exports:
    """What a ledger gives to other programs."""

    _work: Work

    def export(
        self,
        target: Target,
        selection: Selection | None = None,
        *,
        format: Format | None = None,
        force: bool = False,
        limit: int | None = None,
        progress: Callable[[ExportProgress], object] | None = None,
    ) -> ExportOutcome:
        """Write the selected events to a file, in the order of their positions, streaming.

        Those recorded after the call are left out. The same log gives the same bytes. A file
        has its name only once it is whole.

        Args:
            target: a path, or a binary file that is open, and stays so.
            selection: which events; all if left out.
            format: jsonl, csv or parquet (which needs the extra `parquet`); by the name's end if
                left out, where `.gz` behind `.jsonl` or `.csv` means packed with gzip.
            force: replace a file that is there.
            limit: at most so many events, the first ones.
            progress: called now and then with how far it is.

        Raises:
            InvalidInputError: a file is there already, a name that tells no format, a format
                whose package is not installed.
            CorruptEventError: an event cannot be read; nothing is written.
            OSError: the file cannot be written; nothing of it stays.
        """
        chosen, packed = _format(target, format)
        if chosen == "parquet":
            check_installed(", or export to .jsonl or .csv")
        force = checked_truth(force, "force")
        events = self._selected(selection, "export()", limit, progress)
        with output(target, force=force, packed=packed) as file:
            _WRITERS[chosen](events, file)
        return ExportOutcome(
            events=events.events, last=events.last, head=events.head, format=chosen
        )

    def to_arrow(self, selection: Selection | None = None, *, batches: bool = False) -> Any:
        """The selected events as a `pyarrow.Table`, for DuckDB, Polars, pandas and the like.

        Those recorded after the call are left out.

        Args:
            selection: which events; all if left out.
            batches: give a `pyarrow.RecordBatchReader` instead, which reads the log as it is
                read, and is read once.

        Raises:
            InvalidInputError: pyarrow is not installed.
        """
        check_installed()
        import pyarrow as pa

        streaming = checked_truth(batches, "batches")
        found = arrow.batches(self._selected(selection, "to_arrow()"))
        if streaming:
            return pa.RecordBatchReader.from_batches(arrow.schema(), found)
        return pa.Table.from_batches(found, schema=arrow.schema())

    def _selected(
        self,
        selection: Selection | None,
        what: str,
        limit: int | None = None,
        progress: Callable[[ExportProgress], object] | None = None,
    ) -> _Events:
        selection = checked_selection(selection, what)
        if limit is not None:
            limit = checked_whole(limit, "limit", MAX_POSITION)
        checked_callable(progress, "progress")
        with self._work.reader() as reader:
            head = reader.head().position
            pages = Pages(reader.condition(selection), head)
        return _Events(self._work, pages, head, progress, limit)


def _path(target: str | PathLike[str]) -> str:
    """A path as text that a file can have.

    Raises:
        InvalidInputError: bytes, or text that no file is called.
    """
    name = os.fspath(target)
    try:
        if "\0" not in name and os.fsencode(name):
            return name
    except (TypeError, UnicodeEncodeError):
        pass
    raise InvalidInputError(f"export() takes a path that a file can have, not {shown(name)}")


def _format(target: object, format: object) -> tuple[Format, bool]:
    """The format that is meant, and whether it is packed.

    Raises:
        InvalidInputError: nothing tells it.
    """
    if format is not None and format not in FORMATS:
        raise InvalidInputError(f"format must be one of {', '.join(FORMATS)}, not {shown(format)}")
    chosen: Any = format
    if isinstance(target, str | PathLike):
        name = _path(target)
        packed = name.lower().endswith(_GZIP)
        end = Path(name[: -len(_GZIP)] if packed else name).suffix
        chosen = chosen or _NAMES.get(end.lower())
    elif hasattr(target, "write"):
        name, packed = "a file that is open", False
    else:
        raise InvalidInputError(
            f"export() takes a path or a binary file to write to, not {shown(target)}"
        )
    if chosen is None:
        raise InvalidInputError(
            f"{shown(name)} does not tell the format: end it with {', '.join(_NAMES)}, or say "
            f"format= one of {', '.join(FORMATS)}"
        )
    if packed and chosen == "parquet":
        raise InvalidInputError("Parquet is packed inside: leave .gz out of the name")
    return chosen, packed
