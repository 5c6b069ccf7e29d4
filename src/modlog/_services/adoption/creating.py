"""Many accounts created at once, as each would be by a command of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from attrs import define, field
from attrs import evolve as replaced

from modlog._domain.account import AccountState
from modlog._domain.decisions import decide
from modlog._domain.events import ActionRefused, Envelope
from modlog._domain.values import checked_truth, shown
from modlog._errors import AccountExistsError, GuardrailError
from modlog._services.acting import envelope_for
from modlog._services.adoption.chunks import Arrival, Chunk
from modlog._services.adoption.outcomes import CreateOutcome
from modlog._services.adoption.rows import TO_CREATE, Kind, Numbered, Row, numbered_rows
from modlog._services.blocks import blocks, check_chunks
from modlog._services.guarding import Intended, check_actor, check_guardrails
from modlog._services.work import Work

_ACTION = "create"


def create_many(
    work: Work,
    rows: Iterable[object] | Numbered,
    *,
    chunk: int,
    progress: Callable[[CreateOutcome], object] | None,
    strict: bool,
    given: Mapping[str, Any],
) -> CreateOutcome:
    """See `ModLog.create_many`."""
    check_chunks(chunk, progress)
    strict = checked_truth(strict, "strict")
    envelope = envelope_for("create_many", given)
    outcome = CreateOutcome()
    for block in blocks(numbered_rows(rows), chunk):
        taking = _carried_out(work, block, envelope, strict, outcome)
        for id_, rule in taking.refused:
            work.refused(id_, ActionRefused(_ACTION, rule), envelope)
        outcome.rejected.extend(taking.rejected)
        outcome = replaced(outcome, created=outcome.created + len(taking.arrivals))
        if progress:
            progress(outcome)
    return outcome


def _carried_out(
    work: Work,
    block: list[tuple[int, object]],
    envelope: Envelope,
    strict: bool,
    outcome: CreateOutcome,
) -> _Created:
    actor = envelope.actor
    try:
        with work.chunk() as writer:
            if work.guardrails.enabled:
                check_actor(writer.reader, actor, writer.instant)
            taking = _Created(writer.reader, writer.instant, work=work, envelope=envelope)
            taking.take(block)
            if strict:
                taking.check_strictly(outcome.created)
            taking.write(writer, envelope)
            return taking
    except GuardrailError as error:
        work.refused(str(actor.account_id), ActionRefused(_ACTION, error.rule), envelope)
        raise


@define
class _Created(Chunk):
    """Accounts that are created; those that exist are refused.

    Attributes:
        refused: those that one of the platform's own rules refused, each with the rule.
    """

    kind: ClassVar[Kind] = TO_CREATE
    work: Work = field(kw_only=True)
    envelope: Envelope = field(kw_only=True)
    refused: list[tuple[str, str]] = field(factory=list)

    def arriving(self, row: Row, state: AccountState | None) -> Arrival:
        """As a command would decide."""
        at: datetime | None = row.at or self.envelope.occurred_at
        known = state or AccountState()
        decide(row.account_id, known, row.created, at or self.instant)
        if self.work.guardrails.enabled and self.work.guardrails.rules:
            self._check_rules(row.account_id, known)
        return Arrival(row, state, at)

    def _check_rules(self, account_id: str, state: AccountState) -> None:
        intended = Intended(
            account_id=account_id,
            state=state,
            action=_ACTION,
            actor=self.envelope.actor,
            at=self.instant,
        )
        try:
            check_guardrails(self.work.guardrails, self.reader, intended)
        except GuardrailError as error:
            self.refused.append((account_id, error.rule))
            raise

    def meet(self, row: Row, state: AccountState | None) -> None:
        """Refuse it.

        Raises:
            AccountExistsError: it exists.
            AccountErasedError: it is erased for good.
        """
        if row.account_id in self.arrivals:
            raise AccountExistsError(
                f"account {shown(row.account_id)} stands in these rows already: leave it out"
            )
        decide(row.account_id, state or AccountState(), row.created, self.instant)
