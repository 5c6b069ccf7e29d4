"""Time: the one place that asks the machine for it, and the rule that makes instants grow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, UTC, datetime
from typing import Final

from attrs import frozen

from modlog._domain.events import Envelope
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import (
    Actor,
    checked_instant,
    from_micros,
    instant_text,
    shown,
    to_micros,
)
from modlog._errors import ClockError, InvalidInputError, RefusedError
from modlog._storage.database import Database, Head, Session

CLOCK_COLUMNS: Final = (
    "position",
    "recorded_at",
    "clock",
    "actor_kind",
    "actor_id",
    "actor_version",
    "actor_account_id",
    "reason",
)
Clock = Callable[[], datetime]

# How far the clock may run behind the ledger's last instant, or ahead of the server's clock:
# five minutes.
MAX_CLOCK_LAG: Final = 5 * 60 * 1_000_000

# Acceptances that cover the end of the log; its position and instant go in. Each transaction has
# an event at least, so instants that came from the accepted one lie no more microseconds behind
# it than positions; any other leap of a clock leaves that behind.
COVERING: Final = "position <= {0} AND {1} <= recorded_at + ({0} - position)"


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def checked_clock(clock: Clock | None) -> Clock:
    """The clock that was given, its answers checked; else the machine's."""
    if clock is None:
        return system_clock
    if not callable(clock):
        raise InvalidInputError(f"clock= takes something to call, not {shown(clock)}")
    return lambda: _checked(clock())


def _checked(answer: object) -> datetime:
    now = checked_instant(answer, "the clock's answer")
    if now.year == MAXYEAR:
        # Each transaction is later than the one before it: after the last instant there is none.
        raise ClockError(
            f"the clock says {instant_text(now)}, in the last year that there is: set it right; "
            "nothing was written"
        )
    return now


@frozen(kw_only=True)
class AcceptedClock(Jsonable):
    """That somebody let a ledger go on whose last instant lay ahead of the clock.

    Attributes:
        position: of the last event then; what follows it was recorded under this acceptance.
        ledger: that event's instant, from which the ledger goes on.
        clock: what the clock said.
        actor: who accepted it.
        reason: why.
    """

    position: int
    ledger: datetime
    clock: datetime
    actor: Actor
    reason: str


def next_instant(database: Database, session: Session, head: Head, now: int) -> int:
    """The instant of the next transaction: now, or just after the last one.

    Raises:
        ClockError: the clock is more than five minutes behind, and nobody has accepted that.
    """
    if _is_behind(head, now) and not _is_accepted(database, session, head):
        raise ClockError(
            f"the clock says {_text(now)}, more than five minutes before the ledger's last event "
            f"at {_text(head.recorded_at)}: set the clock right, or let the ledger go on with "
            "accept_clock() if it is the event's instant that is wrong; nothing was written"
        )
    return max(now, head.recorded_at + 1)


def check_not_ahead(head: Head, now: int) -> None:
    """Keep a machine's wrong clock out of the log.

    Raises:
        ClockError: it is more than five minutes ahead of the server's.
    """
    if head.server_clock is not None and now > head.server_clock + MAX_CLOCK_LAG:
        raise ClockError(
            f"this machine's clock says {_text(now)}, more than five minutes after the database "
            f"server's, {_text(head.server_clock)}: set the wrong one right; nothing was written"
        )


def _is_behind(head: Head, now: int) -> bool:
    return now < head.recorded_at - MAX_CLOCK_LAG


def _is_accepted(database: Database, session: Session, head: Head) -> bool:
    covering = COVERING.format("?", "?")
    row = session.row(
        f"SELECT 1 FROM {database.table('clocks')} WHERE {covering} LIMIT 1",
        (head.position, head.recorded_at, head.position),
    )
    return row is not None


def acceptable(
    database: Database, session: Session, head: Head, now: int, envelope: Envelope
) -> AcceptedClock:
    """What an acceptance would record.

    Raises:
        RefusedError: none is needed.
    """
    if not _is_behind(head, now):
        raise RefusedError(
            f"the clock says {_text(now)}, not more than five minutes before the ledger's last "
            f"instant, {_text(head.recorded_at)}: there is nothing to accept, commands are recorded"
        )
    if _is_accepted(database, session, head):
        raise RefusedError(
            f"that the ledger goes on from {_text(head.recorded_at)} is accepted already: "
            "verify() says by whom; commands are recorded"
        )
    return AcceptedClock(
        position=head.position,
        ledger=from_micros(head.recorded_at),
        clock=from_micros(now),
        actor=envelope.actor,
        reason=str(envelope.reason),
    )


def write_accepted(database: Database, session: Session, accepted: AcceptedClock) -> None:
    """Record an acceptance, under the append lock."""
    actor = accepted.actor
    row = (
        accepted.position,
        to_micros(accepted.ledger),
        to_micros(accepted.clock),
        actor.kind,
        actor.id,
        actor.version,
        actor.account_id,
        accepted.reason,
    )
    database.load(session, "clocks", CLOCK_COLUMNS, [row])


def accepted_clocks(database: Database, session: Session) -> list[AcceptedClock]:
    """All acceptances, in order."""
    rows = session.rows(
        f"SELECT {', '.join(CLOCK_COLUMNS)} FROM {database.table('clocks')} ORDER BY position"
    )
    return [
        AcceptedClock(
            position=position,
            ledger=from_micros(ledger),
            clock=from_micros(clock),
            actor=Actor(kind=kind, id=id_, version=version, account_id=account_id),
            reason=reason,
        )
        for position, ledger, clock, kind, id_, version, account_id, reason in rows
    ]


def _text(micros: int) -> str:
    return instant_text(from_micros(micros))
