"""Requests that are carried out once: an idempotency key and what it stands for."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Any

import attrs

from modlog._domain.decisions import Command
from modlog._domain.events import Envelope
from modlog._domain.telling import plain
from modlog._domain.values import to_micros
from modlog._storage.codec import canonical
from modlog._storage.keys import Key


def request_key(text: str, name: str, account_id: str, command: Command, envelope: Envelope) -> Key:
    """An idempotency key with the digest of the request that it belongs to."""
    request = request_digest(name, account_id, command, envelope, reason=envelope.reason)
    return Key(text, request)


def request_digest(
    name: str, account_id: str, command: Command, envelope: Envelope, *, reason: str | None
) -> bytes:
    """What stands for a request: what was asked for, not the event decided from it.

    A repeated `restore` is the same request whatever is in force by now.

    Args:
        name: of the command.
        account_id: the account.
        command: with its arguments.
        envelope: who, when and under which policy, with which metadata.
        reason: as it was given, before any was filled in.
    """
    actor = envelope.actor
    occurred_at = envelope.occurred_at
    request = [
        name,
        account_id,
        _arguments(command),
        [actor.kind, actor.id, actor.version, actor.account_id],
        reason,
        envelope.policy,
        None if occurred_at is None else to_micros(occurred_at),
    ]
    if envelope.metadata:  # not of requests without it, whose digests ledgers hold already
        request.append(dict(envelope.metadata))
    return _digest(canonical(request))


def _arguments(command: Command) -> dict[str, Any]:
    """The arguments that say something, by name.

    One that has its default is left out: so a command can gain an optional argument, and the
    digests of requests without it, which ledgers hold already, stay as they are.
    """
    kind: type = type(command)
    return {
        name: plain(value)
        for name, default in _defaults(kind)
        if (value := getattr(command, name)) is not default
        and (value != default or type(value) is not type(default))
    }


@cache
def _defaults(command: type) -> tuple[tuple[str, Any], ...]:
    """The arguments of a command, each with the value that it has if it is left out."""
    return tuple(
        (one.name, one.default.factory() if hasattr(one.default, "factory") else one.default)
        for one in attrs.fields(command)
    )


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
