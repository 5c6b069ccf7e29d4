"""Exports as Arrow tables and Parquet files; pyarrow is an extra, loaded when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final

from attrs import define

from modlog._errors import InvalidInputError
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
# Of what stands in these there is little, time and again.
_REPEATED: Final = (
    "type",
    "actor_kind",
    "actor_id",
    "actor_version",
    "actor_account_id",
    "reason",
    "policy",
    "batch_id",
    "metadata",
    "data",
)


def check_installed() -> None:
    """Refuse what needs pyarrow where it is not there.

    Raises:
        InvalidInputError: it is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "Arrow and Parquet need pyarrow, which is not installed: pip install "
            "'modlog[parquet]', or export to .jsonl or .csv"
        ) from error


def schema() -> Any:
    """The columns with their Arrow types."""
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    types = {
        "position": pa.int64(),
        "version": pa.int64(),
        "recorded_at": instant,
        "occurred_at": instant,
        "confidence": pa.float64(),
        "schema": pa.int64(),
    }
    return pa.schema(
        pa.field(name, types.get(name, pa.string()), nullable=name in _OPTIONAL) for name in COLUMNS
    )


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
        pen, schema(), compression="zstd", use_dictionary=list(_REPEATED)
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
