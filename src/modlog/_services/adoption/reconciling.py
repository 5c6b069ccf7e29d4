"""A platform's own table beside the ledger: what the two do not agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, get_args

from attrs import define, field, frozen

from modlog._domain.account import Status
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import checked_callable, checked_id, checked_truth, is_mapping
from modlog._errors import InvalidInputError
from modlog._services.adoption.rows import TO_COMPARE, Numbered, Row, numbered_rows, read_row
from modlog._services.blocks import blocks
from modlog._services.work import Work
from modlog._storage.standing import Standing, Standings

DifferenceKind = Literal["unknown here", "unknown there", "status", "until", "unreadable"]
DIFFERENCES: Final[tuple[DifferenceKind, ...]] = get_args(DifferenceKind)
# Rows that are looked up together.
_BLOCK: Final = 10_000


@frozen(kw_only=True)
class Difference(Jsonable):
    """Something on which a platform's table and the ledger do not agree.

    Attributes:
        kind: "unknown here", if the ledger has no such account; "unknown there", if no row has
            it; "status"; "until", if both have it suspended, but until different instants; or
            "unreadable", a row that could not be compared.
        account_id: the account; None if a row does not tell.
        here: its status in the ledger, if it is known there.
        there: its status in the table, if it is known there.
        here_until: when its suspension ends by the ledger; None for never.
        there_until: when it ends by the table; None for never.
        line: the number of the row; None if no row has the account.
        reason: why a row could not be compared.
    """

    kind: DifferenceKind
    account_id: str | None
    here: Status | None = None
    there: Status | None = None
    here_until: datetime | None = None
    there_until: datetime | None = None
    line: int | None = None
    reason: str | None = None


@define(eq=False)
class Reconciliation(Jsonable):
    """The differences between a platform's table and the ledger, one by one as they are found.

    To be gone through once; the numbers are those so far.

    Attributes:
        head: the position in the log of which the statuses are.
        total: how many rows were read.
        counts: how many differences of each kind were found.
    """

    head: int
    total: int = 0
    counts: Counter[DifferenceKind] = field(factory=Counter)
    _found: Iterator[Difference] = field(init=False, factory=lambda: iter(()), repr=False)

    def __iter__(self) -> Iterator[Difference]:
        return self

    def __next__(self) -> Difference:
        difference = next(self._found)
        self.counts[difference.kind] += 1
        return difference

    @property
    def same(self) -> bool:
        """Whether no difference was found, among what was gone through."""
        return not self.counts


def reconcile(
    work: Work,
    rows: Iterable[object] | Numbered,
    *,
    hard_deletes: bool,
    progress: Callable[[Reconciliation], object] | None,
) -> Reconciliation:
    """See `ModLog.reconcile`."""
    hard_deletes = checked_truth(hard_deletes, "hard_deletes")
    checked_callable(progress, "progress")
    with work.reader() as reader:
        head = reader.head()
        at = work.instant(head.recorded_at)
    found = Reconciliation(head.position)
    comparing = _Comparing(work, Standings(head.position, at), found, hard_deletes, progress)
    found._found = comparing.differences(numbered_rows(rows))
    return found


@define
class _Comparing:
    """A comparison under way; no connection is held while it waits for rows or for its reader."""

    work: Work
    standings: Standings
    found: Reconciliation
    hard_deletes: bool
    progress: Callable[[Reconciliation], object] | None

    def differences(self, rows: Iterator[tuple[int, object]]) -> Iterator[Difference]:
        for block in blocks(rows, _BLOCK):
            yield from self._of_rows(block)
            self.found.total += len(block)
            if self.progress:
                self.progress(self.found)
        yield from self._left_over()

    def _of_rows(self, block: Sequence[tuple[int, object]]) -> Iterator[Difference]:
        read: list[tuple[int, Row]] = []
        unreadable: list[Difference] = []
        for line, given in block:
            try:
                read.append((line, read_row(given, TO_COMPARE)))
            except InvalidInputError as error:
                unreadable.append(_unreadable(line, given, error))
        ids = {row.account_id for _, row in read}
        # Whoever stands in a row that cannot be read is not unknown there.
        ids.update(one.account_id for one in unreadable if one.account_id is not None)
        with self.work.reader() as reader:
            standings = self.standings.of(reader, sorted(ids))
        yield from unreadable
        for line, row in read:
            yield from self._of_row(line, row, standings.get(row.account_id))

    def _of_row(self, line: int, row: Row, here: Standing | None) -> Iterator[Difference]:
        there = row.status_at(self.standings.at)
        until = row.until if there is Status.SUSPENDED else None
        kind: DifferenceKind
        if here is None:
            kind = "unknown here"
        elif here.status is not there and not (_is_gone(here) and there is Status.DELETED):
            kind = "status"
        elif row.tells_until and here.until != until:
            kind = "until"
        else:
            return
        yield Difference(
            kind=kind,
            account_id=row.account_id,
            here=here.status if here else None,
            there=there,
            here_until=here.until if here else None,
            there_until=until,
            line=line,
        )

    def _left_over(self) -> Iterator[Difference]:
        after = 0
        while after < self.standings.head:
            with self.work.reader() as reader:
                left, after = self.standings.left_over(reader, after)
            yield from self._unknown_there(left)

    def _unknown_there(self, left: Mapping[str, Standing]) -> Iterator[Difference]:
        for account_id, here in left.items():
            if _is_gone(here) or (self.hard_deletes and here.status is Status.DELETED):
                continue
            yield Difference(
                kind="unknown there",
                account_id=account_id,
                here=here.status,
                here_until=here.until,
            )


def _is_gone(here: Standing) -> bool:
    """Whether nothing is left of an account, so that a platform need not have it any more."""
    return here.status is Status.ERASED


def _unreadable(line: int, given: object, error: InvalidInputError) -> Difference:
    account_id = given.get("account_id") if is_mapping(given) else None
    try:
        known = checked_id(account_id, "account_id")
    except InvalidInputError:
        known = None
    return Difference(kind="unreadable", account_id=known, line=line, reason=str(error))
