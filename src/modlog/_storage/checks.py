"""What a sound ledger has: each check gives its findings, from SQL that looks for the opposite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from modlog._domain.values import shown
from modlog._errors import CorruptEventError
from modlog._storage.codec import EVENT_COLUMNS, recorded_event
from modlog._storage.database import Database, Session

# Of one kind of damage, so many findings are told at the most.
_MOST: Final = 100


@frozen(kw_only=True)
class Finding:
    """Something in the ledger that is not as it must be.

    Attributes:
        check: the name of the check that found it.
        message: what was expected and what was found.
        position: of the event concerned, if it is one.
        account_id: of the account concerned, if it is one.
    """

    check: str
    message: str
    position: int | None = None
    account_id: str | None = None


def check_guards(database: Database, session: Session) -> Iterator[Finding]:
    """The database itself refuses changes of events."""
    for name in database.missing_guards(session):
        yield Finding(
            check="guards",
            message=f"the trigger {name} is gone or disabled: events can be changed unnoticed",
        )


def check_positions(database: Database, session: Session) -> Iterator[Finding]:
    """Positions run from 1 to the head, without a gap."""
    events = database.table("events")
    row = session.row(f"SELECT count(*), coalesce(max(position), 0) FROM {events}")
    assert row is not None
    count, last = row
    if count != last:
        yield Finding(check="positions", message=f"{count} events end at position {last}")
        for (position,) in session.rows(
            f"SELECT position FROM {events} AS e WHERE position <> 1 AND NOT EXISTS"
            f" (SELECT 1 FROM {events} AS p WHERE p.position = e.position - 1)"
            f" ORDER BY position LIMIT {_MOST}"
        ):
            yield Finding(
                check="positions",
                message=f"no event stands before position {position}",
                position=position,
            )
    head = database.head(session).position
    if head != last:
        yield Finding(
            check="positions", message=f"the head says {head}, the last event stands at {last}"
        )


def check_instants(database: Database, session: Session) -> Iterator[Finding]:
    """`recorded_at` never goes back."""
    for (position,) in session.rows(
        "SELECT position FROM (SELECT position, recorded_at,"
        " lag(recorded_at) OVER (ORDER BY position) AS before"
        f" FROM {database.table('events')}) AS pairs"
        f" WHERE recorded_at < before ORDER BY position LIMIT {_MOST}"
    ):
        yield Finding(
            check="instants",
            message="recorded earlier than the event before it",
            position=position,
        )


def check_versions(database: Database, session: Session) -> Iterator[Finding]:
    """The versions of every account and every sweep run from 1, without a gap."""
    for key, where in (
        ("account_id", "account_id IS NOT NULL"),
        ("batch_id", "account_id IS NULL AND foreign_id IS NULL"),
    ):
        for position, stream, version, before in session.rows(
            f"SELECT position, stream, version, before FROM (SELECT position, {key} AS stream,"
            f" version, lag(version, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY {key}"
            f" ORDER BY version) AS before FROM {database.table('events')} WHERE {where}) AS pairs"
            f" WHERE version <> before + 1 ORDER BY position LIMIT {_MOST}"
        ):
            yield Finding(
                check="versions",
                message=f"version {version} of {shown(stream)} follows {before}",
                position=position,
                account_id=stream if key == "account_id" else None,
            )


def check_sweeps(database: Database, session: Session) -> Iterator[Finding]:
    """Every record of a sweep can be read."""
    after = 0
    sql = (
        f"SELECT {', '.join(EVENT_COLUMNS)} FROM {database.table('events')}"
        " WHERE account_id IS NULL AND foreign_id IS NULL AND position > ?"
        " ORDER BY position LIMIT 1000"
    )
    while rows := session.rows(sql, (after,)):
        for row in rows:
            try:
                recorded_event(row)
            except CorruptEventError as error:
                yield Finding(check="events", message=str(error), position=row[0])
        after = rows[-1][0]


def check_keys(database: Database, session: Session) -> Iterator[Finding]:
    """Every idempotency key that is not of a rejected record leads to the event of an account."""
    for (position,) in session.rows(
        f"SELECT position FROM {database.table('keys')} AS k"
        " WHERE position IS NOT NULL AND NOT EXISTS"
        f" (SELECT 1 FROM {database.table('events')} AS e"
        f" WHERE e.position = k.position AND e.account_id IS NOT NULL) LIMIT {_MOST}"
    ):
        yield Finding(
            check="keys",
            message="an idempotency key leads to no account's event",
            position=position,
        )


def check_clocks(database: Database, session: Session) -> Iterator[Finding]:
    """Every accepted clock names the instant of the event at its position."""
    for (position,) in session.rows(
        f"SELECT position FROM {database.table('clocks')} AS c WHERE NOT EXISTS"
        f" (SELECT 1 FROM {database.table('events')} AS e WHERE e.position = c.position"
        f" AND e.recorded_at = c.recorded_at) ORDER BY position LIMIT {_MOST}"
    ):
        yield Finding(
            check="clocks",
            message="a clock was accepted for another instant than that of the event",
            position=position,
        )


CHECKS: Final = (
    check_guards,
    check_positions,
    check_instants,
    check_versions,
    check_sweeps,
    check_keys,
    check_clocks,
)


def kinds_of_events(database: Database, session: Session) -> dict[str, int]:
    """How many events there are of accounts, of sweeps and of other programs."""
    row = session.row(
        f"SELECT count(account_id), count(foreign_id), count(*) FROM {database.table('events')}"
    )
    assert row is not None
    accounts, foreign, total = row
    return {"account": accounts, "sweep": total - accounts - foreign, "foreign": foreign}
