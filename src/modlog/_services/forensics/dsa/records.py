"""Deletions and suspensions as statements of reasons, each with what it lacks.

Nothing is made up: what neither the ledger, the policy nor the metadata of a decision says is
missing. Statements are made of what never changes, so they are the same whenever they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from attrs import evolve, frozen

from modlog._domain.effects import types_where
from modlog._domain.events import AccountCreated, AccountSuspended, RecordedEvent
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection
from modlog._domain.values import is_mapping, shown
from modlog._services.forensics.dsa.policies import OWN, Policies
from modlog._services.forensics.dsa.schema import attributes, check_installed, failures
from modlog._services.work import Work
from modlog._storage.pages import Pages
from modlog._storage.reading import Reader
from modlog._storage.selecting import Condition

# Under this key of an event's metadata stand attributes of its statement.
METADATA: Final = "dsa"

_SANCTIONS: Final = types_where(lambda effect: effect.begins == "sanction")


@frozen(kw_only=True)
class DsaRecord(Jsonable):
    """A deletion or suspension as a statement of reasons for the DSA Transparency Database.

    Attributes:
        position: of the event.
        account_id: of its account, which the statement does not name.
        version: of the event.
        policy: the code that it was recorded with, if any.
        statement: the attributes that are known, by their names in the database's API.
        missing: the names of attributes that are due and not known.
        wrong: what the API would not take, in words.
    """

    _also: ClassVar = ("complete",)

    position: int
    account_id: str
    version: int
    policy: str | None
    statement: Mapping[str, Any]
    missing: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether it can be sent."""
        return not (self.missing or self.wrong)


def dsa_records(work: Work, selection: Selection, policies: object) -> Iterator[DsaRecord]:
    """See `ModLog.dsa`."""
    check_installed()
    known = Policies.read(policies)
    types = [one for one in _SANCTIONS if one in dict(selection.given()).get("type", _SANCTIONS)]
    if not types:
        return iter(())
    with work.reader() as reader:
        condition = reader.condition(evolve(selection, type=types))
        created = reader.condition(Selection(type=AccountCreated.TYPE))
        pages = Pages(condition, reader.head().position)
    return _streamed(work, pages, created, known)


def _streamed(
    work: Work, pages: Pages, created: Condition, policies: Policies
) -> Iterator[DsaRecord]:
    """Page by page; no connection is held while they are used."""
    while True:
        with work.reader() as reader:
            page = pages.next(reader)
            registered = _registered(reader, created, page)
        if not page:
            return
        for event in page:
            yield _record(event, registered[event.position], policies)


def _registered(
    reader: Reader, created: Condition, page: list[RecordedEvent]
) -> dict[int, datetime | None]:
    """When the account of each event had last been created before it."""
    creations = reader.events_of(sorted({str(event.account_id) for event in page}), created)
    return {
        event.position: next(
            (
                one.occurred_at
                for one in reversed(creations.get(str(event.account_id), []))
                if one.version < event.version
            ),
            None,
        )
        for event in page
    }


def _record(event: RecordedEvent, registered: datetime | None, policies: Policies) -> DsaRecord:
    given, refused = _given(event)
    found = {
        **policies.attributes_for(event),
        **_automated(event),
        **given,
        **_own(event, registered, policies.puid_prefix),
    }
    statement = {name: found[name] for name in attributes() if name in found}
    missing, wrong = failures(statement)
    return DsaRecord(
        position=event.position,
        account_id=str(event.account_id),
        version=event.version,
        policy=event.policy,
        statement=statement,
        missing=missing,
        wrong=(*refused, *wrong, *_backwards(statement)),
    )


def _own(event: RecordedEvent, registered: datetime | None, prefix: str) -> dict[str, Any]:
    """What the ledger knows.

    The position is the event's for ever, and tells nothing of the account: a digest of an id would
    tell whoever tries all ids.
    """
    suspended = isinstance(event.event, AccountSuspended)
    until = event.event.until if isinstance(event.event, AccountSuspended) else None
    own = {
        "puid": f"{prefix}{event.position}",
        "decision_account": f"DECISION_ACCOUNT_{'SUSPENDED' if suspended else 'TERMINATED'}",
        "application_date": _day(event.occurred_at),
        "content_date": registered and _day(registered),
        "end_date_account_restriction": until and _day(until),
    }
    return {name: value for name, value in own.items() if value is not None}


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()


def _automated(event: RecordedEvent) -> dict[str, str]:
    if event.actor.kind == "human":
        return {
            "automated_detection": "No",
            "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        }
    return {"automated_detection": "Yes", "automated_decision": "AUTOMATED_DECISION_FULLY"}


def _given(event: RecordedEvent) -> tuple[dict[str, Any], list[str]]:
    """What the metadata say of the decision, and what of that is not theirs to say."""
    given = event.metadata.get(METADATA, {})
    if not is_mapping(given):
        return {}, [f"metadata.{METADATA}: must be an object with attributes"]
    taken = {*attributes()} - {*OWN}
    refused = [
        f"metadata.{METADATA}: takes no {shown(name)}" for name in given if name not in taken
    ]
    return {name: value for name, value in given.items() if name in taken}, refused


def _backwards(statement: Mapping[str, Any]) -> list[str]:
    """Ends that lie before their beginning, which no schema can tell."""
    begin = statement["application_date"]
    return [
        f"{name}: {value} lies before the application_date, {begin}"
        for name, value in statement.items()
        if name.startswith("end_date_") and isinstance(value, str) and value < begin
    ]
