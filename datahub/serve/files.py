"""How a request for bytes is answered (RFC 9110, RFC 9530): pure decisions on headers, no I/O."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from datahub.guard.text import content_disposition
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.model import Distribution

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*\Z", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 19
FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60, must-revalidate"
EXPOSED = (
    "Accept-Ranges, Allow, Cache-Status, Content-Disposition, Content-Encoding, Content-Length, "
    "Content-Location, Content-Range, Content-Profile, ETag, Link, Location, Preference-Applied, "
    "RateLimit, RateLimit-Policy, Repr-Digest, Retry-After, Vary, WWW-Authenticate, X-Last-Seq, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Resource, "
    "X-Request-Id, X-Rows, X-Total-Rows, X-Truncated, X-Versions"
)


class Content(Struct, frozen=True):
    """Bytes that can be asked for: all that headers tell of them."""

    name: str  # to save them under
    bytes: int
    tag: str  # strong entity tag, in its quotes (RFC 9110 §8.8.3)
    media_type: str
    sha256: str | None = None
    modified: str | None = None  # ISO 8601
    location: str | None = None  # Content-Location: their own address, when asked by another
    links: str = ""
    keep: str = FOREVER


class Answer(Struct, frozen=True):
    """Status, headers, and which of the bytes form the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    start: int
    length: int


def etag(distribution: Distribution) -> str:
    """Strong entity tag: the digest of the bytes."""
    return f'"sha256-{distribution.sha256}"'


def answer(content: Content, request: Mapping[str, str]) -> Answer:
    """Decide how to answer GET or HEAD; `request` has lower-case header names.

    Conditions come in the order of RFC 9110 §13.2.2.
    """
    modified = _http_date(content.modified)
    if _fails(content, request, modified):
        return _refused(412, [("etag", content.tag)])
    headers = _headers(content, modified)
    if _unchanged(content, request, modified):
        return Answer(status=304, headers=tuple(headers), start=0, length=0)
    wanted = window(request.get("range"), request.get("if-range"), content)
    headers.append(("content-type", content.media_type))
    if wanted is None:
        headers.append(("content-length", str(content.bytes)))
        return Answer(status=200, headers=tuple(headers), start=0, length=content.bytes)
    start, length = wanted
    if length <= 0:
        return _refused(416, [("content-range", f"bytes */{content.bytes}")])
    headers += [
        ("content-range", f"bytes {start}-{start + length - 1}/{content.bytes}"),
        ("content-length", str(length)),
    ]
    return Answer(status=206, headers=tuple(headers), start=start, length=length)


def _fails(content: Content, request: Mapping[str, str], modified: str | None) -> bool:
    if "if-match" in request:
        return not _matches(request["if-match"], content.tag, weak=False)
    limit = _time(request.get("if-unmodified-since"))
    latest = _time(modified)
    return limit is not None and latest is not None and latest > limit


def _unchanged(content: Content, request: Mapping[str, str], modified: str | None) -> bool:
    if "if-none-match" in request:
        return _matches(request["if-none-match"], content.tag, weak=True)
    # The very date only: after a withdrawal `latest` is an older file, and has changed.
    return modified is not None and request.get("if-modified-since") == modified


def _http_date(text: str | None) -> str | None:
    """Date as HTTP writes it (RFC 9110 §5.6.7)."""
    if text is None:
        return None
    return format_datetime(datetime.fromisoformat(text).astimezone(UTC), usegmt=True)


def _time(text: str | None) -> datetime | None:
    """Moment that an HTTP date names; None for what is no date (to be ignored, §13.1.4)."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _refused(status: int, headers: list[tuple[str, str]]) -> Answer:
    """Answer to one request's conditions, which nobody may keep for another's."""
    both = [*headers, ("content-length", "0"), ("cache-control", "no-store")]
    return Answer(status=status, headers=tuple(both), start=0, length=0)


def _headers(content: Content, modified: str | None) -> list[tuple[str, str]]:
    headers = [
        ("etag", content.tag),
        ("accept-ranges", "bytes"),
        ("cache-control", content.keep),
        ("content-disposition", content_disposition(content.name)),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", EXPOSED),
    ]
    if content.sha256:  # RFC 9530: of the whole, also where a range is sent
        digest = base64.b64encode(bytes.fromhex(content.sha256)).decode()
        headers.append(("repr-digest", f"sha-256=:{digest}:"))
    given = {"last-modified": modified, "content-location": content.location}
    given |= {"link": content.links}
    return headers + [(name, value) for name, value in given.items() if value]


def _matches(condition: str, tag: str, *, weak: bool) -> bool:
    """Compare with a list of tags, weakly or strongly (RFC 9110 §8.8.3.2)."""
    tags = [item.strip() for item in condition.split(",")]
    if weak:
        tags = [item.removeprefix("W/") for item in tags]
    return condition.strip() == "*" or tag in tags


def window(text: str | None, if_range: str | None, content: Content) -> tuple[int, int] | None:
    """First byte and length; None for the whole, a length of 0 when nothing fits.

    One range is served; several, another unit or a form that is no range get the whole, which
    RFC 9110 §14.2 allows; so does any range of nothing. If-Range takes the strong tag only: a
    date of one second could splice two releases (§13.1.5).
    """
    if text is None or not content.bytes:
        return None
    if if_range is not None and if_range.strip() != content.tag:
        return None
    found = _RANGE.match(text.strip())
    if not found or found[1] == found[2] == "" or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    size = content.bytes
    if found[1] == "":  # the last n bytes
        length = min(int(found[2]), size)
        return size - length, length
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    stop = min(int(found[2]), size - 1) if found[2] else size - 1
    return start, max(0, stop - start + 1)
