"""Rows: accounts as a platform's own table has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from attrs import define, frozen

from modlog._domain.account import Status
from modlog._domain.events import AccountCreated
from modlog._domain.values import check_names, checked_id, is_mapping, parsed_instant, shown
from modlog._errors import InvalidInputError
from modlog._services.blocks import numbered
from modlog._services.records import Unreadable

_EXAMPLE: Final = "[{'account_id': …}, …]"
# What a platform can say of an account.
_STATUSES: Final = {
    status.value: status for status in (Status.ACTIVE, Status.SUSPENDED, Status.DELETED)
}


@frozen(eq=False)
class Kind:
    """What rows for one purpose hold.

    Attributes:
        what: such a row, for messages.
        needs: the names that must be there, their values may be None where nobody knows.
        may: other names that may be there.
        reads_profile: whether profile and registration are looked at.
    """

    what: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    reads_profile: bool = True

    @property
    def has_status(self) -> bool:
        """Whether these rows tell a status."""
        return "status" in self.needs


TO_ADOPT: Final = Kind("a row to adopt", ("account_id", "at", "status"), ("profile", "until"))
TO_CREATE: Final = Kind("a row to create", ("account_id",), ("at", "profile"))
TO_COMPARE: Final = Kind(
    "a row to compare", ("account_id", "status"), ("at", "profile", "until"), reads_profile=False
)


@define
class Row:
    """An account as a row has it.

    Attributes:
        at: when it registered; None where nobody knows.
        created: its creation, with the profile as it is.
        until: when its suspension ends, or the last one ended; None for never, or for none.
        tells_until: whether the row has anything to say about that.
    """

    account_id: str
    at: datetime | None
    created: AccountCreated
    status: Status = Status.ACTIVE
    until: datetime | None = None
    tells_until: bool = False

    def status_at(self, instant: datetime) -> Status:
        """The status at an instant: a suspension that has ended is none."""
        is_over = self.until is not None and self.until <= instant
        return Status.ACTIVE if self.status is Status.SUSPENDED and is_over else self.status


@frozen
class Numbered:
    """Rows that bring their own numbers, as the lines of a file have them."""

    rows: Iterable[tuple[int, object]]


def numbered_rows(rows: Iterable[object] | Numbered) -> Iterator[tuple[int, object]]:
    """Rows with their numbers, from 1 where they bring none.

    Raises:
        InvalidInputError: they are no rows that one could go through.
    """
    return iter(rows.rows) if isinstance(rows, Numbered) else numbered(rows, _EXAMPLE)


_NO_PROFILE: Final = AccountCreated()


def read_row(given: object, kind: Kind) -> Row:
    """A row that was given.

    Raises:
        InvalidInputError: it is no mapping, or a name or value in it cannot be.
    """
    if not is_mapping(given):
        if isinstance(given, Unreadable):
            raise InvalidInputError(given.reason)
        raise InvalidInputError(f"{kind.what} is a mapping, not {shown(given)}")
    check_shape(tuple(given), kind)
    row = Row(checked_id(given["account_id"], "account_id"), None, _NO_PROFILE)
    if kind.reads_profile:
        at, profile = given.get("at"), given.get("profile")
        if at is not None:
            row.at = parsed_instant(at, "at")
        if profile is not None:
            row.created = AccountCreated(profile)
    if kind.has_status:
        row.status, until = _status(given["status"]), given.get("until")
        row.tells_until = "until" in given
        # What a deleted account has left of an older suspension is not looked at.
        if until is not None and row.status is not Status.DELETED:
            row.until = parsed_instant(until, "until")
    return row


@lru_cache(maxsize=1_024)
def check_shape(names: tuple[Any, ...], kind: Kind) -> None:
    """Refuse names that rows for this purpose do not have, and too few of them.

    Raises:
        InvalidInputError: with the names that are known, or due.
    """
    check_names(names, (*kind.needs, *kind.may), kind.what)
    missing = [name for name in kind.needs if name not in names]
    if missing:
        raise InvalidInputError(f"{kind.what} needs {', '.join(missing)}")


def _status(value: object) -> Status:
    status = _STATUSES.get(value) if isinstance(value, str) else None
    if status is None:
        raise InvalidInputError(f"status must be one of {', '.join(_STATUSES)}, not {shown(value)}")
    return status
