"""A ledger that was tampered with tells so: one kind of damage for each of its checks."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

import modlog
from modlog import Actor
from tests import places

KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def damaged(request):
    """Makes a small ledger, lets a statement do its harm, and gives what `verify` finds."""
    with places.fresh(request.param) as place:

        def after(*statements: str, live=lambda log: None):
            with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
                log.create("a", {"nickname": "Lei"})
                log.flag("a", "spam")
                log.suspend("a")
                log.delete("b", idempotency_key="k") if log.create("b") else None
                live(log)
            for statement in statements:
                tamper(place, statement)
            with place.open() as log:
                return log.verify().findings

        yield after


def tamper(place, statement: str) -> None:
    """A statement by somebody who took the guards away first, and put them back."""
    if place.kind == "sqlite":
        path = Path(urlsplit(place.url).path[1:])
        with closing(sqlite3.connect(path)) as connection:
            guards = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for name, _ in guards:
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)
            for _, sql in guards:
                connection.execute(sql)
            connection.commit()
        return
    with psycopg.connect(place.url) as connection:
        connection.execute(f"SET search_path = {place.schema}")
        connection.execute("GRANT UPDATE, DELETE ON modlog_events TO CURRENT_USER")
        connection.execute("ALTER TABLE modlog_events DISABLE TRIGGER modlog_events_change")
        connection.execute(statement)
        connection.execute("ALTER TABLE modlog_events ENABLE ALWAYS TRIGGER modlog_events_change")


def checks(findings) -> set[str]:
    return {finding.check for finding in findings}


def test_a_sound_ledger_has_no_findings(damaged):
    assert damaged() == ()


def test_a_missing_event_in_the_middle_is_a_gap(damaged):
    findings = damaged("DELETE FROM modlog_events WHERE position = 2")

    assert {"positions", "versions", "projection"} <= checks(findings)
    (gap,) = [f for f in findings if f.check == "positions" and f.position]
    assert gap.position == 3
    (version,) = [f for f in findings if f.check == "versions"]
    assert (version.account_id, version.position) == ("a", 3)


def test_a_missing_last_event_is_found(damaged):
    findings = damaged("DELETE FROM modlog_events WHERE position = 5")

    assert {"keys", "projection"} <= checks(findings)


def test_an_instant_that_goes_back_is_found(damaged):
    findings = damaged("UPDATE modlog_events SET recorded_at = 1 WHERE position = 4")

    assert [(f.check, f.position) for f in findings] == [("instants", 4)]


@pytest.mark.parametrize(
    "change",
    [
        "data = '{}'",
        "data = 'no JSON'",
        """data = '{"label":7,"score":null}'""",
        """data = '{"label":"spam","score":null,"more":1}'""",
        "type = 'account.unheard'",
        "schema = 9",
        "actor_kind = 'ghost'",
        "actor_id = ''",
    ],
)
def test_an_event_that_cannot_be_read_is_found(damaged, change):
    findings = damaged(f"UPDATE modlog_events SET {change} WHERE position = 2")

    assert [(f.check, f.account_id) for f in findings] == [("events", "a")]
    assert "position 2" in findings[0].message


def test_a_record_of_a_sweep_that_cannot_be_read_is_found(damaged):
    findings = damaged(
        "UPDATE modlog_events SET data = '{}' WHERE type = 'sweep.planned'",
        live=lambda log: log.plan_sweep(["a"], "flag", label="x"),
    )

    assert [(f.check, f.position) for f in findings] == [("events", 6)]


@pytest.mark.parametrize(
    ("statement", "facet"),
    [
        ("UPDATE modlog_accounts SET version = 9 WHERE account_id = 'a'", "version"),
        ("UPDATE modlog_accounts SET protected = 1 WHERE account_id = 'a'", "protected"),
        ("UPDATE modlog_accounts SET profile = '{}' WHERE account_id = 'a'", "profile"),
        ("UPDATE modlog_accounts SET latest = 1 WHERE account_id = 'a'", "latest"),
        ("DELETE FROM modlog_flags WHERE account_id = 'a'", "flags"),
        ("DELETE FROM modlog_sanctions WHERE account_id = 'a'", "sanctions"),
        ("UPDATE modlog_sanctions SET until = 1 WHERE account_id = 'a'", "sanctions"),
        ("DELETE FROM modlog_accounts WHERE account_id = 'a'", "version"),
    ],
)
def test_a_projection_that_is_no_replay_is_found_and_rebuilt(damaged, statement, facet):
    findings = damaged(statement)

    assert [(f.check, f.account_id) for f in findings] == [("projection", "a")]
    assert facet in findings[0].message
    assert "Lei" not in findings[0].message  # values may be personal


def test_rows_of_an_account_without_events_are_found(damaged):
    findings = damaged("INSERT INTO modlog_flags VALUES ('nobody', 1, 'spam')")

    assert [(f.check, f.account_id) for f in findings] == [("projection", "nobody")]


def test_an_account_without_rows_is_found(damaged):
    findings = damaged(
        "DELETE FROM modlog_accounts WHERE account_id = 'b'",
        "DELETE FROM modlog_sanctions WHERE account_id = 'b'",
    )

    assert [(f.check, f.account_id) for f in findings] == [("projection", "b")]


def test_a_key_that_leads_nowhere_is_found(damaged):
    findings = damaged("UPDATE modlog_keys SET position = 99")

    assert [(f.check, f.position) for f in findings] == [("keys", 99)]


@pytest.mark.parametrize("kind", KINDS)
def test_rebuilding_mends_the_projection(kind):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            log.delete("a")
        tamper(place, "DELETE FROM modlog_sanctions")
        with place.open() as log:
            assert not log.verify().ok
            assert log.rebuild() == 1
            assert log.verify().ok
            assert log.account("a").status == "deleted"


UNREADABLE = [
    "UPDATE modlog_accounts SET profile = 'no JSON' WHERE account_id = 'a'",
    "UPDATE modlog_accounts SET profile = '[]' WHERE account_id = 'a'",
    "UPDATE modlog_accounts SET latest = 9223372036854775807 WHERE account_id = 'a'",
    "UPDATE modlog_sanctions SET since = 9223372036854775807 WHERE account_id = 'a'",
    "UPDATE modlog_sanctions SET until = -9223372036854775807 WHERE account_id = 'a'",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("statement", UNREADABLE)
def test_a_cache_that_cannot_be_read_names_rebuild(kind, statement):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            log.suspend("a")
        tamper(place, statement)
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            for ask in (
                lambda: log.account("a"),
                lambda: list(log.accounts()),
                lambda: log.delete("a"),
            ):
                with pytest.raises(modlog.CorruptCacheError, match=r"rebuild\(\)"):
                    ask()
            assert "projection" in checks(log.verify().findings)
            log.rebuild()
            assert log.verify().ok
            assert log.delete("a").version == 3
