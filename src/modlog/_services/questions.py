"""Questions about the present, and about what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from attrs import evolve as replaced

from modlog._domain.account import (
    Account,
    Status,
    account_at,
    checked_flagged,
    checked_statuses,
)
from modlog._domain.events import RecordedEvent
from modlog._domain.selection import EVERYTHING, Selection, checked_selection
from modlog._domain.values import (
    checked_id,
    checked_position,
    checked_seconds,
    checked_truth,
    checked_wait,
    shown,
)
from modlog._errors import AccountNotFoundError, StoreUnavailableError
from modlog._services.work import Work
from modlog._storage.acts import Act, ActPages
from modlog._storage.names import NameKind, names_from
from modlog._storage.pages import Pages
from modlog._storage.reading import PAGE, Reader
from modlog._storage.recorder import Backoff
from modlog._storage.selecting import Condition, after_position, both, up_to
from modlog._storage.spans import Listing, Moment, count_at
from modlog._storage.waiting import own_thread

_T = TypeVar("_T")


class Questions:
    """What a ledger answers without a view."""

    _work: Work

    @property
    def head(self) -> int:
        """The last position in the log; 0 when it is empty."""
        with self._work.reader() as reader:
            return reader.head().position

    def wait_for(self, position: int, timeout: float | None = 60) -> None:
        """Wait until everything up to a position can be read here.

        For who must read what was just written, on a standby that lags behind its primary.

        Args:
            position: that of an event, as a command returned it.
            timeout: for how many seconds at the most; None waits for ever.

        Raises:
            InvalidInputError: no position, or a time that is none.
            StoreUnavailableError: it did not come in time; or it would have to come from a
                transaction of this very thread.
        """
        signal = self._work.store.signal
        seen = signal.count
        for pause in self._pauses(position, timeout):
            signal.wait(seen, pause)
            seen = signal.count

    def _pauses(self, position: int, timeout: float | None) -> Iterator[float]:
        """Seconds to wait before it is asked again whether the log has come so far."""
        position = checked_position(position, "position")
        wait = Backoff(checked_seconds(timeout, "timeout"))
        while (head := self.head) < position:
            if self._work.writer() is not None:
                raise own_thread()
            if wait.left <= 0:
                raise StoreUnavailableError(
                    f"position {position} was waited for, and the log ends here at {head}: a "
                    "standby lags, or was promoted without it; wait longer, or ask the primary"
                )
            yield wait.next()

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

    def names_from(self, kind: NameKind, beginning: str) -> list[str]:
        """A hundred names of a kind that begin like this, in their order, for a shell."""
        with self._work.reader() as reader:
            return [
                name
                for name in names_from(reader.database, reader.session, kind, beginning)
                if name.startswith(beginning)
            ]

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

    def events(
        self, selection: Selection | None = None, *, newest_first: bool = False
    ) -> Iterator[RecordedEvent]:
        """The selected events in the order of their positions, streaming.

        Those recorded after the call are left out. Events of other programs are not modlog's
        to show: `recorder.select_notifications` has them.

        Args:
            selection: the events; all if left out.
            newest_first: from the log's end to its beginning.
        """
        selection = checked_selection(selection, "events()")
        with self._work.reader() as reader:
            head = reader.head().position
            condition = reader.condition(selection)
        if checked_truth(newest_first, "newest_first"):
            return self._backwards(condition, head)
        return self._paged(Pages(condition, head).next)

    def _backwards(self, condition: Condition, head: int) -> Iterator[RecordedEvent]:
        """In pieces of the log that grow where little is found, each kept whole for a moment."""
        size = PAGE
        while head > 0:
            start = max(head - size, 0)
            piece = both(condition, after_position(start))
            found = list(self._paged(Pages(piece, head, start).next))
            yield from reversed(found)
            head = start
            if len(found) < PAGE:
                size *= 2

    def _paged(self, next_page: Callable[[Reader], Sequence[_T]]) -> Iterator[_T]:
        """What stands on pages that are read as they are needed; no connection is held between."""
        while True:
            with self._work.reader() as reader:
                page = next_page(reader)
            if not page:
                return
            yield from page

    def acts(
        self, selection: Selection | None = None, *, newest_first: bool = True
    ) -> Iterator[Act]:
        """The selected events as entries, streaming: one for all that share an act.

        An act is what one transaction recorded under one envelope and of one type, as a chunk
        of a sweep. Those recorded after the call are left out.

        Args:
            selection: the events; all if left out.
            newest_first: the last of the log first, or the first.
        """
        selection = checked_selection(selection, "acts()")
        newest = checked_truth(newest_first, "newest_first")
        with self._work.reader() as reader:
            head = reader.head().position
            condition = both(reader.condition(selection), up_to(head))
        return self._paged(ActPages(condition, newest, head if newest else 0).next)

    def subscribe(
        self,
        after: int = 0,
        follow: bool = True,
        timeout: float | None = None,
        *,
        selection: Selection | None = None,
    ) -> Iterator[RecordedEvent]:
        """Events after a position, and then those that any process records, as they come.

        Args:
            after: start behind this position; 0 for the beginning.
            follow: wait for more at the end of the log; False ends there.
            timeout: end when nothing new came for so many seconds; None waits for ever.
            selection: only these events; all if left out.

        Raises:
            InvalidInputError: no position, or a time that is none.
        """
        pages, wait = self._following(after, follow, timeout, selection)
        return (event for page in self._follow(pages, wait) for event in page)

    def _following(
        self, after: int, follow: bool, timeout: float | None, selection: Selection | None
    ) -> tuple[Iterator[list[RecordedEvent]], float | None]:
        """The pages of a subscription, and how many seconds it waits for another."""
        after, wait = checked_position(after, "after"), checked_wait(follow, timeout)
        return self._pages_after(checked_selection(selection, "subscribe()"), after), wait

    def _follow(self, looks: Iterator[_T | None], timeout: float | None) -> Iterator[_T]:
        """What was found by those looks that found something, and the time in between."""
        signal = self._work.store.signal
        wait = Backoff(timeout)
        while True:
            seen = signal.count
            found = next(looks)
            if found:
                yield found
                wait = Backoff(timeout)
            elif wait.left > 0:
                signal.wait(seen, wait.next())
            else:
                return

    def _pages_after(self, selection: Selection, after: int) -> Iterator[list[RecordedEvent]]:
        """Page by page without end; an empty one for each look that finds nothing new."""
        while True:
            with self._work.reader() as reader:
                head = reader.head().position
                # Asked anew, as an instant that lay ahead may have passed; and by position,
                # as whoever follows wants what is new.
                condition = replaced(reader.condition(selection), way="position")
                pages = Pages(condition, head, after)
                events = pages.next(reader)
            yield events
            after = pages.after if events else max(after, head)
