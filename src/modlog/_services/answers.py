"""Checking that every idempotency key leads to the event that its request asked for.

A key's row keeps a digest of the request, and nothing else of it. So the requests are put together
that an event can be the answer to, and the digest has to be that of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import orjson

from modlog._domain.decisions import COMMANDS, ClearFlags, Command, Restore, is_filled_in
from modlog._domain.events import (
    AccountNoted,
    AccountRestored,
    Envelope,
    Event,
    FlagsCleared,
)
from modlog._domain.values import Actor, ActorKind, from_micros
from modlog._errors import CorruptEventError, InvalidInputError
from modlog._services.records import read_command, reason_given
from modlog._services.requests import request_digest
from modlog._storage.checks import MOST, Finding
from modlog._storage.codec import event_from, metadata_from
from modlog._storage.database import Database, Session
from modlog._storage.keys import pages_of_answers

_NAMES: Final[dict[type, str]] = {command: name for name, command in COMMANDS.items()}
# Where the type stands behind the first columns.
_TYPE: Final = 8


def check_answers(database: Database, session: Session) -> Iterator[Finding]:
    """Every idempotency key leads to an event that its request could have led to."""
    yield from islice(_findings(database, session), MOST)


def _findings(database: Database, session: Session) -> Iterator[Finding]:
    for page in pages_of_answers(database, session):
        for request, position, account_id, version, *answer in page:
            try:
                is_answer = bytes(request) in _digests(account_id, *answer)
            except (CorruptEventError, InvalidInputError, TypeError, ValueError, OverflowError):
                continue  # another check tells of it
            if not is_answer:
                yield Finding(
                    check="keys",
                    message="an idempotency key leads to an event that is not what its request "
                    f"asked for: version {version}, {answer[_TYPE]}",
                    position=position,
                    account_id=account_id,
                )


def _digests(
    account_id: str,
    occurred_at: int | None,
    reason: str | None,
    policy: str | None,
    metadata: str | None,
    *columns: Any,
) -> Iterator[bytes]:
    """The digests of the requests that an event can be the answer to.

    Args:
        account_id: of its account.
        occurred_at: as the request gave it, in microseconds.
        reason: as it was recorded.
        policy: of both.
        metadata: of both, as it is stored.
        *columns: its actor and what happened, as they are stored.
    """
    at = None if occurred_at is None else from_micros(occurred_at)
    envelope = Envelope(
        actor=_actor(*columns[:4]),
        policy=policy,
        occurred_at=at,
        metadata={} if metadata is None else metadata_from(metadata),
    )
    event = event_from(*columns[4:])
    for name, command in _commands(event):
        for given in _reasons(reason) if at else (reason,):
            yield request_digest(name, account_id, command, envelope, reason=given)
    if at and isinstance(event, AccountNoted):
        for name, command, given in _refused(account_id, event.text):
            yield request_digest(name, account_id, command, envelope, reason=given)


@lru_cache(maxsize=1_024)
def _actor(kind: ActorKind, id_: str, version: str | None, account_id: str | None) -> Actor:
    return Actor(kind=kind, id=id_, version=version, account_id=account_id)


def _reasons(reason: str | None) -> tuple[str | None, ...]:
    """The reasons of records, one of which an import has recorded so."""
    return (None, "", reason) if is_filled_in(reason) else (reason,)


def _commands(event: Event) -> Iterator[tuple[str, Command]]:
    """The commands that can lead to an event; none for those of a revert, say."""
    match event:
        case AccountRestored(lifts=versions):
            yield from (("restore", Restore(None)), ("restore", Restore(versions)))
        case FlagsCleared(flags=versions):
            yield from (("clear_flags", ClearFlags(None)), ("clear_flags", ClearFlags(versions)))
        case _ if type(event) in _NAMES:
            yield _NAMES[type(event)], event  # type: ignore[misc]


def _refused(account_id: str, text: str) -> Iterator[tuple[str, Command, str | None]]:
    """The command and reason of a record that an import kept as a note, if the text is one."""
    try:
        record, shape, about, command = read_command(orjson.loads(text))
        reason = shape.circumstances_of(record).get("reason")
    except (orjson.JSONDecodeError, InvalidInputError):
        return
    if about == account_id:
        yield shape.name, command, reason_given(reason)
