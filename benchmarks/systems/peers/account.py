"""The account that an application keeps in one row, and what an act changes of it.

It is the leanest that gives the same answers: a sanction is a mark here, not a cause of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from benchmarks.workload import Facts, Record

# Acts whose outcome depends on what the row has now.
READING: Final = ("flag", "change_profile")


def row(creation: Record) -> dict[str, Any]:
    """The columns of a new account."""
    return {
        "id": creation["account_id"],
        "profile": creation["profile"],
        "flags": [],
        "suspended": False,
        "deleted": False,
        "changed_at": _at(creation),
    }


def changes(record: Record, account: Any = None) -> dict[str, Any]:
    """The columns that an act changes; the time of the change makes each act a version."""
    return _changes(record, account) | {"changed_at": _at(record)}


def _changes(record: Record, account: Any) -> dict[str, Any]:
    match record["do"]:
        case "flag":
            return {"flags": [*account.flags, record["label"]]}
        case "suspend":
            return {"suspended": True}
        case "delete":
            return {"deleted": True}
        case "restore":
            return {"suspended": False, "deleted": False}
        case "change_profile":
            return {"profile": {**account.profile, **record["changes"]}}
        case _:
            return {}


def change(account: Any, record: Record) -> None:
    """Do that to an object."""
    for name, value in changes(record, account).items():
        setattr(account, name, value)


def why(record: Record) -> str:
    """What is kept as the reason."""
    return str(record.get("reason") or record.get("text") or record["do"])


def facts(account: Any) -> Facts:
    """What must be as in the other systems."""
    kinds = ["deletion"] * account.deleted + ["suspension"] * account.suspended
    return account.id, account.profile["nickname"], sorted(account.flags), kinds


def statuses(marks: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many accounts there are of each status, from counted marks or from one of each."""
    counts: dict[str, int] = {}
    for one in marks:
        suspended_or_not = "suspended" if one["suspended"] else "active"
        status = "deleted" if one["deleted"] else suspended_or_not
        counts[status] = counts.get(status, 0) + one.get("count", 1)
    return counts


def _at(record: Record) -> datetime:
    return datetime.fromisoformat(record["at"])
