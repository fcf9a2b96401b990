"""HTTP/1.1 with bounds that the server itself does not have, and bodies that the kernel sends.

The head of a request has a bound in bytes and in time, and so has the time in which a client
takes nothing of its answer.
"""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import is_ssl

from datahub.errors import RequestError
from datahub.errors_address import AddressNotAscii, AddressTooLong
from datahub.errors_limits import HeaderTooLarge
from datahub.web import problems
from datahub.web.sendfile import EXTENSION, FileSender, Watch

if TYPE_CHECKING:
    import asyncio

    from datahub.errors import DatahubError

_log = structlog.get_logger()
HEAD_BYTES = 128 << 10
"""Request line and headers together; a legitimate one has a few kilobytes."""
ADDRESS_BYTES = (64 << 10) - 1
"""Of path and query: the parser counts them in 16 bits."""
_NOT_ASCII = re.compile(rb"[A-Z]+ [^\r\n]*[\x80-\xff]")


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose request head does not end or whose answer nobody reads."""

    head_seconds = 30.0
    patience = 60.0  # seconds in which a client must take some of its answer

    _head = 0  # bytes of a head that is not complete; far below zero while a body is read
    _data = b""  # that is being read
    _deadline: asyncio.TimerHandle | None = None  # of the head
    _sender: FileSender | None = None  # where the kernel can send
    _watch: Watch  # while the server's buffer is full

    def connection_made(self, transport: Any) -> None:
        """Begin: a head is awaited."""
        super().connection_made(transport)
        self._watch = Watch(transport, self.patience, transport.abort)
        if not is_ssl(transport):
            self._sender = FileSender(transport, self.flow, self.patience)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: nobody need wait for the client."""
        self._watch.stop()
        self._head_came()
        super().connection_lost(exc)
        if self._sender is not None:
            self._sender.wake()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the connection."""
        self._head += len(data)
        self._data = data
        super().data_received(data)
        self._data = b""
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(self._reason(HeaderTooLarge(limit=HEAD_BYTES)))

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; the server calls it."""
        self._refuse(self._reason(RequestError(reason_zh="不是 HTTP/1.1 请求", reason_en=msg)))

    def _reason(self, otherwise: DatahubError) -> DatahubError:
        """What is wrong about the head that came, as far as its address shows it."""
        if len(self.url) > ADDRESS_BYTES:
            return AddressTooLong(limit=ADDRESS_BYTES)
        if _NOT_ASCII.match(self._data) or not self.url.isascii():
            return AddressNotAscii()
        return otherwise

    def _refuse(self, error: DatahubError) -> None:
        """Answer and hang up; never in the middle of an answer to an earlier request."""
        if self.pipeline or (self._answers() and self.cycle.response_started):
            self.transport.abort()
            return
        request_id = token_hex(8)
        content = msgspec.json.encode(problems.body(error, "", request_id))
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            f"content-type: {problems.MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\nx-request-id: {request_id}\r\n"
            "access-control-allow-origin: *\r\nconnection: close\r\n\r\n"
        )
        _log.info("request.invalid", reason=error.code, id=request_id)
        self.transport.write(head.encode() + content)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head = 0
        if self._deadline is None:
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head has ended, and that a body follows without bound."""
        self._head = -(1 << 62)
        self._head_came()
        super().on_headers_complete()
        if self._sender is not None:  # the request's task was made, but has not begun
            extensions: Any = {EXTENSION: partial(self._sender.send, self.cycle)}
            self.scope["extensions"] = extensions

    def pause_writing(self) -> None:
        """Note that the client is slower than the answer."""
        super().pause_writing()
        self._watch.start()

    def resume_writing(self) -> None:
        """Note that it took what was waiting."""
        self._watch.stop()
        super().resume_writing()

    def _answers(self) -> bool:
        """Tell whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self._answers():  # the server itself reads no further meanwhile
            self._await_head()
        else:
            self.transport.close()
