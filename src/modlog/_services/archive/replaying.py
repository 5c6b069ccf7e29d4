"""The accounts of an archive, replayed bucket by bucket by the domain's own code.

A bucket has all events of its accounts, so each is answered for by itself, in whatever process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

from modlog._domain.account import Account, AccountState, account_at
from modlog._domain.impacts import ImpactLine
from modlog._domain.selection import Scope, Selection
from modlog._services.archive.reading import Dataset
from modlog._services.archive.tables import EVENTS, rows_of, schema_of, stored
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Row
from modlog._storage.impacts import looks, touched
from modlog._storage.parts import part_of_log
from modlog._storage.reading import in_pages
from modlog._storage.rebuilding import Traced, traced
from modlog._storage.replays import replays, state_of
from modlog._storage.restoring import EVENT_COLUMNS
from modlog._storage.spans import ids_of, selected_streams

# What a fold needs, as `state_of` takes it, and where the event stands, as `traced` does.
_FOLDED: Final = ("stream", "version", "occurred_at", "type", "schema", "data", "personal")
# Rows that are taken from Arrow at a time.
_ROWS: Final = 20_000


def buckets_of(dataset: Dataset) -> range:
    """The buckets into which the accounts are spread."""
    return range(dataset.manifests[0].buckets if dataset.manifests else 0)


def events_of_bucket(dataset: Dataset, bucket: int, up_to: int | None = None) -> Any:
    """All events of a bucket in the order of positions, with all that their rows leave out.

    Args:
        dataset: what the archive has of a ledger.
        bucket: its number.
        up_to: the last position of those that are wanted; all of them if it is None.

    Raises:
        ArchiveError: a file is missing, cut or changed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = [
        dataset.read(file)
        for manifest in dataset.manifests
        if up_to is None or manifest.after < up_to
        for file in manifest.events()
        if file.bucket == bucket
    ]
    events = stored(pa.concat_tables(tables) if tables else schema_of(EVENTS).empty_table())
    return events if up_to is None else events.filter(pc.less_equal(events["position"], up_to))


def accounts_of(events: Any) -> Iterator[Traced]:
    """Each account among the events of a bucket, as they lead to it.

    Raises:
        CorruptEventError: an event is not what modlog writes.
    """
    for stream, id_, rows in histories_of(events):
        yield traced(stream, id_, rows)


def histories_of(events: Any) -> Iterator[tuple[int, str, list[Row]]]:
    """The stream and id of each account among events, and its events as `traced` takes them."""
    import pyarrow.compute as pc

    occurred = pc.coalesce(events["occurred_at"], events["recorded_at"])
    place = events.schema.get_field_index("occurred_at")
    events = events.set_column(place, "occurred_at", occurred)
    own = events.filter(pc.equal(events["kind"], "account"))
    order = [("stream", "ascending"), ("version", "ascending")]
    ordered = own.select([*_FOLDED, "position", "id"]).take(pc.sort_indices(own, sort_keys=order))
    pages = (rows_of(part, ordered.column_names) for part in ordered.to_batches(_ROWS))
    for stream, some in groupby(chain.from_iterable(pages), itemgetter(0)):
        history = list(some)
        yield stream, history[0][-1], [row[:-1] for row in history]


def accounts_at(
    dataset: Dataset, bucket: int, up_to: int, at: datetime, without: Selection | None
) -> Iterator[Account]:
    """The accounts of a bucket as `View` has them.

    Args:
        dataset: what the archive has of a ledger.
        bucket: its number.
        up_to: the position up to which events count.
        at: the instant at which one looks.
        without: events that do not count.

    Raises:
        ArchiveError: a file is missing, cut or changed.
        CorruptEventError: an event is not what modlog writes.
    """
    events = events_of_bucket(dataset, bucket, up_to)
    others = {} if without is None else _states_without(events, without)
    for stream, id_, rows in histories_of(events):
        state = others[stream] if stream in others else state_of([row[:-1] for row in rows])
        if state is not None:
            yield account_at(id_, state, at)


def _states_without(events: Any, selection: Selection) -> Mapping[int, AccountState | None]:
    """What accounts with selected events come to without them, by stream; None is unknown."""
    with _part(events) as reader:
        database, session = reader.database, reader.session
        streams = sorted(selected_streams(reader, [selection]))
        condition = reader.scope(Scope(excluded=(selection,)))
        states: dict[int, AccountState | None] = {}
        for page in in_pages(streams):
            ids = ids_of(database, session, page)
            left = dict(replays(database, session, [ids], condition))
            states |= {stream: left.get(id_) for stream, id_ in ids.items()}
        return states


def impact_lines(
    dataset: Dataset, bucket: int, selection: Selection, at: datetime
) -> Iterator[ImpactLine]:
    """What selected events came to for each account of a bucket, as `Impact.lines` tells it.

    Raises:
        ArchiveError: a file is missing, cut or changed.
        CorruptEventError: an event is not what modlog writes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    events = events_of_bucket(dataset, bucket)
    with _part(events) as reader:
        _, streams = touched(reader, selection, dataset.last)
        theirs = events.filter(pc.is_in(events["stream"], pa.array(streams, pa.int64())))
        reader.project(accounts_of(theirs))
        for page in in_pages(streams):
            for line, _ in looks(reader, selection, dataset.last, page, at):
                yield line


def _part(events: Any) -> Any:
    """These events as a ledger in memory: see `part_of_log`."""
    return part_of_log(
        rows_of(_firsts(events, "stream"), ("stream", "kind", "id")),
        rows_of(_firsts(events, "act"), ("act", *ACT_COLUMNS[1:])),
        rows_of(events, EVENT_COLUMNS),
    )


def _firsts(events: Any, name: str) -> Any:
    """The first row of each that there is in a column."""
    import pyarrow.compute as pc

    return events.take(pc.index_in(pc.unique(events[name]), value_set=events[name]))
