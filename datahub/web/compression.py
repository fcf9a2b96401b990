"""Texts go as zstd or gzip to who takes it (RFC 9110 §12.5.3, RFC 8878); files never do.

A tag of a compressed answer is weak: its bytes are others, what they say is the same.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from litestar.enums import ScopeType
from zstandard import (
    COMPRESSOBJ_FLUSH_BLOCK,
    COMPRESSOBJ_FLUSH_FINISH,
    ZstdCompressionParameters,
    ZstdCompressor,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_LEAST = 1024  # bytes of an answer: less is not worth it
_LEVEL = 1  # of gzip: three times as fast as 6, for a fifth more bytes
_ZSTD = ZstdCompressionParameters.from_level(1, window_log=18)
"""Level 1: half the time of gzip's, for a fifth fewer bytes; 256 kB to look back, so that no stream
takes more memory than gzip's."""
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
        if scope["type"] != ScopeType.HTTP or is_file(scope["path"]):
            await self._app(scope, receive, send)
        else:
            body = _Body(scope, send)
            try:
                await self._app(scope, receive, body)
            except BaseException:
                await body.break_off()
                raise


def is_file(path: str) -> bool:
    """Whether the bytes are those of a file, in ranges and with its digest."""
    return path.startswith(_FILES) or (path.startswith(_JOBS) and path.endswith(_RESULT))


class _Body:
    """One answer on its way; its start waits for the first piece, which tells the length."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._head: bool = scope["method"] == "HEAD"  # type: ignore[typeddict-item]
        self._takes = _coding(scope["headers"])
        self._start: Any = None
        self._packer: Callable[[bytes, bool], bytes] | None = None

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
                body = await _packed(self._packer, body, more=False)
                start["headers"].append((b"content-length", str(len(body)).encode()))
                self._packer = None
            await self._send(start)
        if self._packer is not None and not self._head:
            body = await _packed(self._packer, body, more=more)
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
        packs = self._takes if streamed or told >= _LEAST else b""
        self._vary(start, tag if packs else b"")
        if packs or untold:
            start["headers"] = [
                pair for pair in start["headers"] if bytes(pair[0]).lower() != b"content-length"
            ]
        if packs:
            start["headers"].append((b"content-encoding", packs))
            self._packer = _PACKERS[packs]()

    def _vary(self, start: Any, tag: bytes) -> None:
        """Tell that the answer depends on Accept-Encoding; make a tag weak, if one is given."""
        dropped = (b"vary", b"etag") if tag else (b"vary",)
        headers = [pair for pair in start["headers"] if bytes(pair[0]).lower() not in dropped]
        headers.append((b"vary", _varying(start["headers"])))
        if tag:
            headers.append((b"etag", tag if tag.startswith(b"W/") else b"W/" + tag))
        start["headers"] = headers


async def _packed(pack: Callable[[bytes, bool], bytes], body: bytes, *, more: bool) -> bytes:
    """Pack a piece and make it whole: who follows a stream sees what was sent."""
    return await run_sync(pack, body, more) if len(body) > _LONG else pack(body, more)


def _gzip() -> Callable[[bytes, bool], bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    ends = zlib.Z_FINISH, zlib.Z_SYNC_FLUSH
    return lambda body, more: packer.compress(body) + packer.flush(ends[more])


def _zstd() -> Callable[[bytes, bool], bytes]:
    packer = ZstdCompressor(compression_params=_ZSTD).compressobj()
    ends = COMPRESSOBJ_FLUSH_FINISH, COMPRESSOBJ_FLUSH_BLOCK
    return lambda body, more: packer.compress(body) + packer.flush(ends[more])


_PACKERS = {b"zstd": _zstd, b"gzip": _gzip}
"""Makers of what packs one answer, by coding, the better first."""


def _varying(headers: Any) -> bytes:
    """Vary, with Accept-Encoding."""
    told = b",".join(bytes(value) for name, value in headers if bytes(name).lower() == b"vary")
    names = [name.strip() for name in told.split(b",") if name.strip()]
    if b"accept-encoding" not in [name.lower() for name in names]:
        names.append(b"Accept-Encoding")
    return b", ".join(names)


def _coding(headers: Any) -> bytes:
    """The coding that Accept-Encoding likes best; empty when it likes bytes as they are better."""
    said = b",".join(value for name, value in headers if name == b"accept-encoding")
    weights: dict[bytes, float] = {}
    for item in said.lower().split(b","):
        name, _, parameter = item.partition(b";")
        weights[name.strip()] = _weight(parameter)
    others = weights.get(b"*", 0.0)
    liked = {b"zstd": weights.get(b"zstd", others)}
    liked[b"gzip"] = weights.get(b"gzip", weights.get(b"x-gzip", others))
    best = max(_PACKERS, key=liked.__getitem__)
    return best if 0 < liked[best] >= weights.get(b"identity", 0.0) else b""


def _weight(parameter: bytes) -> float:
    name, _, value = parameter.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
