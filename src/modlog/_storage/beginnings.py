"""Accounts that begin with a transaction: their first events as rows, many of them alike."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import define, field

from modlog._domain.events import AccountCreated, AccountDeleted, AccountSuspended, Envelope
from modlog._domain.values import to_micros
from modlog._storage.chunks import begun_by
from modlog._storage.codec import canonical, data_texts
from modlog._storage.projection import code_of
from modlog._storage.writing import Batch

SanctionEvent = AccountSuspended | AccountDeleted


@define
class Beginnings:
    """Puts the first events of accounts that nobody has heard of into a batch.

    Nothing is there yet that they could end, so no states are folded: what events of a type begin
    is found out once, and else they differ in little.

    Attributes:
        batch: that is put together.
        envelope: of all these events, but for when they occurred.
    """

    batch: Batch
    envelope: Envelope
    _alike: dict[str, tuple[int, int]] = field(factory=dict)

    def add(
        self,
        account_id: str,
        created: AccountCreated,
        occurred_at: datetime | None,
        sanctions: Iterable[tuple[SanctionEvent, datetime | None]] = (),
    ) -> None:
        """Put an account's creation behind the others, and what was imposed on it since.

        Args:
            account_id: of an account without any event.
            created: with its profile.
            occurred_at: when; None for the instant of the transaction.
            sanctions: in order, none of which occurred before the creation.
        """
        batch, version = self.batch, 1
        stream = batch.new_stream(batch.position + 1, account_id)
        latest = self._add(stream, version, created, occurred_at)
        for event, at in sanctions:
            version += 1
            latest = self._add(stream, version, event, at)
        profile = canonical(created.profile).decode()
        batch.changes.new.append((stream, version, latest, 1, profile))

    def _add(
        self,
        stream: int,
        version: int,
        event: AccountCreated | SanctionEvent,
        occurred_at: datetime | None,
    ) -> int:
        batch = self.batch
        position = batch.position = batch.position + 1
        given = None if occurred_at is None else to_micros(occurred_at)
        at = batch.writer.at if given is None else given
        alike = self._alike.get(event.TYPE)
        if alike is None:
            alike = self._alike[event.TYPE] = self._found_out(position, event, at)
        act, code = alike
        batch.events.append((position, act, stream, version, given, *data_texts(event)))
        until = event.until if isinstance(event, AccountSuspended) else None
        end = None if until is None else to_micros(until)
        batch.changes.begun.append(
            [stream, version, position, code, at, end, None, None, None, None]
        )
        return at

    def _found_out(
        self, position: int, event: AccountCreated | SanctionEvent, at: int
    ) -> tuple[int, int]:
        """The act of all events of this type, and how what they begin is written."""
        stay = begun_by(event, at)
        assert stay is not None, "each of them begins something"
        _, act, *_ = self.batch.row(position, 0, 0, event, self.envelope)
        return act, code_of(stay)
