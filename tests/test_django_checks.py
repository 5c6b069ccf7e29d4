"""Wrong settings, another database, a ledger that is not there: told when Django starts."""

import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.test import Client

import modlog
from modlog import Actor, Guardrails
from modlog._storage.postgres.connecting import options_of
from tests.djangosite import KINDS

GOLDEN = Path(__file__).parent / "golden"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def told(site: Any, settings: Any) -> list[tuple[str, str]]:
    """What the check says, each with its id; and that nothing is served with an error."""
    with site.override_settings(MODLOG=settings):
        found = [(one.id, one.msg) for one in run_checks(tags=["modlog"])]
        stops = [id_ for id_, _ in found if id_ != "modlog.W002"]
        if stops:
            with pytest.raises(ImproperlyConfigured, match=stops[0]):
                Client().get("/suspend/a/")
        return found


@pytest.mark.parametrize("alias", KINDS)
def test_a_ledger_as_it_must_be_is_not_mentioned(alias, site):
    assert told(site, {"DATABASE": alias}) == []
    place = {"DATABASE": alias, "GUARDRAILS": Guardrails(sweep_size=5), "LOCK_TIMEOUT": 5}
    assert told(site, place) == []


def test_the_default_database_is_meant_where_nothing_is_said(site):
    assert told(site, None) == told(site, {}) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("sqlite://", "must be a dict"),
        ({"DATABSE": "default"}, "knows no 'DATABSE'"),
        ({"DATABASE": "nothing"}, "'nothing'; DATABASES knows 'default', 'postgres'"),
        ({"DATABASE": ["default"]}, "DATABASES knows"),
        ({"DATABASE": None}, "must say where the ledger lies"),
        ({"URL": 7}, "must say where the ledger lies"),
        ({"SCHEMA": "moderation"}, "is for PostgreSQL"),
        ({"DATABASE": "postgres", "SCHEMA": 7}, "the name of a PostgreSQL schema"),
        ({"GUARDRAILS": {"sweep_size": 5}}, "must be a modlog.Guardrails"),
        ({"LOCK_TIMEOUT": "5"}, "a number of seconds"),
        ({"ACTOR": "wan"}, "dotted path"),
        ({"ACTOR": "tests.djangosite.nothing"}, "nothing"),
        ({"ACTOR": Actor.human("wan")}, "a function of the request"),
    ],
)
def test_wrong_settings_are_told_with_what_to_do(settings, words, site):
    found = told(site, settings)
    assert [id_ for id_, _ in found] == ["modlog.E001"]
    assert words in found[0][1]


def test_sqlite_in_memory_holds_no_ledger(site, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", ":memory:")
    monkeypatch.setattr("modlog.django._settings._names_at_start", {})
    ((id_, message),) = told(site, {})
    assert (id_, "'TEST': {'NAME'" in message) == ("modlog.E001", True)


def test_a_url_that_cannot_be_read_is_told(site):
    found = told(site, {"URL": "mysql://somewhere"})
    assert found[0][0] == "modlog.E003"
    assert "'mysql' is not a kind of database" in found[0][1]


@pytest.mark.parametrize("alias", KINDS)
def test_a_url_that_leads_elsewhere_than_the_database_is_told(alias, site, tmp_path):
    url = f"sqlite:///{tmp_path}/other.db"
    modlog.open(url).close()
    assert told(site, {"URL": url}) == []
    found = told(site, {"URL": url, "DATABASE": alias})
    assert found[0][0] == "modlog.E002"
    assert f"does not lie in the database {alias!r}" in found[0][1]


def test_a_url_that_leads_to_the_database_is_fine(site, postgres_url):
    from modlog.django._settings import url_of

    assert told(site, {"URL": url_of("postgres"), "DATABASE": "server_side"}) == []


def test_the_ledger_has_the_role_and_the_options_that_django_has(site, monkeypatch, schema):
    from modlog.django._settings import url_of

    settings = connections["postgres"].settings_dict
    more = {"assume_role": "pg_read_all_data", "application_name": "a b&c", "prepare_threshold": 3}
    monkeypatch.setitem(settings, "OPTIONS", settings["OPTIONS"] | more)
    url = url_of("postgres")
    with psycopg.connect(options_of(url).conninfo) as connection:
        asked = "SELECT current_user, current_setting('application_name'), current_schema()"
        path = settings["OPTIONS"]["options"].partition("=")[2]
        assert connection.execute(asked).fetchone() == ("pg_read_all_data", "a b&c", path)
    assert options_of(url).prepare_threshold == 3


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_ledger_that_is_not_there_is_told_and_migrate_begins_it(kind, site, tmp_path, schema):
    settings: dict[str, Any] = {"DATABASE": "postgres", "SCHEMA": schema}
    if kind == "sqlite":
        settings = {"URL": f"sqlite:///{tmp_path}/new.db"}
    ((id_, message),) = told(site, settings)
    assert (id_, "run manage.py migrate" in message) == ("modlog.W001", True)
    with site.override_settings(MODLOG=settings):
        from modlog.django import log

        with pytest.raises(ImproperlyConfigured, match=r"run manage\.py migrate"):
            log.count()
        call_command("migrate", database=settings.get("DATABASE", "default"), verbosity=0)
        assert log.head == 0
    assert told(site, settings) == []
    site.close()


def test_a_ledger_of_a_newer_modlog_is_told(site, tmp_path):
    path = tmp_path / "newer.db"
    modlog.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE modlog_meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    found = told(site, {"URL": path})
    assert found[0][0] == "modlog.E003"
    assert "upgrade modlog" in found[0][1]


def test_a_ledger_of_an_older_modlog_is_told_and_migrate_upgrades_it(site, tmp_path):
    path = shutil.copy(GOLDEN / "ledger-2.db", tmp_path)
    assert [id_ for id_, _ in told(site, {"URL": path})] == ["modlog.W001"]
    with site.override_settings(MODLOG={"URL": path}):
        from modlog.django import log

        call_command("migrate", verbosity=0)
        assert log.verify().ok
    assert told(site, {"URL": path}) == []
    site.close()


def test_a_server_that_is_away_is_told_but_stops_nobody(site, caplog):
    found = told(site, {"URL": NOWHERE})
    assert [id_ for id_, _ in found] == ["modlog.W002"]
    with site.override_settings(MODLOG={"URL": NOWHERE}), caplog.at_level(logging.WARNING):
        assert Client().get("/nowhere/").status_code == 404
        assert "The ledger cannot be asked" in caplog.text


def test_a_password_is_never_shown(site):
    found = told(site, {"URL": "postgresql://nobody:geheim@127.0.0.1:1/nothing"})
    assert "geheim" not in str(found)
    assert "geheim" not in str(told(site, {"URL": "postgresql://nobody:geheim@[/nothing"}))
