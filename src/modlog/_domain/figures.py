"""Figures of sanctions and flags: what is counted, and what each number means."""

from __future__ import annotations

from typing import Final, Literal, get_args

from attrs import frozen

from modlog._domain.effects import types_where
from modlog._domain.events import AccountRestored, EventsReverted
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import InvalidInputError

By = Literal["actor", "actor_kind", "policy", "batch", "label", "day", "hour"]
BYS: Final = get_args(By)


def checked_by(by: object) -> By:
    """What figures are of.

    Raises:
        InvalidInputError: they cannot be of that.
    """
    if by not in BYS:
        raise InvalidInputError(f"by must be one of {', '.join(BYS)}, not {shown(by)}")
    return by  # type: ignore[return-value]


SANCTIONING: Final = types_where(lambda effect: effect.begins == "sanction")
FLAGGING: Final = types_where(lambda effect: effect.begins == "flag")
# An expiry is no lifting, and neither is an erasure: nobody has put anything right.
LIFTING: Final = (AccountRestored.TYPE, EventsReverted.TYPE)
AUTOMATA: Final = ("bot", "model")


@frozen(kw_only=True)
class Figures(Jsonable):
    """The figures of one actor, policy, batch, label, day or hour.

    A sanction is a deletion or suspension that took hold, and counts once, however often it
    was lifted and came back. It is lifted if it does not stand, and what ended its last stay was a
    restore or a revert. The same hand is an actor of the same kind and id. Times run on the clock
    of `occurred_at`, from the sanction to its lifting.

    Attributes:
        by: what the figures are of: kind:id of an actor, a kind, policy, batch or label, a day
            as 2026-03-09 or an hour as 2026-03-09T11:00Z (in UTC, of when the sanction or flag
            occurred); None for events without a policy or batch.
        sanctions: how many there are.
        lifted_by_others: how many of them somebody else has lifted.
        lifted_by_same: how many the hand that imposed them has lifted.
        overturn_rate: lifted by others ÷ sanctions; None without sanctions.
        median_seconds: the median of the times to the lifting, whoever lifted: for an even number
            of them the mean of the two in the middle; None if none was lifted.
        p95_seconds: the 95th percentile of these times by nearest rank: the smallest of them that
            at least 95 in 100 do not exceed.
        automated_share: sanctions by bots and models ÷ sanctions; None without sanctions.
        overturned_confidence: the mean confidence of those that others have lifted, as far as they
            have one; else None.
        upheld_confidence: likewise of those that nobody has lifted.
        flags: how many there are.
        flagged_accounts: how many accounts have them.
        busiest_hour: the hour of the clock, in UTC, with most flags, the first of several; None
            without flags.
        busiest_flags: how many flags occurred in it.
        burst: the greatest number of actors who flagged one account within one hour, from any
            minute on.
        burst_account: that account, the one that was known first of several; None without flags.
    """

    by: str | None
    sanctions: int = 0
    lifted_by_others: int = 0
    lifted_by_same: int = 0
    overturn_rate: float | None = None
    median_seconds: float | None = None
    p95_seconds: float | None = None
    automated_share: float | None = None
    overturned_confidence: float | None = None
    upheld_confidence: float | None = None
    flags: int = 0
    flagged_accounts: int = 0
    busiest_hour: str | None = None
    busiest_flags: int = 0
    burst: int = 0
    burst_account: str | None = None
