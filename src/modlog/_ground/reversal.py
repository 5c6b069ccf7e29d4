"""Taking events back: what a revert of some of an account's events does, and where it ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from attrs import frozen

from modlog._ground.account import AccountState, Happened, counting, replay
from modlog._ground.events import (
    AccountErased,
    AccountNoted,
    ActionRefused,
    Entry,
    EventsReverted,
)

# An erasure cannot be undone; notes and refusals change nothing that could be.
IRREVERSIBLE: Final = (AccountErased, AccountNoted, ActionRefused)
IRREVERSIBLE_TYPES: Final = tuple(cls.TYPE for cls in IRREVERSIBLE)


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


def reversal(history: Sequence[Happened], selected: Collection[int]) -> Reversal:
    """What reverting the events of these versions does to an account with this history."""
    chosen = [entry for entry in history if entry.version in selected]
    targets = tuple(e.version for e in chosen if not isinstance(e.event, IRREVERSIBLE))
    count = {entry.version for entry in counting(history)}
    return Reversal(
        targets=targets,
        idle=tuple(version for version in targets if version not in count),
        irreversible=tuple(
            (e.version, e.event.TYPE) for e in chosen if isinstance(e.event, IRREVERSIBLE)
        ),
        before=replay(history),
        after=replay([*history, revert_of(history, targets)] if targets else history),
    )


def revert_of(history: Sequence[Happened], targets: Collection[int]) -> Entry:
    """The revert that would come next in this history, for a fold to see."""
    last = history[-1]
    return Entry(
        version=last.version + 1,
        occurred_at=last.occurred_at,
        event=EventsReverted(tuple(targets)),
    )
