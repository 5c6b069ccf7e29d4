"""Queries of a platform's own database, whose rows stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from modlog._errors import InvalidInputError
from modlog._storage.database import Row
from modlog._storage.opening import store_at


@contextmanager
def answer(url: str, query: str) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """The columns and rows of a query, in a transaction that only reads and sees one moment.

    Args:
        url: of the database, which need not hold a ledger.
        query: in its SQL; one statement that gives rows.

    Raises:
        InvalidUrlError: a URL that cannot be read.
        InvalidInputError: the database refuses the query.
        StoreUnavailableError: the database cannot be reached or opened.
    """
    store = store_at(url, None, mode="ro")
    try:
        with store.database.snapshot() as session, ExitStack() as stack:
            try:
                columns, rows = stack.enter_context(session.streamed(query))
            except Exception as error:  # of either driver
                raise InvalidInputError(f"the query was refused: {error}") from error
            if not columns:
                raise InvalidInputError("the query gives no rows: it must be one SELECT")
            yield columns, rows
    finally:
        store.close()
