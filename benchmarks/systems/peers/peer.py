"""What all peers have in common: how they are filled, timed and checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final

from benchmarks.places import Place
from benchmarks.systems.peers.account import facts
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import (
    ACTORS,
    FILLED_AT_ONCE,
    TIMES_EACH_ACTOR,
    Mixed,
    Population,
    Record,
    account_ids,
    asked_accounts,
    blocks,
    earlier,
    window_start,
)

MODERATOR: Final = "moderator-1"
SWEEP: Final = "clean-up"
UNDO: Final = "undo of the clean-up"
_AT: Final = "2024-06-01T00:00:00+00:00"
_ACTOR: Final = {"id": MODERATOR}
_REASON: Final = "against the rules"
# Who and why of what is done to many accounts: a creation, the sweep, its undo.
CREATION: Final[Record] = {"do": "create", "at": _AT, "actor": _ACTOR}
DELETION: Final[Record] = {
    "do": "delete", "at": _AT, "actor": _ACTOR, "reason": _REASON, "batch": SWEEP
}  # fmt: skip
REVERSAL: Final[Record] = {
    "do": "undo", "at": _AT, "actor": _ACTOR, "reason": "a mistake", "batch": UNDO
}  # fmt: skip


class Peer(ABC):
    """A system that keeps versions of rows; who, why and which batch come along with each.

    Attributes:
        by_hand: operations that it has not, so that this is what its user would write.
    """

    by_hand: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, place: Place) -> None: ...

    # What each peer does in its own way

    @abstractmethod
    def durability(self) -> str: ...

    @abstractmethod
    def _create(self, creations: Iterable[Record]) -> None:
        """All at once, in one transaction."""

    @abstractmethod
    def _mark(self, records: Sequence[Record]) -> None:
        """The same act on many accounts, in one transaction."""

    @abstractmethod
    def _act(self, record: Record) -> None:
        """One act, in a transaction of its own if none is open."""

    @abstractmethod
    def _delete(self, ids: Sequence[str]) -> None:
        """The sweep."""

    @abstractmethod
    def _undo(self) -> None:
        """Every account of the sweep is as it was before."""

    @abstractmethod
    def _moment(self, number: int) -> Any:
        """When the act of that number took place, counted from 1."""

    @abstractmethod
    def _statuses(self, moment: Any) -> Mapping[str, int]:
        """How many accounts there were of each status."""

    @abstractmethod
    def _history(self, account_id: str) -> Sequence[Any]:
        """An account's versions, each with who and why."""

    @abstractmethod
    def _deletions(self, actor: str, since: Any) -> Sequence[Any]:
        """The versions that deletions by one actor left since a moment."""

    @abstractmethod
    def _accounts(self) -> Iterable[Any]:
        """All of them, as they are now."""

    def _together(self, records: Sequence[Record]) -> None:
        """Acts that are filled at once."""
        for record in records:
            self._act(record)

    # What the operations work on

    def fill_accounts(self, task: Task) -> None:
        self._create(Population(task.n).creations())

    def fill_mixed(self, task: Task) -> None:
        for records in blocks(Mixed(task.n), FILLED_AT_ONCE):
            self._together(records)

    def fill_population(self, task: Task) -> None:
        population = Population(task.n)
        self._create(population.creations())
        for _, records in groupby(population.marks(), key=lambda record: record["do"]):
            self._mark([{"actor": _ACTOR, **record} for record in records])

    def check(self, population: Population, *, deleted: bool, marked: bool = True) -> None:
        """Stop the run if one account is not as it must be."""
        population.check(map(facts, self._accounts()), deleted=deleted, marked=marked)

    # Operations

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end."""
        for account_id in accounts:
            for do in ("suspend", "restore"):
                self._act(_command(do, account_id))

    def create(self, task: Task) -> Measured:
        watch, population = Stopwatch(), Population(task.n)
        with watch.running():
            self._create(watch.without(population.creations()))
        return Measured(task.n, watch.seconds)

    def sweep(self, task: Task) -> Measured:
        watch, ids = Stopwatch(), account_ids(task.n)
        with watch.running():
            self._delete(ids)
        return Measured(task.n, watch.seconds)

    def undo(self, task: Task) -> Measured:
        watch = Stopwatch()
        with watch.running():
            self._undo()
        return Measured(task.n, watch.seconds)

    def as_of(self, task: Task) -> Measured:
        watch, last = Stopwatch(), earlier(task.n)
        moment = self._moment(last)
        with watch.running():
            counts = dict(self._statuses(moment))
        return Measured(last, watch.seconds, counts)

    def history(self, task: Task) -> Measured:
        watch, asked = Stopwatch(), asked_accounts(task.n)
        with watch.running():
            found = sum(len(self._history(account_id)) for account_id in asked)
        return Measured(len(asked), watch.seconds, found)

    def actor(self, task: Task) -> Measured:
        """All deletions by each actor since the middle of the log."""
        watch, asked = Stopwatch(), ACTORS * TIMES_EACH_ACTOR
        since = self._moment(window_start(task.n))
        with watch.running():
            found = sum(len(self._deletions(actor["id"], since)) for actor in asked)
        return Measured(len(asked), watch.seconds, found)


def _command(do: str, account_id: str) -> Record:
    return {"do": do, "account_id": account_id, "at": _AT, "actor": _ACTOR, "reason": _REASON}
