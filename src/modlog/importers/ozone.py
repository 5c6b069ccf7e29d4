"""The moderation events of Ozone, the moderation service of Bluesky (AT Protocol).

They come as answers of `tools.ozone.moderation.queryEvents`, one or many, one a line or a document
each, and are put into the order of time. Accounts are DIDs. Of events about an account (repoRef):

- a takedown is a deletion, and a suspension if it has `durationInHours`; its reversal restores;
- each label that is put on is a flag, each that is negated clears the flags of that label;
- a report is a flag `reported` with the type as its policy; an acknowledgement clears it; an
  appeal, and the report of somebody who is muted, are notes;
- an identity event with a handle changes the profile's `handle`;
- all else is a note: comments, escalations, mutes, emails, tags, scores, what the host tells.

An event about a post or a message is a note on the account whose it is. `policies` become the
policy, the comment the reason, and the batch of a moderation tool the batch. Addresses and browsers
of users are left out. Sources: bluesky-social/atproto `lexicons/tools/ozone/moderation/defs.json`,
`queryEvents.json`, `packages/ozone/src/mod-service/status.ts` (what an event changes).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from modlog._domain.values import instant_text
from modlog._errors import InvalidInputError
from modlog._services.records import Unreadable
from modlog.importers._mapping import (
    Mapped,
    Record,
    id_in,
    in_order,
    instant_in,
    mapping_in,
    note,
    record,
    short,
    text_in,
)
from modlog.importers._reading import Numbered, Source, events_of, json_values, values_of

__all__ = ["numbered", "records"]

_TYPES: Final = "tools.ozone.moderation.defs#"
_ACCOUNT: Final = "com.atproto.admin.defs#repoRef"
_REPORTED: Final = "reported"
# What a takedown also says, and is short.
_OF_TAKEDOWN: Final = (
    *("severityLevel", "strikeCount", "strikeExpiresAt", "targetServices"),
    "acknowledgeAccountSubjects",
)
# Where users were, and what with: it is nobody's business in a ledger of moderation.
_PRIVATE: Final = ("initIp", "initUa", "completeIp", "completeUa")


def records(source: Source) -> Iterator[Record | Unreadable]:
    """The records that moderation events stand for.

    Args:
        source: a path (.gz too), an open binary file, or an iterable of answers, events or lines.

    Raises:
        InvalidInputError: the file is damaged, or holds other things.
        OSError: there is no such file, or it may not be read.
    """
    return (one for _, one in numbered(source))


def numbered(source: Source) -> Numbered:
    """The same with the number of the line of each, for `ModLog.ingest_numbered`.

    Of a JSON document that goes over several lines it is the number of the event.
    """
    yield from in_order(events_of(values_of(source, _in_file), _events_in), _mapped)


def _in_file(file: io.BufferedReader) -> Numbered:
    return json_values(file)


def _events_in(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping) and "event" not in value:
        if "error" in value:
            told = f"{value['error']}: {value.get('message', '')}"
            raise InvalidInputError(f"Ozone answered with an error, not with events: {told:.300}")
        if isinstance(events := value.get("events"), list):
            return events
    return (value,)


@frozen
class _Event:
    """An event, as far as all kinds are alike.

    Attributes:
        kind: its type without what all begin with.
        said: the fields of its kind.
        about: what it is about, if that is no account itself.
    """

    number: int
    at: datetime
    kind: str
    said: Mapping[str, Any]
    account: str
    about: Mapping[str, Any]
    actor: Mapping[str, Any]
    batch: str | None

    def record(self, do: str, part: str = "", **fields: Any) -> Record:
        given = {"reason": self.said.get("comment"), **fields}
        key = f"ozone/{self.number}{part}"
        return record(
            do, self.account, self.at, key, actor=self.actor, batch_id=self.batch, **given
        )

    def note(self) -> Record:
        details = {
            name: value
            for name, value in {**self.said, **self.about}.items()
            if name != "$type" and name not in _PRIVATE
        }
        key = f"ozone/{self.number}"
        given = {"actor": self.actor, "batch_id": self.batch}
        return note(self.kind, details, self.account, self.at, key, **given)


def _mapped(view: Any) -> Mapped:
    event = _event(mapping_in(view, "an event"))
    order = (event.at, 0, event.number)
    for one in (event.note(),) if event.about else _on_account(event):
        yield order, one


def _event(view: Mapping[str, Any]) -> _Event:
    number = id_in(view.get("id"), "id")
    said = mapping_in(view.get("event"), f"what event {number} is")
    subject = mapping_in(view.get("subject"), f"the subject of event {number}")
    by = text_in(view.get("createdBy"), f"createdBy of event {number}")
    tool = view.get("modTool")
    return _Event(
        number=number,
        at=instant_in(view.get("createdAt"), f"createdAt of event {number}"),
        kind=text_in(said.get("$type"), f"the type of event {number}").removeprefix(_TYPES),
        said=said,
        account=_account(subject, number),
        about={} if subject.get("$type") == _ACCOUNT else subject,
        actor={"kind": _kind_of_actor(tool), "id": by, "account_id": by},
        batch=_batch(tool),
    )


def _account(subject: Mapping[str, Any], number: int) -> str:
    """Whose the subject is: an account, a record at://did/…, or a message."""
    if isinstance(did := subject.get("did"), str) and did:
        return did
    uri = subject.get("uri")
    if isinstance(uri, str) and uri.startswith("at://"):
        return uri.removeprefix("at://").partition("/")[0]
    raise InvalidInputError(f"the subject of event {number} has no did and no at:// uri")


