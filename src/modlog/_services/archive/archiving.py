"""Writing the archive: range by range, each put in place by its manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

from attrs import define, field, frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import ArchiveError, InvalidInputError
from modlog._services.archive.manifests import File, Manifest, last_manifest
from modlog._services.archive.places import Place
from modlog._services.archive.tables import (
    EVENTS,
    columnar,
    in_buckets,
    parquet_of,
    schema_of,
    with_acts,
)
from modlog._storage.archives import (
    EVENT_COLUMNS,
    KEPT,
    Range,
    acts_in,
    events_in,
    ledger_id,
    next_range,
    seal_of,
)
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.reading import Reader
from modlog._storage.store import Store

# Into how many the accounts are spread, and so how many processors can replay them at once.
BUCKETS: Final = 16
MOST_BUCKETS: Final = 4_096
# Events of a range: they are sorted in memory.
SEGMENT: Final = 250_000


@frozen(kw_only=True)
class ArchiveProgress(Jsonable):
    """How far an archive is.

    Attributes:
        events: how many this call has archived.
        position: up to which the archive goes by now.
        head: where the log ended when it was asked.
    """

    events: int
    position: int
    head: int

    @property
    def done(self) -> int:
        """Positions that are through."""
        return self.position

    @property
    def total(self) -> int:
        """Positions that there are."""
        return self.head


@frozen(kw_only=True)
class ArchiveOutcome(Jsonable):
    """What an archive has come to.

    Attributes:
        ledger: the id by which the archive knows the ledger.
        events: how many this call has archived.
        last: the position up to which the archive goes.
        files: how many files this call has written, manifests apart.
        size: their bytes.
    """

    ledger: str
    events: int
    last: int
    files: int
    size: int


@define
class Archiving:
    """Brings the archive of a ledger up to its head."""

    store: Store
    place: Place
    buckets: int | None
    progress: Callable[[ArchiveProgress], object] | None
    _events: int = 0
    _files: int = 0
    _size: int = 0

    def run(self) -> ArchiveOutcome:
        """Archive range after range, until there is nothing more."""
        with self.store.reading() as reader:
            ledger = ledger_id(reader)
            end = self._end(reader, ledger)
        while True:
            with self.store.reading() as reader:
                part = next_range(reader, end.last if end else 0, SEGMENT)
                if part.last == part.after:
                    break
                head = reader.head().position
                is_ours = self._step(reader, ledger, part, end)
                # Of several at work one has given the manifest its name; go on behind that.
                end = self._end(reader, ledger)
            if is_ours and self.progress and end:
                self.progress(
                    ArchiveProgress(
                        events=self._events, position=end.last, head=max(head, end.last)
                    )
                )
        return ArchiveOutcome(
            ledger=ledger,
            events=self._events,
            last=end.last if end else 0,
            files=self._files,
            size=self._size,
        )

    def _end(self, reader: Reader, ledger: str) -> Manifest | None:
        """Where the archive ends.

        Raises:
            ArchiveError: it is not one that this ledger can go on with.
        """
        end = last_manifest(self.place, ledger)
        if end is None:
            return None
        check_same(reader, end, self.place.name)
        if self.buckets not in (None, end.buckets):
            raise InvalidInputError(
                f"this ledger's archive has {end.buckets} buckets, which stay: leave buckets= out"
            )
        return end

    def _step(self, reader: Reader, ledger: str, part: Range, end: Manifest | None) -> bool:
        """Archive one range; whether it was put in place."""
        buckets = end.buckets if end else self.buckets or BUCKETS
        pen = _Pen(self.place, ledger, part)
        try:
            events = read_events(reader, part)
            recorded_at = events["recorded_at"][-1].value
            for bucket, own in in_buckets(events, buckets):
                pen.write(EVENTS, own, bucket)
            for name, kept in KEPT.items():
                if not kept.is_whole:
                    pen.write(name, read_kept(reader, name, part))
            whole = tuple(self._whole(reader, part, end, pen))
            manifest = Manifest(
                ledger=ledger,
                number=end.number + 1 if end else 1,
                previous=end.digest if end else None,
                buckets=buckets,
                after=part.after,
                last=part.last,
                recorded_at=recorded_at,
                seal=seal_of(reader, part.last),
                files=tuple(one for one in pen.files if one not in whole),
                whole=whole,
            )
            is_ours = self.place.write_once(manifest.path, manifest.content)
        except BaseException:
            pen.take_back()
            raise
        if not is_ours:
            pen.take_back()
            return False
        self._events += part.last - part.after
        self._files += len(pen.files)
        self._size += sum(file.size for file in pen.files)
        return True

    def _whole(
        self, reader: Reader, part: Range, end: Manifest | None, pen: _Pen
    ) -> Iterator[File]:
        """What has no place in the log: where it has grown anew, else the file that has it."""
        for name, kept in KEPT.items():
            if kept.is_whole:
                before = (
                    next((one for one in end.whole if one.table == name), None) if end else None
                )
                if kept.number(reader, part) != (before.rows if before else 0):
                    before = pen.write(name, read_kept(reader, name, part))
                if before:
                    yield before


@define
class _Pen:
    """Writes the files of one range, under names that nobody else gives."""

    place: Place
    ledger: str
    part: Range
    files: list[File] = field(factory=list)

    def write(self, table: str, data: Any, bucket: int | None = None) -> File | None:
        """The file of some rows; none if there are none."""
        if not data.num_rows:
            return None
        content = parquet_of(data)
        folder = f"{table}/ledger={self.ledger}"
        bounds: dict[str, Any] = {}
        if bucket is not None:
            folder += f"/bucket={bucket:04}"
            bounds = bounds_of(data) | {"bucket": bucket}
        file = File(
            path=f"{folder}/{self.part.after + 1:015}-{self.part.last:015}-{token_hex(4)}.parquet",
            table=table,
            rows=data.num_rows,
            size=len(content),
            sha256=sha256(content).hexdigest(),
            **bounds,
        )
        self.files.append(file)
        self.place.write(file.path, content)
        return file

    def take_back(self) -> None:
        """Take away what was written, as no manifest names it."""
        for file in self.files:
            self.place.delete(file.path)


def bounds_of(events: Any) -> dict[str, int]:
    """The first and the last position of some events."""
    import pyarrow.compute as pc

    bounds = pc.min_max(events["position"]).as_py()
    return {"first": bounds["min"], "last": bounds["max"]}


def read_events(reader: Reader, part: Range) -> Any:
    """The events of a range with their acts, as the archive has them, by position."""
    import pyarrow as pa

    events, acts = [], []
    for page in part.pages():
        events.append(columnar(EVENT_COLUMNS, events_in(reader, page)))
        acts.append(columnar(ACT_COLUMNS, acts_in(reader, page)))
    return with_acts(pa.concat_tables(events), pa.concat_tables(acts))


def read_kept(reader: Reader, name: str, part: Range) -> Any:
    """The rows of another table that belong to a range."""
    import pyarrow as pa

    kept = KEPT[name]
    pages = [columnar(kept.columns, rows) for rows in kept.pages(reader, part)]
    return pa.concat_tables(pages or [columnar(kept.columns, [])]).cast(schema_of(name))


def check_same(reader: Reader, end: Manifest, name: str) -> None:
    """Refuse an archive that a ledger cannot go on with.

    Raises:
        ArchiveError: it goes further than the ledger, or holds another event where it ends.
    """
    head = reader.head().position
    if head < end.last:
        raise ArchiveError(
            f"the archive {name} goes up to position {end.last}, and the ledger to {head}: this is "
            "an older copy of the ledger that was archived; nothing was written"
        )
    if seal_of(reader, end.last) != end.seal:
        raise ArchiveError(
            f"the archive {name} has another event at position {end.last} than the ledger: both "
            f"have the id {shown(end.ledger)}, and went different ways since one was copied; "
            "nothing was written"
        )
