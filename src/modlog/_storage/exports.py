"""Rows of an export: an event with its whole envelope, flat, each field under its own name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from modlog._domain.values import FIRST_INSTANT, LAST_INSTANT, to_micros
from modlog._errors import CorruptEventError, InvalidInputError
from modlog._storage.codec import data_text, schema_of
from modlog._storage.database import Row

# The names, for ever: files that were written with them are read back.
COLUMNS: Final = (
    "position",
    "account_id",
    "version",
    "type",
    "recorded_at",
    "occurred_at",
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
    "schema",
    "data",
)
_FIRST: Final = to_micros(FIRST_INSTANT)
_LAST: Final = to_micros(LAST_INSTANT)


def flat(row: Sequence[Any]) -> Row:
    """The values of `COLUMNS` of the event that stands in the columns `RECORDED`.

    Instants are microseconds since 1970 in UTC, metadata and data are JSON text, these
    in the newest schema.

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
        *circumstances,
        correlation_id,
        metadata,
        data,
        personal,
    ) = row
    try:
        if not (_FIRST <= recorded_at <= _LAST and _FIRST <= occurred_at <= _LAST):
            raise ValueError("its instants lie outside the years 1 to 9999")
        text = data_text(type_name, schema, data, personal)
        # What is passed on as it is must be JSON all the same.
        if metadata is not None and not isinstance(orjson.loads(metadata), dict):
            raise ValueError("its metadata are no JSON object")
    except (InvalidInputError, ValueError, TypeError, AttributeError) as error:
        raise CorruptEventError(f"the event at position {position} is damaged: {error}") from error
    return (
        position,
        stream_id if kind == "account" else None,
        version,
        type_name,
        recorded_at,
        occurred_at,
        *circumstances,
        confidence,
        correlation_id,
        metadata,
        schema_of(type_name),
        text,
    )
