"""A ledger made again from rows as they were stored: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from modlog._errors import ConflictError
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Database, Head, Row, Session
from modlog._storage.rebuilding import rebuild_all
from modlog._storage.store import Store
from modlog._storage.writing import STREAM_COLUMNS

# An event as its table has it; its stream and act are written beside it.
EVENT_COLUMNS: Final = (
    "position",
    "act",
    "stream",
    "version",
    "occurred_at",
    "data",
    "personal",
    "state",
)

_LOADED: Final = ("streams", "acts", "events")


@define
class Restoring:
    """The transaction in which a ledger is made again.

    Attributes:
        head: the end of what was written so far.
    """

    database: Database
    session: Session
    head: Head = field(factory=lambda: Head(0, 0))

    def write(
        self,
        streams: Sequence[Row],
        acts: Sequence[Row],
        events: Sequence[Row],
    ) -> None:
        """Write the next events, and the streams and acts that begin with them."""
        for name, columns, rows in (
            ("streams", STREAM_COLUMNS, streams),
            ("acts", ACT_COLUMNS, acts),
            ("events", EVENT_COLUMNS, events),
        ):
            if rows:
                self.database.load(self.session, name, columns, rows)

    def write_beside(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Write rows of another table."""
        if rows:
            self.database.load(self.session, table, columns, rows)

    def finish(self, ledger: str, head: Head, progress: Callable[[int], object] | None) -> None:
        """Give the ledger its id and its end, and make its current state from its events."""
        self.session.run(
            f"{self.database.update('meta')} SET value = ? WHERE name = 'ledger'", (ledger,)
        )
        self.database.advance(self.session, head)
        for name in _LOADED:
            # Else PostgreSQL, which takes them for empty, goes through all acts for each page of
            # accounts (of a million events 87 of 138 s).
            self.database.analyze_loaded(self.session, name)
        rebuild_all(self.database, self.session, progress)


@contextmanager
def restoring(store: Store) -> Iterator[Restoring]:
    """A transaction that makes a ledger again where there is an empty one.

    Raises:
        ConflictError: the ledger there has something in it.
    """
    database = store.database
    with database.reading() as session, database.beginning(session):
        head = database.lock_head(session)
        if head.position or _has_rows(database, session, ("keys", "sweep_targets")):
            raise ConflictError(
                "there is a ledger with something in it: an archive is restored into a new "
                f"database, this one has events up to position {head.position}; nothing was written"
            )
        yield Restoring(database, session)


def _has_rows(database: Database, session: Session, names: Iterable[str]) -> bool:
    return any(session.row(f"SELECT 1 FROM {database.table(name)} LIMIT 1") for name in names)
