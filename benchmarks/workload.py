"""What is done to the accounts: the same input for every system, drawn from a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from attrs import define, field, frozen

_T = TypeVar("_T")
Record = dict[str, Any]
# An account's id, its nickname, the labels of its flags, the kinds of its sanctions.
Facts = tuple[str, str, list[str], list[str]]

# An import has one account for so many records.
RECORDS_PER_ACCOUNT: Final = 5
# Accounts whose history is asked for in a turn, and how often each actor's deletions are.
HISTORIES: Final = 1_000
TIMES_EACH_ACTOR: Final = 5
# Logs of mixed records are filled so many at a time, and only between these can all systems tell
# earlier from later: what is recorded together has one time, and stock aggregates another order.
FILLED_AT_ONCE: Final = 500

_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_AT: Final = _START.isoformat()
ACTORS: Final[tuple[dict[str, Any], ...]] = (
    *({"kind": "human", "id": f"moderator-{number}"} for number in range(20)),
    {"kind": "bot", "id": "link-checker", "version": "2.1"},
    {"kind": "model", "id": "spam-score", "version": "2024-01"},
)
_POLICIES: Final = ("illegal-content", "spam", "impersonation", "harassment")
_ACTS: Final = ("flag", "suspend", "delete", "restore", "note", "change_profile")
_WEIGHTS: Final = (25, 15, 10, 15, 15, 20)


def account_id(number: int) -> str:
    """An id of ten digits, whose order has nothing to do with the order of creation."""
    return f"{number * 2_654_435_761 % 2**32:010d}"  # Knuth's multiplicative hash


def account_ids(count: int) -> list[str]:
    """So many different ids."""
    return [account_id(number) for number in range(count)]


def earlier(log: int) -> int:
    """A position not far from the end of a log of so many events."""
    return log * 9 // 10 // FILLED_AT_ONCE * FILLED_AT_ONCE or log


def window_start(log: int) -> int:
    """The position from which on deletions are asked for: about the middle of such a log."""
    return log // 2 // FILLED_AT_ONCE * FILLED_AT_ONCE + 1


def asked_accounts(log: int) -> list[str]:
    """Accounts of a log of mixed records whose histories are asked for."""
    return account_ids(min(HISTORIES, log // (2 * RECORDS_PER_ACCOUNT)))


def blocks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """So many at a time."""
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block


@frozen
class Population:
    """Accounts to be swept, of which some are flagged and some suspended already."""

    count: int

    def creations(self) -> Iterator[Record]:
        for account_id in account_ids(self.count):
            profile = {"nickname": f"member {account_id}"}
            yield {"do": "create", "account_id": account_id, "at": _AT, "profile": profile}

    def marks(self) -> Iterator[Record]:
        """A flag on every tenth account, a suspension of every twentieth."""
        for account_id in account_ids(self.count)[::10]:
            yield {"do": "flag", "account_id": account_id, "at": _AT, "label": "spam"}
        for account_id in account_ids(self.count)[::20]:
            reasons = {"reason": "against the rules", "policy": "spam"}
            yield {"do": "suspend", "account_id": account_id, "at": _AT, **reasons}

    def as_they_are(self) -> Iterator[Record]:
        """The same accounts in the platform's own table: every tenth deleted, some suspended."""
        for number, account_id in enumerate(account_ids(self.count)):
            status = "deleted" if number % 10 == 0 else "active"
            status = "suspended" if number % 20 == 1 else status
            profile = {"nickname": f"member {account_id}", "avatar": f"avatars/{number}.png"}
            at = (_START + timedelta(seconds=7 * number)).isoformat()
            yield {"account_id": account_id, "at": at, "status": status, "profile": profile}

    def check(self, found: Iterable[Facts], *, deleted: bool, marked: bool = True) -> None:
        """Compare every account with what it must be, and stop the run if one differs."""
        expected = {facts[0]: facts for facts in self._expected(deleted, marked)}
        for facts in found:
            if facts != expected.pop(facts[0], None):
                raise RuntimeError(f"an account is not as it must be: {facts}")
        if expected:
            raise RuntimeError(f"{len(expected)} accounts are not there")

    def _expected(self, deleted: bool, marked: bool) -> Iterator[Facts]:
        for number, account_id in enumerate(account_ids(self.count)):
            labels = ["spam"] if marked and number % 10 == 0 else []
            kinds = ["suspension"] if marked and number % 20 == 0 else []
            kinds += ["deletion"] * deleted
            yield account_id, f"member {account_id}", labels, sorted(kinds)


@define
class Mixed:
    """Records of an import: creations, flags, suspensions, restorations, deletions, notes…

    Every record can be accepted, and every one has a key. One seed gives one series.
    """

    count: int
    seed: int = 110018
    _random: random.Random = field(init=False)
    _sanctioned: bytearray = field(init=False)
    _created: int = field(init=False, default=0)

    def __iter__(self) -> Iterator[Record]:
        self._random = random.Random(self.seed)
        self._sanctioned = bytearray(self.count // RECORDS_PER_ACCOUNT + 1)
        self._created = 0
        for number in range(self.count):
            record = self._creation() if self._is_creation() else self._act()
            at = _START + timedelta(seconds=7 * number)
            yield record | {
                "at": at.isoformat(),
                "actor": self._random.choice(ACTORS),
                "key": f"request-{number}",
            }

    def _is_creation(self) -> bool:
        if self._created == 0:
            return True
        room = self._created < len(self._sanctioned)
        return room and self._random.random() < 1 / RECORDS_PER_ACCOUNT

    def _creation(self) -> Record:
        number, self._created = self._created, self._created + 1
        profile = {"nickname": f"member {number}", "avatar": f"avatars/{number}.png", "age": 30}
        return {"do": "create", "account_id": account_id(number), "profile": profile}

    def _act(self) -> Record:
        number = self._random.randrange(self._created)
        (act,) = self._random.choices(_ACTS, _WEIGHTS)
        if act == "restore" and not self._sanctioned[number]:
            act = "note"  # there is nothing to lift
        if act in ("suspend", "delete", "restore"):
            self._sanctioned[number] = act != "restore"
        return {"do": act, "account_id": account_id(number), **self._arguments(act)}

    def _arguments(self, act: str) -> Record:
        match act:
            case "flag":
                return {"label": self._random.choice(_POLICIES), "score": self._random.random()}
            case "note":
                return {"text": "the member called support"}
            case "change_profile":
                return {"changes": {"nickname": f"member {self._random.randrange(10**6)}"}}
            case _:
                return {"reason": "against the rules", "policy": self._random.choice(_POLICIES)}
