"""Who made an account what it is: each facet with the event behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import define, field, frozen

from modlog._domain import events
from modlog._domain.account import counting
from modlog._domain.effects import effect_of
from modlog._domain.events import RecordedEvent
from modlog._domain.jsonable import Jsonable

FacetKind = Literal["existence", "profile", "flag", "sanction", "protection"]
_Facet = tuple[FacetKind, str | int | None]


@frozen(kw_only=True)
class Blame(Jsonable):
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
        exists = ("existence", None) in self.made
        if effect_of(event.event).needs_account and not exists:
            return
        for facet in self._taken(event):
            if facet in self.made:
                self.gone[facet] = (*self.made.pop(facet), event)
        for facet, value in _made(event):
            self.made[facet] = (event, value)
            self.gone.pop(facet, None)

    def _taken(self, recorded: RecordedEvent) -> list[_Facet]:
        effect, data = effect_of(recorded.event), recorded.data
        if isinstance(recorded.event, events.ProfileChanged):
            return [("profile", key) for key, value in data["changes"].items() if value is None]
        ends = (*effect.ends, "profile") if effect.profile else effect.ends
        if effect.named_in is None:
            return [facet for facet in self.made if facet[0] in ends]
        return [
            facet for facet in self.made if facet[0] in ends and facet[1] in data[effect.named_in]
        ]


def _made(recorded: RecordedEvent) -> Iterator[tuple[_Facet, Any]]:
    effect, data = effect_of(recorded.event), recorded.data
    match effect.begins:
        case "existence" | "protection" as facet:
            yield (facet, None), None
        case "flag":
            yield ("flag", recorded.version), data["label"]
        case "sanction":
            yield ("sanction", recorded.version), effect.kind
    if effect.profile:
        for key, value in {**data.get("profile", {}), **data.get("changes", {})}.items():
            if value is not None:
                yield ("profile", key), value


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
