"""Who made an account what it is: each facet with the event behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import define, field, frozen

from modlog._domain import events
from modlog._domain.account import counting
from modlog._domain.events import RecordedEvent

FacetKind = Literal["existence", "profile", "flag", "sanction", "protection"]
_Facet = tuple[FacetKind, str | int | None]


@frozen(kw_only=True)
class Blame:
    """One facet of an account, with the event that made it and the one that took it away.

    Attributes:
        facet: existence, profile, flag, sanction or protection.
        key: the profile's key, or the version of the flag or sanction; else None.
        value: the profile's value, the flag's label, the sanction's kind; else None.
        made_by: the event that made it so.
        gone_by: the event that took it away; None if it stands.
    """

    facet: FacetKind
    key: str | int | None
    value: Any
    made_by: RecordedEvent
    gone_by: RecordedEvent | None = None

    @property
    def stands(self) -> bool:
        """Whether the account has the facet now."""
        return self.gone_by is None


def blame(history: Sequence[RecordedEvent]) -> list[Blame]:
    """Every facet that the account has or once had, with the events behind it.

    A facet that a revert took back, or whose account a revert took back, is gone by that revert.
    """
    count = counting(history)
    tracing = _Tracing()
    for event in count:
        tracing.follow(event)
    reverts = _reverts(history, count)
    ends = _ends(history, count)
    lines: dict[_Facet, Blame] = {}
    for event in history:
        for facet, value in _made(event):
            # What never took effect was reverted, or belongs to an account that was.
            never = (event, value, reverts.get(event.version) or _end_of(event, ends))
            made_by, current, gone_by = tracing.gone.get(facet, never)
            if facet in tracing.made:
                made_by, current = tracing.made[facet]
                gone_by = None
            lines[facet] = Blame(
                facet=facet[0], key=facet[1], value=current, made_by=made_by, gone_by=gone_by
            )
    return sorted(lines.values(), key=lambda line: _ORDER.index(line.facet))


_ORDER: tuple[FacetKind, ...] = ("existence", "profile", "flag", "sanction", "protection")


@define
class _Tracing:
    """A fold that remembers which event made each facet, and which took it away."""

    made: dict[_Facet, tuple[RecordedEvent, Any]] = field(factory=dict)
    gone: dict[_Facet, tuple[RecordedEvent, Any, RecordedEvent]] = field(factory=dict)

    def follow(self, event: RecordedEvent) -> None:
        erased = isinstance(event.event, events.AccountErased)
        exists = ("existence", None) in self.made
        if not exists and not erased and not isinstance(event.event, events.AccountCreated):
            return
        for facet in self._taken(event):
            if facet in self.made:
                self.gone[facet] = (*self.made.pop(facet), event)
        for facet, value in _made(event):
            self.made[facet] = (event, value)
            self.gone.pop(facet, None)

    def _taken(self, recorded: RecordedEvent) -> list[_Facet]:
        personal: list[_Facet] = [facet for facet in self.made if facet[0] == "profile"]
        match recorded.event:
            case events.AccountErased():
                taken: list[_Facet] = [("existence", None), *personal]
            case events.AccountCreated():  # a second one brings a profile of its own
                taken = personal
            case events.ProfileChanged(changes):
                taken = [("profile", key) for key, value in changes.items() if value is None]
            case events.FlagsCleared(versions):
                taken = [("flag", version) for version in versions]
            case events.AccountRestored(versions):
                taken = [("sanction", version) for version in versions]
            case events.AccountUnprotected():
                taken = [("protection", None)]
            case _:
                taken = []
        return taken


def _made(recorded: RecordedEvent) -> Iterator[tuple[_Facet, Any]]:
    match recorded.event:
        case events.AccountCreated(profile):
            yield ("existence", None), None
            yield from ((("profile", key), value) for key, value in profile.items())
        case events.ProfileChanged(changes):
            yield from (
                (("profile", key), value) for key, value in changes.items() if value is not None
            )
        case events.AccountFlagged(label):
            yield ("flag", recorded.version), label
        case events.AccountSuspended():
            yield ("sanction", recorded.version), "suspension"
        case events.AccountDeleted():
            yield ("sanction", recorded.version), "deletion"
        case events.AccountProtected():
            yield ("protection", None), None


def _ends(history: Sequence[RecordedEvent], count: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """The events in force that took an account away: reverts of a creation, an erasure."""
    creations = {e.version for e in history if isinstance(e.event, events.AccountCreated)}
    ends = []
    for event in count:
        match event.event:
            case events.EventsReverted(targets) if not creations.isdisjoint(targets):
                ends.append(event)
            case events.AccountErased():
                ends.append(event)
    return ends


def _end_of(made_by: RecordedEvent, ends: Sequence[RecordedEvent]) -> RecordedEvent | None:
    """The first end after an event; a revert that came back into force may be older than it."""
    later = (end for end in ends if end.version > made_by.version)
    return next(later, ends[-1] if ends else None)


def _reverts(
    history: Sequence[RecordedEvent], count: Sequence[RecordedEvent]
) -> dict[int, RecordedEvent]:
    """For each event that does not count, the first revert in force that names it."""
    alive = {event.version for event in count}
    found: dict[int, RecordedEvent] = {}
    for event in count:
        if isinstance(event.event, events.EventsReverted):
            for version in event.event.targets:
                if version not in alive:
                    found.setdefault(version, event)
    return found
