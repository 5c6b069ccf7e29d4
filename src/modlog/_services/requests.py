"""Requests that are carried out once: an idempotency key and what it stands for."""

from __future__ import annotations

from hashlib import blake2b

from modlog._ground.decisions import ARGUMENTS, Command
from modlog._ground.events import Envelope, plain
from modlog._ground.values import instant_text
from modlog._storage.codec import canonical
from modlog._storage.store import Key


def request_key(text: str, name: str, account_id: str, command: Command, envelope: Envelope) -> Key:
    """An idempotency key with the digest of the request that it belongs to.

    The request is what was asked for, not the event decided from it: a repeated `restore` is
    the same request whatever is in force by now.
    """
    actor = envelope.actor
    occurred_at = envelope.occurred_at
    request = canonical(
        [
            name,
            account_id,
            [plain(getattr(command, argument)) for argument in ARGUMENTS[name]],
            [actor.kind, actor.id, actor.version, actor.account_id],
            envelope.reason,
            envelope.policy,
            None if occurred_at is None else instant_text(occurred_at),
        ]
    )
    return Key(_digest(text.encode()), _digest(request), text)


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
