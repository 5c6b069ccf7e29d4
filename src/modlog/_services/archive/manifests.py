"""The manifests of an archive: each names the files of a range of the log, and the one before.

A file belongs to an archive because a manifest names it, and a manifest because its number follows
the one before and it knows the digest of that. What a writer that was killed left behind belongs
to nothing, and is read by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

import orjson
from attrs import asdict, define, field, frozen
from attrs.validators import in_, instance_of, matches_re, optional

from modlog._domain.values import shown
from modlog._errors import ArchiveError
from modlog._services.archive.places import Place
from modlog._services.archive.tables import EVENTS, SCHEMA
from modlog._storage.archives import KEPT
from modlog._storage.codec import canonical

_FORMAT: Final = "modlog archive"
_FOLDER: Final = "manifests"
_LEDGER: Final = re.compile("ledger=([0-9a-f]{32})")
_NAME: Final = re.compile(r"(\d{12})\.json")


@frozen(kw_only=True)
class File:
    """A file of an archive.

    Attributes:
        path: in the archive.
        table: what it has rows of.
        rows: how many.
        size: in bytes.
        sha256: of its bytes.
        bucket: of the events in it; none for other tables.
        first: the first position in it; none for other tables.
        last: the last.
    """

    path: str = field(validator=matches_re(r"(?!.*\.\.)[a-z].*"))
    table: str = field(validator=in_((EVENTS, *KEPT)))
    rows: int = field(validator=instance_of(int))
    size: int = field(validator=instance_of(int))
    sha256: str = field(validator=instance_of(str))
    bucket: int | None = field(default=None, validator=optional(instance_of(int)))
    first: int | None = field(default=None, validator=optional(instance_of(int)))
    last: int | None = field(default=None, validator=optional(instance_of(int)))


@define(kw_only=True, eq=False, slots=False)
class Manifest:
    """What was archived in one step: a range of the log, of whole transactions.

    Attributes:
        ledger: the id of the ledger.
        number: from 1.
        previous: the digest of the manifest before; none for the first.
        buckets: into how many the accounts are spread, the same in all of a ledger.
        after: the position behind which the range begins.
        last: that at which it ends.
        recorded_at: of the event there, in microseconds since 1970.
        seal: the digest of that event, by which a ledger is told from one that went another way.
        files: those of the range.
        whole: what has no place in the log, all of it so far; it may lie in earlier files.
    """

    ledger: str
    number: int
    previous: str | None
    buckets: int
    after: int
    last: int
    recorded_at: int
    seal: str
    files: tuple[File, ...]
    whole: tuple[File, ...]

    @property
    def path(self) -> str:
        """Of its file."""
        return f"{folder_of(self.ledger)}/{self.number:012}.json"

    @cached_property
    def content(self) -> bytes:
        """The bytes of its file."""
        return canonical({"format": _FORMAT, "schema": SCHEMA, **asdict(self)})

    @property
    def digest(self) -> str:
        """By which the next one names it."""
        return sha256(self.content).hexdigest()

    def events(self) -> list[File]:
        """The files of events, by bucket."""
        return [one for one in self.files if one.bucket is not None]

    def others(self, table: str) -> list[File]:
        """The files of another table: those of the range, or what has no place in the log."""
        return [one for one in (*self.files, *self.whole) if one.table == table]


def folder_of(ledger: str) -> str:
    """Where the manifests of a ledger lie."""
    return f"{_FOLDER}/ledger={ledger}"


def ledgers_in(place: Place) -> list[str]:
    """The ids of the ledgers that an archive has something of, in order."""
    found = (_LEDGER.fullmatch(name) for name in place.folders(_FOLDER))
    return [one.group(1) for one in found if one]


def numbers_of(place: Place, ledger: str) -> list[int]:
    """The numbers of a ledger's manifests that are there, in order."""
    found = (_NAME.fullmatch(name) for name in place.names(folder_of(ledger)))
    return [int(one.group(1)) for one in found if one]


def last_manifest(place: Place, ledger: str) -> Manifest | None:
    """Where the archive of a ledger ends; none if it has nothing of it.

    Raises:
        ArchiveError: it cannot be read, or does not follow the one before.
    """
    numbers = numbers_of(place, ledger)
    if not numbers:
        return None
    if numbers != list(range(1, len(numbers) + 1)):
        missing = min(set(range(1, numbers[-1] + 1)) - set(numbers))
        raise ArchiveError(
            f"manifest {missing} of the ledger {ledger} is not in the archive {place.name}: it was "
            "taken away, or not copied"
        )
    *before, last = (_read(place, ledger, number) for number in numbers[-2:])
    _check_follows(last, before[0] if before else None)
    return last


def manifests_of(place: Place, ledger: str) -> Iterator[Manifest]:
    """All manifests of a ledger, from the first, each checked to follow the one before.

    Raises:
        ArchiveError: one cannot be read, or is missing.
    """
    before = None
    for number in range(1, max(numbers_of(place, ledger), default=0) + 1):
        manifest = _read(place, ledger, number)
        _check_follows(manifest, before)
        yield manifest
        before = manifest


def _check_follows(manifest: Manifest, before: Manifest | None) -> None:
    expected: tuple[Any, ...] = (None, 0, manifest.buckets)
    if before is not None:
        expected = (before.digest, before.last, before.buckets)
    if expected != (manifest.previous, manifest.after, manifest.buckets):
        raise ArchiveError(
            f"manifest {manifest.number} of the ledger {manifest.ledger} does not follow the one "
            "before it: one of the two was changed, or belongs to another archive"
        )


def _read(place: Place, ledger: str, number: int) -> Manifest:
    path = f"{folder_of(ledger)}/{number:012}.json"
    content = place.read(path)
    try:
        values = orjson.loads(content)
        if values["format"] != _FORMAT:
            raise ValueError("it is no manifest of an archive")
        _check_schema(values["schema"], path)
        manifest = _manifest_of(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{path} is damaged, it cannot be read as a manifest") from error
    if manifest.content != content or (manifest.ledger, manifest.number) != (ledger, number):
        raise ArchiveError(f"{path} is not what modlog wrote there: it was changed or renamed")
    return manifest


def _check_schema(schema: object, path: str) -> None:
    if isinstance(schema, int) and schema > SCHEMA:
        raise ArchiveError(
            f"{path} has schema {shown(schema)}, this modlog knows archives of schema {SCHEMA}: "
            "upgrade modlog"
        )
    if schema != SCHEMA:
        raise ValueError("no schema")


def _manifest_of(values: Mapping[str, Any]) -> Manifest:
    own = {name: value for name, value in values.items() if name not in ("format", "schema")}
    for name in ("files", "whole"):
        own[name] = tuple(File(**one) for one in own[name])
    return Manifest(**own)