def _kind_of_actor(tool: Any) -> str:
    name = tool.get("name") if isinstance(tool, Mapping) else None
    return "bot" if isinstance(name, str) and name.startswith("automod") else "human"


def _batch(tool: Any) -> str | None:
    meta = tool.get("meta") if isinstance(tool, Mapping) else None
    return short(meta.get("batchId")) if isinstance(meta, Mapping) else None


def _on_account(event: _Event) -> Iterator[Record]:
    yield from _labels(event)  # takedowns had labels, too, once
    match event.kind:
        case "modEventTakedown":
            yield _takedown(event)
        case "modEventReverseTakedown":
            yield event.record("restore", policy=_policy(event))
        case "modEventLabel":
            pass
        case "modEventReport" if not _is_beside(event.said):
            policy = short(event.said.get("reportType"))
            yield event.record("flag", label=_REPORTED, policy=policy)
        case "modEventAcknowledge":
            yield event.record("clear_flags", label=_REPORTED)
        case "identityEvent" if short(event.said.get("handle")):
            yield event.record("change_profile", changes={"handle": event.said["handle"]})
        case _:
            yield event.note()


def _takedown(event: _Event) -> Record:
    metadata = {name: event.said[name] for name in _OF_TAKEDOWN if event.said.get(name)}
    given: dict[str, Any] = {"policy": _policy(event), "metadata": metadata or None}
    hours = event.said.get("durationInHours")
    if not isinstance(hours, int | float) or not hours:
        return event.record("delete", **given)
    try:
        until = instant_text(event.at + timedelta(hours=hours))
    except (OverflowError, ValueError):
        until = None
    return {**event.record("suspend", **given), "until": until}


def _labels(event: _Event) -> Iterator[Record]:
    for label in _texts(event.said.get("negateLabelVals")):
        yield event.record("clear_flags", f"/negated/{label}", label=label)
    hours = event.said.get("durationInHours") if event.kind == "modEventLabel" else None
    metadata = {"durationInHours": hours} if isinstance(hours, int) else None
    for label in _texts(event.said.get("createLabelVals")):
        yield event.record("flag", f"/label/{label}", label=label, metadata=metadata)


def _texts(values: Any) -> list[str]:
    """The labels of a list, each once."""
    found = values if isinstance(values, list) else []
    return list(dict.fromkeys(one for one in found if isinstance(one, str)))


def _policy(event: _Event) -> str | None:
    return short(",".join(_texts(event.said.get("policies"))))


def _is_beside(report: Mapping[str, Any]) -> bool:
    """Whether a report is an appeal, or of somebody to whom nobody listens."""
    kind = report.get("reportType")
    return bool(report.get("isReporterMuted")) or str(kind).endswith("reasonAppeal")
