"""Views: the ledger as it was, as it would be without some events, or with some more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final, Literal

from attrs import define, field
from attrs import evolve as replaced

from modlog._domain.account import (
    Account,
    AccountState,
    Status,
    account_at,
    checked_flagged,
    checked_statuses,
)
from modlog._domain.decisions import decide
from modlog._domain.events import Entry, RecordedEvent
from modlog._domain.selection import EVERYTHING, Scope, Selection
from modlog._domain.statements import Statement, statement
from modlog._domain.values import (
    FIRST_INSTANT,
    checked_id,
    checked_instant,
    checked_iterable,
    checked_truth,
    shown,
)
from modlog._errors import AccountNotFoundError, InvalidInputError
from modlog._services.records import Addition, read_addition
from modlog._services.work import Work
from modlog._storage.reading import Reader, in_pages
from modlog._storage.replays import States, beside, pages_of_accounts, replays
from modlog._storage.selecting import Condition
from modlog._storage.spans import (
    Differing,
    Moment,
    count_at,
    ids_of,
    out_of_order,
    selected_streams,
    states_of_streams,
    statuses_at,
)

ClockName = Literal["recorded", "occurred"]
_CLOCKS: Final = ("recorded", "occurred")


@define(eq=False)
class View:
    """The ledger as some of its events tell it, at an instant.

    Views answer like the present, write nothing, and compose: each method gives a narrower or
    a supposed view of this one. They read the ledger when they are asked.
    """

    _work: Work = field(repr=False)
    _scope: Scope = EVERYTHING
    _at: datetime | None = None
    _additions: tuple[Addition, ...] = ()

    # Composing

    def as_of(self, moment: int | datetime, *, clock: ClockName = "recorded") -> View:
        """The view as it was at a position or an instant.

        Args:
            moment: a position in the log: events up to it, at the instant it was recorded; or
                an aware datetime: events up to it, at that instant. One in the future answers
                for what is recorded now.
            clock: "recorded" keeps what was recorded by then, and so answers the same for
                ever; "occurred" keeps what is now known to have occurred by then.

        Raises:
            InvalidInputError: a position beyond the log's end, a naive datetime.
        """
        check_clock(clock)
        if isinstance(moment, int) and not isinstance(moment, bool):
            if clock == "occurred":
                raise InvalidInputError("clock='occurred' goes with an instant, not a position")
            return self._as_of_position(moment)
        instant = checked_instant(moment, "the moment of as_of()")
        if clock == "occurred":
            return self._narrowed(Scope(occurred_until=instant), at=instant)
        with self._work.reader() as reader:
            position = reader.position_at(instant)
        return self._narrowed(Scope(up_to_position=position), at=instant)

    def _as_of_position(self, position: int) -> View:
        with self._work.reader() as reader:
            head = reader.head().position
            if not 0 <= position <= head:
                raise InvalidInputError(
                    f"as_of() takes a position from 0 to the log's end, now {head}, not "
                    f"{shown(position)}"
                )
            recorded_at = reader.recorded_at(position)
        return self._narrowed(Scope(up_to_position=position), at=recorded_at or FIRST_INSTANT)

    def without(self, selection: Selection) -> View:
        """The view as if the selected events had never been recorded.

        It writes nothing; `plan_revert` shows what taking them back would come to.
        """
        if not isinstance(selection, Selection):
            raise InvalidInputError(f"without() takes a Selection, not {shown(selection)}")
        return self._narrowed(Scope(excluded=(selection,)), at=self._at)

    def with_(self, records: Iterable[Mapping[str, object]]) -> View:
        """The view as it would be after these commands, which are not recorded.

        Args:
            records: commands as mappings, as `ModLog.ingest` takes them; without `at` they
                happen at the view's instant. They are decided as live commands are, so the
                account must exist.

        Raises:
            RefusedError, AccountNotFoundError: a command that the view does not allow.
            InvalidInputError: a record that cannot be read.
        """
        additions = tuple(map(read_addition, checked_iterable(records, "the records of with_()")))
        view = replaced(self, additions=(*self._additions, *additions))
        with view._work.reader() as reader:
            view._supposed(reader, view._instant(reader))
        return view

    def _narrowed(self, scope: Scope, *, at: datetime | None) -> View:
        return replaced(self, scope=self._scope.within(scope), at=at)

    # Questions

    def account(self, account_id: str) -> Account:
        """An account as the view has it.

        Raises:
            AccountNotFoundError: no event of it lies within the view.
        """
        account_id = checked_id(account_id, "account_id")
        with self._work.reader() as reader:
            at = self._instant(reader)
            states = self.states_of(reader, [account_id], at)
        if account_id not in states:
            raise _unknown(account_id)
        return account_at(account_id, states[account_id], at)

    def history(self, account_id: str) -> list[RecordedEvent]:
        """The recorded events of an account that lie within the view, in order.

        Raises:
            AccountNotFoundError: none does.
        """
        account_id = checked_id(account_id, "account_id")
        with self._work.reader() as reader:
            events = reader.events_of([account_id], self._condition(reader))
        if not events:
            raise _unknown(account_id)
        return events[account_id]

    def statement(self, account_id: str, *, names: bool = False) -> Statement:
        """See `ModLog.statement`; what `with_` supposes is not in it."""
        account_id, names = checked_id(account_id, "account_id"), checked_truth(names, "names")
        events = self.history(account_id)
        return statement(account_id, events, self.moment(), names=names)

    def accounts(
        self,
        status: Status | str | Collection[Status | str] | None = None,
        flagged: str | bool | None = None,
    ) -> Iterator[Account]:
        """Accounts as the view has them, in the order of their ids, streaming.

        Args:
            status: only those with this status, or with one of these.
            flagged: only those with a flag of this label; True for any flag, False for none.
        """
        statuses, flagged = checked_statuses(status), checked_flagged(flagged)
        return self._accounts(statuses, flagged)

    def _accounts(
        self, statuses: tuple[Status, ...], flagged: str | bool | None
    ) -> Iterator[Account]:
        at = self.moment()
        for account_id, state in self.states(at, statuses):
            if statuses and state.status(at) not in statuses:
                continue
            if flagged is None or _is_flagged(state, flagged):
                yield account_at(account_id, state, at)

    def count(self) -> Mapping[Status, int]:
        """How many accounts have each status in the view, zeros included."""
        with self._work.reader() as reader:
            at = self._instant(reader)
            moment = Moment.of(self._scope)
            counts = count_at(reader.database, reader.session, moment, at)
            for page in in_pages(self._replayed(reader)):
                told = statuses_at(reader.database, reader.session, page, moment, at)
                counts.subtract(told.values())
                ids = ids_of(reader.database, reader.session, page)
                recorded = self._of_streams(reader, ids)
                counts.update(state.status(at) for state in recorded.values())
            supposed = self._supposed(reader, at)
            if supposed:
                before = self._recorded(reader, list(supposed))
                counts.subtract(state.status(at) for state in before.values())
                counts.update(state.status(at) for state in supposed.values())
            return {status: counts[status] for status in Status}

    def _replayed(self, reader: Reader) -> Sequence[int]:
        """The streams of accounts of which spans do not tell what this view has to."""
        streams = set(selected_streams(reader, self._scope.excluded))
        if self._scope.occurred_until is not None:
            streams.update(out_of_order(reader.database, reader.session))
        return sorted(streams)

    # What the questions rest on

    def _instant(self, reader: Reader) -> datetime:
        return self._at or self._work.present(reader)

    def _condition(self, reader: Reader) -> Condition:
        return reader.scope(self._scope)

    def _recorded(self, reader: Reader, account_ids: Sequence[str]) -> dict[str, AccountState]:
        """The states that recorded events within the view lead to."""
        if self._scope == EVERYTHING:
            return reader.states(account_ids)
        streams = {number: id_ for id_, number in reader.streams(account_ids).items()}
        return self._of_streams(reader, streams)

    def _of_streams(self, reader: Reader, streams: Mapping[int, str]) -> dict[str, AccountState]:
        """As `_recorded`, of accounts whose streams are at hand: of as many as lie in a page."""
        if self._scope == EVERYTHING:
            return states_of_streams(reader.database, reader.session, streams)
        condition = self._condition(reader)
        return dict(replays(reader.database, reader.session, [streams], condition))

    def _supposed(self, reader: Reader, at: datetime) -> dict[str, AccountState]:
        """The states of the accounts that the view's supposed commands touch."""
        states: dict[str, AccountState] = {}
        if self._additions:
            touched = dict.fromkeys(addition.account_id for addition in self._additions)
            states = self._recorded(reader, list(touched))
        recorded = {account_id: state.version for account_id, state in states.items()}
        for addition in self._additions:
            state = states.setdefault(addition.account_id, AccountState())
            then = addition.at or at
            event = decide(addition.account_id, state, addition.command, then)
            state.apply(Entry(version=state.version + 1, occurred_at=then, event=event))
        for account_id, state in states.items():
            state.version = recorded.get(account_id, 0)
        return states

    def states_of(
        self, reader: Reader, account_ids: Sequence[str], at: datetime
    ) -> dict[str, AccountState]:
        """The states of those accounts that are known to the view."""
        states = self._recorded(reader, account_ids)
        supposed = self._supposed(reader, at)
        states.update({id_: supposed[id_] for id_ in account_ids if id_ in supposed})
        return states

    def states(self, at: datetime, statuses: Collection[Status] = ()) -> States:
        """The states of all accounts that the view knows, in the order of ids.

        Args:
            at: the instant at which it looks.
            statuses: those of accounts with another status may be left out.
        """
        with self._work.reader() as reader:
            supposed = self._supposed(reader, at)
            replayed = frozenset(self._replayed(reader)) if statuses else frozenset()
        recorded = self._pages(at, statuses, replayed)
        for account_id, state, other in beside(recorded, iter(sorted(supposed.items()))):
            known = other or state
            assert known is not None
            yield account_id, known

    def _pages(
        self, at: datetime, statuses: Collection[Status], replayed: Collection[int]
    ) -> States:
        """The states that recorded events lead to; no connection is held while they are used."""
        moment = Moment.of(self._scope)
        after = ""
        while True:
            with self._work.reader() as reader:
                page = next(pages_of_accounts(reader.database, reader.session, after), None)
                if page is None:
                    return
                after = page[next(reversed(page))]
                if statuses:
                    told = statuses_at(reader.database, reader.session, list(page), moment, at)
                    page = {
                        stream: id_
                        for stream, id_ in page.items()
                        if stream in replayed or told.get(stream) in statuses
                    }
                states = self._of_streams(reader, page) if page else {}
            for id_ in page.values():
                if id_ in states:
                    yield id_, states[id_]

    def states_of_page(
        self, reader: Reader, streams: Mapping[int, str], at: datetime
    ) -> dict[str, AccountState]:
        """The states of these accounts, of those that are known to the view."""
        states = self._of_streams(reader, streams)
        if self._additions:
            ids = set(streams.values())
            supposed = self._supposed(reader, at)
            states.update({id_: state for id_, state in supposed.items() if id_ in ids})
        return states

    def streams_that_may_differ(
        self, other: View, instants: tuple[datetime, datetime]
    ) -> Sequence[int] | None:
        """The streams of all accounts in which another view may differ from this one, by id.

        None if they may be many, or if nothing but a look at all accounts tells them.
        """
        one, two = self._scope, other._scope
        if one.occurred_until != two.occurred_until:
            return None
        with self._work.reader() as reader:
            head = reader.head().position
            places = sorted(
                head if scope.up_to_position is None else scope.up_to_position
                for scope in (one, two)
            )
            apart = set(one.excluded) ^ set(two.excluded)
            if instants[0] != instants[1] or places[0] != places[1]:
                apart |= set(one.excluded)  # what they both leave out may have expired between
            found = Differing(reader)
            found.add_events(places[0], places[1])
            found.add_selected(apart)
            found.add_expiring(*sorted(instants))
            for addition in (*self._additions, *other._additions):
                found.add_account(addition.account_id)
            return found.by_id()

    def reading(self) -> AbstractContextManager[Reader]:
        """Reads of the ledger that the view is of."""
        return self._work.reader()

    @property
    def is_of_now(self) -> bool:
        """Whether it looks at the present instant, which moves on, and not at one of its own."""
        return self._at is None

    def moment(self, now: datetime | None = None) -> datetime:
        """The instant at which the view looks, for the expiry of suspensions.

        Args:
            now: the present, where it has been read already; else the clock is asked.
        """
        if self._at or now:
            return self._at or now  # type: ignore[return-value]
        with self._work.reader() as reader:
            return self._instant(reader)


def check_clock(clock: object) -> None:
    """Refuse what is no clock.

    Raises:
        InvalidInputError: it is neither "recorded" nor "occurred".
    """
    if clock not in _CLOCKS:
        raise InvalidInputError(f"clock must be recorded or occurred, not {shown(clock)}")


def _unknown(account_id: str) -> AccountNotFoundError:
    return AccountNotFoundError(
        f"account {shown(account_id)} is not in this view of the ledger: no event of it lies within"
    )


def _is_flagged(state: AccountState, flagged: str | bool) -> bool:
    if isinstance(flagged, str):
        return flagged in state.flags.values()
    return bool(state.flags) == flagged
