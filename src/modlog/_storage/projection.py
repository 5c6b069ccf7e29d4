"""The current state and the recorded past in tables: what events change in them, reading them.

`modlog_accounts` has a row for each account, `modlog_spans` one for each stay of a facet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final

import orjson
from attrs import define, field, frozen

from modlog._domain.account import AccountState, Moves, Stay
from modlog._domain.effects import FACETS, Facet
from modlog._domain.values import from_micros, same_json, to_micros
from modlog._errors import CorruptCacheError
from modlog._storage.codec import canonical
from modlog._storage.database import Database, Row, Session

# How facets are written; a sanction as what it is. The greater number is the graver status.
_CODES: Final[Mapping[str, int]] = {
    "existence": 1,
    "flag": 2,
    "protection": 3,
    "suspension": 4,
    "deletion": 5,
    "erasure": 6,
}
_NAMES: Final = {code: name for name, code in _CODES.items()}
_SANCTIONS: Final = ("suspension", "deletion")
FLAG: Final = _CODES["flag"]
PROTECTION: Final = _CODES["protection"]
EXISTENCE: Final = _CODES["existence"]
# The facets on which a status depends, and those of them that are more than existence.
GRAVE: Final = (_CODES["suspension"], _CODES["deletion"], _CODES["erasure"])
OF_STATUS: Final = (EXISTENCE, *GRAVE)

ACCOUNT_COLUMNS: Final = ("stream", "version", "latest", "in_order", "profile")
SPAN_COLUMNS: Final = (
    "stream",
    "version",
    "opened",
    "facet",
    "since",
    "until",
    "label",
    "opened_at",
    "closed",
    "closed_at",
)
_CLOSED: Final = SPAN_COLUMNS.index("closed")
_FIRST: Final = itemgetter(0)
_LAST: Final = itemgetter(-1)


def codes_of(facets: Iterable[Facet]) -> tuple[int, ...]:
    """How these facets are written."""
    names = (_SANCTIONS if facet == "sanction" else (facet,) for facet in facets)
    return tuple(_CODES[name] for some in names for name in some)


def name_of(code: int) -> str:
    """What a facet is called, a sanction by its kind, that is written so."""
    return _NAMES[code]


def code_of(stay: Stay) -> int:
    """How what stands is written."""
    return _CODES[stay.kind or stay.facet]


def stay_from(code: int, since: int, until: int | None, label: str | None) -> Stay:
    """What stands, from the columns of its span."""
    name = _NAMES[code]
    end = None if until is None else from_micros(until)
    if name in _SANCTIONS:
        return Stay("sanction", from_micros(since), name, end)  # type: ignore[arg-type]
    return Stay(name, from_micros(since), label=label)  # type: ignore[arg-type]


# The status rule in SQL: the gravest of an account's spans `x`; its one parameter is the instant.
GRAVEST: Final = (
    f"max(CASE WHEN x.facet = {_CODES['suspension']} AND x.until <= ? THEN {EXISTENCE}"
    " ELSE x.facet END)"
)


def status_sql(gravest: str) -> str:
    """The status, as text, that the gravest of an account's spans amounts to."""
    return (
        f"CASE {gravest} WHEN {_CODES['erasure']} THEN 'erased'"
        f" WHEN {_CODES['deletion']} THEN 'deleted' WHEN {_CODES['suspension']} THEN 'suspended'"
        f" WHEN {EXISTENCE} THEN 'active' ELSE 'absent' END"
    )


