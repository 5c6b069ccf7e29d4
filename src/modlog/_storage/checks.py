"""What a sound ledger has: each check gives its findings, from SQL that looks for the opposite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import CorruptEventError
from modlog._storage.codec import as_written
from modlog._storage.database import Database, Session
from modlog._storage.reading import recorded_sql

# Of one kind of damage, so many findings are told at the most.
MOST: Final = 100


@frozen(kw_only=True)
class Finding(Jsonable):
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
    """The database itself refuses changes of events, and has its indexes."""
    found = database.found_objects(session)
    for name in database.scripts.names_of("TRIGGER"):
        if name not in found:
            yield Finding(
                check="guards",
                message=f"the trigger {name} is gone or disabled: events can be changed unnoticed",
            )
    for name in database.scripts.names_of("INDEX"):
        if name not in found:
            yield Finding(
                check="indexes", message=f"the index {name} is gone: rebuild() makes it again"
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
            f" ORDER BY position LIMIT {MOST}"
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
    """`recorded_at` never goes back, from one event to the next."""
    for (position,) in session.rows(
        "SELECT position FROM (SELECT e.position, a.recorded_at,"
        " lag(a.recorded_at) OVER (ORDER BY e.position) AS before"
        f" FROM {database.table('events')} AS e JOIN {database.table('acts')} AS a"
        " ON a.number = e.act) AS pairs"
        f" WHERE recorded_at < before ORDER BY position LIMIT {MOST}"
    ):
        yield Finding(
            check="instants",
            message="recorded earlier than the event before it",
            position=position,
        )


def check_places(database: Database, session: Session) -> Iterator[Finding]:
    """Every event has its act and its stream, and each of those begins with an event of its own."""
    table = database.table
    for what, column in (("act", "act"), ("stream", "stream")):
        for position, number in session.rows(
            f"SELECT e.position, e.{column} FROM {table('events')} AS e WHERE NOT EXISTS"
            f" (SELECT 1 FROM {table(f'{what}s')} AS n WHERE n.number = e.{column}"
            " AND n.number <= e.position)"
            f" ORDER BY e.position LIMIT {MOST}"
        ):
            yield Finding(
                check="places",
                message=f"its {what} {number} is not there, or begins after it",
                position=position,
            )
        for (number,) in session.rows(
            f"SELECT n.number FROM {table(f'{what}s')} AS n WHERE NOT EXISTS"
            f" (SELECT 1 FROM {table('events')} AS e WHERE e.position = n.number"
            f" AND e.{column} = n.number) ORDER BY n.number LIMIT {MOST}"
        ):
            yield Finding(
                check="places",
                message=f"{what} {number} does not begin with an event of its own",
                position=number,
            )


def check_versions(database: Database, session: Session) -> Iterator[Finding]:
    """The versions of every account and every sweep run from 1, without a gap."""
    table = database.table
    for position, kind, stream, version, before in session.rows(
        "SELECT position, s.kind, s.id, version, before FROM (SELECT position, stream, version,"
        " lag(version, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY stream ORDER BY version) AS before"
        f" FROM {table('events')}) AS pairs JOIN {table('streams')} AS s ON s.number = pairs.stream"
        f" WHERE version <> before + 1 AND s.kind <> 'foreign' ORDER BY position LIMIT {MOST}"
    ):
        yield Finding(
            check="versions",
            message=f"version {version} of {shown(stream)} follows {before}",
            position=position,
            account_id=stream if kind == "account" else None,
        )


def check_sweeps(database: Database, session: Session) -> Iterator[Finding]:
    """Every record of a sweep can be read, and is as modlog writes it."""
    after = 0
    sql = (
        f"{recorded_sql(database)} WHERE s.kind = 'sweep' AND e.position > ?"
        " ORDER BY e.position LIMIT 1000"
    )
    while rows := session.rows(sql, (after,)):
        for row in rows:
            try:
                as_written(row)
            except CorruptEventError as error:
                yield Finding(check="events", message=str(error), position=row[0])
        after = rows[-1][0]


def check_keys(database: Database, session: Session) -> Iterator[Finding]:
    """Every key that is not of a rejected record leads to an account's event of its own."""
    for (position,) in session.rows(
        f"SELECT position FROM {database.table('keys')} AS k"
        " WHERE position IS NOT NULL AND NOT EXISTS"
        f" (SELECT 1 FROM {database.table('events')} AS e"
        f" JOIN {database.table('streams')} AS s ON s.number = e.stream"
        f" WHERE e.position = k.position AND s.kind = 'account') LIMIT {MOST}"
    ):
        yield Finding(
            check="keys",
            message="an idempotency key leads to no account's event",
            position=position,
        )
    for (position,) in session.rows(
        f"SELECT position FROM {database.table('keys')} WHERE position IS NOT NULL"
        f" GROUP BY position HAVING count(*) > 1 ORDER BY position LIMIT {MOST}"
    ):
        yield Finding(
            check="keys",
            message="several idempotency keys lead to one event, which is the answer to one",
            position=position,
        )


def check_clocks(database: Database, session: Session) -> Iterator[Finding]:
    """Every accepted clock names the instant of the event at its position."""
    for (position,) in session.rows(
        f"SELECT position FROM {database.table('clocks')} AS c WHERE NOT EXISTS"
        f" (SELECT 1 FROM {database.table('events')} AS e JOIN {database.table('acts')} AS a"
        " ON a.number = e.act WHERE e.position = c.position AND a.recorded_at = c.recorded_at)"
        f" ORDER BY position LIMIT {MOST}"
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
    check_places,
    check_versions,
    check_sweeps,
    check_keys,
    check_clocks,
)


def kinds_of_events(database: Database, session: Session) -> dict[str, int]:
    """How many events there are of accounts, of sweeps and of other programs."""
    found: dict[str, int] = dict(
        session.rows(
            f"SELECT s.kind, count(*) FROM {database.table('events')} AS e"
            f" JOIN {database.table('streams')} AS s ON s.number = e.stream GROUP BY s.kind"
        )
    )
    return {kind: found.get(kind, 0) for kind in ("account", "sweep", "foreign")}


def count_of_accounts(database: Database, session: Session) -> int:
    """How many accounts there are."""
    row = session.row(f"SELECT count(*) FROM {database.table('streams')} WHERE kind = 'account'")
    assert row is not None
    return int(row[0])
