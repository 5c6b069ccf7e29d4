"""Sweeps: planned, decided on, carried out, and asked about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from attrs import define
from attrs import evolve as replaced

from modlog._domain.account import Account, counting
from modlog._domain.events import (
    ActionRefused,
    Draft,
    Envelope,
    SweepApproved,
    SweepPlanned,
    SweepRejected,
)
from modlog._domain.guardrails import check_approver
from modlog._domain.selection import Selection, check_selection
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
    from_micros,
    shown,
    to_micros,
)
from modlog._errors import ConflictError, GuardrailError, InvalidInputError, SweepNotFoundError
from modlog._services.acting import check_reason, checked_actor, envelope_for, settled_actor
from modlog._services.guarding import HOUR, check_actor
from modlog._services.sweeps.chunks import (
    Executing,
    PlannedTargets,
    check_until,
    envelope_of,
)
from modlog._services.sweeps.plans import (
    Outlier,
    Progress,
    SweepLine,
    SweepOutcome,
    SweepPlan,
    SweepProgress,
)
from modlog._services.work import Work
from modlog._storage.reading import Reader
from modlog._storage.replays import histories
from modlog._storage.sweeps.acting import SweepChunks
from modlog._storage.sweeps.lists import ListDigest, pages_of
from modlog._storage.sweeps.targets import Sweeping, sweep_key
from modlog._storage.writing import Writer


@define(eq=False)
class Sweeps:
    """What sweeps need of the ledger that they belong to."""

    work: Work

    @contextmanager
    def _recording(self, action: str, envelope: Envelope) -> Iterator[None]:
        """Record that the actor's own account stops it, once the transaction is undone."""
        try:
            yield
        except GuardrailError as error:
            self.work.refused(
                str(envelope.actor.account_id), ActionRefused(action, error.rule), envelope
            )
            raise

    def check_actor(self, reader: Reader, actor: Actor, at: datetime) -> None:
        """Refuse an actor whose own account is sanctioned, where guardrails hold."""
        if self.work.guardrails.enabled:
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
        plain = sweep_arguments(action, command)
        with self._recording("plan_sweep", envelope), self.work.reader() as reader:
            sweeping = Sweeping(reader.database, reader.session)
            self.check_actor(reader, envelope.actor, self.work.present(reader))
            if isinstance(ids, Selection):
                account_ids = sweeping.selected_ids(reader.condition(ids), reader.head().position)
            else:
                account_ids = sorted(set(_ids(ids)))
            if not account_ids:
                raise InvalidInputError("a sweep needs one account at least, and got none")
            size, digest = len(account_ids), ListDigest.of(action, plain, account_ids).text()
            known = self._known(sweeping, batch, digest)
            if known:
                return SweepPlan(known, self)
            at = self.work.present(reader)
            check_until(command, at)
            # That the plan occurred when its targets were looked at tells them by their key.
            envelope = replaced(envelope, occurred_at=at)
            key = sweep_key(batch, digest, to_micros(at))
            judging = PlannedTargets(
                self.work.guardrails, reader, sweeping, action, command, envelope.actor
            )
            for page in pages_of(account_ids):
                with self.work.chunk_in(reader):
                    judging.keep(key, page, at)
            with self.work.chunk_in(reader) as writer:
                known = self._known(sweeping, batch, digest)
                if not known:
                    # Again, under the lock: much may have happened since the list was begun.
                    self.check_actor(reader, envelope.actor, writer.instant)
                    plan = SweepPlanned(
                        action=action,
                        digest=digest,
                        size=size,
                        arguments=plain,
                        guardrails=self.work.guardrails.data(),
                        needs_approval=self._needs_approval(
                            reader, sweeping, writer, size, envelope.actor
                        ),
                    )
                    writer.append([(Draft(None, 1, plan, envelope), None, None)])
                    known = sweep_of(sweeping.records(batch))
        return SweepPlan(known, self)

    def _needs_approval(
        self, reader: Reader, sweeping: Sweeping, writer: Writer, size: int, planner: Actor
    ) -> bool:
        if not self.work.guardrails.enabled:
            return False
        recent = sweeping.decisions_after(reader.position_at(before(writer.instant, HOUR)))
        return self.work.guardrails.needs_approval(
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
        with self.work.reader() as reader:
            records = Sweeping(reader.database, reader.session).records(batch_id)
        if not records:
            raise SweepNotFoundError(
                f"there is no sweep {shown(batch_id)} in this ledger: sweeps() lists them all"
            )
        return SweepPlan(sweep_of(records), self)

    def all(self) -> Iterator[SweepPlan]:
        """See `ModLog.sweeps`."""
        with self.work.reader() as reader:
            batch_ids = Sweeping(reader.database, reader.session).batch_ids()
        return (self.get(batch_id) for batch_id in batch_ids)

    def planned_counts(self, key: bytes) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        """See `SweepPlan.statuses`, `.refusals` and `.protected`."""
        with self.work.reader() as reader:
            return Sweeping(reader.database, reader.session).planned(key)

    def outliers(self, key: bytes, number: int) -> list[Outlier]:
        """See `SweepPlan.outliers`."""
        with self.work.reader() as reader:
            rows = Sweeping(reader.database, reader.session).outliers(key, number)
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
            with self.work.reader() as reader:
                rows = Sweeping(reader.database, reader.session).targets(key, after, 1_000)
            if not rows:
                return
            yield from ((account_id, status, rule) for account_id, status, _, rule in rows)
            after = rows[-1][0]

    def outcomes(self, plan: SweepPlan) -> Iterator[SweepLine]:
        """See `SweepPlan.outcomes`."""
        last = self.get(plan.batch_id).sweep.last
        after = ""
        while True:
            with self.work.reader() as reader:
                sweeping = Sweeping(reader.database, reader.session)
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
        number, after = 0, 0
        with self.work.reader() as reader:
            sweeping = Sweeping(reader.database, reader.session)
            while rows := sweeping.with_reverts(plan.batch_id, after):
                streams = {stream: id_ for _, stream, id_, _ in rows}
                found = histories(reader.database, reader.session, streams)
                for _, _, account_id, version in rows:
                    count = {entry.version for entry in counting(found[account_id])}
                    number += version not in count
                after = rows[-1][0]
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
        with self._recording(action, envelope), self.work.reader() as reader:
            sweeping = Sweeping(reader.database, reader.session)
            with self.work.chunk_in(reader) as writer:
                sweep = sweep_of(sweeping.records(plan.batch_id))
                check_undecided(sweep)
                if isinstance(decision, SweepApproved):
                    check_approver(sweep.planned.actor, envelope.actor)
                self.check_actor(reader, envelope.actor, writer.instant)
                writer.append([(Draft(None, sweep.version + 1, decision, envelope), None, None)])
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
        with self._recording("execute", envelope), self.work.reader() as reader:
            sweeping = Sweeping(reader.database, reader.session)
            chunks = SweepChunks(reader.database, reader.session)
            executing = Executing(self.check_actor, reader, sweeping, chunks, plan.batch_id, runner)
            executing.check_list()
            while True:
                with self.work.chunk_in(reader) as writer:
                    plan.sweep = executing.chunk(writer)
                if progress:
                    progress(SweepProgress(done=plan.sweep.through, total=plan.size))
                if plan.sweep.state is SweepState.COMPLETED:
                    break
        return SweepOutcome(batch_id=plan.batch_id, counts=plan.counts, plan=plan)


def _envelope(command: str, given: Mapping[str, Any], batch_id: str) -> Envelope:
    """The envelope of what happens to a sweep, which happens as it is recorded."""
    if given.get("occurred_at") is not None:
        raise InvalidInputError(
            "a sweep is planned, decided on and carried out as it is recorded: leave occurred_at "
            "out, or load what happened earlier with ingest"
        )
    return replaced(envelope_for(command, given), batch_id=batch_id, occurred_at=None)


def _ids(ids: Iterable[str | Account]) -> Iterator[str]:
    for one in checked_iterable(ids, "the ids of a sweep"):
        yield one.id if isinstance(one, Account) else checked_id(one, "account_id")
