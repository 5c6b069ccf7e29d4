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

from modlog._domain.account import Account, AccountState, Status, account_at
from modlog._domain.events import (
    AccountErased,
    ActionRefused,
    Draft,
    Entry,
    Envelope,
    EventsReverted,
    RecordedEvent,
)
from modlog._domain.guardrails import OWN_ACCOUNT, UNPROTECT, Guardrails
from modlog._domain.reverts import Remark, Reversal, remarks, reversal, same_outcome
from modlog._domain.selection import Selection
from modlog._domain.values import checked_callable, checked_id, checked_truth, shown, to_micros
from modlog._errors import ConflictError, GuardrailError, InvalidInputError, IrreversibleError
from modlog._services.acting import envelope_for
from modlog._services.guarding import Intended, Refuse, check_actor, refusal
from modlog._storage.codec import canonical
from modlog._storage.reverts import Range, Targets, status_moves
from modlog._storage.selecting import EVERY_EVENT, Condition, up_to
from modlog._storage.store import Reader, Writer

# Accounts in a transaction, and accounts that are replayed at a time.
CHUNK: Final = 10_000
_REPLAYED_AT_ONCE: Final = 1_000

OnConflict = Literal["itemise", "raise"]
Progress = Callable[["RevertProgress"], object]

# An account that a guardrail leaves out, and the rule.
_Refusal = tuple[str, str]


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
        refused: accounts left alone by a guardrail: the actor's own, with a sanction to lift; and
            those whose protection would be lifted by an actor who may not unprotect them.
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
    unprotects: int = 0


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
        unprotects: how many accounts would lose their protection; those that who applies the
            plan may not unprotect are left alone.
    """

    selection: Selection
    head: int
    accounts: int
    targets: int
    idle: int
    irreversible: Mapping[str, int]
    moves: Mapping[tuple[Status, Status], int]
    unprotects: int
    _reverting: Reverting = field(repr=False)

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
        return self._reverting.apply(self, asked_for(batch_id, on_conflict, progress, given))


@frozen
class Asked:
    """How a revert is to be recorded, and what its caller wants to be told."""

    batch_id: str
    envelope: Envelope
    on_conflict: OnConflict
    progress: Progress | None


def asked_for(
    batch_id: str | None,
    on_conflict: OnConflict,
    progress: Progress | None,
    given: Mapping[str, Any],
) -> Asked:
    """What `RevertPlan.apply` and `ModLog.revert` are given, checked and completed."""
    if on_conflict not in ("itemise", "raise"):
        raise InvalidInputError(f"on_conflict must be itemise or raise, not {shown(on_conflict)}")
    batch = f"revert-{uuid4().hex}" if batch_id is None else checked_id(batch_id, "batch_id")
    envelope = replaced(envelope_for("revert", given), batch_id=batch)
    return Asked(batch, envelope, on_conflict, checked_callable(progress, "progress"))


@define(eq=False)
class Reverting:
    """What plans need of the ledger that made them."""

    _working: Callable[[], AbstractContextManager[Reader]]
    _writing: Callable[[Reader], AbstractContextManager[Writer]]
    _series: Callable[[Reader, int], AbstractContextManager[None]]
    _snapshot: Callable[[Reader], AbstractContextManager[Reader]]
    _now: Callable[[Reader], datetime]
    _refuse: Refuse | None  # where guardrails hold
    guardrails: Guardrails

    @property
    def refuses(self) -> bool:
        """Whether guardrails hold."""
        return self._refuse is not None

    # Planning

    def plan(self, selection: Selection, *, everything: bool) -> RevertPlan:
        """See `ModLog.plan_revert`."""
        check_selection(selection, everything=everything)
        with self._working() as reader:
            head = reader.head().position
            counts = _Counts()
            with self._gathered(reader, selection, head, to_look=True) as targets:
                irreversible = _checked_irreversible(targets)
                for within in targets.ranges(CHUNK):
                    with self._snapshot(reader) as snapshot:
                        self._count(snapshot, targets, within, counts)
                return RevertPlan(
                    selection,
                    head,
                    targets.accounts(),
                    targets.number,
                    counts.idle,
                    irreversible,
                    dict(counts.moves),
                    counts.unprotects,
                    self,
                )

    @contextmanager
    def _gathered(
        self, reader: Reader, selection: Selection, head: int, *, to_look: bool = False
    ) -> Iterator[Targets]:
        database = reader.store.database
        in_steps = to_look or not database.writes_at_once
        targets = Targets(database, reader.session, head, in_steps)
        targets.gather(reader.condition(selection))
        try:
            yield targets
        finally:
            targets.drop()

    def _count(self, reader: Reader, targets: Targets, within: Range, counts: _Counts) -> None:
        at = self._now(reader)
        newer = reader.head().position > targets.head
        regular, _ = targets.choose_regular(within, newer=newer)
        if regular:
            for before, then, number in status_moves(targets.statuses(to_micros(at))):
                counts.moves[before, then] += number
        if regular < within.accounts:
            for found in self._reversals(reader, targets, within, up_to(targets.head)):
                counts.moves[found.before.status(at), found.after.status(at)] += 1
                counts.idle += len(found.idle)
                counts.unprotects += found.unprotects

    def _reversals(
        self, reader: Reader, targets: Targets, within: Range, condition: Condition
    ) -> Iterator[Reversal]:
        """What the plain replay says of the accounts in a range that are not regular."""
        irregular = targets.not_chosen(within)
        selected = targets.all_in(within) if irregular else {}
        for some in _portions(irregular):
            for account_id, history in reader.histories(some, condition).items():
                yield reversal(history, frozenset(selected[account_id]))

    # Showing

    def lines(self, plan: RevertPlan) -> Iterator[RevertLine]:
        """See `RevertPlan.lines`."""
        with self._working() as reader:
            at = self._now(reader)
            with self._gathered(reader, plan.selection, plan.head) as targets:
                for within in targets.ranges(_REPLAYED_AT_ONCE):
                    selected = targets.all_in(within)
                    events = reader.events_of(list(selected), up_to(plan.head))
                    for account_id, history in events.items():
                        yield _line(account_id, history, selected[account_id], at)

    # Applying

    def revert(
        self, selection: Selection, asked: Asked, *, everything: bool = False
    ) -> RevertOutcome:
        """See `ModLog.revert`: the plan is made and applied, but nobody looks at it between."""
        check_selection(selection, everything=everything)
        with self._recording(asked.envelope) as refused, self._working() as reader:
            head = reader.head().position
            with self._gathered(reader, selection, head) as targets:
                _checked_irreversible(targets)
                first = self._remember(reader, selection, head, asked.batch_id)
                if first.head == head:
                    return self._carried_out(reader, targets, first, asked, refused)
            with self._gathered(reader, selection, first.head) as targets:
                return self._carried_out(reader, targets, first, asked, refused)

    def apply(self, plan: RevertPlan, asked: Asked) -> RevertOutcome:
        """See `RevertPlan.apply`."""
        with self._recording(asked.envelope) as refused, self._working() as reader:
            first = self._remember(reader, plan.selection, plan.head, asked.batch_id)
            with self._gathered(reader, plan.selection, first.head) as targets:
                return self._carried_out(reader, targets, first, asked, refused)

    def _carried_out(
        self, reader: Reader, targets: Targets, first: _First, asked: Asked, refused: list[_Refusal]
    ) -> RevertOutcome:
        total = targets.accounts() if asked.progress else 0
        irreversible = targets.irreversible()
        already = 0 if first.is_new else targets.leave_out_batch(asked.batch_id, 0, first.seen)
        applying = _Applying(self, reader, targets, asked, first.seen, already, refused)
        with self._series(reader, targets.number):
            for within in targets.ranges(CHUNK):
                with self._writing(reader) as writer:
                    if self._refuse:
                        applying.check_own(writer, within)
                    applying.chunk(writer, within)
                if asked.progress:
                    asked.progress(RevertProgress(done=applying.done, total=total))
        return RevertOutcome(
            batch_id=asked.batch_id,
            reverted=applying.reverted,
            already=applying.already,
            refused=tuple(account_id for account_id, _ in sorted(refused)),
            changed=tuple(applying.changed),
            targets=applying.named,
            irreversible=irreversible,
        )

    @contextmanager
    def _recording(self, envelope: Envelope) -> Iterator[list[_Refusal]]:
        """Record what the guardrails stop, when no transaction of the revert is open any more.

        Yields:
            a list for the accounts that are left out.
        """
        stopped: list[_Refusal] = []
        refused: list[_Refusal] = []
        try:
            yield refused
        except GuardrailError as error:
            stopped.append((str(envelope.actor.account_id), error.rule))
            raise
        finally:
            for account_id, rule in stopped + refused:
                if self._refuse:
                    self._refuse(account_id, ActionRefused("revert", rule), envelope)

    def _remember(self, reader: Reader, selection: Selection, head: int, batch_id: str) -> _First:
        """Keep what the batch is to revert; what it was first asked with.

        Raises:
            ConflictError: the batch_id belongs to something else.
        """
        wanted = canonical(selection.data()).decode()
        with self._writing(reader) as writer:
            seen = writer.head.position
            known = writer.remembered_revert(batch_id)
            if known is None:
                writer.remember_revert(batch_id, head, wanted)
                return _First(head, seen, is_new=True)
        head, remembered = known
        if remembered != wanted:
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to a revert of another selection: "
                "leave it out, or give the selection it was made for"
            )
        return _First(head, seen, is_new=False)


def _checked_irreversible(targets: Targets) -> dict[str, int]:
    """The selected events that no revert can name.

    Raises:
        IrreversibleError: there is nothing else, and an erasure is among them.
    """
    irreversible = targets.irreversible()
    if not targets.number and AccountErased.TYPE in irreversible:
        raise IrreversibleError(
            "an erasure cannot be reverted: the personal data is gone for good; "
            "select what came before it"
        )
    return irreversible


@frozen
class _First:
    """What is known of a batch when a revert begins or goes on.

    Attributes:
        head: the last position that counts as selected, from when it was first asked for.
        seen: the position up to which its own events can be known.
        is_new: whether it has none.
    """

    head: int
    seen: int
    is_new: bool


@define
class _Applying:
    """A revert that is under way.

    Attributes:
        seen: the position up to which the batch's own events are known; those between the head
            of the targets and it are its own and nobody else's, as long as `alone` is true.
        already: accounts that another call under the same batch_id has done.
        refused: accounts that a guardrail left out.
    """

    reverting: Reverting
    reader: Reader
    targets: Targets
    asked: Asked
    seen: int
    already: int
    refused: list[_Refusal]
    reverted: int = 0
    named: int = 0
    changed: list[str] = field(factory=list)
    alone: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.alone = self.seen == self.targets.head

    @property
    def done(self) -> int:
        """Accounts that are through."""
        return self.already + self.reverted + len(self.refused) + len(self.changed)

    def check_own(self, writer: Writer, within: Range) -> None:
        """Nobody lifts a sanction on an account of their own, or acts while it has one."""
        actor = self.asked.envelope.actor
        check_actor(self.reader, actor, writer.instant)
        own = actor.account_id
        versions = self.targets.of(own) if own and within.after < own <= within.last else []
        if own and versions:
            history = self.reader.histories([own], EVERY_EVENT)[own]
            found = reversal(history, frozenset(versions))
            if found.before.sanctions.keys() - found.after.sanctions.keys():
                self.targets.leave_out(own)
                self.refused.append((own, OWN_ACCOUNT))

    def chunk(self, writer: Writer, within: Range) -> None:
        """Revert the accounts of a range."""
        # Only under the append lock is it certain that nobody else does the same at once.
        if writer.head.position > self.seen:
            self.already += self.targets.leave_out_batch(
                self.asked.batch_id, self.seen, writer.head.position
            )
            self.alone = False
        before = writer.head.position
        number, named = self.targets.revert_regular(
            writer, within, self.asked.envelope, newer=not self.alone
        )
        self.reverted += number
        self.named += named
        if number < within.accounts:
            self._replay(writer, within, self.targets.not_reverted(within, before))
        self.seen = writer.head.position

    def _replay(self, writer: Writer, within: Range, irregular: Sequence[str]) -> None:
        """Revert the accounts of a range that are not regular."""
        if irregular:
            selected = self.targets.all_in(within)
            newer = self.targets.first_newer(within)
            for some in _portions(irregular):
                self._replayed(writer, some, selected, newer)

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
            if rule := self._refusal_of(account_id, found, writer.instant):
                self.refused.append((account_id, rule))
                continue
            envelope = self.asked.envelope
            draft = Draft(
                account_id, found.before.version + 1, EventsReverted(found.targets), envelope
            )
            drafts.append(draft)
            found.after.latest = found.before.latest
            found.after.see(draft.version, envelope.occurred_at or writer.instant)
            states[account_id] = (found.before, found.after)
            self.named += len(found.targets)
        if drafts:
            writer.append(drafts, states)
        self.reverted += len(drafts)

    def _refusal_of(self, account_id: str, found: Reversal, at: datetime) -> str | None:
        """Which rule keeps the actor from unprotecting an account that this would unprotect."""
        if not (self.reverting.refuses and found.unprotects):
            return None
        intended = Intended(
            account_id=account_id,
            state=found.before,
            action=UNPROTECT,
            actor=self.asked.envelope.actor,
            at=at,
        )
        return refusal(self.reverting.guardrails, self.reader, intended)

    def _set_aside(self, account_id: str) -> None:
        if self.asked.on_conflict == "raise":
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
    if selection.is_everything and not checked_truth(everything, "everything"):
        raise InvalidInputError(
            "Selection() means every event of the ledger: say everything=True if that is meant"
        )
