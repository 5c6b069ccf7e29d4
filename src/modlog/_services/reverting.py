"""Taking changes back: a plan that shows what would come of it, and its application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Final, Literal
from uuid import uuid4

from attrs import define, field, frozen
from attrs import evolve as replaced

from modlog._errors import ConflictError, GuardrailError, InvalidInputError, IrreversibleError
from modlog._ground.account import Account, AccountState, Status, account_at
from modlog._ground.events import (
    AccountErased,
    ActionRefused,
    Draft,
    Entry,
    Envelope,
    EventsReverted,
    RecordedEvent,
)
from modlog._ground.guardrails import OWN_ACCOUNT
from modlog._ground.reversal import Remark, Reversal, remarks, reversal, same_outcome
from modlog._ground.selection import Selection
from modlog._ground.values import checked_id, shown, to_micros
from modlog._services.acting import envelope_for
from modlog._services.guarding import Refuse, check_actor
from modlog._storage.codec import canonical
from modlog._storage.reverting import Targets, status_moves
from modlog._storage.selecting import EVERY_EVENT, Condition, up_to
from modlog._storage.store import Reader, Writer

# Accounts in a transaction, and accounts that are replayed at a time.
CHUNK: Final = 10_000
_REPLAYED_AT_ONCE: Final = 1_000

OnConflict = Literal["itemise", "raise"]
Progress = Callable[["RevertProgress"], object]


@frozen(kw_only=True)
class RevertProgress:
    """How far a revert has come.

    Attributes:
        done: accounts that are through.
        total: accounts that have targets.
    """

    done: int
    total: int


@frozen(kw_only=True)
class RevertLine:
    """What a revert does to one account.

    Attributes:
        account_id: the account.
        before: the account as it was when the plan was made.
        after: the account as it would be.
        targets: versions of the selected events that the revert names.
        idle: those of them that did not count anyway, because they were reverted before.
        irreversible: selected events that no revert can name, by version and type.
        standing: the events whose sanctions still stand afterwards: by whom, why, which batch.
        remarks: what lies outside the ledger, for the platform to act on.
    """

    account_id: str
    before: Account
    after: Account
    targets: tuple[int, ...]
    idle: tuple[int, ...]
    irreversible: tuple[tuple[int, str], ...]
    standing: tuple[RecordedEvent, ...]
    remarks: tuple[Remark, ...]


@frozen(kw_only=True)
class RevertOutcome:
    """What a revert did.

    Attributes:
        batch_id: its own; reverting that batch takes the revert back.
        reverted: accounts whose events were reverted, by this call.
        already: accounts that an earlier call under the same batch_id had done.
        refused: accounts left alone by a guardrail: the actor's own, with a sanction to lift.
        changed: accounts left alone, because newer events lead elsewhere than the plan showed.
        targets: events that were reverted, by this call.
        irreversible: selected events that no revert can name: type → number.
    """

    batch_id: str
    reverted: int
    already: int
    refused: tuple[str, ...]
    changed: tuple[str, ...]
    targets: int
    irreversible: Mapping[str, int]


@define
class _Counts:
    """What a plan adds up to."""

    moves: Counter[tuple[Status, Status]] = field(factory=Counter)
    idle: int = 0


@define(eq=False)
class RevertPlan:
    """What reverting a selection would come to. It writes nothing until `apply`.

    A plan means the selection as of the head it remembers: later events never join it.

    Attributes:
        selection: the events to be taken back.
        head: the last position that the plan saw.
        accounts: how many accounts have events to be reverted.
        targets: how many events would be reverted.
        idle: how many of those do not count anyway, because they are reverted already.
        irreversible: selected events that no revert can name: type → number.
        moves: how many accounts go from which status to which.
    """

    selection: Selection
    head: int
    accounts: int
    targets: int
    idle: int
    irreversible: Mapping[str, int]
    moves: Mapping[tuple[Status, Status], int]
    _reverting: Reverting

    @property
    def before(self) -> Mapping[Status, int]:
        """How many of the accounts have each status, zeros included."""
        return self._statuses(0)

    @property
    def after(self) -> Mapping[Status, int]:
        """How many of the accounts would have each status, zeros included."""
        return self._statuses(1)

    def _statuses(self, side: int) -> Mapping[Status, int]:
        counts: Counter[Status] = Counter()
        for move, number in self.moves.items():
            counts[move[side]] += number
        return {status: counts[status] for status in Status}

    def lines(self) -> Iterator[RevertLine]:
        """Every account that the selection touches, in the order of ids, streaming."""
        return self._reverting.lines(self)

    def apply(
        self,
        *,
        batch_id: str | None = None,
        on_conflict: OnConflict = "itemise",
        progress: Progress | None = None,
        **given: Any,
    ) -> RevertOutcome:
        """Take the events back, 10,000 accounts a transaction.

        An account that has newer events is reverted if that still leads to what the plan
        showed; else it is left alone and itemised as changed.

        Args:
            batch_id: the revert's own; a new one is made if left out. After a crash, applying
                a plan of the same selection under the same batch_id goes on where it stopped.
            on_conflict: "raise" instead of itemising; the chunk is then not written.
            progress: called after each transaction with a `RevertProgress`.
            **given: reason (due), actor, policy, occurred_at, correlation_id, confidence; what
                is not given comes from `acting`.

        Raises:
            ConflictError: the batch_id belongs to something else; or, with on_conflict="raise",
                an account has changed.
            MissingReasonError, MissingActorError: a revert tells who and why.
            GuardrailError: the actor's own account is suspended or deleted.
        """
        if on_conflict not in ("itemise", "raise"):
            raise InvalidInputError(
                f"on_conflict must be itemise or raise, not {shown(on_conflict)}"
            )
        return self._reverting.apply(self, batch_id, on_conflict, progress, given)


@define(eq=False)
class Reverting:
    """What plans need of the ledger that made them."""

    _working: Callable[[], AbstractContextManager[Reader]]
    _writing: Callable[[Reader], AbstractContextManager[Writer]]
    _snapshot: Callable[[Reader], AbstractContextManager[Reader]]
    _now: Callable[[Reader], datetime]
    _refuse: Refuse | None  # where guardrails hold

    # Planning

    def plan(self, selection: Selection, *, everything: bool) -> RevertPlan:
        """See `ModLog.plan_revert`."""
        check_selection(selection, everything=everything)
        with self._working() as reader:
            head = reader.head().position
            counts = _Counts()
            with self._gathered(reader, selection, head) as targets:
                accounts, number, others = targets.totals()
                irreversible = targets.irreversible() if others else {}
                for after, last in targets.bounds(CHUNK):
                    with self._snapshot(reader) as snapshot:
                        self._count(snapshot, targets, after, last, counts)
        if not number and AccountErased.TYPE in irreversible:
            raise IrreversibleError(
                "an erasure cannot be reverted: the personal data is gone for good; "
                "select what came before it"
            )
        return RevertPlan(
            selection,
            head,
            accounts,
            number,
            counts.idle,
            irreversible,
            dict(counts.moves),
            self,
        )

    @contextmanager
    def _gathered(self, reader: Reader, selection: Selection, head: int) -> Iterator[Targets]:
        targets = Targets(reader.store.database, reader.session, head)
        targets.gather(reader.condition(selection))
        try:
            yield targets
        finally:
            targets.drop()

    def _count(
        self, reader: Reader, targets: Targets, after: str, last: str, counts: _Counts
    ) -> None:
        at = self._now(reader)
        if targets.choose_regular(after, last):
            for before, then, number in status_moves(targets.statuses(to_micros(at))):
                counts.moves[before, then] += number
        for _, found in self._reversals(reader, targets, after, last, up_to(targets.head)):
            counts.moves[found.before.status(at), found.after.status(at)] += 1
            counts.idle += len(found.idle)

    def _reversals(
        self, reader: Reader, targets: Targets, after: str, last: str, condition: Condition
    ) -> Iterator[tuple[str, Reversal]]:
        """What the plain replay says of the accounts in a range that are not regular."""
        irregular = targets.irregular(after, last)
        selected = targets.all_in(after, last) if irregular else {}
        for some in _portions(irregular):
            for account_id, history in reader.histories(some, condition).items():
                yield account_id, reversal(history, frozenset(selected[account_id]))

    # Showing

    def lines(self, plan: RevertPlan) -> Iterator[RevertLine]:
        """See `RevertPlan.lines`."""
        with self._working() as reader:
            at = self._now(reader)
            with self._gathered(reader, plan.selection, plan.head) as targets:
                for after, last in targets.bounds(_REPLAYED_AT_ONCE):
                    selected = targets.all_in(after, last)
                    events = reader.events_of(list(selected), up_to(plan.head))
                    for account_id, history in events.items():
                        yield _line(account_id, history, selected[account_id], at)

    # Applying

    def apply(
        self,
        plan: RevertPlan,
        batch_id: str | None,
        on_conflict: OnConflict,
        progress: Progress | None,
        given: Mapping[str, Any],
    ) -> RevertOutcome:
        """See `RevertPlan.apply`."""
        batch = f"revert-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
        envelope = replaced(envelope_for("revert", given), batch_id=batch)
        with self._recording(envelope) as refused, self._working() as reader:
            head = self._remember(reader, plan, batch)
            with self._gathered(reader, plan.selection, head) as targets:
                total, _, others = targets.totals()
                irreversible = targets.irreversible() if others else {}
                seen = reader.head().position
                already = targets.leave_out_batch(batch)
                applying = _Applying(
                    self, reader, targets, envelope, on_conflict, batch, seen, already, refused
                )
                for after, last in targets.bounds(CHUNK):
                    with self._writing(reader) as writer:
                        if self._refuse:
                            applying.check_own(writer, after, last)
                        applying.chunk(writer, after, last)
                    if progress:
                        progress(RevertProgress(done=applying.done, total=total))
        return RevertOutcome(
            batch_id=batch,
            reverted=applying.reverted,
            already=applying.already,
            refused=tuple(refused),
            changed=tuple(applying.changed),
            targets=applying.named,
            irreversible=irreversible,
        )

    @contextmanager
    def _recording(self, envelope: Envelope) -> Iterator[list[str]]:
        """Record what the guardrails stop, when no transaction of the revert is open any more.

        Yields:
            a list for the accounts that are left out.
        """
        stopped: list[tuple[str, str]] = []
        refused: list[str] = []
        try:
            yield refused
        except GuardrailError as error:
            stopped.append((str(envelope.actor.account_id), error.rule))
            raise
        finally:
            stopped += [(account_id, OWN_ACCOUNT) for account_id in refused]
            for account_id, rule in stopped:
                if self._refuse:
                    self._refuse(account_id, ActionRefused("revert", rule), envelope)

    def _remember(self, reader: Reader, plan: RevertPlan, batch_id: str) -> int:
        """Keep what the batch is to revert; the head that it was first asked with.

        Raises:
            ConflictError: the batch_id belongs to something else.
        """
        wanted = canonical(plan.selection.data()).decode()
        with self._writing(reader) as writer:
            known = writer.remembered_revert(batch_id)
            if known is None:
                writer.remember_revert(batch_id, plan.head, wanted)
                return plan.head
        head, selection = known
        if selection != wanted:
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to a revert of another selection: "
                "leave it out, or give the selection it was made for"
            )
        return head


@define
class _Applying:
    """A revert that is under way.

    Attributes:
        seen: the position up to which the batch's own events are known.
        already: accounts that another call under the same batch_id has done.
        refused: accounts that a guardrail left out.
    """

    reverting: Reverting
    reader: Reader
    targets: Targets
    envelope: Envelope
    on_conflict: OnConflict
    batch_id: str
    seen: int
    already: int
    refused: list[str]
    reverted: int = 0
    named: int = 0
    changed: list[str] = field(factory=list)

    @property
    def done(self) -> int:
        """Accounts that are through."""
        return self.already + self.reverted + len(self.refused) + len(self.changed)

    def check_own(self, writer: Writer, after: str, last: str) -> None:
        """Nobody lifts a sanction on an account of their own, or acts while it has one."""
        check_actor(self.reader, self.envelope.actor, writer.instant)
        own = self.envelope.actor.account_id
        versions = self.targets.of(own) if own and after < own <= last else []
        if own and versions:
            history = self.reader.histories([own], EVERY_EVENT)[own]
            found = reversal(history, frozenset(versions))
            if found.before.sanctions.keys() - found.after.sanctions.keys():
                self.targets.leave_out(own)
                self.refused.append(own)

    def chunk(self, writer: Writer, after: str, last: str) -> None:
        """Revert the accounts of a range."""
        # Only under the append lock is it certain that nobody else does the same at once.
        if writer.head.position > self.seen:
            self.already += self.targets.leave_out_batch(self.batch_id, self.seen)
        number = self.targets.choose_regular(after, last)
        if number:
            self.named += self.targets.named_by_chunk()
            self.targets.write_regular(writer, self.envelope, number)
            self.reverted += number
        irregular = self.targets.irregular(after, last)
        if irregular:
            selected = self.targets.all_in(after, last)
            newer = self.targets.first_newer(after, last)
            for some in _portions(irregular):
                self._replayed(writer, some, selected, newer)
        self.seen = writer.head.position

    def _replayed(
        self,
        writer: Writer,
        account_ids: Sequence[str],
        selected: Mapping[str, Sequence[int]],
        newer: Mapping[str, int],
    ) -> None:
        drafts: list[Draft] = []
        states: dict[str, tuple[AccountState, AccountState]] = {}
        for account_id, history in self.reader.histories(account_ids, EVERY_EVENT).items():
            versions = frozenset(selected[account_id])
            found = reversal(history, versions)
            if account_id in newer and not _as_shown(history, newer[account_id], versions, found):
                self._set_aside(account_id)
                continue
            draft = Draft(
                account_id, found.before.version + 1, EventsReverted(found.targets), self.envelope
            )
            drafts.append(draft)
            found.after.latest = found.before.latest
            found.after.see(draft.version, self.envelope.occurred_at or writer.instant)
            states[account_id] = (found.before, found.after)
            self.named += len(found.targets)
        if drafts:
            writer.append(drafts, states)
        self.reverted += len(drafts)

    def _set_aside(self, account_id: str) -> None:
        if self.on_conflict == "raise":
            raise ConflictError(
                f"account {shown(account_id)} has events that are newer than the plan and lead "
                "to another outcome than it showed; nothing of this chunk was written: plan again, "
                "and apply that under another batch_id"
            )
        self.changed.append(account_id)


def _as_shown(
    history: Sequence[Entry], newer: int, versions: frozenset[int], found: Reversal
) -> bool:
    """Whether the outcome is the one that the plan, which saw less of the history, showed."""
    seen = [entry for entry in history if entry.version < newer]
    return same_outcome(reversal(seen, versions).after, found.after)


def _line(
    account_id: str, history: Sequence[RecordedEvent], versions: Sequence[int], at: datetime
) -> RevertLine:
    found = reversal(history, frozenset(versions))
    before = account_at(account_id, found.before, at)
    after = replaced(account_at(account_id, found.after, at), version=before.version)
    return RevertLine(
        account_id=account_id,
        before=before,
        after=after,
        targets=found.targets,
        idle=found.idle,
        irreversible=found.irreversible,
        standing=tuple(event for event in history if event.version in after.sanctions),
        remarks=remarks(before, after),
    )


def _portions(account_ids: Iterable[str]) -> Iterator[list[str]]:
    ids = iter(account_ids)
    while some := list(islice(ids, _REPLAYED_AT_ONCE)):
        yield some


def check_selection(selection: object, *, everything: bool) -> None:
    """Refuse what no revert or sweep may mean.

    Raises:
        InvalidInputError: no selection, or one of all events without `everything=True`.
    """
    if not isinstance(selection, Selection):
        raise InvalidInputError(f"a revert takes a Selection, not {shown(selection)}")
    if selection.is_everything and not everything:
        raise InvalidInputError(
            "Selection() means every event of the ledger: say everything=True if that is meant"
        )
