"""Asking the guardrails about a single command, with the facts that they need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from modlog._domain import guardrails as rules
from modlog._domain.account import Account, AccountState, account_at
from modlog._domain.events import ActionRefused, Envelope
from modlog._domain.guardrails import Guardrails, check_approver
from modlog._domain.values import Actor, before, checked_truth, shown
from modlog._errors import GuardrailError, InvalidInputError
from modlog._storage.reading import Reader

# Records that a guardrail stopped somebody, on the stream of an account.
Refuse = Callable[[str, ActionRefused, Envelope], None]

HOUR: Final = timedelta(hours=1)


@frozen(kw_only=True)
class Override:
    """That a protected account is meant all the same, and who agrees to it."""

    approved_by: Actor

    @classmethod
    def asked(
        cls, override_protection: bool, approved_by: Actor | None, actor: Actor
    ) -> Override | None:
        """What a command's arguments ask for; None if they ask for nothing.

        Raises:
            InvalidInputError: an override without a second person's approval, or the reverse.
        """
        if not checked_truth(override_protection, "override_protection"):
            if approved_by is not None:
                raise InvalidInputError("approved_by= goes with override_protection=True")
            return None
        if not isinstance(approved_by, Actor):
            raise InvalidInputError(
                "override_protection=True needs a second person's approval: approved_by="
                "Actor.human(…)"
            )
        check_approver(actor, approved_by)
        return cls(approved_by=approved_by)


@frozen(kw_only=True)
class Intended:
    """An action that somebody is about to take on an account."""

    account_id: str
    state: AccountState
    action: str
    actor: Actor
    at: datetime
    override: Override | None = None


def check_guardrails(guardrails: Guardrails, reader: Reader, intended: Intended) -> None:
    """Refuse what a guardrail stops.

    Raises:
        GuardrailError: with the rule.
    """
    rule = refusal(guardrails, reader, intended)
    if rule is not None:
        raise GuardrailError(
            f"{intended.action} of account {shown(intended.account_id)} by "
            f"{intended.actor.kind} {shown(intended.actor.id)} was refused by the guardrail "
            f"{rule}: {_ADVICE.get(rule, 'a rule of this platform')}",
            rule=rule,
        )


_ADVICE: Final = {
    rules.PROTECTED: "say override_protection=True with approved_by= a second person, "
    "or unprotect it first, which only a human may",
    rules.SANCTIONED_ACTOR: "the actor's own account is suspended or deleted",
    rules.OWN_ACCOUNT: "nobody lifts a sanction on an account of their own: ask a colleague",
    rules.RESTORED_BY_HUMAN: "a human restored it; only a human may sanction it again so soon",
    rules.DELETION_RATE: "too many deletions in an hour: plan a sweep and have it approved",
}


def refusal(guardrails: Guardrails, reader: Reader, intended: Intended) -> str | None:
    """The rule that stops it, the cheapest question first."""
    actor, action, state = intended.actor, intended.action, intended.state
    return (
        rules.own_account(actor, intended.account_id, action)
        or (intended.override is None and rules.protected_account(state.protected, action, actor))
        or refused_actor(reader, actor, intended.at)
        or (intended.override and refused_actor(reader, intended.override.approved_by, intended.at))
        or _too_soon(guardrails, reader, intended)
        or _too_many(guardrails, reader, intended)
        or (guardrails.rules and guardrails.own_refusal(_account(intended), action))
        or None
    )


def _account(intended: Intended) -> Account:
    return account_at(intended.account_id, intended.state, intended.at)


def check_actor(reader: Reader, actor: Actor, at: datetime) -> None:
    """Refuse whatever an actor does whose own account is suspended or deleted.

    Raises:
        GuardrailError: with the rule.
    """
    rule = refused_actor(reader, actor, at)
    if rule is not None:
        raise GuardrailError(
            f"{actor.kind} {shown(actor.id)} can do nothing: its own account is suspended or "
            "deleted",
            rule=rule,
        )


def refused_actor(reader: Reader, actor: Actor, at: datetime) -> str | None:
    """Whether the actor can do nothing, because its own account is suspended or deleted."""
    if actor.account_id is None:
        return None
    own = reader.states([actor.account_id]).get(actor.account_id)
    return rules.sanctioned_actor(own.status(at) if own else None)


def _too_soon(guardrails: Guardrails, reader: Reader, intended: Intended) -> str | None:
    if not rules.is_bound_by_restoring(intended.actor, intended.action):
        return None
    since = before(intended.at, guardrails.restored_within)
    found = reader.restored_by_human(intended.account_id, since)
    return rules.RESTORED_BY_HUMAN if found else None


def _too_many(guardrails: Guardrails, reader: Reader, intended: Intended) -> str | None:
    if intended.action != "delete":
        return None
    limit = guardrails.deletions_per_hour
    since = before(intended.at, HOUR)
    if limit and not reader.has_grown_by(limit, since):
        return None  # so few events cannot hold too many deletions, and this is quick to know
    done = reader.deletions_by(intended.actor, since, limit) if limit else 0
    return rules.DELETION_RATE if done >= limit else None
