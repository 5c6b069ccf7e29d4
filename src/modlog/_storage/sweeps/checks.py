"""What a sound ledger has of its sweeps: lists that fit their digests, records that add up."""

from __future__ import annotations

from collections.abc import Iterator

from modlog._domain.sweeps import Sweep, SweepState, sweep_of
from modlog._domain.values import shown
from modlog._errors import CorruptEventError
from modlog._storage.checks import Finding
from modlog._storage.database import Database, Session
from modlog._storage.sweeps.lists import ListDigest, listed_pages
from modlog._storage.sweeps.targets import Sweeping, key_of


def check_sweeps_whole(database: Database, session: Session) -> Iterator[Finding]:
    """Every sweep has the list that its digest is of, and its records fit each other."""
    sweeping = Sweeping(database, session)
    for batch_id in sweeping.batch_ids():
        try:
            sweep = sweep_of(sweeping.records(batch_id))
        except CorruptEventError:
            continue  # another check tells of it
        for message in (_of_list(database, session, sweep), _of_records(sweeping, sweep)):
            if message:
                yield Finding(
                    check="sweeps",
                    message=f"sweep {shown(batch_id)}: {message}",
                    position=sweep.planned.position,
                )


def _of_list(database: Database, session: Session, sweep: Sweep) -> str | None:
    plan, key = sweep.plan, key_of(sweep)
    digest = ListDigest(plan.action, plan.arguments)
    for page in listed_pages(database, session, key):
        digest.add(page)
    if (digest.size, digest.text()) == (plan.size, plan.digest):
        return None
    return (
        f"its list was changed: {plan.size} accounts with the digest {plan.digest} were planned, "
        f"and {digest.size} with the digest {digest.text()} are there"
    )


def _of_records(sweeping: Sweeping, sweep: Sweep) -> str | None:
    """What does not fit: the last record of a sweep may be gone without leaving a gap."""
    counted = sum(sweep.outcomes.values())
    if counted != sweep.through:
        return f"{sweep.through} accounts are through, and it counts the outcomes of {counted}"
    if (sweep.state is SweepState.COMPLETED) != (sweep.through == sweep.plan.size):
        return f"it is {sweep.state}, with {sweep.through} of {sweep.plan.size} accounts through"
    kept = sweeping.kept_outcomes(str(sweep.planned.batch_id))
    left = counted - sweep.outcomes.get("done", 0)
    if kept != left:
        return f"it left {left} accounts alone, and keeps the outcomes of {kept}"
    return None
