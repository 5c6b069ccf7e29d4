"""Where a ledger can live, and a fresh place of each kind."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from attrs import frozen
from psycopg.sql import SQL, Identifier

import modlog

KINDS = ("sqlite-memory", "sqlite", "postgres")


@frozen
class Place:
    """Where one ledger lives. In memory, every `open` is a new, empty ledger."""

    kind: str
    url: str
    schema: str | None = None

    def open(self, **options):
        return modlog.open(self.url, schema=self.schema, create=True, **options)


@contextmanager
def fresh(kind: str) -> Iterator[Place]:
    """A place where no ledger has been; whatever comes to be there is gone afterwards."""
    match kind:
        case "sqlite-memory":
            yield Place(kind, "sqlite://")
        case "sqlite":
            with tempfile.TemporaryDirectory(prefix="modlog-") as folder:
                yield Place(kind, f"sqlite:///{Path(folder) / 'ledger.db'}")
        case "postgres":
            with fresh_schema() as schema:
                yield Place(kind, postgres_url(), schema)
        case _:
            raise ValueError(f"no such kind of place: {kind!r}; there are {', '.join(KINDS)}")


def postgres_url() -> str:
    """The server of this run: the one that `conftest` started, or the developer's own."""
    return os.environ["MODLOG_TEST_POSTGRES"]


@contextmanager
def fresh_schema() -> Iterator[str]:
    """The name of a PostgreSQL schema that does not exist yet; dropped afterwards if it does."""
    schema = f"modlog_test_{uuid4().hex[:16]}"
    try:
        yield schema
    finally:
        with psycopg.connect(postgres_url(), autocommit=True) as connection:
            # A test that left a transaction open is to fail here, not to hang.
            connection.execute("SET lock_timeout = '10s'")
            connection.execute("SET client_min_messages = 'warning'")
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
