"""The account as a fold of its events, and the replay that leaves out what was reverted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, Self, TypeVar

from attrs import cmp_using, define, field, frozen

from modlog._domain import events
from modlog._domain.effects import EFFECTS, Effect, Facet, SanctionKind
from modlog._domain.events import Event, fields_of
from modlog._domain.values import EPOCH, parsed_instant, same_json


class Status(StrEnum):
    """What an account is at an instant; the first that holds, in this order."""

    ERASED = "erased"
    ABSENT = "absent"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    ACTIVE = "active"


class Happened(Protocol):
    """What a fold reads of an event: `Entry` and `RecordedEvent` both have it."""

    @property
    def version(self) -> int: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def event(self) -> Event: ...


_H = TypeVar("_H", bound=Happened)
# Python takes 1, 1.0 and True for equal; a platform that reads its profiles back does not.
_AS_JSON: Final[Any] = cmp_using(eq=same_json)


@frozen
class StandingSanction:
    """A deletion or suspension that nothing has lifted.

    Attributes:
        since: the event's `occurred_at`.
        until: the end of a suspension; None for a deletion and for an indefinite suspension.
    """

    kind: SanctionKind
    since: datetime
    until: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it has begun and not expired at that instant."""
        return self.since <= at and not self.expired(at)

    def expired(self, at: datetime) -> bool:
        """Whether its `until` has come."""
        return self.until is not None and self.until <= at


@define(eq=True)
class AccountState:
    """An account as far as its events tell: causes, never a status.

    `apply` changes it in place, for long replays; `evolve` is the same as a pure function.

    Attributes:
        version: of the last recorded event, whether it counts or not; 0 before the first.
        latest: the greatest `occurred_at` of all recorded events.
        reverted: whether any of the recorded events is a revert, whether it counts or not.
    """

    version: int = 0
    latest: datetime = EPOCH
    created: bool = False
    erased: bool = False
    protected: bool = False
    profile: dict[str, Any] = field(factory=dict, eq=_AS_JSON)
    flags: dict[int, str] = field(factory=dict)
    sanctions: dict[int, StandingSanction] = field(factory=dict)
    reverted: bool = False

    def copy(self) -> Self:
        """The same state, with containers of its own; profiles are shared and never changed."""
        return type(self)(
            self.version,
            self.latest,
            self.created,
            self.erased,
            self.protected,
            self.profile,
            dict(self.flags),
            dict(self.sanctions),
            self.reverted,
        )

    def see(self, version: int, occurred_at: datetime) -> None:
        """Take note that an event was recorded, whatever it changes."""
        if version == 1 or occurred_at > self.latest:
            self.latest = occurred_at
        self.version = version

    def apply(self, entry: Happened) -> None:
        """Fold one more event in. Never raises: what makes no sense changes but the version."""
        self.record(entry.version, entry.occurred_at, entry.event)

    def record(self, version: int, occurred_at: datetime, event: Event) -> None:
        """As `apply`, for an event that stands by itself."""
        self.see(version, occurred_at)
        self.fold(event.TYPE, version, occurred_at, fields_of(event))

    def fold(
        self, type_name: str, version: int, occurred_at: datetime, data: Mapping[str, Any]
    ) -> None:
        """What an event of this type with these fields changes, as an event or as stored.

        Long replays call this with what the store holds, and build no events.
        """
        effect = EFFECTS[type_name]
        if self.erased or (effect.needs_account and not self.created):
            return
        for facet in effect.ends:
            self._end(facet, data[effect.named_in] if effect.named_in else None)
        if effect.begins:
            self._begin(effect, version, occurred_at, data)
        if effect.profile:
            self.profile = effect.profile(self.profile, data)

    def _begin(self, effect: Effect, version: int, at: datetime, data: Mapping[str, Any]) -> None:
        match effect.begins:
            case "existence":
                self.created = True
            case "protection":
                self.protected = True
            case "flag":
                self.flags[version] = data["label"]
            case "sanction":
                assert effect.kind, "a sanction has a kind"
                self.sanctions[version] = StandingSanction(effect.kind, at, _until(data))
            case "erasure":
                self.erased = True

    def _end(self, facet: Facet, versions: Iterable[int] | None) -> None:
        match facet:
            case "existence":
                self.created = False
            case "protection":
                self.protected = False
            case "flag":
                _forget(self.flags, versions)
            case "sanction":
                _forget(self.sanctions, versions)

    def status(self, at: datetime) -> Status:
        """The status at an instant; only the expiry of suspensions depends on it."""
        if self.erased:
            return Status.ERASED
        if not self.created:
            return Status.ABSENT
        suspended = False
        for sanction in self.sanctions.values():
            if sanction.kind == "deletion":
                return Status.DELETED
            suspended = suspended or not sanction.expired(at)
        return Status.SUSPENDED if suspended else Status.ACTIVE

    def in_force(self, at: datetime) -> tuple[int, ...]:
        """The versions of the sanctions in force at an instant, in order."""
        return tuple(
            version for version in sorted(self.sanctions) if self.sanctions[version].in_force(at)
        )


