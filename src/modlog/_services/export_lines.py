"""Lines of an export, as an import takes them: what happened elsewhere, recorded as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeGuard

from attrs import define, field, frozen

from modlog._domain.account import AccountState, Happened, Moves, replay
from modlog._domain.events import (
    AccountEvent,
    Entry,
    Envelope,
    EventsReverted,
    RecordedEvent,
    fields_of,
)
from modlog._domain.values import (
    Actor,
    check_names,
    checked_id,
    checked_mapping,
    checked_text,
    checked_whole,
    is_mapping,
    is_storable,
    parsed_instant,
    shown,
)
from modlog._errors import ConflictError, InvalidInputError
from modlog._services.records import CIRCUMSTANCES
from modlog._storage.codec import act_key, data_texts, event_as_of
from modlog._storage.exports import COLUMNS
from modlog._storage.reading import PAGE
from modlog._storage.replays import histories
from modlog._storage.selecting import Condition
from modlog._storage.writing import Writer

_SIGNS: Final = ("position", "type", "version")
_DUE: Final = (*_SIGNS, "account_id", "occurred_at", "actor_kind", "actor_id", "schema", "data")
_SWEEP: Final = "sweep."


@frozen
class ExportLine:
    """An event of an account that was recorded in another ledger, and when it occurred."""

    account_id: str
    version: int
    event: AccountEvent
    envelope: Envelope
    at: datetime

    @classmethod
    def of(cls, recorded: RecordedEvent) -> ExportLine:
        """What a line of an export of this event says."""
        return cls(
            str(recorded.account_id),
            recorded.version,
            recorded.event,  # type: ignore[arg-type]
            Envelope(
                actor=recorded.actor,
                reason=recorded.reason,
                policy=recorded.policy,
                batch_id=recorded.batch_id,
                confidence=recorded.confidence,
                correlation_id=recorded.correlation_id,
                metadata=recorded.metadata,
                occurred_at=recorded.occurred_at,
            ),
            recorded.occurred_at,
        )

    def says_the_same_as(self, other: ExportLine) -> bool:
        """Whether both are about the same event, told apart as JSON tells values apart."""
        return (
            act_key(self.event.TYPE, self.envelope) == act_key(other.event.TYPE, other.envelope)
            and self.at == other.at
            and data_texts(self.event) == data_texts(other.event)
        )


def is_export_line(record: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a record is a line of an export: an event and no command."""
    return is_mapping(record) and "do" not in record and all(sign in record for sign in _SIGNS)


def read_line(
    record: Mapping[str, Any], actor: Callable[[Mapping[str, object]], Actor]
) -> ExportLine | None:
    """The event in a line of an export; None if it is of a sweep, and so of no account.

    Raises:
        InvalidInputError: a field is missing or unknown, or has a value that cannot be.
    """
    check_names(record, COLUMNS, "a line of an export")
    if missing := [name for name in _DUE if name not in record]:
        raise InvalidInputError(f"a line of an export has {', '.join(missing)} as well")
    type_name = checked_text(record["type"], "type")
    if record["account_id"] is None and type_name.startswith(_SWEEP):
        return None
    event = event_as_of(
        type_name,
        checked_whole(record["schema"], "schema"),
        checked_mapping(record["data"], "data"),
    )
    if not isinstance(event, AccountEvent):
        raise InvalidInputError(f"{type_name} is no event of an account, and account_id is given")
    account_id = checked_id(record["account_id"], "account_id")
    version = checked_whole(record["version"], "version")
    at = parsed_instant(record["occurred_at"], "occurred_at")
    given = _circumstances_of(record)
    envelope = Envelope(actor=actor(_actor_of(record)), occurred_at=at, **given)
    return ExportLine(account_id, version, event, envelope, at)


def _actor_of(record: Mapping[str, Any]) -> Mapping[str, object]:
    who = {"kind": record["actor_kind"], "id": record["actor_id"]}
    for name in ("version", "account_id"):
        if (value := record.get(f"actor_{name}")) is not None:
            who[name] = value
    return who


def _circumstances_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: check(value, name)
        for name, check in CIRCUMSTANCES.items()
        if (value := record.get(name)) is not None
    }


