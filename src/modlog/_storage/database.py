"""What the ledger asks of a database, and the pool of connections that both kinds use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from attrs import field, frozen

from modlog._errors import InvalidInputError, StoreUnavailableError
from modlog._storage.scripts import Scripts

Row = tuple[Any, ...]
_C = TypeVar("_C")
# What only one does at a time, beside those who append.
Turns = Literal["tables", "seals"]

# How long who writes waits for others, in seconds, if the caller does not say.
LOCK_TIMEOUT: Final = 60.0


class Session(Protocol):
    """One connection, inside a transaction or between two. Parameters are written `?`."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        ...

    def often(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """As `rows`, for the few statements that every command sends."""
        ...

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, if there is one."""
        ...

    def streamed(self, sql: str) -> AbstractContextManager[tuple[list[str], Iterator[Row]]]:
        """The columns and rows of a query, read as they are used; within a transaction."""
        ...

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Carry out a statement."""
        ...

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """Carry out a statement once for each row."""
        ...


@frozen
class Head:
    """The end of the log: the last position and instant (microseconds); zeros when empty.

    Attributes:
        server_clock: what the server's clock said meanwhile, in microseconds; none where the
            database is in this very process.
    """

    position: int
    recorded_at: int
    server_clock: int | None = field(default=None, eq=False)


def elsewhere() -> InvalidInputError:
    """What `within` raises for a connection that does not lead to the ledger's tables."""
    return InvalidInputError(
        "within() takes a connection to the database that holds this ledger, and this one leads "
        "to another"
    )


def closed() -> StoreUnavailableError:
    """What everything raises after `close`."""
    return StoreUnavailableError("this ledger is closed: open it again with modlog.open")


class Database(Protocol):
    """A database that holds a ledger. Errors of the driver leave it as modlog's own."""

    @property
    def head_query(self) -> str:
        """The query for the log's end as a `Head` has it; no row when it is empty.

        Its columns are called position, recorded_at and clock.
        """
        ...

    def table(self, name: str) -> str:
        """How a statement names one of modlog's tables."""
        ...

    @property
    def open_spans(self) -> str:
        """How a statement names the open spans `x` of one account, however many others it has."""
        ...

    def insert_into(self, name: str) -> str:
        """How a statement begins that inserts rows into one of modlog's tables."""
        ...

    def update(self, name: str) -> str:
        """How a statement begins that changes many rows of one of modlog's tables."""
        ...

    @property
    def scripts(self) -> Scripts:
        """The SQL files that make the tables."""
        ...

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        """The condition that a column is one of many values, and its parameters."""
        ...

    def joined(self, expression: str) -> str:
        """An aggregate: numbers as one text, with commas between them."""
        ...

    def json_list(self, expression: str) -> str:
        """An aggregate: texts as one JSON array, which is text; NULL or empty if there are none."""
        ...

    def values_query(self, values: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
        """A query that gives texts as rows, and its parameters."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session in which each statement sees what is committed as it starts."""
        ...

    def snapshot(self, session: Session | None = None) -> AbstractContextManager[Session]:
        """A session, or the one that is given, in which all statements see the same moment."""
        ...

    def beginning(self, session: Session) -> AbstractContextManager[Session]:
        """A transaction in a session of `reading`; it commits at the end, or not at all."""
        ...

    def joining(
        self, connection: Any, check: Callable[[Session], None]
    ) -> AbstractContextManager[tuple[Session, Head]]:
        """The caller's own open transaction on the same database, with the append lock.

        Args:
            connection: the caller's.
            check: raises if the connection must not be used; it is then left as it was.

        Yields:
            a session in it, and the log's end.
        """
        ...

    def savepoint(self, session: Session) -> AbstractContextManager[None]:
        """A part of a transaction that fails alone."""
        ...

    def lock_head(self, session: Session) -> Head:
        """Take the append lock until the transaction ends; the log's end."""
        ...

    def head(self, session: Session) -> Head:
        """The log's end as of now, without the lock."""
        ...

    def advance(self, session: Session, head: Head) -> None:
        """Take note of the log's new end."""
        ...

    def passing(self, session: Session, name: str, columns: str, key: str = "") -> None:
        """Make an empty table that only this transaction sees.

        Args:
            session: a transaction.
            name: of the table.
            columns: with their types.
            key: the columns of its primary key; it may have none.
        """
        ...

    def fill(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Put rows into such a table."""
        ...

    def analyze(self, session: Session, name: str) -> None:
        """Let the planner know how many rows such a table has."""
        ...

    def analyze_loaded(self, session: Session, name: str) -> None:
        """Have the planner know a table into which this transaction has loaded most of its rows."""
        ...

    def sorting(self, session: Session) -> AbstractContextManager[None]:
        """Sort in the block in little memory, however much there is; the rest goes to disk."""
        ...

    def load(
        self, session: Session, name: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Insert rows, the fastest way for their number."""
        ...

    def check_place(self, session: Session) -> None:
        """Check that a place which was named is there, before tables are made in it.

        Raises:
            SchemaError: it is not.
        """
        ...

    def alone(self, session: Session, at: Turns) -> None:
        """Keep others from the same work until the transaction ends; appends go on."""
        ...

    def make_room(self, session: Session) -> None:
        """Make the place in which the tables of a new ledger are to lie."""
        ...

    def run_script(self, session: Session, script: str) -> None:
        """Carry out all statements of one of the SQL files."""
        ...

    def replacing(self, session: Session, names: Sequence[str]) -> AbstractContextManager[None]:
        """Drop tables that are made anew in the block; whoever might use them still may."""
        ...

    def found_columns(self, session: Session) -> dict[str, list[str]]:
        """The tables with modlog's names that are there, with their columns."""
        ...

    def found_objects(self, session: Session) -> set[str]:
        """The names of the indexes and of the triggers in force that are there."""
        ...

    def copy_to(
        self, session: Session, path: str, moved: Callable[[int, int], object] | None
    ) -> None:
        """Write the whole database, as a snapshot has it, to a file that is not there yet.

        Args:
            session: of `snapshot`.
            path: of the file.
            moved: is told how many bytes are written, and of how many.

        Raises:
            InvalidInputError: this kind of database is backed up by other means.
        """
        ...

    def close(self) -> None:
        """Close the connections that are not in use; those in use close when given back."""
        ...


class Pool(Generic[_C]):
    """Connections that are open and idle, the last used first.

    Safe between threads. After a fork the child opens connections of its own and leaves the
    parent's alone: closing them would take the parent's locks and sockets away.

    Not `psycopg_pool`: it knows PostgreSQL only, and SQLite's files are the ones that must be
    closed before a fork; its threads that mind the pool do not live on in a forked child.
    """

    # How long a fork waits for other threads to give their connections back, in seconds.
    _PATIENCE: Final = 1.0

    def __init__(
        self,
        connect: Callable[[], _C],
        close: Callable[[_C], None],
        is_alive: Callable[[_C], bool] | None = None,
        *,
        keep: int = 8,
    ) -> None:
        self._connect = connect
        self._close = close
        self._is_alive = is_alive
        self._keep = keep
        self._reset()
        self._closed = False

    def _reset(self) -> None:
        self._idle: list[_C] = []
        self._in_use: list[int] = []  # the threads that have connections
        self._forking = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._pid = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether the pool gives out no more connections."""
        return self._closed

    def take(self) -> _C:
        """An idle connection, or a new one."""
        if self._closed:
            raise closed()
        self.notice_fork()
        connection = self._first_idle()
        try:
            while connection is not None:
                if self._is_alive is None or self._is_alive(connection):
                    return connection
                self._close(connection)
                connection = self._next_idle()
            return self._connect()
        except BaseException:
            with self._lock:
                self._no_longer_in_use()
            raise

    def _first_idle(self) -> _C | None:
        with self._lock:
            while self._forking:
                self._changed.wait()
            self._in_use.append(threading.get_ident())
            return self._next_idle()

    def _next_idle(self) -> _C | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _no_longer_in_use(self) -> None:
        thread = threading.get_ident()
        if thread in self._in_use:  # a connection may change its thread
            self._in_use.remove(thread)
        if self._forking:
            self._changed.notify_all()

    def before_fork(self) -> bool:
        """Close what is idle, and let nobody take anything; whether nothing is in use either.

        Waits for what other threads are at, but not for what the forking thread itself began.
        """
        me = threading.get_ident()
        with self._lock:
            self._forking = True
            self._changed.wait_for(lambda: set(self._in_use) <= {me}, self._PATIENCE)
        self.discard_idle()
        return not self._in_use

    def after_fork(self) -> None:
        """Give out connections again, in the parent."""
        with self._lock:
            self._forking = False
            self._changed.notify_all()

    def notice_fork(self) -> bool:
        """Forget connections that another process opened; whether there was a fork."""
        if self._pid == os.getpid():
            return False
        self._inherited = self._idle  # kept, so that nothing closes them
        self._reset()
        return True

    def give_back(self, connection: _C, *, usable: bool = True) -> None:
        """Return a connection; one that is broken, or one too many, is closed."""
        if self.notice_fork():
            return
        with self._lock:
            kept = usable and not self._closed and len(self._idle) < self._keep
            if kept:
                self._idle.append(connection)
                self._no_longer_in_use()
        if not kept:
            try:
                self._close(connection)
            finally:
                with self._lock:  # not before, or a fork could meet it half closed
                    self._no_longer_in_use()

    def discard_idle(self) -> None:
        """Close what is idle, for instance because the server has gone away."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            self._close(connection)

    def close(self) -> None:
        """Give out no more connections, and close the idle ones."""
        self._closed = True
        if not self.notice_fork():
            self.discard_idle()
