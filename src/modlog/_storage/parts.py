"""A part of a log, some accounts with all of their events, as a ledger in memory.

It is asked as every ledger is, by the same SQL. Its positions are those of the whole log, and have
gaps; it has no head, and nothing is recorded in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Row
from modlog._storage.opening import open_store
from modlog._storage.reading import Reader
from modlog._storage.rebuilding import Traced, write_traced
from modlog._storage.restoring import EVENT_COLUMNS
from modlog._storage.writing import STREAM_COLUMNS


class PartReader(Reader):
    """Queries of a log whose positions may have gaps."""

    def _last_position(self, before: int) -> int:
        row = self.session.row(
            f"SELECT coalesce(max(e.position), 0) FROM {self._table('events')} AS e"
            f" JOIN {self._table('acts')} AS a ON a.number = e.act WHERE a.recorded_at < ?",
            (before,),
        )
        assert row is not None
        return int(row[0])

    def project(self, accounts: Iterable[Traced]) -> None:
        """Put accounts into the projection, in which nothing is at first."""
        with self.database.beginning(self.session):
            write_traced(self.database, self.session, accounts)


@contextmanager
def part_of_log(
    streams: Sequence[Row], acts: Sequence[Row], events: Sequence[Row]
) -> Iterator[PartReader]:
    """A ledger in memory of these rows, which goes away with the block.

    Args:
        streams: in the columns `STREAM_COLUMNS`.
        acts: in the columns `ACT_COLUMNS`, of all events.
        events: in the columns `restoring.EVENT_COLUMNS`.
    """
    store = open_store("sqlite://", None)
    try:
        with store.database.reading() as session:
            with store.database.beginning(session):
                for name in store.database.scripts.names_of("TRIGGER"):
                    session.run(f"DROP TRIGGER {name}")  # they refuse gaps
                for name, columns, rows in (
                    ("streams", STREAM_COLUMNS, streams),
                    ("acts", ACT_COLUMNS, acts),
                    ("events", EVENT_COLUMNS, events),
                ):
                    if rows:
                        store.database.load(session, name, columns, rows)
            yield PartReader(store, session)
    finally:
        store.close()
