"""Duplicate registration: the same table under a similar title at another publisher."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.model import Json

SIMILAR = 0.6
_MOST_COMPARED = 500  # in each group of equal tables
_GENERIC = re.compile(
    r"[（(][^（）()]*[)）]|\W|_|数据集?|信息|名录|名单|目录|情况|列表|一览表?|明细|统计|基本|公共|表$"
)
_PLACE = re.compile(r"^(?:.{2,8}?(?:自治县|市|区|县|州|省))+")


class Duplicate(Struct, frozen=True):
    """A dataset that seems to be registered already."""

    dataset: str
    like: str  # name of the other dataset
    publisher: str  # of the other
    title: str  # of the other
    similarity: float  # of the titles, 0 to 1


def fingerprint(package: Json) -> str:
    """Digest of the columns of all resources by name and type, whatever their order."""
    columns = sorted(
        f"{field.get('name')}:{field.get('type', 'string')}"
        for resource in package.get("resources", ())
        for field in _columns(resource)
    )
    return sha256("\n".join(columns).encode()).hexdigest()[:32] if columns else ""


def _columns(resource: Any) -> list[Json]:
    schema = resource.get("schema") if isinstance(resource, dict) else None
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return [field for field in fields or () if isinstance(field, dict)]


def similarity(one: str, other: str) -> float:
    """How alike two titles are, 0 to 1, without places and words that every title has."""
    return _alike(_pairs(one), _pairs(other))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    total = len(one) + len(other)
    return 2 * len(one & other) / total if total else 1.0


def _pairs(title: str) -> frozenset[str]:
    plain = unicodedata.normalize("NFKC", title).casefold()
    core = _GENERIC.sub("", plain)
    core = _PLACE.sub("", core) or core or plain
    if len(core) == 1:
        return frozenset((core,))
    return frozenset(core[n : n + 2] for n in range(len(core) - 1))


class Index:
    """Datasets by their tables, for looking many records up."""

    def __init__(self) -> None:
        self._groups: dict[str, list[tuple[str, str, str, frozenset[str]]]] = {}

    def add(self, package: Json) -> None:
        """Let a record be found."""
        publisher, title = package["catalog"].get("publisher", ""), package.get("title", "")
        entry = (package["name"], publisher, title, _pairs(title))
        self._groups.setdefault(fingerprint(package), []).append(entry)

    def find(self, package: Json) -> list[Duplicate]:
        """Records of other publishers with the same columns and a similar title."""
        print_ = fingerprint(package)
        group = self._groups.get(print_, []) if print_ else []
        own, words = package["catalog"].get("publisher"), _pairs(package.get("title", ""))
        found = [
            Duplicate(
                dataset=package["name"],
                like=name,
                publisher=publisher,
                title=title,
                similarity=round(alike, 2),
            )
            for name, publisher, title, pairs in group[:_MOST_COMPARED]
            if publisher != own and name != package["name"]
            if (alike := _alike(words, pairs)) >= SIMILAR
        ]
        return sorted(found, key=lambda item: (-item.similarity, item.like))


def find(package: Json, others: Iterable[Json]) -> list[Duplicate]:
    """Records among others that a new one seems to repeat."""
    index = Index()
    for other in others:
        index.add(other)
    return index.find(package)
