"""How events lie on disk: fixed type names, canonical JSON, instants as microseconds.

The codec is strict. It writes what `modlog._domain.events` has checked, every field present,
keys sorted, no white space; it reads nothing else, whatever the JSON may look like. An older
schema of a type is brought up to date by the functions in `UPCASTERS` as it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from modlog._domain.effects import EFFECTS
from modlog._domain.events import (
    EVENT_CLASSES,
    Envelope,
    Event,
    RecordedEvent,
    data_of,
    event_of,
)
from modlog._domain.values import Actor, checked_metadata, from_micros, instant_text, shown
from modlog._errors import CorruptEventError, InvalidInputError

Data = dict[str, Any]
Columns = tuple[Any, ...]

# From (type, schema) to what turns its data into those of schema + 1.
UPCASTERS: Final[dict[tuple[str, int], Callable[[Data], Data]]] = {}

# The columns of an act, and those of an event, as `act_columns` and `event_columns` give them.
ACT_COLUMNS: Final = (
    "number",
    "recorded_at",
    "type",
    "schema",
    "actor_kind",
    "actor_id",
    "actor_version",
    "actor_account_id",
    "reason",
    "policy",
    "batch_id",
    "confidence",
    "correlation_id",
    "metadata",
)
EVENT_COLUMNS: Final = (
    "position",
    "act",
    "stream",
    "version",
    "occurred_at",
    "data",
    "personal",
)
# What `recorded_event` takes, of an event `e` with its act `a` and its stream `s`.
RECORDED: Final = (
    "e.position, a.recorded_at, coalesce(e.occurred_at, a.recorded_at), e.version, a.schema,"
    " a.confidence, s.kind, s.id, a.type, a.actor_kind, a.actor_id, a.actor_version,"
    " a.actor_account_id, a.reason, a.policy, a.batch_id, a.correlation_id, a.metadata,"
    " e.data, e.personal"
)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: keys sorted, no white space, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def data_texts(event: Event) -> tuple[str | None, str | None]:
    """An event's own fields as canonical JSON: its structure, and what is personal of it.

    Each is None where the type has no such fields.
    """
    data = data_of(event)
    if not data:
        return None, None
    names = EFFECTS[event.TYPE].personal
    if not names:
        return canonical(data).decode(), None
    if len(names) == len(data):
        return None, canonical(data).decode()
    personal = {name: data.pop(name) for name in names}
    return canonical(data).decode(), canonical(personal).decode()


def schema_of(type_name: str) -> int:
    """The newest schema version of a type; each upcaster leads to one more."""
    version = 1
    while (type_name, version) in UPCASTERS:
        version += 1
    return version


def event_from(type_name: str, schema: int, data: str | None, personal: str | None) -> Event:
    """The event that was stored with this type and schema, in these two columns.

    Raises:
        CorruptEventError: an unknown type, a schema newer than this modlog, data that are not
            what the type says.
    """
    try:
        return event_of(type_name, fields_from(type_name, schema, data, personal))
    except (InvalidInputError, ValueError, TypeError, AttributeError) as error:
        raise CorruptEventError(
            f"a stored event of type {shown(type_name)}, schema {schema}, cannot be read: {error}"
        ) from error


def fields_from(type_name: str, schema: int, data: str | None, personal: str | None) -> Data:
    """An event's stored fields in their newest schema, as JSON values that nobody has checked.

    Raises:
        InvalidInputError: an unknown type, or a schema newer than this modlog.
        orjson.JSONDecodeError: the data are no JSON.
    """
    if type_name not in EVENT_CLASSES:
        raise InvalidInputError(f"no event has the type {shown(type_name)}")
    fields: Data = {} if data is None else orjson.loads(data)
    if personal is not None:
        fields = {**fields, **orjson.loads(personal)}
    return _upcast(type_name, schema, fields) if schema != 1 or UPCASTERS else fields


def data_text(type_name: str, schema: int, data: str | None, personal: str | None) -> str:
    """An event's own fields in their newest schema as canonical JSON, from these two columns.

    What is stored in that schema is canonical already, and passed on as it is.

    Raises:
        InvalidInputError: an unknown type, or a schema newer than this modlog.
        ValueError: the data are no JSON object.
    """
    fields = fields_from(type_name, schema, data, personal)
    if not isinstance(fields, dict):
        raise ValueError("its data are no JSON object")
    if schema == schema_of(type_name) and (data is None or personal is None):
        return data or personal or "{}"
    return canonical(fields).decode()


def event_as_of(type_name: str, schema: int, fields: Data) -> Event:
    """The event with these fields, as they were called in a schema of its type.

    Raises:
        InvalidInputError: an unknown type, a schema newer than this modlog, a field too many or
            too few, a value out of bounds.
    """
    try:
        return event_of(type_name, _upcast(type_name, schema, fields))
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            f"its data are not those of {shown(type_name)}, schema {schema}: {error!r}"
        ) from error


def _upcast(type_name: str, schema: int, data: Data) -> Data:
    newest = schema_of(type_name)
    if not 1 <= schema <= newest:
        raise InvalidInputError(
            f"this modlog reads schemas 1 to {newest} of it: a newer modlog wrote the event"
        )
    for version in range(schema, newest):
        data = UPCASTERS[type_name, version](data)
    return data


def act_columns(number: int, recorded_at: int, type_name: str, envelope: Envelope) -> Columns:
    """The columns of an act, in the order of `ACT_COLUMNS`."""
    actor = envelope.actor
    return (
        number,
        recorded_at,
        type_name,
        schema_of(type_name) if UPCASTERS else 1,
        actor.kind,
        actor.id,
        actor.version,
        actor.account_id,
        envelope.reason,
        envelope.policy,
        envelope.batch_id,
        envelope.confidence,
        envelope.correlation_id,
        # Most have none, and an event is not to cost a call for it.
        canonical(envelope.metadata).decode() if envelope.metadata else None,
    )


def metadata_from(text: str) -> dict[str, Any]:
    """The metadata of an act, from how it is stored."""
    return checked_metadata(orjson.loads(text), "metadata")


def act_key(type_name: str, envelope: Envelope) -> object:
    """What events have in common that are one act within a transaction."""
    return (
        type_name,
        envelope.actor,
        envelope.reason,
        envelope.policy,
        envelope.batch_id,
        envelope.confidence,
        envelope.correlation_id,
        canonical(envelope.metadata) if envelope.metadata else None,
    )


def recorded_event(row: Sequence[Any]) -> RecordedEvent:
    """The event that stands in the columns `RECORDED`.

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
        kind,
        stream_id,
        type_name,
        actor_kind,
        actor_id,
        actor_version,
        actor_account_id,
        reason,
        policy,
        batch_id,
        correlation_id,
        metadata,
        data,
        personal,
    ) = row
    try:
        return RecordedEvent(
            position=position,
            account_id=stream_id if kind == "account" else None,
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
            # Most have none, which costs no call.
            metadata={} if metadata is None else metadata_from(metadata),
            event=event_from(type_name, schema, data, personal),
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


def as_written(row: Sequence[Any]) -> RecordedEvent:
    """The event in the columns `RECORDED`, if they hold the very text that modlog writes of it.

    Data of an older schema are left out: what they were read to is not what was written.

    Raises:
        CorruptEventError: with the position, if the row cannot be read, or says in other
            characters than the canonical ones what it says.
    """
    recorded = recorded_event(row)
    schema, metadata, texts = row[4], row[-3], row[-2:]
    is_canonical = metadata is None or (
        bool(recorded.metadata) and metadata == canonical(recorded.metadata).decode()
    )
    if not is_canonical or (
        schema == schema_of(recorded.type) and texts != data_texts(recorded.event)
    ):
        raise CorruptEventError(
            f"the event at position {recorded.position} is not in its canonical form: "
            "something else than modlog wrote it"
        )
    return recorded


def state_bytes(row: Sequence[Any]) -> bytes:
    """A whole event as canonical JSON, for readers that know only topics and states."""
    event = recorded_event(row)
    actor = event.actor
    # Events without any are told as they were before there was such a thing.
    metadata = {"metadata": event.metadata} if event.metadata else {}
    return canonical(
        {
            **metadata,
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
