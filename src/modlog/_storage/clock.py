"""The one place that asks the machine for the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, UTC, datetime

from modlog._domain.values import checked_instant, instant_text, shown
from modlog._errors import ClockError, InvalidInputError

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def checked_clock(clock: Clock | None) -> Clock:
    """The clock that was given, its answers checked; else the machine's."""
    if clock is None:
        return system_clock
    if not callable(clock):
        raise InvalidInputError(f"clock= takes something to call, not {shown(clock)}")
    return lambda: _checked(clock())


def _checked(answer: object) -> datetime:
    now = checked_instant(answer, "the clock's answer")
    if now.year == MAXYEAR:
        # Each transaction is later than the one before it: after the last instant there is none.
        raise ClockError(
            f"the clock says {instant_text(now)}, in the last year that there is: set it right; "
            "nothing was written"
        )
    return now
