"""Who acts and why: what a call gives, over what the surrounding `acting` blocks give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypedDict, Unpack

from modlog._domain.decisions import REASON_IS_DUE
from modlog._domain.events import Envelope
from modlog._domain.values import (
    Actor,
    check_names,
    checked_id,
    checked_instant,
    checked_metadata,
    checked_probability,
    checked_text,
    checked_whole,
    shown,
)
from modlog._errors import InvalidInputError, MissingActorError, MissingReasonError


class Grounds(TypedDict, total=False):
    """Why something is done, and what it belongs to; see `Given`."""

    reason: str | None
    policy: str | None
    correlation_id: str | None
    confidence: float | None
    metadata: Mapping[str, Any] | None


class Circumstances(Grounds, total=False):
    """What an `acting` block may settle for the commands in it; None takes a field back."""

    batch_id: str | None
    occurred_at: datetime | None


class SweepGiven(Grounds, total=False):
    """What planning, approving and rejecting a sweep take; see `Given`."""

    actor: Actor | None


class RevertGiven(SweepGiven, total=False):
    """What a revert takes; see `Given`."""

    occurred_at: datetime | None


class Given(Circumstances, total=False):
    """What every command takes besides its own arguments; what is not given is inherited.

    Attributes:
        actor: who does it.
        reason: why, in words; due for suspend, delete, restore and unprotect.
        policy: the code of the rule that is applied.
        batch_id: what the command is part of.
        occurred_at: when it happened, if not now: an aware datetime.
        correlation_id: ties it to a request, ticket or trace outside.
        confidence: of an automated decision, from 0 to 1.
        metadata: the platform's own, to be kept with the event: text → JSON value, at most
            16 KiB; put over that of `acting` key by key.
        idempotency_key: the same request with the same key is carried out once.
        expected_version: refuse, unless the account is at this version.
    """

    actor: Actor | None
    idempotency_key: str | None
    expected_version: int | None


def checked_actor(value: object, what: str) -> Actor:
    """An actor, as it is."""
    if not isinstance(value, Actor):
        raise InvalidInputError(
            f"{what} must be an Actor, as Actor.human('wan'), not {shown(value)}"
        )
    return value


def _checked_source(value: object, what: str) -> object:
    return value if callable(value) else checked_actor(value, what)


_CHECKS: Final = {
    "actor": checked_actor,
    "reason": checked_text,
    "policy": checked_id,
    "batch_id": checked_id,
    "occurred_at": checked_instant,
    "correlation_id": checked_id,
    "confidence": checked_probability,
    "metadata": checked_metadata,
}
_COMMAND_ONLY: Final = frozenset(("idempotency_key", "expected_version"))
_OF_COMMANDS: Final = _COMMAND_ONLY.union(_CHECKS)
_settled: ContextVar[Mapping[str, Any]] = ContextVar(
    "modlog.acting",
    default=MappingProxyType({}),
)


@contextmanager
def acting(
    actor: Actor | Callable[[], Actor | None] | None = None, **circumstances: Unpack[Circumstances]
) -> Iterator[None]:
    """Settle who acts, why and under which rule for every command in the block.

    Blocks nest field by field, metadata key by key, and arguments of a command win. The setting
    is a context variable: it holds for the current task or thread, and for `asyncio.to_thread`.

    Args:
        actor: who does it; left out, it stays who it was. A callable is asked by each command
            that needs to know, for who is known only later, as the user of a request.
        **circumstances: reason, policy, batch_id, occurred_at, correlation_id, confidence,
            metadata; None takes back what a surrounding block settled.

    Raises:
        InvalidInputError: a field that does not exist or a value that no event takes.
    """
    fields = _checked(circumstances, "acting()")
    if actor is not None:
        fields["actor"] = _checked_source(actor, "actor")
    token = _settled.set(_over(_settled.get(), fields))
    try:
        yield
    finally:
        _settled.reset(token)


def _checked(fields: Mapping[str, Any], what: str) -> dict[str, Any]:
    if not fields.keys() <= _CHECKS.keys():
        check_names(fields, _CHECKS, what)
    return {
        name: None if value is None else _CHECKS[name](value, name)
        for name, value in fields.items()
    }


def _over(settled: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, over what was settled before."""
    merged = {**settled, **fields}
    if merged.get("metadata") is not None:
        both = {**(settled.get("metadata") or {}), **merged["metadata"]}
        merged["metadata"] = checked_metadata(both, "metadata")  # a copy, of the event alone
    return merged


def envelope_for(command: str, given: Mapping[str, Any]) -> Envelope:
    """The envelope of a command's event.

    Raises:
        MissingActorError: nobody is named.
        MissingReasonError: a reason is due and none, or an empty one, was given.
        InvalidInputError: a field that does not exist or a value that no event takes.
    """
    fields = _over(_settled.get(), _checked(given, f"{command}()"))
    actor = fields.get("actor")
    if callable(actor):
        actor = fields["actor"] = _known(actor)
    if actor is None:
        raise MissingActorError(
            f"{command}() needs an actor: give actor=Actor.human(…), or set one for a block with "
            "modlog.acting(…)"
        )
    check_reason(command, fields.get("reason"))
    return Envelope(**fields)


def _known(source: Callable[[], object]) -> Actor | None:
    """Who a callable says that acts now, if it says so."""
    actor = source()
    return None if actor is None else checked_actor(actor, "what acting() asks for the actor")


def settled_actor(what: str, otherwise: Actor | None = None) -> Actor:
    """The actor that the surrounding `acting` blocks settle.

    Args:
        what: what needs one, for the message.
        otherwise: who acts if they settle none.

    Raises:
        MissingActorError: they settle none, and there is nobody else.
    """
    actor = _settled.get().get("actor")
    if callable(actor):
        actor = _known(actor)
    actor = actor or otherwise
    if actor is None:
        raise MissingActorError(
            f"{what} needs an actor: give one, or set one for a block with modlog.acting(…)"
        )
    return actor


def check_reason(command: str, reason: str | None) -> None:
    """Refuse a command without a reason where one is due."""
    if command in REASON_IS_DUE and not (reason and reason.strip()):
        raise MissingReasonError(
            f"{command}() needs a reason: give reason=…, or set one for a block with "
            "modlog.acting(…)"
        )


def checked_key(key: object) -> str:
    """An idempotency key.

    Raises:
        InvalidInputError: one that cannot be.
    """
    text = checked_text(key, "idempotency_key")
    if not text:
        raise InvalidInputError("idempotency_key must not be empty")
    return text


def split(command: str, given: Mapping[str, Any]) -> tuple[Envelope, str | None, int | None]:
    """A command's envelope, idempotency key and expected version.

    Raises:
        InvalidInputError: as `envelope_for`, and a key or version that cannot be one.
    """
    if not given.keys() <= _OF_COMMANDS:
        check_names(given, _OF_COMMANDS, f"{command}()")
    key = given.get("idempotency_key")
    if key is not None:
        key = checked_key(key)
    version = given.get("expected_version")
    if version is not None:
        version = checked_whole(version, "expected_version, 0 for an account that is not there,")
    fields = {name: value for name, value in given.items() if name not in _COMMAND_ONLY}
    return envelope_for(command, fields), key, version
