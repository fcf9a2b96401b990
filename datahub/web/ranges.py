"""Ranges of bytes of answers that are made (RFC 9110 §14), for clients that read by pieces.

An answer has ranges when its length is known and its tag is strong: then all its bytes are the
same whenever it is made. A range is cut from the bytes as they are, never from packed ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType

from datahub.errors_ranges import BytesBeyond
from datahub.serve.files import Content, window
from datahub.web import problems
from datahub.web.compression import is_file

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ASKING = (b"range", b"if-range", b"accept-encoding")


class Ranges:
    """Cuts single ranges from the answers of the API; files of releases have their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] not in ("GET", "HEAD")
            or not scope["path"].startswith("/api/v1/")
            or is_file(scope["path"])
        ):
            await self._app(scope, receive, send)
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"]
                 if name in _ASKING}  # fmt: skip
        asked = given.get(b"range") if scope["method"] == "GET" else None
        if asked is not None:  # the whole is asked for, as it is: ranges of it share what is kept
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _ASKING]
        await self._app(scope, receive, _Cut(scope, send, asked, given.get(b"if-range")))


class _Cut:
    """One answer on its way, of which a range may be wanted."""

    def __init__(self, scope: Scope, send: Send, asked: str | None, if_range: str | None) -> None:
        self._scope, self._send, self._asked, self._if_range = scope, send, asked, if_range
        self._skip, self._left = 0, -1  # bytes; below zero: all there are
        self._over = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] != "http.response.body" or self._left < 0:
            if not self._over:
                await self._send(message)
        elif not self._over:
            await self._pass(message.get("body", b""), more=message.get("more_body", False))

    async def _begin(self, start: Any) -> None:
        headers = {bytes(name).lower(): bytes(value) for name, value in start["headers"]}
        tag, size = headers.get(b"etag", b"").decode(), headers.get(b"content-length")
        if (
            start["status"] != 200  # noqa: PLR2004 - HTTP
            or size is None
            or not tag.startswith('"')
            or b"content-encoding" in headers
        ):
            await self._send(start)
            return
        start["headers"] = [*start["headers"], (b"accept-ranges", b"bytes")]
        content = Content(name="", bytes=int(size), tag=tag, media_type="")
        wanted = window(self._asked, self._if_range, content)
        if wanted is not None and wanted[1] <= 0:
            self._over = True
            more = {"content-range": f"bytes */{content.bytes}", "cache-control": "no-store"}
            error = BytesBeyond(size=content.bytes, last=content.bytes - 1)
            await problems.answer(self._scope, self._send, error, more.items())
            return
        if wanted is not None:
            self._narrow(start, *wanted, content.bytes)
        await self._send(start)

    def _narrow(self, start: Any, first: int, length: int, size: int) -> None:
        self._skip, self._left = first, length
        start["status"] = 206
        start["headers"] = [
            *(pair for pair in start["headers"] if bytes(pair[0]).lower() != b"content-length"),
            (b"content-length", str(length).encode()),
            (b"content-range", f"bytes {first}-{first + length - 1}/{size}".encode()),
        ]

    async def _pass(self, body: bytes, *, more: bool) -> None:
        piece = body[self._skip : self._skip + self._left]
        self._skip = max(0, self._skip - len(body))
        self._left -= len(piece)
        self._over = not (more and self._left)
        if piece or self._over:
            await self._send(
                {"type": "http.response.body", "body": piece, "more_body": not self._over}
            )
