"""Letting a ledger go on whose last instant lies in the future."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from modlog._domain.values import to_micros
from modlog._services.acting import envelope_for
from modlog._storage.clock import AcceptedClock, acceptable, check_not_ahead, write_accepted
from modlog._storage.database import Session
from modlog._storage.store import Store


def accept_clock(
    store: Store, now: datetime, given: dict[str, Any], *, dry_run: bool
) -> AcceptedClock:
    """See `ModLog.accept_clock`."""
    envelope = envelope_for("accept_clock", given)
    database = store.database

    def accepted(session: Session) -> AcceptedClock:
        head = database.head(session) if dry_run else database.lock_head(session)
        if store.on_machine_time:
            check_not_ahead(head, to_micros(now))
        return acceptable(database, session, head, to_micros(now), envelope)

    with database.reading() as session:
        if dry_run:
            return accepted(session)
        with database.beginning(session):
            acceptance = accepted(session)
            write_accepted(database, session, acceptance)
            return acceptance
