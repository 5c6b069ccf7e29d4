"""A sweep to look at, to approve and to carry out; and what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack

from attrs import define, field, frozen

from modlog._domain.events import (
    RecordedEvent,
    SweepApproved,
    SweepRejected,
)
from modlog._domain.jsonable import Jsonable
from modlog._domain.sweeps import (
    Outcome,
    Sweep,
    SweepState,
)
from modlog._domain.values import (
    Actor,
    checked_whole,
)
from modlog._services.acting import SweepGiven
from modlog._storage.sweeps.targets import key_of

if TYPE_CHECKING:
    from modlog._services.sweeps.sweeping import Sweeps

_SHOWN: Final = 10

Progress = Callable[["SweepProgress"], object]


@frozen(kw_only=True)
class SweepProgress(Jsonable):
    """How far a sweep has come.

    Attributes:
        done: targets that are through.
        total: all targets.
    """

    done: int
    total: int


@frozen(kw_only=True)
class SweepLine(Jsonable):
    """What became of one account of a sweep.

    Attributes:
        account_id: the account.
        outcome: done, refused, already, unknown or changed.
        rule: by which rule, if it was refused.
    """

    account_id: str
    outcome: Outcome
    rule: str | None


@frozen(kw_only=True)
class Outlier(Jsonable):
    """A target that is unlike the others, to be looked at before all else.

    Attributes:
        account_id: the account.
        status: its status when the sweep was planned.
        since: when the ledger first heard of it.
        why: never-flagged, protected, imported: what makes it stand out.
    """

    account_id: str
    status: str
    since: datetime
    why: tuple[str, ...]


@frozen(kw_only=True)
class SweepOutcome(Jsonable):
    """What a sweep did.

    Attributes:
        batch_id: of the sweep; reverting that batch takes it back.
        counts: how many accounts had which outcome: done, refused, already, unknown, changed.
    """

    batch_id: str
    counts: Mapping[str, int]
    _plan: SweepPlan = field(repr=False)

    def accounts(self) -> Iterator[SweepLine]:
        """Every target that is through and what became of it, in the order of ids, streaming."""
        return self._plan.outcomes()


@define(eq=False, slots=False)
class SweepPlan(Jsonable):
    """A sweep, from its plan to its end: something to look at, to approve and to carry out.

    Attributes:
        sweep: the sweep as its records told it when this object last looked.
    """

    _also: ClassVar = (
        "batch_id",
        "state",
        "action",
        "arguments",
        "size",
        "counts",
        "actor",
        "reason",
        "policy",
        "planned_at",
        "needs_approval",
        "approved_by",
    )
    _apart: ClassVar = ("sweep",)

    sweep: Sweep
    _sweeps: Sweeps = field(repr=False)

    # What is planned

    @property
    def batch_id(self) -> str:
        """The name of the sweep, and of everything that it does."""
        return str(self.sweep.planned.batch_id)

    @property
    def action(self) -> str:
        """delete, suspend, flag, clear_flags or restore."""
        return self.sweep.plan.action

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The action's arguments as JSON values."""
        return dict(self.sweep.plan.arguments)

    @property
    def size(self) -> int:
        """How many accounts it is about."""
        return self.sweep.plan.size

    @property
    def digest(self) -> str:
        """The SHA-256 of action, arguments and ids, to which an approval is bound."""
        return self.sweep.plan.digest

    @property
    def state(self) -> SweepState:
        """planned, approved, rejected, running or completed."""
        return self.sweep.state

    @property
    def planned(self) -> RecordedEvent:
        """The record of the plan: who, why, when, under which policy."""
        return self.sweep.planned

    @property
    def actor(self) -> Actor:
        """Who planned it."""
        return self.sweep.planned.actor

    @property
    def reason(self) -> str | None:
        """Why, in words."""
        return self.sweep.planned.reason

    @property
    def policy(self) -> str | None:
        """The code of the rule that is applied."""
        return self.sweep.planned.policy

    @property
    def planned_at(self) -> datetime:
        """When the plan was recorded."""
        return self.sweep.planned.recorded_at

    @property
    def approved_by(self) -> Actor | None:
        """The second person, if there is one."""
        return self.sweep.approved_by.actor if self.sweep.approved_by else None

    @property
    def needs_approval(self) -> bool:
        """Whether nothing happens before a second person approves."""
        return self.sweep.plan.needs_approval

    @property
    def counts(self) -> Mapping[str, int]:
        """How many accounts had which outcome so far, zeros included."""
        return {str(outcome): self.sweep.outcomes.get(outcome, 0) for outcome in Outcome}

    @cached_property
    def _looked_at(self) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        return self._sweeps.planned_counts(self._key)

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many targets had which status when the sweep was planned, or were unknown.

        Those that are deleted already get a further cause, if the action is to delete.
        """
        return self._looked_at[0]

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many targets will be refused, by rule."""
        return self._looked_at[1]

    @property
    def protected(self) -> int:
        """How many targets are protected; they are left out."""
        return self._looked_at[2]

    @property
    def _key(self) -> bytes:
        return key_of(self.sweep)

    def outliers(self, number: int = _SHOWN) -> list[Outlier]:
        """The targets that are least like the others: never flagged first, then the oldest.

        Raises:
            InvalidInputError: number is not a number from 0.
        """
        return self._sweeps.outliers(self._key, _checked_number(number))

    def targets(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Every target: id, status when planned (None: unknown), rule that refuses it or None."""
        return self._sweeps.targets(self._key)

    def sample(self, number: int = _SHOWN) -> list[str]:
        """Some targets, evenly spread over all of them.

        Raises:
            InvalidInputError: number is not a number from 0.
        """
        step = max(1, self.size // max(1, _checked_number(number)))
        return [id_ for id_, *_ in islice(self.targets(), 0, step * number, step)]

    # What is done with it

    def approve(self, **given: Unpack[SweepGiven]) -> SweepPlan:
        """Approve of exactly this plan, as a second person.

        Args:
            **given: actor (a human other than the planner), reason and correlation_id; what is
                not given comes from `acting`.

        Raises:
            InvalidInputError: the approver is no second person.
            SweepStateError: the sweep is not waiting for a decision.
        """
        self._sweeps.decide(self, SweepApproved(self.digest), given)
        return self

    def reject(self, **given: Unpack[SweepGiven]) -> SweepPlan:
        """Say that this plan will not be carried out. A reason is due.

        Raises:
            MissingReasonError: no reason was given.
            SweepStateError: the sweep is not waiting for a decision.
        """
        self._sweeps.decide(self, SweepRejected(self.digest), given)
        return self

    def execute(
        self, *, progress: Progress | None = None, actor: Actor | None = None
    ) -> SweepOutcome:
        """Carry the sweep out, 10,000 accounts a transaction; go on where it stopped.

        Its events are the planner's decision; the records of its progress name who ran it.

        Args:
            progress: called after each transaction with a `SweepProgress`.
            actor: who runs it; else the one of `acting`, else the planner.

        Raises:
            SweepStateError: it was rejected, or lacks the approval that it needs.
            GuardrailError: the planner's or the actor's own account is sanctioned.
        """
        return self._sweeps.execute(self, progress, actor)

    def outcomes(self) -> Iterator[SweepLine]:
        """Every target that is through and what became of it, in the order of ids, streaming."""
        return self._sweeps.outcomes(self)

    def reverted(self) -> int:
        """On how many accounts what the sweep did does not count now, because it was reverted."""
        return self._sweeps.reverted(self)


def _checked_number(number: object) -> int:
    return checked_whole(number, "the number of accounts")
