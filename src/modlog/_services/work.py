"""The work in hand: what every subject needs of the ledger, as one object that is passed down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from datetime import datetime
from os import getpid
from types import MappingProxyType
from typing import Any

from attrs import define, field

from modlog._domain.events import ActionRefused, Draft, Envelope
from modlog._domain.guardrails import Guardrails
from modlog._domain.values import from_micros
from modlog._errors import InvalidInputError
from modlog._storage.clock import Clock
from modlog._storage.database import Database, Session
from modlog._storage.reading import Reader
from modlog._storage.store import Store
from modlog._storage.writing import Writer


@define(eq=False)
class _Open:
    """A transaction that is under way, for commands and questions of its block.

    Attributes:
        afterwards: what is to be done by itself once it has ended, either way; None for a
            caller's own transaction, whose end the ledger does not see.
    """

    writer: Writer
    afterwards: list[Callable[[], None]] | None = None
    under_way: bool = True
    process: int = field(factory=getpid)

    @property
    def is_ours(self) -> bool:
        """Whether it goes on, in this process: a forked child takes no part in it."""
        return self.under_way and self.process == getpid()

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of it that fails alone."""
        if self.afterwards is None:  # the caller may have gone back to a savepoint of his own
            self.writer.rolled_back()
        with self.writer.part():
            yield


# For each ledger, the transaction of the current task or thread.
_open: ContextVar[Mapping[int, _Open]] = ContextVar(
    "modlog.transactions",
    default=MappingProxyType({}),
)


def take_part(context: Context, begun_in: Context) -> None:
    """Let what runs in a context be part of the transaction that was begun in another."""
    context.run(_open.set, begun_in[_open])


class _TakenBack(Exception):  # noqa: N818
    """Ends a transaction of which nothing is to stay."""


@define(eq=False)
class Work:
    """Reads, transactions, chunks and the time of one ledger.

    Within a transaction of the current task or thread all of it happens in that.

    Attributes:
        guardrails: the limits within which commands and sweeps stay.
    """

    store: Store
    clock: Clock
    guardrails: Guardrails

    @property
    def database(self) -> Database:
        """Where the ledger lies."""
        return self.store.database

    # The time

    def present(self, reader: Reader) -> datetime:
        """Now, as the reads of a session have it."""
        return self.instant(reader.head().recorded_at)

    def instant(self, recorded_at: int) -> datetime:
        """Now; never before what is recorded, so that nothing recorded lies in the future."""
        return max(self.clock(), from_micros(recorded_at))

    # Reading

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Reads, each of which sees what is committed as it starts."""
        writer = self.writer()
        if writer is not None:
            yield Reader(self.store, writer.session)
            return
        with self.store.reading() as reader:
            yield reader

    @contextmanager
    def snapshot_in(self, reader: Reader) -> Iterator[Reader]:
        """Reads in the same session that all see the same moment."""
        if self.writer() is not None:  # a transaction that holds the lock is one already
            yield reader
            return
        with self.store.snapshot(reader.session) as snapshot:
            yield snapshot

    # Writing

    @contextmanager
    def chunk(self, session: Session | None = None) -> Iterator[Writer]:
        """A transaction of its own, or a part of the one that is under way."""
        opened = self._opened()
        if opened is not None:
            with opened.part():
                yield opened.writer
            return
        with self.store.writing(self.clock(), session) as writer:
            yield writer

    @contextmanager
    def chunk_in(self, reader: Reader) -> Iterator[Writer]:
        """As `chunk`, in the session of a reader."""
        with self.chunk(reader.session) as writer:
            yield writer

    def refused(self, account_id: str, refusal: ActionRefused, envelope: Envelope) -> None:
        """Record that a guardrail stopped somebody, by itself and whatever else is undone."""

        def stream_of(reader: Reader) -> str:
            # An account that does not exist has no stream; the one who acts has.
            known = reader.states([account_id]).get(account_id)
            own = envelope.actor.account_id
            return account_id if own is None or (known and known.version) else own

        def record() -> None:
            with self.chunk() as writer:
                stream = stream_of(Reader(self.store, writer.session))
                writer.record(
                    stream,
                    lambda _, state, __: Draft(stream, state.version + 1, refusal, envelope),
                    None,
                )

        opened = self._opened()
        if opened is not None and opened.afterwards is not None:
            opened.afterwards.append(record)
        else:
            record()

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `ModLog.transaction`."""
        opened = self._opened()
        if opened is not None:
            with opened.part():
                yield
            return
        afterwards: list[Callable[[], None]] = []
        try:
            with self._written(afterwards):
                yield
        finally:
            for record in afterwards:
                record()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """A transaction of which nothing stays, not even what the guardrails refuse in it."""
        if self.writer() is not None:
            raise InvalidInputError(
                "a dry run is a transaction of its own: begin it outside of transaction() and "
                "within()"
            )
        with suppress(_TakenBack), self._written([]):
            yield
            raise _TakenBack

    @contextmanager
    def _written(self, afterwards: list[Callable[[], None]]) -> Iterator[None]:
        with (
            self.store.writing(self.clock()) as writer,
            self._under_way(_Open(writer, afterwards)),
        ):
            yield

    @contextmanager
    def within(self, connection: Any) -> Iterator[None]:
        """See `ModLog.within`."""
        if self.writer() is not None:
            raise InvalidInputError(
                "within() inside a transaction of the same ledger would wait for its end: leave "
                "one of the two out"
            )
        with (
            self.store.joining(connection, self.clock()) as writer,
            self._under_way(_Open(writer)),
        ):
            yield

    @contextmanager
    def _under_way(self, opened: _Open) -> Iterator[None]:
        token = _open.set({**_open.get(), id(self): opened})
        try:
            yield
        finally:
            opened.under_way = False
            _open.reset(token)

    def _opened(self) -> _Open | None:
        # A task that was started in the block may outlive it, with a copy of the context.
        opened = _open.get().get(id(self))
        return opened if opened is not None and opened.is_ours else None

    def writer(self) -> Writer | None:
        """The transaction that is under way, if there is one."""
        opened = self._opened()
        return None if opened is None else opened.writer
