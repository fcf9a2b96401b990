"""What the catalog page shows: search, facets with counts, a page of cards, ways on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.errors import ParameterInvalid
from datahub.model import Struct
from datahub.record import vocabularies
from datahub.search import parse
from datahub.search.filters import ALL, FRESHNESS
from datahub.search.service import DEEPEST, SORTS
from datahub.store import Store, records, totals
from datahub.web.portal import cards

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.search.filters import Count
    from datahub.search.service import Result, Search
    from datahub.store import Db

PAGE = 20
_SHOWN = 8
_NEAR = 2
_SHORT = 4  # longer names of formats are words
SORTS_ZH = {
    "relevance": "相关度",
    "updated": "数据更新",
    "modified": "目录更新",
    "demand": "需求",
    "title": "名称",
}
FACETS = {
    "openness": "开放类型",
    "region": "行政区划",
    "theme": "数据领域",
    "publisher": "发布机构",
    "freshness": "时效",
    "update_cycle": "更新周期",
    "format": "格式",
    "grade": "数据分级",
}
_UNCOUNTED = {"status": "数据集状态", "validity": "效力状态", "sample": "示例数据"}
FILTERS = {**FACETS, **_UNCOUNTED}
"""Everything that the list is narrowed by; only the first ones are counted."""
PARAMETERS = ("q", "sort", "page", *FILTERS)
_CODED = ("openness", "update_cycle", "grade", "status", "validity")
_SAMPLE = {"true": "示例数据", "false": "正式数据"}
_WIDER = {
    "validity": "也列出已修改、失效、废止的文件",
    "status": "也列出已撤回、已注销的数据集",
}


class Choice(Struct, frozen=True):
    """One value of a facet, with how many datasets it leaves; `below` lie within it."""

    title: str
    count: int
    url: str
    chosen: bool
    below: tuple[Choice, ...] = ()


class Group(Struct, frozen=True):
    """A facet: the values shown at once and those behind “more”."""

    name: str
    title: str
    choices: list[Choice]
    more: list[Choice]
    chosen: int


class Query(Struct, frozen=True):
    """What the visitor asked for; a filter without values filters nothing."""

    q: str
    filters: dict[str, tuple[str, ...]]
    sort: str
    number: int = 1

    @property
    def narrowed(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.q or self.filters)

    @property
    def order(self) -> str:
        """Order of the list: as chosen, else the best first, or the newest data first."""
        return self.sort or ("relevance" if self.q else "updated")

    def url(self, **changes: str | int) -> str:
        """Address of the list with something changed; empty values are left out."""
        values: dict[str, str | int] = {"q": self.q}
        values |= {name: ",".join(codes) for name, codes in self.filters.items()}
        values |= {"sort": self.sort} | changes
        kept = {name: value for name, value in values.items() if value}
        return f"/?{urlencode(kept, errors='replace', safe=',')}" if kept else "/"

    def toggled(self, name: str, code: str) -> str:
        """Address of the list with one value of a filter added, or taken away again."""
        chosen = self.filters.get(name, ())
        left = tuple(c for c in chosen if c != code) if code in chosen else (*chosen, code)
        return self.url(**{name: ",".join(left)})


def query(given: Mapping[str, str], number: int) -> Query:
    """Read the parameters of the page, where an empty field means no filter.

    Raises:
        ParameterInvalid: a code is not in its list, or there is no such order.

    """
    filters = {
        name: tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        for name in FILTERS
        if (text := given.get(name, "").replace("\0", ""))
    }
    for name in (*_CODED, "freshness", "sample"):
        known = _labels(name)
        allowed = [*known, ALL] if name in _WIDER else [*known]
        for code in filters.get(name, ()):
            if code not in allowed:
                raise _invalid(name, code, allowed)
    sort = given.get("sort", "")
    if sort and sort not in SORTS:
        raise _invalid("sort", sort, list(SORTS))
    text = " ".join(given.get("q", "").replace("\0", " ").split())[: parse.LONGEST]
    return Query(q=text, filters={n: v for n, v in filters.items() if v}, sort=sort, number=number)


def _labels(name: str) -> dict[str, str]:
    own = {"freshness": FRESHNESS, "sample": _SAMPLE}
    return dict(own[name]) if name in own else vocabularies.labels(name)


def _invalid(name: str, value: str, allowed: list[str]) -> ParameterInvalid:
    return ParameterInvalid(
        name=name,
        value=value[:40],
        reason_zh=f"可用：{'、'.join(allowed)}",
        reason_en=f"use one of {', '.join(allowed)}",
    )


def view(store: Store, search: Search, asked: Query) -> dict[str, Any]:
    """Everything the catalog page needs."""
    found = _find(search, asked)
    most = min(found.total, DEEPEST)
    pages = max(1, -(-most // PAGE))
    if asked.number > pages and found.total:  # an old address still leads to something
        asked = Query(q=asked.q, filters=asked.filters, sort=asked.sort, number=pages)
        found = _find(search, asked)
    titles, above, root = totals.kept(store.catalog, ("portal", "titles"), _titles)
    return {
        "asked": asked,
        "region": root,
        "totals": totals.kept(store.catalog, ("portal", "totals"), _totals),
        "groups": [
            group
            for name in FACETS
            if (group := _group(name, found.facets.get(name, []), asked, titles[name], above))
        ],
        "chips": _chips(asked, titles),
        "sorts": [
            (title, asked.url(sort=code), code == asked.order)
            for code, title in SORTS_ZH.items()
            if asked.q or code != "relevance"
        ],
        "wider": [
            (told, asked.url(**{name: ALL}))
            for name, told in _WIDER.items()
            if name not in asked.filters
        ],
        "found": found,
        "cards": cards.of_hits(found.hits),
        "examples": [] if asked.narrowed else _examples(found),
        "nearest": [(text, f"/?{urlencode({'q': text})}") for text in found.nearest],
        "corrected": found.corrected,
        "number": asked.number,
        "pages": pages,
        "window": _window(asked.number, pages),
        "cut": found.total > DEEPEST,
        "deepest": DEEPEST,
    }


def _find(search: Search, asked: Query) -> Result:
    return search.find(
        asked.q,
        asked.filters,
        sort=asked.order,
        limit=PAGE,
        offset=(asked.number - 1) * PAGE,
        facets=tuple(FACETS),
        log=asked.number == 1,
    )


def _titles(db: Db) -> tuple[dict[str, dict[str, str]], dict[str, str], str]:
    """Titles of every code, the region above each region, and the title of the uppermost."""
    regions = records.get_terms(db, "region")
    known = {item["code"] for item in regions}
    above = {r["code"]: r["parent"] for r in regions if r.get("parent") in known}
    titles = {name: _labels(name) for name in (*_CODED, "freshness", "sample")}
    titles |= {
        "publisher": totals.titles(db, "publisher"),
        "theme": totals.titles(db, "theme"),
        "region": {item["code"]: item["title"] for item in regions},
        "format": {},
    }
    roots = [item["title"] for item in regions if item["code"] not in above]
    return titles, above, roots[0] if len(roots) == 1 else ""


def _totals(db: Db) -> totals.Totals:
    return sum(totals.by(db, "theme").values(), totals.Totals())


def _group(
    name: str, counts: list[Count], asked: Query, titles: dict[str, str], above: dict[str, str]
) -> Group | None:
    """Values of a facet, each counted under all other filters; None when there are none."""
    chosen = asked.filters.get(name, ())
    there = {item.value: item.count for item in counts if item.value}
    there |= {code: 0 for code in chosen if code not in there}
    if not there:
        return None

    def choice(code: str, below: tuple[Choice, ...] = ()) -> Choice:
        return Choice(
            title=titles.get(code) or (_format(code) if name == "format" else code),
            count=there[code],
            url=asked.toggled(name, code),
            chosen=code in chosen,
            below=below,
        )

    if name == "region":
        choices = _tree(there, above, choice)
        shown = choices
    else:
        choices = [choice(code) for code in there]
        shown = [c for at, c in enumerate(choices) if at < _SHOWN or c.chosen]
        if len(choices) - len(shown) <= _NEAR:
            shown = choices
    more = [c for c in choices if c not in shown]
    return Group(name=name, title=FACETS[name], choices=shown, more=more, chosen=len(chosen))


def _format(code: str) -> str:
    return code.upper() if len(code) <= _SHORT else code.capitalize()


def _tree(there: dict[str, int], above: dict[str, str], choice: Any) -> list[Choice]:
    """Regions under the nearest region above them that is shown, too."""
    below: dict[str, list[str]] = {}
    for code in there:
        up = above.get(code)
        while up is not None and up not in there:
            up = above.get(up)
        below.setdefault(up or "", []).append(code)

    def made(code: str) -> Choice:
        found: Choice = choice(code, tuple(made(child) for child in below.get(code, ())))
        return found

    return [made(code) for code in below.get("", ())]


def _chips(asked: Query, titles: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    """Every chosen value as filter, title and the address without it."""
    everything = {ALL: "全部"}
    return [
        (FILTERS[name], titles[name].get(code) or everything.get(code, code),
         asked.toggled(name, code))
        for name, codes in asked.filters.items()
        for code in codes
    ]  # fmt: skip


def _examples(found: Result) -> list[tuple[str, str]]:
    """Words to begin with: what the datasets on the first page call themselves."""
    words: dict[str, None] = {}
    for hit in found.hits:
        for word in hit.dataset.package.get("keywords", [])[:1]:
            words[str(word)] = None
    return [(word, f"/?{urlencode({'q': word})}") for word in list(words)[:6]]


def _window(number: int, pages: int) -> list[int]:
    """Numbers of the pages around this one, with the first and the last; 0 is a gap."""
    near = {1, pages, *range(max(1, number - _NEAR), min(pages, number + _NEAR) + 1)}
    found: list[int] = []
    for page in sorted(near):
        if found and page - found[-1] > 1:
            found.append(0)
        found.append(page)
    return found
