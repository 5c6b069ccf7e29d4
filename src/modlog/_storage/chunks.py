"""Writing a chunk of accounts at once: events that differ only in account, version and data.

The chunk is a temporary table with `account_id`, `version` (the account's last) and `data`.
"""

from __future__ import annotations

from typing import Any, Final

from modlog._ground.events import Draft, EventsReverted
from modlog._storage.codec import EVENT_COLUMNS, event_row
from modlog._storage.schema import EVENTS, ColumnType
from modlog._storage.store import Writer

_CASTS: Final[dict[ColumnType, str]] = {
    "integer": "bigint",
    "small": "bigint",
    "real": "double precision",
    "text": "text",
    "bytes": "bytea",
}
# What each event takes from its account; all else is the same in the whole chunk.
_OWN: Final = {
    "position": "CAST(? AS bigint) + row_number() OVER (ORDER BY account_id)",
    "version": "version + 1",
    "account_id": "account_id",
    "data": "data",
}


def write_chunk(writer: Writer, chunk: str, sample: Draft, number: int) -> None:
    """Write the next event of each account in a chunk, and move the accounts on.

    Args:
        writer: the transaction.
        chunk: the temporary table, or a query in parentheses that gives such rows.
        sample: an event like all of them.
        number: how many rows the chunk has.
    """
    values: dict[str, Any] = dict(zip(EVENT_COLUMNS, event_row(0, writer.at, sample), strict=True))
    values["position"] = writer.head.position
    columns = ", ".join(_OWN.get(name) or _typed(name) for name in EVENT_COLUMNS)
    params = [values[name] for name in EVENT_COLUMNS if name == "position" or name not in _OWN]
    table = writer.store.database.table
    writer.session.run(
        f"INSERT INTO {table('events')} ({', '.join(EVENT_COLUMNS)})"
        f" SELECT {columns} FROM {chunk} AS chunk ORDER BY account_id",
        params,
    )
    occurred_at = values["occurred_at"]
    reverted = ", reverted = 1" if isinstance(sample.event, EventsReverted) else ""
    writer.session.run(
        f"UPDATE {table('accounts')} SET version = version + 1,"
        f" latest = CASE WHEN latest < ? THEN ? ELSE latest END{reverted}"
        f" WHERE account_id IN (SELECT account_id FROM {chunk} AS chunk)",
        (occurred_at, occurred_at),
    )
    writer.moved(number)


def _typed(name: str) -> str:
    return f"CAST(? AS {_CASTS[EVENTS.type_of(name)]})"
