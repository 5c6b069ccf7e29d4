"""The ledger as an application recorder of the eventsourcing library.

All kinds of streams share the positions. Events of modlog's own come out with their type as the
topic and their whole envelope as canonical JSON; events of other programs, written through
`insert_events`, are kept as the bytes that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProgrammingError,
    StoredEvent,
    Subscription,
)

from modlog._domain.values import (
    MAX_POSITION,
    checked_id,
    checked_iterable,
    checked_position,
    checked_text,
    checked_truth,
    checked_whole,
    shown,
)
from modlog._errors import ConflictError, InvalidInputError
from modlog._storage.clock import Clock
from modlog._storage.codec import RECORDED, is_own_type, state_bytes
from modlog._storage.database import Row
from modlog._storage.reading import sources
from modlog._storage.store import Store
from modlog._storage.writing import STREAM_COLUMNS, Writer

# Where the columns of RECORDED have what a stored event needs; the raw bytes come last.
_POSITION, _VERSION, _KIND, _ID, _TYPE = 0, 3, 6, 7, 8
_ACT: Final = ("number", "recorded_at", "type")
_EVENT: Final = ("position", "act", "stream", "version", "state")
# A UUID is kept as the text that RFC 9562 gives it, so that it comes back as a UUID.
_URN: Final = "urn:uuid:"
_PAGE: Final = 500


@contextmanager
def _in_its_terms() -> Iterator[None]:
    """What is refused, in the terms of the library's contract."""
    try:
        yield
    except ConflictError as error:
        raise IntegrityError(str(error)) from error
    except InvalidInputError as error:
        raise ProgrammingError(str(error)) from error


