"""Sweeps: one decision for many accounts, planned, looked at, approved and carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._domain.account import Account, counting
from modlog._domain.events import (
    ActionRefused,
    Draft,
    Envelope,
    RecordedEvent,
    SweepApproved,
    SweepPlanned,
    SweepRejected,
)
from modlog._domain.guardrails import Guardrails, check_approver
from modlog._domain.selection import Selection
from modlog._domain.sweeps import (
    Outcome,
    Sweep,
    SweepState,
    check_undecided,
    size_without_approval,
    sweep_arguments,
    sweep_command,
    sweep_of,
)
from modlog._domain.values import (
    Actor,
    before,
    checked_callable,
    checked_id,
    checked_iterable,
    checked_whole,
    from_micros,
    shown,
    to_micros,
)
from modlog._errors import ConflictError, GuardrailError, InvalidInputError, SweepNotFoundError
from modlog._services.acting import check_reason, checked_actor, envelope_for, settled_actor
from modlog._services.guarding import HOUR, Refuse, check_actor
from modlog._services.reverts import check_selection
from modlog._services.sweep_chunks import (
    Executing,
    PlannedTargets,
    check_until,
    envelope_of,
    key_of,
)
from modlog._storage.selecting import EVERY_EVENT
from modlog._storage.store import Reader, Writer
from modlog._storage.sweeps.acting import SweepChunks
from modlog._storage.sweeps.targets import Sweeping, sweep_key

_SHOWN: Final = 10

Progress = Callable[["SweepProgress"], object]


@frozen(kw_only=True)
class SweepProgress:
    """How far a sweep has come.

    Attributes:
        done: targets that are through.
        total: all targets.
    """

    done: int
    total: int


@frozen(kw_only=True)
class SweepLine:
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
class Outlier:
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
class SweepOutcome:
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
class SweepPlan:
    """A sweep, from its plan to its end: something to look at, to approve and to carry out.

    Attributes:
        sweep: the sweep as its records told it when this object last looked.
    """

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

    def approve(self, **given: Any) -> SweepPlan:
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

    def reject(self, **given: Any) -> SweepPlan:
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


@define(eq=False)
class Sweeps:
    """What sweeps need of the ledger that they belong to."""

    guardrails: Guardrails
    _working: Callable[[], AbstractContextManager[Reader]]
    _writing: Callable[[Reader], AbstractContextManager[Writer]]
    _series: Callable[[Reader, int], AbstractContextManager[None]]
    _now: Callable[[Reader], datetime]
    _refuse: Refuse

    @contextmanager
    def _recording(self, action: str, envelope: Envelope) -> Iterator[None]:
        """Record that the actor's own account stops it, once the transaction is undone."""
        try:
            yield
        except GuardrailError as error:
            self._refuse(
                str(envelope.actor.account_id), ActionRefused(action, error.rule), envelope
            )
            raise

    def check_actor(self, reader: Reader, actor: Actor, at: datetime) -> None:
        """Refuse an actor whose own account is sanctioned, where guardrails hold."""
        if self.guardrails.enabled:
            check_actor(reader, actor, at)

    # Planning

    def plan(
        self,
        ids: Iterable[str | Account] | Selection,
        action: str,
        arguments: Mapping[str, Any],
        batch_id: str | None,
        given: Mapping[str, Any],
    ) -> SweepPlan:
        """See `ModLog.plan_sweep`."""
        action = checked_id(action, "action")
        command = sweep_command(action, arguments)
        batch = f"sweep-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
        envelope = _envelope("sweep", given, batch)
        if isinstance(ids, Selection):
            check_selection(ids, everything=False)
        with self._recording("plan_sweep", envelope), self._working() as reader:
            sweeping = Sweeping(reader.store.database, reader.session)
            self.check_actor(reader, envelope.actor, self._now(reader))
            if isinstance(ids, Selection):
                sweeping.gather_selected(reader.condition(ids), reader.head().position)
            else:
                sweeping.gather_ids(_ids(ids))
            plain = sweep_arguments(action, command)
            size, digest, ranges = sweeping.size_and_digest(action, plain)
            if not size:
                raise InvalidInputError("a sweep needs one account at least, and got none")
            known = self._known(sweeping, batch, digest)
            if known:
                return SweepPlan(known, self)
            at = self._now(reader)
            check_until(command, at)
            # That the plan occurred when its targets were looked at tells them by their key.
            envelope = replaced(envelope, occurred_at=at)
            key = sweep_key(batch, digest, to_micros(at))
            judging = PlannedTargets(
                self.guardrails, reader, sweeping, action, command, envelope.actor
            )
            for after, last in ranges:
                with self._writing(reader):
                    judging.keep(key, after, last, at)
            with self._writing(reader) as writer:
                known = self._known(sweeping, batch, digest)
                if not known:
                    # Again, under the lock: much may have happened since the list was begun.
                    self.check_actor(reader, envelope.actor, writer.instant)
                    plan = SweepPlanned(
                        action=action,
                        digest=digest,
                        size=size,
                        arguments=plain,
                        guardrails=self.guardrails.data(),
                        needs_approval=self._needs_approval(
                            reader, sweeping, writer, size, envelope.actor
                        ),
                    )
                    writer.append([Draft(None, 1, plan, envelope)], {})
                    known = sweep_of(sweeping.records(batch))
        return SweepPlan(known, self)

    def _needs_approval(
        self, reader: Reader, sweeping: Sweeping, writer: Writer, size: int, planner: Actor
    ) -> bool:
        if not self.guardrails.enabled:
            return False
        recent = sweeping.decisions_after(reader.position_at(before(writer.instant, HOUR)))
        return self.guardrails.needs_approval(
            size + size_without_approval(recent, planner),
            lambda enough: sweeping.active(writer.at, enough),
        )

    def _known(self, sweeping: Sweeping, batch_id: str, digest: str) -> Sweep | None:
        records = sweeping.records(batch_id)
        if records:
            sweep = sweep_of(records)
            if sweep.plan.digest != digest:
                raise ConflictError(
                    f"the batch_id {shown(batch_id)} belongs to a sweep of other accounts or with "
                    "another action: leave it out, and the sweep gets one of its own"
                )
            return sweep
        if sweeping.is_taken(batch_id):
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to other events: leave it out, and the "
                "sweep gets one of its own"
            )
        return None

    # Looking

    def get(self, batch_id: str) -> SweepPlan:
        """See `ModLog.sweep`."""
        batch_id = checked_id(batch_id, "batch_id")
        with self._working() as reader:
            records = Sweeping(reader.store.database, reader.session).records(batch_id)
        if not records:
            raise SweepNotFoundError(
                f"there is no sweep {shown(batch_id)} in this ledger: sweeps() lists them all"
            )
        return SweepPlan(sweep_of(records), self)

    def all(self) -> Iterator[SweepPlan]:
        """See `ModLog.sweeps`."""
        with self._working() as reader:
            batch_ids = Sweeping(reader.store.database, reader.session).batch_ids()
        return (self.get(batch_id) for batch_id in batch_ids)

    def planned_counts(self, key: bytes) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        """See `SweepPlan.statuses`, `.refusals` and `.protected`."""
        with self._working() as reader:
            return Sweeping(reader.store.database, reader.session).planned(key)

    def outliers(self, key: bytes, number: int) -> list[Outlier]:
        """See `SweepPlan.outliers`."""
        with self._working() as reader:
            rows = Sweeping(reader.store.database, reader.session).outliers(key, number)
        return [
            Outlier(
                account_id=account_id,
                status=status,
                since=from_micros(since),
                why=tuple(
                    name
                    for name, holds in (
                        ("protected", protected),
                        ("never-flagged", not flagged),
                        ("imported", imported),
                    )
                    if holds
                ),
            )
            for account_id, status, protected, flagged, since, imported in rows
        ]

    def targets(self, key: bytes) -> Iterator[tuple[str, str | None, str | None]]:
        """See `SweepPlan.targets`."""
        after = ""
        while True:
            with self._working() as reader:
                rows = Sweeping(reader.store.database, reader.session).targets(key, after, 1_000)
            if not rows:
                return
            yield from ((account_id, status, rule) for account_id, status, _, rule in rows)
            after = rows[-1][0]

    def outcomes(self, plan: SweepPlan) -> Iterator[SweepLine]:
        """See `SweepPlan.outcomes`."""
        last = self.get(plan.batch_id).sweep.last
        after = ""
        while True:
            with self._working() as reader:
                sweeping = Sweeping(reader.store.database, reader.session)
                rows = sweeping.outcomes(plan.batch_id, plan._key, after, last)
            if not rows:
                return
            for account_id, outcome, rule in rows:
                yield SweepLine(
                    account_id=account_id, outcome=Outcome(outcome or Outcome.DONE), rule=rule
                )
            after = rows[-1][0]

    def reverted(self, plan: SweepPlan) -> int:
        """See `SweepPlan.reverted`."""
        sweep = self.get(plan.batch_id).sweep
        number, after = 0, ""
        with self._working() as reader:
            sweeping = Sweeping(reader.store.database, reader.session)
            while some := sweeping.with_reverts(plan.batch_id, plan._key, after, sweep.last):
                for account_id, history in reader.histories(list(some), EVERY_EVENT).items():
                    count = {entry.version for entry in counting(history)}
                    number += some[account_id] not in count
                after = max(some)
        return number

    # Deciding

    def decide(
        self, plan: SweepPlan, decision: SweepApproved | SweepRejected, given: Mapping[str, Any]
    ) -> None:
        """Record an approval or a rejection."""
        envelope = _envelope("approve", given, plan.batch_id)
        if isinstance(decision, SweepRejected):
            check_reason("sweep", envelope.reason)
        action = "approve" if isinstance(decision, SweepApproved) else "reject"
        with self._recording(action, envelope), self._working() as reader:
            sweeping = Sweeping(reader.store.database, reader.session)
            with self._writing(reader) as writer:
                sweep = sweep_of(sweeping.records(plan.batch_id))
                check_undecided(sweep)
                if isinstance(decision, SweepApproved):
                    check_approver(sweep.planned.actor, envelope.actor)
                self.check_actor(reader, envelope.actor, writer.instant)
                writer.append([Draft(None, sweep.version + 1, decision, envelope)], {})
                plan.sweep = sweep_of(sweeping.records(plan.batch_id))

    # Carrying out

    def execute(
        self, plan: SweepPlan, progress: Progress | None, actor: Actor | None
    ) -> SweepOutcome:
        """See `SweepPlan.execute`."""
        checked_callable(progress, "progress")
        given = None if actor is None else checked_actor(actor, "actor")
        runner = given or settled_actor("a sweep", plan.sweep.planned.actor)
        envelope = replaced(envelope_of(plan.sweep), actor=runner)
        with self._recording("execute", envelope), self._working() as reader:
            sweeping = Sweeping(reader.store.database, reader.session)
            chunks = SweepChunks(reader.store.database, reader.session)
            chunks.make_table()
            executing = Executing(self.check_actor, reader, sweeping, chunks, plan.batch_id, runner)
            executing.check_list()
            with self._series(reader, plan.size):
                while True:
                    with self._writing(reader) as writer:
                        plan.sweep = executing.chunk(writer)
                    if progress:
                        progress(SweepProgress(done=plan.sweep.through, total=plan.size))
                    if plan.sweep.state is SweepState.COMPLETED:
                        break
            chunks.drop_table()
        return SweepOutcome(batch_id=plan.batch_id, counts=plan.counts, plan=plan)


def _envelope(command: str, given: Mapping[str, Any], batch_id: str) -> Envelope:
    """The envelope of what happens to a sweep, which happens as it is recorded."""
    if given.get("occurred_at") is not None:
        raise InvalidInputError(
            "a sweep is planned, decided on and carried out as it is recorded: leave occurred_at "
            "out, or load what happened earlier with ingest"
        )
    return replaced(envelope_for(command, given), batch_id=batch_id, occurred_at=None)


def _checked_number(number: object) -> int:
    return checked_whole(number, "the number of accounts")


def _ids(ids: Iterable[str | Account]) -> Iterator[str]:
    for one in checked_iterable(ids, "the ids of a sweep"):
        yield one.id if isinstance(one, Account) else checked_id(one, "account_id")
