"""What an event does to its account, by type: the one table that everything else reads.

Replays, blame, reverts and the store all look here, so that a new type of event is a class in
`events`, an entry in `EFFECTS` and a golden file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

from attrs import frozen

from modlog._domain import events as e

Facet = Literal["existence", "sanction", "flag", "protection", "erasure"]
FACETS: Final[tuple[Facet, ...]] = get_args(Facet)
SanctionKind = Literal["deletion", "suspension"]
Profile = dict[str, Any]
Data = Mapping[str, Any]


@frozen(kw_only=True)
class Effect:
    """What an event does as long as it counts.

    Attributes:
        begins: the facet that stands from then on, under the version of the event.
        kind: of the sanction that it begins.
        ends: the facets that it can end.
        named_in: the field with the versions of what it ends; None if it ends all that stand.
        profile: what it makes of the profile.
        needs_account: whether it does nothing to an account that does not exist.
        is_revertible: whether a revert may name it.
        personal: its fields that are about a person, which the store keeps apart.
    """

    begins: Facet | None = None
    kind: SanctionKind | None = None
    ends: tuple[Facet, ...] = ()
    named_in: str | None = None
    profile: Callable[[Profile, Data], Profile] | None = None
    needs_account: bool = True
    is_revertible: bool = True
    personal: tuple[str, ...] = ()

    @property
    def changes_state(self) -> bool:
        """Whether it does anything but move the version on."""
        return bool(self.begins or self.ends or self.profile)

    @property
    def only_begins(self) -> bool:
        """Whether all that it does is gone with what it began.

        So is it for sanctions and flags: nothing that comes later depends on whether they
        stand, while nothing at all takes hold on an account that does not exist.
        """
        return self.begins in {"sanction", "flag"} and not (self.ends or self.profile)

    @property
    def changes_only_named(self) -> bool:
        """Whether all that it changes stands under its own version, or under those it names."""
        ends_only_named = self.named_in is not None or not self.ends
        return self.changes_state and ends_only_named and self.profile is None


def _given(_: Profile, data: Data) -> Profile:
    profile: Profile = data["profile"]
    return profile


def _changed(profile: Profile, data: Data) -> Profile:
    changed = {**profile, **data["changes"]}
    return {key: value for key, value in changed.items() if value is not None}


def _gone(_: Profile, __: Data) -> Profile:
    return {}


_NO_EFFECT: Final = Effect(is_revertible=False)

EFFECTS: Final[Mapping[str, Effect]] = {
    e.AccountCreated.TYPE: Effect(
        begins="existence", profile=_given, needs_account=False, personal=("profile",)
    ),
    e.ProfileChanged.TYPE: Effect(profile=_changed, personal=("changes",)),
    e.AccountFlagged.TYPE: Effect(begins="flag"),
    e.FlagsCleared.TYPE: Effect(ends=("flag",), named_in="flags"),
    e.AccountSuspended.TYPE: Effect(begins="sanction", kind="suspension"),
    e.AccountDeleted.TYPE: Effect(begins="sanction", kind="deletion"),
    e.AccountRestored.TYPE: Effect(ends=("sanction",), named_in="lifts"),
    e.AccountProtected.TYPE: Effect(begins="protection"),
    e.AccountUnprotected.TYPE: Effect(ends=("protection",)),
    # What it names does not count any more, which only a look at the whole history tells.
    e.EventsReverted.TYPE: Effect(),
    e.AccountErased.TYPE: Effect(
        begins="erasure",
        ends=("existence", "sanction", "flag", "protection"),
        profile=_gone,
        needs_account=False,
        is_revertible=False,
    ),
    e.AccountNoted.TYPE: Effect(is_revertible=False, personal=("text",)),
    e.ActionRefused.TYPE: _NO_EFFECT,
    e.SweepPlanned.TYPE: _NO_EFFECT,
    e.SweepApproved.TYPE: _NO_EFFECT,
    e.SweepRejected.TYPE: _NO_EFFECT,
    e.SweepProgressed.TYPE: _NO_EFFECT,
    e.SweepCompleted.TYPE: _NO_EFFECT,
}


def effect_of(event: e.Event) -> Effect:
    """What an event does."""
    return EFFECTS[event.TYPE]


def versions_ended_by(event: e.Event) -> tuple[int, ...]:
    """The versions of what an event names to end it."""
    named_in = effect_of(event).named_in
    versions: tuple[int, ...] = () if named_in is None else getattr(event, named_in)
    return versions


def types_where(holds: Callable[[Effect], object]) -> tuple[str, ...]:
    """The types of events whose effect is such."""
    return tuple(name for name, effect in EFFECTS.items() if holds(effect))
