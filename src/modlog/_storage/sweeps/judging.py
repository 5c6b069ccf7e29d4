"""What is asked of each target of a sweep, as SQL: its status, what refuses it, what it gets."""

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
_ERASED: Final = "account-erased"
_NOTHING_IN_FORCE: Final = "nothing-in-force"

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


def known(database: Database, ids: str, command: Command, at: int, rules: Rules) -> Fragment:
    """What is known of targets, as a query in which each thing is asked once.

    Args:
        database: the database.
        ids: a table or query of targets, with their `account_id`.
        command: what is to happen to the accounts.
        at: the instant, in microseconds.
        rules: of the guardrails.

    Returns:
        the query for a WITH clause, to be materialised. Beside the columns of `ids` it has the
        number of the account's `stream`, its `status` (NULL if it is unknown or absent), whether
        it is `protected` and a human has `restored` it since, and the `data` of its event (NULL
        if there is nothing to end).
    """
    status = status_of_stream(database, "s.number")
    restored = "NULL"
    since: tuple[int, ...] = ()
    if rules.restored_since is not None:
        restored = f"(SELECT max(1) FROM {restorings(database, 's.number')})"
        since = (rules.restored_since,)
    data, of_data = _data_of_event(database, command, at)
    return (
        "SELECT t.*, s.number AS stream,"
        f" CASE WHEN s.number IS NOT NULL THEN nullif({status}, 'absent') END AS status,"
        f" {_is_protected(database)} AS protected, {restored} AS restored, {data} AS data"
        f" FROM {ids} AS t LEFT JOIN {database.table('streams')} AS s"
        " ON s.kind = 'account' AND s.id = t.account_id",
        (at, *since, *of_data),
    )


def _is_protected(database: Database) -> str:
    # An aggregate, so that no planner would rather read the spans of everybody.
    return (
        f"coalesce((SELECT max(1) FROM {database.table('spans')} AS p WHERE p.stream = s.number"
        f" AND p.facet = {PROTECTION} AND p.closed IS NULL), 0)"
    )


def refusal_of(command: Command, rules: Rules) -> Fragment:
    """The first rule that refuses an account of which that is known, as SQL; NULL if none does."""
    cases = [f"WHEN status = 'erased' THEN '{_ERASED}'"]
    params: tuple[str, ...] = ()
    if rules.spares_protected:
        cases.append(f"WHEN protected = 1 THEN '{PROTECTED}'")
    if rules.own_account is not None:
        cases.append(f"WHEN account_id = ? THEN '{OWN_ACCOUNT}'")
        params = (rules.own_account,)
    if rules.restored_since is not None:
        cases.append(f"WHEN restored = 1 THEN '{RESTORED_BY_HUMAN}'")
    if ended_by(command):
        cases.append(f"WHEN status IS NOT NULL AND data IS NULL THEN '{_NOTHING_IN_FORCE}'")
    return f"CASE {' '.join(cases)} END", params


def ended_by(command: Command) -> Facet | None:
    """The facet of which a command ends what stands, if that is what it does."""
    match command:
        case ClearFlags():
            return "flag"
        case Restore():
            return "sanction"
    return None


def _data_of_event(database: Database, command: Command, at: int) -> Fragment:
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
