"""Records, and what of a source stands in them: one form for all sources."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from modlog._domain.values import MAX_ID_LENGTH, checked_metadata, instant_text, is_storable
from modlog._errors import InvalidInputError
from modlog._services.records import Unreadable
from modlog.importers._reading import Numbered

Record = dict[str, Any]
# When it happened, and what tells apart those of one instant: answers come in any order.
Order = tuple[datetime, int, int]
# One of a source's events as records.
Mapped = Iterable[tuple[Order, Record]]

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_FIRST: Final[Order] = (datetime.min.replace(tzinfo=UTC), 0, 0)
_ID: Final = re.compile(r"[0-9]{1,20}")
_KEPT: Final = 1_000  # characters of an event that cannot be read


def in_order(events: Numbered, mapped: Callable[[Any], Mapped]) -> Numbered:
    """The records of all events in the order in which things happened; needs them all at once.

    Raises:
        InvalidInputError: there are events, and none of them can be read.
    """
    found = [
        (order, number, record)
        for number, event in events
        for order, record in mapped_or_unreadable(event, mapped)
    ]
    found.sort(key=lambda one: one[0])
    unread = [(number, record) for _, number, record in found if isinstance(record, Unreadable)]
    if unread and len(unread) == len(found):
        number, first = unread[0]
        raise InvalidInputError(
            f"nothing in it can be read, of {len(found):,}; number {number}: {first.reason}"
        )
    return ((number, record) for _, number, record in found)


def mapped_or_unreadable(
    event: Any, mapped: Callable[[Any], Mapped]
) -> Iterator[tuple[Order, Record | Unreadable]]:
    """The records of an event; `Unreadable` if it is none."""
    if isinstance(event, Unreadable):
        yield _FIRST, event
        return
    try:
        yield from list(mapped(event))
    except (InvalidInputError, OverflowError) as error:
        yield _FIRST, Unreadable(_json(event)[:_KEPT], str(error))


def instant_in(text: Any, what: str) -> datetime:
    """An instant as sources write it; one without an offset is in UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"{what} is no instant: {text!r:.60}") from None


def id_in(value: Any, what: str) -> int:
    """A source's own number of something, as a number or as text."""
    if isinstance(value, str) and _ID.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{what} is no number: {value!r:.60}")
    return value


def text_in(value: Any, what: str) -> str:
    """A text that has to be there."""
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{what} is missing")
    return value


def mapping_in(value: Any, what: str) -> Mapping[str, Any]:
    """An object that has to be there."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{what} is no object")
    return value


def record(do: str, account_id: str, at: datetime, key: str, **fields: Any) -> Record:
    """A record; what is None is left out.

    A sanction is not to be lost for what is said beside it: a reason has every character replaced
    that no ledger holds, and metadata that none takes are left out.
    """
    if reason := fields.pop("reason", None):
        fields["reason"] = _UNSTORABLE.sub("\ufffd", str(reason))
    if metadata := fields.get("metadata"):
        try:
            checked_metadata(metadata, "metadata")
        except InvalidInputError:
            del fields["metadata"]
    given = {name: value for name, value in fields.items() if value is not None}
    return {"do": do, "account_id": account_id, "at": instant_text(at), "key": key, **given}


def note(
    what: str, details: Mapping[str, Any], account_id: str, at: datetime, key: str, **fields: Any
) -> Record:
    """A note that says what happened, with the details as JSON."""
    said = {name: value for name, value in details.items() if value not in (None, "", [], {})}
    text = f"{what} {_json(said)}" if said else what
    return record("note", account_id, at, key, text=text, **fields)


def short(text: Any) -> str | None:
    """A code as ledgers take it: what is no text, blank or unstorable is none, the rest is cut."""
    good = isinstance(text, str) and text.strip() and is_storable(text)
    return text[:MAX_ID_LENGTH] if good else None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if is_storable(text) else json.dumps(value, sort_keys=True, default=str)
