"""Every command on an account, one by one or several as one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Unpack

from modlog._domain.account import AccountState
from modlog._domain.decisions import (
    ALWAYS_KNOWN,
    COMMANDS,
    KNOWN_TO,
    Command,
    decide,
    named_by,
)
from modlog._domain.effects import FACETS, Facet
from modlog._domain.events import AccountNoted, ActionRefused, Draft, Envelope, RecordedEvent
from modlog._domain.guardrails import looks_beyond
from modlog._domain.values import Actor, checked_id, checked_truth, shown
from modlog._errors import ConcurrencyError, GuardrailError
from modlog._services.acting import Given, checked_key, split
from modlog._services.guarding import Intended, Override, check_guardrails
from modlog._services.requests import request_key
from modlog._services.work import Work
from modlog._storage.keys import Key
from modlog._storage.reading import Reader
from modlog._storage.store import Decide


class Commands:
    """The commands of a ledger, and the transactions that they are part of."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def create(
        self,
        account_id: str,
        profile: Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Open an account, with a profile: a mapping from text to JSON values other than null.

        Raises:
            AccountExistsError: it exists already.
        """
        return self._record(
            "create", account_id, {"profile": {} if profile is None else profile}, given
        )

    def change_profile(
        self, account_id: str, changes: Mapping[str, Any], **given: Unpack[Given]
    ) -> RecordedEvent:
        """Set keys of the profile; None removes a key.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("change_profile", account_id, {"changes": changes}, given)

    def flag(
        self, account_id: str, label: str, score: float | None = None, **given: Unpack[Given]
    ) -> RecordedEvent:
        """Put a flag on an account, with a score from 0 to 1 if there is one.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("flag", account_id, {"label": label, "score": score}, given)

    def clear_flags(
        self,
        account_id: str,
        flags: Collection[int] | None = None,
        *,
        label: str | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Take flags off an account: those of these versions, those of a label, or all that stand.

        Raises:
            AccountNotFoundError: there is no such account.
            InvalidInputError: both versions and a label are given.
            NothingInForceError: no flag stands, or one that is named does not.
        """
        return self._record("clear_flags", account_id, {"flags": flags, "label": label}, given)

    def suspend(
        self,
        account_id: str,
        until: datetime | None = None,
        *,
        override_protection: bool = False,
        approved_by: Actor | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Suspend an account until an instant, or indefinitely. A reason is due.

        Args:
            account_id: the account.
            until: an aware datetime; None for indefinitely.
            override_protection: suspend it although it is protected; a note of the approval
                is recorded with it.
            approved_by: the second person, a human, who agrees to that.
            **given: see `Given`.

        Raises:
            AccountNotFoundError: there is no such account.
            GuardrailError: it is protected, or another guardrail stops it.
            InvalidInputError: `until` is not later than the suspension itself.
        """
        asked = (override_protection, approved_by)
        return self._record("suspend", account_id, {"until": until}, given, asked)

    def delete(
        self,
        account_id: str,
        *,
        override_protection: bool = False,
        approved_by: Actor | None = None,
        **given: Unpack[Given],
    ) -> RecordedEvent:
        """Delete an account; one that is deleted gets a further cause. A reason is due.

        Args:
            account_id: the account.
            override_protection: delete it although it is protected; a note of the approval
                is recorded with it.
            approved_by: the second person, a human, who agrees to that.
            **given: see `Given`.

        Raises:
            AccountNotFoundError: there is no such account.
            GuardrailError: it is protected, or another guardrail stops it.
        """
        asked = (override_protection, approved_by)
        return self._record("delete", account_id, {}, given, asked)

    def restore(
        self, account_id: str, lifts: Collection[int] | None = None, **given: Unpack[Given]
    ) -> RecordedEvent:
        """Lift sanctions: those of these versions, or all in force. A reason is due.

        Raises:
            AccountNotFoundError: there is no such account.
            NothingInForceError: no sanction is in force, or one that is named does not stand.
        """
        return self._record("restore", account_id, {"lifts": lifts}, given)

    def protect(self, account_id: str, **given: Unpack[Given]) -> RecordedEvent:
        """Shield an account from sweeps.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("protect", account_id, {}, given)

    def unprotect(self, account_id: str, **given: Unpack[Given]) -> RecordedEvent:
        """Take the shield from an account. A reason is due.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("unprotect", account_id, {}, given)

    def note(self, account_id: str, text: str, **given: Unpack[Given]) -> RecordedEvent:
        """Write something down about an account; it changes nothing.

        Raises:
            AccountNotFoundError: there is no such account.
        """
        return self._record("note", account_id, {"text": text}, given)

    def _record(
        self,
        name: str,
        account_id: str,
        arguments: Mapping[str, Any],
        given: Mapping[str, Any],
        asked: tuple[bool, Actor | None] = (False, None),
    ) -> RecordedEvent:
        account_id = checked_id(account_id, "account_id")
        envelope, key_text, expected = split(name, given)
        override = Override.asked(*asked, envelope.actor)
        command = COMMANDS[name](**arguments)
        key = request_key(key_text, name, account_id, command, envelope) if key_text else None

        def decided(reader: Reader, state: AccountState, instant: datetime) -> Draft:
            _check_expected(account_id, state, expected)
            _look_up(reader, account_id, state, command)
            event = decide(account_id, state, command, envelope.occurred_at or instant)
            if self._work.guardrails.enabled:
                intended = Intended(
                    account_id=account_id,
                    state=state,
                    action=name,
                    actor=envelope.actor,
                    at=instant,
                    override=override,
                )
                check_guardrails(self._work.guardrails, reader, intended)
            return Draft(account_id, state.version + 1, event, envelope)

        try:
            facets = self._known(name, command)
            beyond = self._work.guardrails.enabled and looks_beyond(envelope.actor, name)
            record = self._work.store.record if beyond else self._work.store.record_optimistically
            if override is None and self._work.writer() is None:
                return record(account_id, decided, key, self._work.clock(), facets)
            return self._carry_out(account_id, decided, key, override, facets)
        except GuardrailError as error:
            self._work.refused(account_id, ActionRefused(name, error.rule), envelope)
            raise

    def _known(self, name: str, command: Command) -> Sequence[Facet]:
        """What of an account a command has to know: it costs what it touches."""
        if self._work.guardrails.rules:
            return FACETS
        return ALWAYS_KNOWN if named_by(command) else KNOWN_TO[name]

    def _carry_out(
        self,
        account_id: str,
        decided: Decide,
        key: Key | None,
        override: Override | None,
        facets: Sequence[Facet],
    ) -> RecordedEvent:
        with self._work.chunk() as writer:
            head = writer.head.position
            event = writer.record(account_id, decided, key, facets)
            is_new = event.position > head  # not one that its key answered
            if override and is_new:
                state = writer.states([account_id], ("existence", "protection"))[account_id]
                if state.protected:
                    writer.record(account_id, _approval(event, override), None)
            return event

    def settle(self, key: str) -> RecordedEvent | None:
        """What became of a command, found out by its idempotency key.

        For who got an `OutcomeUnknownError`, or nothing at all. It waits for the transactions that
        are under way, as they may be the one, and asks the primary alone; so None means that the
        command has left nothing behind. To repeat it with its key is safe in any case.

        Args:
            key: the command's `idempotency_key`.

        Returns:
            the event that it led to; None if nothing is recorded under this key, an import record
            that was rejected included.

        Raises:
            ReadOnlyStoreError: a standby, which may not know yet; or it is open to be read only.
            StoreUnavailableError: the database is away, or others held the lock for too long.
        """
        key = checked_key(key)
        with self._work.chunk() as writer:
            return writer.store.settled(writer.session, key)

    @contextmanager
    def transaction(self, *, dry_run: bool = False) -> Iterator[None]:
        """Make the commands in the block one transaction: all are recorded, or none.

        It holds the append lock from its beginning, so keep it short. A command that fails
        leaves no trace of itself; the others go on if the error is caught inside the block.

        Args:
            dry_run: take everything back at the end of the block, which can look at what came
                of its commands; nothing is recorded, nor what a guardrail refused.

        Raises:
            InvalidInputError: a dry run inside another transaction of the ledger.
        """
        rehearsed = checked_truth(dry_run, "dry_run")
        with self._work.rehearsal() if rehearsed else self._work.transaction():
            yield

    @contextmanager
    def within(self, connection: Any) -> Iterator[None]:
        """Make the commands in the block part of the caller's own open transaction.

        The caller commits or rolls back, and the ledger with it. From the beginning of the
        block until then every other writer of the ledger waits, so commit soon. A command that
        fails leaves no trace of itself; but SQLite takes the whole transaction back, and all
        that the caller did in it, where the disk is full.

        Args:
            connection: a ``sqlite3.Connection``, a ``psycopg.Connection``, or a ``Connection`` or
                ``Session`` of SQLAlchemy on one of them, to the database that holds this ledger,
                with a transaction open or about to open.

        Raises:
            InvalidInputError: a connection of another kind, to another database, or one that
                commits each statement by itself; or a transaction of this ledger is under way
                already, for whose end the block would wait for ever.
            StoreError: the transaction was taken back in the block, and the error was caught.
        """
        with self._work.within(connection):
            yield


def _look_up(reader: Reader, account_id: str, state: AccountState, command: Command) -> None:
    """Let what a command names stand in the account's state; if not all does, all that stands."""
    if not state.created or (named := named_by(command)) is None:
        return
    facet, versions = named
    state.stand(reader.standing(account_id, versions))
    if not state.stays[facet].keys() >= set(versions):
        state.stays[facet] = reader.states([account_id], (facet,))[account_id].stays[facet]


def _check_expected(account_id: str, state: AccountState, expected: int | None) -> None:
    if expected is not None and state.version != expected:
        raise ConcurrencyError(
            f"account {shown(account_id)} was expected at version {expected} and is at "
            f"{state.version}: look at it again, and decide again"
        )


def _approval(event: RecordedEvent, override: Override) -> Decide:
    """The note with which a second person agrees to a sanction of a protected account."""
    text = f"agrees to version {event.version}, {event.type}, although the account is protected"
    envelope = Envelope(
        actor=override.approved_by,
        reason=event.reason,
        policy=event.policy,
        batch_id=event.batch_id,
        correlation_id=event.correlation_id,
        metadata=event.metadata,
    )
    account_id = str(event.account_id)
    return lambda _, state, __: Draft(account_id, state.version + 1, AccountNoted(text), envelope)
