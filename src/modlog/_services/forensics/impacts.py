"""What selected events came to: how far they reach, what stands of them, who put what right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import field, frozen

from modlog._domain.figures import Figures
from modlog._domain.impacts import ImpactLine
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection
from modlog._services.work import Work
from modlog._storage.figures import figures
from modlog._storage.impacts import Look, Repair, begun, looks, repairs, touched
from modlog._storage.reading import Reader, in_pages


@frozen(eq=False, kw_only=True)
class Impact(Jsonable):
    """What selected events came to, up to now.

    Attributes:
        selection: the events that are meant, as of the head.
        head: the last position that was looked at.
        events: how many events of accounts were selected.
        accounts: how many accounts they touched.
        began: what they began, each kind with its number: deletion, suspension, protection, flag,
            and existence of accounts that were created.
        standing: how many of each still stand, expired suspensions among them.
        figures: the figures of their sanctions and flags together.
        repairs: who ended how much of what they began, and how; the most first.
        several_batches: how many of the accounts were sanctioned or flagged by two or more
            batches, selected or not.
        remarks: what is left to be put right: code of the remark → number of accounts.
    """

    selection: Selection
    head: int
    events: int
    accounts: int
    began: Mapping[str, int]
    standing: Mapping[str, int]
    figures: Figures
    repairs: tuple[Repair, ...]
    several_batches: int
    remarks: Mapping[str, int]
    _work: Work = field(repr=False)
    _streams: Sequence[int] = field(repr=False)

    def lines(self) -> Iterator[ImpactLine]:
        """What the events came to for each account, as it is when its line is asked for.

        Streaming, in the order in which the ledger came to know the accounts.
        """
        for page in in_pages(self._streams):
            with self._work.reader() as reader, self._work.snapshot_in(reader) as snapshot:
                at = self._work.present(snapshot)
                found = looks(snapshot, self.selection, self.head, page, at)
            yield from (line for line, _ in found)


def impact(work: Work, selection: Selection) -> Impact:
    """See `ModLog.impact`."""
    with work.reader() as reader, work.snapshot_in(reader) as snapshot:
        return impact_in(snapshot, work, selection, lambda *_: None)


# Is shown each page of the accounts: their streams, what became of them, how many all are.
See = Callable[[Sequence[int], Sequence[Look], int], object]


def impact_in(snapshot: Reader, work: Work, selection: Selection, see: See) -> Impact:
    """What the selected events came to at one moment, every account of which somebody else sees."""
    with work.database.sorting(snapshot.session):
        head, at = snapshot.head().position, work.present(snapshot)
        events, streams = touched(snapshot, selection, head)
        several_batches, remarks = 0, Counter[str]()
        for page in in_pages(streams):
            found = looks(snapshot, selection, head, page, at)
            for line, _ in found:
                several_batches += len(line.batches) > 1
                remarks.update(remark.code for remark in line.remarks)
            see(page, found, len(streams))
        kinds = begun(snapshot, selection)
        return Impact(
            selection=selection,
            head=head,
            events=events,
            accounts=len(streams),
            began={kind: number for kind, (number, _) in kinds.items()},
            standing={kind: standing for kind, (_, standing) in kinds.items()},
            figures=next(iter(figures(snapshot, selection, None)), Figures(by=None)),
            repairs=repairs(snapshot, selection),
            several_batches=several_batches,
            remarks=dict(remarks),
            work=work,
            streams=streams,
        )
