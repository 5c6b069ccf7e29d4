"""Replaying a whole log, account by account, in flat memory; and the projection made from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Final

from modlog._domain.account import AccountState, Happened, replay
from modlog._domain.effects import types_where
from modlog._domain.events import Entry, EventsReverted
from modlog._domain.values import EPOCH, from_micros
from modlog._errors import CorruptEventError, InvalidInputError
from modlog._storage.codec import EVENT_COLUMNS, event_from, fields_from, recorded_event
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import Changes, card_sql, states_of
from modlog._storage.schema import PROJECTION
from modlog._storage.selecting import EVERY_EVENT, Condition

_PAGE: Final = 5_000
# Events of one account that are kept in case of a revert; a longer history is read again.
_KEPT: Final = 1_000
# Types that change nothing, and those whose instant the state keeps.
_WITHOUT_EFFECT: Final = frozenset(types_where(lambda effect: not effect.changes_state))
_IMPOSING: Final = frozenset(types_where(lambda effect: effect.begins == "sanction"))
_FOLD_COLUMNS: Final = "account_id, version, occurred_at, type, schema, data"

_WHOLE_COLUMNS: Final = f"account_id, version, {', '.join(EVENT_COLUMNS)}"

States = Iterator[tuple[str, AccountState]]


def entry_from(row: Row) -> Entry:
    """The entry in a row of the columns that a fold needs.

    Raises:
        CorruptEventError: the row is not what modlog writes.
    """
    _, version, occurred_at, type_name, schema, data = row
    try:
        return Entry(
            version=version,
            occurred_at=from_micros(occurred_at),
            event=event_from(type_name, schema, data),
        )
    except (CorruptEventError, OverflowError, TypeError) as error:
        raise _damaged(row, error) from error


def _damaged(row: Row, error: Exception) -> CorruptEventError:
    return CorruptEventError(f"version {row[1]} of account {row[0]!a} is damaged: {error}")


def entries(
    database: Database,
    session: Session,
    condition: Condition = EVERY_EVENT,
    columns: str = _FOLD_COLUMNS,
) -> Iterator[Row]:
    """Rows of accounts' events by account and version, a page at a time.

    The columns begin with account_id and version.
    """
    sql = (
        f"SELECT {columns} FROM {database.table('events')}"
        f" WHERE (account_id, version) > (?, ?) AND account_id IS NOT NULL AND {condition.sql}"
        f" ORDER BY account_id, version LIMIT {_PAGE}"
    )
    after: tuple[Any, ...] = ("", 0)
    while rows := session.rows(sql, (*after, *condition.params)):
        yield from rows
        after = rows[-1][:2]


def histories(
    database: Database,
    session: Session,
    account_ids: Sequence[str],
    condition: Condition = EVERY_EVENT,
) -> dict[str, list[Entry]]:
    """What a fold needs of these accounts' events, in the order of versions."""
    among, params = database.among("account_id", account_ids)
    found: dict[str, list[Entry]] = {}
    for row in session.rows(
        f"SELECT {_FOLD_COLUMNS} FROM {database.table('events')}"
        f" WHERE {among} AND {condition.sql} ORDER BY account_id, version",
        (*params, *condition.params),
    ):
        found.setdefault(row[0], []).append(entry_from(row))
    return found


def replays(database: Database, session: Session, condition: Condition = EVERY_EVENT) -> States:
    """The state that each account's events lead to, in the order of ids.

    Columns are folded as they come, so that no history is too long; one with reverts, which
    only a look at the whole can tell, is folded again.

    Args:
        condition: only events for which it holds.

    Raises:
        CorruptEventError: a row is not what modlog writes.
    """
    for account_id, rows in groupby(entries(database, session, condition), itemgetter(0)):
        state, seen = _folded(rows)
        if state is None:
            if len(seen) == _KEPT:
                history = histories(database, session, [account_id], condition)[account_id]
            else:
                history = [entry_from(row) for row in seen]
            state = replay(history)
        yield account_id, state


def _folded(rows: Iterator[Row]) -> tuple[AccountState | None, list[Row]]:
    """The state that an account's rows lead to, and the first rows that it has.

    There is no state if there is a revert among the rows.
    """
    seen = list(islice(rows, _KEPT))
    state = AccountState()
    fold = state.fold
    version, latest, reverts = 0, -sys.maxsize, False
    for row in chain(seen, rows):
        _, version, occurred_at, type_name, schema, data = row
        latest = max(latest, occurred_at)
        if type_name in _WITHOUT_EFFECT:
            reverts = reverts or type_name == EventsReverted.TYPE
            continue
        try:
            fields = fields_from(type_name, schema, data)
            since = from_micros(occurred_at) if type_name in _IMPOSING else EPOCH
            fold(type_name, version, since, fields)
        except (InvalidInputError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(row, error) from error
    state.version, state.latest = version, from_micros(latest)
    return None if reverts else state, seen


def checked_replays(
    database: Database, session: Session, on_damage: Callable[[str, CorruptEventError], None]
) -> States:
    """As `replays`, from whole events, each of which is decoded with its envelope.

    Args:
        on_damage: told the account of an event that cannot be read, and why; the event then
            changes nothing.
    """
    rows = entries(database, session, columns=_WHOLE_COLUMNS)
    for account_id, some in groupby(rows, itemgetter(0)):
        state, reverts, damaged = AccountState(), False, False
        seen: list[Happened] = []
        for row in some:
            try:
                event = recorded_event(row[2:])
            except CorruptEventError as error:
                on_damage(account_id, error)
                damaged = True
                continue
            reverts = reverts or isinstance(event.event, EventsReverted)
            state.apply(event)
            if len(seen) < _KEPT:
                seen.append(event)
        if reverts and not damaged:
            if len(seen) == _KEPT:
                seen[:] = histories(database, session, [account_id])[account_id]
            state = replay(seen)
        yield account_id, state


def projected(database: Database, session: Session) -> States:
    """The states that the projection holds, in the order of ids."""
    page = (
        f"SELECT account_id FROM {database.table('accounts')} WHERE account_id > ?"
        f" UNION SELECT account_id FROM {database.table('flags')} WHERE account_id > ?"
        f" UNION SELECT account_id FROM {database.table('sanctions')} WHERE account_id > ?"
        f" ORDER BY 1 LIMIT {_PAGE}"
    )
    card = card_sql(database, "account_id > ? AND account_id <= ?")
    after = ""
    while ids := session.rows(page, (after,) * 3):
        last = ids[-1][0]
        yield from sorted(states_of(session.rows(card, (after, last) * 3)).items())
        after = last


def beside(
    left: States, right: States
) -> Iterator[tuple[str, AccountState | None, AccountState | None]]:
    """Two series of states in the order of ids, side by side; None where one has no such id."""
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


def rebuild_all(
    database: Database,
    session: Session,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Make the projection again from the events, in one transaction; how many accounts it has."""
    for table in PROJECTION:
        session.run(f"DELETE FROM {database.table(table.name)}")
    count, changes = 0, Changes()
    for account_id, state in replays(database, session):
        changes.add(account_id, AccountState(), state)
        count += 1
        if count % _PAGE == 0:
            changes.write(database, session)
            changes = Changes()
            if progress:
                progress(count)
    changes.write(database, session)
    return count
