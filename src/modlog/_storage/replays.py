"""Replaying events account by account, in flat memory; and the projection made from them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeVar

from modlog._domain.account import AccountState, replay
from modlog._domain.effects import EFFECTS, types_where
from modlog._domain.events import Entry, EventsReverted
from modlog._domain.values import EPOCH, from_micros
from modlog._errors import CorruptEventError, InvalidInputError
from modlog._storage.codec import event_from, fields_from
from modlog._storage.database import Database, Row, Session
from modlog._storage.reading import acted
from modlog._storage.selecting import EVERY_EVENT, Condition

# Accounts whose events are looked up together.
PAGE: Final = 1_000
# Events of one account that are kept in case of a revert; a longer history is read again.
_KEPT: Final = 1_000
# What a fold needs of an event.
_FOLD_COLUMNS: Final = (
    "e.stream, e.version, coalesce(e.occurred_at, a.recorded_at), a.type, a.schema, e.data,"
    " e.personal"
)
# Types that change nothing, and those whose instant the state keeps.
_WITHOUT_EFFECT: Final = frozenset(types_where(lambda effect: not effect.changes_state))
_TIMELESS: Final = frozenset(types_where(lambda effect: effect.begins is None))

States = Iterator[tuple[str, AccountState]]
_T = TypeVar("_T")


def entry_from(row: Row) -> Entry:
    """The entry in a row of the columns that a fold needs.

    Raises:
        CorruptEventError: the row is not what modlog writes.
    """
    _, version, occurred_at, type_name, schema, data, personal = row
    try:
        return Entry(
            version=version,
            occurred_at=from_micros(occurred_at),
            event=event_from(type_name, schema, data, personal),
        )
    except (CorruptEventError, OverflowError, TypeError) as error:
        raise _damaged(row, error) from error


def _damaged(row: Row, error: Exception) -> CorruptEventError:
    return CorruptEventError(f"version {row[1]} of stream {row[0]} is damaged: {error}")


def pages_of_accounts(
    database: Database, session: Session, after: str = ""
) -> Iterator[dict[int, str]]:
    """The streams of all accounts with their ids, in the order of ids, page by page."""
    while rows := session.rows(
        f"SELECT number, id FROM {database.table('streams')}"
        f" WHERE kind = 'account' AND id > ? ORDER BY id LIMIT {PAGE}",
        (after,),
    ):
        yield dict(rows)
        after = rows[-1][1]


def rows_of(
    database: Database,
    session: Session,
    streams: Sequence[int],
    condition: Condition = EVERY_EVENT,
    *,
    columns: str = _FOLD_COLUMNS,
    tables: Callable[[Database], str] = acted,
) -> list[Row]:
    """Rows of these streams' events for which a condition holds, by stream and version.

    The first of the columns is the stream. What a fold needs stands in events and acts alone.
    """
    among, params = database.among("e.stream", streams)
    return session.rows(
        f"SELECT {columns} FROM {tables(database)} WHERE {among} AND {condition.sql}"
        " ORDER BY e.stream, e.version",
        (*params, *condition.params),
    )


def by_stream(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Rows of streams, by the stream that is their first column."""
    return {stream: list(own) for stream, own in groupby(rows, itemgetter(0))}


def histories(
    database: Database,
    session: Session,
    streams: Mapping[int, str],
    condition: Condition = EVERY_EVENT,
) -> dict[str, list[Entry]]:
    """What a fold needs of these accounts' events, by id and in the order of versions."""
    found = by_stream(rows_of(database, session, list(streams), condition))
    return {
        id_: [entry_from(row) for row in found[stream]]
        for stream, id_ in streams.items()
        if stream in found
    }


def replays(
    database: Database,
    session: Session,
    pages: Iterable[Mapping[int, str]],
    condition: Condition = EVERY_EVENT,
) -> States:
    """The state that each account's events lead to, in the order of the pages.

    Columns are folded as they come; a history with reverts, which only a look at the whole can
    tell, is folded again.

    Args:
        pages: streams of accounts with their ids.
        condition: only events for which it holds.

    Raises:
        CorruptEventError: a row is not what modlog writes.
    """
    for page in pages:
        found = by_stream(rows_of(database, session, list(page), condition))
        for stream, id_ in page.items():
            if stream in found:
                yield id_, state_of(found[stream])


def state_of(rows: Sequence[Row]) -> AccountState:
    """The state that the rows of one account lead to."""
    state = AccountState()
    fold = state.fold
    for row in rows:
        _, version, occurred_at, type_name, schema, data, personal = row
        if type_name in _WITHOUT_EFFECT:
            if type_name == EventsReverted.TYPE:
                return replay([entry_from(row) for row in rows])
            continue
        try:
            fields = fields_from(type_name, schema, data, personal)
            since = EPOCH if type_name in _TIMELESS else from_micros(occurred_at)
            fold(type_name, version, since, fields)
        except (InvalidInputError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(row, error) from error
    _see(state, rows)
    return state


def _see(state: AccountState, rows: Sequence[Row]) -> None:
    """Take note of when events were recorded, as `AccountState.see` does."""
    latest, in_order = -sys.maxsize, True
    for row in rows:
        in_order = in_order and row[2] >= latest
        latest = max(latest, row[2])
    first = rows[0]
    begins = first[3] in EFFECTS and EFFECTS[first[3]].begins == "existence"
    state.version, state.latest = rows[-1][1], from_micros(latest)
    state.in_order = in_order and first[1] == 1 and begins


def beside(
    left: Iterator[tuple[str, _T]], right: Iterator[tuple[str, _T]]
) -> Iterator[tuple[str, _T | None, _T | None]]:
    """Two series in the order of ids, side by side; None where one has no such id."""
    one, other = next(left, None), next(right, None)
    while one or other:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], one[1], None
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(right, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(left, None), next(right, None)
