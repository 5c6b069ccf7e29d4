"""Figures of what selected events began, worked out in the database from spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from modlog._domain.figures import AUTOMATA, FLAGGING, LIFTING, SANCTIONING, By, Figures
from modlog._domain.selection import Selection
from modlog._domain.values import from_micros
from modlog._storage.database import Database
from modlog._storage.projection import damaged
from modlog._storage.reading import Reader, selected
from modlog._storage.selecting import Condition, both

_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
_SECOND: Final = 1_000_000


def _from_start(length: int) -> str:
    """The beginning of the day or hour in which it happened, before 1970 too."""
    down = f"CASE WHEN x.since < 0 THEN {length - 1} ELSE 0 END"  # division cuts towards zero
    return f"(x.since - {down}) / {length} * {length}"


_KEYS: Final[dict[By | None, str]] = {
    None: "CAST(NULL AS TEXT)",
    "actor": "cause.actor_kind || ':' || cause.actor_id",
    "actor_kind": "cause.actor_kind",
    "policy": "cause.policy",
    "batch": "cause.batch_id",
    "label": "x.label",
    "day": _from_start(_DAY),
    "hour": _from_start(_HOUR),
}


def causes(database: Database, condition: Condition) -> str:
    """What events `cause` began for which a condition holds, for a FROM clause and its conditions.

    The last stay `x` of each tells whether it stands, and the act `ender` what ended it. The
    parameters are those of the condition.
    """
    return (
        "FROM (SELECT e.stream, e.version, a.actor_kind, a.actor_id, a.policy, a.batch_id,"
        f" a.confidence {selected(database, condition)}) AS cause"
        f" CROSS JOIN {database.table('spans')} AS x {ending(database)}"
        f" WHERE x.stream = cause.stream AND x.version = cause.version AND {is_last(database)}"
    )


def ending(database: Database) -> str:
    """The event and the act `ender` that ended a stay `x`, if any has, for a FROM clause."""
    return (
        f"LEFT JOIN {database.table('events')} AS ended ON ended.position = x.closed"
        f" LEFT JOIN {database.table('acts')} AS ender ON ender.number = ended.act"
    )


def is_last(database: Database) -> str:
    """The condition that a stay `x` is the last of its cause.

    The stays of one cause do not overlap, so none comes after one that is open.
    """
    return (
        f"NOT EXISTS (SELECT 1 FROM {database.table('spans')} AS y"
        " WHERE y.stream = x.stream AND y.version = x.version AND y.opened > x.closed)"
    )


def texts(values: Sequence[str]) -> str:
    """Words of ours as a list in SQL."""
    return ", ".join(f"'{value}'" for value in values)


def condition_for(reader: Reader, selection: Selection, types: Sequence[str]) -> Condition:
    """The selected events of some types, as a condition on events."""
    if selection.is_everything:
        return reader.condition(Selection(type=types))
    # What is selected, and not the type, is to lead to the acts.
    return both(reader.condition(selection), Condition(f"a.type || '' IN ({texts(types)})", ()))


def figures(reader: Reader, selection: Selection, by: By | None) -> list[Figures]:
    """The figures of what the selected events began, most sanctions first, then most flags.

    Those of all together, if there are any, if `by` is None.

    Raises:
        CorruptCacheError: a row is not what modlog writes.
    """
    found: dict[Any, dict[str, Any]] = defaultdict(dict)
    with reader.database.sorting(reader.session):
        for of in (_of_sanctions, _of_flags):
            for key, values in of(reader, selection, by):
                found[key] |= values
    try:
        groups = [Figures(by=_text(by, key), **values) for key, values in found.items()]
    except OverflowError as error:
        raise damaged(error) from error
    return sorted(groups, key=lambda one: (-one.sanctions, -one.flags, one.by or ""))


def _text(by: By | None, key: Any) -> str | None:
    match by:
        case "day":
            return from_micros(key).isoformat()[:10]
        case "hour":
            return _hour(key)
    return None if key is None else str(key)


def _hour(start: int) -> str:
    return f"{from_micros(start).isoformat()[:16]}Z"


def _of_sanctions(
    reader: Reader, selection: Selection, by: By | None
) -> Iterator[tuple[Any, dict[str, Any]]]:
    if by == "label":
        return  # which only flags have
    condition = condition_for(reader, selection, SANCTIONING)
    rows = reader.session.rows(_sanctions_sql(reader.database, condition, by), condition.params)
    for is_times, key, *values in rows:
        yield key, _times(*values[:3]) if is_times else _numbers(values)


def _sanctions_sql(database: Database, condition: Condition, by: By | None) -> str:
    # Ranked are only those that were lifted, which are few.
    return (
        f"WITH sanctions AS (SELECT {_KEYS[by]} AS grouped,"
        f" CASE WHEN cause.actor_kind IN ({texts(AUTOMATA)}) THEN 1 ELSE 0 END AS automated,"
        f" CASE WHEN ender.type IN ({texts(LIFTING)}) AND ender.actor_id = cause.actor_id"
        " AND ender.actor_kind = cause.actor_kind THEN 'same'"
        f" WHEN ender.type IN ({texts(LIFTING)}) THEN 'others' END AS lifted,"
        " cause.confidence AS confidence, x.closed_at - x.since AS took"
        f" {causes(database, condition)}),"
        " ranked AS (SELECT grouped, took,"
        " row_number() OVER (PARTITION BY grouped ORDER BY took) AS place,"
        " count(*) OVER (PARTITION BY grouped) AS number"
        " FROM sanctions WHERE lifted IS NOT NULL)"
        " SELECT 0 AS is_times, grouped, count(*), count(CASE WHEN lifted = 'others' THEN 1 END),"
        " count(CASE WHEN lifted = 'same' THEN 1 END), sum(automated),"
        " avg(CASE WHEN lifted = 'others' THEN confidence END),"
        " avg(CASE WHEN lifted IS NULL THEN confidence END)"
        " FROM sanctions GROUP BY grouped"
        " UNION ALL SELECT 1, grouped, min(CASE WHEN place = (number + 1) / 2 THEN took END),"
        " min(CASE WHEN place = (number + 2) / 2 THEN took END),"
        " min(CASE WHEN place = (number * 95 + 99) / 100 THEN took END), NULL, NULL, NULL"
        " FROM ranked GROUP BY grouped"
    )


def _numbers(values: Sequence[Any]) -> dict[str, Any]:
    number, others, same, automated, overturned, upheld = values
    return {
        "sanctions": number,
        "lifted_by_others": others,
        "lifted_by_same": same,
        "overturn_rate": others / number,
        "automated_share": automated / number,
        "overturned_confidence": overturned,
        "upheld_confidence": upheld,
    }


def _times(lower: int, upper: int, most: int) -> dict[str, Any]:
    return {
        "median_seconds": seconds(lower, upper),
        "p95_seconds": most / _SECOND,
    }


def seconds(lower: int, upper: int) -> float:
    """The middle of two times in microseconds."""
    return (lower + upper) / (2 * _SECOND)


def _of_flags(
    reader: Reader, selection: Selection, by: By | None
) -> Iterator[tuple[Any, dict[str, Any]]]:
    condition = condition_for(reader, selection, FLAGGING)
    rows = reader.session.rows(_flags_sql(reader.database, condition, by), condition.params)
    for what, key, number, other, account_id in rows:
        match what:
            case "all":
                yield key, {"flags": number, "flagged_accounts": other}
            case "busiest":
                yield key, {"busiest_flags": number, "busiest_hour": _hour(other)}
            case "burst":
                yield key, {"burst": number, "burst_account": account_id}


def _flags_sql(database: Database, condition: Condition, by: By | None) -> str:
    # Each flag counts for an hour, or until the same hand flags the account again: so many hands
    # are at it at once as such spells overlap.
    return (
        f"WITH flags AS (SELECT {_KEYS[by]} AS grouped, x.stream AS stream, x.since AS since,"
        f" cause.actor_kind || ':' || cause.actor_id AS hand, {_KEYS['hour']} AS hour"
        f" {causes(database, condition)}),"
        f" spells AS (SELECT grouped, stream, since, since + {_HOUR + 1} AS ends,"
        " lead(since) OVER (PARTITION BY grouped, stream, hand ORDER BY since) AS again"
        " FROM flags),"
        " steps AS (SELECT grouped, stream, since AS instant, 1 AS step FROM spells"
        " UNION ALL SELECT grouped, stream, CASE WHEN again < ends THEN again ELSE ends END, -1"
        " FROM spells),"
        " crowds AS (SELECT grouped, stream, sum(step) OVER (PARTITION BY grouped, stream"
        " ORDER BY instant, step ROWS UNBOUNDED PRECEDING) AS hands FROM steps),"
        " bursts AS (SELECT grouped, stream, max(hands) AS hands, row_number() OVER"
        " (PARTITION BY grouped ORDER BY max(hands) DESC, stream) AS place"
        " FROM crowds GROUP BY grouped, stream),"
        " hours AS (SELECT grouped, hour, count(*) AS number, row_number() OVER"
        " (PARTITION BY grouped ORDER BY count(*) DESC, hour) AS place"
        " FROM flags GROUP BY grouped, hour)"
        " SELECT 'all' AS what, grouped, count(*), count(DISTINCT stream), NULL FROM flags"
        " GROUP BY grouped"
        " UNION ALL SELECT 'busiest', grouped, number, hour, NULL FROM hours WHERE place = 1"
        " UNION ALL SELECT 'burst', grouped, hands, NULL, s.id FROM bursts"
        f" JOIN {database.table('streams')} AS s ON s.number = bursts.stream WHERE place = 1"
    )
