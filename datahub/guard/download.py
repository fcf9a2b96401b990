"""Download files whose sizes and digests are known: several pieces at a time, resumable, checked.

    <name>.part     the bytes so far; a small file is a prefix, a big one has pieces anywhere
    <name>.pieces   first byte of every piece of a big one that is whole, one a line

Both stay when a download is killed and are gone when the file's digest is right. Each request
names the digest (If-Range), so that bytes of another file never come instead of a piece; should
all of the file come, it is begun anew, and nothing is spliced.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from datahub.errors import DatahubError, DigestMismatch
from datahub.errors_signing import refused
from datahub.model import Struct
from datahub.store.objects import digest_of, full_disk_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from datahub.guard.outbound import Service

PIECE = 16 << 20
TRIES = 5
_LONGEST_WAIT = 30.0
_PARTIAL = 206


class Wanted(Struct, frozen=True):
    """A file to download: where it is at the service, how large, and with which SHA-256."""

    path: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self.path.rsplit("/", 1)[1]


def download(
    service: Service,
    files: Sequence[tuple[Wanted, Path]],
    *,
    jobs: int,
    seen: Callable[[Wanted, int], None],
) -> list[bool]:
    """Download files to their paths, `jobs` pieces at a time; False for one that was there.

    Raises:
        DigestMismatch: a file came whole and is not what was promised; it is thrown away.
        ProofInvalid: more bytes came, or another length, than was promised.
        ServiceUnavailable: the connection broke too often.

    """
    stopping = threading.Event()
    states = [_File(wanted, target) for wanted, target in files]
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="download")
    try:
        running = {}
        for state in states:
            pieces = state.plan()
            seen(state.wanted, state.wanted.bytes - sum(b - a for a, b in pieces))
            for piece in pieces:
                running[pool.submit(_piece, service, state, piece, seen, stopping)] = state
        for future in as_completed(running):
            future.result()
            state = running[future]
            state.left -= 1
            if state.left == 0:
                state.finish()
    finally:
        stopping.set()
        pool.shutdown(cancel_futures=True)
    return [not state.there for state in states]


class _File:
    """A file that is being downloaded."""

    def __init__(self, wanted: Wanted, target: Path) -> None:
        self.wanted, self.target = wanted, target
        self.part = target.with_name(target.name + ".part")
        self._journal = target.with_name(target.name + ".pieces")
        self._writing = threading.Lock()
        self.left = 0
        self.there = False

    def plan(self) -> list[tuple[int, int]]:
        """Return first byte and end of every piece that is still to come."""
        size = self.wanted.bytes
        whole = self.target.is_file() and self.target.stat().st_size == size
        if whole and digest_of(self.target) == self.wanted.sha256:
            self.there = True
            return []
        if self.part.exists() and self.part.stat().st_size > size:
            self._drop()
        if not self.part.exists():
            self._journal.unlink(missing_ok=True)  # of pieces that somebody deleted
        with full_disk_told():
            self.part.touch()
        have = self.part.stat().st_size
        if size < 2 * PIECE:
            pieces = [(have, size)]
        else:
            grid = list(pairwise([*range(0, size, PIECE), size]))
            done = self._done(grid, have)
            pieces = [piece for piece in grid if piece[0] not in done]
        self.left = len(pieces)
        if not pieces:
            self.finish()
        return pieces

    def _done(self, grid: list[tuple[int, int]], have: int) -> set[int]:
        if self._journal.exists():
            text = self._journal.read_text(encoding="ascii", errors="replace")
            # A last line without its end was being written when the process was killed.
            return {int(line) for line in text.split("\n")[:-1] if line.isdecimal()}
        done = {start for start, stop in grid if stop <= have}
        with full_disk_told():
            self._journal.write_text("".join(f"{n}\n" for n in sorted(done)), encoding="ascii")
        return done

    def note(self, start: int) -> None:
        """Note that a piece is whole."""
        if self._journal.exists():
            with self._writing, full_disk_told(), self._journal.open("a", encoding="ascii") as file:
                file.write(f"{start}\n")

    def finish(self) -> None:
        """Check the digest and give the file its name."""
        actual = digest_of(self.part)
        if actual != self.wanted.sha256:
            self._drop()
            raise DigestMismatch(file=self.wanted.name, expected=self.wanted.sha256, actual=actual)
        self.part.replace(self.target)
        self._journal.unlink(missing_ok=True)

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)


def _piece(
    service: Service,
    state: _File,
    piece: tuple[int, int],
    seen: Callable[[Wanted, int], None],
    stopping: threading.Event,
) -> None:
    """Fetch one piece; broken off, it goes on where it was."""
    at, stop = piece
    furthest, failed = at, 0  # tries in a row that came no further
    with state.part.open("r+b") as file:
        while at < stop:
            try:
                for place, chunk in _chunks(service, state.wanted, at, stop):
                    if stopping.is_set():
                        return
                    with full_disk_told():
                        os.pwrite(file.fileno(), chunk, place)
                    seen(state.wanted, place + len(chunk) - at)
                    at = place + len(chunk)
                    if at > furthest:
                        furthest, failed = at, 0
            except DatahubError as error:
                failed += 1
                if not error.retryable or failed == TRIES:
                    raise
                stopping.wait(_wait(error, failed))
    state.note(piece[0])


def _wait(error: DatahubError, failed: int) -> float:
    """Seconds before the next try: as the service asks, else twice as long each time."""
    with suppress(KeyError, TypeError, ValueError):
        return min(_LONGEST_WAIT, max(0.1, float(error.facts["retry_after"])))
    return 0.25 * 2.0**failed


def _chunks(service: Service, file: Wanted, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Bytes of a file from `start` to before `stop`, each chunk with its place.

    Where the service answers with the whole file, they begin at its first byte.
    """
    if start == stop:
        return
    headers = {}
    if (start, stop) != (0, file.bytes):
        tag = f'"sha256-{file.sha256}"'
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Range": tag}
    with service.stream(file.path, headers) as (status, told, chunks):
        at, end = (start, stop) if status == _PARTIAL else (0, file.bytes)
        _check_length(file, at, end, told)
        for chunk in chunks:
            if at + len(chunk) > end:
                raise refused("oversized", file.name, expected=f"{file.bytes} bytes")
            yield at, chunk[: stop - at]
            at += len(chunk)
            if stop <= at < end:  # the rest is for other pieces
                return
    if at < stop:
        raise service.broken()


def _check_length(file: Wanted, start: int, stop: int, told: Mapping[str, str]) -> None:
    """Check that the answer is of a file of this size, and begins where it was asked to."""
    length = told.get("content-length")
    if length is not None and length != str(stop - start):
        raise refused("altered", file.name, expected=f"{stop - start} bytes", actual=length)
    given = told.get("content-range")
    if given is not None and given != f"bytes {start}-{stop - 1}/{file.bytes}":
        raise refused("altered", file.name, expected=f"{start}-{stop - 1}", actual=given)


def measure(
    service: Service, files: Sequence[Wanted], *, jobs: int
) -> Iterator[tuple[Wanted, DatahubError | None]]:
    """Read files without keeping them; each with what is wrong about it, or None."""

    def check(file: Wanted) -> DatahubError | None:
        found = sha256()
        try:
            for _, chunk in _chunks(service, file, 0, file.bytes):
                found.update(chunk)
        except DatahubError as error:
            return error
        if found.hexdigest() != file.sha256:
            return refused("altered", file.name, expected=file.sha256, actual=found.hexdigest())
        return None

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="verify") as pool:
        yield from zip(files, pool.map(check, files), strict=True)
