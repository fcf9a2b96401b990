"""What the catalog page shows: totals, filters with counts, and a page of cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.errors import ParameterInvalid
from datahub.model import OPENNESS_ZH, Dataset, Release, Struct
from datahub.store import Store, records, releases
from datahub.web.portal import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.store import Db

PAGE = 30
MOST = 100_000
_QUERY_LENGTH = 100


class Choice(Struct, frozen=True):
    """One value of a filter, with how many datasets it leaves."""

    title: str
    count: int
    url: str
    chosen: bool


class Group(Struct, frozen=True):
    """A filter with its values; the first one is everything."""

    title: str
    choices: list[Choice]


class Card(Struct, frozen=True):
    """A dataset in the list."""

    name: str
    title: str
    publisher: str
    theme: str
    openness: str
    sample: bool
    description: str
    cycle: str
    rows: int | None
    released: str | None


class Query(Struct, frozen=True):
    """What the visitor asked for; empty text means everything."""

    q: str
    publisher: str
    theme: str
    openness: str

    def url(self, **changes: str | int) -> str:
        """Address of the list with some filters changed; empty ones are left out."""
        values = {name: getattr(self, name) for name in self.__struct_fields__} | changes
        kept = {name: value for name, value in values.items() if value}
        return f"/?{urlencode(kept, errors='replace')}" if kept else "/"


_FACETS: dict[str, tuple[str, Callable[[Dataset], tuple[str, str]]]] = {
    "openness": ("开放类型", lambda d: (d.openness.value, OPENNESS_ZH[d.openness.value])),
    "theme": ("数据领域", lambda d: (d.theme, d.theme_title)),
    "publisher": ("发布机构", lambda d: (d.publisher, d.publisher_title)),
}


def query(q: str | None, publisher: str | None, theme: str | None, openness: str | None) -> Query:
    """Read the parameters of the form, where an empty field means no filter.

    Raises:
        ParameterInvalid: there is no such kind of openness.

    """
    if openness and openness not in OPENNESS_ZH:
        raise ParameterInvalid(
            name="openness",
            value=openness[:40],
            reason_zh=f"可用：{'、'.join(OPENNESS_ZH)}",
            reason_en=f"use one of {', '.join(OPENNESS_ZH)}",
        )
    return Query(
        q=" ".join((q or "").replace("\0", " ").split())[:_QUERY_LENGTH],
        publisher=publisher or "",
        theme=theme or "",
        openness=openness or "",
    )


def view(store: Store, asked: Query, number: int) -> dict[str, Any]:
    """Everything the catalog page needs."""
    with store.catalog.read() as db:
        _, matching = records.list_datasets(db, records.Filter(text=asked.q), limit=MOST)
        published = [release for release in releases.find(db) if release.withdrawn is None]
        everything, _ = records.list_datasets(db, records.Filter(), limit=1)
        region = _region(db)
    latest = {release.dataset: release for release in reversed(published)}
    found = [dataset for dataset in matching if _fits(dataset, asked)]
    pages = max(1, -(-len(found) // PAGE))
    number = min(number, pages)
    return {
        "asked": asked,
        "region": region,
        "totals": {
            "datasets": everything,
            "releases": len(published),
            "rows": sum(_rows(release) for release in latest.values()),
        },
        "groups": [_group(key, matching, asked) for key in _FACETS],
        "found": len(found),
        "cards": [_card(d, latest.get(d.name)) for d in found[(number - 1) * PAGE :][:PAGE]],
        "number": number,
        "pages": pages,
    }


def _region(db: Db) -> str:
    """Name of the region that the catalog is of, where there is one that has no parent."""
    roots = [item["title"] for item in records.get_terms(db, "region") if "parent" not in item]
    return roots[0] if len(roots) == 1 else ""


def _fits(dataset: Dataset, asked: Query, besides: str = "") -> bool:
    return all(
        key == besides or getattr(asked, key) in ("", value_of(dataset)[0])
        for key, (_, value_of) in _FACETS.items()
    )


def _group(key: str, matching: list[Dataset], asked: Query) -> Group:
    """Values of one filter, counted under the other filters."""
    title, value_of = _FACETS[key]
    counts: dict[tuple[str, str], int] = {}
    for dataset in matching:
        if _fits(dataset, asked, besides=key):
            counts[value_of(dataset)] = counts.get(value_of(dataset), 0) + 1
    chosen = getattr(asked, key)
    everything = Choice(
        title="全部", count=sum(counts.values()), url=asked.url(**{key: ""}), chosen=not chosen
    )
    return Group(
        title=title,
        choices=[
            everything,
            *(
                Choice(title=name, count=count, url=asked.url(**{key: code}), chosen=code == chosen)
                for (code, name), count in sorted(counts.items(), key=_most_first)
            ),
        ],
    )


def _most_first(item: tuple[tuple[str, str], int]) -> tuple[int, str]:
    (code, _), count = item
    return -count, code


def _card(dataset: Dataset, release: Release | None) -> Card:
    return Card(
        name=dataset.name,
        title=dataset.title,
        publisher=dataset.publisher_title,
        theme=dataset.theme_title,
        openness=dataset.openness.value,
        sample=bool(dataset.record.get("sample")),
        description=dataset.package.get("description", ""),
        cycle=words.UPDATE_CYCLE.get(dataset.record["update_cycle"], ""),
        rows=_rows(release) if release else None,
        released=release.released if release else None,
    )


def _rows(release: Release) -> int:
    """Rows of a release, each resource once, in whatever many forms it comes."""
    return sum({file.resource: file.rows or 0 for file in release.files}.values())
