"""A ledger's tables: made where there are none, checked where there are, never changed silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

from modlog._errors import SchemaError
from modlog._storage.database import Database, Session
from modlog._storage.rebuilding import rebuild_all
from modlog._storage.scripts import CACHES, FIRST


def ensure_tables(database: Database, *, may_create: bool) -> None:
    """Make the tables of a new ledger, and check those of one that is there.

    Args:
        database: where they lie.
        may_create: whether the place that was named may be made, too.

    Raises:
        SchemaError: tables of another shape, or of a version that this modlog does not know.
    """
    with database.reading() as session:
        missing = _missing(database, session)
        if missing and not may_create:
            database.check_place(session)
    if missing:
        with database.reading() as session, database.beginning(session):
            _make(database, session)


def _make(database: Database, session: Session) -> None:
    database.alone(session, "tables")
    missing = _missing(database, session)  # another process may have been quicker
    if not missing:
        return
    scripts = database.scripts
    if missing == set(scripts.columns()):
        database.make_room(session)
        for script in scripts.numbered.values():
            database.run_script(session, script)
        database.run_script(session, scripts.cache)
        for name, value in (("schema", str(scripts.newest)), ("ledger", uuid4().hex)):
            session.run(f"INSERT INTO {database.table('meta')} VALUES (?, ?)", (name, value))
    elif missing <= set(CACHES):
        remake_caches(database, session)
    else:
        raise incomplete(missing)


def incomplete(missing: Iterable[str]) -> SchemaError:
    """What is raised where tables are missing that cannot be made again."""
    return SchemaError(
        f"some of modlog's tables are there, but not {', '.join(sorted(missing))}: "
        "restore the database from a backup, or open a fresh one"
    )


def remake_caches(database: Database, session: Session) -> None:
    """Make what can be made anew from the events, in the transaction that is open."""
    with database.replacing(session, CACHES):
        database.run_script(session, database.scripts.cache)
    database.lock_head(session)
    rebuild_all(database, session)


def _missing(database: Database, session: Session) -> set[str]:
    """The tables that are not there.

    Raises:
        SchemaError: one that is there has another shape, or the schema is another one.
    """
    found = database.found_columns(session)
    if has_meta(found):
        _check_version(database, session)
    expected = database.scripts.columns()
    check_columns(found, expected)
    return set(expected) - set(found)


def has_meta(found: Mapping[str, Sequence[str]]) -> bool:
    """Whether these tables have the one that tells of the ledger itself."""
    return set(found.get("meta", ())) == {"name", "value"}


def check_columns(
    found: Mapping[str, Sequence[str]], expected: Mapping[str, Sequence[str]]
) -> None:
    """Refuse tables with other columns than they are to have.

    Raises:
        SchemaError: one has.
    """
    for name, columns in found.items():
        if name in expected and columns != expected[name]:
            raise SchemaError(
                f"the table modlog_{name} has another shape than modlog gives it: expected the "
                f"columns {', '.join(expected[name])}; found {', '.join(columns) or 'none'}: use "
                "another database"
            )


def _check_version(database: Database, session: Session) -> None:
    version, newest = version_of(database, session), database.scripts.newest
    if version < newest:
        raise SchemaError(
            f"the ledger has schema {version}, this modlog needs {newest}: make a backup, then "
            "run modlog upgrade"
        )


def version_of(database: Database, session: Session) -> int:
    """The number of a ledger's shape, one that this modlog knows.

    Raises:
        SchemaError: it has none, or one that this modlog does not know.
    """
    row = session.row(f"SELECT value FROM {database.table('meta')} WHERE name = 'schema'")
    if row is None or not str(row[0]).isdecimal():
        raise SchemaError("the table modlog_meta does not tell the schema's version")
    version, newest = int(row[0]), database.scripts.newest
    if version > newest:
        raise SchemaError(
            f"the ledger has schema {version}, this modlog knows {newest} and older: upgrade modlog"
        )
    if version < FIRST:
        raise SchemaError(
            "the ledger was made by modlog 0.1.0.dev0, which was never released, and this modlog "
            "cannot read it: import its history into a new one"
        )
    return version
