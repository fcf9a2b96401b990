"""The query children: forked ahead, confined, single-use; see `serve.asking` for who asks them.

This process imports what the children need, opens nothing, and forks. A child confines itself,
makes ready (`Birth`), waits on a socket that all share, answers one question and ends. It tells by
a pipe until when it may take; later than that it is killed, whatever it is doing.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from datahub.guard.jail_limits import confine, leave_network
from datahub.guard.jail_wire import Address, Line
from datahub.guard.last_words import log_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.settings import Settings

    Answering = Callable[[Line], None]
    Birth = Callable[[Settings], Answering]

QUESTIONS, STREAMS = "queries", "streams"
"""Children for answers that end soon, and for those as long as their readers take."""
_WAITING = 64  # questions in line; the next one is told to come later
_DRAIN_SECONDS = 15.0
_HELLO_SECONDS = 10.0  # from the call to the whole question
_log = structlog.get_logger()


@dataclass
class _Child:
    pid: int
    pool: str
    report: int  # our end of its pipe
    born: float
    deadline: float | None = None  # None: it waits for a question


@dataclass
class _Nursery:
    settings: Settings
    birth: Birth
    ready: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    listeners: dict[str, socket.socket] = field(default_factory=dict)
    children: dict[int, _Child] = field(default_factory=dict)  # by pid
    stillborn: int = 0  # one after the other
    draining: bool = False


def folder(data: Path) -> Path:
    """Folder of the sockets of a data folder."""
    return data.absolute() / "run"


def serve(settings: Settings, stopping: Callable[[], bool], birth: Birth) -> None:
    """Keep children waiting on the sockets until told to stop.

    `birth` runs in each child once it is confined, and returns what answers a question.
    """
    nursery = _Nursery(settings, birth)
    if os.geteuid() == 0:
        leave_network()
    for pool in (QUESTIONS, STREAMS):
        nursery.listeners[pool] = _listen(folder(settings.data), pool)
    gc.freeze()  # children share these pages as long as nobody writes to them
    while not stopping():
        _fill(nursery)
        _watch(nursery, 0.1)
    _drain(nursery)


def _listen(place: Path, name: str) -> socket.socket:
    """Open a socket for this user only, in place of one that a killed process left."""
    place.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with Address(place, f"{name}.new") as address:
            Path(address).unlink(missing_ok=True)
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(_WAITING)
    (place / f"{name}.new").rename(place / f"{name}.sock")
    return listener


def _fill(nursery: _Nursery) -> None:
    for pool in nursery.listeners:
        there = sum(child.pool == pool for child in nursery.children.values())
        for _ in range(nursery.settings.sql_children - there):
            _fork(nursery, pool)


def _fork(nursery: _Nursery, pool: str) -> None:
    ours, theirs = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(nursery, pool, theirs, parent)
    os.close(theirs)
    nursery.children[pid] = _Child(pid, pool, ours, time.monotonic())
    nursery.ready.register(ours, selectors.EVENT_READ, pid)


def _live(nursery: _Nursery, pool: str, report: int, parent: int) -> None:
    """Be a child, from birth to end; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent drains
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        listener = nursery.listeners[pool]
        _close_all_but({listener.fileno(), report})
        confine(nursery.settings.sql_memory, parent=parent)
        answer = nursery.birth(nursery.settings)
        _answer_one(listener, report, answer)
        code = 0
    except (EOFError, ConnectionError):
        code = 0  # who asked has gone
    except BaseException:  # noqa: BLE001 - a child must not go on as a second parent
        log_error("child.failed")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    for entry in list(Path("/proc/self/fd").iterdir()):
        handle = int(entry.name)
        if handle > 2 and handle not in kept:  # noqa: PLR2004 - standard streams
            try:
                os.close(handle)
            except OSError:
                continue  # that of the listing itself


def _answer_one(listener: socket.socket, report: int, answer: Answering) -> None:
    while True:
        connection, _ = listener.accept()
        line = Line(connection, report)
        try:
            line.tell("hello")
        except ConnectionError:  # gave up while it waited in line
            connection.close()
            continue
        listener.close()
        line.allow(_HELLO_SECONDS)
        answer(line)
        return


def _watch(nursery: _Nursery, seconds: float) -> None:
    """Hear what children report until the next deadline, and end those that are past theirs."""
    now = time.monotonic()
    deadlines = [c.deadline for c in nursery.children.values() if c.deadline is not None]
    wait = min([seconds, *(max(0.0, deadline - now) for deadline in deadlines)])
    for key, _ in nursery.ready.select(wait):
        child = nursery.children[key.data]
        word = os.read(child.report, 8 * 512)
        if word:
            (child.deadline,) = struct.unpack("<d", word[-8:])
        else:
            _bury(nursery, child)
    now = time.monotonic()
    for child in nursery.children.values():
        if child.deadline is not None and child.deadline <= now:
            os.kill(child.pid, signal.SIGKILL)
            child.deadline = now + 1.0  # its pipe closes before that


def _bury(nursery: _Nursery, child: _Child) -> None:
    nursery.ready.unregister(child.report)
    os.close(child.report)
    os.kill(child.pid, signal.SIGKILL)  # it closed its pipe, so it is ending anyhow
    _, status = os.waitpid(child.pid, 0)
    del nursery.children[child.pid]
    code = os.waitstatus_to_exitcode(status)
    if code != 0 and not nursery.draining:
        _log.warning("query.child.died", pid=child.pid, pool=child.pool, code=code)
    nursery.stillborn = nursery.stillborn + 1 if code and child.deadline is None else 0
    if nursery.stillborn and not nursery.draining:
        time.sleep(min(5.0, 0.05 * nursery.stillborn))


def _drain(nursery: _Nursery) -> None:
    """Take no more questions, let children finish theirs for a while, end all."""
    nursery.draining = True
    for pool, listener in nursery.listeners.items():
        (folder(nursery.settings.data) / f"{pool}.sock").unlink(missing_ok=True)
        listener.close()
    until = time.monotonic() + _DRAIN_SECONDS
    while nursery.children:
        for child in nursery.children.values():
            if child.deadline is None or time.monotonic() > until:
                os.kill(child.pid, signal.SIGKILL)
        _watch(nursery, 0.1)
    nursery.ready.close()
