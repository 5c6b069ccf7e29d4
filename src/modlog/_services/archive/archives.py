"""What a ledger has to do with archives, and an archive with ledgers."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

from modlog._domain.values import checked_callable, checked_whole, shown
from modlog._errors import InvalidInputError
from modlog._services.archive.archiving import (
    MOST_BUCKETS,
    ArchiveOutcome,
    ArchiveProgress,
    Archiving,
)
from modlog._services.archive.places import place_of
from modlog._services.archive.reading import Dataset, dataset_of
from modlog._services.archive.restoring import RestoreOutcome, RestoreProgress, restore
from modlog._services.archive.verifying import ArchiveReport, Verifying
from modlog._services.work import Work
from modlog._storage.opening import open_store


class Archives:
    """What a ledger gives to its archive."""

    _work: Work

    def archive(
        self,
        target: str | PathLike[str],
        *,
        filesystem: Any = None,
        buckets: int | None = None,
        progress: Callable[[ArchiveProgress], object] | None = None,
    ) -> ArchiveOutcome:
        """Bring the archive of this ledger up to its head: a Parquet dataset, made once.

        It goes on where the archive ends, and writes nothing to the ledger. Range by range is
        put in place in one step: interrupted at any moment, or called by several at once, it has
        each event once. Several ledgers may share a target.

        Args:
            target: a folder, or a URI as `pyarrow.fs` takes it, such as s3://BUCKET/PATH.
            filesystem: one of `pyarrow.fs` on which the target is a path.
            buckets: into how many the accounts are spread, 16 if left out; it stays what it was
                when the archive was begun.
            progress: called after each range with how far it is.

        Raises:
            ArchiveError: the archive is damaged, of a newer schema, or holds what is not in this
                ledger: then it is of another copy that went another way.
            InvalidInputError: a target that is none, another number of buckets, pyarrow is not
                installed; or inside a transaction of this ledger, of which nothing is committed.
            OSError: a file cannot be written.
        """
        if buckets is not None and not 1 <= checked_whole(buckets, "buckets") <= MOST_BUCKETS:
            raise InvalidInputError(
                f"buckets must be a number from 1 to {MOST_BUCKETS}, not {shown(buckets)}"
            )
        checked_callable(progress, "progress")
        if self._work.writer() is not None:
            raise InvalidInputError(
                "archive() takes what is committed: call it outside of transaction() and within()"
            )
        place = place_of(target, filesystem)
        return Archiving(self._work.store, place, buckets, progress).run()


class Archive:
    """What an archive has of one ledger."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __repr__(self) -> str:
        return f"<Archive of ledger {self.ledger} at {self._dataset.place.name}>"

    @property
    def ledger(self) -> str:
        """The id of the ledger."""
        return self._dataset.ledger

    @property
    def head(self) -> int:
        """The position up to which it goes.

        Raises:
            ArchiveError: a manifest is missing, or was changed.
        """
        return self._dataset.last

    def verify(
        self, log: Archives | None = None, progress: Callable[[int], object] | None = None
    ) -> ArchiveReport:
        """Check the archive against itself: manifests, files, digests, positions and versions.

        Args:
            log: the ledger that it is of, to compare every row with.
            progress: called now and then with how many events were looked at.
        """
        if log is not None and not isinstance(log, Archives):
            raise InvalidInputError(f"verify() compares with a ledger, not with {shown(log)}")
        checked_callable(progress, "progress")
        return Verifying(self._dataset, progress).run(log._work.store if log else None)

    def restore(
        self,
        url: str | PathLike[str],
        *,
        schema: str | None = None,
        create: bool = False,
        progress: Callable[[RestoreProgress], object] | None = None,
    ) -> RestoreOutcome:
        """Make the ledger again in a new database, equal event by event, byte for byte.

        One transaction: interrupted at any moment there is an empty ledger, and it can be begun
        again. The ledger has its id again, so that its archive goes on from it; let no other copy
        of it go on as well. `verify` checks it.

        Args:
            url: of the database, as `modlog.open` takes it.
            schema: a PostgreSQL schema for the ledger.
            create: whether that is made if it is not there.
            progress: called now and then with how far it is.

        Raises:
            ArchiveError: a file is missing, cut or changed; nothing is written.
            ConflictError: the database has a ledger with something in it.
            InvalidUrlError: a URL that cannot be read.
            StoreUnavailableError: the database cannot be reached or opened.
        """
        checked_callable(progress, "progress")
        self._dataset.manifests  # noqa: B018  before a database is made
        store = open_store(url, schema, create=create)
        try:
            return restore(self._dataset, store, progress)
        finally:
            store.close()


def open_archive(
    target: str | PathLike[str], ledger: str | None = None, *, filesystem: Any = None
) -> Archive:
    """What an archive has of a ledger.

    Args:
        target: as `ModLog.archive` takes it.
        ledger: the id of the ledger; may be left out where the archive has only one.
        filesystem: one of `pyarrow.fs` on which the target is a path.

    Raises:
        ArchiveError: there is no archive, or none of that ledger.
        InvalidInputError: it has several ledgers and none is named; or a target that is none.
    """
    if ledger is not None and not isinstance(ledger, str):
        raise InvalidInputError(f"ledger= is the id of a ledger, not {shown(ledger)}")
    return Archive(dataset_of(place_of(target, filesystem), ledger))
