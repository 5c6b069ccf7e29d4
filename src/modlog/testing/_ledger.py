"""A ledger in memory, a clock for it, and commands as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import modlog
from modlog._domain.decisions import COMMANDS
from modlog._domain.events import RecordedEvent
from modlog._domain.values import checked_instant, shown
from modlog._errors import InvalidInputError
from modlog._services.ledger import ModLog

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class MovableClock:
    """A clock that shows the same instant until it is told to show another.

    Args:
        start: what it shows first, an aware datetime; the beginning of 2026 if left out.
    """

    def __init__(self, start: datetime = _START) -> None:
        self.set(start)

    def __call__(self) -> datetime:
        """The instant that it shows, in UTC."""
        return self._now

    def __repr__(self) -> str:
        return f"MovableClock({self._now.isoformat()})"

    def move(self, by: timedelta | float) -> datetime:
        """Go on by so much time or so many seconds, back if negative; the new instant."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self.set(self._now + step)

    def set(self, instant: datetime) -> datetime:
        """Show this instant, in UTC.

        Raises:
            InvalidInputError: not an aware datetime.
        """
        self._now = checked_instant(instant, "a clock's instant")
        return self._now


@contextmanager
def ledger(clock: Callable[[], datetime] | None = None) -> Iterator[ModLog]:
    """An empty ledger in memory, gone at the end of the block.

    Args:
        clock: what it takes its time from, most often a `MovableClock` that the test keeps; if
            left out, one that stands still at the beginning of 2026.
    """
    with modlog.open("sqlite://", clock=clock or MovableClock()) as log:
        yield log


def perform(log: ModLog, command: Mapping[str, Any], **given: Any) -> RecordedEvent:
    """Carry out a command that stands in a mapping, as `commands` draws it.

    Args:
        command: `do` (the command's name), `account_id`, and the command's own arguments.
        **given: what every command takes besides: actor, reason, idempotency_key, …

    Raises:
        InvalidInputError: no command has that name.
        ModlogError: whatever the command itself raises.
    """
    arguments = dict(command)
    name = arguments.pop("do", None)
    if name not in COMMANDS:
        raise InvalidInputError(f"do must be one of {', '.join(COMMANDS)}, not {shown(name)}")
    recorded: RecordedEvent = getattr(log, name)(**arguments, **given)
    return recorded
