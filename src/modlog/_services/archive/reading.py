"""Reading an archive: each file is what its manifest says, or it is not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, TypeGuard

from attrs import define

from modlog._domain.values import FIRST_INSTANT, checked_instant, from_micros, shown, to_micros
from modlog._errors import ArchiveError, InvalidInputError
from modlog._services.archive.manifests import File, Manifest, ledgers_in, manifests_of
from modlog._services.archive.places import Place
from modlog._services.archive.tables import read_parquet


@define(slots=False)
class Dataset:
    """What an archive has of one ledger.

    Attributes:
        place: where it lies.
        ledger: the id of the ledger.
    """

    place: Place
    ledger: str

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """All manifests, from the first.

        Raises:
            ArchiveError: one is missing, or cannot be read.
        """
        return tuple(manifests_of(self.place, self.ledger))

    @property
    def last(self) -> int:
        """The position up to which it goes."""
        return self.manifests[-1].last if self.manifests else 0

    def moment(self, moment: int | datetime | None) -> tuple[int, datetime]:
        """The last position that counts at a moment, and the instant at which one looks then.

        Args:
            moment: as `View.as_of` takes it, on the clock of `recorded`; None for the end.

        Raises:
            ArchiveError: a file is missing, cut or changed.
            InvalidInputError: a position beyond the archive's end, a naive datetime.
        """
        if moment is None:
            moment = self.last
        if isinstance(moment, datetime) or not _is_whole(moment):
            instant = checked_instant(moment, "the moment of as_of")
            return self._position_at(to_micros(instant)), instant
        if not 0 <= moment <= self.last:
            raise InvalidInputError(
                f"as_of= takes a position from 0 to the archive's end, {self.last}, not "
                f"{shown(moment)}"
            )
        return moment, self._recorded_at(moment)

    def _recorded_at(self, position: int) -> datetime:
        import pyarrow.compute as pc

        if position == 0:
            return FIRST_INSTANT
        manifest = next(one for one in self.manifests if position <= one.last)
        for file in manifest.events() if position < manifest.last else ():
            rows = self.read(file, _PLACES)
            found = rows.filter(pc.equal(rows["position"], position))
            if found.num_rows:
                return from_micros(found["recorded_at"].cast("int64")[0].as_py())
        return from_micros(manifest.recorded_at)

    def _position_at(self, micros: int) -> int:
        """The last position recorded at an instant or before; instants grow with positions."""
        import pyarrow.compute as pc

        manifest = next((one for one in self.manifests if one.recorded_at > micros), None)
        if manifest is None:
            return self.last
        last = manifest.after
        for file in manifest.events():
            rows = self.read(file, _PLACES)
            then = rows.filter(pc.less_equal(rows["recorded_at"].cast("int64"), micros))
            last = max(last, pc.max(then["position"]).as_py() or 0)
        return last

    def read(self, file: File, columns: Sequence[str] | None = None) -> Any:
        """The rows of a file as an Arrow table.

        Raises:
            ArchiveError: it is not there, or not what the manifest says.
        """
        return read_parquet(self._content(file), file.table, file.path, columns)

    def _content(self, file: File) -> Any:
        import pyarrow as pa

        content = self.place.read(file.path)
        if len(content) != file.size:
            raise ArchiveError(
                f"{file.path} has {len(content)} bytes, its manifest says {file.size}: it was cut "
                "or is not copied to its end; take it from another copy of the archive"
            )
        if sha256(content).hexdigest() != file.sha256:
            raise ArchiveError(
                f"{file.path} has another SHA-256 than its manifest says: it was changed; take it "
                "from another copy of the archive"
            )
        return pa.BufferReader(content)

    def events(self, manifest: Manifest) -> Any:
        """The events of a range as one Arrow table."""
        import pyarrow as pa

        return pa.concat_tables(self.read(file) for file in manifest.events())

    def beside(self, table: str) -> Iterator[Any]:
        """All rows of another table, file by file, up to where the archive ends."""
        for manifest in self.manifests:
            yield from (self.read(file) for file in manifest.files if file.table == table)
        if self.manifests:
            whole = self.manifests[-1].whole
            yield from (self.read(file) for file in whole if file.table == table)


_PLACES: Final = ("position", "recorded_at")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def dataset_of(place: Place, ledger: str | None) -> Dataset:
    """What an archive has of a ledger, the only one if none is named.

    Raises:
        ArchiveError: it has nothing of it, or of any.
        InvalidInputError: it has several, and none is named.
    """
    ledgers = ledgers_in(place)
    if not ledgers:
        raise ArchiveError(
            f"there is no archive at {place.name}: check the name; log.archive(target) writes one"
        )
    if ledger is None:
        if len(ledgers) > 1:
            raise InvalidInputError(
                f"the archive {place.name} has {len(ledgers)} ledgers, say which one with ledger=: "
                f"{', '.join(ledgers)}"
            )
        return Dataset(place, ledgers[0])
    if ledger not in ledgers:
        raise ArchiveError(
            f"the archive {place.name} has nothing of the ledger {shown(ledger)}, but of "
            f"{', '.join(ledgers)}"
        )
    return Dataset(place, ledger)