class LedgerRecorder(ApplicationRecorder):
    """What `log.recorder` is."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stored = f"SELECT {RECORDED}, e.state FROM {sources(store.database)}"

    @_in_its_terms()
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record events of another program; they are atomic, and touch no account.

        Returns:
            their positions; None when there are no events.

        Raises:
            IntegrityError: a version that its stream has already.
            ProgrammingError: a topic that is one of modlog's own types, or what would not come
                back as it was given: ids and topics have 1 to 255 characters, versions 64 bits.
        """
        if kwargs.pop("tracking", None) is not None:  # a stock application always passes it
            raise ProgrammingError("modlog's recorder keeps no track of other applications")
        if kwargs:
            raise ProgrammingError(f"modlog's recorder takes no {', '.join(sorted(kwargs))}")
        events = checked_iterable(stored_events, "stored_events")
        rows = [_foreign_columns(event) for event in events]
        if not rows:
            return None
        with self._store.writing(self._clock()) as writer:
            first = writer.head.position + 1
            _write(writer, rows)
        return list(range(first, first + len(rows)))

    @_in_its_terms()
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream: another program's, else an account's, else a sweep's.

        Raises:
            ProgrammingError: a value that no stream, version or limit can be.
        """
        stream = _stream_text(originator_id)
        gt, lte = _or_none(_number, gt, "gt"), _or_none(_number, lte, "lte")
        limit = _or_none(_limit, limit, "limit")
        order = "DESC" if checked_truth(desc, "desc") else "ASC"
        with self._store.snapshot() as reader:
            numbers = (reader.stream(kind, stream) for kind in ("foreign", "account", "sweep"))
            number = next((number for number in numbers if number is not None), None)
            params: list[Any] = [number]
            sql = f"{self._stored} WHERE e.stream = ?"
            if gt is not None:
                sql, params = f"{sql} AND e.version > ?", [*params, gt]
            if lte is not None:
                sql, params = f"{sql} AND e.version <= ?", [*params, lte]
            sql += f" ORDER BY e.version {order}"
            if limit is not None:
                sql, params = f"{sql} LIMIT ?", [*params, limit]
            return [_stored_event(row) for row in reader.session.rows(sql, params)]

    @_in_its_terms()
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events of all streams by position.

        Raises:
            ProgrammingError: a value that no position, limit or topic can be.
        """
        where: list[str] = ["1 = 1"]
        params: list[Any] = []
        inclusive = checked_truth(inclusive_of_start, "inclusive_of_start")
        if start is not None:
            where.append("e.position >= ?" if inclusive else "e.position > ?")
            params.append(checked_position(start, "start"))
        if stop is not None:
            where.append("e.position <= ?")
            params.append(checked_position(stop, "stop"))
        if named := _topics(topics):
            among, of_topics = self._store.database.among("a.type", named)
            where.append(among)
            params += of_topics
        with self._store.reading() as reader:
            rows = reader.session.rows(
                f"{self._stored} WHERE {' AND '.join(where)} ORDER BY e.position LIMIT ?",
                (*params, _limit(limit, "limit")),
            )
        return [_notification(row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The last position, or None when the ledger is empty."""
        with self._store.reading() as reader:
            return reader.head().position or None

    @_in_its_terms()
    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Events of all streams as they are recorded, in this or any other process.

        Raises:
            ProgrammingError: a value that no position or topic can be.
        """
        after = _or_none(checked_position, gt, "gt")
        return LedgerSubscription(self, gt=after, topics=_topics(topics))


class LedgerSubscription(Subscription[LedgerRecorder]):
    """Looks for new events when this process recorded some, and every now and then."""

    def __init__(
        self, recorder: LedgerRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder, gt=gt, topics=topics)
        self._page: list[Notification] = []
        self._signal = recorder._store.signal

    def stop(self) -> None:
        """End the iteration, from any thread."""
        super().stop()
        self._signal.notify()

    def __next__(self) -> Notification:
        wait = Backoff()
        while not self._has_been_stopped:
            if self._page:
                return self._page.pop()
            seen = self._signal.count
            found = self._recorder.select_notifications(
                self._last_notification_id,
                _PAGE,
                topics=self._topics,
                inclusive_of_start=False,
            )
            if found:
                self._page = list(reversed(found))
                self._last_notification_id = found[-1].id
            else:
                self._signal.wait(seen, wait.next())
        raise StopIteration


class Backoff:
    """How long to wait before looking again: from 2 ms, doubling, to 100 ms."""

    def __init__(self, timeout: float | None = None) -> None:
        self._pause = 0.001
        self._end = None if timeout is None else monotonic() + timeout

    def next(self) -> float:
        """The next pause, in seconds, which ends when the time does."""
        self._pause = min(self._pause * 2, 0.1)
        return self._pause if self._end is None else min(self._pause, self.left)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return float("inf") if self._end is None else max(0.0, self._end - monotonic())


def _foreign_columns(event: object) -> Row:
    if not isinstance(event, StoredEvent):
        raise ProgrammingError(f"stored_events holds StoredEvents, not {type(event).__name__}")
    topic = checked_id(event.topic, "a topic")
    if is_own_type(topic):
        raise ProgrammingError(
            f"{topic} is one of modlog's own types: use the ledger's commands, or another topic"
        )
    if not isinstance(event.state, bytes | bytearray | memoryview):
        raise ProgrammingError(f"a state must be bytes, not {type(event.state).__name__}")
    return (
        checked_id(_stream_text(event.originator_id), "originator_id"),
        _number(event.originator_version, "originator_version"),
        topic,
        bytes(event.state),
    )


def _stream_text(originator_id: object) -> str:
    if isinstance(originator_id, UUID):
        return originator_id.urn
    text = checked_text(originator_id, "originator_id, if it is no UUID,")
    if text.startswith(_URN):
        raise ProgrammingError(f"give {shown(text)} as a UUID, not as text")
    return text


def _number(value: object, what: str) -> int:
    """Any whole number that both databases hold: versions of other programs may be negative."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_POSITION:
        raise ProgrammingError(f"{what} must be a whole number of 64 bits, not {shown(value)}")
    return int.__index__(value)


def _limit(value: object, what: str) -> int:
    return checked_whole(value, what, MAX_POSITION)


def _or_none(check: Callable[[object, str], int], value: object, what: str) -> int | None:
    return None if value is None else check(value, what)


def _topics(topics: object) -> list[str]:
    return [checked_text(topic, "a topic") for topic in checked_iterable(topics, "topics")]


def _write(writer: Writer, rows: Sequence[Row]) -> None:
    """Write another program's events: rows of stream, version, topic and state."""
    streams: dict[str, int] = {}
    acts: dict[str, int] = {}
    new: list[Row] = []
    events: list[Row] = []
    for position, (stream, version, topic, state) in enumerate(rows, writer.head.position + 1):
        if stream not in streams:
            number = writer.reader.stream("foreign", stream)
            streams[stream] = position if number is None else number
            if number is None:
                new.append((position, "foreign", stream))
        act = acts.setdefault(topic, position)
        events.append((position, act, streams[stream], version, state))
    database, session = writer.store.database, writer.session
    if new:
        database.load(session, "streams", STREAM_COLUMNS, new)
    acts_rows = [(number, writer.at, topic) for topic, number in acts.items()]
    database.load(session, "acts", _ACT, acts_rows)
    writer.insert(events, _EVENT)


def _originator(row: Row) -> UUID | str:
    id_: str = row[_ID]
    return UUID(id_) if row[_KIND] == "foreign" and id_.startswith(_URN) else id_


def _state(row: Row) -> bytes:
    return bytes(row[-1]) if row[_KIND] == "foreign" else state_bytes(row[:-1])


def _stored_event(row: Row) -> StoredEvent:
    return StoredEvent(
        originator_id=_originator(row),
        originator_version=row[_VERSION],
        topic=row[_TYPE],
        state=_state(row),
    )


def _notification(row: Row) -> Notification:
    return Notification(
        id=row[_POSITION],
        originator_id=_originator(row),
        originator_version=row[_VERSION],
        topic=row[_TYPE],
        state=_state(row),
    )
