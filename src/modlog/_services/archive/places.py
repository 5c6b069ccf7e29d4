"""Where an archive lies: a folder, S3, or whatever else `pyarrow.fs` knows.

A file has its name only once it is whole, and none is ever written over. Of several who want to
give the same name one does: on a disk a link sees to that; elsewhere, as `pyarrow.fs` has no write
that fails where there is something, whoever holds the only claim to the name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from secrets import SystemRandom, token_hex
from typing import Any, Final

from attrs import frozen

from modlog._domain.values import shown
from modlog._errors import ArchiveError, InvalidInputError
from modlog._services.columns import check_installed
from modlog._services.putting import keep, part_of

# How old a claim is, by the clock of the store, that somebody has left behind who was killed.
_LEASE: Final = timedelta(minutes=2)
# How long who wants a name at the same time as another waits at the most, in seconds.
_PAUSE: Final = 0.5
_CLAIMS: Final = "claims"
# These have no folders that need to be made.
_FLAT: Final = ("s3", "gcs", "abfs")


@frozen
class Place:
    """A folder of files, by their paths within it.

    Attributes:
        filesystem: of `pyarrow.fs`.
        root: the folder's path there.
        name: what messages call it.
    """

    filesystem: Any
    root: str
    name: str

    def path(self, path: str) -> str:
        """The path on the filesystem."""
        return f"{self.root}/{path}"

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return bool(self.filesystem.type_name == "local")

    # Reading

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, in order; none if it is not there."""
        return sorted(info.base_name for info in self._infos(folder))

    def paths(self, folder: str) -> list[str]:
        """The paths of all files below a folder, in order."""
        found = self._infos(folder, recursive=True)
        return sorted(info.path.removeprefix(self.root).lstrip("/") for info in found)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, in order."""
        from pyarrow import fs

        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(one.base_name for one in found if one.type == fs.FileType.Directory)

    def _infos(self, folder: str, *, recursive: bool = False) -> list[Any]:
        from pyarrow import fs

        path = self.path(folder).rstrip("/")
        selector = fs.FileSelector(path, allow_not_found=True, recursive=recursive)
        found = self.filesystem.get_file_info(selector)
        return [one for one in found if one.type == fs.FileType.File]

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            ArchiveError: there is no such file.
        """
        try:
            with self.filesystem.open_input_stream(self.path(path)) as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise ArchiveError(
                f"{path} is not in the archive {self.name}: it was taken away, or not copied"
            ) from error

    # Writing

    def write(self, path: str, content: bytes) -> None:
        """Write a file whose name nobody else gives."""
        if not self._put(path, content):
            raise ArchiveError(f"{path} is in the archive {self.name} already: nothing was written")

    def write_once(self, path: str, content: bytes) -> bool:
        """Write a file if there is none of that name; whether it was this call that did.

        Of several processes that call it at the same time it is true for one.
        """
        if self.is_local:
            return self._put(path, content)
        with self._claim(path) as is_ours:
            if not is_ours or self._is_there(path):
                return False
            return self._put(path, content)

    def delete(self, path: str) -> None:
        """Take away a file that nobody else knows of."""
        with suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(path))

    def _is_there(self, path: str) -> bool:
        from pyarrow import fs

        return bool(self.filesystem.get_file_info(self.path(path)).type != fs.FileType.NotFound)

    def _put(self, path: str, content: bytes) -> bool:
        if self.is_local:
            return _linked(Path(self.path(path)), content)
        if self.filesystem.type_name not in _FLAT:
            self.filesystem.create_dir(self.path(path).rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(self.path(path)) as file:
            file.write(content)
        return True

    @contextmanager
    def _claim(self, path: str) -> Iterator[bool]:
        """Claim a name; whether nobody else claims it.

        Of two who claim the same, each of whom looks after it has claimed, one at least sees the
        other: so at most one goes on, and if both see each other, both come back later.
        """
        name = path.replace("/", ".")
        own = f"{name}.{token_hex(8)}"
        self._put(f"{_CLAIMS}/{own}", b"")
        try:
            infos = {info.base_name: info.mtime for info in self._infos(_CLAIMS)}
            is_ours = not any(
                other.startswith(f"{name}.") and other != own and infos[own] - at < _LEASE
                for other, at in infos.items()
            )
            if not is_ours:
                time.sleep(SystemRandom().uniform(0, _PAUSE))
            yield is_ours
        finally:
            self.delete(f"{_CLAIMS}/{own}")


def _linked(path: Path, content: bytes) -> bool:
    """Write a file beside its name, to the disk, and give it the name if that is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    keep(path.parent)
    return True


def place_of(target: object, filesystem: Any = None) -> Place:
    """The place that a path or a URI names.

    Args:
        target: a path, or a URI as `pyarrow.fs` takes it; with a filesystem, a path on it.
        filesystem: of `pyarrow.fs`.

    Raises:
        InvalidInputError: none that Arrow knows, or pyarrow is not installed.
    """
    check_installed()
    from pyarrow import fs

    if isinstance(target, os.PathLike):
        target = os.fspath(target)
    if not isinstance(target, str) or not target or "\0" in target:
        raise InvalidInputError(f"an archive's target is a path or a URI, not {shown(target)}")
    if filesystem is not None:
        if not isinstance(filesystem, fs.FileSystem):
            raise InvalidInputError(f"filesystem= takes one of pyarrow.fs, not {shown(filesystem)}")
        return Place(filesystem, target.rstrip("/"), target)
    if "://" in target:
        return _of_uri(target)
    if Path(target).exists() and not Path(target).is_dir():
        raise InvalidInputError(f"{shown(target)} is a file: an archive is a folder")
    return Place(fs.LocalFileSystem(), os.path.abspath(target).rstrip("/"), target)  # noqa: PTH100


def _of_uri(uri: str) -> Place:
    import pyarrow as pa
    from pyarrow import fs

    # Nothing else of it is shown: it may hold a key.
    scheme = uri.partition("://")[0]
    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
        if not path.strip("/"):
            raise ValueError("no path")
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidInputError(
            f"this {shown(scheme)} URI names no place for an archive: expected a path, "
            "file:///PATH, or s3://BUCKET/PATH and what else pyarrow.fs takes"
        ) from error
    return Place(filesystem, path.rstrip("/"), f"{scheme}://{path}")
