"""Questions about the past of a large log, as somebody asks them after an incident.

The log is a large one whose last tenth is a sweep, of which a few accounts have been put right.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from attrs import frozen

LOG: Final = 1_000_000
FILL: Final = "investigated"  # what is filled, as `fill_investigated`
SYSTEMS: Final = ("modlog", "floor")


@frozen
class Question:
    """A question.

    Attributes:
        what: in words, for the table.
        unit: of what is counted.
        a_second: how many of them there must be; None if the whole is to take no longer than
            `seconds`.
        seconds: see there; of a log of `LOG` events.
        has_floor: whether there is a query by hand for the same rows.
        needs: the package that must be installed for it, if modlog does not need it anyway.
    """

    what: str
    unit: str
    a_second: float | None = None
    seconds: float | None = None
    has_floor: bool = False
    needs: str | None = None

    @property
    def asked(self) -> bool:
        return self.needs is None or find_spec(self.needs) is not None

    def target(self) -> str:
        if self.a_second:
            return f"{self.a_second:,.0f} a second"
        return f"{self.seconds:,.0f} s" if self.seconds else "–"

    def is_met(self, count: int, seconds: float) -> bool | None:
        """Whether the target is met by so many in so many seconds; None if there is none."""
        if self.a_second:
            return count / seconds >= self.a_second
        return seconds <= self.seconds if self.seconds else None


# By the names of the methods that answer them.
QUESTIONS: Final = {
    "history": Question("history of one account", "accounts", 1_000, has_floor=True),
    "actor_in_time": Question("events of an actor in a time", "events", 100_000, has_floor=True),
    "batch": Question("events of a batch", "events", 100_000, has_floor=True),
    "as_of": Question("count of accounts by status, earlier", "events", has_floor=True),
    "stats": Question("figures by actor, of everything", "events", seconds=5),
    "impact": Question("impact of a batch", "events"),
    "impact_of_all": Question("impact of everything", "events"),
    "export": Question("export to JSON Lines", "events", 100_000),
    "parquet": Question("export to Parquet", "events", 100_000, needs="pyarrow"),
}


def swept(log: int) -> int:
    """How many accounts the sweep at the end of a log of so many events has deleted."""
    return log // 10


def put_right(log: int) -> int:
    """Of how many accounts the deletion was then reverted."""
    return log // 1_000
