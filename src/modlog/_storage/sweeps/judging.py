"""What is asked of each target of a sweep, as SQL: its status, what refuses it, what it gets.

The target's stream is `s`, its row in the projection `c`; both are NULL if it is not known.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from modlog._domain.decisions import ClearFlags, Command, Restore
from modlog._domain.effects import Facet
from modlog._domain.guardrails import OWN_ACCOUNT, PROTECTED, RESTORED_BY_HUMAN
from modlog._storage.codec import data_texts
from modlog._storage.database import Database
from modlog._storage.projection import PROTECTION, codes_of, numbers, status_of_stream
from modlog._storage.reading import restorings

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


def known_targets(database: Database, ids: str) -> str:
    """A table or query `t` of ids with what is known of the accounts, for a FROM clause."""
    return (
        f"{ids} AS t LEFT JOIN {database.table('streams')} AS s"
        " ON s.kind = 'account' AND s.id = t.account_id"
        f" LEFT JOIN {database.table('accounts')} AS c ON c.stream = s.number"
    )


def status_of(database: Database) -> str:
    """The status at an instant, its one parameter; NULL if the account is unknown or absent."""
    status = status_of_stream(database, "s.number")
    return f"CASE WHEN s.number IS NOT NULL THEN nullif({status}, 'absent') END"


def is_protected(database: Database) -> str:
    """1 for a protected account, else 0."""
    # Aggregates, here and below, so that no planner would rather read the spans of everybody.
    return (
        f"coalesce((SELECT max(1) FROM {database.table('spans')} AS p WHERE p.stream = s.number"
        f" AND p.facet = {PROTECTION} AND p.closed IS NULL), 0)"
    )


def refusal_of(database: Database, protected: str, rules: Rules) -> Fragment:
    """The first rule that refuses an account, as SQL; NULL if none does."""
    cases: list[str] = []
    params: list[Any] = []
    if rules.spares_protected:
        cases.append(f"WHEN {protected} = 1 THEN '{PROTECTED}'")
    if rules.own_account is not None:
        cases.append(f"WHEN t.account_id = ? THEN '{OWN_ACCOUNT}'")
        params.append(rules.own_account)
    if rules.restored_since is not None:
        restored = f"(SELECT max(1) FROM {restorings(database, 's.number')})"
        cases.append(f"WHEN {restored} = 1 THEN '{RESTORED_BY_HUMAN}'")
        params.append(rules.restored_since)
    if not cases:
        return "CAST(NULL AS text)", ()
    return f"CASE {' '.join(cases)} END", tuple(params)


def planned_refusal(database: Database, command: Command, at: int, rules: Rules) -> Fragment:
    """What refuses an account when the sweep is planned, as SQL."""
    refusal, refused = refusal_of(database, is_protected(database), rules)
    status = status_of(database)
    cases = [f"CASE WHEN {status} = 'erased' THEN '{ERASED}' END", refusal]
    params: tuple[Any, ...] = (at, *refused)
    if ended_by(command):
        data, of_data = data_of_event(database, command, at)
        lacks = f"{status} <> 'erased' AND {data} IS NULL"
        cases.append(f"CASE WHEN {lacks} THEN '{NOTHING_IN_FORCE}' END")
        params = (*params, at, *of_data)
    return f"coalesce({', '.join(cases)})", params


def ended_by(command: Command) -> Facet | None:
    """The facet of which a command ends what stands, if that is what it does."""
    match command:
        case ClearFlags():
            return "flag"
        case Restore():
            return "sanction"
    return None


def data_of_event(database: Database, command: Command, at: int) -> Fragment:
    """The data of an account's event, as SQL; NULL if there is nothing to end."""
    facet = ended_by(command)
    if facet is None:
        assert not isinstance(command, ClearFlags | Restore)
        data, personal = data_texts(command)
        assert personal is None, "no sweep writes what is personal"
        return "CAST(? AS text)", (data,)
    which, params = standing(facet, at)
    name = "flags" if facet == "flag" else "lifts"
    listed = database.joined("version")
    return (
        f"(SELECT '{{\"{name}\":[' || {listed} || ']}}' FROM (SELECT x.version"
        f" FROM {database.table('spans')} AS x WHERE x.stream = s.number AND x.closed IS NULL"
        f" AND {which} ORDER BY x.version) AS standing)",
        params,
    )


def standing(facet: Facet, at: int) -> Fragment:
    """Which open spans `x` of a facet a sweep ends: all flags, and the sanctions in force."""
    which = f"x.facet IN ({numbers(codes_of([facet]))})"
    if facet == "flag":
        return which, ()
    return f"{which} AND x.since <= ? AND (x.until IS NULL OR x.until > ?)", (at, at)
