"""A revert that is under way, chunk by chunk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from attrs import define, field, frozen

from modlog._domain.account import AccountState
from modlog._domain.effects import FACETS, Facet
from modlog._domain.events import (
    Draft,
    Entry,
    EventsReverted,
)
from modlog._domain.guardrails import OWN_ACCOUNT, UNPROTECT
from modlog._domain.reverts import Reversal, reversal, same_outcome
from modlog._domain.values import shown
from modlog._errors import ConflictError
from modlog._services.guarding import Intended, check_actor, refusal
from modlog._services.reverts.plans import Asked
from modlog._services.work import Work
from modlog._storage.reading import Reader
from modlog._storage.replays import by_stream, entry_from, rows_of
from modlog._storage.reverts import (
    Plain,
    Target,
    Targets,
    changed_since,
    first_newer,
    revert_plain,
    reverted_by,
    reverts_of_reverts,
    told_by_spans,
)
from modlog._storage.selecting import EVERY_EVENT, Condition
from modlog._storage.spans import ids_of
from modlog._storage.writing import Step, Writer

# Accounts that are replayed at a time.
REPLAYED_AT_ONCE: Final = 1_000
# Up to so many plain reverts cost less one by one than the tables in which sets are told.
FEW: Final = 50

# An account that a guardrail leaves out, and the rule.
Refusal = tuple[str, str]


@frozen
class First:
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
class Applying:
    """A revert that is under way.

    Attributes:
        refused: accounts that a guardrail left out.
        already: accounts that another call under the same batch_id has done.
        reverted: accounts that are reverted.
        named: events that their reverts name.
        changed: accounts whose newer events lead elsewhere than the plan showed.
        behind: the streams of accounts that were done when this call began.
    """

    work: Work
    reader: Reader
    targets: Targets
    asked: Asked
    first: First
    refused: list[Refusal]
    already: int = 0
    reverted: int = 0
    named: int = 0
    changed: list[str] = field(factory=list)
    behind: frozenset[int] = frozenset()
    _done: set[int] = field(factory=set)
    _seen: int = field(init=False)
    _alone: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Events between the head of the targets and what is seen are the batch's own and
        # nobody else's, as long as it is alone.
        self._seen = self.first.seen
        self._alone = self._seen == self.targets.head
        if not self.first.is_new:
            self.behind = frozenset(self._done_between(0, self._seen))
            self.already = self.targets.accounts() - self.targets.accounts(self.behind)

    def _done_between(self, after: int, up_to_position: int) -> set[int]:
        return reverted_by(
            self.reader.database,
            self.reader.session,
            self.asked.batch_id,
            after,
            up_to_position,
        )

    @property
    def done(self) -> int:
        """Accounts that are through."""
        return self.already + self.reverted + len(self.refused) + len(self.changed)

    def chunk(self, writer: Writer, some: Sequence[Target]) -> None:
        """Revert these accounts."""
        actor = self.asked.envelope.actor
        if self.work.guardrails.enabled:
            check_actor(self.reader, actor, writer.instant)
        # Only under the append lock is it certain that nobody else does the same at once.
        if writer.head.position > self._seen:
            self._done |= self._done_between(self._seen, writer.head.position)
            self._alone = False
        left = [target for target in some if target.stream not in self._done]
        self.already += len(some) - len(left)
        left = self._without_own(left)
        newer: set[int] = set()
        if not self._alone:
            streams = [target.stream for target in left]
            newer = changed_since(
                self.reader.database, self.reader.session, streams, self.targets.head
            )
        plain = [one for one in left if one.is_plain and one.stream not in newer]
        if len(plain) > FEW:
            revert_plain(writer, plain, self.asked.envelope)
            self.reverted += len(plain)
            self.named += sum(len(target.revertible) for target in plain)
            left = [one for one in left if not one.is_plain or one.stream in newer]
        for portion in portions(left):
            through = self._told(writer, [one for one in portion if one.stream not in newer])
            if others := [one for one in portion if one.stream not in through]:
                self._replayed(writer, others)
        self._seen = writer.head.position

    def _told(self, writer: Writer, some: Sequence[Target]) -> set[int]:
        """Revert those of these accounts, without newer events, of which spans tell enough.

        Returns:
            their streams.
        """
        database, session = self.reader.database, self.reader.session
        plain = [Plain(one, one.revertible) for one in some if one.is_plain]
        if reverts := [one for one in some if one.is_revert]:
            plain += reverts_of_reverts(database, session, reverts)
        if not plain:
            return set()
        ids = ids_of(database, session, [one.target.stream for one in plain])
        # The platform's own rules may ask for whatever stands.
        facets: Sequence[Facet] = FACETS if self.work.guardrails.rules else ("protection",)
        states = writer.states(list(ids.values()), facets)
        steps: list[Step] = []
        for one, told in told_by_spans(database, session, plain):
            account_id = ids[one.target.stream]
            before = states[account_id]
            before.stand(told.ended)
            after = before.copy()
            after.forget(told.ended)
            after.stand(told.begun)
            steps += self._step(writer, account_id, before, after, one.target.revertible)
        self._write(writer, steps)
        return {one.target.stream for one in plain}

    def _step(
        self,
        writer: Writer,
        account_id: str,
        before: AccountState,
        after: AccountState,
        targets: Collection[int],
    ) -> list[Step]:
        """The revert of an account that leads from one state to the other, whatever its version.

        None if a guardrail is against it.
        """
        if rule := self._refusal_of(account_id, before, after, writer.instant):
            self.refused.append((account_id, rule))
            return []
        event, envelope = EventsReverted(targets), self.asked.envelope
        draft = Draft(account_id, before.version + 1, event, envelope)
        after.version, after.latest = before.version, before.latest
        after.in_order = before.in_order
        after.see(draft.version, envelope.occurred_at or writer.instant, event.TYPE)
        self.named += len(targets)
        return [(draft, before, after)]

    def _write(self, writer: Writer, steps: Sequence[Step]) -> None:
        if steps:
            writer.append(steps)
        self.reverted += len(steps)

    def _without_own(self, some: list[Target]) -> list[Target]:
        """Nobody lifts a sanction on an account of their own."""
        own = self.asked.envelope.actor.account_id if self.work.guardrails.enabled else None
        stream = None if own is None else self.reader.stream("account", own)
        targets = [target for target in some if target.stream == stream]
        for target, history in histories_of(self.reader, targets, EVERY_EVENT):
            found = reversal(history, frozenset(target.versions))
            if found.before.sanctions.keys() - found.after.sanctions.keys():
                self.refused.append((str(own), OWN_ACCOUNT))
                return [one for one in some if one.stream != stream]
        return some

    def _replayed(self, writer: Writer, some: Sequence[Target]) -> None:
        """Revert accounts of which more has to be known than what stands."""
        database, session = self.reader.database, self.reader.session
        streams = [target.stream for target in some]
        newer = first_newer(database, session, streams, self.targets.head)
        ids = ids_of(database, session, streams)
        steps: list[Step] = []
        for target, history in histories_of(self.reader, some, EVERY_EVENT):
            account_id, versions = ids[target.stream], frozenset(target.versions)
            found = reversal(history, versions)
            first = newer.get(target.stream)
            if first is not None and not _as_shown(history, first, versions, found):
                self._set_aside(account_id)
                continue
            writer.streams[account_id] = target.stream
            steps += self._step(writer, account_id, found.before, found.after, found.targets)
        self._write(writer, steps)

    def _refusal_of(
        self, account_id: str, before: AccountState, after: AccountState, at: datetime
    ) -> str | None:
        """Which rule keeps the actor from unprotecting an account that this would unprotect."""
        if not (self.work.guardrails.enabled and before.protected and not after.protected):
            return None
        intended = Intended(
            account_id=account_id,
            state=before,
            action=UNPROTECT,
            actor=self.asked.envelope.actor,
            at=at,
        )
        return refusal(self.work.guardrails, self.reader, intended)

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


def portions(targets: Iterable[Target]) -> Iterator[list[Target]]:
    targets = iter(targets)
    while some := list(islice(targets, REPLAYED_AT_ONCE)):
        yield some


def histories_of(
    reader: Reader, some: Sequence[Target], condition: Condition
) -> Iterator[tuple[Target, list[Entry]]]:
    """The events of accounts for which a condition holds, as a fold needs them."""
    for portion in portions(some):
        streams = [target.stream for target in portion]
        rows = rows_of(reader.database, reader.session, streams, condition)
        found = by_stream(rows)
        for target in portion:
            yield target, [entry_from(row) for row in found[target.stream]]
