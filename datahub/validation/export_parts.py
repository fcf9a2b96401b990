"""Files of a release as they are written: digests on the way, big ones in numbered parts."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Self
from zlib import crc32

from datahub.model import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

CHUNK = 1 << 20


class Measured:
    """A file that is written from its beginning to its end, measured on the way."""

    def __init__(self, path: Path) -> None:
        self.path, self.bytes, self.rows = path, 0, 0
        self._file = path.open("xb")
        self._sha, self._crc = sha256(), 0

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._file.write(data)
        self._sha.update(data)
        self._crc = crc32(data, self._crc)
        self.bytes += len(data)

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def told(self, resource: str, form: str, media_type: str) -> Distribution:
        """Say what was written."""
        return Distribution(
            path=self.path.name, bytes=self.bytes, sha256=self._sha.hexdigest(),
            media_type=media_type, resource=resource, form=form, crc32=self._crc,
        )  # fmt: skip


class Parts:
    """A file of records that becomes numbered parts once it is larger than `limit` bytes.

    A part ends where a record ends, and begins with `head`, as the whole would.
    """

    def __init__(self, path: Path, limit: int, head: bytes = b"") -> None:
        self._path, self._limit, self._head = path, limit, head
        self._files: list[Measured] = []

    def __enter__(self) -> Self:
        """Begin the file."""
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._files[-1].close()

    def add(self, data: bytes, rows: int) -> None:
        """Add whole records; they stay together in one part."""
        file = self._files[-1]
        if file.rows and file.bytes + len(data) > self._limit:
            file = self._begin()
        file.write(data)
        file.rows += rows

    def told(self, resource: str, form: str, media_type: str) -> list[Distribution]:
        """Say what was written, part by part."""
        found = []
        for number, file in enumerate(self._files, start=1):
            made = file.told(resource, form, media_type)
            part = number if len(self._files) > 1 else None
            found.append(_changed(made, rows=file.rows, part=part))
        return found

    def _begin(self) -> Measured:
        number = len(self._files) + 1
        if number == 2:  # noqa: PLR2004 - now the first is a part, too
            first = self._files[0]
            first.path = first.path.rename(self._named(1))
        if self._files:
            self._files[-1].close()
        file = Measured(self._named(number) if number > 1 else self._path)
        file.write(self._head)
        self._files.append(file)
        return file

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.part-{number:04}{self._path.suffix}")


def copied(source: Path, target: Path) -> Measured:
    """Copy a file, measured."""
    file = Measured(target)
    for data in pieces(source):
        file.write(data)
    file.close()
    return file


def pieces(path: Path) -> Iterator[bytes]:
    """Bytes of a file, chunk by chunk."""
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            yield data


def measured(path: Path, resource: str, form: str, media_type: str) -> Distribution:
    """Measure a file that is there already."""
    sha, crc, size = sha256(), 0, 0
    for data in pieces(path):
        sha.update(data)
        crc = crc32(data, crc)
        size += len(data)
    return Distribution(
        path=path.name, bytes=size, sha256=sha.hexdigest(), media_type=media_type,
        resource=resource, form=form, crc32=crc,
    )  # fmt: skip


def _changed(made: Distribution, *, rows: int, part: int | None) -> Distribution:
    import msgspec

    return msgspec.structs.replace(made, rows=rows, part=part)
