"""Counting accounts by status from the events of a view, inside the database.

An account whose events in the view hold a revert, or begin with something else than its
creation, is left to the plain replay.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice
from typing import Final

from modlog._ground.account import Status, replay
from modlog._ground.values import instant_text
from modlog._storage.database import Database, Session
from modlog._storage.replays import histories
from modlog._storage.selecting import Condition

_REPLAYED_AT_ONCE: Final = 1_000

# Two scans by type find the sanctions that nothing has lifted; one over all finds who is known.
_COUNT: Final = """
WITH lifted AS (
    SELECT DISTINCT account_id, item.value AS version FROM (
        SELECT account_id, data FROM {events} WHERE type = 'account.restored' AND {condition}
    ) AS restored, {lifts}
), standing AS (
    SELECT account_id, max(CASE WHEN type = 'account.deleted' THEN 2 ELSE 1 END) AS sanction
    FROM {events} AS e
    WHERE type IN ('account.deleted', 'account.suspended') AND {condition}
    AND (type = 'account.deleted' OR {until} IS NULL OR {until} > ?)
    AND NOT EXISTS (SELECT 1 FROM lifted
        WHERE lifted.account_id = e.account_id AND lifted.version = e.version)
    GROUP BY account_id
), known AS (
    SELECT account_id, min(version) AS first,
        min(CASE type WHEN 'account.created' THEN version END) AS created,
        max(CASE type WHEN 'account.erased' THEN 1 ELSE 0 END) AS erased,
        max(CASE type WHEN 'events.reverted' THEN 1 ELSE 0 END) AS reverts
    FROM {events} WHERE account_id IS NOT NULL AND {condition} GROUP BY account_id
)
SELECT CASE WHEN reverts = 1 OR first < created THEN NULL
    WHEN erased = 1 THEN 'erased' WHEN created IS NULL THEN 'absent'
    WHEN sanction = 2 THEN 'deleted' WHEN sanction = 1 THEN 'suspended' ELSE 'active' END,
    CASE WHEN reverts = 1 OR first < created THEN known.account_id END,
    count(*)
FROM known LEFT JOIN standing ON standing.account_id = known.account_id GROUP BY 1, 2
"""


def count_within(
    database: Database, session: Session, condition: Condition, at: datetime
) -> dict[Status, int]:
    """How many accounts have each status at an instant, by the events of a view alone."""
    sql = _COUNT.format(
        events=database.table("events"),
        lifts=database.json_items("data", "lifts"),
        until=database.json_text("data", "until"),
        condition=condition.sql,
    )
    kept = condition.params
    # Instants in `data` all have one form, whose order as text is their order in time.
    rows = session.rows(sql, (*kept, *kept, instant_text(at), *kept))
    counts = Counter({Status(name): number for name, _, number in rows if name})
    irregular = iter([account_id for name, account_id, _ in rows if not name])
    while some := list(islice(irregular, _REPLAYED_AT_ONCE)):
        for history in histories(database, session, some, condition).values():
            counts[replay(history).status(at)] += 1
    return {status: counts[status] for status in Status}
