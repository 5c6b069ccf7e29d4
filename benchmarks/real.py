"""A real log, four years of Wikipedia's block log: what it costs to load, and as it grows."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import define, field

import modlog
from benchmarks.places import Place, size
from benchmarks.tasks import Measured, Stopwatch
from modlog.importers.mediawiki import records

BLOCK_LOG: Final = Path(__file__).parents[2] / "shared" / "data" / "enwiki" / "2005-2008.jsonl.gz"
LINES: Final = 767_238
_BATCH: Final = "enwiki/2005-2008"


@define
class Loading:
    """A load of so many lines.

    Attributes:
        watch: stands still while lines are read and made into records.
        marks: after each chunk, how many records were loaded, and the seconds until then.
    """

    lines: int
    watch: Stopwatch = field(factory=Stopwatch)
    marks: list[Measured] = field(factory=list)

    def into(self, log: modlog.ModLog, place: Place) -> Measured:
        """Load them; the parts are the first and the last fifth, the answer what it came to."""
        with self.watch.running():
            outcome = log.ingest(
                self.watch.without(records(self._read())), _BATCH, progress=self._mark
            )
        fifth = max(1, len(self.marks) // 5)
        parts = {
            "first_fifth": self._between(-1, fifth - 1),
            "last_fifth": self._between(len(self.marks) - 1 - fifth, len(self.marks) - 1),
        }
        answer = {"events": log.head, "rejected": len(outcome.rejected)}
        return Measured(outcome.total, self.watch.seconds, answer, parts, size(place))

    def _read(self) -> Iterator[str]:
        with gzip.open(BLOCK_LOG, "rt", encoding="utf-8") as file:
            yield from islice(file, self.lines)

    def _mark(self, outcome: modlog.IngestOutcome) -> None:
        self.marks.append(Measured(outcome.total, self.watch.so_far()))

    def _between(self, first: int, last: int) -> Measured:
        """From behind one chunk to behind another."""
        begin = self.marks[first] if first >= 0 else Measured(0, 0.0)
        end = self.marks[last]
        return Measured(end.count - begin.count, end.seconds - begin.seconds)
