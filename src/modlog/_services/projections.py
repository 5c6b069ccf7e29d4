"""Tables of a platform's own that follow the ledger, every event exactly once.

How far a projection has come stands in the platform's database, and moves in the transaction of
what its events change there. The move comes first and names the position that it starts from: who
has come too late moves nothing, and so does nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import iscoroutinefunction
from itertools import islice
from typing import Any, Final

from attrs import define

from modlog._domain.events import RecordedEvent
from modlog._domain.selection import Selection, checked_selection
from modlog._domain.values import (
    checked_callable,
    checked_id,
    checked_position,
    checked_text,
    checked_wait,
    shown,
)
from modlog._errors import ConflictError, InvalidInputError
from modlog._services.questions import Questions

# So many events a transaction: catching up is not to cost a commit each, nor to lock for long.
TOGETHER: Final = 100
TRACKING: Final = "tracking"
# How drivers that follow PEP 249 mark the place of a value.
_MARKS: Final = {"qmark": "?", "format": "%s", "pyformat": "%s"}
_TABLE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)?")

Handler = Callable[[Any, RecordedEvent], object]
Progress = Callable[[int], object]


class Projections(Questions):
    """What keeps a platform's tables in step with a ledger."""

    def project(
        self,
        handle: Handler,
        connection: Any,
        name: str,
        *,
        table: str = TRACKING,
        selection: Selection | None = None,
        follow: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Have tables of the platform's own follow the ledger, every event exactly once.

        Up to a hundred events and the position that they lead to are one transaction of the
        connection, which this commits. Whoever is killed, or fails, goes on from there when it is
        called again; of several who are called at once, each event has one. Errors of the
        platform's database are those of its driver.

        Args:
            handle: called with a cursor of that transaction and each event, in order. It must not
                commit. What it raises comes through, and the transaction is rolled back.
            connection: of sqlite3, psycopg or another driver of PEP 249, to any database; the
                projection's own, as long as this runs, and not one that commits by itself.
            name: of the projection, as it stands in the table.
            table: a table of the platform's with the columns `projection` (text, its key) and
                `position` (a whole number), in which a row has the name and, to begin with, 0.
            selection: only these events; all if left out.
            follow: wait for more at the end of the log; False ends there.
            timeout: end when nothing new came for so many seconds; None waits for ever.
            progress: called after each transaction with the position that it led to.

        Returns:
            the position that the projection has come to.

        Raises:
            ConflictError: it is ahead of this ledger: that is another one, or a backup of it.
            InvalidInputError: an argument that cannot be, no row of that name, or inside a
                transaction of this ledger, which might be taken back.
        """
        wait = checked_wait(follow, timeout)
        projection = self._projection(
            handle, connection, name, table=table, selection=selection, progress=progress
        )
        for _ in self._follow(projection.moves(), wait):
            pass
        return projection.tracking.position()

    def _projection(
        self,
        handle: Handler,
        connection: Any,
        name: str,
        *,
        table: str,
        selection: Selection | None,
        progress: Progress | None,
    ) -> Projection:
        """What `project` is given, if it can be."""
        return Projection(
            self,
            Tracking.checked(connection, table, name),
            checked_selection(selection, "project()"),
            _checked_handler(handle),
            checked_callable(progress, "progress"),
        )


@define
class Projection:
    """What follows a ledger.

    Attributes:
        log: the ledger.
        tracking: how far it has come.
        selection: the events that it is about.
        handle: what is called with each.
        progress: what is called after each transaction, if anything.
    """

    log: Questions
    tracking: Tracking
    selection: Selection
    handle: Handler
    progress: Progress | None

    def moves(self) -> Iterator[int | None]:
        """A transaction for each that is asked for, without end.

        Each gives the position that it led to, or None where there was nothing new.
        """
        while True:  # and again where somebody else was quicker: from where they are
            yield from self._moves_from(self._start())

    def _start(self) -> int:
        if self.log._work.writer() is not None:
            raise InvalidInputError(
                "project() follows what is committed: call it outside of transaction() and within()"
            )
        position, head = self.tracking.position(), self.log.head
        if position > head:
            raise ConflictError(
                f"projection {shown(self.tracking.name)} is at position {position} and this ledger "
                f"ends at {head}: it has followed another ledger, or this one before a backup "
                "was put back; make its tables anew, and set its position to 0"
            )
        return position

    def _moves_from(self, position: int) -> Iterator[int | None]:
        for page in self.log._pages_after(self.selection, position):
            if not page:
                yield None
            for events in _together(page):
                if not self.tracking.move(position, events, self.handle):
                    return
                position = events[-1].position
                if self.progress:
                    self.progress(position)
                yield position


def _together(page: Sequence[RecordedEvent]) -> Iterator[Sequence[RecordedEvent]]:
    rest = iter(page)
    while some := list(islice(rest, TOGETHER)):
        yield some


@define
class Tracking:
    """How far a projection has come, in the platform's own table.

    Attributes:
        connection: of the platform, to the database of its table.
        table: its name.
        name: of the projection.
        mark: how the driver marks the place of a value.
    """

    connection: Any
    table: str
    name: str
    mark: str

    @classmethod
    def checked(cls, connection: Any, table: object, name: object) -> Tracking:
        """What `project` is given, if it can be.

        Raises:
            InvalidInputError: it cannot.
        """
        table = checked_text(table, "table")
        if not _TABLE.fullmatch(table):
            raise InvalidInputError(
                f"table must be a table's name, with its schema or without, not {shown(table)}"
            )
        mark = _mark(connection)
        if _commits_by_itself(connection):
            raise InvalidInputError(
                "project() needs a connection that is not in autocommit: an event and the "
                "position behind it are committed together"
            )
        return cls(connection, table, checked_id(name, "name"), mark)

    def position(self) -> int:
        """Where the projection is.

        Raises:
            InvalidInputError: nowhere: there is no row for it.
        """
        with self._transaction() as cursor:
            cursor.execute(
                f"SELECT position FROM {self.table} WHERE projection = {self.mark}",  # noqa: S608
                (self.name,),
            )
            row = cursor.fetchone()
        if row is None:
            raise InvalidInputError(
                f"projection {shown(self.name)} has no row in {self.table}: insert one with that "
                "projection and position 0, and it begins with the log"
            )
        value = next(iter(row.values())) if isinstance(row, Mapping) else row[0]
        return checked_position(value, f"the position of projection {shown(self.name)}")

    def move(self, start: int, events: Sequence[RecordedEvent], handle: Handler) -> bool:
        """Handle these events, if the projection is still where they follow.

        Returns:
            whether it was; if not, nothing was done.
        """
        with self._transaction() as cursor:
            cursor.execute(
                f"UPDATE {self.table} SET position = {self.mark}"  # noqa: S608
                f" WHERE projection = {self.mark} AND position = {self.mark}",
                (events[-1].position, self.name, start),
            )
            if cursor.rowcount != 1:
                return False
            for event in events:
                self._hand(event, handle, cursor)
            return True

    def _hand(self, event: RecordedEvent, handle: Handler, cursor: Any) -> None:
        try:
            handle(cursor, event)
        except Exception as error:
            error.add_note(
                f"in projection {shown(self.name)}, at the event of position {event.position}"
            )
            raise

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        cursor = self.connection.cursor()
        try:
            yield cursor
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()


def _checked_handler(value: Any) -> Handler:
    if not callable(value) or iscoroutinefunction(value):
        raise InvalidInputError(
            f"handle must be something to call that works without being awaited, not {shown(value)}"
        )
    handler: Handler = value
    return handler


def _mark(connection: object) -> str:
    """How the driver of a connection marks the place of a value.

    Raises:
        InvalidInputError: it is none of a driver that follows PEP 249.
    """
    for cls in type(connection).__mro__:
        driver = sys.modules.get(cls.__module__.partition(".")[0])
        mark = _MARKS.get(getattr(driver, "paramstyle", ""))
        if mark and not iscoroutinefunction(getattr(connection, "commit", None)):
            return mark
    raise InvalidInputError(
        "project() takes a connection of sqlite3, psycopg or another driver of PEP 249, not "
        f"{shown(connection)}"
    )


def _commits_by_itself(connection: Any) -> bool:
    autocommit = getattr(connection, "autocommit", None)
    if isinstance(autocommit, bool):
        return autocommit
    # As sqlite3 had it before Python 3.12, and has it still where nobody says otherwise.
    return getattr(connection, "isolation_level", "") is None
