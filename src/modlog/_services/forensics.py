"""Comparing views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from modlog._domain.account import Account, account_at
from modlog._domain.values import same_json
from modlog._services.views import View
from modlog._storage.replays import beside

# What a difference may lie in; versions alone are none, as they say nothing of the account.
_FACETS: Final = ("status", "profile", "flags", "sanctions", "protected")


@frozen(kw_only=True)
class AccountChange:
    """An account in which two views differ.

    Attributes:
        id: the account.
        before: the account in the first view; None if that does not know it.
        after: the account in the second view; None if that does not know it.
        facets: in what they differ: status, profile, flags, sanctions, protected.
    """

    id: str
    before: Account | None
    after: Account | None
    facets: tuple[str, ...]


def diff(first: View, second: View) -> Iterator[AccountChange]:
    """See `ModLog.diff`."""
    one = first.moment()
    other = second.moment(now=one if first.is_of_now else None)
    for account_id, before, after in beside(first.states(one), second.states(other)):
        change = _change(
            account_id,
            None if before is None else account_at(account_id, before, one),
            None if after is None else account_at(account_id, after, other),
        )
        if change.facets:
            yield change


def _change(account_id: str, before: Account | None, after: Account | None) -> AccountChange:
    facets = tuple(
        facet
        for facet in _FACETS
        if _differs(facet, getattr(before, facet, None), getattr(after, facet, None))
    )
    return AccountChange(id=account_id, before=before, after=after, facets=facets)


def _differs(facet: str, one: Any, other: Any) -> bool:
    return not same_json(one, other) if facet == "profile" else bool(one != other)
