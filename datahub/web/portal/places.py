"""Publishers, regions and statistics as pages show them, from the same figures as the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.model import Struct
from datahub.record import vocabularies
from datahub.web.api import lifecycle, publishers
from datahub.web.portal import cards
from datahub.web.portal.record import Part, reach

if TYPE_CHECKING:
    from datahub.search.service import Search
    from datahub.store import Store
    from datahub.store.totals import Totals
    from datahub.web.api.lifecycle import FunnelRow
    from datahub.web.api.publishers import PublisherView, RegionView

_FIRST = 6
_WIDE = 100  # length of the longest bar
_CHART = (720, 180)
_MONTHS = 24


class Step(Struct, frozen=True):
    """A stage of the funnel with the length of its bar."""

    title: str
    count: int
    share: float


class Row(Struct, frozen=True):
    """A line of a table of totals, with the length of its bar."""

    title: str
    url: str
    totals: Any
    bar: float
    depth: int = 0
    publishers: int = 0
    years: str = ""


class Column(Struct, frozen=True):
    """A column of a chart in its own units."""

    x: float
    y: float
    width: float
    height: float
    label: str
    told: str


def steps(row: FunnelRow) -> list[Step]:
    """The funnel's stages as shares of what is catalogued."""
    counts = [getattr(row, term.code) for term in vocabularies.get("milestone")]
    most = max(counts[0], 1)
    return [
        Step(title=term.zh, count=count, share=round(_WIDE * count / most, 1))
        for term, count in zip(vocabularies.get("milestone"), counts, strict=True)
    ]


# Publishers ------------------------------------------------------------------------------------


def list_view(store: Store, category: str, region: str) -> dict[str, Any]:
    """Publishers by category, narrowed by category and region."""
    everything = publishers.known_publishers(store)
    wanted = publishers.regions_of(store, region) if region else ()
    found = [
        item
        for item in everything
        if (not category or (item.category or {}).get("code") == category)
        and (not region or item.region["code"] in wanted)
    ]
    found.sort(key=lambda item: (-item.totals.datasets, item.id))

    def url(**changes: str) -> str:
        values = {"category": category, "region": region} | changes
        kept = {name: value for name, value in values.items() if value}
        return f"/publishers?{urlencode(kept)}" if kept else "/publishers"

    categories = _counted([item.category for item in everything if item.category])
    regions = _counted([item.region for item in everything])
    return {
        "publishers": found,
        "total": len(everything),
        "categories": [
            (title, count, url(category="" if code == category else code), code == category)
            for code, title, count in categories
        ],
        "regions": [
            (title, count, url(region="" if code == region else code), code == region)
            for code, title, count in sorted(regions)
        ],
        "narrowed": bool(category or region),
    }


def _counted(items: list[dict[str, str]]) -> list[tuple[str, str, int]]:
    counts: dict[tuple[str, str], int] = {}
    for item in items:
        key = (item["code"], item["title"])
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return [(code, title, count) for (code, title), count in ordered]


def publisher_view(store: Store, search: Search, name: str) -> dict[str, Any]:
    """One publisher with its supervision, totals, funnel and datasets.

    Raises:
        PublisherUnknown: there is none of this id.

    """
    item = publishers.one_publisher(store, name)
    funnel = lifecycle.funnel_of(store, publisher=name)
    found = search.find("", {"publisher": (name,)}, sort="updated", limit=_FIRST)
    return {
        "publisher": item,
        "phone": reach({"phone": item.contact.get("phone"), "email": item.contact.get("email")}),
        "complaint": _complaint(item),
        "address": str(item.contact.get("address") or ""),
        "aliases": [
            *cards.values(item.contact.get("aliases")), *cards.values(item.contact.get("short")),
        ],
        "steps": steps(funnel.total),
        "open_rate": funnel.total.open_rate,
        "below": [
            other
            for other in publishers.known_publishers(store)
            if other.supervisor and other.supervisor["id"] == name
        ],
        "cards": cards.of_hits(found.hits),
        "found": found.total,
        "all_url": f"/?{urlencode({'publisher': name})}",
    }  # fmt: skip


def _complaint(item: PublisherView) -> list[Part]:
    """Where to complain, whether it is told as one text or as name, telephone and mail."""
    given: Any = item.complaint
    if isinstance(given, dict):
        return reach(given)
    return [Part(text=str(given))] if given else []


# Regions ---------------------------------------------------------------------------------------


def regions_view(store: Store) -> dict[str, Any]:
    """Regions as lines of a table, each under the one that it lies in."""
    tree = publishers.region_tree(store)
    most = max((region.below.datasets for region in tree), default=0)
    return {"rows": [row for region in tree for row in _lines(region, 0, max(most, 1))]}


def _lines(region: RegionView, depth: int, most: int) -> list[Row]:
    years = ""
    if region.valid_from or region.valid_to:
        years = f"{region.valid_from or '…'}—{region.valid_to or '今'}"
    own = Row(
        title=region.title,
        url=f"/?{urlencode({'region': region.code})}",
        totals=region.below,
        bar=round(_WIDE * region.below.datasets / most, 1),
        depth=depth,
        publishers=region.publishers,
        years=years,
    )
    return [own, *(line for child in region.regions for line in _lines(child, depth + 1, most))]


# Statistics ------------------------------------------------------------------------------------


def statistics_view(store: Store) -> dict[str, Any]:
    """The funnel, and totals by theme, publisher and month."""
    funnel = lifecycle.funnel_of(store)
    months = publishers.totals_of(store, "month").data
    themes = publishers.totals_of(store, "theme")
    return {
        "total": themes.total,
        "publishers": len(publishers.known_publishers(store)),
        "steps": steps(funnel.total),
        "funnel_rows": sorted(funnel.data, key=lambda row: (-row.catalogued, row.publisher or "")),
        "open_rate": funnel.total.open_rate,
        "themes": _rows(themes.data, "theme"),
        "offices": _rows(publishers.totals_of(store, "publisher").data, "publisher"),
        "months": list(reversed(months))[:_MONTHS],
        "chart": _chart(months[-_MONTHS:]),
        "size": _CHART,
    }


def _rows(data: list[dict[str, Any]], kind: str) -> list[Row]:
    most = max((item["datasets"] for item in data), default=1)
    found = [
        Row(
            title=item["title"],
            url=f"/?{urlencode({kind: item['code']})}",
            totals=item,
            bar=round(_WIDE * item["datasets"] / max(most, 1), 1),
        )
        for item in data
    ]
    return sorted(found, key=lambda row: (-row.totals["datasets"], row.title))


def _chart(months: list[dict[str, Any]]) -> list[Column]:
    """Columns of the datasets that were listed at the end of each month."""
    width, height = _CHART
    if not months:
        return []
    most = max(item["total"].datasets for item in months) or 1
    room = min(width / len(months), 60)
    found = []
    for at, item in enumerate(months):
        total: Totals = item["total"]
        tall = round((height - 44) * total.datasets / most, 1)
        found.append(
            Column(
                x=round(at * room + room * 0.15, 1),
                y=round(height - 24 - tall, 1),
                width=round(room * 0.7, 1),
                height=tall,
                label=item["month"],
                told=f"{item['month']}：{total.datasets} 个数据集",
            )
        )
    return found
