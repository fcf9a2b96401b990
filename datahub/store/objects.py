"""Files of a data folder, on the local disk.

    received/<sha256>              originals, private, named by content
    work/<submission>/             what stages leave for later stages, private
    staging/<uuid>/                being written; swept
    public/<dataset>/<version>/    what everybody may read; never changed once it is there
    withdrawn/<dataset>/<version>/ what was taken down, private

A file or folder becomes visible by one rename after everything in it is on the disk (fsync).
Names come from us (digests, uuids, checked dataset names), never from a client.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.errors import BodyTooLarge, DistributionUnknown, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Objects:
    """Reads and writes below one data folder; `free_bytes` of its disk are never used up."""

    def __init__(self, root: Path, *, free_bytes: int = 0) -> None:
        self.root = root
        self.free_bytes = free_bytes
        with full_disk_told():
            for name in ("received", "work", "staging", "public", "withdrawn"):
                (root / name).mkdir(parents=True, exist_ok=True)

    def received(self, digest: str) -> Path:
        """Path of an original."""
        return self.root / "received" / digest

    def work(self, submission: str) -> Path:
        """Folder of what stages leave behind for a submission."""
        return self.root / "work" / submission

    def public(self, dataset: str, version: int) -> Path:
        """Folder of a release."""
        return self.root / "public" / dataset / str(version)

    def withdrawn(self, dataset: str, version: int) -> Path:
        """Folder of a release that was taken down."""
        return self.root / "withdrawn" / dataset / str(version)

    def staging(self) -> Path:
        """Make a new private folder to write in."""
        folder = self.root / "staging" / secrets.token_hex(8)
        with full_disk_told():
            folder.mkdir()
        return folder

    def incoming(self, limit: int, *, used: int = 0) -> Incoming:
        """Open a writer for one original; with `used` bytes before it `limit` may be reached."""
        return Incoming(self, limit, used)

    def need(self, size: int) -> None:
        """Check that `size` bytes fit on the disk.

        Raises:
            StorageFull: they do not, or would use up the reserve.

        """
        if shutil.disk_usage(self.root).free - self.free_bytes < size:
            raise StorageFull

    def publish(self, staged: Path, dataset: str, version: int) -> None:
        """Make a staged folder the public one of a release that the catalog does not own yet.

        What is found in its place was left by a crash before the catalog knew it: it goes.
        """
        target = self.public(dataset, version)
        with full_disk_told():
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                self.discard(target)
            seal(staged)
            staged.rename(target)
            sync_folder(target.parent)
            sync_folder(target.parent.parent)

    def take_down(self, dataset: str, version: int) -> None:
        """Move a release's folder out of the public ones; done already is fine."""
        source, target = self.public(dataset, version), self.withdrawn(dataset, version)
        if source.exists() and not target.exists():
            target.parent.mkdir(exist_ok=True)
            source.rename(target)
            sync_folder(source.parent)
            sync_folder(target.parent)

    def discard(self, folder: Path) -> None:
        """Remove a folder: first out of sight in one step, then file by file."""
        doomed = self.root / "staging" / f"discard-{secrets.token_hex(8)}"
        folder.rename(doomed)
        if doomed.is_dir():
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            doomed.unlink()

    def releases(self) -> Iterator[tuple[str, int, Path]]:
        """Every entry in public/ that could be a release, in order; 0 is no version."""
        for dataset in sorted((self.root / "public").iterdir()):
            if not dataset.is_dir():
                yield dataset.name, 0, dataset
                continue
            for version in sorted(dataset.iterdir()):
                plain = version.name.isascii() and version.name.isdecimal()
                number = int(version.name) if plain else 0
                yield dataset.name, number if str(number) == version.name else 0, version

    def distribution(self, dataset: str, version: int, name: str) -> Path:
        """Path of a public file whose name the catalog vouches for.

        Raises:
            DistributionUnknown: the name would leave the release's folder.

        """
        folder = self.public(dataset, version)
        path = folder / name
        if path.parent != folder:
            raise DistributionUnknown(dataset=dataset, version=version, file=name, allowed="")
        return path


class Incoming:
    """Streams one original to disk while hashing it; `keep` makes it durable under its digest."""

    def __init__(self, objects: Objects, limit: int, used: int) -> None:
        self._objects = objects
        self._limit, self._used = limit, used
        self._hash = sha256()
        self.bytes = 0
        self._path = objects.root / "staging" / f"incoming-{secrets.token_hex(8)}"
        with full_disk_told():
            self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            BodyTooLarge: more than the limit came.
            StorageFull: the disk has no room.

        """
        self.bytes += len(chunk)
        if self._used + self.bytes > self._limit:
            raise BodyTooLarge(limit=self._limit)
        self._objects.need(len(chunk))
        with full_disk_told():
            self._file.write(chunk)
        self._hash.update(chunk)

    def keep(self) -> str:
        """Make the bytes durable and return their digest."""
        digest = self._hash.hexdigest()
        with full_disk_told():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            target = self._objects.received(digest)
            self._path.rename(target)
            sync_folder(target.parent)
        return digest

    def drop(self) -> None:
        """Forget the bytes; after `keep` this does nothing."""
        try:
            self._file.close()
        except OSError:  # a full disk may refuse the last flush
            pass
        finally:
            self._path.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def write_file(path: Path, data: bytes) -> None:
    """Write a small file and make it durable."""
    with full_disk_told(), path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def seal(folder: Path) -> None:
    """Make every file of a folder durable and read-only, then the folder's own entries."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Say "no room" in our words instead of the system's."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
