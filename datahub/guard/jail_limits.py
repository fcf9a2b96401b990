"""What a query child gives up before it sees a question: memory, rights, network, files.

Each protection is asked of the kernel for itself, so that one which a host lacks does not take the
others with it; `confine` tells which are in force.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWNET = 0x4000_0000
_NOBODY = 65534
_PATIENT = 60.0  # seconds
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # one number on every architecture
_PATH_BENEATH, _VERSION = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_BUT_READING = ~0
_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""File rights known to a version of Landlock: the lowest so many bits (linux/landlock.h)."""
_NETWORK, _SCOPES = 4, 6  # versions that know TCP, and abstract sockets and signals


def leave_network() -> bool:
    """Give this process and those it forks a network without interfaces, where we may."""
    return bool(_libc.unshare(_CLONE_NEWNET) == 0)


def confine(memory: int, *, parent: int) -> list[str]:
    """Take away all that answering a question does not need; return what worked.

    `memory` is the bytes of address space that may be added to what the program itself takes; the
    process dies with `parent`.
    """
    done = ["rlimits"]
    most = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - of proc
        file.write("1000")  # if memory ends, a question goes before the service does
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        done.append("uid")
    # A change of user clears both: to die with the parent, and to see one's own descriptors.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _libc.prctl(_PR_SET_DUMPABLE, 1)
    if os.getppid() != parent:  # it died before the lines above
        os._exit(0)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _landlock(_ALL_BUT_READING, ()):
        done.append("landlock")
    os.environ.clear()
    return done


def _address_space() -> int:
    """Bytes of address space that this process takes now."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - of proc
        return int(file.read().split()[0]) * resource.getpagesize()


def bound(*, seconds: float, written: int) -> None:
    """Bound what this question may use: seconds of a processor, bytes of a file it writes.

    One of minutes gives way to those that somebody waits for.
    """
    if seconds > _PATIENT:
        os.nice(10)
    cpu = int(seconds * 2) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))


def read_only_these(handles: Iterable[int]) -> None:
    """Read no file from now on but these, which are open."""
    _landlock(_READ_FILE | _READ_DIR, handles)


def _landlock(rights: int, readable: Iterable[int]) -> bool:
    """Deny `rights` on every file, reading `readable` excepted."""
    version = _libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    known = (1 << max(bits for since, bits in _RIGHTS.items() if since <= version)) - 1
    everything = rights == _ALL_BUT_READING
    files = known & ~(_READ_FILE | _READ_DIR) if everything else known & rights
    parts = [files]
    if version >= _NETWORK:
        parts.append(0b11 if everything else 0)
    if version >= _SCOPES:
        parts.append(0b11 if everything else 0)
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for handle in readable:
            rule = struct.pack("=Qi", _READ_FILE, handle)
            if _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
                return False
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