def facets_sql(code: str) -> str:
    """What a facet is called, as text, from how it is written."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in _NAMES.items())
    return f"CASE {code} {cases} END"


def status_of_stream(database: Database, stream: str) -> str:
    """The present status of a stream, as SQL; its one parameter is the instant."""
    return status_sql(
        f"(SELECT {GRAVEST} FROM {database.table('spans')} AS x WHERE x.stream = {stream}"
        f" AND x.facet IN ({numbers(OF_STATUS)}) AND x.closed IS NULL)"
    )


def numbers(values: Iterable[int]) -> str:
    """Numbers of ours as a list in SQL."""
    return ", ".join(map(str, values))


@frozen
class Card:
    """What is kept of an account: the number of its stream, and its current state."""

    stream: int
    state: AccountState


def card_sql(database: Database, facets: Collection[Facet]) -> str:
    """The query for `cards_of` one account; its parameter, the id, stands in it twice."""
    streams = database.table("streams")
    return (
        f"SELECT s.id, 0 AS facet, s.number, c.version, c.latest, c.in_order, c.profile"
        f" FROM {streams} AS s JOIN {database.table('accounts')} AS c ON c.stream = s.number"
        " WHERE s.kind = 'account' AND s.id = ?"
        " UNION ALL SELECT s.id, x.facet, s.number, x.version, x.since, x.until, x.label"
        f" FROM {streams} AS s JOIN {database.open_spans} ON x.stream = s.number"
        f" AND x.facet IN ({_listed(facets)}) AND x.closed IS NULL"
        " WHERE s.kind = 'account' AND s.id = ?"
    )


def _listed(facets: Collection[Facet]) -> str:
    """The codes of facets as a list in SQL; without facets a number that none has."""
    return numbers(codes_of(facets) or (0,))


def cards_of_streams(
    database: Database,
    session: Session,
    streams: Mapping[int, str],
    facets: Collection[Facet] = FACETS,
) -> dict[str, Card]:
    """What is kept of these accounts, by id and in the same order."""
    if not streams:
        return {}
    # Each table is asked for the numbers themselves: where they come from another, PostgreSQL
    # would rather walk through all rows (1 s instead of 0.1 for 1,000 of 60,000 accounts).
    accounts, params = database.among("c.stream", list(streams))
    spans, _ = database.among("x.stream", list(streams))
    rows = session.rows(
        "SELECT c.stream, 0 AS facet, c.stream, c.version, c.latest, c.in_order, c.profile"
        f" FROM {database.table('accounts')} AS c WHERE {accounts}"
        " UNION ALL SELECT x.stream, x.facet, x.stream, x.version, x.since, x.until, x.label"
        f" FROM {database.table('spans')} AS x WHERE {spans}"
        f" AND x.facet IN ({_listed(facets)}) AND x.closed IS NULL",
        params * 2,
    )
    cards = cards_of(rows)
    return {id_: cards[number] for number, id_ in streams.items() if number in cards}


def cards_of(rows: Iterable[Row]) -> dict[Any, Card]:
    """What is kept of accounts, by the first column of the rows: see `card_sql`.

    Raises:
        CorruptCacheError: a row is not what modlog writes.
    """
    try:
        return _cards_of(rows)
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> CorruptCacheError:
    """What is raised where rows of the projection are not what modlog writes."""
    return CorruptCacheError(
        f"the tables of the current state are damaged ({error}): rebuild() makes them again from "
        "the events"
    )


def _cards_of(rows: Iterable[Row]) -> dict[Any, Card]:
    cards: dict[Any, Card] = {}
    spans = []
    for row in rows:
        account_id, code, stream, version, latest, in_order, profile = row
        if code:
            spans.append(row)
        else:
            state = AccountState(
                version=version,
                latest=from_micros(latest),
                in_order=bool(in_order),
                profile=_profile(profile),
            )
            cards[account_id] = Card(stream, state)
    for account_id, code, stream, version, since, until, label in spans:
        # A span without its account is for `verify` to find, not for a reader to trip over.
        card = cards.get(account_id) or cards.setdefault(account_id, Card(stream, AccountState()))
        stay = stay_from(code, since, until, label)
        card.state.stays[stay.facet][version] = stay
    return cards


def _profile(text: str) -> dict[str, Any]:
    profile = orjson.loads(text)
    if not isinstance(profile, dict):
        raise ValueError("a profile is no JSON object")
    return profile


@define
class Changes:
    """Rows of the projection to be written, collected over many events.

    Attributes:
        new: rows of accounts that are new, where no states led to them.
    """

    new: list[Row] = field(factory=list)
    turns: dict[int, tuple[AccountState, AccountState]] = field(factory=dict)
    begun: list[list[Any]] = field(factory=list)
    ended: list[Row] = field(factory=list)
    _open: dict[tuple[int, int], list[Any]] = field(factory=dict)

    def move(self, stream: int, position: int, at: int, moves: Moves) -> None:
        """Note what one event changes of what stands.

        Args:
            stream: of the account.
            position: of the event.
            at: its `occurred_at`, in microseconds.
            moves: what it changes.
        """
        for version in moves.ended:
            row = self._open.pop((stream, version), None)
            if row is None:
                self.ended.append((position, at, stream, version))
            else:
                row[_CLOSED:] = (position, at)
        for version, stay in moves.begun.items():
            since = to_micros(stay.since)
            row = [
                stream,
                version,
                position,
                _CODES[stay.kind or stay.facet],
                since,
                None if stay.until is None else to_micros(stay.until),
                stay.label,
                None if since == at else at,
                None,
                None,
            ]
            self.begun.append(row)
            self._open[stream, version] = row

    def turn(self, stream: int, before: AccountState, after: AccountState) -> None:
        """Note what an account comes to, whatever number of events led to it."""
        known = self.turns.get(stream)
        self.turns[stream] = (before if known is None else known[0], after)

    def write(self, database: Database, session: Session) -> None:
        """Write the rows, those of one table and kind together and in the order of their keys."""
        close, move, change = _statements(database.table(""))
        new, moved, changed = self._accounts()
        for rows, sql, key in (
            (self.ended, close, itemgetter(2)),  # before what begins, which may be the same again
            (moved, move, _LAST),
            (changed, change, _LAST),
        ):
            if rows:
                if len(rows) > 1:
                    rows.sort(key=key)
                session.many(sql, rows)
        loads: tuple[tuple[list[Any], str, tuple[str, ...]], ...] = (
            (new, "accounts", ACCOUNT_COLUMNS),
            (self.begun, "spans", SPAN_COLUMNS),
        )
        for rows, name, columns in loads:
            if rows:
                if len(rows) > 1:
                    rows.sort(key=_FIRST)
                database.load(session, name, columns, rows)

    def _accounts(self) -> tuple[list[Row], list[Row], list[Row]]:
        """Rows of accounts that are new, that only moved on, and that have another profile."""
        new: list[Row] = self.new
        moved: list[Row] = []
        changed: list[Row] = []
        for stream, (before, after) in self.turns.items():
            if before.version == 0:
                new.append(account_columns(stream, after))
                continue
            moves = (after.version, to_micros(after.latest), int(after.in_order))
            if before.profile is after.profile or same_json(before.profile, after.profile):
                moved.append((*moves, stream))
            else:
                changed.append((*moves, profile_text(after), stream))
        return new, moved, changed


def _statements(prefix: str) -> tuple[str, str, str]:
    """What closes spans, moves accounts on, and changes profiles as well."""
    moved = f"UPDATE {prefix}accounts SET version = ?, latest = ?, in_order = ?"
    return (
        f"UPDATE {prefix}spans SET closed = ?, closed_at = ?"
        " WHERE stream = ? AND version = ? AND closed IS NULL",
        f"{moved} WHERE stream = ?",
        f"{moved}, profile = ? WHERE stream = ?",
    )


def account_columns(stream: int, state: AccountState) -> Row:
    """An account's row, in the order of `ACCOUNT_COLUMNS`."""
    latest = to_micros(state.latest)
    return (stream, state.version, latest, int(state.in_order), profile_text(state))


def profile_text(state: AccountState) -> str:
    """The profile as it is stored."""
    return canonical(state.profile).decode() if state.profile else "{}"
