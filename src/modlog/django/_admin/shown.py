"""Events and accounts as rows of a page; foreign text in them cannot deceive a reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

from attrs import frozen

from modlog import Account, Actor, RecordedEvent, RevertLine
from modlog._cli.escaping import visible, visible_json
from modlog._domain.account import counting
from modlog._domain.effects import effect_of

_T = TypeVar("_T")


@frozen
class EventRow:
    """An event.

    Attributes:
        happened: when, if that is not when it was recorded.
        details: its own fields, in words and JSON.
        counts: whether it counts; else it was taken back.
        revertible: whether it can be taken back.
    """

    position: int
    version: int
    at: datetime
    happened: datetime | None
    type: str
    who: str
    reason: str
    policy: str
    batch: str
    batch_id: str | None
    details: str
    counts: bool
    revertible: bool


@frozen
class AccountRow:
    """An account."""

    id: str
    name: str
    status: str
    version: int
    flags: str
    profile: list[tuple[str, str]]
    protected: bool


@frozen
class SanctionRow:
    """A sanction that stands, and the event that imposed it."""

    version: int
    kind: str
    until: datetime | None
    in_force: bool
    event: EventRow


@frozen
class ChangeRow:
    """What becomes of an account by a revert."""

    id: str
    name: str
    before: str
    after: str
    targets: str
    standing: str
    remarks: str


def who(actor: Actor) -> str:
    """An actor, as people say it."""
    version = f"@{actor.version}" if actor.version else ""
    return visible(f"{actor.kind} {actor.id}{version}")


def event_row(event: RecordedEvent, *, counts: bool = True) -> EventRow:
    """An event as a row."""
    return EventRow(
        position=event.position,
        version=event.version,
        at=event.recorded_at,
        happened=event.occurred_at if event.occurred_at != event.recorded_at else None,
        type=event.type,
        who=who(event.actor),
        reason=visible(event.reason or ""),
        policy=visible(event.policy or ""),
        batch=visible(event.batch_id or ""),
        batch_id=event.batch_id,
        details=_details(event),
        counts=counts,
        revertible=effect_of(event.event).is_revertible,
    )


def _details(event: RecordedEvent) -> str:
    return "; ".join(
        f"{name}: {visible(value) if isinstance(value, str) else visible_json(value)}"
        for name, value in event.data.items()
        if value not in (None, [], {})
    )


def timeline(history: Sequence[RecordedEvent]) -> list[EventRow]:
    """An account's events, the newest first."""
    count = {event.version for event in counting(history)}
    return [event_row(event, counts=event.version in count) for event in reversed(history)]


def account_row(account: Account) -> AccountRow:
    """An account as a row."""
    return AccountRow(
        id=account.id,
        name=visible(account.id),
        status=account.status,
        version=account.version,
        flags=visible(", ".join(account.flags.values())),
        profile=[(visible(key), visible_json(value)) for key, value in account.profile.items()],
        protected=account.protected,
    )


def sanctions(account: Account, history: Sequence[RecordedEvent]) -> list[SanctionRow]:
    """What stands against an account."""
    return [
        SanctionRow(
            version,
            sanction.kind,
            sanction.until,
            sanction.in_force,
            event_row(history[version - 1]),
        )
        for version, sanction in account.sanctions.items()
    ]


def change_row(line: RevertLine) -> ChangeRow:
    """A line of a plan as a row."""
    return ChangeRow(
        id=line.account_id,
        name=visible(line.account_id),
        before=line.before.status,
        after=line.after.status,
        targets=", ".join(map(str, line.targets)),
        standing="; ".join(_standing(line.standing)),
        remarks="; ".join(visible(remark.message) for remark in line.remarks),
    )


def _standing(events: Iterable[RecordedEvent]) -> Iterator[str]:
    for event in events:
        batch = visible(f", {event.batch_id}") if event.batch_id else ""
        yield f"{event.type} by {who(event.actor)}{batch}"


def first(items: Iterable[_T], number: int) -> tuple[list[_T], bool]:
    """The first so many of them, and whether there are more."""
    found = list(islice(items, number + 1))
    return found[:number], len(found) > number


def some(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
