"""Frames between who asks and a query child: one letter, four bytes of length, the bytes.

J is a JSON document, D a piece of the answer. Open files travel beside a J.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = struct.Struct("<cI")
HEAD_BYTES = _HEAD.size
MOST_FILES = 64
"""Files handed over with one frame."""
MOST_BYTES, PIECE_BYTES = 16 << 20, 1 << 20
"""Of one frame; of one piece of an answer."""
IDLE_SECONDS = 60.0
"""A reader that takes nothing for so long loses its child."""


def frame(kind: bytes, data: bytes) -> bytes:
    """Write a frame."""
    return _HEAD.pack(kind, len(data)) + data


def head(data: bytes) -> tuple[bytes, int]:
    """Read the head of a frame: its letter and the length of what follows.

    Raises:
        ConnectionError: this is no frame.

    """
    kind, length = _HEAD.unpack(data)
    if kind not in (b"J", b"D") or length > MOST_BYTES:
        raise ConnectionError("not a frame")
    return kind, length


class Address:
    """A socket in a folder whose path may be longer than an address may be (108 bytes)."""

    def __init__(self, folder: Path, name: str) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.path = f"/proc/self/fd/{self._handle}/{name}"

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


class Line:
    """A child's end of a conversation, and its word to the parent that watches the clock."""

    def __init__(self, connection: socket.socket, parent: int) -> None:
        self.connection, self._parent = connection, parent

    def allow(self, seconds: float) -> None:
        """Ask the parent to end this process in so many seconds; the last word counts."""
        os.write(self._parent, struct.pack("<d", time.monotonic() + seconds))

    def receive(self, kind: type[Any]) -> tuple[Any, list[int]]:
        """Read a JSON frame as `kind`, with the files that came along.

        Raises:
            EOFError: nobody is there any more.

        """
        data, handles, _, _ = socket.recv_fds(self.connection, HEAD_BYTES, MOST_FILES)
        _, length = head(data + self._exactly(HEAD_BYTES - len(data)))
        return msgspec.json.decode(self._exactly(length), type=kind), handles

    def tell(self, document: Any) -> None:
        """Send a JSON frame."""
        self.connection.sendall(frame(b"J", msgspec.json.encode(document)))

    def send(self, data: bytes) -> None:
        """Send a piece of the answer, however slowly it is taken, unless it is not at all."""
        whole = memoryview(data)
        for start in range(0, len(whole), PIECE_BYTES):
            part = whole[start : start + PIECE_BYTES]
            rest = memoryview(frame(b"D", part.tobytes()))
            while rest:
                self.allow(IDLE_SECONDS)
                rest = rest[self.connection.send(rest) :]

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count > 0:
            part = self.connection.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
