"""How a stored query is cited, in Chinese (GB/T 7714), English and BibTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


class Source(Struct, frozen=True):
    """A release that a query reads; without a version the latest at the time of asking."""

    title: str
    publisher: str
    version: int | None


class Citation(Struct, frozen=True):
    """Words to cite a version of a query with; each says where it is."""

    zh: str
    en: str
    bibtex: str


def cite(
    name: str, version: int, title: str, created: str, sources: Sequence[Source], url: str
) -> Citation:
    """Write the citations; `created` is ISO 8601."""
    day, publishers = created[:10], list(dict.fromkeys(item.publisher for item in sources))
    read_zh = "，".join(dict.fromkeys(
        f"《{s.title}》{f'第 {s.version} 版' if s.version else '查询时的最新版'}" for s in sources
    ))  # fmt: skip
    read_en = ", ".join(dict.fromkeys(
        f"{s.title} ({f'v{s.version}' if s.version else 'latest when asked'})" for s in sources
    ))  # fmt: skip
    by_zh, by_en = "，".join(publishers), ", ".join(publishers)
    zh = [by_zh, f"{title}（第 {version} 版）[DS/OL]", read_zh and f"数据：{read_zh}", f"({day})"]
    en = [by_en, f"{title} (version {version}) [stored query]", read_en and f"Data: {read_en}", day]
    fields = {
        "title": title,
        "author": " and ".join(f"{{{_plain(publisher)}}}" for publisher in publishers),
        "year": day[:4],
        "version": str(version),
        "note": f"Stored query; data: {read_en}" if read_en else "Stored query",
        "url": url,
    }
    lines = [
        f"  {key} = {{{value if key in ('author', 'url') else _plain(value)}}}"
        for key, value in fields.items()
        if value
    ]
    return Citation(
        zh=". ".join([*filter(None, zh), url]),
        en=". ".join([*filter(None, en), url]),
        bibtex=f"@misc{{{name}-v{version},\n" + ",\n".join(lines) + "\n}",
    )


def _plain(text: str) -> str:
    """Text without what TeX takes for its own."""
    return re.sub(r"([%&#$_])", r"\\\1", re.sub(r"[\\{}]", "", text))
