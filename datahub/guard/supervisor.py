"""Keeps the service's processes running: starts them, starts dead ones again, drains at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DRAIN_SECONDS = 20
_log = structlog.get_logger()


@dataclass
class Service:
    """One process to keep running: a module with its arguments, and what the process inherits."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    child: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it; after deaths in quick succession it waits a little first."""
        now = time.monotonic()
        self.starts = [t for t in self.starts if now - t < 30] + [now]  # noqa: PLR2004 - seconds
        time.sleep(min(5.0, 0.1 * (len(self.starts) - 1)))
        self.child = subprocess.Popen(
            [sys.executable, "-m", *self.command],
            pass_fds=self.pass_fds,
            env=os.environ | self.environment | {"DATAHUB_SUPERVISOR": str(os.getpid())},
        )
        _log.info("service.start", name=self.name, pid=self.child.pid)


def supervise(services: Sequence[Service], *, ready: Callable[[], None] | None = None) -> None:
    """Run services until SIGTERM or SIGINT, then let them finish what they are at."""
    stopping = False

    def stop(_signal: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True

    before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        for service in services:
            service.start()
        if ready is not None:
            ready()
        while not stopping:
            time.sleep(0.1)
            for service in services:
                if service.child is not None and service.child.poll() is not None and not stopping:
                    _log.warning("service.died", name=service.name, code=service.child.returncode)
                    service.start()
    finally:
        drain([s.child for s in services if s.child is not None])
        for number, handler in before.items():
            signal.signal(number, handler)


def drain(children: Sequence[subprocess.Popen[bytes]], seconds: float = DRAIN_SECONDS) -> None:
    """Ask processes to end, wait, and kill those that do not."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def start(arguments: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start `datahub ARGUMENTS` beside this process; it ends with this process."""
    return subprocess.Popen(
        [sys.executable, "-m", "datahub.cli", *arguments],
        env=os.environ | environment | {"DATAHUB_SUPERVISOR": str(os.getpid())},
    )


def run_script(script: Path, *arguments: str) -> None:
    """Run one of the project's own scripts to its end.

    Raises:
        subprocess.CalledProcessError: it failed.

    """
    subprocess.run([sys.executable, str(script), *arguments], check=True, stdout=subprocess.DEVNULL)


def die_with_parent() -> None:
    """Ask the kernel to end this process when the supervisor that started it is killed."""
    import ctypes

    parent = os.environ.get("DATAHUB_SUPERVISOR")
    if parent is None:
        return
    # Not SIGTERM: a draining process would keep the port from the service that starts next.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the line above
        sys.exit(0)
