"""A sweep: one decision for many accounts, as a fold of its own stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from attrs import frozen

from modlog._domain import events
from modlog._domain.decisions import COMMANDS, Command
from modlog._domain.events import RecordedEvent
from modlog._domain.guardrails import is_same_person
from modlog._domain.telling import plain
from modlog._domain.values import Actor, shown
from modlog._errors import CorruptEventError, InvalidInputError, SweepStateError

ACTIONS: Final = ("delete", "suspend", "flag", "clear_flags", "restore")
# The arguments that an action of a sweep takes; which flags or sanctions is each account's own.
_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "suspend": ("until",),
    "flag": ("label", "score"),
}


class SweepState(StrEnum):
    """Where a sweep stands."""

    PLANNED = "planned"
    APPROVED = "approved"
    REJECTED = "rejected"
    RUNNING = "running"
    COMPLETED = "completed"


class Outcome(StrEnum):
    """What became of one account of a sweep."""

    DONE = "done"
    REFUSED = "refused"
    ALREADY = "already"
    UNKNOWN = "unknown"
    CHANGED = "changed"


@frozen(kw_only=True)
class Sweep:
    """A sweep as its records tell it.

    Attributes:
        planned: the record of its plan: who, why, when, under which policy.
        state: planned, approved, rejected, running or completed.
        approved_by: the record of the approval, if there is one.
        through: how many targets are through.
        last: the last account that is through, in the order of ids.
        outcomes: how many accounts had which outcome so far.
        version: of the last record.
    """

    planned: RecordedEvent
    plan: events.SweepPlanned
    state: SweepState
    approved_by: RecordedEvent | None
    through: int
    last: str
    outcomes: Mapping[str, int]
    version: int


def sweep_of(records: Iterable[RecordedEvent]) -> Sweep:
    """The sweep that these records, from the first, lead to.

    Raises:
        CorruptEventError: the first is no plan.
    """
    first, *rest = records
    if not isinstance(first.event, events.SweepPlanned):
        raise CorruptEventError(
            f"sweep {shown(first.batch_id)} begins with {first.type}, not with its plan: its first "
            "records are gone or were changed"
        )
    state, approval = SweepState.PLANNED, None
    through, last, outcomes, version = 0, "", {}, first.version
    for record in rest:
        version = record.version
        match record.event:
            case events.SweepApproved() if record.event.digest == first.event.digest:
                state, approval = SweepState.APPROVED, record
            case events.SweepRejected():
                state = SweepState.REJECTED
            case events.SweepProgressed():
                state, through = SweepState.RUNNING, record.event.through
                last, outcomes = record.event.last, dict(record.event.outcomes)
            case events.SweepCompleted():
                state, outcomes = SweepState.COMPLETED, dict(record.event.outcomes)
    return Sweep(
        planned=first,
        plan=first.event,
        state=state,
        approved_by=approval,
        through=through,
        last=last,
        outcomes=outcomes,
        version=version,
    )


def sweep_command(action: str, arguments: Mapping[str, Any]) -> Command:
    """The command that a sweep gives each account.

    Raises:
        InvalidInputError: an action that no sweep has, or an argument that it does not take.
    """
    if action not in ACTIONS:
        raise InvalidInputError(
            f"a sweep's action is one of {', '.join(ACTIONS)}, not {shown(action)}"
        )
    allowed = _ARGUMENTS.get(action, ())
    for name in arguments:
        if name not in allowed:
            raise InvalidInputError(f"a sweep with action={action} takes no {name}")
    if action == "flag" and "label" not in arguments:
        raise InvalidInputError("a sweep with action=flag needs a label")
    return COMMANDS[action](**arguments)


def sweep_arguments(action: str, command: Command) -> dict[str, Any]:
    """The arguments of a sweep's command as JSON values."""
    return {name: plain(getattr(command, name)) for name in _ARGUMENTS.get(action, ())}


def check_executable(sweep: Sweep) -> None:
    """Refuse to carry out what was rejected, or lacks the approval that it needs.

    Raises:
        SweepStateError: with what to do.
    """
    batch_id = shown(sweep.planned.batch_id)
    if sweep.state is SweepState.REJECTED:
        raise SweepStateError(f"sweep {batch_id} was rejected: plan another one")
    if sweep.plan.needs_approval and sweep.approved_by is None:
        raise SweepStateError(
            f"sweep {batch_id} of {sweep.plan.size} accounts needs the approval of a second "
            "person, for itself or with what else its planner planned within the hour: "
            "approve(actor=…)"
        )


def size_without_approval(records: Iterable[RecordedEvent], planner: Actor) -> int:
    """How many accounts somebody's sweeps have that may be carried out without an approval.

    Whatever their action, and an account twice if two of them have it: else one large sweep
    could be had as many small ones.

    Args:
        records: of sweeps, in order; others than plans and decisions are passed over.
        planner: whose.
    """
    sizes: dict[str | None, int] = {}
    for record in records:
        match record.event:
            case events.SweepPlanned() if is_same_person(record.actor, planner):
                if not record.event.needs_approval:
                    sizes[record.batch_id] = record.event.size
            case events.SweepApproved() | events.SweepRejected():
                sizes.pop(record.batch_id, None)
    return sum(sizes.values())


def check_list(sweep: Sweep, size: int, digest: str) -> None:
    """Refuse to act on another list than the one that was planned and approved.

    Args:
        sweep: the sweep.
        size: how many accounts are on the list that was found.
        digest: of that list.

    Raises:
        SweepStateError: with both lists, and what to do.
    """
    if (size, digest) != (sweep.plan.size, sweep.plan.digest):
        raise SweepStateError(
            f"the list of sweep {shown(sweep.planned.batch_id)} was changed after it was planned: "
            f"the plan is for {sweep.plan.size} accounts with the digest {sweep.plan.digest}, and "
            f"there are {size} with the digest {digest}; nothing of it is carried out: find out "
            "who changes the ledger's tables, and plan another sweep"
        )


def check_piece(sweep: Sweep, after: str, last: str, *, same: bool) -> None:
    """Refuse to act on a part of the list that is not what its check has just seen.

    Raises:
        SweepStateError: with the part, and what to do.
    """
    if not same:
        raise SweepStateError(
            f"the list of sweep {shown(sweep.planned.batch_id)} was changed while it was carried "
            f"out: the accounts after {shown(after)} up to {shown(last)} are not those of the "
            f"digest {sweep.plan.digest}, and nothing was done to them: find out who changes the "
            "ledger's tables, and plan another sweep"
        )


def check_undecided(sweep: Sweep) -> None:
    """Refuse a decision on a sweep that has one, or that is under way.

    Raises:
        SweepStateError: with the state that it has.
    """
    if sweep.state is not SweepState.PLANNED:
        raise SweepStateError(
            f"sweep {shown(sweep.planned.batch_id)} is {sweep.state}: only a planned one is "
            "approved or rejected"
        )
