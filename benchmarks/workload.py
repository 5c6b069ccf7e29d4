"""What is done to the accounts: the same input for every system, drawn from a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import define, field

Record = dict[str, Any]

# An import has one account for so many records.
RECORDS_PER_ACCOUNT: Final = 5

_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ACTORS: Final = (
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
                "actor": self._random.choice(_ACTORS),
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
