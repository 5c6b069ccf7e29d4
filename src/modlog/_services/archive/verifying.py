"""Checking an archive against itself, and against the ledger that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from attrs import define, field, frozen

from modlog._domain.jsonable import Jsonable
from modlog._domain.values import shown
from modlog._errors import ArchiveError, CorruptEventError
from modlog._services.archive.archiving import bounds_of, check_same, read_events, read_kept
from modlog._services.archive.manifests import File, Manifest
from modlog._services.archive.reading import Dataset
from modlog._services.archive.tables import EVENTS, bucket_of, in_buckets
from modlog._storage.archives import KEPT, Range, ledger_id
from modlog._storage.checks import MOST, Finding
from modlog._storage.reading import Reader
from modlog._storage.store import Store

_CHECK = "archive"


@frozen(kw_only=True)
class ArchiveReport(Jsonable):
    """What `Archive.verify` found.

    Attributes:
        ledger: the id of the ledger.
        findings: all that is not as it must be; none in a sound archive.
        last: the position up to which it goes.
        events: how many events were looked at.
        files: how many files its manifests name.
        size: their bytes.
        leftovers: files that no manifest names: of writers that were killed, or are at work.
            They belong to nothing, and may be deleted while nobody writes.
        compared: whether it was held beside the ledger.
    """

    _also: ClassVar = ("ok",)

    ledger: str
    findings: tuple[Finding, ...]
    last: int
    events: int
    files: int
    size: int
    leftovers: tuple[str, ...]
    compared: bool

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@define
class Verifying:
    """Looks at every file of an archive."""

    dataset: Dataset
    progress: Callable[[int], object] | None
    events: int = 0
    findings: list[Finding] = field(factory=list)

    def run(self, store: Store | None) -> ArchiveReport:
        """See `Archive.verify`."""
        manifests = self._manifests()
        named = {file.path: file for one in manifests for file in (*one.files, *one.whole)}
        self._look_at_events(manifests)
        self._look_beside(named)
        if store is not None and not self.findings:
            with store.reading() as reader:
                self._compare(reader, manifests)
        return ArchiveReport(
            ledger=self.dataset.ledger,
            findings=tuple(self.findings[:MOST]),
            last=manifests[-1].last if manifests else 0,
            events=self.events,
            files=len(named),
            size=sum(file.size for file in named.values()),
            leftovers=tuple(self._leftovers(named)),
            compared=store is not None,
        )

    def _found(self, message: str, position: int | None = None) -> None:
        self.findings.append(Finding(check=_CHECK, message=message, position=position))

    def _manifests(self) -> tuple[Manifest, ...]:
        try:
            return self.dataset.manifests
        except ArchiveError as error:
            self._found(str(error))
            return ()

    def _read(self, file: File) -> Any:
        try:
            data = self.dataset.read(file)
        except ArchiveError as error:
            self._found(str(error))
            return None
        if data.num_rows != file.rows:
            self._found(f"{file.path} has {data.num_rows} rows, its manifest says {file.rows}")
        return data

    def _look_beside(self, named: dict[str, File]) -> None:
        for file in named.values():
            if file.table != EVENTS:
                self._read(file)

    def _leftovers(self, named: dict[str, File]) -> Iterator[str]:
        for table in (EVENTS, *KEPT):
            for path in self.dataset.place.paths(f"{table}/ledger={self.dataset.ledger}"):
                if path not in named:
                    yield path

    # Events

    def _look_at_events(self, manifests: tuple[Manifest, ...]) -> None:
        """Bucket by bucket, so that no more versions are kept in mind than a bucket has."""
        sums = {manifest.number: _Sums() for manifest in manifests}
        for bucket in range(manifests[0].buckets if manifests else 0):
            versions: dict[tuple[str, str], int] = {}
            for manifest in manifests:
                for file in manifest.events():
                    if file.bucket == bucket and (data := self._read(file)) is not None:
                        self._look_at(data, file, manifest, versions)
                        sums[manifest.number].add(data, manifest.after)
        for manifest in manifests:
            if sums[manifest.number] != _Sums.of(manifest.last - manifest.after):
                self._found(
                    f"the files of manifest {manifest.number} do not have each position from "
                    f"{manifest.after + 1} to {manifest.last} once",
                    manifest.after + 1,
                )

    def _look_at(
        self, data: Any, file: File, manifest: Manifest, versions: dict[tuple[str, str], int]
    ) -> None:
        self.events += data.num_rows
        if self.progress:
            self.progress(self.events)
        bounds = bounds_of(data) if data.num_rows else {}
        if bounds != {"first": file.first, "last": file.last}:
            self._found(f"{file.path} has other positions than its manifest says")
        for id_, kind, first, last, number in _streams(data):
            if bucket_of(id_, manifest.buckets) != file.bucket:
                self._found(f"{file.path} has events of {shown(id_)}, which belong elsewhere")
            before = versions.get((kind, id_), 0)
            if kind != "foreign" and (first, last) != (before + 1, before + number):
                self._found(
                    f"{file.path}: versions {first} to {last} of {kind} {shown(id_)}, {number} of "
                    f"them, do not follow version {before}"
                )
            versions[kind, id_] = last

    # Beside the ledger

    def _compare(self, reader: Reader, manifests: tuple[Manifest, ...]) -> None:
        try:
            self._check_ledger(reader, manifests)
            for manifest in manifests:
                self._compare_range(reader, manifest)
        except (ArchiveError, CorruptEventError) as error:
            self._found(str(error))

    def _check_ledger(self, reader: Reader, manifests: tuple[Manifest, ...]) -> None:
        own = ledger_id(reader)
        if own != self.dataset.ledger:
            raise ArchiveError(
                f"this is an archive of the ledger {self.dataset.ledger}, and the ledger that it "
                f"was compared with is {own}"
            )
        if manifests:
            check_same(reader, manifests[-1], self.dataset.place.name)

    def _compare_range(self, reader: Reader, manifest: Manifest) -> None:
        part = Range(manifest.after, manifest.last)
        own = dict(in_buckets(read_events(reader, part), manifest.buckets))
        files = {file.bucket: file for file in manifest.events()}
        for bucket in range(manifest.buckets):
            file = files.get(bucket)
            found = self.dataset.read(file) if file else None
            if found != own.get(bucket):
                self._found(
                    f"events {part.after + 1} to {part.last} of bucket {bucket} are not those of "
                    "the ledger",
                    part.after + 1,
                )
        for name, kept in KEPT.items():
            if not kept.is_whole:
                archived = [self.dataset.read(one) for one in manifest.files if one.table == name]
                self._compare_table(name, archived, read_kept(reader, name, part), part)
            elif manifest is self.dataset.manifests[-1]:
                archived = [self.dataset.read(one) for one in manifest.whole if one.table == name]
                self._compare_whole(name, archived, read_kept(reader, name, part))

    def _compare_table(self, name: str, archived: list[Any], own: Any, part: Range) -> None:
        if own.num_rows != sum(one.num_rows for one in archived) or (
            archived and not archived[0].equals(own)
        ):
            self._found(f"{name} of events {part.after + 1} to {part.last} are not the ledger's")

    def _compare_whole(self, name: str, archived: list[Any], own: Any) -> None:
        """What has no place in the log may have grown since; nothing of it goes away."""
        known = {tuple(row.values()) for row in own.to_pylist()}
        if any(tuple(row.values()) not in known for one in archived for row in one.to_pylist()):
            self._found(f"{name} are not the ledger's")


@define
class _Sums:
    """What tells whether each number of a range is there once, whatever their order."""

    number: int = 0
    plain: int = 0
    squared: int = 0

    @classmethod
    def of(cls, last: int) -> _Sums:
        """Those of the numbers from 1."""
        return cls(last, last * (last + 1) // 2, last * (last + 1) * (2 * last + 1) // 6)

    def add(self, events: Any, after: int) -> None:
        """Add the positions of some events, counted from behind one."""
        import pyarrow.compute as pc

        places = pc.subtract(events["position"], after)
        self.number += len(places)
        self.plain += pc.sum(places).as_py() or 0
        self.squared += pc.sum(pc.multiply(places, places)).as_py() or 0


def _streams(events: Any) -> Iterator[tuple[str, str, int, int, int]]:
    """Of each stream its id, kind, first and last version, and how many events it has."""
    grouped = events.group_by(["id", "kind"]).aggregate(
        [("version", "min"), ("version", "max"), ("version", "count")]
    )
    names = ("id", "kind", "version_min", "version_max", "version_count")
    return zip(*(grouped[name].to_pylist() for name in names), strict=True)
