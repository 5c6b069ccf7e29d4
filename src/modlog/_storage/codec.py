"""How events lie on disk: fixed type names, canonical JSON, instants as microseconds.

The codec is strict. It writes what `modlog._domain.events` has checked, every field present,
keys sorted, no white space; it reads nothing else, whatever the JSON may look like. An older
schema of a type is brought up to date by the functions in `UPCASTERS` as it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from modlog._domain.events import (
    EVENT_CLASSES,
    Draft,
    Envelope,
    Event,
    RecordedEvent,
    data_of,
    event_of,
)
from modlog._domain.values import Actor, from_micros, instant_text, shown, to_micros
from modlog._errors import CorruptEventError, InvalidInputError

Data = dict[str, Any]

# From (type, schema) to what turns its data into those of schema + 1.
UPCASTERS: Final[dict[tuple[str, int], Callable[[Data], Data]]] = {}

# The columns of an event as `event_row` gives them and `recorded_event` takes them.
EVENT_COLUMNS: Final = (
    "position",
    "recorded_at",
    "occurred_at",
    "version",
    "schema",
    "confidence",
    "account_id",
    "type",
    "actor_kind",
    "actor_id",
    "actor_version",
    "actor_account_id",
    "reason",
    "policy",
    "batch_id",
    "correlation_id",
    "data",
)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: keys sorted, no white space, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


_NO_DATA: Final = "{}"


def data_text(event: Event) -> str:
    """An event's own fields as canonical JSON."""
    data = data_of(event)
    return canonical(data).decode() if data else _NO_DATA


def schema_of(type_name: str) -> int:
    """The newest schema version of a type; each upcaster leads to one more."""
    version = 1
    while (type_name, version) in UPCASTERS:
        version += 1
    return version


def event_from(type_name: str, schema: int, data: str) -> Event:
    """The event that was stored with this type, schema and data.

    Raises:
        CorruptEventError: an unknown type, a schema newer than this modlog, data that are not
            what the type says.
    """
    try:
        return event_of(type_name, fields_from(type_name, schema, data))
    except (InvalidInputError, ValueError, TypeError, AttributeError) as error:
        raise CorruptEventError(
            f"a stored event of type {shown(type_name)}, schema {schema}, cannot be read: {error}"
        ) from error


def fields_from(type_name: str, schema: int, data: str) -> Data:
    """An event's stored fields in their newest schema, as JSON values that nobody has checked.

    Raises:
        InvalidInputError: an unknown type, or a schema newer than this modlog.
        orjson.JSONDecodeError: the data are no JSON.
    """
    if type_name not in EVENT_CLASSES:
        raise InvalidInputError(f"no event has the type {shown(type_name)}")
    fields: Data = orjson.loads(data) if data != _NO_DATA else {}
    return _upcast(type_name, schema, fields) if schema != 1 or UPCASTERS else fields


def _upcast(type_name: str, schema: int, data: Data) -> Data:
    newest = schema_of(type_name)
    if not 1 <= schema <= newest:
        raise InvalidInputError(
            f"this modlog reads schemas 1 to {newest} of it: a newer modlog wrote the event"
        )
    for version in range(schema, newest):
        data = UPCASTERS[type_name, version](data)
    return data


def event_row(position: int, recorded_at: int | None, draft: Draft) -> tuple[Any, ...]:
    """The columns of an event, in the order of `EVENT_COLUMNS`.

    `occurred_at` is the instant of recording unless the draft has its own.
    """
    return columns_of(
        position, recorded_at, draft.account_id, draft.version, draft.event, draft.envelope
    )


def columns_of(  # noqa: PLR0917 (as many as a draft has parts)
    position: int,
    recorded_at: int | None,
    account_id: str | None,
    version: int,
    event: Event,
    envelope: Envelope,
) -> tuple[Any, ...]:
    """As `event_row`, from the parts of a draft."""
    actor = envelope.actor
    occurred_at = envelope.occurred_at
    return (
        position,
        recorded_at,
        recorded_at if occurred_at is None else to_micros(occurred_at),
        version,
        schema_of(event.TYPE) if UPCASTERS else 1,
        envelope.confidence,
        account_id,
        event.TYPE,
        actor.kind,
        actor.id,
        actor.version,
        actor.account_id,
        envelope.reason,
        envelope.policy,
        envelope.batch_id,
        envelope.correlation_id,
        data_text(event),
    )


def recorded_event(row: Sequence[Any]) -> RecordedEvent:
    """The event that stands in these columns.

    Raises:
        CorruptEventError: with the position, if the row is not what modlog writes.
    """
    (
        position,
        recorded_at,
        occurred_at,
        version,
        schema,
        confidence,
        account_id,
        type_name,
        actor_kind,
        actor_id,
        actor_version,
        actor_account_id,
        reason,
        policy,
        batch_id,
        correlation_id,
        data,
    ) = row
    try:
        return RecordedEvent(
            position=position,
            account_id=account_id,
            version=version,
            recorded_at=from_micros(recorded_at),
            occurred_at=from_micros(occurred_at),
            actor=Actor(
                kind=actor_kind,
                id=actor_id,
                version=actor_version,
                account_id=actor_account_id,
            ),
            reason=reason,
            policy=policy,
            batch_id=batch_id,
            confidence=confidence,
            correlation_id=correlation_id,
            event=event_from(type_name, schema, data),
        )
    except (
        CorruptEventError,
        InvalidInputError,
        TypeError,
        ValueError,
        OverflowError,
        AttributeError,
    ) as error:
        raise CorruptEventError(f"the event at position {position} is damaged: {error}") from error


def state_bytes(row: Sequence[Any]) -> bytes:
    """A whole event as canonical JSON, for readers that know only topics and states."""
    event = recorded_event(row)
    actor = event.actor
    return canonical(
        {
            "actor": {
                "account_id": actor.account_id,
                "id": actor.id,
                "kind": actor.kind,
                "version": actor.version,
            },
            "batch_id": event.batch_id,
            "confidence": event.confidence,
            "correlation_id": event.correlation_id,
            "data": dict(event.data),
            "occurred_at": instant_text(event.occurred_at),
            "policy": event.policy,
            "position": event.position,
            "reason": event.reason,
            "recorded_at": instant_text(event.recorded_at),
        }
    )


def is_own_type(type_name: str) -> bool:
    """Whether modlog itself writes events of this type."""
    return type_name in EVENT_CLASSES
