"""Checking the ledger against itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from attrs import define, frozen

from modlog._domain.jsonable import Jsonable
from modlog._services.answers import check_answers
from modlog._services.crew import Crew, crew
from modlog._storage.checks import CHECKS, Finding, count_of_accounts, kinds_of_events
from modlog._storage.clock import AcceptedClock, accepted_clocks
from modlog._storage.comparing import beside_replay, strays
from modlog._storage.reading import Reader
from modlog._storage.replays import pages_of_accounts
from modlog._storage.store import Store
from modlog._storage.sweeps.checks import check_sweeps_whole


@frozen(kw_only=True)
class VerifyProgress(Jsonable):
    """How far `verify` is.

    Attributes:
        events: how many events were compared with the seals.
        accounts: how many accounts were replayed, which comes after.
        total: how many events and accounts there are to look at.
    """

    events: int
    accounts: int
    total: int

    @property
    def done(self) -> int:
        """Events and accounts that are through."""
        return self.events + self.accounts


@define
class Watch:
    """Tells somebody how far a check is."""

    tell: Callable[[VerifyProgress], object] | None
    total: int = 0
    events: int = 0
    accounts: int = 0

    def see(self, *, events: int = 0, accounts: int = 0) -> None:
        """So many more are through."""
        self.events += events
        self.accounts += accounts
        if self.tell:
            done = self.events + self.accounts
            self.tell(
                VerifyProgress(
                    events=self.events, accounts=self.accounts, total=max(self.total, done)
                )
            )


# How many events the newest checkpoint is of, and what does not agree with the seals.
CheckSeals = Callable[[Reader, Crew, Watch], tuple[int | None, list[Finding]]]


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
    progress: Callable[[VerifyProgress], object] | None,
    processes: int,
) -> VerificationReport:
    """See `ModLog.verify`."""
    findings: list[Finding] = []
    with store.snapshot() as reader, crew(reader, processes) as looking:
        database, session = store.database, reader.session
        watch = Watch(progress, count_of_accounts(database, session))
        for check in (*CHECKS, check_answers, check_sweeps_whole):
            findings += check(database, session)
        sealed, altered = check_seals(reader, looking, watch)
        findings += altered
        for number, found in looking.each(_replayed, pages_of_accounts(database, session)):
            watch.see(accounts=number)
            findings += found
        findings += strays(database, session)
        return VerificationReport(
            findings=tuple(findings),
            events=kinds_of_events(database, session),
            accounts=watch.accounts,
            head=reader.head().position,
            accepted_clocks=tuple(accepted_clocks(database, session)),
            sealed=sealed,
        )


def _replayed(reader: Reader, page: Mapping[int, str]) -> tuple[int, list[Finding]]:
    """How many of some accounts have events, and which of them are not what these lead to."""
    return beside_replay(reader.database, reader.session, page)
