"""The only HTTP client: talks to a Datahub service for the commands.

httpx is loaded by the first request: most commands and `serve` make none.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from datahub import (
    __version__,
    errors_catalog,  # noqa: F401 - a service may answer with one of them
)
from datahub.errors import (
    DatahubError,
    MissingError,
    RequestError,
    ServiceUnavailable,
    StorageFull,
    TokenInvalid,
    from_code,
)
from datahub.errors_signing import refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import httpx

ERROR_BYTES = 1 << 18  # of an error's text, which needs no more
STREAM_SECONDS = 60.0  # without a byte


class Service:
    """A Datahub service at an address, spoken to as the holder of a token."""

    def __init__(self, server: str, token: str = "") -> None:
        import httpx

        headers = {"User-Agent": f"datahub/{__version__}"}
        if not token.isascii() or not token.isprintable():
            raise TokenInvalid
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._server = server
        try:
            self._http = httpx.Client(
                base_url=server,
                headers=headers,
                timeout=httpx.Timeout(600, connect=10),
                follow_redirects=True,  # of datasets that were renamed
            )
        except (ValueError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable(server, error) from None

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def get(self, path: str, params: Sequence[tuple[str, Any]] = ()) -> Any:
        """GET JSON; parameters that are None are left out.

        Raises:
            DatahubError: what the service answered, as the error it names.
            ServiceUnavailable: nobody answers at the address.

        """
        return self._json("GET", path, params=[(k, str(v)) for k, v in params if v is not None])

    def post(self, path: str, body: Any) -> Any:
        """POST JSON and return JSON; raises as `get` does."""
        return self._json("POST", path, json=body)

    def put(
        self, path: str, body: Any, *, match: str = "", params: Sequence[tuple[str, Any]] = ()
    ) -> Any:
        """PUT JSON, with If-Match where a state is named; raises as `get` does."""
        headers = {"If-Match": f'"{match}"'} if match else {}
        given = [(k, str(v)) for k, v in params if v is not None]
        return self._json("PUT", path, json=body, headers=headers, params=given)

    def upload(self, path: str, files: Sequence[tuple[str, Path]], note: str = "") -> Any:
        """POST files as multipart parts, each named by its resource; raises as `get` does."""
        opened = [(name, (file.name, file.open("rb"))) for name, file in files]
        try:
            return self._json("POST", path, files=opened, data={"note": note} if note else None)
        finally:
            for _, (_, handle) in opened:
                handle.close()

    def text(self, path: str) -> bytes:
        """GET bytes of a small body; raises as `get` does."""
        return self._send("GET", path).content

    def _json(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        try:
            return response.json(parse_float=Decimal)
        except ValueError:
            raise ServiceUnavailable(
                reason_zh=f"{self._server} 返回的不是 JSON，地址可能不对",
                reason_en=f"{self._server} did not answer with JSON; is the address right?",
            ) from None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            response = self._http.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _unreachable(self._server, error) from None
        except (ValueError, UnicodeError) as error:  # a token or name that no header can carry
            raise RequestError(reason_zh="令牌或参数含有非法字符", reason_en=str(error)) from None
        if response.is_error:
            raise _told(response.status_code, response.headers, response.content)
        return response

    def document(self, path: str, limit: int) -> bytes:
        """GET a small body, of `limit` bytes at most; raises as `get` does.

        Raises:
            ProofInvalid: there is no end to it.

        """
        found = bytearray()
        with self.stream(path, {}) as (_, _, chunks):
            for chunk in chunks:
                found += chunk
                if len(found) > limit:
                    raise refused("oversized", path.rsplit("/", 1)[1], expected=f"≤ {limit}")
        return bytes(found)

    @contextmanager
    def stream(
        self, path: str, headers: dict[str, str]
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """GET status, headers and bytes as they were published; raises as `get` does."""
        import httpx

        # Compressed on the way, bytes would be neither of the length nor of the digest.
        asked = {"Accept-Encoding": "identity"} | headers
        try:
            with self._http.stream("GET", path, headers=asked, timeout=STREAM_SECONDS) as response:
                if response.is_error:
                    told = next(response.iter_raw(ERROR_BYTES), b"")
                    raise _told(response.status_code, response.headers, told)
                yield response.status_code, response.headers, response.iter_raw()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _unreachable(self._server, error) from None

    def broken(self) -> ServiceUnavailable:
        """Return the error of a body that ended before its end."""
        return _unreachable(self._server, EOFError())


def _unreachable(server: str, error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(
        reason_zh=f"连不上 {server}；本机可用 datahub serve 启动",
        reason_en=f"cannot reach {server} ({type(error).__name__}); start it with: datahub serve",
    )


def _told(status: int, headers: Mapping[str, str], body: bytes) -> DatahubError:
    waits = headers.get("retry-after")
    after = {} if waits is None else {"retry_after": waits}
    try:
        problem = json.loads(body)
        return from_code(problem["code"], problem.get("facts", {}) | after)
    except (ValueError, KeyError, TypeError, RecursionError):
        if status == HTTPStatus.INSUFFICIENT_STORAGE:
            return StorageFull()
        if status == HTTPStatus.NOT_FOUND:
            return MissingError()
        text = f"HTTP {status}"
        return RequestError(reason_zh=text, reason_en=text)
