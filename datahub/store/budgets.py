"""What each caller has spent of late, in one file that all web processes map.

A budget is a leaky bucket: what is spent raises a level, which sinks by a whole quota within a
window. A caller is admitted while no level has reached its quota; time and bytes are known
afterwards, so a level may pass the quota, up to twice of it: nobody is locked out for long.
The file also holds leases of heavy requests, with the process that works on each; those of a
process that was killed are free again.

An flock around a few microseconds of work is enough: the kernel lets go of it for the dead.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
import time
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datahub.settings import Settings

_SLOT = struct.Struct("16s6d")  # caller, when (monotonic), levels
_SLOTS, _PROBES = 16_384, 8
_LEASE = struct.Struct("16sqq")  # caller, process id, when that process started
_LEASES = 512
_LEASES_AT = _SLOTS * _SLOT.size
_SIZE = _LEASES_AT + _LEASES * _LEASE.size
_NOBODY = bytes(16)


class Levels(NamedTuple):
    """An amount of each kind: what a request costs, what a quota is, what has been spent."""

    work: float = 0.0  # milliseconds of the server
    bytes: float = 0.0  # of bodies
    requests: float = 0.0
    guesses: float = 0.0  # keys and tokens that are none
    keys: float = 0.0  # that were made


_AHEAD = Levels(requests=1, guesses=1, keys=1)
"""What is known to be spent before it is; time and bytes are known afterwards."""
_UNCOUNTED = _AHEAD._replace(requests=-math.inf)


def name_of(kind: str, text: str) -> bytes:
    """Name of a caller in the file: 16 bytes that do not tell who it is."""
    return blake2b(f"{kind}:{text}".encode(), digest_size=16).digest()


def quota_of(settings: Settings, kind: str) -> Levels:
    """Quota of callers of a kind: anonymous or key."""
    return Levels(
        work=1000 * getattr(settings, f"{kind}_seconds"),
        bytes=getattr(settings, f"{kind}_bytes"),
        requests=getattr(settings, f"{kind}_requests"),
    )


class Budgets:
    """Levels and leases of all callers; a quota of 0 is none, and its level stays 0."""

    def __init__(
        self, file: Path, window: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Map the file, made when it is not there; `window` in seconds."""
        self.window, self._clock = window, clock
        file.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Reserved, not only lengthened: to write to a map that the disk has no room for kills.
            os.posix_fallocate(self._handle, 0, _SIZE)
            self._map = mmap.mmap(self._handle, _SIZE)
        except OSError:  # no room: then each process counts for itself
            self._map = mmap.mmap(-1, _SIZE)
        self._lock = _Lock(self._handle)
        self._me = os.getpid(), _started(os.getpid())

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self._map.close()
        os.close(self._handle)

    def admit(self, caller: bytes, quota: Levels, *, counted: bool = True) -> tuple[Levels, bool]:
        """Count a request, unless a level of `caller` has reached its quota; tell which it was.

        One that is not `counted` may come however often: only its time and bytes are limited.
        """
        with self._lock:
            place, levels = self._find(caller, quota)
            known = _AHEAD if counted else _UNCOUNTED
            for level, most, ahead in zip(levels, quota, known, strict=True):
                if most and level > most - ahead:
                    return levels, False
            work, sent, requests, guesses, keys = levels
            levels = Levels(
                work, sent, requests + counted if quota.requests else 0.0, guesses, keys
            )
            self._write(place, caller, levels)
            return levels, True

    def spend(self, caller: bytes, quota: Levels, cost: Levels) -> Levels:
        """Raise the levels of a caller; no level passes twice its quota."""
        with self._lock:
            place, levels = self._find(caller, quota)
            triples = zip(levels, cost, quota, strict=True)
            levels = Levels(*[min(level + more, 2 * most) if more else level
                              for level, more, most in triples])  # fmt: skip
            self._write(place, caller, levels)
            return levels

    def wait(self, levels: Levels, quota: Levels) -> tuple[int, str]:
        """Whole seconds until a caller is admitted, who spends nothing meanwhile; for what."""
        waits = [
            ((level - most + ahead) * self.window / most, name)
            for name, level, most, ahead in zip(Levels._fields, levels, quota, _AHEAD, strict=True)
            if most
        ]
        seconds, name = max(waits, default=(-1.0, ""))
        return max(0, int(seconds) + 1), name

    # Leases -----------------------------------------------------------------------------------

    def take(self, caller: bytes, most: int) -> int | None:
        """Begin a heavy request; its number, or None while `most` of the caller's are at work."""
        with self._lock:
            number = self._free(caller, most)
            if number is None and self._bury():
                number = self._free(caller, most)
            if number is not None:
                _LEASE.pack_into(self._map, _LEASES_AT + number * _LEASE.size, caller, *self._me)
            return number

    def give(self, number: int) -> None:
        """End a heavy request."""
        with self._lock:
            _LEASE.pack_into(self._map, _LEASES_AT + number * _LEASE.size, _NOBODY, 0, 0)

    def _leases(self) -> Iterator[tuple[bytes, int, int]]:
        return _LEASE.iter_unpack(self._map[_LEASES_AT:])

    def _free(self, caller: bytes, most: int) -> int | None:
        holders = [lease[0] for lease in self._leases()]
        if holders.count(caller) >= most or _NOBODY not in holders:
            return None
        return holders.index(_NOBODY)

    def _bury(self) -> bool:
        """Free the leases of processes that are no more; tell whether there were any."""
        leases = list(self._leases())
        owners = {lease[1:] for lease in leases if lease[0] != _NOBODY}
        dead = {owner for owner in owners if not 0 < owner[1] == _started(owner[0])}
        for number, lease in enumerate(leases):
            if lease[1:] in dead:
                _LEASE.pack_into(self._map, _LEASES_AT + number * _LEASE.size, _NOBODY, 0, 0)
        return bool(dead)

    # Slots ------------------------------------------------------------------------------------

    def _find(self, caller: bytes, quota: Levels) -> tuple[int, Levels]:
        """Place and present levels of a caller; a new one takes the place that rested longest."""
        first = int.from_bytes(caller[:4], "little")
        oldest, oldest_at = 0, float("inf")
        for probe in range(_PROBES):
            place = (first + probe) % _SLOTS * _SLOT.size
            name, at, *levels = _SLOT.unpack_from(self._map, place)
            if name == caller:
                return place, self._sunk(at, levels, quota)
            if name == _NOBODY:
                return place, Levels()
            if at < oldest_at:
                oldest, oldest_at = place, at
        return oldest, Levels()

    def _sunk(self, at: float, levels: list[float], quota: Levels) -> Levels:
        # A clock that went back (a restart of the machine) sinks nothing; a level that is no
        # number, as a torn write might leave it, is 0 to max().
        part = max(0.0, self._clock() - at) / self.window
        return Levels(*[min(max(0.0, level - part * most), 2 * most) if level else 0.0
                        for level, most in zip(levels, quota, strict=True)])  # fmt: skip

    def _write(self, place: int, caller: bytes, levels: Levels) -> None:
        _SLOT.pack_into(self._map, place, caller, self._clock(), *levels)


class _Lock:
    """An flock for the length of a `with`; a class, for a generator takes twice as long."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)


def _started(pid: int) -> int:
    """When a process started, in ticks since the machine did (proc(5)); -1: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return -1
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] == "Z" else int(fields[19])
