"""PostgreSQL: statements that tell a connection lost amid an answer from anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg.pq import TransactionStatus

from modlog._storage.database import Row

# What there is between two statements on a connection that holds.
_AT_REST: Final = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)


class Cursor(psycopg.Cursor[Row]):
    """The driver's, for a server that may hang up at any moment.

    A server that is told to end a connection says so straight after the answer that it has begun.
    In several places the driver expects one result and no more: it then raises whatever comes of
    that, a ValueError or an IndexError among it, and not what the server said.

    Raises:
        psycopg.OperationalError: the connection is lost.
    """

    def execute(self, *args: Any, **options: Any) -> Self:
        try:
            return super().execute(*args, **options)
        except Exception as error:
            check_not_lost(self.connection, error)
            raise

    def executemany(self, *args: Any, **options: Any) -> None:
        try:
            super().executemany(*args, **options)
        except Exception as error:
            check_not_lost(self.connection, error)
            raise

    @contextmanager
    def copy(self, *args: Any, **options: Any) -> Iterator[psycopg.Copy]:
        try:
            with super().copy(*args, **options) as copy:
                yield copy
        except Exception as error:
            check_not_lost(self.connection, error)
            raise


def check_not_lost(connection: psycopg.Connection[Any], error: Exception) -> None:
    """Tell an error of a connection that is lost from any other.

    Raises:
        psycopg.OperationalError: it is lost, and the error does not say so.
    """
    if isinstance(error, psycopg.OperationalError) or getattr(error, "sqlstate", None):
        return  # this is what the server said
    if connection.info.transaction_status not in _AT_REST:
        raise psycopg.OperationalError("the connection broke amid an answer") from error
