"""Reverts: planned, shown and applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from modlog._domain.account import Status
from modlog._domain.events import (
    AccountErased,
    ActionRefused,
    Envelope,
)
from modlog._domain.reverts import reversal
from modlog._domain.selection import Scope, Selection, check_selection
from modlog._domain.values import shown
from modlog._errors import ConflictError, GuardrailError, IrreversibleError
from modlog._services.reverts.applying import Applying, First, Refusal, histories_of, portions
from modlog._services.reverts.plans import (
    Asked,
    RevertLine,
    RevertOutcome,
    RevertPlan,
    RevertProgress,
    line_of,
)
from modlog._services.work import Work
from modlog._storage.codec import canonical
from modlog._storage.reading import Reader
from modlog._storage.reverts import (
    Target,
    Targets,
)
from modlog._storage.selecting import up_to
from modlog._storage.spans import Moment, ids_of, standing_at

# Accounts in a transaction.
CHUNK: Final = 10_000


@define
class _Counts:
    """What a plan adds up to."""

    moves: Counter[tuple[Status, Status]] = field(factory=Counter)
    idle: int = 0
    unprotects: int = 0


@define(eq=False)
class Reverting:
    """What plans need of the ledger that made them."""

    work: Work

    # Planning

    def plan(self, selection: Selection, *, everything: bool) -> RevertPlan:
        """See `ModLog.plan_revert`."""
        check_selection(selection, everything=everything)
        with self.work.reader() as reader:
            head = reader.head().position
            counts = _Counts()
            targets = self._gathered(reader, selection, head)
            _check_reversible(targets)
            for some in targets.chunks(CHUNK):
                with self.work.snapshot_in(reader) as snapshot:
                    self._count(snapshot, some, head, counts)
            return RevertPlan(
                selection,
                head,
                targets.accounts(),
                targets.number,
                counts.idle,
                targets.irreversible,
                dict(counts.moves),
                counts.unprotects,
                self,
            )

    def _gathered(self, reader: Reader, selection: Selection, head: int) -> Targets:
        condition = reader.condition(selection)
        return Targets.gathered(reader.database, reader.session, condition, head)

    def _count(self, reader: Reader, some: Sequence[Target], head: int, counts: _Counts) -> None:
        at = self.work.present(reader)
        moment = Moment.of(Scope(up_to_position=head))
        streams = [target.stream for target in some]
        standing = standing_at(reader.database, reader.session, streams, moment)
        others: list[Target] = []
        for target in some:
            state = standing[target.stream]
            if not target.is_plain or not state.has(target.revertible):
                others.append(target)  # what does not stand may be reverted already
                continue
            before = state.status(at)
            state.forget(target.revertible)
            counts.moves[before, state.status(at)] += 1
        for target, history in histories_of(reader, others, up_to(head)):
            found = reversal(history, frozenset(target.versions))
            counts.moves[found.before.status(at), found.after.status(at)] += 1
            counts.idle += len(found.idle)
            counts.unprotects += found.unprotects

    # Showing

    def lines(self, plan: RevertPlan) -> Iterator[RevertLine]:
        """See `RevertPlan.lines`."""
        with self.work.reader() as reader:
            at = self.work.present(reader)
            targets = self._gathered(reader, plan.selection, plan.head)
        for some in portions(map(targets.of, range(len(targets)))):
            with self.work.reader() as reader:
                streams = {target.stream: target for target in some}
                ids = ids_of(reader.database, reader.session, list(streams))
                events = reader.events_of(list(ids.values()), up_to(plan.head))
            for stream, account_id in ids.items():
                yield line_of(account_id, events[account_id], streams[stream].versions, at)

    # Applying

    def revert(
        self, selection: Selection, asked: Asked, *, everything: bool = False
    ) -> RevertOutcome:
        """See `ModLog.revert`: the plan is made and applied, but nobody looks at it between."""
        check_selection(selection, everything=everything)
        with self._recording(asked.envelope) as refused, self.work.reader() as reader:
            head = reader.head().position
            targets = self._gathered(reader, selection, head)
            _check_reversible(targets)
            first = self._remember(reader, selection, head, asked.batch_id)
            if first.head != head:
                targets = self._gathered(reader, selection, first.head)
            return self._carried_out(reader, targets, first, asked, refused)

    def apply(self, plan: RevertPlan, asked: Asked) -> RevertOutcome:
        """See `RevertPlan.apply`."""
        with self._recording(asked.envelope) as refused, self.work.reader() as reader:
            first = self._remember(reader, plan.selection, plan.head, asked.batch_id)
            targets = self._gathered(reader, plan.selection, first.head)
            return self._carried_out(reader, targets, first, asked, refused)

    def _carried_out(
        self, reader: Reader, targets: Targets, first: First, asked: Asked, refused: list[Refusal]
    ) -> RevertOutcome:
        total = targets.accounts() if asked.progress else 0
        applying = Applying(self.work, reader, targets, asked, first, refused)
        for some in targets.chunks(CHUNK, applying.behind):
            with self.work.chunk_in(reader) as writer:
                applying.chunk(writer, some)
            if asked.progress:
                asked.progress(RevertProgress(done=applying.done, total=total))
        return RevertOutcome(
            batch_id=asked.batch_id,
            reverted=applying.reverted,
            already=applying.already,
            refused=tuple(account_id for account_id, _ in sorted(refused)),
            changed=tuple(applying.changed),
            targets=applying.named,
            irreversible=targets.irreversible,
        )

    @contextmanager
    def _recording(self, envelope: Envelope) -> Iterator[list[Refusal]]:
        """Record what the guardrails stop, when no transaction of the revert is open any more.

        Yields:
            a list for the accounts that are left out.
        """
        stopped: list[Refusal] = []
        refused: list[Refusal] = []
        try:
            yield refused
        except GuardrailError as error:
            stopped.append((str(envelope.actor.account_id), error.rule))
            raise
        finally:
            for account_id, rule in stopped + refused:
                if self.work.guardrails.enabled:
                    self.work.refused(account_id, ActionRefused("revert", rule), envelope)

    def _remember(self, reader: Reader, selection: Selection, head: int, batch_id: str) -> First:
        """Keep what the batch is to revert; what it was first asked with.

        Raises:
            ConflictError: the batch_id belongs to something else.
        """
        wanted = canonical(selection.as_dict()).decode()
        with self.work.chunk_in(reader) as writer:
            seen = writer.head.position
            known = writer.remembered_revert(batch_id)
            if known is None:
                writer.remember_revert(batch_id, head, wanted)
                return First(head, seen, is_new=True)
        head, remembered = known
        if remembered != wanted:
            raise ConflictError(
                f"the batch_id {shown(batch_id)} belongs to a revert of another selection: "
                "leave it out, or give the selection it was made for"
            )
        return First(head, seen, is_new=False)


def _check_reversible(targets: Targets) -> None:
    """Refuse to take back erasures and nothing else.

    Raises:
        IrreversibleError: there is nothing else, and an erasure is among them.
    """
    if not targets.number and AccountErased.TYPE in targets.irreversible:
        raise IrreversibleError(
            "an erasure cannot be reverted: the personal data is gone for good; "
            "select what came before it"
        )
