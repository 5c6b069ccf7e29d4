"""What a report says in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from markupsafe import Markup

from modlog._cli.answers import instant_of, length_of
from modlog._cli.escaping import visible
from modlog._domain.events import RecordedEvent
from modlog._domain.figures import FLAGGING, SANCTIONING
from modlog._domain.selection import Selection
from modlog._services.forensics.reports import Report
from modlog._storage.deeds import Deed

# What somebody did to accounts, by the type of event.
DONE: Final[Mapping[str, str]] = {
    "account.created": "created",
    "profile.changed": "changed the profile of",
    "account.flagged": "flagged",
    "flags.cleared": "cleared flags of",
    "account.suspended": "suspended",
    "account.deleted": "deleted",
    "account.restored": "restored",
    "account.protected": "protected",
    "account.unprotected": "unprotected",
    "events.reverted": "reverted events of",
    "account.erased": "erased",
    "account.noted": "wrote a note on",
    "action.refused": "was stopped by a guardrail at",
}
_FILTERS: Final[Mapping[str, str]] = {
    "account_id": "account",
    "actor": "actor",
    "actor_kind": "kind of actor",
    "batch_id": "batch",
    "type": "type of event",
    "policy": "policy",
    "correlation_id": "correlation",
    "since": "recorded since",
    "until": "recorded before",
    "occurred_since": "happened since",
    "occurred_until": "happened before",
    "after_position": "after position",
    "up_to_position": "up to position",
    "positions": "position",
}
# What is told first, however little of it there is.
_GRAVE: Final = (*SANCTIONING, *FLAGGING)
# So many deeds are told in sentences, and so much of a reason; tables have the rest.
_TOLD: Final = 3
_QUOTED: Final = 200
_NAMED: Final = 5


def name(text: str) -> Markup:
    """Foreign text in a line of its own direction."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def number_of(number: int, one: str) -> str:
    """1 account, 2 accounts."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def done_alone(type_name: str) -> str:
    """What was done, where nothing follows: "reverted events"."""
    words = DONE.get(type_name, type_name).split()
    return " ".join(words[:-1] if words[-1] in {"of", "on", "at"} else words)


def ended_how(type_name: str) -> str:
    """How something ended, by the type of the event that did it: "restored"."""
    return type_name.rpartition(".")[2]


def filters(selection: Selection) -> Iterator[tuple[str, list[str]]]:
    """The filters of a selection, each with its values."""
    for filter_, values in selection.as_dict().items():
        listed = values if isinstance(values, list) else [values]
        yield _FILTERS[filter_], [_value(value) for value in listed]


def _value(value: object) -> str:
    return f"{value['kind']}:{value['id']}" if isinstance(value, dict) else str(value)


def subject(selection: Selection) -> Markup:
    """What a report is about, in a few words."""
    parts = [
        Markup("{} {}").format(filter_, Markup(", ").join(map(name, values[:_NAMED])))
        + (f" and {len(values) - _NAMED:,} more" if len(values) > _NAMED else "")
        for filter_, values in filters(selection)
    ]
    return Markup(", ").join(parts) or Markup("everything")


def story(report: Report) -> Iterator[Markup]:
    """What happened, a paragraph each."""
    yield from _deeds([deed for deed in report.deeds if deed.selected])
    yield _sign(report)
    yield from _outcome(report)


def _deeds(done: list[Deed]) -> Iterator[Markup]:
    most = sorted(done, key=lambda deed: (deed.type not in _GRAVE, -deed.events))[:_TOLD]
    for deed in sorted(most, key=lambda deed: deed.first):
        what = DONE.get(deed.type, deed.type)
        yield Markup("{}, <b>{}</b> {} <b>{}</b>{}.").format(
            _when(deed.first, deed.last),
            name(deed.by),
            what,
            number_of(deed.accounts, "account"),
            _why(deed.reason, deed.policy, deed.batch_id),
        )
    if left := len(done) - len(most):
        yield Markup("What else was done stands in the table below ({}).").format(
            number_of(left, "row")
        )


def _when(first: datetime, last: datetime) -> str:
    start, end = instant_of(first), instant_of(last)
    if start == end:
        return f"At {start}"
    return f"Between {start} and {end[11:] if start[:10] == end[:10] else end}"


def _why(reason: str | None, policy: str | None = None, batch_id: str | None = None) -> Markup:
    told = [Markup("for “{}”").format(name(_cut(reason)))] if reason else []
    told += [Markup("by policy {}").format(name(policy))] if policy else []
    told += [Markup("in batch {}").format(name(batch_id))] if batch_id else []
    return Markup("").join(Markup(", {}").format(one) for one in told)


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _sign(report: Report) -> Markup:
    event = report.first_sign
    if event is None:
        return Markup(
            "Nothing in the ledger shows that anybody has noticed: nothing of it was undone, and "
            "no note was written."
        )
    start = min(deed.first for deed in report.deeds if deed.selected)
    after = length_of((event.occurred_at - start).total_seconds())
    return Markup(
        "The first sign that it was noticed came {} after the beginning, at {}: {}{}."
    ).format(after, instant_of(event.occurred_at), _event(event), _why(event.reason))


def _event(event: RecordedEvent) -> Markup:
    hand = f"{event.actor.kind}:{event.actor.id}"
    what = DONE.get(event.type, event.type)
    return Markup("<b>{}</b> {} account {}").format(name(hand), what, name(str(event.account_id)))


def _outcome(report: Report) -> Iterator[Markup]:
    impact, figures = report.impact, report.impact.figures
    for kind, began in impact.began.items():
        standing = impact.standing[kind]
        if kind != "existence" or standing < began:
            yield Markup("Of {}, <b>{}</b> and {} ended.").format(
                _counted(began, kind), _stand(standing), _have(began - standing)
            )
    if lifted := figures.lifted_by_others + figures.lifted_by_same:
        yield Markup(
            "Of the sanctions, {:,} were lifted by others and {:,} by the hand that had imposed "
            "them. {} took {} at the median; 95 in 100 took no more than {}."
        ).format(
            figures.lifted_by_others,
            figures.lifted_by_same,
            "That one" if lifted == 1 else "These",
            length_of(figures.median_seconds),
            length_of(figures.p95_seconds),
        )
    if impact.several_batches:
        yield Markup("{} {} hit by two batches or more, this one included or not.").format(
            number_of(impact.several_batches, "account"),
            "was" if impact.several_batches == 1 else "were",
        )


def _counted(number: int, kind: str) -> str:
    return (
        number_of(number, "account") + " created"
        if kind == "existence"
        else number_of(number, kind)
    )


def _stand(number: int) -> str:
    return "1 still stands" if number == 1 else f"{number:,} still stand"


def _have(number: int) -> str:
    return "1 has" if number == 1 else f"{number:,} have"