def _until(data: Mapping[str, Any]) -> datetime | None:
    until = data.get("until")
    return parsed_instant(until, "until") if isinstance(until, str) else until


def _forget(standing: dict[int, Any], versions: Iterable[int] | None) -> None:
    for version in list(standing) if versions is None else versions:
        standing.pop(version, None)


def evolve(state: AccountState, entry: Happened) -> AccountState:
    """The state after one more event; total, and the given state stays as it is.

    A revert among the events is left to `replay`, which alone sees the whole history.
    """
    after = state.copy()
    after.apply(entry)
    return after


def counting(history: Sequence[_H]) -> list[_H]:
    """The events that count, in order.

    Seen from the last event back, an event counts unless one that itself counts has reverted
    it. An erasure always counts.
    """
    reverted: set[int] = set()
    kept = []
    for entry in reversed(history):
        event = entry.event
        if entry.version in reverted and not isinstance(event, events.AccountErased):
            continue
        if isinstance(event, events.EventsReverted):
            reverted.update(event.targets)
        kept.append(entry)
    kept.reverse()
    return kept


def replay(history: Iterable[Happened]) -> AccountState:
    """The state that an account's whole history leads to."""
    history = list(history)
    state = AccountState()
    for entry in counting(history):
        state.fold(entry.event.TYPE, entry.version, entry.occurred_at, fields_of(entry.event))
    for entry in history:
        state.see(entry.version, entry.occurred_at)
        state.reverted = state.reverted or isinstance(entry.event, events.EventsReverted)
    return state


@frozen(kw_only=True)
class Sanction:
    """A deletion or suspension that stands, seen at an instant.

    Attributes:
        since: when it began, as the event's `occurred_at` says.
        until: when a suspension ends; None for a deletion and for an indefinite suspension.
        in_force: whether it has begun and not expired at the instant that was asked about.
    """

    kind: SanctionKind
    since: datetime
    until: datetime | None
    in_force: bool


@frozen(kw_only=True)
class Account:
    """An account as it is at an instant.

    Attributes:
        id: the platform's own id.
        version: of the last recorded event of the account.
        status: erased, absent, deleted, suspended or active.
        profile: what the platform keeps of it.
        flags: the flags that stand: version of the event → label.
        sanctions: the deletions and suspensions that stand, in force or not, by version.
        protected: whether sweeps leave it out.
    """

    id: str
    version: int
    status: Status
    profile: Mapping[str, Any] = field(eq=_AS_JSON)
    flags: Mapping[int, str]
    sanctions: Mapping[int, Sanction]
    protected: bool


def account_at(account_id: str, state: AccountState, at: datetime) -> Account:
    """What a state means at an instant."""
    return Account(
        id=account_id,
        version=state.version,
        status=state.status(at),
        profile=dict(state.profile),
        flags=dict(sorted(state.flags.items())),
        sanctions={
            version: Sanction(
                kind=sanction.kind,
                since=sanction.since,
                until=sanction.until,
                in_force=sanction.in_force(at),
            )
            for version, sanction in sorted(state.sanctions.items())
        },
        protected=state.protected,
    )
