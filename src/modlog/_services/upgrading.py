"""Bringing a ledger of an older modlog to the schema of this one."""

from __future__ import annotations

from os import PathLike

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import checked_truth
from modlog._storage.opening import store_at
from modlog._storage.tables import has_meta
from modlog._storage.upgrading import Migration, plan_upgrade, upgrade_tables


@frozen(kw_only=True)
class UpgradeOutcome(Jsonable):
    """What `upgrade` did, or would do.

    Attributes:
        schema_before: the number of the schema that the ledger had.
        schema: that of the newest, which it has now.
        migrations: the steps from the one to the other, in order; none if there was nothing to
            do.
        dry_run: whether nothing was written.
    """

    schema_before: int
    schema: int
    migrations: tuple[Migration, ...]
    dry_run: bool


def upgrade(
    url: str | PathLike[str], *, schema: str | None = None, dry_run: bool = False
) -> UpgradeOutcome:
    """Bring a ledger of an older schema to the newest.

    One transaction, which keeps all others from writing: interrupted at any moment it leaves the
    ledger as it was, and can be begun again. Nothing else should use the ledger meanwhile; what
    has it open with an older modlog must be ended before. Events are not changed; the current
    state is made anew from them, which takes as long as `ModLog.rebuild`.

    Args:
        url: of the ledger, as `open` takes it.
        schema: the PostgreSQL schema of the ledger's own, if it has one.
        dry_run: only tell what would be done.

    Raises:
        InvalidUrlError: a URL that cannot be read.
        ReadOnlyStoreError: the ledger may only be read.
        SchemaError: there is no ledger, or one of a newer modlog, or of 0.1.0.dev0.
        StoreUnavailableError: the database cannot be reached or opened, or others use it for
            too long.
    """
    dry_run = checked_truth(dry_run, "dry_run")
    store = store_at(url, schema, mode="ro" if dry_run else "rw")
    try:
        database = store.database
        with database.reading() as session:
            if dry_run:
                before, migrations = plan_upgrade(database, session)
            else:
                with database.beginning(session):
                    before, migrations = upgrade_tables(database, session)
    finally:
        store.close()
    return UpgradeOutcome(
        schema_before=before,
        schema=database.scripts.newest,
        migrations=migrations,
        dry_run=dry_run,
    )


def ledger_at(url: str | PathLike[str], *, schema: str | None = None) -> str | None:
    """Which ledger lies there: what it was named when it began; None if there is none.

    Raises:
        InvalidUrlError: a URL that cannot be read.
        StoreUnavailableError: the database cannot be reached or opened.
    """
    store = store_at(url, schema, mode="ro")
    try:
        with store.database.reading() as session:
            is_there = has_meta(store.database.found_columns(session))
            return store.read_ledger_id(session) if is_there else None
    finally:
        store.close()
