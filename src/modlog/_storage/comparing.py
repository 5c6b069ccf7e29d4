"""The projection beside what the events lead to, account by account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from attrs import frozen

from modlog._domain.account import AccountState
from modlog._errors import CorruptEventError
from modlog._storage.checks import Finding
from modlog._storage.codec import RECORDED, as_written
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import ACCOUNT_COLUMNS, SPAN_COLUMNS, account_columns
from modlog._storage.reading import sources
from modlog._storage.rebuilding import COLUMNS, Traced, traced
from modlog._storage.replays import by_stream, rows_of

# A fold's columns of an event, and all the others.
WHOLE_COLUMNS: Final = f"e.stream, {RECORDED}"
_MOST: Final = 100
_FACETS: Final = {
    1: "existence",
    2: "flags",
    3: "protected",
    4: "sanctions",
    5: "sanctions",
    6: "erasure",
}


@frozen
class Kept:
    """What the projection has of an account: its row, if there is one, and its spans."""

    account: Row | None
    spans: frozenset[Row]


def beside_replay(
    database: Database, session: Session, page: Mapping[int, str]
) -> tuple[int, list[Finding]]:
    """How many accounts have events, and which of these or their projection are damaged.

    Args:
        database: where they lie.
        session: in which they are read.
        page: the streams of the accounts, with their ids.
    """
    found = by_stream(rows_of(database, session, list(page), columns=WHOLE_COLUMNS, tables=sources))
    findings = [
        Finding(check="events", message=message, account_id=page[stream])
        for stream, rows in found.items()
        for message in damaged(rows)
    ]
    unread = {finding.account_id for finding in findings}
    sound = {stream: id_ for stream, id_ in page.items() if id_ not in unread}
    folded = {stream: fold_rows(found.get(stream, ())) for stream in sound}
    return len(found), findings + unlike_replay(database, session, sound, folded)[1]


def quick_look(
    database: Database, session: Session, page: Mapping[int, str]
) -> tuple[dict[int, AccountState], list[Finding]]:
    """The replayed states of accounts by stream, and what is found as by `beside_replay`.

    It costs half as much, as it does not look at the characters of events.
    """
    rows = by_stream(rows_of(database, session, list(page), columns=COLUMNS))
    return unlike_replay(database, session, page, rows)


def unlike_replay(
    database: Database,
    session: Session,
    page: Mapping[int, str],
    rows: Mapping[int, Sequence[Row]],
) -> tuple[dict[int, AccountState], list[Finding]]:
    """The states that these rows, for a fold, lead to, and what in the projection is not so."""
    kept = projected(database, session, list(page))
    states: dict[int, AccountState] = {}
    findings: list[Finding] = []
    for stream, id_ in page.items():
        try:
            expected = traced(stream, id_, rows[stream]) if rows.get(stream) else None
        except CorruptEventError as error:
            findings.append(Finding(check="events", message=str(error), account_id=id_))
            continue
        if expected is not None:
            states[stream] = expected.state
        if difference := differing(expected, kept.get(stream)):
            message = f"{difference}: rebuild it"
            findings.append(Finding(check="projection", message=message, account_id=id_))
    return states, findings


def damaged(rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong with events that cannot be read, or that modlog would write otherwise."""
    for row in rows:
        try:
            as_written(row[1:])
        except CorruptEventError as error:
            yield str(error)


def fold_rows(rows: Sequence[Row]) -> list[Row]:
    """Of whole events what a fold needs, and their positions."""
    return [(row[0], row[4], row[3], row[9], row[5], *row[-2:], row[1]) for row in rows]


def projected(database: Database, session: Session, streams: Sequence[int]) -> dict[int, Kept]:
    """What the projection has of these accounts."""
    among, params = database.among("stream", streams)
    accounts = {
        row[0]: row
        for row in session.rows(
            f"SELECT {', '.join(ACCOUNT_COLUMNS)} FROM {database.table('accounts')} WHERE {among}",
            params,
        )
    }
    rows = session.rows(
        f"SELECT {', '.join(SPAN_COLUMNS)} FROM {database.table('spans')} WHERE {among}"
        " ORDER BY stream",
        params,
    )
    spans = {stream: frozenset(own) for stream, own in groupby(rows, itemgetter(0))}
    return {
        stream: Kept(accounts.get(stream), spans.get(stream, frozenset()))
        for stream in accounts.keys() | spans.keys()
    }


def differing(expected: Traced | None, kept: Kept | None) -> str:
    """In what the projection of an account differs from its events; empty if in nothing.

    Names only: values may be personal data.
    """
    if expected is None:
        return "the projection has rows of an account without events" if kept else ""
    if kept is None:
        return "the account has events and no row in the projection"
    names = _names(account_columns(expected.stream, expected.state), kept.account)
    spans = frozenset(tuple(row) for row in expected.changes.begun)
    names += sorted({_FACETS.get(row[3], "facets") for row in spans ^ kept.spans})
    return f"the projection differs from a replay in {', '.join(names)}" if names else ""


def _names(expected: Row, found: Row | None) -> list[str]:
    if found is None:
        return ["version"]
    pairs: Iterator[tuple[str, Any, Any]] = zip(ACCOUNT_COLUMNS, expected, found, strict=True)
    return [name for name, one, other in pairs if one != other]


def strays(database: Database, session: Session) -> Iterator[Finding]:
    """Rows of the projection that belong to no account's stream."""
    table = database.table
    for name in ("accounts", "spans"):
        for (stream,) in session.rows(
            f"SELECT DISTINCT stream FROM {table(name)} AS p WHERE NOT EXISTS"
            f" (SELECT 1 FROM {table('streams')} AS s WHERE s.number = p.stream"
            f" AND s.kind = 'account') LIMIT {_MOST}"
        ):
            yield Finding(
                check="projection",
                message=f"the projection has rows of stream {stream}, which is no account's: "
                "rebuild it",
            )
