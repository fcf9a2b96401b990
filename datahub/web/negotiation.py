"""Which form of an answer a request likes best, and whether it has it (RFC 9110 §12.5.1, §13)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*([!#$&^_.+\w*-]+/[!#$&^_.+\w*-]+)\s*((?:;[^,]*)?)", re.ASCII)
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|\Z)", re.ASCII | re.IGNORECASE)


def matches(condition: str | None, etag: str) -> bool:
    """Compare If-None-Match with a tag, weakly (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return condition.strip() == "*" or etag.removeprefix("W/") in tags


def best(accept: str | None, offered: dict[str, str]) -> str | None:
    """Value of the media type that `accept` likes best, the first offered among equals.

    None when it likes none of them; a request that says nothing likes all.
    """
    if not accept:
        return next(iter(offered.values()))
    ranges = {}
    for part in accept[:1000].split(","):
        found = _RANGE.match(part)
        if found:
            quality = _QUALITY.search(found[2] + ";")
            ranges[found[1].lower()] = float(quality[1]) if quality else 1.0
    liked = {kind: _liking(kind, ranges) for kind in offered}
    most = max(liked.values())
    return next(offered[kind] for kind in offered if liked[kind] == most) if most > 0 else None


def _liking(kind: str, ranges: dict[str, float]) -> float:
    """Quality of the most exact range that covers a media type."""
    for name in (kind, f"{kind.split('/', maxsplit=1)[0]}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0