@define
class Elsewhere:
    """What a chunk of an import has to know of the ledger, to take lines of an export.

    Attributes:
        expected: whether there are such lines at all: other records are not to cost more for it.
        lines: what the ledger has at the places of such lines, and those taken meanwhile.
        histories: of accounts in which events are reverted: that takes a replay.
    """

    expected: bool = False
    lines: dict[tuple[str, int], ExportLine] = field(factory=dict)
    histories: dict[str, list[Happened]] = field(factory=dict)

    @classmethod
    def looked_up(
        cls,
        writer: Writer,
        records: Iterable[Mapping[str, Any]],
        states: Mapping[str, AccountState],
    ) -> Elsewhere:
        """What is there, on accounts whose states and streams are known."""
        # Of commands this asks nothing more, so that they cost no call.
        lines = [record for record in records if "do" not in record and is_export_line(record)]
        behind: dict[str, set[int]] = {}
        reverted: set[str] = set()
        for record in lines:
            account_id, version = record.get("account_id"), record["version"]
            if not (isinstance(account_id, str) and is_storable(account_id)):
                continue
            if record["type"] == EventsReverted.TYPE:
                reverted.add(account_id)
            state = states.get(account_id)
            if state and isinstance(version, int) and version <= state.version:
                behind.setdefault(account_id, set()).add(version)
        return cls(bool(lines), _lines(writer, behind), _histories(writer, sorted(reverted)))

    def has(self, line: ExportLine, version: int) -> bool:
        """Whether the ledger, where the account is at this version, has the line's event.

        If not, it comes next.

        Raises:
            ConflictError: it cannot, because others are missing before it, or another one stands
                in its place.
        """
        there = self.lines.get((line.account_id, line.version))
        if there is not None and line.says_the_same_as(there):
            return True
        if there is not None or not line.version > version:
            raise ConflictError(
                f"account {shown(line.account_id)} has another event at version {line.version} in "
                "this ledger: an export goes into a ledger that has nothing else of its accounts"
            )
        if line.version != version + 1:
            raise ConflictError(
                f"account {shown(line.account_id)} is at version {version} in this ledger, so "
                f"version {line.version} cannot come next: import an export that has all events "
                "of the account, in their order"
            )
        self.lines[line.account_id, line.version] = line
        return False

    def moved(
        self, account_id: str, state: AccountState, version: int, at: datetime, event: AccountEvent
    ) -> Moves:
        """Have an event take hold of its account's state, and tell what that changes."""
        history = self.histories.get(account_id) if self.expected else None
        if history is not None:
            history.append(Entry(version=version, occurred_at=at, event=event))
        if history is None or not isinstance(event, EventsReverted):
            return state.moved_by(event.TYPE, version, at, fields_of(event))
        after = replay(history)
        moves = Moves.between(state, after)
        state.profile, state.stays = after.profile, after.stays
        return moves


def _lines(writer: Writer, behind: Mapping[str, set[int]]) -> dict[tuple[str, int], ExportLine]:
    """The events of accounts at these versions."""
    found: dict[tuple[str, int], ExportLine] = {}
    for ids in _portions(sorted(behind)):
        versions = sorted({version for id_ in ids for version in behind[id_]})
        # The sign keeps the index from being asked for each account with each version.
        among, params = writer.store.database.among("+e.version", versions)
        for id_, events in writer.reader.events_of(ids, Condition(among, params)).items():
            for event in events:
                if event.version in behind[id_]:
                    found[id_, event.version] = ExportLine.of(event)
    return found


def _histories(writer: Writer, account_ids: Sequence[str]) -> dict[str, list[Happened]]:
    found: dict[str, list[Happened]] = {id_: [] for id_ in account_ids}
    for ids in _portions(account_ids):
        streams = {writer.streams[id_]: id_ for id_ in ids if id_ in writer.streams}
        known = histories(writer.store.database, writer.session, streams)
        found.update((id_, list(entries)) for id_, entries in known.items())
    return found


def _portions(account_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (account_ids[first : first + PAGE] for first in range(0, len(account_ids), PAGE))
