"""An account's state event by event, and what stood in it from when to when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from modlog._domain.account import Account, AccountState, Happened, Moves, account_at, replay
from modlog._domain.effects import effect_of
from modlog._domain.events import EventsReverted, RecordedEvent, fields_of

_H = TypeVar("_H", bound=Happened)


def moves_of(history: Sequence[_H]) -> Iterator[tuple[_H, Moves]]:
    """Each event of an account's whole history, with what it changed of what stands."""
    return ((entry, moves) for entry, moves, _ in steps_of(history))


def first_held(
    history: Sequence[RecordedEvent],
    account_id: str,
    predicate: Callable[[Account], object],
    instant: Callable[[RecordedEvent], datetime],
) -> RecordedEvent | None:
    """The event after which something first held of the account, at that instant of the event.

    It need not have held ever since, so every event is looked at, in order.
    """
    for event, _, state in steps_of(history):
        if predicate(account_at(account_id, state, instant(event))):
            return event
    return None


def steps_of(history: Sequence[_H]) -> Iterator[tuple[_H, Moves, AccountState]]:
    """Each event of an account's whole history, what it changed, and the state that it left.

    The state goes on to change with the next step.

    A revert is a replay of all that came before it, but for one that takes back just the event
    before it: that gives the state before, and keeps long chains of them cheap.
    """
    state, spare = AccountState(), None
    for index, entry in enumerate(history):
        following = history[index + 1] if index + 1 < len(history) else None
        before = state.copy() if following and _takes_back(following, entry) else None
        if not isinstance(entry.event, EventsReverted):
            state.see(entry.version, entry.occurred_at, entry.event.TYPE)
            fields = fields_of(entry.event)
            moves = state.moved_by(entry.event.TYPE, entry.version, entry.occurred_at, fields)
            yield entry, moves, state
        else:
            old = state
            if spare is None:
                state = replay(history[: index + 1])
            else:
                state = _after(spare, history[index - 1], entry)
            yield entry, Moves.between(old, state), state
        spare = before


def _takes_back(revert: Happened, entry: Happened) -> bool:
    return (
        isinstance(revert.event, EventsReverted)
        and revert.event.targets == (entry.version,)
        and effect_of(entry.event).is_revertible
    )


def _after(state: AccountState, *entries: Happened) -> AccountState:
    for entry in entries:
        state.see(entry.version, entry.occurred_at, entry.event.TYPE)
    return state
