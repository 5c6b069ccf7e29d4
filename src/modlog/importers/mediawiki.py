"""The block log of a wiki that runs on MediaWiki, Wikipedia for instance.

It comes in two forms: as the dump `pages-logging.xml.gz`, which is read item by item, and as
answers of the API (`action=query&list=logevents&letype=block&format=json&formatversion=2`), one or
many, one a line or a document each, which are put into the order of time.

- A block is a suspension, until its duration is over. The flags (`nocreate`, …) stand in the
  metadata, and `partial` if it is of some pages or actions only; the comment is the reason.
- An unblock restores the account.
- A reblock, which replaces the block that stands, restores it and suspends it a microsecond later.
- All else of the block log is a note, as is the lifting of an automatic block (`#123`).

Other logs of the dump are passed over. Accounts are user names; a blocked address or range is an
account, too. Sources: wikimedia/mediawiki `includes/logging/BlockLogFormatter.php`,
`includes/block/BlockUser.php` (constructLogParams), https://www.mediawiki.org/wiki/API:Logevents.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from attrs import field, frozen

from modlog._domain.values import instant_text
from modlog._errors import InvalidInputError
from modlog._services.records import Unreadable
from modlog.importers._dump import LogItem, log_items
from modlog.importers._durations import end_of
from modlog.importers._mapping import (
    Mapped,
    Order,
    Record,
    id_in,
    in_order,
    instant_in,
    mapped_or_unreadable,
    mapping_in,
    note,
    record,
    short,
    text_in,
)
from modlog.importers._php import unserialized
from modlog.importers._reading import (
    Numbered,
    Source,
    begins_with,
    events_of,
    json_values,
    values_of,
)

__all__ = ["numbered", "records"]

# Who did it is known to the wiki, and not shown.
_HIDDEN: Final = {"kind": "human", "id": "(hidden)"}
# Loaded again, the lifting must not find what replaced the block.
_JUST_AFTER: Final = timedelta(microseconds=1)
# When a block ends, and what else is known of it.
_Block = tuple[datetime | None, dict[str, Any]]


def records(source: Source) -> Iterator[Record | Unreadable]:
    """The records that a block log stands for.

    Args:
        source: a path (.gz too), an open binary file, or an iterable of answers or of lines.

    Raises:
        InvalidInputError: the file is damaged, or holds no log of a wiki.
        OSError: there is no such file, or it may not be read.
    """
    return (one for _, one in numbered(source))


def numbered(source: Source) -> Numbered:
    """The same with the number of the line of each, for `ModLog.ingest_numbered`.

    Of a JSON document that goes over several lines it is the number of the event.
    """
    values = values_of(source, _in_file)
    for first in values:
        events = events_of(chain([first], values), _events_in)
        if _is_streamed(first[1]):
            for number, event in events:
                for _, one in mapped_or_unreadable(event, _mapped):
                    yield number, one
        else:
            yield from in_order(events, _mapped)


def _in_file(file: io.BufferedReader) -> Numbered:
    return log_items(file) if begins_with(file, b"<") else json_values(file)


def _is_streamed(value: Any) -> bool:
    """Whether a source is in order by itself, and maybe too long to be put in order."""
    return isinstance(value, LogItem) or _is_line(value)


def _is_line(value: Any) -> bool:
    return isinstance(value, Mapping) and "actor_kind" in value and "logid" not in value


def _events_in(value: Any) -> Iterable[Any]:
    if not isinstance(value, Mapping):
        return (value,)
    if "error" in value:
        raise InvalidInputError(
            f"the wiki answered with an error, not with a log: {value['error']!s:.300}"
        )
    query = value.get("query")
    if isinstance(query, Mapping) and isinstance(events := query.get("logevents"), list):
        return events
    return (value,)


# What an entry means


@frozen
class _Entry:
    """An entry of the block log, whatever form it came in.

    Attributes:
        until: when a block ends; None if never.
        metadata: what else is known of a block.
    """

    key: str
    order: Order
    action: str
    account: str
    actor: Mapping[str, Any]
    until: datetime | None = None
    reason: Any = None
    policy: Any = None
    metadata: Mapping[str, Any] = field(factory=dict)

    @property
    def at(self) -> datetime:
        return self.order[0]

    def records(self) -> Iterator[Record]:
        match self.action:
            case "block":
                yield self._suspension(self.at)
            case "unblock" if not self.account.startswith("#"):
                yield self._restoration(self.key)
            case "reblock":
                yield self._restoration(f"{self.key}/lift")
                yield self._suspension(self.at + _JUST_AFTER)
            case _:
                details = {"reason": self.reason, **self.metadata}
                yield note(self.action, details, self.account, self.at, self.key, actor=self.actor)

    def _suspension(self, at: datetime) -> Record:
        until = None if self.until is None else instant_text(self.until)
        metadata = dict(self.metadata) or None
        done = record("suspend", self.account, at, self.key, metadata=metadata, **self._given())
        return {**done, "until": until}

    def _restoration(self, key: str) -> Record:
        return record("restore", self.account, self.at, key, **self._given())

    def _given(self) -> dict[str, Any]:
        return {"actor": self.actor, "reason": self.reason, "policy": self.policy}


def _mapped(event: Any) -> Mapped:
    if entry := _entry_of(event):
        for one in entry.records():
            yield entry.order, one


def _entry_of(event: Any) -> _Entry | None:
    """The entry that an event is; None if it is of another log."""
    if isinstance(event, LogItem):
        return _of_dump(event) if event.texts.get("type") == "block" else None
    event = mapping_in(event, "an event of the log")
    if _is_line(event):
        return _of_line(event)
    if "logid" in event:
        return _of_answer(event) if event.get("type", "block") == "block" else None
    raise InvalidInputError(
        "this is no event of a block log: logid is missing, which answers of list=logevents have"
    )


# The forms that entries come in


def _of_dump(item: LogItem) -> _Entry:
    texts = item.texts
    number = id_in(texts.get("id"), "the item's id")
    if not texts.get("logtitle"):
        raise InvalidInputError(f"whom item {number} is about is hidden")
    at = instant_in(texts.get("timestamp"), f"the timestamp of item {number}")
    until, metadata = _block_of_dump(texts.get("params", ""), at)
    return _Entry(
        key=f"mediawiki/{number}",
        order=(at, 0, number),
        action=text_in(texts.get("action"), f"the action of item {number}"),
        account=_account(texts["logtitle"]),
        actor=_actor(texts.get("contributor/username") or texts.get("contributor/ip")),
        until=until,
        reason=texts.get("comment"),
        metadata=metadata,
    )


def _block_of_dump(params: str, at: datetime) -> _Block:
    if not params.startswith("a:"):
        # Before MediaWiki 1.25: the duration and the flags, one a line.
        duration, _, rest = params.partition("\n")
        return _block(duration, rest.split(","), at)
    found = unserialized(params)
    flags = str(found.get("6::flags", "")).split(",")
    return _block(found.get("5::duration", ""), flags, at, partial=found.get("sitewide") is False)


def _of_answer(event: Mapping[str, Any]) -> _Entry:
    number = id_in(event["logid"], "logid")
    if not event.get("title"):
        raise InvalidInputError(f"whom event {number} is about is hidden, or was not asked for")
    at = instant_in(event.get("timestamp"), f"the timestamp of event {number}")
    params = mapping_in(event.get("params") or {}, f"params of event {number}")
    until, metadata = _block_of_answer(params, at)
    return _Entry(
        key=f"mediawiki/{number}",
        order=(at, 0, number),
        action=text_in(event.get("action"), f"the action of event {number}"),
        account=_account(text_in(event["title"], f"the title of event {number}")),
        actor=_actor(event.get("user")),
        until=until,
        reason=event.get("comment"),
        metadata=metadata,
    )


def _block_of_answer(params: Mapping[str, Any], at: datetime) -> _Block:
    flags = params.get("flags")
    # With formatversion=1 nothing is false: `sitewide` is there, or it is not.
    sitewide = params.get("sitewide", "restrictions" not in params)
    until, metadata = _block(
        params.get("duration", ""),
        flags if isinstance(flags, list) else (),
        at,
        partial=sitewide is False,
    )
    if "duration" in metadata and isinstance(expiry := params.get("expiry"), str):
        return _end(expiry), {n: value for n, value in metadata.items() if n != "duration"}
    return until, metadata


def _block(duration: Any, flags: Iterable[Any], at: datetime, *, partial: bool = False) -> _Block:
    """The words of the duration are kept where nobody understands them."""
    known: dict[str, Any] = {}
    if named := [flag for flag in flags if short(flag)]:
        known["flags"] = named
    if partial:
        known["partial"] = True
    try:
        return end_of(str(duration), at), known
    except ValueError:
        return None, known | {"duration": short(str(duration))}


def _end(expiry: str) -> datetime | None:
    """An instant; what lies beyond the year 9999 is as good as never."""
    try:
        return instant_in(expiry, "expiry")
    except InvalidInputError:
        return None


def _account(title: str) -> str:
    # Block logs are about pages of users; what their namespace is called depends on the language.
    return title.partition(":")[2] or title


def _actor(user: Any) -> Mapping[str, Any]:
    return {"kind": "human", "id": user, "account_id": user} if user else _HIDDEN


def _of_line(line: Mapping[str, Any]) -> _Entry:
    """A line of a block log in which names are digests, and comments reduced to policies."""
    number = id_in(line.get("id"), "id")
    if line.get("action") not in ("block", "unblock", "reblock"):
        raise InvalidInputError(f"{line.get('action')!r:.60} is no action of the block log")
    return _Entry(
        key=f"enwiki/{number}",
        order=(instant_in(line.get("at"), "at"), 0, number),
        action=line["action"],
        account=text_in(line.get("account"), "account"),
        actor={"kind": line["actor_kind"], "id": line.get("actor")},
        until=_end(line["expiry"]) if line.get("expiry") else None,
        policy=line.get("policy"),
        reason="admitted as a mistake" if line.get("admits_mistake") else None,
    )
