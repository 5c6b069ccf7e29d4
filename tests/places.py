"""Where a ledger can live, and a fresh place of each kind."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shutil import disk_usage
from uuid import uuid4

import psycopg
from attrs import frozen
from psycopg.sql import SQL, Identifier

import modlog
from tests import emptied

# What tests may need at once on a machine with many workers, in bytes.
_ROOM = 4 * 2**30

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
def fresh(kind: str, *, reuse: bool = False) -> Iterator[Place]:
    """A place where no ledger has been; whatever comes to be there is gone afterwards.

    Args:
        reuse: whether it may also be one whose ledger is as good as new.
    """
    match kind:
        case "sqlite-memory":
            yield Place(kind, "sqlite://")
        case "sqlite":
            with tempfile.TemporaryDirectory(prefix="modlog-", dir=_fast_folder()) as folder:
                yield Place(kind, f"sqlite:///{Path(folder) / 'ledger.db'}")
        case "postgres" if reuse:
            with emptied.schema() as schema:
                yield Place(kind, postgres_url(), schema)
        case "postgres":
            with fresh_schema() as schema:
                yield Place(kind, postgres_url(), schema)
        case _:
            raise ValueError(f"no such kind of place: {kind!r}; there are {', '.join(KINDS)}")


@cache
def _fast_folder() -> str | None:
    """A folder in memory, where there is room: half of a short test's time is waiting for a disk.

    What is killed loses nothing there; a machine that loses its power is not what tests try.
    """
    folder = "/dev/shm"  # noqa: S108
    enough = Path(folder).is_dir() and disk_usage(folder).free > _ROOM
    return folder if enough and os.access(folder, os.W_OK) else None


def postgres_url() -> str:
    """The server of this run: the one that `conftest` started, or the developer's own."""
    return os.environ["MODLOG_TEST_POSTGRES"]


def new_schema_name() -> str:
    """A name that no schema has."""
    return f"modlog_test_{uuid4().hex[:16]}"


@contextmanager
def fresh_schema() -> Iterator[str]:
    """The name of a PostgreSQL schema that does not exist yet; dropped afterwards if it does."""
    schema = new_schema_name()
    try:
        yield schema
    finally:
        with psycopg.connect(postgres_url(), autocommit=True) as connection:
            # A test that left a transaction open is to fail here, not to hang.
            connection.execute("SET lock_timeout = '10s'")
            connection.execute("SET client_min_messages = 'warning'")
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
