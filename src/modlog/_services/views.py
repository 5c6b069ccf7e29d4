"""Views: the ledger as it was, as it would be without some events, or with some more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, Literal

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._domain.account import Account, AccountState, Status, account_at, replay
from modlog._domain.decisions import Command, decide
from modlog._domain.events import Entry
from modlog._domain.selection import EVERYTHING, Scope, Selection
from modlog._domain.values import (
    FIRST_INSTANT,
    checked_id,
    checked_instant,
    checked_iterable,
    parsed_instant,
    shown,
)
from modlog._errors import AccountNotFoundError, InvalidInputError
from modlog._services.records import read_command
from modlog._storage.database import Row
from modlog._storage.replays import States, beside
from modlog._storage.selecting import Condition
from modlog._storage.store import Reader

ClockName = Literal["recorded", "occurred"]
_CLOCKS: Final = ("recorded", "occurred")


@frozen
class _Addition:
    """A command that a view takes as given."""

    account_id: str
    command: Command
    at: datetime | None


@define(eq=False)
class View:
    """The ledger as some of its events tell it, at an instant.

    Views answer like the present, write nothing, and compose: each method gives a narrower or
    a supposed view of this one. They read the ledger when they are asked.
    """

    _reading: Callable[[], AbstractContextManager[Reader]] = field(repr=False)
    _now: Callable[[Reader], datetime] = field(repr=False)
    _scope: Scope = EVERYTHING
    _at: datetime | None = None
    _additions: tuple[_Addition, ...] = ()

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
        if clock not in _CLOCKS:
            raise InvalidInputError(f"clock must be recorded or occurred, not {shown(clock)}")
        if isinstance(moment, int) and not isinstance(moment, bool):
            if clock == "occurred":
                raise InvalidInputError("clock='occurred' goes with an instant, not a position")
            return self._as_of_position(moment)
        instant = checked_instant(moment, "the moment of as_of()")
        if clock == "occurred":
            return self._narrowed(Scope(occurred_until=instant), at=instant)
        with self._reading() as reader:
            position = reader.position_at(instant)
        return self._narrowed(Scope(up_to_position=position), at=instant)

    def _as_of_position(self, position: int) -> View:
        with self._reading() as reader:
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
        additions = tuple(map(_addition, checked_iterable(records, "the records of with_()")))
        view = replaced(self, additions=(*self._additions, *additions))
        with view._reading() as reader:
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
        with self._reading() as reader:
            at = self._instant(reader)
            states = self.states_of(reader, [account_id], at)
        if account_id not in states:
            raise AccountNotFoundError(
                f"account {shown(account_id)} is not in this view of the ledger: no event of it "
                "lies within"
            )
        return account_at(account_id, states[account_id], at)

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
        for account_id, state in self.states(at):
            if statuses and state.status(at) not in statuses:
                continue
            if flagged is None or _is_flagged(state, flagged):
                yield account_at(account_id, state, at)

    def count(self) -> Mapping[Status, int]:
        """How many accounts have each status in the view, zeros included."""
        with self._reading() as reader:
            at = self._instant(reader)
            if self._is_present:
                return reader.count(at)
            counts = Counter(reader.count_within(self._scope, at))
            supposed = self._supposed(reader, at)
            if supposed:
                before = self._recorded(reader, list(supposed))
                counts.subtract(state.status(at) for state in before.values())
                counts.update(state.status(at) for state in supposed.values())
            return {status: counts[status] for status in Status}

    # What the questions rest on

    @property
    def _is_present(self) -> bool:
        return self._scope == EVERYTHING and not self._additions

    def _instant(self, reader: Reader) -> datetime:
        return self._at or self._now(reader)

    def _condition(self, reader: Reader) -> Condition:
        return reader.scope(self._scope)

    def _recorded(self, reader: Reader, account_ids: Sequence[str]) -> dict[str, AccountState]:
        """The states that recorded events within the view lead to."""
        if self._scope == EVERYTHING:
            return reader.states(account_ids)
        histories = reader.histories(account_ids, self._condition(reader))
        return {account_id: replay(history) for account_id, history in histories.items()}

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

    def states(self, at: datetime) -> States:
        """The states of all accounts that the view knows, in the order of ids."""
        with self._reading() as reader:
            supposed = self._supposed(reader, at)
            condition = self._condition(reader)
            pages = Reader(reader.store, _Paged(self._reading))
        recorded = pages.projected() if self._scope == EVERYTHING else pages.replays(condition)
        for account_id, state, other in beside(recorded, iter(sorted(supposed.items()))):
            known = other or state
            assert known is not None
            yield account_id, known

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
        with self._reading() as reader:
            return self._instant(reader)


class _Paged:
    """A session that takes a connection for each query only, so that streams hold none."""

    def __init__(self, reading: Callable[[], AbstractContextManager[Reader]]) -> None:
        self._reading = reading

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        with self._reading() as reader:
            return reader.session.rows(sql, params)

    often = rows

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        with self._reading() as reader:
            return reader.session.row(sql, params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        raise AssertionError(f"a view writes nothing: {sql} {len(params)}")

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        raise AssertionError(f"a view writes nothing: {sql} {len(rows)}")


def _addition(record: Mapping[str, object]) -> _Addition:
    _, _, account_id, command = read_command(record)
    at = record.get("at")
    return _Addition(account_id, command, None if at is None else parsed_instant(at, "at"))


def _is_flagged(state: AccountState, flagged: str | bool) -> bool:
    if isinstance(flagged, str):
        return flagged in state.flags.values()
    return bool(state.flags) == flagged


def checked_statuses(
    status: Status | str | Collection[Status | str] | None,
) -> tuple[Status, ...]:
    """One status or several, as a tuple; none for any.

    Raises:
        InvalidInputError: an empty collection, or what is no status.
    """
    if status is None:
        return ()
    several = (status,) if isinstance(status, str) else tuple(checked_iterable(status, "status"))
    if not several:
        raise InvalidInputError("status is an empty collection: leave it out to mean any")
    for one in several:
        if not isinstance(one, str) or one not in tuple(Status):
            raise InvalidInputError(f"status must be one of {', '.join(Status)}, not {shown(one)}")
    return tuple(Status(one) for one in several)


def checked_flagged(flagged: object) -> str | bool | None:
    """A flag's label, or whether there is any; None for either.

    Raises:
        InvalidInputError: what is neither.
    """
    if isinstance(flagged, str):
        return checked_id(flagged, "flagged")
    if flagged is None or isinstance(flagged, bool):
        return flagged
    raise InvalidInputError(f"flagged must be a label, True or False, not {shown(flagged)}")
