"""What a revert would come to, is asked for, and has done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack
from uuid import uuid4

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._domain.account import Account, Status, account_at
from modlog._domain.events import (
    Envelope,
    RecordedEvent,
)
from modlog._domain.jsonable import Jsonable
from modlog._domain.reverts import Remark, remarks, reversal
from modlog._domain.selection import Selection
from modlog._domain.values import checked_callable, checked_id, shown
from modlog._errors import InvalidInputError
from modlog._services.acting import RevertGiven, envelope_for

if TYPE_CHECKING:
    from modlog._services.reverts.reverting import Reverting

OnConflict = Literal["itemise", "raise"]
Progress = Callable[["RevertProgress"], object]


@frozen(kw_only=True)
class RevertProgress(Jsonable):
    """How far a revert has come.

    Attributes:
        done: accounts that are through.
        total: accounts that have targets.
    """

    done: int
    total: int


@frozen(kw_only=True)
class RevertLine(Jsonable):
    """What a revert does to one account.

    Attributes:
        account_id: the account.
        before: the account as it was when the plan was made.
        after: the account as it would be.
        targets: versions of the selected events that the revert names.
        idle: those of them that did not count anyway, because they were reverted before.
        irreversible: selected events that no revert can name, by version and type.
        standing: the events whose sanctions still stand afterwards: by whom, why, which batch.
        remarks: what lies outside the ledger, for the platform to act on.
    """

    account_id: str
    before: Account
    after: Account
    targets: tuple[int, ...]
    idle: tuple[int, ...]
    irreversible: tuple[tuple[int, str], ...]
    standing: tuple[RecordedEvent, ...]
    remarks: tuple[Remark, ...]


@frozen(kw_only=True)
class RevertOutcome(Jsonable):
    """What a revert did.

    Attributes:
        batch_id: its own; reverting that batch takes the revert back.
        reverted: accounts whose events were reverted, by this call.
        already: accounts that an earlier call under the same batch_id had done.
        refused: accounts left alone by a guardrail: the actor's own, with a sanction to lift; and
            those whose protection would be lifted by an actor who may not unprotect them.
        changed: accounts left alone, because newer events lead elsewhere than the plan showed.
        targets: events that were reverted, by this call.
        irreversible: selected events that no revert can name: type → number.
    """

    batch_id: str
    reverted: int
    already: int
    refused: tuple[str, ...]
    changed: tuple[str, ...]
    targets: int
    irreversible: Mapping[str, int]


@define(eq=False)
class RevertPlan(Jsonable):
    """What reverting a selection would come to. It writes nothing until `apply`.

    A plan means the selection as of the head it remembers: later events never join it.

    Attributes:
        selection: the events to be taken back.
        head: the last position that the plan saw.
        accounts: how many accounts have events to be reverted.
        targets: how many events would be reverted.
        idle: how many of those do not count anyway, because they are reverted already.
        irreversible: selected events that no revert can name: type → number.
        moves: how many accounts go from which status to which.
        unprotects: how many accounts would lose their protection; those that who applies the
            plan may not unprotect are left alone.
    """

    _also: ClassVar = ("before", "after")
    _apart: ClassVar = ("moves",)

    selection: Selection
    head: int
    accounts: int
    targets: int
    idle: int
    irreversible: Mapping[str, int]
    moves: Mapping[tuple[Status, Status], int]
    unprotects: int
    _reverting: Reverting = field(repr=False)

    @property
    def before(self) -> Mapping[Status, int]:
        """How many of the accounts have each status, zeros included."""
        return self._statuses(0)

    @property
    def after(self) -> Mapping[Status, int]:
        """How many of the accounts would have each status, zeros included."""
        return self._statuses(1)

    def _statuses(self, side: int) -> Mapping[Status, int]:
        counts: Counter[Status] = Counter()
        for move, number in self.moves.items():
            counts[move[side]] += number
        return {status: counts[status] for status in Status}

    def lines(self) -> Iterator[RevertLine]:
        """Every account that the selection touches, in the order of ids, streaming."""
        return self._reverting.lines(self)

    def apply(
        self,
        *,
        batch_id: str | None = None,
        on_conflict: OnConflict = "itemise",
        progress: Progress | None = None,
        **given: Unpack[RevertGiven],
    ) -> RevertOutcome:
        """Take the events back, 10,000 accounts a transaction.

        An account that has newer events is reverted if that still leads to what the plan
        showed; else it is left alone and itemised as changed.

        Args:
            batch_id: the revert's own; a new one is made if left out. After a crash, applying
                a plan of the same selection under the same batch_id goes on where it stopped.
            on_conflict: "raise" instead of itemising; the chunk is then not written.
            progress: called after each transaction with a `RevertProgress`.
            **given: reason (due), actor, policy, occurred_at, correlation_id, confidence,
                metadata; what is not given comes from `acting`.

        Raises:
            ConflictError: the batch_id belongs to something else; or, with on_conflict="raise",
                an account has changed.
            MissingReasonError, MissingActorError: a revert tells who and why.
            GuardrailError: the actor's own account is suspended or deleted.
        """
        return self._reverting.apply(self, asked_for(batch_id, on_conflict, progress, given))


@frozen
class Asked:
    """How a revert is to be recorded, and what its caller wants to be told."""

    batch_id: str
    envelope: Envelope
    on_conflict: OnConflict
    progress: Progress | None


def asked_for(
    batch_id: str | None,
    on_conflict: OnConflict,
    progress: Progress | None,
    given: Mapping[str, Any],
) -> Asked:
    """What `RevertPlan.apply` and `ModLog.revert` are given, checked and completed."""
    if on_conflict not in ("itemise", "raise"):
        raise InvalidInputError(f"on_conflict must be itemise or raise, not {shown(on_conflict)}")
    batch = f"revert-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
    envelope = replaced(envelope_for("revert", given), batch_id=batch)
    return Asked(batch, envelope, on_conflict, checked_callable(progress, "progress"))


def line_of(
    account_id: str, history: Sequence[RecordedEvent], versions: Sequence[int], at: datetime
) -> RevertLine:
    found = reversal(history, frozenset(versions))
    before = account_at(account_id, found.before, at)
    after = replaced(account_at(account_id, found.after, at), version=before.version)
    return RevertLine(
        account_id=account_id,
        before=before,
        after=after,
        targets=found.targets,
        idle=found.idle,
        irreversible=found.irreversible,
        standing=tuple(event for event in history if event.version in after.sanctions),
        remarks=remarks(before, after),
    )
