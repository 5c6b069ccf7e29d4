"""Checking the ledger against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import frozen

from modlog._services.answers import check_answers
from modlog._storage.checks import CHECKS, Finding, kinds_of_events
from modlog._storage.clock import AcceptedClock, accepted_clocks
from modlog._storage.comparing import (
    WHOLE_COLUMNS,
    Kept,
    damaged,
    differing,
    fold_rows,
    projected,
    strays,
)
from modlog._storage.database import Database, Row, Session
from modlog._storage.reading import sources
from modlog._storage.rebuilding import traced
from modlog._storage.replays import by_stream, pages_of_accounts, rows_of
from modlog._storage.store import Store
from modlog._storage.sweeps.checks import check_sweeps_whole


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
        for check in (*CHECKS, check_answers, check_sweeps_whole):
            findings += check(database, session)
        replaying = _Replaying(database, session, progress)
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
        progress: Callable[[int], object] | None,
    ) -> None:
        self._database = database
        self._session = session
        self._progress = progress
        self.accounts = 0

    def compare(self) -> Iterator[Finding]:
        """The accounts whose projection is not what their events lead to."""
        for page in pages_of_accounts(self._database, self._session):
            found = by_stream(
                rows_of(
                    self._database,
                    self._session,
                    list(page),
                    columns=WHOLE_COLUMNS,
                    tables=sources,
                )
            )
            kept = projected(self._database, self._session, list(page))
            for stream, account_id in page.items():
                rows = found.get(stream, [])
                self.accounts += bool(rows)
                yield from self._findings(stream, account_id, rows, kept.get(stream))
            if self._progress:
                self._progress(self.accounts)
        yield from strays(self._database, self._session)

    def _findings(
        self, stream: int, account_id: str, rows: Sequence[Row], kept: Kept | None
    ) -> Iterator[Finding]:
        damage = list(damaged(rows))
        if damage:
            for message in damage:
                yield Finding(check="events", message=message, account_id=account_id)
            return
        expected = traced(stream, account_id, fold_rows(rows)) if rows else None
        difference = differing(expected, kept)
        if difference:
            yield Finding(
                check="projection",
                message=f"{difference}: rebuild it",
                account_id=account_id,
            )
