"""Every event of the ledger, by the fixed name under which it is stored.

An event says what happened, in its own fields; who, why and when stand in the envelope of the
`RecordedEvent`. Building an event checks it, whether a caller or the store gave the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs
from attrs import field, frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.telling import plain
from modlog._domain.values import (
    Actor,
    check_names,
    checked_id,
    checked_mapping,
    checked_probability,
    checked_text,
    checked_truth,
    checked_versions,
    checked_whole,
    parsed_instant,
    shown,
)
from modlog._errors import InvalidInputError


def _profile(value: object) -> dict[str, Any]:
    profile = checked_mapping(value, "a profile")
    for key, item in profile.items():
        if item is None:
            raise InvalidInputError(
                f"a created profile cannot hold null, {shown(key)} does: leave the key out"
            )
    return profile


def _changes(value: object) -> dict[str, Any]:
    changes = checked_mapping(value, "profile changes")
    if not changes:
        raise InvalidInputError("profile changes must name one key at least")
    return changes


def _mapping(value: object) -> dict[str, Any]:
    return checked_mapping(value, "a record's field")


def _label(value: object) -> str:
    return checked_id(value, "a label")


def _code(value: object) -> str:
    return checked_id(value, "a code")


def _score(value: object) -> float | None:
    return None if value is None else checked_probability(value, "a score")


def _until(value: object) -> datetime | None:
    return None if value is None else parsed_instant(value, "until")


def _versions(value: object) -> tuple[int, ...]:
    return checked_versions(value, "versions")


def _text(value: object) -> str:
    return checked_text(value, "a note")


def _account(value: object) -> str:
    return checked_id(value, "an account_id")


def _yes_or_no(value: object) -> bool:
    return checked_truth(value, "a yes or no")


def _number(value: object) -> int:
    return checked_whole(value, "a count")


@frozen
class AccountCreated:
    """The account exists, with this profile."""

    TYPE: ClassVar = "account.created"
    profile: Mapping[str, Any] = field(factory=dict, converter=_profile)


@frozen
class ProfileChanged:
    """Keys of the profile have new values; null removes a key."""

    TYPE: ClassVar = "profile.changed"
    changes: Mapping[str, Any] = field(converter=_changes)


@frozen
class AccountFlagged:
    """A flag stands, under this event's version; the score runs from 0 to 1."""

    TYPE: ClassVar = "account.flagged"
    label: str = field(converter=_label)
    score: float | None = field(default=None, converter=_score)


@frozen
class FlagsCleared:
    """The flags that these versions set no longer stand."""

    TYPE: ClassVar = "flags.cleared"
    flags: tuple[int, ...] = field(converter=_versions)


@frozen
class AccountSuspended:
    """A suspension stands, until an instant or indefinitely."""

    TYPE: ClassVar = "account.suspended"
    until: datetime | None = field(default=None, converter=_until)


@frozen
class AccountDeleted:
    """A deletion stands."""

    TYPE: ClassVar = "account.deleted"


@frozen
class AccountRestored:
    """The sanctions that these versions imposed no longer stand."""

    TYPE: ClassVar = "account.restored"
    lifts: tuple[int, ...] = field(converter=_versions)


@frozen
class AccountProtected:
    """Sweeps leave the account out."""

    TYPE: ClassVar = "account.protected"


@frozen
class AccountUnprotected:
    """The account is like any other again."""

    TYPE: ClassVar = "account.unprotected"


@frozen
class EventsReverted:
    """The events with these versions, of the same account, no longer count."""

    TYPE: ClassVar = "events.reverted"
    targets: tuple[int, ...] = field(converter=_versions)


@frozen
class AccountErased:
    """The account's personal data is gone for good."""

    TYPE: ClassVar = "account.erased"


@frozen
class AccountNoted:
    """Somebody wrote something down."""

    TYPE: ClassVar = "account.noted"
    text: str = field(converter=_text)


@frozen
class ActionRefused:
    """A guardrail stopped somebody from doing this, by that rule."""

    TYPE: ClassVar = "action.refused"
    action: str = field(converter=_code)
    rule: str = field(converter=_code)


@frozen
class SweepPlanned:
    """One decision for many accounts was laid down: the digest names the exact targets."""

    TYPE: ClassVar = "sweep.planned"
    action: str = field(converter=_code)
    digest: str = field(converter=_code)
    size: int = field(converter=_number)
    arguments: Mapping[str, Any] = field(factory=dict, converter=_mapping)
    guardrails: Mapping[str, Any] = field(factory=dict, converter=_mapping)
    needs_approval: bool = field(default=False, converter=_yes_or_no)


@frozen
class SweepApproved:
    """A second person approved of the plan with this digest."""

    TYPE: ClassVar = "sweep.approved"
    digest: str = field(converter=_code)


@frozen
class SweepRejected:
    """The plan with this digest will not be carried out."""

    TYPE: ClassVar = "sweep.rejected"
    digest: str = field(converter=_code)


@frozen
class SweepProgressed:
    """So many targets are through, up to this account, with these outcomes so far."""

    TYPE: ClassVar = "sweep.progressed"
    through: int = field(converter=_number)
    last: str = field(converter=_account)
    outcomes: Mapping[str, Any] = field(factory=dict, converter=_mapping)


