"""Addresses of all pages for crawlers (sitemaps.org 0.9), and what they may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.serve.outputs.concepts import Names
from datahub.serve.outputs.texts import xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

URLS = 50_000
"""Addresses in one file, which the protocol sets."""

_PAGES = ("/", "/docs")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def parts(count: int) -> int:
    """How many files `count` datasets and the other pages need."""
    return max(1, -(-(count + len(_PAGES)) // URLS))


def stretch(part: int) -> tuple[int, int]:
    """How many datasets to skip for a part, and how many it holds; parts count from 1."""
    if part == 1:
        return 0, URLS - len(_PAGES)
    return (part - 1) * URLS - len(_PAGES), URLS


def write_pages(
    names: Iterable[tuple[str, str]], base: str, *, part: int, modified: str
) -> Iterator[str]:
    """Write one file of addresses, each with the day of its last change."""
    yield f"{_HEAD}<urlset {_SPACE}>\n"
    if part == 1:
        for path in _PAGES:
            yield _entry("url", f"{base}{path}", modified if path == "/" else "")
    addresses = Names(base)
    for name, at in names:
        yield _entry("url", addresses.page(name), at)
    yield "</urlset>\n"


def write_index(count: int, base: str, *, modified: str) -> Iterator[str]:
    """Write the index of all files."""
    yield f"{_HEAD}<sitemapindex {_SPACE}>\n"
    for part in range(1, parts(count) + 1):
        yield _entry("sitemap", f"{base}/sitemap-{part}.xml", modified)
    yield "</sitemapindex>\n"


def _entry(tag: str, address: str, at: str) -> str:
    last = f"<lastmod>{xml(at)}</lastmod>" if at else ""
    return f"<{tag}><loc>{xml(address)}</loc>{last}</{tag}>\n"


def robots(base: str) -> str:
    """What crawlers may read: every page and file, not the endless pages of rows."""
    return (
        "User-agent: *\n"
        "Allow: /\n"
        "Disallow: /api/v1/submissions\n"
        "Disallow: /api/v1/datasets/*/resources/*/rows\n"
        "Disallow: /datasets/*/resources/*?\n"
        "Disallow: /sql?\n"
        "Disallow: /health\n"
        "Disallow: /metrics\n"
        "\n"
        f"Sitemap: {base}/sitemap.xml\n"
    )
