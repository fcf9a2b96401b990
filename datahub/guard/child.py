"""What runs inside a child process: limits first, then one function, then its result.

Started by `datahub.guard.process` as `python -m datahub.guard.child module:function FD`. The
argument comes as JSON on standard input, the outcome leaves as JSON on file descriptor FD.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import sys
import typing

import msgspec

from datahub.errors import ChildMemory, DatahubError, FileError, StorageFull
from datahub.guard.last_words import log_error
from datahub.guard.spare import FRAMES, spare

_PR_SET_PDEATHSIG = 1


class Limits(msgspec.Struct, frozen=True):
    """What a child may use: bytes of address space, seconds, bytes of a file it writes."""

    memory: int
    seconds: int
    file_bytes: int = 64 << 30


def main() -> None:
    """Run the function named on the command line."""
    target, handle = sys.argv[1], int(sys.argv[2])
    outcome = _outcome(target, sys.stdin.buffer.read())
    with os.fdopen(handle, "wb") as pipe:
        pipe.write(outcome)
    sys.stderr.flush()
    os._exit(
        0
    )  # what was to be written is closed: tearing down libraries takes a tenth of a second


def _outcome(target: str, call: bytes) -> bytes:
    limits, argument = msgspec.json.decode(call, type=tuple[Limits, msgspec.Raw])
    spare(*FRAMES)
    _apply(limits)
    try:
        module, name = target.split(":")
        function = getattr(importlib.import_module(module), name)
        (kind,) = [t for n, t in typing.get_type_hints(function).items() if n != "return"]
        return msgspec.json.encode({"result": function(msgspec.json.decode(argument, type=kind))})
    except DatahubError as error:
        return _failed(error)
    except MemoryError:
        return _failed(ChildMemory(limit=limits.memory))
    except OSError as error:
        log_error("child.failed")
        full = error.errno in (28, 122)  # ENOSPC, EDQUOT
        return _failed(StorageFull() if full else _unreadable(error))
    except Exception as error:  # noqa: BLE001 - whatever a parser raises on hostile bytes
        log_error("child.failed")  # the owner is told the kind only
        return _failed(_unreadable(error))


def _unreadable(error: Exception) -> FileError:
    kind = type(error).__name__
    return FileError(
        file="…",
        reason_zh=f"内容无法解析（{kind}）。文件可能已损坏，请重新导出",
        reason_en=f"its content cannot be parsed ({kind})",
    )


def _failed(error: DatahubError) -> bytes:
    return msgspec.json.encode({"error": {"code": error.code, "facts": error.facts}})


def _apply(limits: Limits) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # the parent died before the line above
        os.kill(os.getpid(), signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    # The parent's deadline is in seconds of the clock; threads use several of the processor's.
    cpu = limits.seconds * 4 + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
