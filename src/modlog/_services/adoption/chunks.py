"""The rows of one transaction: which of them are accounts that begin, and writing these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from attrs import define, field
from attrs import evolve as replaced

from modlog._domain.account import AccountState, evolve
from modlog._domain.events import AccountEvent, Draft, Envelope
from modlog._domain.values import is_mapping
from modlog._errors import ImportRejectedError, ModlogError, StoreError
from modlog._services.adoption.rows import Kind, Row, read_row
from modlog._services.import_outcomes import Rejection
from modlog._services.records import Unreadable, texts_in
from modlog._storage.beginnings import Beginnings, SanctionEvent
from modlog._storage.reading import Reader
from modlog._storage.writing import Batch, Writer


@define
class Arrival:
    """An account that is to begin.

    Attributes:
        row: that tells of it.
        state: what the ledger has of it, if its creation was taken back; else None.
        occurred_at: when it was created; None for the instant of the transaction.
        sanctions: that are imposed on it at once, each with when.
    """

    row: Row
    state: AccountState | None
    occurred_at: datetime | None
    sanctions: Sequence[tuple[SanctionEvent, datetime | None]] = ()

    def events(self) -> Iterator[tuple[AccountEvent, datetime | None]]:
        """Its events, in order."""
        yield self.row.created, self.occurred_at
        yield from self.sanctions


@define
class Chunk(ABC):
    """The rows of one transaction, taken one by one.

    Attributes:
        kind: of the rows.
        reader: of the ledger, in the transaction.
        instant: of the transaction.
        arrivals: what the rows have led to, by account.
        rejected: the rows that were not taken.
    """

    kind: ClassVar[Kind]
    reader: Reader
    instant: datetime
    arrivals: dict[str, Arrival] = field(factory=dict)
    rejected: list[Rejection] = field(factory=list)

    @abstractmethod
    def arriving(self, row: Row, state: AccountState | None) -> Arrival:
        """What a row of an account that does not exist leads to."""

    @abstractmethod
    def meet(self, row: Row, state: AccountState | None) -> None:
        """Take note of a row of an account that exists, or that an earlier row led to."""

    def take(self, block: Sequence[tuple[int, object]]) -> None:
        """Take rows, each with its number."""
        named = [row for _, row in block if is_mapping(row)]
        states = self.reader.states(list(set(texts_in(named, "account_id"))))
        for line, given in block:
            try:
                self._take(read_row(given, self.kind), states)
            except StoreError:
                raise
            except ModlogError as error:
                row = given.text if isinstance(given, Unreadable) else given
                self.rejected.append(Rejection(line=line, record=row, reason=str(error)))

    def _take(self, row: Row, states: dict[str, AccountState]) -> None:
        state = states.get(row.account_id)
        if row.account_id in self.arrivals or (state and (state.created or state.erased)):
            self.meet(row, state)
        else:
            self.arrivals[row.account_id] = self.arriving(row, state)

    def check_strictly(self, before: int) -> None:
        """Refuse to go on if a row was rejected.

        Raises:
            ImportRejectedError: one was.
        """
        if self.rejected:
            first = self.rejected[0]
            raise ImportRejectedError(
                f"row {first.line} cannot be taken: {first.reason}; nothing of its chunk was "
                f"written, {before} accounts before it were",
                line=first.line,
            )

    def write(self, writer: Writer, envelope: Envelope) -> None:
        """Write what the rows have led to, all under one envelope."""
        batch = Batch(writer)
        beginnings = Beginnings(batch, envelope)
        for id_, one in self.arrivals.items():
            if one.state is None:
                beginnings.add(id_, one.row.created, one.occurred_at, one.sanctions)
            else:
                _begin_again(batch, id_, one, envelope)
        writer.write(batch)


def _begin_again(batch: Batch, account_id: str, arrival: Arrival, envelope: Envelope) -> None:
    """Put the events of an account that the ledger has heard of before behind the others."""
    before = arrival.state or AccountState()
    for event, at in arrival.events():
        given = replaced(envelope, occurred_at=at)
        draft = Draft(account_id, before.version + 1, event, given)
        after = evolve(before, draft.entry(batch.writer.instant))
        batch.add(draft, before, after)
        before = after
