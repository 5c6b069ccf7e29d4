"""The ledger of the settings, opened when it is first asked for; and Django's transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

import modlog
from modlog import ModLog
from modlog.django import _places
from modlog.django._settings import Place, place

if TYPE_CHECKING:
    from collections.abc import Callable

_opened: Final[dict[Place, ModLog]] = {}
# The connection of Django's whose transaction the current task or thread has joined.
_joined: ContextVar[object] = ContextVar("modlog.django.joined", default=None)


def ledger() -> ModLog:
    """The ledger of the settings: one for the process, opened at the first call.

    It may be shared between threads, and notices a fork. In a test run it lies in the test
    database.

    Raises:
        ImproperlyConfigured: the settings are wrong, or there is no ledger yet.
        StoreError: the ledger cannot be opened.
    """
    return _at(place())


def _at(where: Place) -> ModLog:
    found = _opened.get(where)
    return _open(where) if found is None else found


def _open(where: Place) -> ModLog:
    if not _places.has_ledger(where):
        raise ImproperlyConfigured(_places.UNMIGRATED)
    new = modlog.open(
        where.url,
        schema=where.schema,
        guardrails=where.guardrails,
        lock_timeout=where.lock_timeout,
    )
    kept = _opened.setdefault(where, new)  # another thread may have been quicker
    if kept is not new:
        new.close()
    return kept


def close() -> None:
    """Close the connections of the ledger; who asks it again opens them anew."""
    while _opened:
        _, found = _opened.popitem()
        found.close()


class _Log:
    """Stands for the ledger as it is now: settings and databases change between tests."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ledger(), name)

    def __repr__(self) -> str:
        return "<the ledger of the settings>"


log: Final = cast(ModLog, _Log())


@contextmanager
def within() -> Iterator[ModLog]:
    """Make the ledger part of Django's transaction, as `transaction.atomic` does with models.

    What is recorded in the block is committed with Django's transaction, or undone with it, or
    with the savepoint that the block is; and questions in it see what was recorded. From the
    first command or question in the block to the end of the transaction nobody else can write to
    the ledger. Blocks may be nested, and mixed with `atomic`. In an async view, call what has
    such a block by `sync_to_async`.

    Yields:
        the ledger.

    Raises:
        ImproperlyConfigured: the ledger does not lie in a database of Django's.
        InvalidInputError: a transaction of the ledger's own is under way.
    """
    where = place()
    found = _at(where)
    if where.alias is None:
        raise ImproperlyConfigured(
            "within() needs the ledger in a database that Django knows, and MODLOG has an URL "
            "only: name the same database with MODLOG['DATABASE'], or use log.transaction()"
        )
    connection = connections[where.alias]
    with transaction.atomic(using=where.alias):
        if _joined.get() is connection and found._work.is_under_way:
            yield found
            return
        with (
            found._work.following(connection.connection) as following,
            connection.execute_wrapper(_watching(following.leave)),
            _joining(connection),
        ):
            yield found


@contextmanager
def _joining(connection: object) -> Iterator[None]:
    token = _joined.set(connection)
    try:
        yield
    finally:
        _joined.reset(token)


def _watching(gone_back: Callable[[], None]) -> Callable[..., Any]:
    """Let the ledger know of savepoints that Django goes back to."""

    def watched(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if isinstance(sql, str) and sql[:11].upper() == "ROLLBACK TO":
            gone_back()
        return result

    return watched
