"""What is asked of each target of a sweep, as SQL: its status, what refuses it, what it gets."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from modlog._domain.decisions import ClearFlags, Command, Restore
from modlog._domain.guardrails import OWN_ACCOUNT, PROTECTED, RESTORED_BY_HUMAN
from modlog._storage.codec import data_text
from modlog._storage.database import Database
from modlog._storage.projection import sanctioned_sql

# Rules by which the state itself refuses, beside those of the guardrails.
ERASED: Final = "account-erased"
NOTHING_IN_FORCE: Final = "nothing-in-force"

# SQL and its parameters.
Fragment = tuple[str, tuple[Any, ...]]


@frozen(kw_only=True)
class Rules:
    """The rules of the guardrails that look at each account of a sweep.

    Attributes:
        spares_protected: leave out protected accounts.
        own_account: leave out this account, the actor's own.
        restored_since: leave out accounts that a human restored after this instant, in
            microseconds; None if the rule does not bind the actor.
    """

    spares_protected: bool
    own_account: str | None
    restored_since: int | None


def status_of(database: Database) -> str:
    """The status of account `a` at an instant, its one parameter; NULL if it is unknown."""
    sanctioned = sanctioned_sql(database, "s.account_id = a.account_id")
    return (
        "CASE WHEN a.account_id IS NULL THEN NULL WHEN a.erased = 1 THEN 'erased'"
        f" WHEN a.created = 0 THEN NULL ELSE {sanctioned} END"
    )


def refusal_of(database: Database, account: str, protected: str, rules: Rules) -> Fragment:
    """The first rule that refuses an account, as SQL; NULL if none does."""
    cases: list[str] = []
    params: list[Any] = []
    if rules.spares_protected:
        cases.append(f"WHEN {protected} = 1 THEN '{PROTECTED}'")
    if rules.own_account is not None:
        cases.append(f"WHEN {account} = ? THEN '{OWN_ACCOUNT}'")
        params.append(rules.own_account)
    if rules.restored_since is not None:
        cases.append(  # an aggregate, for the same reason as in `sanctioned_sql`
            f"WHEN (SELECT max(1) FROM {database.table('events')} AS r"
            f" WHERE r.account_id = {account} AND r.actor_kind = 'human'"
            " AND r.type || '' IN ('account.restored', 'events.reverted')"
            f" AND r.recorded_at > ?) = 1 THEN '{RESTORED_BY_HUMAN}'"
        )
        params.append(rules.restored_since)
    if not cases:
        return "CAST(NULL AS text)", ()
    return f"CASE {' '.join(cases)} END", tuple(params)


def planned_refusal(database: Database, command: Command, at: int, rules: Rules) -> Fragment:
    """What refuses account `i`, `a` in the projection, when the sweep is planned, as SQL."""
    refusal, refused = refusal_of(database, "i.account_id", "coalesce(a.protected, 0)", rules)
    data, of_data = data_of_event(database, command, at)
    return (
        f"coalesce(CASE WHEN a.erased = 1 THEN '{ERASED}' END, {refusal},"
        f" CASE WHEN a.created = 1 AND {data} IS NULL THEN '{NOTHING_IN_FORCE}' END)",
        (*refused, *of_data),
    )


def data_of_event(database: Database, command: Command, at: int) -> Fragment:
    """The data of an account's event, as SQL; NULL if there is nothing to act on."""
    match command:
        case ClearFlags():
            return _numbered(database, "flags", "flags", "")
        case Restore():
            sql, _ = _numbered(
                database,
                "lifts",
                "sanctions",
                " AND x.since <= ? AND (x.until IS NULL OR x.until > ?)",
            )
            return sql, (at, at)
    return "CAST(? AS text)", (data_text(command),)


def _numbered(database: Database, name: str, table: str, condition: str) -> Fragment:
    listed = database.joined("version")
    return (
        f"(SELECT '{{\"{name}\":[' || {listed} || ']}}' FROM (SELECT x.version"
        f" FROM {database.table(table)} AS x WHERE x.account_id = a.account_id{condition}"
        " ORDER BY x.version) AS standing)",
        (),
    )
