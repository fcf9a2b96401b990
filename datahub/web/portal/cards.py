"""Datasets as cards: what lists show of each, with the found words marked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from datahub.model import Dataset, Struct
from datahub.record import vocabularies
from datahub.search import schema
from datahub.search.filters import FRESHNESS
from datahub.search.marking import Piece
from datahub.store.sources import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.search.service import Hit

_FOUND_IN = {"publisher": "发布机构", "keywords": "关键字", "fields": "字段"}
_BADGED = ("overdue", "due", "fresh")
_MATCHES = 4
_ABSTRACT = 160


class Card(Struct, frozen=True):
    """A dataset in a list; texts are pieces, of which those that were looked for are marked."""

    name: str
    title: Sequence[Piece]
    description: Sequence[Piece]
    matches: list[tuple[str, list[Sequence[Piece]]]]
    publisher: str
    publisher_title: str
    theme: str
    theme_title: str
    openness: str
    sample: bool
    status: str
    status_title: str
    freshness: str
    freshness_title: str
    cycle: str
    rows: int | None
    formats: list[str]
    modified: str
    data_updated: str


def card(dataset: Dataset, highlights: dict[str, list[tuple[Piece, ...]]] | None = None) -> Card:
    """What a list shows of a dataset."""
    found = highlights or {}
    fresh = freshness(dataset)
    released = dataset.latest is not None
    abstract = str(dataset.package.get("description") or "")
    return Card(
        name=dataset.name,
        title=found.get("title", [_plain(dataset.title)])[0],
        description=found.get("description", [_plain(abstract[:_ABSTRACT])])[0],
        matches=[
            (label, list(found[name][:_MATCHES]))
            for name, label in _FOUND_IN.items()
            if name in found
        ],
        publisher=dataset.publisher,
        publisher_title=dataset.publisher_title,
        theme=dataset.theme,
        theme_title=dataset.theme_title,
        openness=dataset.openness.value,
        sample=bool(dataset.record.get("sample")),
        status=dataset.status,
        status_title=vocabularies.label("status", dataset.status),
        freshness=fresh if fresh in _BADGED else "",
        freshness_title=FRESHNESS[fresh],
        cycle=vocabularies.label("update_cycle", str(dataset.record.get("update_cycle", ""))),
        rows=dataset.rows if released else None,
        formats=_formats(dataset),
        modified=dataset.modified,
        data_updated=dataset.data_updated,
    )


def of_hits(hits: Sequence[Hit]) -> list[Card]:
    """Cards of what a search found."""
    return [card(hit.dataset, hit.highlights) for hit in hits]


def freshness(dataset: Dataset) -> str:
    """Whether the data came when its cycle promised it, as the search tells it."""
    due, overdue = schema.deadlines(
        Source(
            dataset=dataset,
            code="",
            region="",
            update_cycle=str(dataset.record.get("update_cycle", "")),
            grade="",
            validity="",
            listed=True,
        )
    )
    now = time.time()
    if due == 0:
        return "unpublished"
    if due >= schema.NEVER:
        return "untimed"
    if overdue <= now:
        return "overdue"
    return "due" if due <= now else "fresh"


def _plain(text: str) -> tuple[Piece, ...]:
    return (Piece(text=text, mark=False),)


def _formats(dataset: Dataset) -> list[str]:
    """Formats to be had: released files are CSV and Parquet, rows come as JSON."""
    if dataset.latest is None or dataset.openness.value != "open":
        return []
    return ["CSV", "Parquet", "JSON"]


def values(item: Any) -> list[str]:
    """One value or a list of them as a list of texts."""
    return [str(v) for v in item] if isinstance(item, list) else [str(item)] if item else []
