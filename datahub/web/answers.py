"""Answers kept as bytes: a request that was answered from the same releases is not asked again.

A handler tells which tables its answer was made of (`mark`); such answers, when small, are kept
by request. A kept one is used only while the catalog names the same versions of those tables, so
a new release or a withdrawal is seen at once; asking the catalog costs microseconds.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from litestar.enums import ScopeType

from datahub.errors import DatahubError
from datahub.model import Struct
from datahub.serve.reading import Reading, Table

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

ANSWER_BYTES = 256 << 10
ALL_BYTES = 8 << 20
_AROUND = 6 << 10  # bytes that the headers and the key of an answer take, about
_MARK = "answer_of"
_TELLING = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"accept-profile", b"host", b"prefer",
    b"range", b"range-unit", b"x-forwarded-host", b"x-forwarded-proto",
})  # fmt: skip
"""Headers by which answers to one address may differ."""
_PERSONAL = frozenset({
    b"authorization", b"cookie", b"if-match", b"if-modified-since", b"if-range",
    b"if-unmodified-since", b"x-api-key",
})  # fmt: skip
"""Headers with which a request is always answered by itself."""
_OF_BODY = frozenset({b"content-length", b"content-type", b"content-encoding"})
_HIT = (b"cache-status", b"datahub; hit")  # RFC 9211
_MISS = (b"cache-status", b"datahub; fwd=miss")


class _Kept(Struct, frozen=True):
    """An answer, and what it was made of."""

    tables: tuple[Table, ...]
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: bytes
    path_template: str


def mark(request: Request[Any, Any, Any], *tables: Table) -> None:
    """Tell that an answer depends on its request and on these tables alone."""
    request.scope[_MARK] = tables  # type: ignore[literal-required]


class Answers:
    """Keeps small answers of marked requests, the latest used ones."""

    def __init__(self, app: ASGIApp, reading: Reading, most: int = ALL_BYTES) -> None:
        self._app, self._reading, self._most = app, reading, most
        self._kept: OrderedDict[Any, _Kept] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        key, condition = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        head: bool = scope["method"] == "HEAD"  # type: ignore[typeddict-item]
        kept = self._kept.get(key)
        if kept is not None and await self._holds(kept):
            self._kept.move_to_end(key)
            scope["path_template"] = kept.path_template  # for the metrics
            await _answer(kept, condition, send, head=head)
            return
        await self._app(scope, receive, send if head else self._keeping(key, scope, send))

    async def _holds(self, kept: _Kept) -> bool:
        """Whether the catalog still names the tables that an answer was made of."""
        for table in kept.tables:
            asked = table.dataset, table.resource, None if table.latest else table.version
            try:
                now = self._reading.known(*asked)
                if now is None:
                    now = await to_thread.run_sync(self._reading.table, *asked)
            except DatahubError:
                return False
            if (now.version, now.digest) != (table.version, table.digest):
                return False
        return True

    def _keeping(self, key: Any, scope: Scope, send: Send) -> Send:
        """Pass an answer on, and keep it when it is whole, small and marked."""
        start: Any = None

        async def sender(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _MARK in scope:
                start = dict(message)
                message["headers"] = [*message["headers"], _MISS]
            elif message["type"] == "http.response.body" and start is not None:
                if not message["more_body"] and start["status"] == 200:  # noqa: PLR2004
                    self._keep(key, scope, start["headers"], message["body"])
                start = None
            await send(message)

        return sender

    def _keep(self, key: Any, scope: Any, headers: Any, body: bytes) -> None:
        named = {bytes(name).lower(): bytes(value) for name, value in headers}
        if len(body) > ANSWER_BYTES or not _may_be_kept(named):
            return
        self._forget(key)
        self._kept[key] = _Kept(
            tables=scope[_MARK],
            headers=tuple((bytes(name), bytes(value)) for name, value in headers),
            body=body,
            etag=named.get(b"etag", b""),
            path_template=scope.get("path_template", ""),
        )
        self._bytes += len(body) + _AROUND
        while self._bytes > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Any) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.body) + _AROUND


def _key(scope: Scope) -> tuple[Any, bytes]:
    """What answers are kept by (None: this one is not), and If-None-Match."""
    if scope["type"] != ScopeType.HTTP or scope["method"] not in ("GET", "HEAD"):
        return None, b""
    telling, condition = [], b""
    for name, value in scope["headers"]:
        if name in _TELLING:
            telling.append((name, value.lower()))
        elif name == b"origin":
            telling.append((name, b""))  # every origin gets the same answer
        elif name == b"if-none-match":
            condition = value
        elif name in _PERSONAL:
            return None, b""
    return (scope["raw_path"], scope["query_string"], *telling), condition


def _may_be_kept(headers: dict[bytes, bytes]) -> bool:
    """Whether an answer is for everybody who sends the same telling headers."""
    vary = {name.strip().lower() for name in headers.get(b"vary", b"").split(b",")} - {b""}
    private = any(word in headers.get(b"cache-control", b"") for word in (b"no-store", b"private"))
    return vary <= _TELLING | {b"origin"} and not private and b"set-cookie" not in headers


async def _answer(kept: _Kept, condition: bytes, send: Send, *, head: bool) -> None:
    """Send a kept answer, or tell that the client has it (RFC 9110 §13.1.2)."""
    status, body, headers = 200, b"" if head else kept.body, [*kept.headers, _HIT]
    if condition and _matches(condition, kept.etag):
        status, body = 304, b""
        headers = [pair for pair in headers if pair[0].lower() not in _OF_BODY]
    start: Any = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _matches(condition: bytes, etag: bytes) -> bool:
    if condition.strip() == b"*":
        return True
    tags = [tag.strip().removeprefix(b"W/") for tag in condition.split(b",")]
    return bool(etag) and etag.removeprefix(b"W/") in tags
