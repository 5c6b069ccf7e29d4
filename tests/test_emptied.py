"""The schemas that laws use again are as new ones, whatever was done in them."""

import psycopg
import pytest

import modlog
from modlog import Actor
from tests import places

ANN = Actor.human("ann")


def used(spoil=None):
    """Leaves a schema behind that had a ledger with everything in it; its name."""
    with places.fresh("postgres", reuse=True) as place:
        with place.open() as log, modlog.acting(ANN, reason="clean-up"):
            log.create("a", idempotency_key="k")
            log.flag("a", label="spam")
            plan = log.plan_sweep(["a"], "delete")
            plan.approve(actor=Actor.human("bea"))
            plan.execute()
            log.revert(modlog.Selection(batch_id=plan.batch_id))
        if spoil:
            with psycopg.connect(places.postgres_url(), autocommit=True) as connection:
                connection.execute(spoil.format(schema=f'"{place.schema}"'))
    return place.schema


def rows(name):
    with psycopg.connect(places.postgres_url()) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
            (name,),
        ).fetchall()
        return {
            table: connection.execute(f'SELECT count(*) FROM "{name}".{table}').fetchall()[0][0]
            for (table,) in tables
        }


def test_a_schema_is_used_again_without_a_trace_of_what_was_in_it():
    name = used()
    with places.fresh("postgres", reuse=True) as place:
        assert place.schema == name
        filled = {table: number for table, number in rows(name).items() if number}
        assert filled.keys() == {"modlog_meta", "modlog_head"}
        with place.open() as log:
            assert log.head == 0
            assert log.create("a", actor=ANN, idempotency_key="k").position == 1
            assert log.verify().findings == ()


@pytest.mark.parametrize(
    "spoil",
    [
        "ALTER TABLE {schema}.modlog_events DISABLE TRIGGER modlog_events_change",
        "DROP TABLE {schema}.modlog_spans",
        "DROP INDEX {schema}.modlog_acts_actor",
        "ALTER TABLE {schema}.modlog_meta ADD COLUMN more text",
        "GRANT SELECT ON {schema}.modlog_events TO PUBLIC",
        "DROP SCHEMA {schema} CASCADE",
    ],
)
def test_one_that_was_changed_is_not_used_again(spoil):
    name = used(spoil)
    with places.fresh("postgres", reuse=True) as place:
        assert place.schema != name
