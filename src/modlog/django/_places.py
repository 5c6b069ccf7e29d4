"""Whether the ledger of the settings is there and the right one; and how it begins."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from attrs import frozen
from django.db import connections

import modlog
from modlog import ModlogError, StoreUnavailableError
from modlog._services.upgrading import ledger_at
from modlog.django._settings import Place, alias, given, is_test_run, place, problems, url_of

UNMIGRATED: Final = (
    "The ledger has no tables yet, or those of an older modlog: run manage.py migrate."
)


class Kind(StrEnum):
    """What is the matter; also the id of the check's message."""

    SETTINGS = "modlog.E001"
    OTHER_DATABASE = "modlog.E002"
    BROKEN = "modlog.E003"
    UNMIGRATED = "modlog.W001"
    UNREACHABLE = "modlog.W002"


@frozen
class Problem:
    """What is the matter with the ledger, and what to do."""

    kind: Kind
    text: str


def has_ledger(where: Place) -> bool:
    """Whether there is a ledger, of whatever shape.

    Raises:
        StoreUnavailableError: the database cannot be reached.
    """
    return _id_of(where.url, where) is not None


def _id_of(url: str, where: Place) -> str | None:
    try:
        return ledger_at(url, schema=where.schema)
    except StoreUnavailableError as error:
        if "there is no file" in str(error):
            return None
        raise


def found_problems() -> Iterator[Problem]:
    """What is the matter with the settings, or else with the ledger that they name."""
    wrong = [Problem(Kind.SETTINGS, text) for text in problems()]
    yield from wrong
    if wrong:
        return
    where = place()
    try:
        found = _id_of(where.url, where)
        if found is None:
            yield Problem(Kind.UNMIGRATED, UNMIGRATED)
        else:
            yield from _other_database(where, found)
            yield from _other_shape(where)
    except StoreUnavailableError as error:
        yield Problem(Kind.UNREACHABLE, f"The ledger cannot be asked: {error}")
    except ModlogError as error:
        yield Problem(Kind.BROKEN, f"The ledger cannot be used: {error}")


def _other_database(where: Place, found: str) -> Iterator[Problem]:
    """`within` would tell of it only when it is called."""
    if "URL" not in given() or where.alias is None or is_test_run():
        return
    if _id_of(url_of(where.alias), where) != found:
        yield Problem(
            Kind.OTHER_DATABASE,
            f"MODLOG['URL'] leads to a ledger that does not lie in the database {where.alias!r}, "
            "so that no transaction could be common to both: leave one of the two out, or set "
            "MODLOG['DATABASE'] to the right one, or to None if Django does not know it.",
        )


def _other_shape(where: Place) -> Iterator[Problem]:
    if modlog.upgrade(where.url, schema=where.schema, dry_run=True).migrations:
        yield Problem(Kind.UNMIGRATED, UNMIGRATED)
    else:
        modlog.open(where.url, schema=where.schema, read_only=True).close()


def migrate() -> None:
    """Begin the ledger of the settings, or bring it to the newest schema."""
    where = place()
    if not has_ledger(where):
        modlog.open(where.url, schema=where.schema, create=where.schema is not None).close()
    elif modlog.upgrade(where.url, schema=where.schema, dry_run=True).migrations:
        modlog.upgrade(where.url, schema=where.schema)


def settle_files() -> None:
    """Put what SQLite keeps beside the database's file into it: test runners copy that file."""
    name = alias()
    if name is not None and connections[name].vendor == "sqlite":
        with connections[name].cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
