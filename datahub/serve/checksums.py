"""CRC-32 of published files, which ZIP wants: noted at release, or reckoned once for older ones."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from datahub.model import Distribution

CHUNK = 1 << 20
_KEPT = 10_000  # files


class Checksums:
    """What was reckoned, by the digest of the file; a process forgets the oldest."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, int] = OrderedDict()

    def missing(self, files: Iterable[Distribution]) -> list[Distribution]:
        """Those of the files whose CRC-32 nobody knows."""
        return [file for file in files if file.crc32 is None and file.sha256 not in self._known]

    def reckon(self, folder: Path, files: Iterable[Distribution]) -> None:
        """Read files of a folder, about a second per gigabyte."""
        for file in self.missing(files):
            found = 0
            with (folder / file.path).open("rb") as source:
                os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                while chunk := source.read(CHUNK):
                    found = crc32(chunk, found)
            self._known[file.sha256] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def completed(self, files: Iterable[Distribution]) -> list[Distribution]:
        """Return the files with their CRC-32; one that nobody knows keeps None."""
        return [
            file
            if file.crc32 is not None
            else msgspec.structs.replace(file, crc32=self._known.get(file.sha256))
            for file in files
        ]
