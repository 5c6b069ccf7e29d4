"""Writing a chunk of accounts at once: events that differ only in account, version and data.

A chunk is a table, or a query in parentheses, of `account_id`, `version` and `data`: the version
is that of the account's next event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from modlog._domain.events import Draft, EventsReverted
from modlog._domain.values import to_micros
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
        chunk: their next events.
        sample: an event like all of them.
        number: how many rows the chunk has.
    """
    database = writer.store.database
    writer.session.run(*events_of_chunk(writer, chunk, sample))
    setting, params = move(writer, sample)
    writer.session.run(
        f"{database.update_accounts()} AS a SET {setting}"
        f" WHERE account_id IN (SELECT account_id FROM {chunk} AS chunk)",
        params,
    )
    writer.moved(number)


def events_of_chunk(writer: Writer, chunk: str, sample: Draft) -> Statement:
    """The statement that writes the events of a chunk, and its parameters."""
    values = dict(zip(EVENT_COLUMNS, event_row(0, writer.at, sample), strict=True))
    values["position"] = writer.head.position
    columns = ", ".join(_OWN.get(name) or _typed(name) for name in EVENT_COLUMNS)
    return (
        f"{writer.store.database.insert_into('events')} ({', '.join(EVENT_COLUMNS)})"
        f" SELECT {columns} FROM {chunk} AS chunk ORDER BY account_id",
        [values[name] for name in EVENT_COLUMNS if name == "position" or name not in _OWN],
    )


def move(writer: Writer, sample: Draft) -> Statement:
    """What an event like this sets in its account's row, `a`, and the parameters."""
    occurred_at = (
        writer.at if sample.envelope.occurred_at is None else to_micros(sample.envelope.occurred_at)
    )
    reverted = ", reverted = 1" if isinstance(sample.event, EventsReverted) else ""
    latest = "CASE WHEN a.latest < CAST(? AS bigint) THEN CAST(? AS bigint) ELSE a.latest END"
    return f"version = a.version + 1, latest = {latest}{reverted}", (occurred_at, occurred_at)


def _typed(name: str) -> str:
    return f"CAST(? AS {_CASTS[EVENTS.type_of(name)]})"
