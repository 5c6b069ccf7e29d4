"""Comparing views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from modlog._ground.account import Account, account_at
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
    one, other = first.moment(), second.moment()
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
        facet for facet in _FACETS if getattr(before, facet, None) != getattr(after, facet, None)
    )
    return AccountChange(id=account_id, before=before, after=after, facets=facets)
