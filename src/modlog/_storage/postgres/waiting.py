"""PostgreSQL: how long one waits for the append lock, and who must not wait at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from modlog._errors import ReadOnlyStoreError
from modlog._storage.database import Session
from modlog._storage.waiting import check_not_own, forget, holder_of, holding, own_thread

Reading = Callable[[], AbstractContextManager[Session]]


class Waiting:
    """Waiting for the lock of one ledger.

    Attributes:
        limit: an expression that sets the limit, for the rest of the transaction.
        head: how a statement names the table whose row is the lock.
    """

    def __init__(self, conninfo: str, timeout: float, *, read_only: bool) -> None:
        self._conninfo = conninfo
        self._read_only = read_only
        self.limit = f"set_config('lock_timeout', '{round(timeout * 1000)}', true)"
        self.head = ""

    @property
    def _ledger(self) -> tuple[str, str]:
        return self._conninfo, self.head

    def check(self, reading: Reading, connection: object = None) -> None:
        """Refuse to write, or to wait for a transaction of this very thread.

        Args:
            reading: opens a session, in which it is asked who holds the lock.
            connection: the one that is about to wait; it does not wait for itself.

        Raises:
            ReadOnlyStoreError: the ledger was opened to be read.
            StoreUnavailableError: this thread has the lock.
        """
        if self._read_only:
            raise ReadOnlyStoreError(
                "this ledger was opened to be read only: open it without read_only=True to write"
            )
        check_not_own(self._ledger)
        holder = holder_of(self._ledger)
        if holder is None or not holder.is_this_thread:
            return
        own = holder.connection and holder.connection()
        if own is None or own is connection:
            return
        assert isinstance(own, psycopg.Connection)
        if self._has_lock(own, reading):
            raise own_thread()
        forget(self._ledger, holder)

    def _has_lock(self, connection: psycopg.Connection[Any], reading: Reading) -> bool:
        """Whether a caller's transaction is still the one of its block in `within`."""
        if connection.closed or connection.info.transaction_status == TransactionStatus.IDLE:
            return False
        with reading() as session:
            found = session.row(
                "SELECT 1 FROM pg_locks WHERE pid = ? AND relation = to_regclass(?) AND granted"
                " AND mode = 'RowShareLock'",
                (connection.info.backend_pid, self.head),
            )
        return found is not None

    def holding(self, connection: object = None) -> AbstractContextManager[None]:
        """Have it known, for a block, that this thread has the lock."""
        return holding(self._ledger, connection)