@frozen
class SweepCompleted:
    """Every target is through, with these outcomes."""

    TYPE: ClassVar = "sweep.completed"
    outcomes: Mapping[str, Any] = field(factory=dict, converter=_mapping)


AccountEvent = (
    AccountCreated
    | ProfileChanged
    | AccountFlagged
    | FlagsCleared
    | AccountSuspended
    | AccountDeleted
    | AccountRestored
    | AccountProtected
    | AccountUnprotected
    | EventsReverted
    | AccountErased
    | AccountNoted
    | ActionRefused
)
SweepEvent = SweepPlanned | SweepApproved | SweepRejected | SweepProgressed | SweepCompleted
Event = AccountEvent | SweepEvent

EVENT_CLASSES: Final[Mapping[str, type[Event]]] = {
    cls.TYPE: cls for union in (AccountEvent, SweepEvent) for cls in union.__args__
}
_FIELDS: Final = {cls: tuple(attrs.fields_dict(cls)) for cls in EVENT_CLASSES.values()}
_NAMES: Final = {cls: frozenset(names) for cls, names in _FIELDS.items()}


def fields_of(event: Event) -> dict[str, Any]:
    """An event's own fields as they are."""
    return {name: getattr(event, name) for name in _FIELDS[type(event)]}


def data_of(event: Event) -> dict[str, Any]:
    """An event's own fields as JSON values, every field present."""
    return {name: plain(getattr(event, name)) for name in _FIELDS[type(event)]}


def event_of(type_name: str, data: Mapping[str, Any]) -> Event:
    """The event of that type with those fields.

    Raises:
        InvalidInputError: an unknown type, a field too many or too few, a value out of bounds.
    """
    cls = EVENT_CLASSES.get(type_name)
    if cls is None:
        raise InvalidInputError(f"no event has the type {shown(type_name)}")
    names = _FIELDS[cls]
    if data.keys() != _NAMES[cls]:
        check_names(data, names, type_name)
        missing = ", ".join(name for name in names if name not in data)
        raise InvalidInputError(f"{type_name} lacks {missing}")
    return cls(**data)


@frozen(kw_only=True)
class Entry:
    """One line of an account's stream, with just what a fold needs."""

    version: int
    occurred_at: datetime
    event: Event


@frozen(kw_only=True)
class RecordedEvent(Jsonable):
    """An event with its envelope, as the ledger holds it for ever.

    Attributes:
        position: the place in the whole log, gapless, from 1.
        account_id: the platform's own id; None for the records of a sweep.
        version: the place in the account's stream (or the sweep's), gapless, from 1.
        recorded_at: when the store wrote it, in UTC; one instant for a whole transaction.
        occurred_at: when it happened, as the caller says; else the same as `recorded_at`.
        actor: who did it.
        reason: why, in words.
        policy: the code of the rule that was applied.
        batch_id: what it was part of.
        confidence: of an automated decision, from 0 to 1.
        correlation_id: ties it to a request, ticket or trace outside.
        metadata: what the platform keeps with it, as JSON values; empty if there is nothing.
        event: what happened, as a typed object.
    """

    _also: ClassVar = ("type", "data")
    _apart: ClassVar = ("event",)

    position: int
    account_id: str | None
    version: int
    recorded_at: datetime
    occurred_at: datetime
    actor: Actor
    reason: str | None
    policy: str | None
    batch_id: str | None
    confidence: float | None
    correlation_id: str | None
    metadata: Mapping[str, Any] = field(factory=dict, hash=False)
    event: Event

    @property
    def type(self) -> str:
        """The fixed name of what happened, such as "account.deleted"."""
        return self.event.TYPE

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's own fields as JSON values: instants as ISO 8601 text, versions as lists."""
        return data_of(self.event)


@frozen(kw_only=True)
class Envelope:
    """Who, why and when, as a caller gives it: all of an event but its place and content."""

    actor: Actor
    reason: str | None = None
    policy: str | None = None
    batch_id: str | None = None
    confidence: float | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    occurred_at: datetime | None = None


@frozen
class Draft:
    """An event that is decided and not yet recorded."""

    account_id: str | None
    version: int
    event: Event
    envelope: Envelope

    def entry(self, instant: datetime) -> Entry:
        """The event as a fold sees it, once it is recorded at that instant."""
        return Entry(
            version=self.version,
            occurred_at=self.envelope.occurred_at or instant,
            event=self.event,
        )

    def recorded(self, position: int, recorded_at: datetime) -> RecordedEvent:
        """The event as the store has it once it stands there."""
        envelope = self.envelope
        return RecordedEvent(
            position=position,
            account_id=self.account_id,
            version=self.version,
            recorded_at=recorded_at,
            occurred_at=envelope.occurred_at or recorded_at,
            actor=envelope.actor,
            reason=envelope.reason,
            policy=envelope.policy,
            batch_id=envelope.batch_id,
            confidence=envelope.confidence,
            correlation_id=envelope.correlation_id,
            metadata=envelope.metadata or {},
            event=self.event,
        )
