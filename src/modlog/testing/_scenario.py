"""What a command leads to on a certain past, told in one sentence.

::

    given(event("account.created"), event("account.deleted")) \\
        .when("restore") \\
        .then(event("account.restored", lifts=[2]))
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import frozen

from modlog._domain.account import AccountState, replay
from modlog._domain.decisions import COMMANDS, decide
from modlog._domain.events import EVENT_CLASSES, AccountEvent, Entry, Event
from modlog._domain.values import checked_instant, shown
from modlog._errors import InvalidInputError, ModlogError

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_APART: Final = timedelta(minutes=1)
_ACCOUNT: Final = "110018"


def event(type_name: str, **fields: Any) -> Event:
    """The event of that type, such as "account.deleted"; fields with a default may be left out.

    Raises:
        InvalidInputError: no such type, or a value that the event does not take.
    """
    if type_name not in EVENT_CLASSES:
        raise InvalidInputError(f"no event has the type {shown(type_name)}")
    return EVENT_CLASSES[type_name](**fields)


def given(*events: Event | tuple[datetime, Event]) -> Past:
    """An account with these events, versions from 1, a minute apart from the start of 2026 on.

    An event may come with its own `occurred_at`, in a pair before it.
    """
    return Past(tuple(_entry(version, one) for version, one in enumerate(events, 1)))


def _entry(version: int, one: Event | tuple[datetime, Event]) -> Entry:
    at, happened = one if isinstance(one, tuple) else (_START + (version - 1) * _APART, one)
    return Entry(version=version, occurred_at=checked_instant(at, "occurred_at"), event=happened)


@frozen
class Past:
    """What has happened to an account so far."""

    entries: tuple[Entry, ...]

    def when(self, do: str, *, at: datetime | None = None, **arguments: Any) -> Decision:
        """Ask for a command, a minute after the last event unless an instant is given."""
        instant = _START + len(self.entries) * _APART if at is None else at
        try:
            command = COMMANDS[do](**arguments)
            return Decision(decide(_ACCOUNT, self.state, command, instant))
        except ModlogError as error:
            return Decision(error)

    @property
    def state(self) -> AccountState:
        """What these events lead to."""
        return replay(self.entries)


@frozen
class Decision:
    """What became of the command: an event, or the error with which it was refused."""

    outcome: AccountEvent | ModlogError

    def then(self, expected: Event) -> None:
        """It led to exactly this event."""
        if isinstance(self.outcome, ModlogError):
            raise AssertionError(f"expected {expected}, but it was refused") from self.outcome
        assert self.outcome == expected, f"expected {expected}, it led to {self.outcome}"

    def refused(self, error: type[ModlogError], match: str = "") -> None:
        """It was refused with exactly this type of error; `match` is a part of its message."""
        assert type(self.outcome) is error, f"expected {error.__name__}, got {self.outcome!r}"
        assert match in str(self.outcome), f"expected {match!r} in: {self.outcome}"
