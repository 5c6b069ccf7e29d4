"""Checking the ledger against itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._services.answers import check_answers
from modlog._storage.checks import CHECKS, Finding, kinds_of_events
from modlog._storage.clock import AcceptedClock, accepted_clocks
from modlog._storage.comparing import beside_replay, strays
from modlog._storage.database import Database, Session
from modlog._storage.reading import Reader
from modlog._storage.replays import pages_of_accounts
from modlog._storage.store import Store
from modlog._storage.sweeps.checks import check_sweeps_whole

# How many events the newest checkpoint is of, and what does not agree with the seals.
CheckSeals = Callable[[Reader], tuple[int | None, list[Finding]]]


@frozen(kw_only=True)
class VerificationReport(Jsonable):
    """What `verify` found.

    Attributes:
        findings: all that is not as it must be; none in a sound ledger.
        events: how many events there are, by kind: account, sweep, foreign.
        accounts: how many accounts were replayed.
        head: the last position that was looked at.
        accepted_clocks: what `accept_clock` has recorded; no findings, but to be known by
            whoever reads instants.
        sealed: how many events the newest checkpoint in the ledger is of; None without one.
    """

    _also: ClassVar = ("ok",)

    findings: tuple[Finding, ...]
    events: Mapping[str, int]
    accounts: int
    head: int
    accepted_clocks: tuple[AcceptedClock, ...] = ()
    sealed: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(
    store: Store,
    check_seals: CheckSeals,
    progress: Callable[[int], object] | None = None,
) -> VerificationReport:
    """See `ModLog.verify`."""
    findings: list[Finding] = []
    with store.snapshot() as reader:
        database, session = store.database, reader.session
        for check in (*CHECKS, check_answers, check_sweeps_whole):
            findings += check(database, session)
        sealed, altered = check_seals(reader)
        findings += altered
        accounts, differing = _replayed(database, session, progress)
        findings += differing
        return VerificationReport(
            findings=tuple(findings),
            events=kinds_of_events(database, session),
            accounts=accounts,
            head=reader.head().position,
            accepted_clocks=tuple(accepted_clocks(database, session)),
            sealed=sealed,
        )


def _replayed(
    database: Database, session: Session, progress: Callable[[int], object] | None
) -> tuple[int, list[Finding]]:
    """How many accounts there are, and those whose projection is not what their events lead to."""
    accounts, findings = 0, []
    for page in pages_of_accounts(database, session):
        number, found = beside_replay(database, session, page)
        accounts += number
        findings += found
        if progress:
            progress(accounts)
    return accounts, findings + list(strays(database, session))
