"""Exports in the hands of another program: DuckDB finds the states that the ledger tells."""

from itertools import chain

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, Selection
from modlog.testing import MovableClock, histories
from tests.laws import STORE
from tests.test_exports_again import write

FILES = ("log.parquet", "log.jsonl", "log.csv")
# Which events count: seen from an account's last event back, an event counts unless one that
# itself counts has reverted it; an erasure always counts. Then what stands, and the status.
STATES = """
WITH RECURSIVE
known AS (
    SELECT *, coalesce(from_json(data -> '$.targets', '["BIGINT"]'), []) AS targets,
        coalesce(from_json(data -> '$.lifts', '["BIGINT"]'), []) AS lifts
    FROM log WHERE position <= $position AND account_id IS NOT NULL
),
walk AS (
    SELECT account_id, max(version) + 1 AS version, false AS counts,
        CAST([] AS BIGINT[]) AS reverted
    FROM known GROUP BY account_id
    UNION ALL
    SELECT account_id, version, counts,
        CASE WHEN counts THEN list_concat(reverted, targets) ELSE reverted END
    FROM (
        SELECT k.account_id, k.version, k.targets, w.reverted,
            k.type = 'account.erased' OR NOT list_contains(w.reverted, k.version) AS counts
        FROM walk AS w JOIN known AS k
        ON k.account_id = w.account_id AND k.version = w.version - 1
    ) AS steps
),
counting AS (
    SELECT known.* FROM known JOIN walk USING (account_id, version) WHERE walk.counts
),
born AS (
    SELECT account_id, min(version) FILTER (type = 'account.created') AS version,
        bool_or(type = 'account.erased') AS erased
    FROM counting GROUP BY account_id
),
sanctions AS (
    SELECT c.account_id, c.version, c.type, CAST(c.data ->> '$.until' AS TIMESTAMPTZ) AS until
    FROM counting AS c JOIN born AS b ON b.account_id = c.account_id AND b.version < c.version
    WHERE c.type IN ('account.deleted', 'account.suspended') AND NOT b.erased
    AND NOT EXISTS (
        SELECT 1 FROM counting AS r WHERE r.account_id = c.account_id
        AND r.version > c.version AND r.type = 'account.restored'
        AND list_contains(r.lifts, c.version)
    )
),
moment AS (SELECT recorded_at FROM log WHERE position = $position)
SELECT account_id,
    CASE WHEN b.erased THEN 'erased' WHEN b.version IS NULL THEN 'absent'
        WHEN bool_or(s.type = 'account.deleted') THEN 'deleted'
        WHEN bool_or(s.version IS NOT NULL AND
            (s.until IS NULL OR s.until > (FROM moment))) THEN 'suspended'
        ELSE 'active' END,
    coalesce(list(s.version ORDER BY s.version) FILTER (s.version IS NOT NULL), [])
FROM (SELECT DISTINCT account_id FROM known) LEFT JOIN born AS b USING (account_id)
LEFT JOIN sanctions AS s USING (account_id)
GROUP BY account_id, b.erased, b.version
"""


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect() as connection:
        yield connection


def found(duck, position):
    rows = duck.execute(STATES, {"position": position}).fetchall()
    return {account_id: (status, sanctions) for account_id, status, sanctions in rows}


def told(log, position):
    return {
        one.id: (one.status.value, sorted(one.sanctions)) for one in log.as_of(position).accounts()
    }


@st.composite
def tangled(draw):
    both = [draw(histories(account_id=id_, erasures=True, max_size=8)) for id_ in ("a", "b")]
    turns = list(chain.from_iterable([n] * len(one) for n, one in enumerate(both)))
    return both, draw(st.permutations(turns))


@pytest.mark.laws
@STORE
@given(tangled())
def test_the_state_at_a_position_is_what_a_view_tells(fresh_place, duck, tmp_path_factory, drawn):
    clock = MovableClock()
    file = tmp_path_factory.mktemp("duck") / "log.parquet"
    with fresh_place() as place, place.open(clock=clock) as log:
        write(log, clock, *drawn)
        log.export(file)
        duck.execute(f"CREATE OR REPLACE VIEW log AS FROM '{file}'")

        for position in range(1, log.head + 1):
            assert found(duck, position) == told(log, position)


def test_each_way_in_gives_the_same_rows(place, tmp_path):
    hostile = "'; DROP TABLE log; --"
    with place.open() as log, duckdb.connect() as duck:
        for number in range(5):
            log.create(f"{number}", actor=Actor.human("wan"), metadata={"ip": f"::{number % 2}"})
            log.delete(f"{number}", actor=Actor.human("wan"), reason=hostile)
        log.revert(Selection(account_id="3"), actor=Actor.human("wan"), reason="no")
        duck.register("in_memory", log.to_arrow())
        duck.register("streaming", log.to_arrow(batches=True))
        for name in FILES:
            log.export(tmp_path / name)

        def counted(columns, source):
            query = f"SELECT {columns}, count(*) FROM {source} GROUP BY ALL ORDER BY ALL"
            return duck.sql(query).fetchall()

        by_ip = "metadata ->> '$.ip' AS ip"
        for source in ("in_memory", *(f"'{tmp_path / name}'" for name in FILES)):
            assert counted(by_ip, source) == [("::0", 3), ("::1", 2), (None, 6)]
        expected = counted("type, reason, recorded_at", "in_memory")
        assert expected == counted("type, reason, recorded_at", "streaming")
        assert expected == counted("type, reason, recorded_at", f"'{tmp_path / 'log.parquet'}'")
        for name in FILES:
            assert counted("type", f"'{tmp_path / name}'") == [
                ("account.created", 5),
                ("account.deleted", 5),
                ("events.reverted", 1),
            ]
        assert {reason for _, reason, *_ in expected} == {None, hostile, "no"}
