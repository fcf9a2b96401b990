"""HTTP/1.1 with a bound on the head of a request, which the parser itself does not have."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 128 << 10
"""Request line and headers together; a legitimate one has a few kilobytes."""


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request head does not end."""

    _head = 0  # bytes of a head that is not complete; far below zero while a body is read

    def data_received(self, data: bytes) -> None:
        """Take bytes of the connection."""
        self._head += len(data)
        super().data_received(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The header is too large.")

    def on_headers_complete(self) -> None:
        """Note that the head has ended, and that a body follows without bound."""
        self._head = -(1 << 62)
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head = 0
        super().on_message_begin()
