"""What was done to an account, as its owner may be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final, Literal

from attrs import frozen

from modlog._domain import events
from modlog._domain.account import AccountState, Status, Stay, replay
from modlog._domain.blame import Blame, blame
from modlog._domain.decisions import is_filled_in
from modlog._domain.events import RecordedEvent
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import Actor, ActorKind
from modlog._domain.wording import told

MeasureKind = Literal["deletion", "suspension", "flag"]
EndKind = Literal["restored", "cleared", "reverted", "erased", "expired"]

_ENDS: Final[Mapping[str, EndKind]] = {
    events.AccountRestored.TYPE: "restored",
    events.FlagsCleared.TYPE: "cleared",
    events.EventsReverted.TYPE: "reverted",
    events.AccountErased.TYPE: "erased",
}


@frozen(kw_only=True)
class MeasureEnd(Jsonable):
    """How a measure came to its end.

    Attributes:
        kind: restored, cleared (a flag), reverted (as if it had never been), erased, or expired.
        at: when it ended, as the event's `occurred_at` says; of what expired, its `until`.
        by: human, bot, model or system; None for what expired.
        reason: as it was recorded; None if there is none, or if an import has filled it in.
        actor: who ended it; None unless names were asked for, and for what expired.
    """

    kind: EndKind
    at: datetime
    by: ActorKind | None = None
    reason: str | None = None
    actor: Actor | None = None


@frozen(kw_only=True)
class Measure(Jsonable):
    """A deletion, suspension or flag that took hold of an account, whether it stands or not.

    Attributes:
        version: of the event, under which the platform finds it again.
        kind: deletion, suspension or flag.
        label: of a flag; else None.
        at: when it was imposed, as the event's `occurred_at` says.
        until: when a suspension ends; None for an indefinite one, and for all else.
        by: human, bot, model or system.
        policy: code of the rule that was applied, if any was named.
        reason: as it was recorded, if it was.
        end: how it ended; None if it stands.
        actor: who imposed it; None unless names were asked for.
    """

    _also: ClassVar = ("stands",)

    version: int
    kind: MeasureKind
    label: str | None
    at: datetime
    until: datetime | None
    by: ActorKind
    policy: str | None
    reason: str | None
    end: MeasureEnd | None
    actor: Actor | None = None

    @property
    def stands(self) -> bool:
        """Whether it was neither lifted nor has expired."""
        return self.end is None

    @property
    def by_machine(self) -> bool:
        """Whether a bot, model or system imposed it."""
        return self.by != "human"


@frozen(kw_only=True)
class Statement(Jsonable):
    """What was done to an account, in order, and what of it stands at an instant.

    It holds nothing about other accounts, nor who acted unless that was asked for. Reasons are
    free text, and told as they were recorded.

    Attributes:
        account_id: the account.
        at: the instant for which it is told.
        status: of the account at that instant.
        measures: deletions, suspensions and flags, in the order of their versions.
    """

    account_id: str
    at: datetime
    status: Status
    measures: tuple[Measure, ...]

    def text(self, words: Mapping[str, str] | None = None) -> str:
        """The statement in words, one sentence after another, to be sent to the owner.

        Args:
            words: sentences that stand in for those of modlog, by the same keys, in any
                language: `$name` is where a value goes, `$$` a dollar sign. An empty one leaves
                its sentence out, and all that would follow if it is the first about something.
                `policy:CODE` is the sentence about one rule.

        Raises:
            UnknownArgumentError: a key or a `$name` that there is not.
            InvalidInputError: sentences that are no text.
        """
        return told(self, words)


def statement(
    account_id: str, history: Sequence[RecordedEvent], at: datetime, *, names: bool = False
) -> Statement:
    """What the events of an account come to at an instant, for its owner.

    Args:
        account_id: the account.
        history: its events.
        at: the instant.
        names: whether to tell who acted.
    """
    state = replay(history)
    facets = sorted(
        (one for one in blame(history) if one.facet in {"sanction", "flag"}),
        key=lambda one: one.made_by.version,
    )
    measures = (_measure(one, state, at, names) for one in facets)
    return Statement(
        account_id=account_id,
        at=at,
        status=state.status(at),
        measures=tuple(one for one in measures if one is not None),
    )


def _measure(facet: Blame, state: AccountState, at: datetime, names: bool) -> Measure | None:
    """A facet as a measure; None if it took no hold, as the account did not exist."""
    made, is_flag = facet.made_by, facet.facet == "flag"
    standing = state.stays["flag" if is_flag else "sanction"].get(made.version)
    if standing is None and facet.gone_by is None:
        return None
    end = _end(facet.gone_by, names) if facet.gone_by else _expiry(standing, at)
    return Measure(
        version=made.version,
        kind="flag" if is_flag else facet.value,
        label=facet.value if is_flag else None,
        at=made.occurred_at,
        until=made.event.until if isinstance(made.event, events.AccountSuspended) else None,
        by=made.actor.kind,
        policy=made.policy,
        reason=_given(made),
        end=end,
        actor=made.actor if names else None,
    )


def _given(event: RecordedEvent) -> str | None:
    """The reason that somebody gave; one that an import has filled in names nothing but itself."""
    return None if is_filled_in(event.reason) else event.reason


def _end(event: RecordedEvent, names: bool) -> MeasureEnd:
    return MeasureEnd(
        kind=_ENDS[event.type],
        at=event.occurred_at,
        by=event.actor.kind,
        reason=_given(event),
        actor=event.actor if names else None,
    )


def _expiry(stay: Stay | None, at: datetime) -> MeasureEnd | None:
    if stay and stay.until and stay.expired(at):
        return MeasureEnd(kind="expired", at=stay.until)
    return None
