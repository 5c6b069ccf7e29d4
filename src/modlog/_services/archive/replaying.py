"""The accounts of an archive, replayed bucket by bucket by the domain's own code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from modlog._services.archive.reading import Dataset
from modlog._services.archive.tables import EVENTS, rows_of, schema_of, stored
from modlog._storage.rebuilding import Traced, traced

# What a fold needs, as `traced` takes it; the id is taken off.
_FOLDED: Final = (
    *("stream", "version", "occurred_at", "type", "schema", "data", "personal", "position", "id"),
)


def buckets_of(dataset: Dataset) -> range:
    """The buckets into which the accounts are spread."""
    return range(dataset.manifests[0].buckets if dataset.manifests else 0)


def events_of_bucket(dataset: Dataset, bucket: int) -> Any:
    """All events of a bucket in the order of positions, with all that their rows leave out.

    Raises:
        ArchiveError: a file is missing, cut or changed.
    """
    import pyarrow as pa

    tables = [
        dataset.read(file)
        for manifest in dataset.manifests
        for file in manifest.events()
        if file.bucket == bucket
    ]
    return stored(pa.concat_tables(tables) if tables else schema_of(EVENTS).empty_table())


def accounts_of(events: Any) -> Iterator[Traced]:
    """Each account among the events of a bucket, as they lead to it.

    Raises:
        CorruptEventError: an event is not what modlog writes.
    """
    import pyarrow.compute as pc

    occurred = pc.coalesce(events["occurred_at"], events["recorded_at"])
    place = events.schema.get_field_index("occurred_at")
    events = events.set_column(place, "occurred_at", occurred)
    own = events.filter(pc.equal(events["kind"], "account"))
    order = [("stream", "ascending"), ("version", "ascending")]
    rows = rows_of(own.take(pc.sort_indices(own, sort_keys=order)), _FOLDED)
    for stream, some in groupby(rows, itemgetter(0)):
        history = list(some)
        yield traced(stream, history[0][-1], [row[:-1] for row in history])
