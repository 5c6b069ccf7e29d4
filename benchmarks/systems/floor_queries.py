"""Queries by hand, the same for both databases: what somebody would write who knows the log.

That somebody knows that no suspension in this log runs out; modlog has to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from benchmarks import large
from benchmarks.systems.ledger import SWEEP
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import (
    ACTORS,
    TIMES_EACH_ACTOR,
    asked_accounts,
    earlier,
    window_start,
)
from modlog._storage.codec import RECORDED

# An event's columns in the order of `RECORDED`, without the two that hold its data.
_NAMES: Final = (
    "position", "recorded_at", "occurred_at", "version", "schema", "confidence", "kind", "id",
    "type", "actor_kind", "actor_id", "actor_version", "actor_account_id", "reason", "policy",
    "batch_id", "correlation_id", "metadata",
)  # fmt: skip
_DAY: Final = 24 * 60 * 60 * 1_000_000

# Accounts by status at a position: what was open then. Nothing in this log runs out.
_COUNT: Final = """
SELECT CASE worst WHEN 5 THEN 'deleted' WHEN 4 THEN 'suspended' ELSE 'active' END, count(*)
FROM (
    SELECT stream, max(facet) AS worst FROM modlog_spans
    WHERE facet IN (1, 4, 5) AND opened <= ? AND (closed IS NULL OR closed > ?) GROUP BY stream
) AS standing
GROUP BY 1
"""
_SOURCES: Final = (
    "modlog_events AS e JOIN modlog_acts AS a ON a.number = e.act"
    " JOIN modlog_streams AS s ON s.number = e.stream"
)
_HISTORY: Final = (
    f"SELECT {RECORDED} FROM {_SOURCES} WHERE s.kind = 'account' AND s.id = ? ORDER BY e.version"
)
# || '' keeps planners from the indexes on types and kinds: that on actors and positions is meant.
_ACTOR: Final = (
    f"SELECT {RECORDED} FROM {_SOURCES} WHERE a.actor_id = ? AND a.actor_kind || '' = ?"
    " AND a.type || '' = 'account.deleted' AND a.recorded_at >= ? AND a.recorded_at < ?"
    " ORDER BY e.position"
)

_ACTOR_IN_TIME: Final = (
    f"SELECT {RECORDED} FROM {_SOURCES} WHERE a.actor_id = ? AND a.actor_kind || '' = ?"
    " AND a.recorded_at >= ? AND a.recorded_at < ? ORDER BY e.position"
)
_BATCH: Final = f"SELECT {RECORDED} FROM {_SOURCES} WHERE a.batch_id = ? ORDER BY e.position"


class Queries:
    """The queries, on whatever runs a statement and gives all its rows."""

    _rows: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

    def as_of(self, task: Task) -> Measured:
        watch, last = Stopwatch(), earlier(task.n)
        with watch.running():
            counts = dict(self._rows(_COUNT, (last, last)))
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
            f"SELECT a.recorded_at FROM {_SOURCES} WHERE e.position = ?", (window_start(task.n),)
        )
        with watch.running():
            found = sum(
                len(self._events(_ACTOR, (one["id"], one["kind"], since, since + _DAY)))
                for one in asked
            )
        return Measured(len(asked), watch.seconds, found)

    def actor_in_time(self, task: Task) -> Measured:
        actor, *window = large.actor_in_time(task.n)
        since, until = (int(instant.timestamp()) * 1_000_000 for instant in window)
        return self._counted(_ACTOR_IN_TIME, (actor["id"], actor["kind"], since, until))

    def batch(self, task: Task) -> Measured:
        return self._counted(_BATCH, (SWEEP,))

    def _counted(self, sql: str, params: Sequence[Any]) -> Measured:
        watch = Stopwatch()
        with watch.running():
            found = len(self._events(sql, params))
        return Measured(found, watch.seconds, found)

    def _events(self, sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            dict(zip(_NAMES, row, strict=True)) | _loaded(data) | _loaded(personal)
            for *row, data, personal in self._rows(sql, params)
        ]


def _loaded(text: str | None) -> dict[str, Any]:
    return orjson.loads(text) if text else {}
