"""The projection made anew from the events: accounts, and the spans of all that ever stood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen

from modlog._domain.account import AccountState, Moves, replay
from modlog._domain.events import EventsReverted
from modlog._domain.spans import moves_of
from modlog._domain.values import from_micros
from modlog._errors import CorruptEventError, InvalidInputError
from modlog._storage.codec import fields_from
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import Changes
from modlog._storage.replays import by_stream, entry_from, pages_of_accounts, rows_of
from modlog._storage.scripts import CACHES

# A fold's columns, and where the event stands.
COLUMNS: Final = (
    "e.stream, e.version, coalesce(e.occurred_at, a.recorded_at), a.type, a.schema, e.data,"
    " e.personal, e.position"
)


@frozen
class Traced:
    """An account as its events lead to it.

    Attributes:
        changes: the rows that a projection has of it.
    """

    stream: int
    account_id: str
    state: AccountState
    changes: Changes


def traced(stream: int, account_id: str, rows: Sequence[Row]) -> Traced:
    """What the rows of one account, in the columns above, lead to.

    Raises:
        CorruptEventError: a row is not what modlog writes.
    """
    changes = Changes()
    if any(row[3] == EventsReverted.TYPE for row in rows):
        history = [entry_from(row[:-1]) for row in rows]
        moves = [moves for _, moves in moves_of(history)]
        state = replay(history)
    else:
        state, moves = AccountState(), []
        for row in rows:
            moves.append(_moved(state, row))
    for row, move in zip(rows, moves, strict=True):
        changes.move(stream, row[-1], row[2], move)
    changes.turn(stream, AccountState(), state)
    return Traced(stream, account_id, state, changes)


def _moved(state: AccountState, row: Row) -> Moves:
    _, version, occurred_at, type_name, schema, data, personal, _ = row
    try:
        fields = fields_from(type_name, schema, data, personal)
        at = from_micros(occurred_at)
        state.see(version, at, type_name)
        return state.moved_by(type_name, version, at, fields)
    except (
        InvalidInputError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
    ) as error:
        raise CorruptEventError(
            f"version {version} of stream {row[0]} is damaged: {error}"
        ) from error


def all_traced(database: Database, session: Session) -> Iterator[list[Traced]]:
    """Every account that has events, page by page in the order of ids."""
    for page in pages_of_accounts(database, session):
        found = by_stream(rows_of(database, session, list(page), columns=COLUMNS))
        yield [
            traced(stream, id_, found[stream]) for stream, id_ in page.items() if stream in found
        ]


def rebuild_all(
    database: Database,
    session: Session,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Make the projection again from the events, in one transaction; how many accounts it has."""
    _make_missing_indexes(database, session)
    for name in CACHES:
        session.run(f"DELETE FROM {database.table(name)}")
    count = 0
    for page in all_traced(database, session):
        write_traced(database, session, page)
        count += len(page)
        if progress:
            progress(count)
    return count


def write_traced(database: Database, session: Session, accounts: Iterable[Traced]) -> None:
    """Put accounts into the projection, which has nothing of them yet."""
    changes = Changes()
    for one in accounts:
        changes.turns |= one.changes.turns
        changes.begun += one.changes.begun
    changes.write(database, session)


def _make_missing_indexes(database: Database, session: Session) -> None:
    found = database.found_objects(session)
    for name, statement in database.scripts.indexes().items():
        if name not in found:
            database.run_script(session, statement)
