"""The lines of a table, one JSON object a row, read by their numbers."""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

MOST_BYTES = 64 << 20
"""Of the lines that are read at a time."""
NEAR = 8 << 10
"""Bytes that are copied in the time that one more read takes."""
_RUN = 1 << 20  # bytes, about, of lines that are read together
_OFFSET, _SPAN = struct.Struct("<Q"), struct.Struct("<2Q")


class Lines:
    """The lines of a table: where each begins, and the files that hold them one after another.

    What reads raises struct.error when that does not fit together, OSError when a file is gone.
    """

    def __init__(self, index: int, parts: Sequence[tuple[int, int]], at: int = 0) -> None:
        """Read from open files: the index begins at byte `at`; each part has a size in bytes."""
        self._index, self._parts, self._at = index, parts, at

    def window(self, start: int, count: int) -> list[bytes] | None:
        """Lines of `count` rows from `start` on; None: more than MOST_BYTES."""
        data = self._offsets(start, count)
        (begin,), (end,) = _OFFSET.unpack_from(data), _OFFSET.unpack(data[-8:])
        if end - begin > MOST_BYTES:
            return None
        found = self._read(begin, end).split(b"\n")
        if found[-1] == b"":
            found.pop()
        return _objects(found, count)

    def picked(self, rows: Sequence[int], near: int = NEAR) -> list[bytes] | None:
        """Lines of rows in the order of `rows`; None: more than MOST_BYTES.

        Those with up to `near` bytes between them are read together.
        """
        found: dict[int, bytes] = {}
        runs = [
            (run, self._offsets(run[0], run[-1] - run[0] + 1)) for run in self._runs(rows, near)
        ]
        edges = [(_OFFSET.unpack_from(ends)[0], _OFFSET.unpack(ends[-8:])[0]) for _, ends in runs]
        if sum(end - begin for begin, end in edges) > MOST_BYTES:
            return None
        if len(edges) > 1:  # what is not in memory is fetched at once, not one by one
            for begin, end in edges:
                self._need(begin, end)
        for (run, ends), (first, last) in zip(runs, edges, strict=True):
            data = self._read(first, last)
            for row in run:
                begin, end = _SPAN.unpack_from(ends, 8 * (row - run[0]))
                found[row] = data[begin - first : end - first].rstrip(b"\n")
        return _objects([found[row] for row in rows], len(rows))

    def _runs(self, rows: Sequence[int], near: int) -> Iterator[list[int]]:
        """Row numbers in runs, cut where reading on to the next costs more than seeking it."""
        if not rows:
            return
        mean = max(1, sum(size for _, size in self._parts) // max(1, self._count()))
        near = max(1, min(near, MOST_BYTES // (2 * len(rows))) // mean)
        most = max(1, _RUN // mean)
        ascending = sorted(set(rows))
        run = ascending[:1]
        for before, row in pairwise(ascending):
            if row - before > near or row - run[0] > most:
                yield run
                run = []
            run.append(row)
        yield run

    def _count(self) -> int:
        return (os.fstat(self._index).st_size - self._at) // 8 - 1

    def _need(self, begin: int, end: int) -> None:
        offset = 0
        for file, size in self._parts:
            if offset <= begin < offset + size:
                os.posix_fadvise(file, begin - offset, end - begin, os.POSIX_FADV_WILLNEED)
            offset += size

    def _offsets(self, start: int, count: int) -> bytes:
        """Where `count` lines begin, and the end of the last: little-endian uint64."""
        data = os.pread(self._index, 8 * (count + 1), self._at + 8 * start)
        if len(data) != 8 * (count + 1):
            raise struct.error("lines")
        return data

    def _read(self, begin: int, end: int) -> bytes:
        """Read bytes of the files as if they were one."""
        if begin >= end:
            raise struct.error("lines")
        pieces, offset = [], 0
        for file, size in self._parts:
            if begin < offset + size and end > offset:
                first, last = max(begin - offset, 0), min(end - offset, size)
                pieces.append(os.pread(file, last - first, first))
            offset += size
        found = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(found) != end - begin:
            raise struct.error("lines")
        return found


def _objects(found: list[bytes], count: int) -> list[bytes]:
    if len(found) != count or any(line[:1] != b"{" for line in found):
        raise struct.error("lines")
    return found


def opened(stack: ExitStack, index: Path, parts: Sequence[tuple[Path, int]], rows: int) -> Lines:
    """Open the lines of a table of `rows` rows until the stack is left.

    Raises:
        OSError: a file is not there.
        struct.error: the index has not `rows` rows.

    """
    file = open_file(stack, index)
    if os.fstat(file).st_size != 8 * (rows + 1):
        raise struct.error(index.name)
    return Lines(file, [(open_file(stack, part), size) for part, size in parts])


def open_file(stack: ExitStack, path: Path) -> int:
    """Open a file for reading until the stack is left."""
    file = os.open(path, os.O_RDONLY)
    stack.callback(os.close, file)
    return file
