"""Answers of the command line: what people see, and what programs read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import asdict

from modlog._domain.account import Account
from modlog._domain.blame import Blame
from modlog._domain.events import RecordedEvent
from modlog._domain.statements import Statement
from modlog._domain.values import Actor
from modlog._services.forensics.differences import AccountChange


def instant_of(instant: datetime) -> str:
    """An instant to the second, in UTC, which whoever shows it says."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def name_of(actor: Actor) -> str:
    """Who acts, in a few words."""
    return " ".join(filter(None, (actor.kind, actor.id, actor.version)))


def length_of(seconds: float | None) -> str:
    """A time in the greatest unit of which there is one at least."""
    if seconds is None:
        return "–"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def account_data(account: Account) -> Mapping[str, object]:
    """An account, for JSON."""
    return {
        **asdict(account, recurse=False),
        "sanctions": {version: asdict(one) for version, one in account.sanctions.items()},
    }


def event_data(event: RecordedEvent) -> Mapping[str, object]:
    """An event, for JSON."""
    fields = asdict(event, recurse=False)
    del fields["event"]
    return {**fields, "actor": asdict(event.actor), "type": event.type, "data": event.data}


def blame_data(one: Blame) -> Mapping[str, object]:
    """One facet of an account and the events behind it, for JSON."""
    return {
        "facet": one.facet,
        "key": one.key,
        "value": one.value,
        "made_by": event_data(one.made_by),
        "gone_by": None if one.gone_by is None else event_data(one.gone_by),
    }


def change_data(change: AccountChange) -> Mapping[str, object]:
    """An account in which two views differ, for JSON."""
    return {
        "account_id": change.id,
        "facets": change.facets,
        "before": None if change.before is None else account_data(change.before),
        "after": None if change.after is None else account_data(change.after),
    }


def statement_data(told: Statement) -> Mapping[str, object]:
    """A statement, for JSON."""
    measures = [{**asdict(one), "stands": one.stands} for one in told.measures]
    return {**asdict(told), "measures": measures}
