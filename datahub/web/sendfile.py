"""Stretches of files to sockets: by the kernel itself where it can, else in chunks.

On a plain connection `BoundedHttp` puts a function into the scope of each request that writes a
stretch below the server: it waits until the server's own buffer is empty, calls sendfile(2) on
the socket, which takes what the reader has room for and not more, and tells the server how much
went out. Nothing is copied and nothing piles up for a slow reader. Without it (TLS, another
server) the bytes go through the server in chunks.

What is not in the page cache is read in a thread, so that a disk never stops the event loop.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import termios
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.types import Scope, Send
    from uvicorn.protocols.http.flow_control import FlowControl
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "datahub.sendfile"
CHUNK = 1 << 20
_AT_ONCE = 2 << 20  # of one call, so that other connections have their turn


class FileShorter(OSError):
    """A published file ends before the bytes that its manifest promises."""


async def send_stretch(scope: Scope, send: Send, handle: int, start: int, length: int) -> None:
    """Send bytes of an open file as a part of the body, after the response's start.

    Raises:
        FileShorter: the file has fewer; the response must be broken off, never ended.

    """
    extensions: Any = scope.get("extensions") or {}
    if EXTENSION in extensions and await extensions[EXTENSION](handle, start, length):
        return
    while length:
        chunk = await run_sync(os.pread, handle, min(CHUNK, length), start)
        if not chunk:
            raise FileShorter
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        start, length = start + len(chunk), length - len(chunk)


def is_cached(handle: int, start: int, length: int) -> bool:
    """Tell whether both ends of a stretch can be read without waiting for a disk."""
    probe = bytearray(1)
    try:
        for place in (start, start + length - 1):
            os.preadv(handle, [probe], place, os.RWF_NOWAIT)
    except OSError:  # not there yet, or a file system that cannot tell
        return False
    return True


class Watch:
    """Gives a client up who takes nothing of what waits for it within `patience` seconds."""

    def __init__(self, transport: Any, patience: float, give_up: Callable[[], None]) -> None:
        self._transport, self._patience, self._give_up = transport, patience, give_up
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0

    def start(self) -> None:
        """Begin to watch, anew."""
        self.stop()
        self._waiting = self._backlog()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._patience, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._transport.is_closing() or self._backlog() >= self._waiting:
            self._give_up()
        else:
            self.start()

    def _backlog(self) -> int:
        """Bytes that the client has not taken: those of the server, and the kernel's (tcp(7))."""
        count = array.array("i", [0])
        fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
        size: int = self._transport.get_write_buffer_size()
        return size + count[0]


class FileSender:
    """Writes stretches of files to the socket of a connection, for the request it answers."""

    def __init__(self, transport: Any, flow: FlowControl, patience: float) -> None:
        self._transport, self._flow = transport, flow
        self._watch = Watch(transport, patience, self._abandon)
        self._waiter: asyncio.Future[None] | None = None

    async def send(
        self,
        cycle: RequestResponseCycle,
        handle: int,
        start: int,
        length: int,
        told: Callable[[int], None] | None = None,
    ) -> bool:
        """Send a stretch, as much of it as the client stays for; `told` hears of each part.

        False, and nothing is sent, where the body has a form of its own: in chunks as of HTTP,
        or changed by somebody who has not let the response start yet.

        Raises:
            FileShorter: the file ends before.

        """
        if not cycle.response_started or cycle.chunked_encoding:
            return False
        await self._emptied()
        if not self._transport.is_closing():
            # The event loop keeps the socket's own descriptor to itself; a second one may be
            # watched. It must not outlive the connection, which ends with the last of them.
            out = os.dup(self._transport.get_extra_info("socket").fileno())
            try:
                async for sent in self._move_all(out, handle, start, length):
                    cycle.expected_content_length -= sent
                    if told is not None:
                        told(sent)
            except ConnectionError:
                self._transport.abort()
            finally:
                os.close(out)
        if self._transport.is_closing():
            cycle.disconnected = True
        return True

    def wake(self) -> None:
        """Stop waiting for the client."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _abandon(self) -> None:
        self._transport.abort()
        self.wake()

    async def _emptied(self) -> None:
        """Wait until all that the server wrote before is with the kernel."""
        await asyncio.sleep(0)  # uvloop writes at the end of its turn
        while self._transport.get_write_buffer_size() and not self._transport.is_closing():
            self._transport.set_write_buffer_limits(0)  # pauses us until nothing is left
            await self._flow.drain()
            await asyncio.sleep(0)
            if not self._transport.is_closing():
                self._transport.set_write_buffer_limits()

    async def _move_all(self, out: int, handle: int, start: int, length: int) -> AsyncIterator[int]:
        while length and not self._transport.is_closing():
            sent = await self._move(out, handle, start, min(length, _AT_ONCE))
            start, length = start + sent, length - sent
            yield sent

    async def _move(self, out: int, handle: int, start: int, length: int) -> int:
        """Give the kernel some bytes; 0 when the client had no room for any, and has now."""
        try:
            if is_cached(handle, start, length):
                sent = os.sendfile(out, handle, start, length)
                await asyncio.sleep(0)
            else:
                sent = await run_sync(os.sendfile, out, handle, start, length)
        except BlockingIOError:
            if not self._transport.is_closing():  # as it may be after a thread
                await self._room(out)
            return 0
        if not sent:
            raise FileShorter
        return sent

    async def _room(self, out: int) -> None:
        """Wait until the client has taken something, or has not for too long."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._watch.start()
        loop.add_writer(out, self.wake)
        try:
            await self._waiter
        finally:
            loop.remove_writer(out)
            self._watch.stop()
            self._waiter = None
