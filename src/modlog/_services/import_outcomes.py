"""What became of the records of an import."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from modlog._domain.jsonable import Jsonable

# What becomes of a record that the state of its account refuses.
OnRefused = Literal["reject", "note"]


@frozen(kw_only=True)
class Rejection(Jsonable):
    """A record that an import did not take.

    Attributes:
        line: its number, from 1.
        record: the record as it was given.
        reason: why it was rejected.
        known: whether it was rejected before, and its key says so; the reason is from then.
    """

    line: int
    record: object
    reason: str
    known: bool = False


@frozen(kw_only=True)
class IngestOutcome(Jsonable):
    """What became of the records of an import.

    Attributes:
        batch_id: the name under which its events can be selected, and reverted.
        recorded: how many records led to an event.
        created: how many accounts were created because a record was the first of them.
        skipped: how many were known already, by their key or as lines of an export, or were lines
            about a sweep itself.
        late: how many of those recorded were older than their account's newest event.
        noted: how many of those recorded were refused by the state of their account, and kept
            as notes.
        rejected: those that were not taken, and why.
    """

    batch_id: str
    recorded: int = 0
    created: int = 0
    skipped: int = 0
    late: int = 0
    noted: int = 0
    rejected: list[Rejection] = field(factory=list)

    @property
    def total(self) -> int:
        """How many records were read."""
        return self.recorded + self.skipped + len(self.rejected)
