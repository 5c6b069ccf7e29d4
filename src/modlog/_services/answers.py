"""Checking that every idempotency key leads to the event that its request asked for.

A key's row keeps a digest of the request, and nothing else of it. So the requests are put together
that an event can be the answer to, and the digest has to be that of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Final

import orjson

from modlog._domain.decisions import COMMANDS, ClearFlags, Command, Restore, is_filled_in
from modlog._domain.events import (
    AccountFlagged,
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
from modlog._storage.keys import data_of_flags, pages_of_answers

# The labels of an account's flags of these versions.
_LabelsOf = Callable[[Sequence[int]], set[str]]
_NAMES: Final[dict[type, str]] = {command: name for name, command in COMMANDS.items()}
# Where the type stands behind the first columns.
_TYPE: Final = 8


def check_answers(database: Database, session: Session) -> Iterator[Finding]:
    """Every idempotency key leads to an event that its request could have led to."""
    yield from islice(_findings(database, session), MOST)


def _findings(database: Database, session: Session) -> Iterator[Finding]:
    for page in pages_of_answers(database, session):
        for request, position, account_id, version, *answer in page:
            labels_of = partial(_labels_of, database, session, account_id)
            try:
                is_answer = bytes(request) in _digests(account_id, labels_of, *answer)
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


def _labels_of(
    database: Database, session: Session, account_id: str, versions: Sequence[int]
) -> set[str]:
    rows = data_of_flags(database, session, account_id, versions)
    flags = [event_from(*row) for row in rows]
    return {flag.label for flag in flags if isinstance(flag, AccountFlagged)}


def _digests(
    account_id: str,
    labels_of: _LabelsOf,
    occurred_at: int | None,
    reason: str | None,
    policy: str | None,
    *columns: Any,
) -> Iterator[bytes]:
    """The digests of the requests that an event can be the answer to.

    Args:
        account_id: of its account.
        labels_of: tells the labels of its flags.
        occurred_at: as the request gave it, in microseconds.
        reason: as it was recorded.
        policy: of both.
        *columns: its metadata, its actor and what happened, as they are stored.
    """
    metadata, *stored = columns
    at = None if occurred_at is None else from_micros(occurred_at)
    envelope = Envelope(
        actor=_actor(*stored[:4]),
        policy=policy,
        occurred_at=at,
        metadata={} if metadata is None else metadata_from(metadata),
    )
    event = event_from(*stored[4:])
    for name, command in _commands(event, labels_of):
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


def _commands(event: Event, labels_of: _LabelsOf) -> Iterator[tuple[str, Command]]:
    """The commands that can lead to an event; none for those of a revert, say."""
    match event:
        case AccountRestored(lifts=versions):
            yield from (("restore", Restore(None)), ("restore", Restore(versions)))
        case FlagsCleared(flags=versions):
            yield from (("clear_flags", ClearFlags(None)), ("clear_flags", ClearFlags(versions)))
            if len(labels := labels_of(versions)) == 1:
                yield "clear_flags", ClearFlags(label=labels.pop())
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
