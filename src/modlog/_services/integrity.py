"""Checking the ledger against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import fields, frozen

from modlog._domain.account import AccountState
from modlog._errors import CorruptCacheError, CorruptEventError
from modlog._storage.checks import CHECKS, Finding, kinds_of_events
from modlog._storage.clock import AcceptedClock, accepted_clocks
from modlog._storage.database import Database, Session
from modlog._storage.replays import States, beside, checked_replays, projected
from modlog._storage.store import Store
from modlog._storage.sweeps.checks import check_sweeps_whole

_PROGRESS_EVERY: Final = 5_000


@frozen(kw_only=True)
class VerificationReport:
    """What `verify` found.

    Attributes:
        findings: all that is not as it must be; none in a sound ledger.
        events: how many events there are, by kind: account, sweep, foreign.
        accounts: how many accounts were replayed.
        head: the last position that was looked at.
        accepted_clocks: what `accept_clock` has recorded; no findings, but to be known by
            whoever reads instants.
    """

    findings: tuple[Finding, ...]
    events: Mapping[str, int]
    accounts: int
    head: int
    accepted_clocks: tuple[AcceptedClock, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(store: Store, progress: Callable[[int], object] | None = None) -> VerificationReport:
    """See `ModLog.verify`."""
    findings: list[Finding] = []
    with store.snapshot() as reader:
        database, session = store.database, reader.session
        for check in (*CHECKS, check_sweeps_whole):
            findings += check(database, session)
        replaying = _Replaying(database, session, findings, progress)
        findings += replaying.compare()
        return VerificationReport(
            findings=tuple(findings),
            events=kinds_of_events(database, session),
            accounts=replaying.accounts,
            head=reader.head().position,
            accepted_clocks=tuple(accepted_clocks(database, session)),
        )


class _Replaying:
    """Every account replayed from its events, beside the projection of it."""

    def __init__(
        self,
        database: Database,
        session: Session,
        findings: list[Finding],
        progress: Callable[[int], object] | None,
    ) -> None:
        self._database = database
        self._session = session
        self._findings = findings
        self._progress = progress
        self._damaged: set[str] = set()
        self.accounts = 0

    def compare(self) -> Iterator[Finding]:
        """The accounts whose projection is not what their events lead to."""
        try:
            yield from self._compared()
        except CorruptCacheError as error:
            yield Finding(check="projection", message=str(error))

    def _compared(self) -> Iterator[Finding]:
        for account_id, replayed, stored in beside(
            self._replayed(), projected(self._database, self._session)
        ):
            if replayed != stored and account_id not in self._damaged:
                yield Finding(
                    check="projection",
                    message=_difference(replayed, stored),
                    account_id=account_id,
                )

    def _replayed(self) -> States:
        for pair in checked_replays(self._database, self._session, self._damage):
            self.accounts += 1
            if self._progress and self.accounts % _PROGRESS_EVERY == 0:
                self._progress(self.accounts)
            yield pair

    def _damage(self, account_id: str, error: CorruptEventError) -> None:
        self._damaged.add(account_id)
        self._findings.append(Finding(check="events", message=str(error), account_id=account_id))


def _difference(replayed: AccountState | None, stored: AccountState | None) -> str:
    if stored is None:
        return "the account has events and no row in the projection: rebuild it"
    if replayed is None:
        return "the projection has rows of an account without events: rebuild it"
    # Names only: values may be personal data.
    differing = [
        field.name
        for field in fields(AccountState)
        if getattr(replayed, field.name) != getattr(stored, field.name)
    ]
    return f"the projection differs from a replay in {', '.join(differing)}: rebuild it"
