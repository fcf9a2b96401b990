"""Texts are sent as gzip to who takes it (RFC 9110 §12.5.3); files with ranges never are.

A tag of a compressed answer is weak: its bytes are others, what they say is the same.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_LEAST = 1024  # bytes of an answer: less is not worth it
_LEVEL = 1  # three times as fast as 6, for a fifth more bytes
_GZIP = 16 + zlib.MAX_WBITS
_LONG = 64 << 10  # bytes that are compressed in a thread
_KINDS = (
    b"text/", b"application/json", b"application/problem+json", b"application/x-ndjson",
    b"application/ndjson", b"application/ld+json", b"application/geo+json", b"application/xml",
    b"application/atom+xml", b"application/feed+json", b"application/javascript",
    b"application/rdf+xml", b"application/vnd.oai.openapi+json", b"image/svg+xml",
)  # fmt: skip
_FILES, _JOBS, _RESULT = "/d/", "/api/v1/sql/jobs/", "/result"


class Compression:
    """Compresses answers that are text, whole ones and streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != ScopeType.HTTP or _is_file(scope["path"]):
            await self._app(scope, receive, send)
        else:
            body = _Body(scope, send)
            try:
                await self._app(scope, receive, body)
            except BaseException:
                await body.break_off()
                raise


def _is_file(path: str) -> bool:
    """Whether the bytes are those of a file, in ranges and with its digest."""
    return path.startswith(_FILES) or (path.startswith(_JOBS) and path.endswith(_RESULT))


class _Body:
    """One answer on its way; its start waits for the first piece, which tells the length."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._head: bool = scope["method"] == "HEAD"  # type: ignore[typeddict-item]
        self._takes = _takes_gzip(scope["headers"])
        self._start: Any = None
        self._packer: Any = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            self._begin(start, len(body), more=more or self._head)
            if self._packer is not None and not more and not self._head:
                body = await self._packed(body, more=False)
                start["headers"].append((b"content-length", str(len(body)).encode()))
                self._packer = None
            await self._send(start)
        if self._packer is not None and not self._head:
            body = await self._packed(body, more=more)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def break_off(self) -> None:
        """Let an answer that was begun, and cannot go on, be seen as one."""
        if self._start is not None:
            await self._send(self._start)

    def _begin(self, start: Any, size: int, *, more: bool) -> None:
        """Change the head of an answer that is or could be compressed."""
        headers = {bytes(name).lower(): bytes(value) for name, value in start["headers"]}
        told = int(headers.get(b"content-length", size))
        kind = headers.get(b"content-type", b"")
        tag = headers.get(b"etag", b"")
        if start["status"] == 304:  # noqa: PLR2004 - as the answer would be that the client has
            self._vary(start, tag if self._takes else b"")
            return
        if (
            start["status"] in (204, 206)
            or not kind.startswith(_KINDS)
            or b"content-encoding" in headers
            or b"content-range" in headers
        ):
            return
        # Some routes spare themselves the body when HEAD asks, and so tell a length of 0.
        untold = self._head and not told
        streamed = untold or (more and b"content-length" not in headers)
        packs = self._takes and (streamed or told >= _LEAST)
        self._vary(start, tag if packs else b"")
        if packs or untold:
            start["headers"] = [
                pair for pair in start["headers"] if bytes(pair[0]).lower() != b"content-length"
            ]
        if packs:
            start["headers"].append((b"content-encoding", b"gzip"))
            self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP)

    def _vary(self, start: Any, tag: bytes) -> None:
        """Tell that the answer depends on Accept-Encoding; make a tag weak, if one is given."""
        dropped = (b"vary", b"etag") if tag else (b"vary",)
        headers = [pair for pair in start["headers"] if bytes(pair[0]).lower() not in dropped]
        headers.append((b"vary", _varying(start["headers"])))
        if tag:
            headers.append((b"etag", tag if tag.startswith(b"W/") else b"W/" + tag))
        start["headers"] = headers

    async def _packed(self, body: bytes, *, more: bool) -> bytes:
        if len(body) > _LONG:
            return await run_sync(_pack, self._packer, body, more)
        return _pack(self._packer, body, more)


def _pack(packer: Any, body: bytes, more: bool) -> bytes:
    # Each piece is made whole: who follows a stream sees what was sent.
    packed: bytes = packer.compress(body)
    packed += packer.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
    return packed


def _varying(headers: Any) -> bytes:
    """Vary, with Accept-Encoding."""
    told = b",".join(bytes(value) for name, value in headers if bytes(name).lower() == b"vary")
    names = [name.strip() for name in told.split(b",") if name.strip()]
    if b"accept-encoding" not in [name.lower() for name in names]:
        names.append(b"Accept-Encoding")
    return b", ".join(names)


def _takes_gzip(headers: Any) -> bool:
    """Whether Accept-Encoding prefers gzip to bytes as they are."""
    said = b",".join(value for name, value in headers if name == b"accept-encoding")
    weights: dict[bytes, float] = {}
    for item in said.lower().split(b","):
        name, _, parameter = item.partition(b";")
        weights[name.strip()] = _weight(parameter)
    gzip = weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", 0.0)))
    return gzip > 0 and gzip >= weights.get(b"identity", 0.0)


def _weight(parameter: bytes) -> float:
    name, _, value = parameter.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
