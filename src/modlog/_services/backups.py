"""A copy of a whole ledger in a file, made while others go on working with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import checked_callable, checked_truth, shown
from modlog._errors import InvalidInputError, SchemaError
from modlog._services.putting import named, put_in_place
from modlog._storage.opening import file_url, store_at
from modlog._storage.store import Store
from modlog._storage.tables import has_meta


@frozen(kw_only=True)
class BackupProgress(Jsonable):
    """How far a backup is.

    Attributes:
        done: bytes that are written.
        total: bytes that there are.
    """

    done: int
    total: int


@frozen(kw_only=True)
class BackupOutcome(Jsonable):
    """What a backup holds.

    Attributes:
        ledger: the id that the ledger got when it began, and every copy of it has.
        head: the position of the last event in it; 0 if there is none.
        size: of the file, in bytes.
    """

    ledger: str
    head: int
    size: int


def backup(
    url: str | PathLike[str],
    target: str | PathLike[str],
    *,
    schema: str | None = None,
    force: bool = False,
    progress: Callable[[BackupProgress], object] | None = None,
) -> BackupOutcome:
    """Copy a ledger on SQLite to a file, as it is at the moment when this begins.

    Nobody waits for it, and what others write meanwhile is not in it. The file has its name only
    once it is whole and on the disk. It is a ledger: `open` takes it, and `ModLog.verify` checks
    it. It may be of an older schema than this modlog's, so that a backup can be made before
    `upgrade`.

    Args:
        url: of the ledger, as `open` takes it.
        target: the path of the file.
        schema: as `open` takes it, which is for PostgreSQL.
        force: replace a file that is there.
        progress: is called with a `BackupProgress` after every few megabytes.

    Raises:
        InvalidInputError: there is a file already, or the ledger is on PostgreSQL, which is backed
            up by the server's own programs, or in memory.
        InvalidUrlError: a URL that cannot be read.
        SchemaError: there is no ledger.
        StoreFullError: no room for it; nothing is left of it.
        StoreUnavailableError: the ledger cannot be reached or opened.
        OSError: the file cannot be written; with the name of the target.
    """
    force = checked_truth(force, "force")
    progress = checked_callable(progress, "progress")
    path = _checked_target(target)
    store = store_at(url, schema, mode="ro")
    try:
        with named(os.fspath(target)), put_in_place(path, force=force) as part:
            outcome = _copied(store, part, progress)
            _check_unused(path)  # if it is the ledger itself, it is in use by now
        return outcome
    finally:
        store.close()


def _checked_target(target: object) -> Path:
    text = os.fspath(target) if isinstance(target, PathLike) else target
    file_url(text)
    path = Path(str(text))
    if path.exists() and not path.is_file():
        raise InvalidInputError(f"a backup goes to a file, and {shown(str(path))} is none")
    _check_unused(path)
    return path


def _check_unused(path: Path) -> None:
    """That no database is in use under a name: its log would be taken for the copy's."""
    path = Path(os.path.realpath(path))
    for part in ("-wal", "-shm", "-journal"):
        if path.with_name(path.name + part).exists():
            raise InvalidInputError(
                f"{shown(path.name + part)} stands beside the file that the backup is to become: "
                "a database is in use there, or was not closed; name another file"
            )


def _copied(
    store: Store, part: Path, progress: Callable[[BackupProgress], object] | None
) -> BackupOutcome:
    def moved(done: int, total: int) -> None:
        if progress:
            progress(BackupProgress(done=done, total=total))

    database = store.database
    with database.snapshot() as session:
        if not has_meta(database.found_columns(session)):
            raise SchemaError("there is no ledger here: check the path and the URL")
        database.copy_to(session, str(part), moved)
        return BackupOutcome(
            ledger=store.read_ledger_id(session),
            head=database.head(session).position,
            size=part.stat().st_size,
        )
