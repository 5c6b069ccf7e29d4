"""What somebody does who may do everything: changes behind the guards' backs."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.places import Place

# What nobody may change.
GUARDED = (
    *("streams", "acts", "events", "keys", "sweep_targets"),
    *("secrets", "tiles", "checkpoints"),
)


def tamper(place: Place, *statements: str) -> None:
    """Run statements with the guards taken away, and put them back."""
    if place.kind == "sqlite":
        _tamper_with_file(Path(urlsplit(place.url).path[1:]), statements)
        return
    with psycopg.connect(place.url) as connection:
        connection.execute(f"SET search_path = {place.schema}")
        for table in GUARDED:
            connection.execute(f"GRANT UPDATE, DELETE ON modlog_{table} TO CURRENT_USER")
            guard = f"TRIGGER modlog_{table}_change"
            connection.execute(f"ALTER TABLE modlog_{table} DISABLE {guard}")
        for statement in statements:
            connection.execute(statement.encode())
        for table in GUARDED:
            guard = f"TRIGGER modlog_{table}_change"
            connection.execute(f"ALTER TABLE modlog_{table} ENABLE ALWAYS {guard}")


def _tamper_with_file(path: Path, statements: Sequence[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        guards = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in guards:
            connection.execute(sql)
        connection.commit()
