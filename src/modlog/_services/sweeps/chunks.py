"""What a sweep does with its targets: they are kept with its plan, and acted on chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import define, field
from attrs import evolve as replaced

from modlog._domain.account import AccountState, account_at
from modlog._domain.decisions import Command
from modlog._domain.events import (
    AccountDeleted,
    AccountSuspended,
    Draft,
    Envelope,
    Event,
    SweepCompleted,
    SweepProgressed,
)
from modlog._domain.guardrails import Guardrails, is_bound_by_restoring
from modlog._domain.sweeps import (
    Sweep,
    SweepState,
    check_executable,
    check_list,
    check_piece,
    sweep_command,
    sweep_of,
)
from modlog._domain.values import Actor, before, instant_text, to_micros
from modlog._errors import InvalidInputError
from modlog._services.guarding import HOUR
from modlog._storage.reading import Reader
from modlog._storage.sweeps.acting import Judging, SweepChunks
from modlog._storage.sweeps.judging import Rules
from modlog._storage.sweeps.lists import ListDigest, Piece, listed_pages, pieces_of
from modlog._storage.sweeps.targets import Range, Sweeping, key_of
from modlog._storage.writing import Writer

# Accounts in a transaction.
CHUNK: Final = 10_000

CheckActor = Callable[[Reader, Actor, datetime], None]


@define
class PlannedTargets:
    """Keeps the targets of a sweep, with the rules that refuse some of them."""

    guardrails: Guardrails
    reader: Reader
    sweeping: Sweeping
    action: str
    command: Command
    actor: Actor

    def keep(self, key: bytes, ids: Sequence[str], at: datetime) -> None:
        """Keep a page of them."""
        rules_ = _rules_for(self.guardrails, self.action, self.actor, at)
        if not self.guardrails.rules:
            self.sweeping.keep_targets(key, ids, self.command, to_micros(at), rules_)
            return
        refused = self.sweeping.judge(ids, self.command, to_micros(at), rules_)
        states = self.reader.states(ids)
        self.sweeping.keep_judged(
            [
                self._row(key, account_id, states.get(account_id), refused.get(account_id), at)
                for account_id in ids
            ]
        )

    def _row(
        self,
        key: bytes,
        account_id: str,
        state: AccountState | None,
        rule: str | None,
        at: datetime,
    ) -> tuple[Any, ...]:
        if state is None or not (state.created or state.erased):
            return (key, account_id, None, int(bool(state and state.protected)), rule)
        account = account_at(account_id, state, at)
        own = rule or self.guardrails.own_refusal(account, self.action)
        return (key, account_id, str(account.status), int(account.protected), own)


def _rules_for(guardrails: Guardrails, action: str, actor: Actor, at: datetime) -> Rules:
    """The rules that look at each account of a sweep."""
    if not guardrails.enabled:
        return Rules(spares_protected=False, own_account=None, restored_since=None)
    bound = is_bound_by_restoring(actor, action)
    return Rules(
        spares_protected=True,
        own_account=actor.account_id if action == "restore" else None,
        restored_since=to_micros(before(at, guardrails.restored_within)) if bound else None,
    )


@define
class Executing:
    """A sweep that is being carried out.

    Attributes:
        check_actor: refuses whoever can do nothing by now.
        acted_on: accounts ahead that the batch has acted on, though not by this sweep's turn.
        seen: the position up to which that is known.
    """

    check_actor: CheckActor
    reader: Reader
    sweeping: Sweeping
    chunks: SweepChunks
    batch_id: str
    runner: Actor
    acted_on: set[str] = field(factory=set)
    seen: int = 0
    _pieces: dict[str, Piece] = field(factory=dict, init=False)

    def check_list(self) -> None:
        """Hash the whole list, which takes no lock, and keep what its pieces are known by.

        Raises:
            SweepStateError: it is not the list of the plan, or it may not be carried out.
        """
        sweep = sweep_of(self.sweeping.records(self.batch_id))
        if sweep.state is SweepState.COMPLETED:
            return
        check_executable(sweep)
        digest = ListDigest(sweep.plan.action, sweep.plan.arguments)
        pages = listed_pages(self.sweeping.database, self.sweeping.session, key_of(sweep))
        pieces = {
            piece.after: piece for piece in pieces_of(digest.passing(pages), sweep.last, CHUNK)
        }
        check_list(sweep, digest.size, digest.text())
        self._pieces = pieces

    def _piece(self, sweep: Sweep) -> Piece:
        """What comes next on the list."""
        if sweep.last not in self._pieces:
            self.check_list()  # another process came in between, with pieces of its own
        return self._pieces[sweep.last]

    def chunk(self, writer: Writer) -> Sweep:
        """Carry out the next chunk, if there is one; the sweep afterwards."""
        sweep = sweep_of(self.sweeping.records(self.batch_id))
        if sweep.state is SweepState.COMPLETED:
            return sweep
        check_executable(sweep)
        for actor in (self.runner, sweep.planned.actor):
            self.check_actor(self.reader, actor, writer.instant)
        piece = self._piece(sweep)
        targets = Range(self.batch_id, key_of(sweep), piece.after, piece.last)
        outcomes, found = self._act(writer, sweep, targets)
        check_piece(sweep, piece.after, piece.last, same=found == piece.fingerprint)
        self._record(writer, sweep, piece.last, piece.size, outcomes)
        self.seen = writer.head.position
        return sweep_of(self.sweeping.records(self.batch_id))

    def _act(self, writer: Writer, sweep: Sweep, targets: Range) -> tuple[dict[str, int], bytes]:
        """Write what happens to the targets; how many had which outcome, and which they were."""
        action, planner = sweep.plan.action, sweep.planned.actor
        command = sweep_command(action, sweep.plan.arguments)
        check_until(command, writer.instant)
        guardrails = Guardrails.recorded(sweep.plan.guardrails)
        self.acted_on.update(self.chunks.acted_on(targets, max(self.seen, sweep.planned.position)))
        judging = Judging(
            command,
            _rules_for(guardrails, action, planner, writer.instant),
            [id_ for id_ in self.acted_on if targets.after < id_ <= targets.last],
        )
        allowed = None
        if isinstance(command, AccountDeleted) and guardrails.enabled and not sweep.approved_by:
            allowed = self._allowed(guardrails.deletions_per_hour, planner, writer.instant)
        return self.chunks.act(writer, targets, judging, envelope_of(sweep), allowed)

    def _allowed(self, limit: int, planner: Actor, at: datetime) -> int:
        """How many accounts the planner may delete now, before the hour is over."""
        return max(limit - self.reader.deletions_by(planner, before(at, HOUR), max(limit, 1)), 0)

    def _record(
        self, writer: Writer, sweep: Sweep, last: str, number: int, outcomes: Mapping[str, int]
    ) -> None:
        total = dict(Counter(sweep.outcomes) + Counter(outcomes))
        through = sweep.through + number
        records: list[Event] = [SweepProgressed(through, last, total)]
        if through == sweep.plan.size:
            records.append(SweepCompleted(total))
        envelope = replaced(envelope_of(sweep), actor=self.runner)
        writer.append(
            [
                (Draft(None, sweep.version + i, record, envelope), None, None)
                for i, record in enumerate(records, 1)
            ]
        )


def envelope_of(sweep: Sweep) -> Envelope:
    """The envelope of what it does, which is the planner's decision."""
    planned = sweep.planned
    return Envelope(
        actor=planned.actor,
        reason=planned.reason,
        policy=planned.policy,
        batch_id=planned.batch_id,
        confidence=planned.confidence,
        correlation_id=planned.correlation_id,
        metadata=planned.metadata,
    )


def check_until(command: Command, at: datetime) -> None:
    """Refuse a suspension that would end before it begins.

    Raises:
        InvalidInputError: `until` is not ahead.
    """
    if isinstance(command, AccountSuspended) and command.until and command.until <= at:
        raise InvalidInputError(
            f"until must lie ahead: {instant_text(command.until)} is not after {instant_text(at)}"
        )
