"""Writing a chunk of accounts at once: events that differ only in account, version and data.

A chunk is a table, or a query in parentheses, of `stream`, `version`, `ordinal` and `data`: the
version is that of the account's next event, and the ordinals run from 1 in the order in which
the events are to stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from modlog._domain.account import AccountState, Stay
from modlog._domain.effects import EFFECTS
from modlog._domain.events import Draft, Event, fields_of
from modlog._domain.values import from_micros, to_micros
from modlog._storage.codec import EVENT_COLUMNS
from modlog._storage.projection import SPAN_COLUMNS, code_of
from modlog._storage.writing import Writer

Statement = tuple[str, Sequence[Any]]
_BEGUN: Final = SPAN_COLUMNS[:7]


@frozen
class Ending:
    """Which open spans `x` the events of a chunk close.

    Attributes:
        relation: a table or query `c` with their stream and the ordinal of the event.
        which: the condition on `x` and `c`, and its parameters.
        params: its parameters.
    """

    relation: str
    which: str
    params: tuple[Any, ...] = ()


def write_chunk(
    writer: Writer, chunk: str, sample: Draft, number: int, ending: Ending | None = None
) -> None:
    """Write the next event of each account in a chunk, and what they change.

    Args:
        writer: the transaction.
        chunk: their next events.
        sample: an event like all of them.
        number: how many rows the chunk has.
        ending: what they end.
    """
    act = writer.act_for_chunk(sample)
    head = writer.head.position
    occurred_at = sample.envelope.occurred_at
    at = writer.at if occurred_at is None else to_micros(occurred_at)
    writer.session.run(
        f"{writer.store.database.insert_into('events')} ({', '.join(EVENT_COLUMNS)})"
        " SELECT CAST(? AS bigint) + ordinal, CAST(? AS bigint), stream, version,"
        f" CAST(? AS bigint), data, NULL FROM {chunk} AS c ORDER BY ordinal",
        (head, act, None if occurred_at is None else at),
    )
    for sql, params in (
        _turn(writer, chunk, at),
        *([_close(writer, ending, head, at)] if ending else []),
        *_open(writer, chunk, sample, head, at),
    ):
        writer.session.run(sql, params)
    writer.moved(number)


def _turn(writer: Writer, chunk: str, at: int) -> Statement:
    """What moves the accounts on."""
    return (
        f"{writer.store.database.update('accounts')} SET version = version + 1,"
        " in_order = CASE WHEN latest > CAST(? AS bigint) THEN 0 ELSE in_order END,"
        " latest = CASE WHEN latest < CAST(? AS bigint) THEN CAST(? AS bigint) ELSE latest END"
        f" WHERE stream IN (SELECT stream FROM {chunk} AS c)",
        (at, at, at),
    )


def _close(writer: Writer, ending: Ending, head: int, at: int) -> Statement:
    return (
        f"{writer.store.database.update('spans')} AS x SET closed = CAST(? AS bigint) + c.ordinal,"
        f" closed_at = CAST(? AS bigint) FROM {ending.relation} AS c"
        f" WHERE x.stream = c.stream AND x.closed IS NULL AND {ending.which}",
        (head, at, *ending.params),
    )


def _open(writer: Writer, chunk: str, sample: Draft, head: int, at: int) -> list[Statement]:
    stay = begun_by(sample.event, at)
    if stay is None:
        return []
    until = None if stay.until is None else to_micros(stay.until)
    return [
        (
            f"{writer.store.database.insert_into('spans')} ({', '.join(_BEGUN)})"
            " SELECT stream, version, CAST(? AS bigint) + ordinal, CAST(? AS smallint),"
            " CAST(? AS bigint), CAST(? AS bigint), CAST(? AS text)"
            f" FROM {chunk} AS c ORDER BY stream",
            (head, code_of(stay), at, until, stay.label),
        )
    ]


def begun_by(event: Event, at: int) -> Stay | None:
    """What an event like this begins on an account that exists, or a creation on a new one."""
    effect = EFFECTS[event.TYPE]
    if effect.begins is None:
        return None
    state = AccountState(
        stays={**AccountState().stays, "existence": {0: Stay("existence", from_micros(at))}}
    )
    moves = state.moved_by(event.TYPE, 1, from_micros(at), fields_of(event))
    return moves.begun[1]
