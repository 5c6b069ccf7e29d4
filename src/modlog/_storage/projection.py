"""The current state in tables: what an account's new events change in them, and reading it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Self

import orjson
from attrs import define, field

from modlog._domain.account import AccountState, StandingSanction
from modlog._domain.values import from_micros, same_json, to_micros
from modlog._errors import CorruptCacheError
from modlog._storage.codec import canonical
from modlog._storage.database import Database, Row, Session
from modlog._storage.schema import ACCOUNTS, FLAGS, SANCTIONS

_FIRST: Final = itemgetter(0)
_LAST: Final = itemgetter(-1)

# One query for all three tables, so that a single statement sees one moment.
_CARD: Final = (
    "SELECT account_id, 0, version, latest, CAST(reverted AS BIGINT), created, erased, protected,"
    " profile FROM {accounts} WHERE {where}"
    " UNION ALL SELECT account_id, 1, version, NULL, NULL, NULL, NULL, NULL, label"
    " FROM {flags} WHERE {where}"
    " UNION ALL SELECT account_id, 2, version, since, until, NULL, NULL, NULL, kind"
    " FROM {sanctions} WHERE {where}"
)


def card_sql(database: Database, where: str) -> str:
    """The query for `states_of`; its condition on `account_id` stands in it three times."""
    return _CARD.format(
        accounts=database.table("accounts"),
        flags=database.table("flags"),
        sanctions=database.table("sanctions"),
        where=where,
    )


def sanctioned_sql(database: Database, which: str) -> str:
    """'deleted', 'suspended' or 'active', by sanctions `s` alone; its one parameter is an instant.

    Args:
        which: the condition that chooses the sanctions of one account.
    """
    # One aggregate, so that no planner would rather read the sanctions of everybody: of EXISTS
    # PostgreSQL makes a table of them all, for each chunk.
    gravest = (
        "SELECT max(CASE WHEN s.kind = 'deletion' THEN 2"
        " WHEN s.until IS NULL OR s.until > ? THEN 1 END)"
        f" FROM {database.table('sanctions')} AS s WHERE {which}"
    )
    return f"CASE ({gravest}) WHEN 2 THEN 'deleted' WHEN 1 THEN 'suspended' ELSE 'active' END"


def states_of(rows: Iterable[Row]) -> dict[str, AccountState]:
    """The states that the rows of `card_sql` describe, by account.

    Raises:
        CorruptCacheError: a row is not what modlog writes.
    """
    try:
        return _states_of(rows)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise CorruptCacheError(
            f"the tables of the current state are damaged ({error}): rebuild() makes them again "
            "from the events"
        ) from error


def _states_of(rows: Iterable[Row]) -> dict[str, AccountState]:
    states: dict[str, AccountState] = {}
    parts = []
    for row in rows:
        if row[1] == 0:
            states[row[0]] = AccountState(
                version=row[2],
                latest=from_micros(row[3]),
                created=bool(row[5]),
                erased=bool(row[6]),
                protected=bool(row[7]),
                profile=_profile(row[8]),
                reverted=bool(row[4]),
            )
        else:
            parts.append(row)
    for account_id, what, version, since, until, *_, text in parts:
        # A part without its account is for `verify` to find, not for a reader to trip over.
        state = states.get(account_id) or states.setdefault(account_id, AccountState())
        if what == 1:
            state.flags[version] = text
        else:
            state.sanctions[version] = StandingSanction(
                text, from_micros(since), None if until is None else from_micros(until)
            )
    return states


def _profile(text: str) -> dict[str, Any]:
    profile = orjson.loads(text)
    if not isinstance(profile, dict):
        raise ValueError("a profile is no JSON object")
    return profile


@define
class Changes:
    """Rows of the projection to be written, collected over many accounts."""

    new_accounts: list[Row] = field(factory=list)
    moved_accounts: list[Row] = field(factory=list)
    changed_accounts: list[Row] = field(factory=list)
    new_flags: list[Row] = field(factory=list)
    gone_flags: list[Row] = field(factory=list)
    new_sanctions: list[Row] = field(factory=list)
    gone_sanctions: list[Row] = field(factory=list)

    @classmethod
    def between(cls, states: Iterable[tuple[str, AccountState, AccountState]]) -> Self:
        """What leads from one state to another, of many accounts."""
        changes = cls()
        for account_id, before, after in states:
            changes.add(account_id, before, after)
        return changes

    def add(self, account_id: str, before: AccountState, after: AccountState) -> None:
        """Note what leads from one state of an account to another."""
        self._add_account(account_id, before, after)
        if before.flags != after.flags:
            for version, label in after.flags.items():
                if version not in before.flags:
                    self.new_flags.append((account_id, version, label))
            for version in before.flags:
                if version not in after.flags:
                    self.gone_flags.append((account_id, version))
        if before.sanctions != after.sanctions:
            for version, sanction in after.sanctions.items():
                if version not in before.sanctions:
                    self.new_sanctions.append((account_id, version, *sanction_columns(sanction)))
            for version in before.sanctions:
                if version not in after.sanctions:
                    self.gone_sanctions.append((account_id, version))

    def _add_account(self, account_id: str, before: AccountState, after: AccountState) -> None:
        plain = (
            after.version,
            to_micros(after.latest),
            int(after.created),
            int(after.erased),
            int(after.protected),
            int(after.reverted),
        )
        if before.version == 0:
            self.new_accounts.append((account_id, *plain, profile_text(after)))
        elif before.profile is after.profile or same_json(before.profile, after.profile):
            self.moved_accounts.append((*plain, account_id))
        else:
            self.changed_accounts.append((*plain, profile_text(after), account_id))

    def write(self, database: Database, session: Session) -> None:
        """Write the rows, those of one table and kind together and in the order of their keys."""
        forget_flags, forget_sanctions, move, change = _statements(database.table(""))
        for rows, sql, key in (
            (self.gone_flags, forget_flags, _FIRST),
            (self.gone_sanctions, forget_sanctions, _FIRST),
            (self.moved_accounts, move, _LAST),
            (self.changed_accounts, change, _LAST),
        ):
            if rows:
                if len(rows) > 1:
                    rows.sort(key=key)
                session.many(sql, rows)
        for rows, spec in (
            (self.new_accounts, ACCOUNTS),
            (self.new_flags, FLAGS),
            (self.new_sanctions, SANCTIONS),
        ):
            if rows:
                if len(rows) > 1:
                    rows.sort(key=_FIRST)
                database.load(session, spec, spec.names, rows)


@lru_cache(maxsize=64)
def _statements(prefix: str) -> tuple[str, str, str, str]:
    """What takes flags and sanctions away, moves accounts on, and changes profiles as well."""
    moved = (
        f"UPDATE {prefix}accounts SET version = ?, latest = ?, created = ?, erased = ?,"
        " protected = ?, reverted = ?"
    )
    return (
        f"DELETE FROM {prefix}flags WHERE account_id = ? AND version = ?",
        f"DELETE FROM {prefix}sanctions WHERE account_id = ? AND version = ?",
        f"{moved} WHERE account_id = ?",
        f"{moved}, profile = ? WHERE account_id = ?",
    )


def profile_text(state: AccountState) -> str:
    """The profile as it is stored."""
    return canonical(state.profile).decode() if state.profile else "{}"


def sanction_columns(sanction: StandingSanction) -> tuple[str, int, int | None]:
    """Kind, since and until, as they are stored."""
    until = sanction.until
    return (
        sanction.kind,
        to_micros(sanction.since),
        None if until is None else to_micros(until),
    )
