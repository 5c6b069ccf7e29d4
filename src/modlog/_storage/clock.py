"""The one place that asks the machine for the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from modlog._domain.values import checked_instant

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def checked_clock(clock: Clock | None) -> Clock:
    """The clock that was given, its answers checked; else the machine's."""
    if clock is None:
        return system_clock
    return lambda: checked_instant(clock(), "the clock's answer")
