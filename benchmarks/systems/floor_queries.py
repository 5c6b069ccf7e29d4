"""Queries by hand, the same for both databases: what somebody would write who knows the log.

That somebody knows that nothing in this log was reverted or erased; modlog has to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import (
    ACTORS,
    TIMES_EACH_ACTOR,
    asked_accounts,
    earlier,
    window_start,
)
from modlog._storage.codec import EVENT_COLUMNS

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_DAY: Final = 24 * 60 * 60 * 1_000_000

# Accounts by status at a position: the sanctions that nothing has lifted by then.
_COUNT: Final = """
WITH lifted AS (
    SELECT r.account_id, {item} AS version FROM modlog_events AS r, {items}
    WHERE r.type = 'account.restored' AND r.position <= ?
), sanctioned AS (
    SELECT s.account_id, max(CASE s.type WHEN 'account.deleted' THEN 2 ELSE 1 END) AS worst
    FROM modlog_events AS s
    LEFT JOIN lifted ON lifted.account_id = s.account_id AND lifted.version = s.version
    WHERE s.type IN ('account.deleted', 'account.suspended') AND s.position <= ?
    AND lifted.version IS NULL GROUP BY s.account_id
)
SELECT CASE worst WHEN 2 THEN 'deleted' WHEN 1 THEN 'suspended' ELSE 'active' END, count(*)
FROM modlog_events AS c LEFT JOIN sanctioned ON sanctioned.account_id = c.account_id
WHERE c.type = 'account.created' AND c.position <= ? GROUP BY 1
"""
_ITEMS: Final = {
    "sqlite": ("item.value", "json_each(r.data, '$.lifts') AS item"),
    "postgres": ("item::bigint", "json_array_elements_text(r.data::json -> 'lifts') AS item"),
}
_HISTORY: Final = f"SELECT {_COLUMNS} FROM modlog_events WHERE account_id = ? ORDER BY version"
# || '' keeps planners from the index on types: that on actors and positions is the one meant.
_ACTOR: Final = (
    f"SELECT {_COLUMNS} FROM modlog_events WHERE actor_id = ? AND actor_kind = ?"
    " AND type || '' = 'account.deleted' AND recorded_at >= ? AND recorded_at < ?"
    " ORDER BY position"
)


class Queries:
    """The queries, on whatever runs a statement and gives all its rows."""

    _rows: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
    _store: str

    def as_of(self, task: Task) -> Measured:
        watch, last = Stopwatch(), earlier(task.n)
        item, items = _ITEMS[self._store]
        with watch.running():
            counts = dict(self._rows(_COUNT.format(item=item, items=items), (last,) * 3))
        return Measured(last, watch.seconds, counts)

    def history(self, task: Task) -> Measured:
        watch, asked = Stopwatch(), asked_accounts(task.n)
        with watch.running():
            found = sum(len(self._events(_HISTORY, (account_id,))) for account_id in asked)
        return Measured(len(asked), watch.seconds, found)

    def actor(self, task: Task) -> Measured:
        """All deletions by each actor since the middle of the log."""
        watch, asked = Stopwatch(), ACTORS * TIMES_EACH_ACTOR
        ((since,),) = self._rows(
            "SELECT recorded_at FROM modlog_events WHERE position = ?", (window_start(task.n),)
        )
        with watch.running():
            found = sum(
                len(self._events(_ACTOR, (one["id"], one["kind"], since, since + _DAY)))
                for one in asked
            )
        return Measured(len(asked), watch.seconds, found)

    def _events(self, sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            dict(zip(EVENT_COLUMNS, (*row[:-1], orjson.loads(row[-1])), strict=True))
            for row in self._rows(sql, params)
        ]
