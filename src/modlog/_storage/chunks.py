"""Writing a chunk of accounts at once: events that differ only in account, version and data.

The chunk is a temporary table with `account_id`, `version` (the account's last) and `data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from modlog._ground.events import Draft, EventsReverted
from modlog._ground.values import to_micros
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
    "version": "version",
    "account_id": "account_id",
    "data": "data",
}

Statement = tuple[str, Sequence[Any]]


def write_chunk(writer: Writer, chunk: str, sample: Draft, number: int) -> None:
    """Write the next event of each account in a chunk, and move the accounts on.

    Args:
        writer: the transaction.
        chunk: the temporary table, or a query in parentheses that gives such rows.
        sample: an event like all of them.
        number: how many rows the chunk has.
    """
    next_version = f"(SELECT account_id, version + 1 AS version, data FROM {chunk} AS chunk)"
    writer.session.run(*events_of_chunk(writer, next_version, sample))
    setting, params = move(writer, sample)
    writer.session.run(
        f"UPDATE {writer.store.database.table('accounts')} SET {setting}"
        f" WHERE account_id IN (SELECT account_id FROM {chunk} AS chunk)",
        params,
    )
    writer.moved(number)


def events_of_chunk(writer: Writer, moved: str, sample: Draft) -> Statement:
    """The statement that writes the events of accounts, and its parameters.

    Args:
        writer: the transaction.
        moved: a table, or query in parentheses, of account_id, the event's version and its data.
        sample: an event like all of them.
    """
    values = dict(zip(EVENT_COLUMNS, event_row(0, writer.at, sample), strict=True))
    values["position"] = writer.head.position
    columns = ", ".join(_OWN.get(name) or _typed(name) for name in EVENT_COLUMNS)
    return (
        f"INSERT INTO {writer.store.database.table('events')} ({', '.join(EVENT_COLUMNS)})"
        f" SELECT {columns} FROM {moved} AS moved ORDER BY account_id",
        [values[name] for name in EVENT_COLUMNS if name == "position" or name not in _OWN],
    )


def move(writer: Writer, sample: Draft) -> Statement:
    """What an event like this sets in its account's row, and the parameters."""
    occurred_at = (
        writer.at if sample.envelope.occurred_at is None else to_micros(sample.envelope.occurred_at)
    )
    reverted = ", reverted = 1" if isinstance(sample.event, EventsReverted) else ""
    latest = "CASE WHEN latest < CAST(? AS bigint) THEN CAST(? AS bigint) ELSE latest END"
    return f"version = version + 1, latest = {latest}{reverted}", (occurred_at, occurred_at)


def _typed(name: str) -> str:
    return f"CAST(? AS {_CASTS[EVENTS.type_of(name)]})"
