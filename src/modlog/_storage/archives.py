"""What an archive keeps of a ledger: the rows of a range of positions, as they are stored.

Ranges end where transactions do. Beside the events and their acts stands what a ledger needs to go
on: the answers to idempotency keys, accepted clocks, what reverts were asked with, the lists of
sweeps and what became of accounts on which they did not act. The projection is made anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from attrs import frozen

from modlog._domain.events import RecordedEvent, SweepPlanned, SweepProgressed
from modlog._domain.sweeps import sweep_of
from modlog._storage.clock import CLOCK_COLUMNS
from modlog._storage.codec import ACT_COLUMNS, canonical
from modlog._storage.database import Row
from modlog._storage.keys import KEY_COLUMNS
from modlog._storage.reading import Reader
from modlog._storage.sweeps.targets import OUTCOME_COLUMNS, TARGET_COLUMNS, Sweeping, key_of

Pages = Iterator[list[Row]]
Records = Sequence[RecordedEvent]

# What is read at a time: with all its columns it is to fit into some megabytes.
PAGE: Final = 20_000
# An event with its stream; whose number, like that of its act, is the position of a first event.
EVENT_COLUMNS: Final = (
    "position",
    "stream",
    "kind",
    "id",
    "version",
    "act",
    "occurred_at",
    "data",
    "personal",
    "state",
)
REVERT_COLUMNS: Final = ("batch_id", "head", "selection")
SECRET_COLUMNS: Final = ("name", "value")
CHECKPOINT_COLUMNS: Final = ("size", "note")


@frozen
class Range:
    """The positions above one, up to another; what is archived at a time."""

    after: int
    last: int

    def pages(self) -> Iterator[Range]:
        """The parts in which its rows are read."""
        for after in range(self.after, self.last, PAGE):
            yield Range(after, min(after + PAGE, self.last))


def ledger_id(reader: Reader) -> str:
    """What a ledger, and each copy of it, is known by."""
    row = reader.session.row(
        f"SELECT value FROM {reader.database.table('meta')} WHERE name = 'ledger'"
    )
    assert row is not None, "a ledger has had its id since its tables were made"
    return str(row[0])


def next_range(reader: Reader, after: int, size: int) -> Range:
    """About so many events that follow a position, of whole transactions; none at the end."""
    head = reader.head().position
    recorded_at = reader.recorded_at(after + size) if after + size < head else None
    if recorded_at is None:
        return Range(after, max(after, head))
    return Range(after, reader.position_at(recorded_at))


def events_in(reader: Reader, part: Range) -> list[Row]:
    """The events of a range, in the columns `EVENT_COLUMNS` and in order."""
    table = reader.database.table
    return reader.session.rows(
        "SELECT e.position, e.stream, s.kind, s.id, e.version, e.act, e.occurred_at, e.data,"
        f" e.personal, e.state FROM {table('events')} AS e"
        f" JOIN {table('streams')} AS s ON s.number = e.stream"
        " WHERE e.position > ? AND e.position <= ? ORDER BY e.position",
        (part.after, part.last),
    )


def acts_in(reader: Reader, part: Range) -> list[Row]:
    """The acts that begin in a range, in the columns `ACT_COLUMNS`."""
    return _rows(reader, "acts", ACT_COLUMNS, "number > ? AND number <= ?", part.after, part.last)


def seal_of(reader: Reader, position: int) -> str:
    """The SHA-256 of the event at a position with its act, as they are stored."""
    at = Range(position - 1, position)
    (event,) = events_in(reader, at)
    act = event[EVENT_COLUMNS.index("act")]
    rows = [event, *acts_in(reader, Range(act - 1, act))]
    return sha256(canonical([[_plain(value) for value in row] for row in rows])).hexdigest()


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def targets_of(reader: Reader, whole: Range) -> Pages:
    """The lists of the sweeps that were planned in a range."""
    sweeping = Sweeping(reader.database, reader.session)
    for records in _sweeps_with(sweeping, SweepPlanned.TYPE, whole):
        key = key_of(sweep_of(records))
        after = ""
        while rows := sweeping.targets(key, after, PAGE):
            yield [(key, *row) for row in rows]
            after = rows[-1][0]


def outcomes_of(reader: Reader, whole: Range) -> Pages:
    """What became of accounts that sweeps passed by in a range."""
    sweeping = Sweeping(reader.database, reader.session)
    for records in _sweeps_with(sweeping, SweepProgressed.TYPE, whole):
        bounds = _through(records, whole.after), _through(records, whole.last)
        batch_id = str(records[0].batch_id)
        yield _rows(
            reader,
            "sweep_outcomes",
            OUTCOME_COLUMNS,
            "batch_id = ? AND account_id > ? AND account_id <= ?",
            batch_id,
            *bounds,
        )


def _sweeps_with(sweeping: Sweeping, type_name: str, whole: Range) -> Iterator[Records]:
    """The records of the sweeps that have one of a type in a range."""
    for batch_id in sweeping.batch_ids_with(type_name, whole.after, whole.last):
        yield sweeping.records(batch_id)


def _through(records: Records, position: int) -> str:
    """The account up to which a sweep was through at a position; they go by id."""
    until = [one for one in records if one.position <= position]
    return sweep_of(until).last if until else ""


def _rows(
    reader: Reader, name: str, columns: Sequence[str], condition: str, *params: Any
) -> list[Row]:
    # By the key or its beginning, so that the same rows always come in the same order.
    return reader.session.rows(
        f"SELECT {', '.join(columns)} FROM {reader.database.table(name)} WHERE {condition}"
        f" ORDER BY {', '.join(columns[:2])}",
        params,
    )


@frozen
class Kept:
    """A table beside the events, as an archive keeps it.

    Attributes:
        table: of the ledger.
        columns: of both.
        condition: which rows belong to a range: above its `:after`, up to its `:last`.
        is_whole: whether these are all rows so far, because they have no place in the log.
        read: gives them where a condition does not tell.
    """

    table: str
    columns: tuple[str, ...]
    condition: str = ""
    is_whole: bool = False
    read: Callable[[Reader, Range], Pages] | None = None

    def pages(self, reader: Reader, whole: Range) -> Pages:
        """The rows that belong to a range."""
        if self.read:
            return self.read(reader, whole)
        condition, params = self._bound(whole)
        return iter([_rows(reader, self.table, self.columns, condition, *params)])

    def number(self, reader: Reader, whole: Range) -> int:
        """How many rows belong to a range."""
        condition, params = self._bound(whole)
        row = reader.session.row(
            f"SELECT count(*) FROM {reader.database.table(self.table)} WHERE {condition}", params
        )
        assert row is not None
        return int(row[0])

    def _bound(self, whole: Range) -> tuple[str, list[int]]:
        bounds = {":after": whole.after, ":last": whole.last}
        return _BOUND.sub("?", self.condition), [bounds[b] for b in _BOUND.findall(self.condition)]


_BOUND: Final = re.compile(":after|:last")
KEPT: Final[Mapping[str, Kept]] = {
    "keys": Kept("keys", KEY_COLUMNS, "position > :after AND position <= :last"),
    # One that is accepted at a position is for the event that follows it.
    "clocks": Kept("clocks", CLOCK_COLUMNS, "position >= :after AND position < :last"),
    "sweep_targets": Kept("sweep_targets", TARGET_COLUMNS, read=targets_of),
    "sweep_outcomes": Kept("sweep_outcomes", OUTCOME_COLUMNS, read=outcomes_of),
    "secrets": Kept("secrets", SECRET_COLUMNS, "name IS NOT NULL", is_whole=True),
    # Of tiles nothing is kept: they follow from the events. A checkpoint may be made any time.
    "checkpoints": Kept("checkpoints", CHECKPOINT_COLUMNS, "size <= :last", is_whole=True),
    "reverts": Kept("reverts", REVERT_COLUMNS, "head <= :last", is_whole=True),
    "rejections": Kept("keys", KEY_COLUMNS, "position IS NULL", is_whole=True),
}
