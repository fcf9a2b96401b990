"""What makes lists fast: short descriptors, and counts that are kept until something changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.model import Json  # noqa: TC001 - msgspec reads it
from datahub.store import changes
from datahub.store.tables import datasets

if TYPE_CHECKING:
    from datahub.store.engine import Db

_MOST = 1000
_counts: dict[tuple[str, Any], tuple[int, int]] = {}


class _Resource(msgspec.Struct):
    name: str
    title: str = ""
    format: str = ""


class _Short(msgspec.Struct):
    """What lists show of a descriptor; the schemas, most of it, are skipped, not decoded."""

    name: str
    title: str
    catalog: Json
    description: str = ""
    keywords: list[Any] = []
    licenses: list[Any] = []
    resources: list[_Resource] = []


_DECODER = msgspec.json.Decoder(_Short)


def short_package(text: str) -> Json:
    """Descriptor as far as lists show it; its resources have no fields."""
    short: Json = msgspec.to_builtins(_DECODER.decode(text))
    for resource in short["resources"]:
        resource["schema"] = {"fields": []}
    return short


def counted(db: Db, key: Any, tests: list[sa.ColumnElement[bool]]) -> int:
    """How many datasets pass the tests that `key` stands for; counted once per change."""
    whole, seq = (str(db.engine.url), key), changes.last(db)
    known = _counts.get(whole)
    if known is None or known[0] != seq:
        found = db.scalar(sa.select(sa.func.count()).select_from(datasets).where(*tests)) or 0
        if len(_counts) > _MOST:
            _counts.clear()
        known = _counts[whole] = (seq, found)
    return known[1]
