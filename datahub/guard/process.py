"""The only module that starts a process to read bytes from outside.

The child has an address-space limit, a deadline and no inherited secrets; it dies with its
parent, and whatever happens in it comes back as a result or as an error of our tree.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from datahub.errors import ChildCrashed, ChildTimeout, from_code
from datahub.guard.child import Limits

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
RESULT_BYTES = 64 << 20
"""A result larger than this is an attack or a mistake."""

_log = structlog.get_logger()
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START")
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "2",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # it would look through all that is installed
}


def run(target: str, argument: Any, *, returns: type[T], limits: Limits, folder: Path) -> T:
    """Call `target` ("module:function", one argument) in a child and return its result.

    The argument and the result are structs that msgspec can carry as JSON; `folder` is the
    child's working folder.

    Raises:
        DatahubError: what the function itself raised of our tree.
        ChildTimeout: it ran longer than its seconds.
        ChildMemory: it asked for more address space than allowed.
        ChildCrashed: it ended by a signal or without a result.

    """
    reader, writer = os.pipe()
    call = msgspec.json.encode((limits, argument))
    with subprocess.Popen(
        [sys.executable, "-m", "datahub.guard.child", target, str(writer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(writer,),
        cwd=folder,
        env={k: os.environ[k] for k in _INHERITED if k in os.environ} | _ENVIRONMENT,
        start_new_session=True,
    ) as child:
        os.close(writer)
        try:
            outcome, errors = _converse(child, reader, call, limits.seconds)
        finally:
            _kill(child)
            os.close(reader)
    if errors:
        _log.warning("child.stderr", target=target, text=errors.decode(errors="replace")[-4000:])
    if not outcome and child.returncode == -signal.SIGXCPU:
        raise ChildTimeout(seconds=limits.seconds)
    if not outcome:
        raise ChildCrashed(signal=_ending(child.returncode))
    answer = msgspec.json.decode(outcome)
    if "error" in answer:
        raise from_code(answer["error"]["code"], answer["error"]["facts"])
    return msgspec.convert(answer["result"], returns)


def _converse(
    child: subprocess.Popen[bytes], reader: int, call: bytes, seconds: int
) -> tuple[bytes, bytes]:
    """Send the call; collect the outcome and the end of standard error until both close."""
    if child.stdin is None or child.stderr is None:
        raise ChildCrashed(signal="pipe")
    try:
        child.stdin.write(call)
        child.stdin.close()
    except BrokenPipeError:
        return b"", b""
    parts: dict[int, bytearray] = {reader: bytearray(), child.stderr.fileno(): bytearray()}
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as ready:
        for handle in parts:
            ready.register(handle, selectors.EVENT_READ)
        while ready.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise ChildTimeout(seconds=seconds)
            for key, _ in ready.select(left):
                _collect(ready, key.fd, parts[key.fd], keep_end=key.fd != reader)
    return bytes(parts[reader]), bytes(parts[child.stderr.fileno()])


def _collect(
    ready: selectors.BaseSelector, handle: int, into: bytearray, *, keep_end: bool
) -> None:
    chunk = os.read(handle, 1 << 16)
    if not chunk:
        ready.unregister(handle)
        return
    into += chunk
    if keep_end:
        del into[:-8000]
    elif len(into) > RESULT_BYTES:
        raise ChildCrashed(signal="result-too-large")


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        try:
            child.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _ending(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit {code}"
