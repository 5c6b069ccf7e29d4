"""Comparing views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from attrs import frozen

from modlog._domain.account import Account, AccountState, account_at
from modlog._domain.jsonable import Jsonable
from modlog._domain.values import same_json
from modlog._services.views import View
from modlog._storage.replays import PAGE, beside
from modlog._storage.spans import ids_of

# What a difference may lie in; versions alone are none, as they say nothing of the account.
_FACETS: Final = ("status", "profile", "flags", "sanctions", "protected")


@frozen(kw_only=True)
class AccountChange(Jsonable):
    """An account in which two views differ.

    Attributes:
        id: the account.
        before: the account in the first view; None if that does not know it.
        after: the account in the second view; None if that does not know it.
        facets: in what they differ: status, profile, flags, sanctions, protected.
    """

    _also: ClassVar = ("account_id",)
    _apart: ClassVar = ("id",)

    id: str
    before: Account | None
    after: Account | None
    facets: tuple[str, ...]

    @property
    def account_id(self) -> str:
        """The account, by the name under which `as_dict` and other answers have it."""
        return self.id


def diff(first: View, second: View) -> Iterator[AccountChange]:
    """See `ModLog.diff`."""
    one = first.moment()
    other = second.moment(now=one if first.is_of_now else None)
    few = first.streams_that_may_differ(second, (one, other))
    if few is None:
        pairs = beside(first.states(one), second.states(other))
    else:
        pairs = _of_streams(first, second, few, (one, other))
    for account_id, before, after in pairs:
        change = _change(
            account_id,
            None if before is None else account_at(account_id, before, one),
            None if after is None else account_at(account_id, after, other),
        )
        if change.facets:
            yield change


def _of_streams(
    first: View, second: View, streams: Sequence[int], instants: tuple[datetime, datetime]
) -> Iterator[tuple[str, AccountState | None, AccountState | None]]:
    """The states of these accounts in both views; they are in the order of ids."""
    for start in range(0, len(streams), PAGE):
        with first.reading() as reader:
            ids = ids_of(reader.database, reader.session, streams[start : start + PAGE])
            before = first.states_of_page(reader, ids, instants[0])
            after = second.states_of_page(reader, ids, instants[1])
        for account_id in ids.values():
            yield account_id, before.get(account_id), after.get(account_id)


def _change(account_id: str, before: Account | None, after: Account | None) -> AccountChange:
    facets = tuple(
        facet
        for facet in _FACETS
        if _differs(facet, getattr(before, facet, None), getattr(after, facet, None))
    )
    return AccountChange(id=account_id, before=before, after=after, facets=facets)


def _differs(facet: str, one: Any, other: Any) -> bool:
    return not same_json(one, other) if facet == "profile" else bool(one != other)
