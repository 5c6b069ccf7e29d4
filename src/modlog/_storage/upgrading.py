"""Bringing a ledger of an older schema to the newest, in one transaction."""

from __future__ import annotations

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._errors import SchemaError
from modlog._storage.database import Database, Session
from modlog._storage.scripts import CACHES, title_of
from modlog._storage.tables import (
    check_columns,
    has_meta,
    incomplete,
    remake_caches,
    version_of,
)


@frozen
class Migration(Jsonable):
    """A step from one schema to the next: one of the numbered SQL files.

    Attributes:
        number: of the schema that it leads to.
        title: what it does, in a line.
    """

    number: int
    title: str


def plan_upgrade(database: Database, session: Session) -> tuple[int, tuple[Migration, ...]]:
    """The number of a ledger's schema, and what leads from there to the newest.

    Raises:
        SchemaError: there is no ledger, or one that this modlog does not know.
    """
    found = database.found_columns(session)
    if not has_meta(found):
        raise SchemaError("there is no ledger here: check the path, the URL and the schema")
    version = version_of(database, session)
    expected = database.scripts.columns_at(version)
    check_columns(found, expected)
    if missing := set(expected) - set(found) - set(CACHES):
        raise incomplete(missing)
    scripts = database.scripts.after(version)
    return version, tuple(Migration(n, title_of(script)) for n, script in scripts.items())


def upgrade_tables(database: Database, session: Session) -> tuple[int, tuple[Migration, ...]]:
    """Bring a ledger to the newest schema, in the transaction that is open.

    Raises:
        SchemaError: as `plan_upgrade`; or the files do not lead to the shape that they should.
    """
    database.alone(session, "tables")
    version, migrations = plan_upgrade(database, session)
    if migrations:
        database.lock_head(session)
        for script in database.scripts.after(version).values():
            database.run_script(session, script)
        remake_caches(database, session)
        # Last, so that no ledger says it has a shape which it has not.
        session.run(
            f"UPDATE {database.table('meta')} SET value = ? WHERE name = 'schema'",
            (str(database.scripts.newest),),
        )
        _check_whole(database, session)
    return version, migrations


def _check_whole(database: Database, session: Session) -> None:
    found, expected = database.found_columns(session), database.scripts.columns()
    check_columns(found, expected)
    if missing := set(expected) - set(found):
        raise incomplete(missing)
