"""Adoption: accounts that a platform has already come in as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import uuid4

from attrs import define
from attrs import evolve as replaced

from modlog._domain.account import AccountState, Status
from modlog._domain.decisions import ADOPTED_WITH
from modlog._domain.events import AccountDeleted, AccountSuspended, Envelope
from modlog._domain.values import (
    Actor,
    checked_id,
    checked_text,
    checked_truth,
    instant_text,
)
from modlog._errors import InvalidInputError
from modlog._services.acting import checked_actor
from modlog._services.adoption.chunks import Arrival, Chunk
from modlog._services.adoption.outcomes import AdoptOutcome
from modlog._services.adoption.rows import TO_ADOPT, Kind, Numbered, Row, numbered_rows
from modlog._services.blocks import blocks, check_chunks
from modlog._services.guarding import check_actor
from modlog._services.work import Work
from modlog._storage.beginnings import SanctionEvent
from modlog._storage.reading import Reader
from modlog._storage.writing import Writer

_ADOPTER: Final = Actor.system("adoption")
_UNKNOWN: Final = "who decided what stands against it, and why, is not known"


def adopt(
    work: Work,
    rows: Iterable[object] | Numbered,
    *,
    batch_id: str | None,
    chunk: int,
    progress: Callable[[AdoptOutcome], object] | None,
    strict: bool,
    dry_run: bool,
    **given: Any,
) -> AdoptOutcome:
    """See `ModLog.adopt`."""
    check_chunks(chunk, progress)
    strict, dry_run = checked_truth(strict, "strict"), checked_truth(dry_run, "dry_run")
    batch = f"adoption-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
    envelope = _envelope(batch, **given)
    outcome = AdoptOutcome(batch_id=batch)
    for block in blocks(numbered_rows(rows), chunk):
        with _opened(work, dry_run) as (reader, instant, writer):
            if work.guardrails.enabled:
                check_actor(reader, envelope.actor, instant)
            taking = _Adopted(reader, instant)
            taking.take(block)
            if strict:
                taking.check_strictly(outcome.adopted)
            if writer:
                taking.write(writer, envelope)
        outcome = taking.added_to(outcome)
        if progress:
            progress(outcome)
    return outcome


def _envelope(batch_id: str, actor: Actor | None, reason: str | None) -> Envelope:
    """Who and why, of every event of an adoption; nothing comes from `acting`.

    Whoever runs an adoption has not imposed these sanctions, and they are not to count as theirs
    where figures and guardrails count what an actor has done.
    """
    return Envelope(
        actor=_ADOPTER if actor is None else checked_actor(actor, "actor"),
        reason=_reason(reason) or f"{ADOPTED_WITH}{batch_id}: {_UNKNOWN}",
        batch_id=batch_id,
    )


def _reason(reason: str | None) -> str | None:
    given = None if reason is None else checked_text(reason, "reason")
    return given if given and given.strip() else None


@contextmanager
def _opened(work: Work, dry_run: bool) -> Iterator[tuple[Reader, datetime, Writer | None]]:
    """Where a chunk is looked up, what time it is there, and what writes it, if anything does."""
    if dry_run:
        with work.reader() as reader:
            yield reader, work.present(reader), None
        return
    with work.chunk() as writer:
        yield writer.reader, writer.instant, writer


@define
class _Adopted(Chunk):
    """Accounts that come in as they are; what the ledger knows already stays as it is."""

    kind: ClassVar[Kind] = TO_ADOPT
    suspended: int = 0
    deleted: int = 0
    expired: int = 0
    known: int = 0
    differing: int = 0

    def arriving(self, row: Row, state: AccountState | None) -> Arrival:
        """As the row says; nobody knows when a sanction began, so it does now."""
        status, until = row.status_at(self.instant), row.until
        # A platform's clock may be a little ahead; nothing is imposed before the account is there.
        since = row.at if row.at is not None and row.at > self.instant else None
        sanctions: list[tuple[SanctionEvent, datetime | None]] = []
        if row.status is Status.ACTIVE and until is not None and until > self.instant:
            raise InvalidInputError(
                f"status says active, and until lies ahead ({instant_text(until)}): say "
                "suspended, or leave until out"
            )
        if row.status is Status.SUSPENDED and until and row.at and until <= row.at:
            raise InvalidInputError(
                f"until must be later than at: {instant_text(until)} is not after "
                f"{instant_text(row.at)}"
            )
        if status is Status.SUSPENDED:
            sanctions.append((AccountSuspended(until), since))
            self.suspended += 1
        elif status is Status.DELETED:
            sanctions.append((AccountDeleted(), since))
            self.deleted += 1
        elif row.status is Status.SUSPENDED:
            self.expired += 1
        return Arrival(row, state, row.at, sanctions)

    def meet(self, row: Row, state: AccountState | None) -> None:
        """It is skipped, and counted as different if it has another status."""
        at, earlier = self.instant, self.arrivals.get(row.account_id)
        here = earlier.row.status_at(at) if earlier else (state or AccountState()).status(at)
        self.known += 1
        self.differing += here is not row.status_at(at)

    def added_to(self, outcome: AdoptOutcome) -> AdoptOutcome:
        """The outcome so far, with this chunk's."""
        outcome.rejected.extend(self.rejected)
        return replaced(
            outcome,
            adopted=outcome.adopted + len(self.arrivals),
            suspended=outcome.suspended + self.suspended,
            deleted=outcome.deleted + self.deleted,
            expired=outcome.expired + self.expired,
            known=outcome.known + self.known,
            differing=outcome.differing + self.differing,
        )
