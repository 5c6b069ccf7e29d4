"""The tables of an archive in Arrow, and as the bytes of Parquet files.

An event is one flat row with its act. What a row leaves out is what it shares with nobody: no
`stream` where its stream begins with it, no `act` where its act does, no `occurred_at` where it
occurred when it was recorded. So an archive keeps the ledger's own numbers at next to no cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from zlib import crc32

from modlog._errors import ArchiveError
from modlog._services.columns import REPEATED, type_of
from modlog._storage.archives import EVENT_COLUMNS, KEPT
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Row

# The number of the shape of the tables below, which every file and manifest tells.
SCHEMA: Final = 1
EVENTS: Final = "events"
_ACT: Final = ACT_COLUMNS[1:]
_COLUMNS: Final = (*EVENT_COLUMNS, *_ACT)
_REQUIRED: Final = frozenset(("position", "kind", "id", "version", "recorded_at", "type"))
# The number of an event's stream and act is its own position where it is the first of them.
_OF_FIRST: Final = ("stream", "act")
_ROW_GROUP: Final = 65_536
_META: Final = b"modlog.archive"


def columns_of(table: str) -> tuple[str, ...]:
    """The columns of a table of the archive."""
    return _COLUMNS if table == EVENTS else KEPT[table].columns


def schema_of(table: str) -> Any:
    """The Arrow schema of a table of the archive, with its number."""
    import pyarrow as pa

    required = _REQUIRED if table == EVENTS else ()
    fields = [pa.field(name, type_of(name), name not in required) for name in columns_of(table)]
    return pa.schema(fields, metadata={_META: str(SCHEMA)})


def bucket_of(id_: str, buckets: int) -> int:
    """Where the events of an id lie, for ever: the CRC-32 of its UTF-8 bytes tells."""
    return crc32(id_.encode()) % buckets


def columnar(columns: Sequence[str], rows: Sequence[Row]) -> Any:
    """Rows of these columns as an Arrow table."""
    import pyarrow as pa

    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    arrays = [pa.array(v, type=type_of(n)) for n, v in zip(columns, values, strict=True)]
    return pa.table(arrays, names=list(columns))


def with_acts(events: Any, acts: Any) -> Any:
    """Events, each with the columns of its act, as the archive has them."""
    import pyarrow.compute as pc

    places = pc.index_in(events["act"], value_set=acts["number"])
    for name in _ACT:
        events = events.append_column(name, acts[name].take(places))
    for name in _OF_FIRST:
        is_first = pc.equal(events[name], events["position"])
        own = pc.if_else(is_first, None, events[name])
        events = events.set_column(events.schema.get_field_index(name), name, own)
    return events.select(_COLUMNS).cast(schema_of(EVENTS))


def in_buckets(events: Any, buckets: int) -> Iterator[tuple[int, Any]]:
    """The events of each bucket that has some, by id and version.

    They come in the order of positions, in which the versions of a stream grow; so it is the
    streams that are sorted, and not all events.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.coalesce(events["stream"], events["position"]).combine_chunks()
    streams = numbers.dictionary_encode()
    firsts = pc.index_in(streams.dictionary, value_set=numbers)
    named = rows_of(events.take(firsts), ("id", "kind"))
    spread = [(bucket_of(id_, buckets), id_, kind) for id_, kind in named]
    order = sorted(range(len(spread)), key=spread.__getitem__)
    ranks = pc.sort_indices(pa.array(order, pa.int32())).take(streams.indices)
    of_rows = pa.array([bucket for bucket, _, _ in spread], pa.int32()).take(streams.indices)
    events = events.take(pc.sort_indices(ranks))
    counts = {one["values"].as_py(): one["counts"].as_py() for one in pc.value_counts(of_rows)}
    start = 0
    for bucket in sorted(counts):
        yield bucket, events.slice(start, counts[bucket])
        start += counts[bucket]


def parquet_of(data: Any) -> bytes:
    """The one Parquet file of a table."""
    import pyarrow as pa
    from pyarrow import parquet

    names = set(data.schema.names)
    sink = pa.BufferOutputStream()
    parquet.write_table(
        data,
        sink,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in (*REPEATED, "recorded_at") if name in names],
        column_encoding={name: how for name, how in _ENCODINGS.items() if name in names},
        row_group_size=_ROW_GROUP,
        write_page_index=False,
    )
    return bytes(sink.getvalue())


_LEVEL: Final = 3
_ENCODINGS: Final = {
    "position": "DELTA_BINARY_PACKED",
    "version": "DELTA_BINARY_PACKED",
    "id": "DELTA_BYTE_ARRAY",
}


def read_parquet(file: Any, table: str, path: str, columns: Sequence[str] | None = None) -> Any:
    """The rows of a Parquet file of an archive.

    Args:
        file: its bytes, or what Arrow reads from.
        table: what it is of.
        path: for messages.
        columns: only these.

    Raises:
        ArchiveError: it is none, or has another schema.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        source = parquet.ParquetFile(file)
        found, expected = source.schema_arrow, schema_of(table)
        if (found.metadata or {}).get(_META) != expected.metadata[_META] or found != expected:
            raise ArchiveError(
                f"{path} has another schema than the table {table} of this modlog's archives, "
                f"number {SCHEMA}: something else wrote it"
            )
        return source.read(columns=None if columns is None else list(columns))
    except pa.ArrowException as error:
        raise ArchiveError(f"{path} is damaged, it cannot be read as Parquet: {error}") from error


def stored(events: Any) -> Any:
    """Events with the numbers that their row leaves out, in the order of positions."""
    import pyarrow.compute as pc

    events = events.take(pc.sort_indices(events, sort_keys=[("position", "ascending")]))
    for name in _OF_FIRST:
        number = pc.coalesce(events[name], events["position"])
        events = events.set_column(events.schema.get_field_index(name), name, number)
    return events


def rows_of(data: Any, columns: Iterable[str]) -> list[Row]:
    """Rows of these columns; instants are microseconds since 1970 in UTC."""
    import pyarrow as pa

    def plain(column: Any) -> list[Any]:
        is_instant = pa.types.is_timestamp(column.type)
        values: list[Any] = (column.cast(pa.int64()) if is_instant else column).to_pylist()
        return values

    return list(zip(*(plain(data[name]) for name in columns), strict=True))
