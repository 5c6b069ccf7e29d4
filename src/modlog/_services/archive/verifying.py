"""Checking an archive against itself, and against the ledger that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from attrs import define, field, frozen

from modlog._domain.jsonable import Jsonable
from modlog._errors import ArchiveError, CorruptEventError
from modlog._services.archive.archiving import check_same, read_events, read_kept
from modlog._services.archive.looking import Looking
from modlog._services.archive.manifests import File, Manifest
from modlog._services.archive.reading import Dataset
from modlog._services.archive.replaying import buckets_of
from modlog._services.archive.tables import EVENTS, in_buckets
from modlog._storage.archives import KEPT, Range, ledger_id
from modlog._storage.checks import MOST, Finding
from modlog._storage.reading import Reader
from modlog._storage.store import Store


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
    _looking: Looking = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looking = Looking(self.dataset, self.progress)

    def run(self, store: Store | None) -> ArchiveReport:
        """See `Archive.verify`."""
        manifests = self._looking.manifests()
        named = {file.path: file for one in manifests for file in (*one.files, *one.whole)}
        if manifests:
            for bucket in buckets_of(self.dataset):
                self._looking.look_at_bucket(bucket)
            self._looking.look_at_sums()
            self._looking.look_beside()
        if store is not None and not self._looking.findings:
            with store.reading() as reader:
                self._compare(reader, manifests)
        return ArchiveReport(
            ledger=self.dataset.ledger,
            findings=tuple(self._looking.findings[:MOST]),
            last=manifests[-1].last if manifests else 0,
            events=self._looking.events,
            files=len(named),
            size=sum(file.size for file in named.values()),
            leftovers=tuple(self._leftovers(named)),
            compared=store is not None,
        )

    def _leftovers(self, named: dict[str, File]) -> Iterator[str]:
        for table in (EVENTS, *KEPT):
            for path in self.dataset.place.paths(f"{table}/ledger={self.dataset.ledger}"):
                if path not in named:
                    yield path

    # Beside the ledger

    def _compare(self, reader: Reader, manifests: tuple[Manifest, ...]) -> None:
        try:
            self._check_ledger(reader, manifests)
            for manifest in manifests:
                self._compare_range(reader, manifest)
        except (ArchiveError, CorruptEventError) as error:
            self._looking.found(str(error))

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
                self._looking.found(
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
            self._looking.found(
                f"{name} of events {part.after + 1} to {part.last} are not the ledger's"
            )

    def _compare_whole(self, name: str, archived: list[Any], own: Any) -> None:
        """What has no place in the log may have grown since; nothing of it goes away."""
        known = {tuple(row.values()) for row in own.to_pylist()}
        if any(tuple(row.values()) not in known for one in archived for row in one.to_pylist()):
            self._looking.found(f"{name} are not the ledger's")
