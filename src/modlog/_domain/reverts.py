"""Taking events back: what a revert of some of an account's events does, and where it ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from attrs import evolve as replaced
from attrs import frozen

from modlog._domain.account import Account, AccountState, Happened, Status, counting, replay
from modlog._domain.effects import effect_of
from modlog._domain.events import Entry, EventsReverted
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import EPOCH, same_json, shown


@frozen(kw_only=True)
class Reversal:
    """What reverting the selected events of one account comes to.

    Attributes:
        targets: every revertible event that was selected, whether it counts now or not.
        idle: those of them that do not count anyway, because they are reverted already.
        irreversible: selected events that no revert can name, by version and type.
        before: the state as it is.
        after: the state as if the targets had never been recorded.
    """

    targets: tuple[int, ...]
    idle: tuple[int, ...]
    irreversible: tuple[tuple[int, str], ...]
    before: AccountState
    after: AccountState

    @property
    def unprotects(self) -> bool:
        """Whether it takes the shield from the account."""
        return self.before.protected and not self.after.protected


def reversal(history: Sequence[Happened], selected: Collection[int]) -> Reversal:
    """What reverting the events of these versions does to an account with this history."""
    chosen = [entry for entry in history if entry.version in selected]
    targets = tuple(one.version for one in chosen if effect_of(one.event).is_revertible)
    count = {entry.version for entry in counting(history)}
    return Reversal(
        targets=targets,
        idle=tuple(version for version in targets if version not in count),
        irreversible=tuple(
            (one.version, one.event.TYPE)
            for one in chosen
            if not effect_of(one.event).is_revertible
        ),
        before=replay(history),
        after=replay([*history, revert_of(history, targets)] if targets else history),
    )


@frozen(kw_only=True)
class Remark(Jsonable):
    """What the ledger does not put right by itself, for a platform to act on.

    Attributes:
        code: of a revert name-may-be-taken, account-ceases, profile-changes, messages-were-sent
            or protection-changes; of an impact still-sanctioned, otherwise-sanctioned,
            still-flagged, messages-were-sent or name-may-be-taken.
        message: the same in words.
    """

    code: str
    message: str


NAME_MAY_BE_TAKEN: Final = Remark(
    code="name-may-be-taken",
    message="the account comes back: its name may belong to somebody else by now",
)
MESSAGES_WERE_SENT: Final = Remark(
    code="messages-were-sent",
    message="whoever was told of the sanction has to be told that it is taken back",
)


def remarks(before: Account, after: Account) -> tuple[Remark, ...]:
    """What lies outside the ledger when an account goes from one state to the other."""
    gone = (Status.DELETED, Status.ABSENT)
    found = {
        NAME_MAY_BE_TAKEN.code: before.status in gone
        and after.status not in gone
        and NAME_MAY_BE_TAKEN.message,
        "account-ceases": before.status is not Status.ABSENT
        and after.status is Status.ABSENT
        and "its creation is taken back: it ceases to exist",
        "profile-changes": not same_json(before.profile, after.profile)
        and f"write back to the platform's own tables: {_differing(before, after)}",
        MESSAGES_WERE_SENT.code: before.sanctions.keys() - after.sanctions.keys()
        and MESSAGES_WERE_SENT.message,
        "protection-changes": before.protected != after.protected
        and f"it will {'be' if after.protected else 'no longer be'} protected",
    }
    return tuple(Remark(code=code, message=str(text)) for code, text in found.items() if text)


def _differing(before: Account, after: Account) -> str:
    keys = {**before.profile, **after.profile}
    return ", ".join(
        sorted(
            shown(key)
            for key in keys
            if not same_json(before.profile.get(key), after.profile.get(key))
        )
    )


def same_outcome(one: AccountState, other: AccountState) -> bool:
    """Whether two states are the same but for the events that led to them."""
    apart: dict[str, Any] = {"version": 0, "latest": EPOCH, "in_order": True}
    return replaced(one, **apart) == replaced(other, **apart)


def revert_of(history: Sequence[Happened], targets: Collection[int]) -> Entry:
    """The revert that would come next in this history, for a fold to see."""
    last = history[-1]
    return Entry(
        version=last.version + 1,
        occurred_at=last.occurred_at,
        event=EventsReverted(tuple(targets)),
    )
