"""Counting accounts by status from the events of a view, inside the database.

One statement counts as if every history were simple: it begins with the account's only
creation, which nothing takes back, nothing in it was erased, and reverts that are taken back
took back no reverts themselves. The few accounts of which that is not so are then taken out of
that count, by the same statement, and replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from modlog._domain.account import Status, replay
from modlog._domain.values import instant_text
from modlog._storage.database import Database, Session
from modlog._storage.replays import histories
from modlog._storage.schema import IRREGULAR
from modlog._storage.selecting import Condition, both, up_to

# Accounts that are replayed at a time.
PAGE: Final = 1_000

# Marks on events. Of an event the least one holds: what took it away wins over what it did. Of
# an account it is the greatest: the worst of its sanctions, or that its creation is left out.
_GONE, _SUSPENDED, _DELETED, _UNCREATED = range(4)

# Almost nothing is joined: planners know little of what is in JSON, but a sort is never slow.
_COUNT: Final = f"""
WITH targets AS MATERIALIZED (
    SELECT account_id, revert.version AS revert, item.value AS version FROM (
        SELECT account_id, version, data FROM {{events}}
        WHERE {{type}} = 'events.reverted' AND {{kept}}
    ) AS revert, {{targets}} WHERE item.value < revert.version
), reverted AS MATERIALIZED (
    SELECT account_id, version FROM targets WHERE NOT EXISTS (SELECT 1 FROM targets AS later
        WHERE later.account_id = targets.account_id AND later.version = targets.revert)
), uncreated AS MATERIALIZED (
    SELECT account_id, version FROM {{events}}
    WHERE {{type}} = 'account.created' AND {{left_out}}
), marks AS (
    SELECT account_id, version,
        CASE type WHEN 'account.deleted' THEN {_DELETED} ELSE {_SUSPENDED} END AS mark
    FROM {{events}} WHERE {{type}} IN ('account.deleted', 'account.suspended') AND {{kept}}
    AND (type = 'account.deleted' OR {{until}} IS NULL OR {{until}} > ?)
    UNION ALL SELECT account_id, version, {_UNCREATED} FROM uncreated
    UNION ALL SELECT account_id, version, {_GONE} FROM reverted
    UNION ALL SELECT account_id, item.value, {_GONE} FROM (
        SELECT account_id, version, data FROM {{events}} AS e
        WHERE {{type}} = 'account.restored' AND {{kept}} AND NOT EXISTS (SELECT 1 FROM reverted
            WHERE reverted.account_id = e.account_id AND reverted.version = e.version)
    ) AS restore, {{lifts}} WHERE item.value < restore.version
), marked AS (
    SELECT account_id, max(mark) AS mark FROM (
        SELECT account_id, min(mark) AS mark FROM marks GROUP BY account_id, version
    ) AS marked_events WHERE mark > {_GONE} GROUP BY account_id
)
SELECT CASE mark WHEN {_DELETED} THEN 'deleted' ELSE 'suspended' END, count(*)
FROM marked WHERE mark < {_UNCREATED} GROUP BY mark
UNION ALL SELECT 'absent', count(*) FROM uncreated WHERE EXISTS (
    SELECT 1 FROM {{events}} AS e WHERE e.account_id = uncreated.account_id AND {{kept}})
UNION ALL SELECT 'created', count(*) FROM {{events}} WHERE {{type}} = 'account.created' AND {{kept}}
"""

# The plus sign keeps planners off the positions: the index on such events is the one meant.
_IRREGULAR_IDS: Final = f"""
SELECT DISTINCT account_id FROM {{events}} AS e
WHERE account_id > ? AND {IRREGULAR} AND +position <= ?
AND (type <> 'events.reverted' OR version = 1 OR ({{kept}} AND EXISTS (
    SELECT 1 FROM {{targets}} WHERE item.value = 1 OR EXISTS (
        SELECT 1 FROM {{events}} AS named
        WHERE named.account_id = e.account_id AND named.version = item.value AND {IRREGULAR}
        AND EXISTS (SELECT 1 FROM {{targets_of_named}} WHERE EXISTS (
            SELECT 1 FROM {{events}} AS t
            WHERE t.account_id = e.account_id AND t.version = item.value AND {IRREGULAR}
        ))
    )
))) ORDER BY account_id LIMIT ?
"""


def count_within(
    database: Database, session: Session, last: int, rest: Condition, at: datetime
) -> dict[Status, int]:
    """How many accounts have each status at an instant, by the events of a view alone.

    Args:
        last: the last position of the view.
        rest: whatever else the view asks of its events.
    """
    bound = up_to(last)
    kept = both(bound, rest)
    counts = _as_if_simple(database, session, bound, rest, at)
    for account_ids in _irregular(database, session, kept, last):
        these = both(Condition(*database.among("account_id", account_ids), "+position"), bound)
        counts.subtract(_as_if_simple(database, session, these, rest, at, type_="type || ''"))
        found = histories(database, session, account_ids, kept)
        counts.update(replay(history).status(at) for history in found.values())
    return {status: counts[status] for status in Status}


def _as_if_simple(
    database: Database,
    session: Session,
    bound: Condition,
    rest: Condition,
    at: datetime,
    *,
    type_: str = "type",
) -> Counter[Status]:
    """The counts if all histories were simple.

    Args:
        bound: holds for the events that are looked at.
        rest: holds for those of them that are in the view.
        type_: the column; or an expression that keeps planners from the index on it.
    """
    sql = _COUNT.format(
        events=database.table("events"),
        type=type_,
        kept=both(bound, rest).sql,
        left_out=f"{bound.sql} AND ({rest.sql}) IS NOT TRUE",
        targets=database.json_items("data", "targets"),
        lifts=database.json_items("data", "lifts"),
        until=database.json_text("data", "until"),
    )
    some = (*bound.params, *rest.params)
    # Instants in `data` all have one form, whose order as text is their order in time.
    params = (*some, *some, *some, instant_text(at), *some, *some, *some)
    found: dict[str, int] = dict(session.rows(sql, params))
    active = found.pop("created") - found.get("deleted", 0) - found.get("suspended", 0)
    counts = Counter({Status(name): number for name, number in found.items()})
    counts[Status.ACTIVE] = active
    return counts


def _irregular(
    database: Database, session: Session, kept: Condition, last: int
) -> Iterator[list[str]]:
    """The accounts whose histories up to a position are not simple, a page at a time."""
    sql = _IRREGULAR_IDS.format(
        events=database.table("events"),
        kept=kept.sql,
        targets=database.json_items("e.data", "targets"),
        targets_of_named=database.json_items("named.data", "targets"),
    )
    after = ""
    while rows := session.rows(sql, (after, last, *kept.params, PAGE)):
        yield [account_id for (account_id,) in rows]
        after = rows[-1][0]
