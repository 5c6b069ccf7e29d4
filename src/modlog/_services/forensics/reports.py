"""All that a report of an incident tells, gathered at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import define, field, frozen

from modlog._domain.events import RecordedEvent
from modlog._domain.impacts import Hit, ImpactLine
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection
from modlog._services.forensics.impacts import Impact, impact_in
from modlog._services.work import Work
from modlog._storage.checks import Finding
from modlog._storage.comparing import quick_look
from modlog._storage.deeds import Deed, Tick, deeds, first_sign, ticks
from modlog._storage.impacts import Look
from modlog._storage.reading import Reader

_HOUR: Final = 3_600
# With more events than that, the ticks of a timeline are hours.
_MANY: Final = 200_000


@frozen(kw_only=True)
class ReportLine(Jsonable):
    """What is told of one account.

    Attributes:
        impact: what the events came to for it.
        hits: the selected sanctions and flags that took hold of it, by version.
        profile: those keys of its profile, as it is now, that were asked for.
    """

    impact: ImpactLine
    hits: tuple[Hit, ...]
    profile: Mapping[str, Any]


@frozen(kw_only=True)
class Report(Jsonable):
    """What is told of selected events: all of it as of one moment.

    Attributes:
        impact: what they came to; its `selection` and `head` say what was looked at.
        at: the instant for which the report answers.
        deeds: who did what, in the order in which it began: the selected events, and those that
            ended what they had begun.
        ticks: when that was, by type, to the second; to the hour if more than 200,000 events are
            selected.
        first_sign: the first event that shows that somebody noticed: one that ended something of
            what was begun, or a note on one of the accounts; None if there is none.
        findings: what is not as it must be in the accounts of the report, each of which was
            replayed from its events.
        lines: one for each account, in the order in which the ledger came to know them.
    """

    impact: Impact
    at: datetime
    deeds: tuple[Deed, ...]
    ticks: tuple[Tick, ...]
    first_sign: RecordedEvent | None
    findings: tuple[Finding, ...]
    lines: tuple[ReportLine, ...] = field(repr=False)


@frozen(kw_only=True)
class ReportProgress(Jsonable):
    """How far a report has come.

    Attributes:
        done: accounts that were looked at.
        total: accounts of the report.
    """

    done: int
    total: int


def report(
    work: Work,
    selection: Selection,
    profile: Sequence[str],
    progress: Callable[[ReportProgress], object] | None,
) -> Report:
    """See `ModLog.report`."""
    with work.reader() as reader, work.snapshot_in(reader) as snapshot:
        accounts = _Accounts(snapshot, profile, progress)
        impact = impact_in(snapshot, work, selection, accounts.see)
        with work.database.sorting(snapshot.session):
            done = deeds(snapshot, selection)
            starts = [deed.first for deed in done if deed.selected]
            return Report(
                impact=impact,
                at=work.present(snapshot),
                deeds=done,
                ticks=ticks(snapshot, selection, 1 if impact.events <= _MANY else _HOUR),
                first_sign=first_sign(snapshot, selection, min(starts)) if starts else None,
                findings=tuple(accounts.findings),
                lines=tuple(accounts.lines),
            )


@define
class _Accounts:
    """Looks at the accounts of a report, page by page.

    Attributes:
        snapshot: in which they are read.
        profile: the keys that are asked for.
        progress: is told how many are through.
        lines: what is told of each.
        findings: what is not as it must be.
    """

    snapshot: Reader
    profile: Sequence[str]
    progress: Callable[[ReportProgress], object] | None
    lines: list[ReportLine] = field(factory=list)
    findings: list[Finding] = field(factory=list)

    def see(self, streams: Sequence[int], looks: Sequence[Look], total: int) -> None:
        ids = {stream: line.account_id for stream, (line, _) in zip(streams, looks, strict=True)}
        states, findings = quick_look(self.snapshot.database, self.snapshot.session, ids)
        self.findings += findings
        for stream, (line, hits) in zip(streams, looks, strict=True):
            state = states.get(stream)
            own = {} if state is None else state.profile
            self.lines.append(
                ReportLine(
                    impact=line,
                    hits=tuple(one for one in hits if one.selected),
                    profile={key: own[key] for key in self.profile if key in own},
                )
            )
        if self.progress:
            self.progress(ReportProgress(done=len(self.lines), total=total))
