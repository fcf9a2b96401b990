"""The only HTTP client: talks to a Datahub service for the commands, downloads with resume."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

from datahub import (
    __version__,
    errors_catalog,  # noqa: F401 - a service may answer with one of them
)
from datahub.errors import (
    DatahubError,
    DigestMismatch,
    RequestError,
    ServiceUnavailable,
    StorageFull,
    TokenInvalid,
    from_code,
)
from datahub.store.objects import digest_of, full_disk_told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CHUNK = 1 << 20
TRIES = 5


class Service:
    """A Datahub service at an address, spoken to as the holder of a token."""

    def __init__(self, server: str, token: str = "") -> None:
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
        try:
            response = self._http.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _unreachable(self._server, error) from None
        except (ValueError, UnicodeError) as error:  # a token or name that no header can carry
            raise RequestError(reason_zh="令牌或参数含有非法字符", reason_en=str(error)) from None
        if response.is_error:
            raise _told(response)
        return response

    def download(
        self, path: str, target: Path, *, size: int, sha256: str, seen: Callable[[int], None]
    ) -> bool:
        """Download a file, going on where an earlier try ended; False when it was there already.

        The bytes stay in `<target>.part` until their digest is right.

        Raises:
            DigestMismatch: the whole file came and is not what the manifest promises.
            ServiceUnavailable: the connection broke too often.

        """
        if target.exists() and target.stat().st_size == size and digest_of(target) == sha256:
            return False
        part = target.with_name(target.name + ".part")
        if part.exists() and part.stat().st_size > size:
            part.unlink()
        for attempt in range(TRIES):
            try:
                self._fetch(path, part, size, sha256, seen)
                break
            except httpx.TransportError as error:
                if attempt == TRIES - 1:
                    raise _unreachable(self._server, error) from None
                time.sleep(0.5 * 2**attempt)
        actual = digest_of(part)
        if actual != sha256:
            part.unlink()
            raise DigestMismatch(file=target.name, expected=sha256, actual=actual)
        part.replace(target)
        return True

    def _fetch(
        self, path: str, part: Path, size: int, sha256: str, seen: Callable[[int], None]
    ) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have == size and part.exists():
            seen(have)
            return
        # If-Range: were the file another one by now, all of it would come instead of a splice.
        headers = {"If-Range": f'"sha256-{sha256}"', "Range": f"bytes={have}-"} if have else {}
        with self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                raise _told(response)
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            seen(have if resumed else 0)
            with full_disk_told(), part.open("ab" if resumed else "wb") as file:
                for chunk in response.iter_raw(CHUNK):
                    file.write(chunk)
                    seen(len(chunk))


def _unreachable(server: str, error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(
        reason_zh=f"连不上 {server}；本机可用 datahub serve 启动",
        reason_en=f"cannot reach {server} ({type(error).__name__}); start it with: datahub serve",
    )


def _told(response: httpx.Response) -> DatahubError:
    try:
        problem = response.json()
        return from_code(problem["code"], problem.get("facts", {}))
    except (ValueError, KeyError, TypeError):
        if response.status_code == httpx.codes.INSUFFICIENT_STORAGE:
            return StorageFull()
        text = f"HTTP {response.status_code}"
        return RequestError(reason_zh=text, reason_en=text)
