"""The account as a fold of its events, and the replay that leaves out what was reverted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, Self, TypeVar

from attrs import cmp_using, define, field, frozen

from modlog._domain import events
from modlog._domain.effects import EFFECTS, FACETS, Effect, Facet, SanctionKind
from modlog._domain.events import Event, fields_of
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import (
    EPOCH,
    checked_id,
    checked_iterable,
    parsed_instant,
    same_json,
    shown,
)
from modlog._errors import InvalidInputError


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
class Stay(Jsonable):
    """Something that stands in the state of an account, under the version of its cause.

    Attributes:
        facet: what it is.
        since: the `occurred_at` of its cause.
        kind: of a sanction.
        until: the end of a suspension; None for indefinite, and for all else.
        label: of a flag.
    """

    facet: Facet
    since: datetime
    kind: SanctionKind | None = None
    until: datetime | None = None
    label: str | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it has begun and not expired at that instant."""
        return self.since <= at and not self.expired(at)

    def expired(self, at: datetime) -> bool:
        """Whether its `until` has come."""
        return self.until is not None and self.until <= at


Stays = dict[int, Stay]


def _nothing_stands() -> dict[Facet, Stays]:
    return {facet: {} for facet in FACETS}


@define(eq=True)
class AccountState:
    """An account as far as its events tell: causes, never a status.

    `apply` changes it in place, for long replays; `evolve` is the same as a pure function.

    Attributes:
        version: of the last recorded event, whether it counts or not; 0 before the first.
        latest: the greatest `occurred_at` of all recorded events.
        in_order: whether the first recorded event creates the account, and none occurred
            earlier than one before it.
        profile: what the platform keeps of it.
        stays: what stands, by facet and by the version of its cause.
    """

    version: int = 0
    latest: datetime = EPOCH
    in_order: bool = True
    profile: dict[str, Any] = field(factory=dict, eq=_AS_JSON)
    stays: dict[Facet, Stays] = field(factory=_nothing_stands)

    def copy(self) -> Self:
        """The same state, with containers of its own; profiles are shared and never changed."""
        return type(self)(
            self.version,
            self.latest,
            self.in_order,
            self.profile,
            {facet: dict(stays) for facet, stays in self.stays.items()},
        )

    @property
    def created(self) -> bool:
        """Whether the account exists."""
        return bool(self.stays["existence"])

    @property
    def erased(self) -> bool:
        """Whether its personal data is gone for good."""
        return bool(self.stays["erasure"])

    @property
    def protected(self) -> bool:
        """Whether sweeps leave it out."""
        return bool(self.stays["protection"])

    @property
    def flags(self) -> dict[int, str]:
        """The labels of the flags that stand, by version."""
        return {version: str(flag.label) for version, flag in self.stays["flag"].items()}

    @property
    def sanctions(self) -> Stays:
        """The sanctions that stand, in force or not, by version."""
        return self.stays["sanction"]

    def has(self, versions: Iterable[int]) -> bool:
        """Whether what each of these versions began stands."""
        return all(any(version in stays for stays in self.stays.values()) for version in versions)

    def stand(self, stays: Mapping[int, Stay]) -> None:
        """Let these stand under their versions, whatever began them."""
        for version, stay in stays.items():
            self.stays[stay.facet][version] = stay

    def forget(self, versions: Iterable[int]) -> None:
        """Let what these versions began not stand any more."""
        for version in versions:
            for stays in self.stays.values():
                stays.pop(version, None)

    def see(self, version: int, occurred_at: datetime, type_name: str) -> None:
        """Take note that an event was recorded, whatever it changes."""
        if version == 1:
            self.latest = occurred_at
            self.in_order = EFFECTS[type_name].begins == "existence"
        elif occurred_at >= self.latest:
            self.latest = occurred_at
        else:
            self.in_order = False
        self.version = version

    def apply(self, entry: Happened) -> None:
        """Fold one more event in. Never raises: what makes no sense changes but the version."""
        event = entry.event
        self.see(entry.version, entry.occurred_at, event.TYPE)
        self.fold(event.TYPE, entry.version, entry.occurred_at, fields_of(event))

    def fold(
        self, type_name: str, version: int, occurred_at: datetime, data: Mapping[str, Any]
    ) -> None:
        """What an event of this type with these fields changes, as an event or as stored.

        Long replays call this with what the store holds, and build no events.
        """
        effect = EFFECTS[type_name]
        stays = self.stays
        if stays["erasure"] or (effect.needs_account and not stays["existence"]):
            return
        for facet in effect.ends:
            if effect.named_in is None:
                stays[facet].clear()
            else:
                for ended in data[effect.named_in]:
                    stays[facet].pop(ended, None)
        if effect.begins is not None:
            stays[effect.begins][version] = _begun(effect, occurred_at, data)
        if effect.profile is not None:
            self.profile = effect.profile(self.profile, data)

    def moved_by(
        self, type_name: str, version: int, occurred_at: datetime, data: Mapping[str, Any]
    ) -> Moves:
        """As `fold`, and tell what came and went.

        Where it takes no hold nothing stands, or nothing but the erasure, which nothing ends.
        """
        effect = EFFECTS[type_name]
        ended: list[int] = []
        for facet in effect.ends:
            stays = self.stays[facet]
            named = stays if effect.named_in is None else data[effect.named_in]
            ended += [version for version in named if version in stays]
        self.fold(type_name, version, occurred_at, data)
        stay = self.stays[effect.begins].get(version) if effect.begins else None
        return Moves({} if stay is None else {version: stay}, ended)

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


def _begun(effect: Effect, at: datetime, data: Mapping[str, Any]) -> Stay:
    assert effect.begins is not None, "only such an effect gets here"
    if effect.begins == "flag":
        return Stay("flag", at, label=data["label"])
    until = data.get("until")
    if isinstance(until, str):
        until = parsed_instant(until, "until")
    return Stay(effect.begins, at, effect.kind, until)


@frozen
class Moves:
    """What one event changed of what stands.

    Attributes:
        begun: what stands since, by version.
        ended: the versions of what does not stand any more.
    """

    begun: Mapping[int, Stay]
    ended: Sequence[int]

    @classmethod
    def between(cls, before: AccountState, after: AccountState) -> Self:
        """What leads from one state of an account to the next."""
        begun: Stays = {}
        ended: list[int] = []
        for facet, old in before.stays.items():
            new = after.stays[facet]
            if old != new:  # a version never stands for anything else than before
                begun.update((version, new[version]) for version in new.keys() - old.keys())
                ended += old.keys() - new.keys()
        return cls(begun, ended)


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
        state.see(entry.version, entry.occurred_at, entry.event.TYPE)
    return state


@frozen(kw_only=True)
class Sanction(Jsonable):
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
class Account(Jsonable):
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
                kind=sanction.kind or "deletion",
                since=sanction.since,
                until=sanction.until,
                in_force=sanction.in_force(at),
            )
            for version, sanction in sorted(state.sanctions.items())
        },
        protected=state.protected,
    )


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
