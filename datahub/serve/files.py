"""How a file request is answered (RFC 9110): pure decisions on headers, no I/O."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from datahub.guard.text import content_disposition
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.model import Distribution

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*\Z", re.ASCII)
_MAX_DIGITS = 19
_FOREVER = "public, max-age=31536000, immutable"
_LATEST = "public, max-age=60, must-revalidate"
EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Location, Content-Range, ETag, "
    "Link, Repr-Digest, X-Request-Id"
)


class Answer(Struct, frozen=True):
    """Status, headers, and which bytes of the file form the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    start: int
    length: int


def etag(distribution: Distribution) -> str:
    """Strong entity tag: the digest of the bytes (RFC 9110 §8.8.3)."""
    return f'"sha256-{distribution.sha256}"'


def answer(
    file: Distribution, request: Mapping[str, str], *, location: str, latest: bool
) -> Answer:
    """Decide how to answer GET or HEAD for a file; `request` has lower-case header names."""
    if "if-match" in request and not _matches(request["if-match"], etag(file), weak=False):
        return _refused(412, [("etag", etag(file))])
    headers = _headers(file, location, latest=latest)
    if _matches(request.get("if-none-match"), etag(file), weak=True):
        return Answer(status=304, headers=tuple(headers), start=0, length=0)
    window = _range(request.get("range"), request.get("if-range"), file)
    headers.append(("content-type", file.media_type))
    if window is None:
        headers.append(("content-length", str(file.bytes)))
        return Answer(status=200, headers=tuple(headers), start=0, length=file.bytes)
    start, length = window
    if length <= 0:
        return _refused(416, [("content-range", f"bytes */{file.bytes}")])
    headers += [
        ("content-range", f"bytes {start}-{start + length - 1}/{file.bytes}"),
        ("content-length", str(length)),
    ]
    return Answer(status=206, headers=tuple(headers), start=start, length=length)


def _refused(status: int, headers: list[tuple[str, str]]) -> Answer:
    """Answer to one request's conditions, which nobody may keep for another's."""
    both = [*headers, ("content-length", "0"), ("cache-control", "no-store")]
    return Answer(status=status, headers=tuple(both), start=0, length=0)


def _headers(file: Distribution, location: str, *, latest: bool) -> list[tuple[str, str]]:
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    headers = [
        ("etag", etag(file)),
        ("accept-ranges", "bytes"),
        ("repr-digest", f"sha-256=:{digest}:"),  # RFC 9530
        ("cache-control", _LATEST if latest else _FOREVER),
        ("content-disposition", content_disposition(file.path)),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", EXPOSED),
    ]
    if latest:
        headers.append(("content-location", location))
    return headers


def _matches(condition: str | None, tag: str, *, weak: bool) -> bool:
    """Compare with a list of tags, weakly or strongly (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    tags = [item.strip() for item in condition.split(",")]
    if weak:
        tags = [item.removeprefix("W/") for item in tags]
    return condition.strip() == "*" or tag in tags


def _range(text: str | None, if_range: str | None, file: Distribution) -> tuple[int, int] | None:
    """First byte and length; None for the whole file, a length of 0 when nothing fits.

    One range is served; several, another unit or a form that is no range get the whole file,
    which RFC 9110 §14.2 allows. If-Range takes strong tags only (§13.1.5).
    """
    if text is None or (if_range is not None and if_range.strip() != etag(file)):
        return None
    found = _RANGE.match(text.strip())
    if not found or found[1] == found[2] == "" or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    size = file.bytes
    if found[1] == "":  # the last n bytes
        length = min(int(found[2]), size)
        return size - length, length
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    stop = min(int(found[2]), size - 1) if found[2] else size - 1
    return start, max(0, stop - start + 1)
