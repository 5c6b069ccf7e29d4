"""The ledger's own tables, made from the events of a bucket, for engines that ask them in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from modlog._services.archive.replaying import accounts_of
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Row
from modlog._storage.projection import ACCOUNT_COLUMNS, SPAN_COLUMNS, account_columns
from modlog._storage.restoring import EVENT_COLUMNS
from modlog._storage.writing import STREAM_COLUMNS

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "events": EVENT_COLUMNS,
    "acts": ACT_COLUMNS,
    "streams": STREAM_COLUMNS,
    "accounts": ACCOUNT_COLUMNS,
    "spans": SPAN_COLUMNS,
}
_TEXTS: Final = frozenset(ACT_COLUMNS) - {"number", "recorded_at", "schema", "confidence"} | {
    *("kind", "id", "data", "personal", "label", "profile"),
}


def schema_of_table(table: str) -> Any:
    """The Arrow schema of one of the ledger's tables; instants are microseconds since 1970."""
    import pyarrow as pa

    others = {"confidence": pa.float64(), "state": pa.binary()}
    return pa.schema(
        (name, pa.string() if name in _TEXTS else others.get(name, pa.int64()))
        for name in COLUMNS[table]
    )


def tables_of(events: Any) -> Mapping[str, Any]:
    """The rows of a bucket for each of the ledger's tables.

    Raises:
        CorruptEventError: an event is not what modlog writes.
    """
    return recorded_tables(events) | projected_tables(events)


def recorded_tables(events: Any) -> dict[str, Any]:
    """The events of a bucket, and the streams and acts that begin with one of them."""
    import pyarrow.compute as pc

    streams = events.filter(pc.equal(events["stream"], events["position"]))
    acts = events.filter(pc.equal(events["act"], events["position"]))
    found = {
        "events": events.select(EVENT_COLUMNS),
        "acts": acts.select(["position", *ACT_COLUMNS[1:]]),
        "streams": streams.select(["position", *STREAM_COLUMNS[1:]]),
    }
    return {
        name: rows.rename_columns(COLUMNS[name]).cast(schema_of_table(name))
        for name, rows in found.items()
    }


def projected_tables(events: Any) -> dict[str, Any]:
    """The accounts of a bucket, and the spans of all that ever stood.

    Raises:
        CorruptEventError: an event is not what modlog writes.
    """
    accounts: list[Row] = []
    spans: list[Sequence[Any]] = []
    for one in accounts_of(events):
        accounts.append(account_columns(one.stream, one.state))
        spans += one.changes.begun
    return {"accounts": _arrow("accounts", accounts), "spans": _arrow("spans", spans)}


def _arrow(table: str, rows: Sequence[Sequence[Any]]) -> Any:
    import pyarrow as pa

    schema = schema_of_table(table)
    if not rows:
        return schema.empty_table()
    values = zip(*rows, strict=True)
    arrays = [pa.array(some, one.type) for some, one in zip(values, schema, strict=True)]
    return pa.table(arrays, schema=schema)
