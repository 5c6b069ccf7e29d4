"""Looking at the files of an archive, bucket by bucket; what is found adds up over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import astuple, define, field

from modlog._domain.values import shown
from modlog._errors import ArchiveError, CorruptEventError
from modlog._services.archive.archiving import bounds_of
from modlog._services.archive.manifests import File, Manifest
from modlog._services.archive.reading import Dataset
from modlog._services.archive.replaying import events_of_bucket, histories_of
from modlog._services.archive.tables import bucket_of
from modlog._storage.checks import Finding
from modlog._storage.rebuilding import traced

_CHECK = "archive"


@define
class Sums:
    """What tells whether each number of a range is there once, whatever their order."""

    number: int = 0
    plain: int = 0
    squared: int = 0

    @classmethod
    def of(cls, last: int) -> Sums:
        """Those of the numbers from 1."""
        return cls(last, last * (last + 1) // 2, last * (last + 1) * (2 * last + 1) // 6)

    def add(self, events: Any, after: int) -> None:
        """Add the positions of some events, counted from behind one."""
        import pyarrow.compute as pc

        places = pc.subtract(events["position"], after)
        self.number += len(places)
        self.plain += pc.sum(places).as_py() or 0
        self.squared += pc.sum(pc.multiply(places, places)).as_py() or 0

    def join(self, other: Sums) -> None:
        """Add those of other numbers."""
        self.number += other.number
        self.plain += other.plain
        self.squared += other.squared


@define
class Looking:
    """What was found in some buckets of an archive.

    Attributes:
        dataset: what the archive has of a ledger.
        progress: called with how many events were looked at so far.
        events: that number.
        findings: what is not as it must be.
        sums: of the positions of each manifest, by its number.
    """

    dataset: Dataset
    progress: Callable[[int], object] | None = None
    events: int = 0
    findings: list[Finding] = field(factory=list)
    sums: dict[int, Sums] = field(factory=lambda: defaultdict(Sums))

    def found(self, message: str, position: int | None = None) -> None:
        """Note something that is not as it must be."""
        self.findings.append(Finding(check=_CHECK, message=message, position=position))

    def manifests(self) -> tuple[Manifest, ...]:
        """The manifests; none if one is missing or cannot be read."""
        try:
            return self.dataset.manifests
        except ArchiveError as error:
            self.found(str(error))
            return ()

    def read(self, file: File) -> Any:
        """The rows of a file; None if it is not what its manifest says."""
        try:
            data = self.dataset.read(file)
        except ArchiveError as error:
            self.found(str(error))
            return None
        if data.num_rows != file.rows:
            self.found(f"{file.path} has {data.num_rows} rows, its manifest says {file.rows}")
        return data

    def look_at_bucket(self, bucket: int) -> None:
        """Look at the files of a bucket: what is in them, and that versions follow each other."""
        versions: dict[tuple[str, str], int] = {}
        for manifest in self.dataset.manifests:
            for file in manifest.events():
                if file.bucket == bucket and (data := self.read(file)) is not None:
                    self._look_at(data, file, manifest, versions)
                    self.sums[manifest.number].add(data, manifest.after)

    def replay_bucket(self, bucket: int) -> None:
        """Replay each account of a bucket whose files are as they must be."""
        if self.findings:
            return
        for stream, id_, rows in histories_of(events_of_bucket(self.dataset, bucket)):
            try:
                traced(stream, id_, rows)
            except CorruptEventError as error:
                self.found(f"account {shown(id_)}: {error}")

    def look_beside(self) -> None:
        """Look at the files that are of no bucket."""
        manifests = self.dataset.manifests
        files = {file.path: file for one in manifests for file in (*one.files, *one.whole)}
        for file in files.values():
            if file.bucket is None:
                self.read(file)

    def as_dict(self) -> dict[str, Any]:
        """What was found, as JSON values."""
        return {
            "events": self.events,
            "findings": [one.as_dict() for one in self.findings],
            "sums": {str(number): astuple(sums) for number, sums in self.sums.items()},
        }

    def join(self, found: Mapping[str, Any]) -> None:
        """Add what was found elsewhere, from `as_dict`."""
        self.events += found["events"]
        self.findings += [Finding(**one) for one in found["findings"]]
        for number, sums in found["sums"].items():
            self.sums[int(number)].join(Sums(*sums))

    def look_at_sums(self) -> None:
        """Once all buckets are through: that each position is there once."""
        for manifest in self.dataset.manifests:
            if self.sums[manifest.number] != Sums.of(manifest.last - manifest.after):
                self.found(
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
            self.found(f"{file.path} has other positions than its manifest says")
        for id_, kind, first, last, number in _streams(data):
            if bucket_of(id_, manifest.buckets) != file.bucket:
                self.found(f"{file.path} has events of {shown(id_)}, which belong elsewhere")
            before = versions.get((kind, id_), 0)
            if kind != "foreign" and (first, last) != (before + 1, before + number):
                self.found(
                    f"{file.path}: versions {first} to {last} of {kind} {shown(id_)}, {number} of "
                    f"them, do not follow version {before}"
                )
            versions[kind, id_] = last


def _streams(events: Any) -> Iterator[tuple[str, str, int, int, int]]:
    """Of each stream its id, kind, first and last version, and how many events it has."""
    grouped = events.group_by(["id", "kind"]).aggregate(
        [("version", "min"), ("version", "max"), ("version", "count")]
    )
    names = ("id", "kind", "version_min", "version_max", "version_count")
    return zip(*(grouped[name].to_pylist() for name in names), strict=True)
