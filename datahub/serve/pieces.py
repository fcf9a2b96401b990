"""What is served as one run of bytes: pieces, each of them ours or a stretch of a file.

Nothing is joined on the disk or in memory: any range of the whole is a few pieces again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Stretch(Struct, frozen=True):
    """Some bytes of a file in a folder that the reader knows."""

    file: str
    start: int
    length: int


Piece = bytes | Stretch


def size(pieces: Iterable[Piece]) -> int:
    """Bytes that pieces make together."""
    return sum(_length(piece) for piece in pieces)


def cut(pieces: Iterable[Piece], start: int, length: int) -> Iterator[Piece]:
    """Pieces of the bytes `start` to `start + length` of what `pieces` make together."""
    for piece in pieces:
        if not length:
            return
        taken = min(_length(piece) - start, length)
        if taken <= 0:
            start -= _length(piece)
            continue
        if isinstance(piece, bytes):
            yield piece[start : start + taken]
        else:
            yield Stretch(file=piece.file, start=piece.start + start, length=taken)
        start, length = 0, length - taken


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length


class Folder:
    """An open folder of files; they stay readable when it is renamed, as a withdrawal does.

    Raises:
        FileNotFoundError: there is no such folder, or no such file in it.

    """

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._open: tuple[str, int] | None = None  # the file that was asked for last

    def handle(self, name: str) -> int:
        """Descriptor of a file, good until the next one is asked for."""
        if self._open is None or self._open[0] != name:
            found = os.open(name, os.O_RDONLY, dir_fd=self._folder)
            self._close_file()
            self._open = name, found
        return self._open[1]

    def read(self, piece: Piece) -> bytes:
        """Bytes of a small piece; fewer where the file ends before."""
        if isinstance(piece, bytes):
            return piece
        return os.pread(self.handle(piece.file), piece.length, piece.start)

    def close(self) -> None:
        """Let everything go."""
        self._close_file()
        os.close(self._folder)

    def _close_file(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None
