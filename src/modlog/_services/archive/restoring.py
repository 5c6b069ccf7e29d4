"""A ledger made again from its archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from modlog._domain.jsonable import Jsonable
from modlog._services.archive.reading import Dataset
from modlog._services.archive.tables import rows_of, stored
from modlog._storage.archives import KEPT
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Head
from modlog._storage.restoring import EVENT_COLUMNS, Restoring, restoring
from modlog._storage.store import Store

# Rows that are taken from Arrow at a time.
_PAGE = 20_000


@frozen(kw_only=True)
class RestoreProgress(Jsonable):
    """How far a restore is.

    Attributes:
        position: up to which events are written.
        head: where the archive ends.
        accounts: of how many the current state is made again, which comes after the events.
    """

    position: int
    head: int
    accounts: int = 0

    @property
    def done(self) -> int:
        """Positions that are through."""
        return self.position

    @property
    def total(self) -> int:
        """Positions that there are."""
        return self.head


@frozen(kw_only=True)
class RestoreOutcome(Jsonable):
    """What a restore has made.

    Attributes:
        ledger: the id of the ledger, the same as before.
        events: how many it has; the last of them stands at that position.
    """

    ledger: str
    events: int


def restore(
    dataset: Dataset, store: Store, progress: Callable[[RestoreProgress], object] | None
) -> RestoreOutcome:
    """See `Archive.restore`."""
    last = dataset.last
    with restoring(store) as ledger:
        for manifest in dataset.manifests:
            _write_events(ledger, stored(dataset.events(manifest)))
            if progress:
                progress(RestoreProgress(position=manifest.last, head=last))
        for name, kept in KEPT.items():
            for some in dataset.beside(name):
                for part in some.to_batches(_PAGE):
                    ledger.write_beside(kept.table, kept.columns, rows_of(part, kept.columns))
        recorded_at = dataset.manifests[-1].recorded_at if dataset.manifests else 0
        ledger.finish(dataset.ledger, Head(last, recorded_at), _of_accounts(last, progress))
    return RestoreOutcome(ledger=dataset.ledger, events=last)


def _of_accounts(
    last: int, progress: Callable[[RestoreProgress], object] | None
) -> Callable[[int], object] | None:
    if progress is None:
        return None
    return lambda accounts: progress(RestoreProgress(position=last, head=last, accounts=accounts))


def _write_events(ledger: Restoring, events: Any) -> None:
    import pyarrow.compute as pc

    for part in events.to_batches(_PAGE):
        starts = part.filter(pc.equal(part["stream"], part["position"]))
        acts = part.filter(pc.equal(part["act"], part["position"]))
        ledger.write(
            rows_of(starts, ("position", "kind", "id")),
            rows_of(acts, ("position", *ACT_COLUMNS[1:])),
            rows_of(part, EVENT_COLUMNS),
        )
