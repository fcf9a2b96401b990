"""What the rules of a folder's records need to know: names, codes, titles, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from datahub.store.tables import aliases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datahub.model import Json
    from datahub.store.engine import Db


def former(db: Db) -> tuple[dict[str, str], dict[str, str]]:
    """Names, and codes, that datasets had before, each with its dataset."""
    rows = db.execute(sa.select(aliases.c.alias, aliases.c.dataset)).all()
    names = {row.alias: row.dataset for row in rows if "/" not in row.alias}
    return names, {row.alias: row.dataset for row in rows if "/" in row.alias}


def tables(package: Json) -> dict[str, Json]:
    """Schema of each resource of a package, by name."""
    return {item["name"]: item["schema"] for item in package.get("resources", ())}


def titles_of(packages: Mapping[str, Json]) -> Iterator[tuple[tuple[str, str], str]]:
    """Publisher and title of each package, with its name."""
    for name, package in packages.items():
        record = package.get("catalog")
        owner = record.get("publisher") if isinstance(record, dict) else None
        if isinstance(owner, str) and isinstance(package.get("title"), str):
            yield (owner, package["title"]), name
