"""A large log in a minute or two: five events of each account, written by a few statements.

Each event was a command of its own, and has an act of its own. They lie in layers, all creations
first, then all flags and so on, and the ids are in no order, so that the history of an account is
spread over the whole log as it is in life. Indexes and triggers are set aside meanwhile and made
again as modlog had made them, but before the last layer: an index that is made at once is full to
the brim, and would be split by the first events after it, page by page, as no log in use is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import modlog
from benchmarks.places import Place

_MICROS: Final = 1_000_000
_BEGIN: Final = 1_704_067_200 * _MICROS
# Type, data and personal data of each layer, the data as SQL.
_LAYERS: Final = (
    ("account.created", "NULL", '\'{"profile":{"nickname":"member \' || i || \'"}}\''),
    ("account.flagged", '\'{"label":"spam","score":null}\'', "NULL"),
    ("account.suspended", "'{\"until\":null}'", "NULL"),
    ("account.restored", "'{\"lifts\":[3]}'", "NULL"),
    ("profile.changed", "NULL", '\'{"changes":{"nickname":"new \' || i || \'"}}\''),
)
EVENTS_OF_ACCOUNT: Final = len(_LAYERS)
_ACTS: Final = (
    "INSERT INTO modlog_acts (number, recorded_at, type, schema, actor_kind, actor_id, reason,"
    " policy) SELECT i + {before} + 1, {begin} + i * {micros}, '{type}', 1, 'human',"
    " 'moderator-' || (i % 20), 'against the rules', 'spam' FROM numbers ORDER BY i"
)
_EVENTS: Final = (
    "INSERT INTO modlog_events (position, act, stream, version, data, personal)"
    " SELECT i + {before} + 1, i + {before} + 1, i + 1, {version}, {data}, {personal}"
    " FROM numbers ORDER BY i"
)
# What stands: the account, its flag, and for a while the suspension, by the layer of each.
_SPANS: Final = (
    "INSERT INTO modlog_spans SELECT i + 1, version, i + 1 + (version - 1) * {accounts}, facet,"
    " {begin} + (i + (version - 1) * {accounts}) * {micros}, NULL, label, NULL,"
    " i + 1 + (ended - 1) * {accounts}, {begin} + (i + (ended - 1) * {accounts}) * {micros}"
    " FROM numbers CROSS JOIN (SELECT 1 AS version, 1 AS facet, NULL AS label,"
    " CAST(NULL AS bigint) AS ended UNION ALL SELECT 2, 2, 'spam', NULL"
    " UNION ALL SELECT 3, 4, NULL, 4) AS stays ORDER BY i, version"
)
_HASHED: Final = "(i * 2654435761) % 4294967296"  # as workload.account_id has it

Run = Callable[[str], Iterable[Any]]


def fill(place: Place, events: int) -> None:
    """Fill an empty ledger with so many events, five for each account."""
    modlog.open(place.url, schema=place.schema, create=True).close()
    (_fill_sqlite if place.store == "sqlite" else _fill_postgres)(
        place, events // EVENTS_OF_ACCOUNT
    )


def actor_in_time(log: int) -> tuple[dict[str, Any], datetime, datetime]:
    """One actor, and the second half of the time in which a log of so many events was filled."""
    begin = datetime.fromtimestamp(_BEGIN / _MICROS, UTC)
    since, until = (begin + timedelta(seconds=second) for second in (log // 2, log))
    return {"kind": "human", "id": "moderator-1"}, since, until


def _fill_sqlite(place: Place, accounts: int) -> None:
    with closing(sqlite3.connect(place.path, isolation_level=None)) as connection:
        run = connection.execute
        for setting in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -262144"):
            run(f"PRAGMA {setting}")
        run("CREATE TEMP TABLE numbers (i INTEGER PRIMARY KEY, id TEXT)")
        run(
            "INSERT INTO numbers WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL"
            f" SELECT i + 1 FROM n WHERE i < {accounts - 1}) SELECT i, printf('%010d', {_HASHED})"
            " FROM n"
        )
        aside = run(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ('modlog_streams',"
            " 'modlog_acts', 'modlog_events') AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in aside:
            run(f"DROP {kind} {name}")

        def make_again(which: str) -> None:
            for kind, _, sql in aside:
                if kind == which:
                    run(sql)

        _write(run, accounts, lambda: make_again("index"))
        make_again("trigger")
        run("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill_postgres(place: Place, accounts: int) -> None:
    import psycopg

    with psycopg.connect(place.url, autocommit=True) as connection:

        def run(sql: str) -> list[Any]:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

        run(f'SET search_path = "{place.schema}"')
        run("SET maintenance_work_mem = '256MB'")
        run("CREATE TEMP TABLE numbers (i bigint PRIMARY KEY, id text)")
        run(
            f"INSERT INTO numbers SELECT i, lpad(({_HASHED})::text, 10, '0')"
            f" FROM generate_series(0::bigint, {accounts - 1}) AS n (i)"
        )
        run("ANALYZE numbers")
        aside = run(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename IN ('modlog_streams', 'modlog_acts', 'modlog_events')"
            " AND indexname NOT LIKE '%_pkey'"
        )
        for name, _ in aside:
            run(f"DROP INDEX {name}")

        def make_again() -> None:
            for _, sql in aside:
                run(sql)

        _write(run, accounts, make_again)
        run(
            "UPDATE modlog_head SET (position, recorded_at) = (SELECT number, recorded_at"
            " FROM modlog_acts ORDER BY number DESC LIMIT 1)"
        )
        run("VACUUM ANALYZE")  # what the server would do by itself some time later


def _write(run: Run, accounts: int, make_indexes: Callable[[], None]) -> None:
    """The events, layer by layer, and the current state that they lead to."""
    run("INSERT INTO modlog_streams SELECT i + 1, 'account', id FROM numbers ORDER BY i")
    for version, (type_, data, personal) in enumerate(_LAYERS, 1):
        if version == EVENTS_OF_ACCOUNT:
            make_indexes()
        before = (version - 1) * accounts
        begin = _BEGIN + before * _MICROS
        run(_ACTS.format(before=before, begin=begin, micros=_MICROS, type=type_))
        run(_EVENTS.format(before=before, version=version, data=data, personal=personal))
    version = EVENTS_OF_ACCOUNT
    latest = _BEGIN + (version - 1) * accounts * _MICROS
    run(
        f"INSERT INTO modlog_accounts SELECT i + 1, {version}, {latest} + i * {_MICROS}, 1,"
        " '{\"nickname\":\"new ' || i || '\"}' FROM numbers ORDER BY i"
    )
    run(_SPANS.format(accounts=accounts, begin=_BEGIN, micros=_MICROS))
