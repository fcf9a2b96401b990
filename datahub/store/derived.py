"""What is derived from releases to answer faster: where it is kept, and what was asked for.

    <data>/cache/<digest of a Parquet file>/
        lines.idx       where each line of its NDJSON begins, and the end: little-endian uint64
        rows.ndjson     the lines, where the release has no NDJSON
        rows.duckdb     the same rows as table `rows` of a native file
        order-3-desc    row numbers in the order of column 3, see `forms.ordered`
        values-3        the values of the ascending one, to find rows by
        top-3-desc      the first lines of an order
    <data>/cache/wanted/  a note of each thing that is asked, touched as long as it is

Bound to a digest, so that it outlives a rename and never serves another version. All of it may
be removed at any time: `errands.derive` makes again what is asked.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from datahub.forms.ordered import order_name, values_name
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from datahub.model import Distribution

LINES, TEXT, NATIVE = "lines.idx", "rows.ndjson", "rows.duckdb"
TABLE = "table.json"
"""Which resource of which release a folder belongs to: once that is gone, so is the folder."""

_AGAIN = 60.0  # seconds until a note is touched again
_NOTES = 10_000


class Wanted(Struct, frozen=True):
    """One thing that is asked for of a resource of a release."""

    dataset: str
    version: int
    resource: str
    digest: str
    order: tuple[int, bool] | None = None  # number of a column, descending
    values: int | None = None  # number of a column; without both: the rows

    @property
    def name(self) -> str:
        """Name of its note."""
        if self.order is not None:
            return f"{self.digest}.{order_name(*self.order)}"
        return self.digest if self.values is None else f"{self.digest}.{values_name(self.values)}"


def ndjson_of(files: Iterable[Distribution], resource: str) -> list[Distribution]:
    """Files of a resource's NDJSON, which may be in parts, in the order of their rows."""
    found = [f for f in files if f.resource == resource and f.form == "ndjson"]
    return sorted(found, key=lambda file: file.path)


class Derived:
    """The folder of what is derived."""

    def __init__(self, root: Path) -> None:
        self.root, self._notes = root, root / "wanted"
        self._told: dict[str, float] = {}

    def folder(self, digest: str) -> Path:
        """Folder of what is derived from a Parquet file."""
        return self.root / digest

    def folders(self) -> list[Path]:
        """All folders, the longest unused first."""
        if not self.root.exists():
            return []
        found = [path for path in self.root.iterdir() if path.is_dir() and path != self._notes]
        return sorted(found, key=self.used)

    def used(self, folder: Path) -> float:
        """When something in it was asked for, or else made, within a minute or so."""
        times = [path.stat().st_mtime for path in self._notes.glob(f"{folder.name}*")]
        return max(times, default=folder.stat().st_mtime)

    def ask(self, wanted: Wanted) -> None:
        """Note that a thing is asked for; costs nothing when that was done lately."""
        now, name = time.monotonic(), wanted.name
        if self._told.get(name, -_AGAIN) > now - _AGAIN:
            return
        if len(self._told) > _NOTES:
            self._told.clear()
        self._told[name] = now
        note = self._notes / name
        try:
            os.utime(note)
        except FileNotFoundError:
            self._write(note, msgspec.json.encode(wanted))
        except OSError:  # a disk that takes nothing: then it stays as slow as it is
            return

    def _write(self, note: Path, data: bytes) -> None:
        try:
            self._notes.mkdir(parents=True, exist_ok=True)
            if sum(1 for _ in os.scandir(self._notes)) >= _NOTES:
                return
            fresh = note.with_name(f".{secrets.token_hex(8)}")
            fresh.write_bytes(data)
            fresh.rename(note)
        except OSError:
            return

    def wanted(self) -> Iterator[Wanted]:
        """All that is asked for, the latest first; a note that nobody can read is removed."""
        notes = list(self._notes.glob("[!.]*")) if self._notes.exists() else []
        for note in sorted(notes, key=_modified, reverse=True):
            try:
                yield msgspec.json.decode(note.read_bytes(), type=Wanted)
            except FileNotFoundError:
                continue
            except msgspec.DecodeError:
                note.unlink(missing_ok=True)

    def state(self) -> int:
        """Return a number that is another one when a new thing was asked for."""
        try:
            return self._notes.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def size(self, folder: Path) -> int:
        """Bytes that a folder takes."""
        return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

    def remove(self, folder: Path) -> None:
        """Remove a folder and the notes on it; who reads from it just now goes on reading."""
        self.forget(folder.name)
        shutil.rmtree(folder, ignore_errors=True)

    def forget(self, digest: str) -> None:
        """Remove the notes on a Parquet file."""
        for note in self._notes.glob(f"{digest}*"):
            note.unlink(missing_ok=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
