"""`within` a transaction of Django, whose connections bind parameters on the client by default."""

from collections.abc import Iterator
from typing import Any

import django
import django.conf
import psycopg
import pytest
from django.db import connections, transaction
from psycopg.conninfo import conninfo_to_dict

import modlog
from modlog import Actor

ANN = Actor.human("ann")


@pytest.fixture(params=["default", "server_side"])
def connection(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Any]:
    """A connection of Django's, with parameters bound on the client, its default, or the server."""
    if not django.conf.settings.configured:
        on_server = {"server_side_binding": True}
        django.conf.settings.configure(
            DATABASES={
                "default": database_of(postgres_url),
                "server_side": database_of(postgres_url) | {"OPTIONS": on_server},
            },
            LOGGING_CONFIG=None,
        )
        django.setup()
    yield connections[request.param]
    connections.close_all()


def database_of(url: str) -> dict[str, Any]:
    """A URL in Django's terms."""
    place = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    given = {name: place.get(key) or "" for name, key in (*names.items(), ("PORT", "port"))}
    return {"ENGINE": "django.db.backends.postgresql", **given}


def test_commands_are_part_of_a_transaction_of_django(connection, postgres_url, schema):
    with modlog.open(postgres_url, schema=schema, create=True) as log:
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE TABLE "{schema}".users (id text, visible boolean)')
            cursor.execute(f"INSERT INTO \"{schema}\".users VALUES ('a', true)")
        with transaction.atomic(connection.alias), log.within(driver_of(connection)):
            live(log, connection, schema)
        with transaction.atomic(connection.alias):
            with log.within(driver_of(connection)):
                log.note("a", "called", actor=ANN)
            transaction.set_rollback(True, connection.alias)
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT visible FROM "{schema}".users')
            assert cursor.fetchall() == [(False,)]
        assert log.account("a").status == "deleted"
        assert log.head == 5
        assert log.verify().ok


def live(log: modlog.ModLog, connection: Any, schema: str) -> None:
    log.create("a", actor=ANN, idempotency_key="k", profile={"nickname": "Lei"})
    log.flag("a", label="spam", score=0.5, actor=ANN)
    log.suspend("a", actor=ANN, reason="spam")
    log.clear_flags("a", actor=ANN)
    log.delete("a", actor=ANN, reason="spam")
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{schema}".users SET visible = false')


def driver_of(connection: Any) -> psycopg.Connection[Any]:
    driver = connection.connection
    assert isinstance(driver, psycopg.Connection)
    return driver
