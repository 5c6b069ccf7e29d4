"""Guardrails: what may not be done even though the account's state would allow it.

Each rule is a plain function of facts that somebody else has gathered; it gives the name of the
rule that stops the action, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from math import ceil
from typing import Any, Final

from attrs import field, frozen

from modlog._domain.account import Account, Status
from modlog._domain.values import (
    Actor,
    checked_id,
    checked_iterable,
    checked_probability,
    checked_text,
    checked_truth,
    checked_whole,
    shown,
)
from modlog._errors import InvalidInputError

# Own rules: the account, the intended action; the code of a refusal, or None.
Rule = Callable[[Account, str], str | None]

PROTECTED: Final = "protected-account"
SANCTIONED_ACTOR: Final = "sanctioned-actor"
OWN_ACCOUNT: Final = "own-account"
RESTORED_BY_HUMAN: Final = "restored-by-human"
DELETION_RATE: Final = "deletion-rate"

# What takes the shield away; whatever else does is bound like it.
UNPROTECT: Final = "unprotect"
# What takes an account away from somebody.
SANCTIONS: Final = frozenset({"suspend", "delete"})
_LIMITS: Final = (
    "sweep_size",
    "sweep_share",
    "deletions_per_hour",
    "restored_days",
    "enabled",
)
# A hundred years: as long as for ever, and no instant of today less that many lies before time.
_MAX_DAYS: Final = 36_525
_AUTOMATED: Final = frozenset({"bot", "model"})


def _whole(value: Any) -> int:
    return checked_whole(value, "a guardrail's limit")


def _days(value: Any) -> int:
    return checked_whole(value, "a guardrail's days", most=_MAX_DAYS)


def _share(value: Any) -> float:
    return checked_probability(value, "a guardrail's share")


def _enabled(value: Any) -> bool:
    return checked_truth(value, "a guardrail's enabled")


def _rules(value: Any) -> tuple[Rule, ...]:
    rules = tuple(checked_iterable(value, "a guardrail's own rules"))
    if not all(callable(rule) for rule in rules):
        raise InvalidInputError("a guardrail's own rules are callables of account and action")
    for rule in rules:
        checked_text(rule_name(rule), "the name of a guardrail's own rule")
    return rules


@frozen(kw_only=True)
class Guardrails:
    """The limits within which a ledger's commands and sweeps stay.

    Imports, views and reverts are outside of them, but for the two rules on the actor: one
    whose own account is suspended or deleted can do nothing, and nobody lifts a sanction on an
    account of their own. A revert that lifts a protection is bound like `unprotect`.

    Attributes:
        sweep_size: a sweep of more accounts needs a second person's approval. What its planner
            planned within the hour before and nobody approved or rejected counts with it.
        sweep_share: so does one of more than this share of all active accounts, from 0 to 1.
        deletions_per_hour: deletions by one actor in an hour; approved sweeps are exempt.
        restored_days: for so many days a bot or model may not delete or suspend an account
            that a human restored.
        rules: the platform's own: callables that take the `Account` and the action (the
            command's name) and return the code of a refusal, or None.
        enabled: false for a ledger in which nothing is stopped; see `off`.
    """

    sweep_size: int = field(default=1_000, converter=_whole)
    sweep_share: float = field(default=0.01, converter=_share)
    deletions_per_hour: int = field(default=10_000, converter=_whole)
    restored_days: int = field(default=30, converter=_days)
    rules: tuple[Rule, ...] = field(default=(), converter=_rules)
    enabled: bool = field(default=True, converter=_enabled)

    @classmethod
    def off(cls) -> Guardrails:
        """No guardrails at all: for migrations, and for tests of something else."""
        return cls(enabled=False)

    @classmethod
    def recorded(cls, data: Mapping[str, Any]) -> Guardrails:
        """The limits that a sweep was planned under; own rules had their say then."""
        return cls(**{name: data[name] for name in _LIMITS if name in data})

    @property
    def restored_within(self) -> timedelta:
        """How long a human's restoring binds bots and models."""
        return timedelta(days=self.restored_days)

    def data(self) -> Mapping[str, Any]:
        """The limits as JSON values; own rules by their names."""
        limits = {name: getattr(self, name) for name in _LIMITS}
        return {**limits, "rules": [rule_name(rule) for rule in self.rules]}

    def needs_approval(self, size: int, count_active: Callable[[int], int]) -> bool:
        """Whether a sweep of so many accounts needs a second person.

        Args:
            size: how many accounts the sweep is about, with those of its planner's other
                sweeps that count with it.
            count_active: counts the active accounts, up to the number that would be enough.
        """
        if not self.enabled:
            return False
        if size > self.sweep_size or self.sweep_share == 0:
            return True
        enough = ceil(size / self.sweep_share)
        return count_active(enough) < enough

    def own_refusal(self, account: Account, action: str) -> str | None:
        """The code with which the first of the platform's own rules refuses, if one does."""
        for rule in self.rules:
            refusal = rule(account, action)
            if refusal is not None:
                return checked_id(refusal, f"the refusal of {rule_name(rule)}")
        return None


def rule_name(rule: Rule) -> str:
    """How an own rule is recorded."""
    return str(getattr(rule, "__name__", type(rule).__name__))


def sanctioned_actor(status: Status | None) -> str | None:
    """An actor whose own account is suspended or deleted can do nothing."""
    return SANCTIONED_ACTOR if status in (Status.SUSPENDED, Status.DELETED) else None


def own_account(actor: Actor, account_id: str, action: str) -> str | None:
    """Nobody lifts a sanction on an account of their own."""
    return OWN_ACCOUNT if action == "restore" and actor.account_id == account_id else None


def protected_account(protected: bool, action: str, actor: Actor) -> str | None:
    """A protected account is not deleted or suspended, and no machine unprotects it."""
    is_stopped = action in SANCTIONS or (action == UNPROTECT and actor.kind in _AUTOMATED)
    return PROTECTED if protected and is_stopped else None


def is_bound_by_restoring(actor: Actor, action: str) -> bool:
    """Whether a human's restoring of the account stops this actor from this action."""
    return action in SANCTIONS and actor.kind in _AUTOMATED


def looks_beyond(actor: Actor, action: str) -> bool:
    """Whether the rules ask more of the ledger than the state of the account itself.

    What they ask then may change without the account's version telling so, hence it is asked
    under the append lock: the actor's own account, what it has deleted within the hour, and
    whether a human restored the account.
    """
    is_own = actor.account_id is not None
    return is_own or action == "delete" or is_bound_by_restoring(actor, action)


def is_same_person(one: Actor, other: Actor) -> bool:
    """Whether two actors are one: by their id, of whatever kind, or by their own account."""
    same_account = one.account_id is not None and one.account_id == other.account_id
    return same_account or one.id == other.id


def check_approver(actor: Actor, approver: Actor) -> None:
    """Refuse an approval that is not a second person's.

    Raises:
        InvalidInputError: the approver is no human, or the one who acts.
    """
    if approver.kind != "human" or is_same_person(approver, actor):
        raise InvalidInputError(
            f"{approver.kind} {shown(approver.id)} cannot approve of what {actor.kind} "
            f"{shown(actor.id)} does: an approval is a second person's, a human other than the "
            "one who acts, and not from the same account"
        )
