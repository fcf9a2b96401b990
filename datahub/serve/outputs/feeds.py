"""New and changed datasets as an Atom feed (RFC 4287, paged after RFC 5005) and as JSON Feed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from datahub.model import Json, Struct
from datahub.record import vocabularies
from datahub.serve.outputs.concepts import Names
from datahub.serve.outputs.texts import attribute, xml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.store.listing import News

ATOM = "application/atom+xml; charset=utf-8"
JSON_FEED = "application/feed+json"
_NOBODY_YET = "1970-01-01T00:00:00Z"
_WHAT = {
    "registered": ("新数据集", "New dataset"),
    "changed": ("目录更新", "Record changed"),
    "released": ("数据发布", "Data released"),
    "withdrawn": ("数据撤回", "Data withdrawn"),
    "retired": ("从目录撤下", "Taken off the catalog"),
    "status": ("状态变化", "Status changed"),
    "renamed": ("标识变更", "Renamed"),
}
_OTHER = ("目录变化", "Catalog changed")


class Feed(Struct, frozen=True):
    """A page of changes, newest first, and how it was asked for."""

    title: str
    updated: str  # of the catalog, when this page has no change
    news: Sequence[News]
    asked: dict[str, str]  # publisher, theme, before: as far as given
    following: int | None  # `before` of the page that follows
    home: str  # address of the site, without a slash
    first: str  # time of the site's first change, which names it in tags


def atom(feed: Feed) -> str:
    """Write the feed as Atom."""
    names = Names(feed.home)
    links = [("self", "application/atom+xml", _address(feed, "atom", feed.asked))]
    first = {key: value for key, value in feed.asked.items() if key != "before"}
    links.append(("first", "application/atom+xml", _address(feed, "atom", first)))
    if feed.following is not None:
        following = first | {"before": str(feed.following)}
        links.append(("next", "application/atom+xml", _address(feed, "atom", following)))
    links.append(("alternate", "text/html", f"{feed.home}/"))
    links.append(("alternate", "application/x-ndjson", f"{feed.home}/api/v1/changes"))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="zh-CN">',
        f"<id>{xml(_tag(feed, _narrowed('feed', first)))}</id>",
        f"<title>{xml(feed.title)}</title>",
        f"<updated>{xml(_updated(feed))}</updated>",
        f"<author><name>{xml(feed.title)}</name></author>",
        '<generator uri="/docs">datahub</generator>',
    ]
    lines += [
        f"<link rel={attribute(rel)} type={attribute(kind)} href={attribute(address)}/>"
        for rel, kind, address in links
    ]
    lines += [_entry(feed, item, names) for item in feed.news]
    return "\n".join([*lines, "</feed>\n"])


def _entry(feed: Feed, item: News, names: Names) -> str:
    zh, _ = _WHAT.get(item.what, _OTHER)
    page = names.page(item.name)
    return "\n".join(
        [
            "<entry>",
            f"<id>{xml(_tag(feed, f'change/{item.seq}', item.at))}</id>",
            f"<title>{xml(headline(item))}</title>",
            f"<updated>{xml(item.at)}</updated>",
            f"<published>{xml(item.at)}</published>",
            f"<author><name>{xml(item.publisher_title)}</name></author>",
            f'<link rel="alternate" type="text/html" href={attribute(page)}/>',
            f'<link rel="related" type="application/ld+json" href={attribute(f"{page}.jsonld")}/>',
            _category(item.what, zh, f"{feed.home}/feed.atom#what"),
            _category(item.theme, item.theme_title, names.theme_scheme),
            f'<summary type="text">{xml(told(item))}</summary>',
            "</entry>",
        ]
    )


def _category(term: str, label: str, scheme: str) -> str:
    given = {"term": term, "label": label, "scheme": scheme}
    told = " ".join(f"{name}={attribute(value)}" for name, value in given.items())
    return f"<category {told}/>"


def json_feed(feed: Feed) -> Json:
    """Return the feed as JSON Feed 1.1."""
    names = Names(feed.home)
    first = {key: value for key, value in feed.asked.items() if key != "before"}
    page = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "language": "zh-CN",
        "home_page_url": f"{feed.home}/",
        "feed_url": _address(feed, "json", feed.asked),
        "items": [
            {
                "id": _tag(feed, f"change/{item.seq}", item.at),
                "url": names.page(item.name),
                "title": headline(item),
                "content_text": told(item),
                "date_published": item.at,
                "authors": [{"name": item.publisher_title}],
                "tags": [item.what, item.theme_title],
                "_datahub": {
                    "change": item.seq,
                    "dataset": item.name,
                    "what": item.what,
                    "version": item.version,
                    "publisher": item.publisher,
                    "theme": item.theme,
                },
            }
            for item in feed.news
        ],
    }
    if feed.following is not None:
        page["next_url"] = _address(feed, "json", first | {"before": str(feed.following)})
    return page


def headline(item: News) -> str:
    """What happened to which dataset, in a line."""
    zh, _ = _WHAT.get(item.what, _OTHER)
    version = f"（第 {item.version} 版）" if item.version else ""
    state = f"（{vocabularies.label('status', item.state)}）" if item.state else ""
    return f"{zh}：{item.title}{version}{state}"


def told(item: News) -> str:
    """What a reader should know of a change."""
    zh, en = _WHAT.get(item.what, _OTHER)
    shown = item.what in ("withdrawn", "status") and item.reason
    reason = f"原因：{item.reason}。" if shown else ""
    return f"{item.publisher_title}：{zh}（{en}）。{reason}{item.description}"


def _updated(feed: Feed) -> str:
    return feed.news[0].at if feed.news else feed.updated or _NOBODY_YET


def _narrowed(name: str, asked: dict[str, str]) -> str:
    return f"{name}?{urlencode(sorted(asked.items()))}" if asked else name


def _address(feed: Feed, suffix: str, asked: dict[str, str]) -> str:
    query = f"?{urlencode(asked)}" if asked else ""
    return f"{feed.home}/feed.{suffix}{query}"


def _tag(feed: Feed, specific: str, at: str = "") -> str:
    """Name that lasts (RFC 4151): the site as it was called on that day, and what is named."""
    host = urlsplit(feed.home).hostname or "localhost"
    authority = host if ":" not in host else "localhost"  # a tag has no numeric IPv6 authority
    return f"tag:{authority},{(at or feed.first or _NOBODY_YET)[:10]}:{specific}"
