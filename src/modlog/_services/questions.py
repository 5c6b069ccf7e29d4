"""Questions about the present, and about what is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from modlog._domain.account import Account, Status, account_at
from modlog._domain.events import RecordedEvent
from modlog._domain.selection import EVERYTHING, Selection, selected_or_all
from modlog._domain.values import (
    checked_id,
    checked_position,
    checked_seconds,
    checked_truth,
    shown,
)
from modlog._errors import AccountNotFoundError
from modlog._services.views import checked_flagged, checked_statuses
from modlog._services.work import Work
from modlog._storage.reading import Pages
from modlog._storage.recorder import Backoff
from modlog._storage.selecting import Condition
from modlog._storage.spans import Listing, Moment, count_at


class Questions:
    """What a ledger answers without a view."""

    _work: Work

    @property
    def head(self) -> int:
        """The last position in the log; 0 when it is empty."""
        with self._work.reader() as reader:
            return reader.head().position

    def account(self, account_id: str) -> Account:
        """An account as it is now.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        account_id = checked_id(account_id, "account_id")
        with self._work.reader() as reader:
            state, head = reader.state_and_head(account_id)
        if state.version == 0:
            raise AccountNotFoundError(
                f"account {shown(account_id)} is not in this ledger: check the id; "
                "accounts() lists those that are"
            )
        return account_at(account_id, state, self._work.instant(head.recorded_at))

    def accounts(
        self,
        status: Status | str | Collection[Status | str] | None = None,
        flagged: str | bool | None = None,
    ) -> Iterator[Account]:
        """Accounts as they are now, in the order of their ids, streaming.

        Args:
            status: only those with this status, or with one of these.
            flagged: only those with a flag of this label; True for any flag, False for none.
        """
        statuses, flagged = checked_statuses(status), checked_flagged(flagged)
        with self._work.reader() as reader:
            at = self._work.instant(reader.head().recorded_at)
        return self._accounts(statuses, flagged, at)

    def _accounts(
        self, statuses: tuple[Status, ...], flagged: str | bool | None, at: datetime
    ) -> Iterator[Account]:
        listing = Listing(statuses, flagged, at)
        while True:
            with self._work.reader() as reader:
                page = listing.next(reader)
            if not page:
                return
            for account_id, state in page:
                yield account_at(account_id, state, at)

    def count(self) -> Mapping[Status, int]:
        """How many accounts have each status now, zeros included."""
        with self._work.reader() as reader:
            at = self._work.instant(reader.head().recorded_at)
            counts = count_at(reader.database, reader.session, Moment.of(EVERYTHING), at)
        return {status: counts[status] for status in Status}

    def history(self, account_id: str) -> list[RecordedEvent]:
        """All events of an account, in order.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        account_id = checked_id(account_id, "account_id")
        with self._work.reader() as reader:
            events = reader.history(account_id)
        if not events:
            raise AccountNotFoundError(f"account {shown(account_id)} is not in this ledger")
        return events

    def events(self, selection: Selection | None = None) -> Iterator[RecordedEvent]:
        """The selected events in the order of their positions, streaming.

        Those recorded after the call are left out. Events of other programs are not modlog's
        to show: `recorder.select_notifications` has them.
        """
        selection = selected_or_all(selection, "events()")
        with self._work.reader() as reader:
            head = reader.head().position
            condition = reader.condition(selection)
        return self._events(condition, head)

    def _events(self, condition: Condition, head: int) -> Iterator[RecordedEvent]:
        pages = Pages(condition, head)
        while True:
            with self._work.reader() as reader:
                page = pages.next(reader)
            if not page:
                return
            yield from page

    def subscribe(
        self, after: int = 0, follow: bool = True, timeout: float | None = None
    ) -> Iterator[RecordedEvent]:
        """Events after a position, and then those that any process records, as they come.

        Args:
            after: start behind this position; 0 for the beginning.
            follow: wait for more at the end of the log; False ends there.
            timeout: end when nothing new came for so many seconds; None waits for ever.

        Raises:
            InvalidInputError: no position, or a time that is none.
        """
        after = checked_position(after, "after")
        wait = checked_seconds(timeout, "timeout") if checked_truth(follow, "follow") else 0.0
        with self._work.reader() as reader:
            condition = reader.condition(Selection(after_position=after))
        return self._follow(condition, after, wait)

    def _follow(
        self, condition: Condition, after: int, timeout: float | None
    ) -> Iterator[RecordedEvent]:
        signal = self._work.store.signal
        wait = Backoff(timeout)
        while True:
            seen = signal.count
            with self._work.reader() as reader:
                head = reader.head().position
                events = reader.events_page(condition, after, head)
            yield from events
            after = max(after, events[-1].position if events else head)
            if events:
                wait = Backoff(timeout)
            elif wait.left > 0:
                signal.wait(seen, wait.next())
            else:
                return
