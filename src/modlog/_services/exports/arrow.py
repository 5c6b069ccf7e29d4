"""Exports as Arrow tables and Parquet files; pyarrow is an extra, loaded when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final

from attrs import define

from modlog._services.columns import REPEATED, type_of
from modlog._storage.database import Row
from modlog._storage.exports import COLUMNS

# Rows of a batch, and batches of a row group: always the same, so that the bytes are the same.
_BATCH: Final = 8_192
_GROUP: Final = 8
_OPTIONAL: Final = frozenset(
    (
        "account_id",
        "actor_version",
        "actor_account_id",
        "reason",
        "policy",
        "batch_id",
        "confidence",
        "correlation_id",
        "metadata",
    )
)


def schema() -> Any:
    """The columns with their Arrow types."""
    import pyarrow as pa

    return pa.schema(pa.field(name, type_of(name), nullable=name in _OPTIONAL) for name in COLUMNS)


def batches(pages: Iterable[Sequence[Row]]) -> Iterator[Any]:
    """The rows as record batches, all of one size but the last."""
    import pyarrow as pa

    columns = schema()
    for rows in _blocks(pages):
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(columns, zip(*rows, strict=True), strict=True)
        ]
        yield pa.record_batch(arrays, schema=columns)


def _blocks(pages: Iterable[Sequence[Row]]) -> Iterator[list[Row]]:
    rows = (row for page in pages for row in page)
    while block := list(islice(rows, _BATCH)):
        yield block


def write_parquet(pages: Iterable[Sequence[Row]], file: BinaryIO) -> None:
    """One Parquet file, compressed, in row groups of 65,536 rows."""
    import pyarrow as pa
    from pyarrow import parquet

    pen = _Pen(file)
    writer = parquet.ParquetWriter(
        pen,
        schema(),
        compression="zstd",
        use_dictionary=[name for name in REPEATED if name in COLUMNS],
    )
    some = batches(pages)
    try:
        while group := list(islice(some, _GROUP)):
            writer.write_table(pa.Table.from_batches(group), row_group_size=_GROUP * _BATCH)
    except BaseException:
        pen.broken = True
        raise
    finally:
        writer.close()


@define(eq=False)
class _Pen:
    """What Arrow writes with. What broke off gets no end: it must not look whole."""

    file: BinaryIO
    broken: bool = False
    closed: bool = False

    def write(self, some: Any) -> int:
        if not self.broken:
            self.file.write(some)
        return len(some)

    def flush(self) -> None:
        """Whoever opened the file does that."""

    def close(self) -> None:
        self.closed = True
