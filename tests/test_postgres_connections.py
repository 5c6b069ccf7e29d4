"""PostgreSQL: the URLs that are understood, schemas that are not there, callers' connections."""

from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

import modlog
from modlog import Actor
from modlog._storage.postgres.connecting import options_of

ANN = Actor.human("ann")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_urls_of_several_kinds_are_understood(scheme, postgres_url, schema):
    url = f"{scheme}://{postgres_url.partition('://')[2]}"
    with modlog.open(url, schema=schema, create=True) as log:
        assert log.create("a", actor=ANN).position == 1


def test_a_named_schema_that_is_not_there_is_made_only_when_asked(postgres_url, schema):
    with pytest.raises(modlog.SchemaError, match="create=True"):
        modlog.open(postgres_url, schema=schema)
    modlog.open(postgres_url, schema=schema, create=True).close()
    modlog.open(postgres_url, schema=schema).close()


@pytest.mark.parametrize("threshold", ["0", "5", "none"])
def test_a_url_says_when_statements_are_prepared(threshold, postgres_url, schema):
    sign = "&" if urlsplit(postgres_url).query else "?"
    url = f"{postgres_url}{sign}prepare_threshold={threshold}"
    with modlog.open(url, schema=schema, create=True) as log:
        log.create("a", actor=ANN)
        for _ in range(8):
            log.note("a", "x", actor=ANN)
        assert log.verify().ok
    with pytest.raises(modlog.InvalidUrlError, match="prepare_threshold"):
        modlog.open(f"{url}x", schema=schema)


@pytest.mark.parametrize("beginning", ["postgresql://", "postgresql:///", "postgresql:///platform"])
def test_a_url_without_a_host_may_say_so_too(beginning):
    options = options_of(f"{beginning}?user=app&prepare_threshold=3&host=%2Ftmp")
    found = conninfo_to_dict(options.conninfo)
    assert (found["user"], found["host"], options.prepare_threshold) == ("app", "/tmp", 3)  # noqa: S108


@pytest.mark.parametrize(
    ("options", "environment", "seconds"),
    [
        ("", None, 10),
        ("?connect_timeout=3", "4", 3),
        ("", "4", 4),
        ("?prepare_threshold=0", None, 10),
    ],
)
def test_how_long_a_server_has_to_answer(options, environment, seconds, monkeypatch):
    if environment:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", environment)
    found = options_of(f"postgresql://a.example,b.example/platform{options}")
    assert found.connect_timeout == seconds


def test_a_time_to_answer_that_is_none_is_refused():
    with pytest.raises(modlog.InvalidUrlError):
        modlog.open("postgresql://a.example/platform?connect_timeout=soon")


@pytest.mark.parametrize("threshold", [0, 5, None])
@pytest.mark.parametrize(
    "factory", [psycopg.Cursor, psycopg.ClientCursor, psycopg.RawCursor], ids=lambda f: f.__name__
)
def test_within_takes_every_kind_of_connection(factory, threshold, postgres_url, schema):
    with (
        modlog.open(postgres_url, schema=schema, create=True) as log,
        closing(
            psycopg.connect(
                postgres_url,
                cursor_factory=factory,
                row_factory=dict_row,
                prepare_threshold=threshold,
            )
        ) as connection,
    ):
        with log.within(connection):
            log.create("a", actor=ANN, idempotency_key="k")
            log.flag("a", label="spam", score=0.5, actor=ANN)
            log.delete("a", actor=ANN, reason="spam")
            log.restore("a", actor=ANN, reason="mistake")
        connection.commit()
        assert log.head == 4
        assert log.verify().ok
