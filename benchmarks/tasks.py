"""What one process is asked to measure, and what it answers; both travel as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import define, field, frozen

from benchmarks.places import Place

_T = TypeVar("_T")


@frozen(kw_only=True)
class Task:
    """One measurement: an operation, by a system, at a place.

    Attributes:
        n: how many records, events or commands.
        first: the number of the first account that commands are for.
        source: a ledger whose rows are to be written once more.
    """

    operation: str
    system: str
    place: Place
    n: int
    first: int = 0
    source: Place | None = None

    def dumped(self) -> str:
        return json.dumps(attrs.asdict(self))

    @classmethod
    def loaded(cls, text: str) -> Task:
        fields: dict[str, Any] = json.loads(text)
        for name in ("place", "source"):
            fields[name] = fields[name] and Place(**fields[name])
        return cls(**fields)


@frozen
class Measured:
    """So many things were done in so many seconds.

    Attributes:
        answer: what was found, as JSON: all systems must have found the same.
        parts: what this was made of, each a measurement by itself.
        size: of the database, in bytes, where that is what was asked.
    """

    count: int
    seconds: float
    answer: Any = None
    parts: dict[str, Measured] = field(factory=dict)
    size: int | None = None

    @classmethod
    def of(cls, **parts: Measured) -> Measured:
        """What was measured one after another, as one thing."""
        return cls(1, sum(part.seconds for part in parts.values()), parts=parts)


@define
class Stopwatch:
    """Time that runs only inside its blocks."""

    seconds: float = 0.0
    _since: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - self._since

    def so_far(self) -> float:
        """The seconds until now, from inside its block."""
        return self.seconds + time.perf_counter() - self._since

    def without(self, items: Iterable[_T], block: int = 1_000) -> Iterator[_T]:
        """The items, made while the watch stands still."""
        iterator = iter(items)
        while True:
            self.seconds += time.perf_counter() - self._since
            made = list(islice(iterator, block))
            self._since = time.perf_counter()
            if not made:
                return
            yield from made


def timed(count: int, act: Callable[[], None]) -> Measured:
    """So many things, done by one call."""
    watch = Stopwatch()
    with watch.running():
        act()
    return Measured(count, watch.seconds)


def peak_memory() -> float:
    """The most memory that this process ever had in use, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory from before the start as well
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
