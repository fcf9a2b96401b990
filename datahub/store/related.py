"""Which datasets belong together: by the codes that records name, by the tables they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from datahub.store.tables import aliases, datasets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.store.engine import Db


def by_codes(db: Db, codes: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name and title of the datasets that have these catalog codes, or had them."""
    wanted = list(dict.fromkeys(codes))[:200]
    columns = sa.select(datasets.c.code, datasets.c.name, datasets.c.title)
    found = {
        row.code: (row.name, row.title)
        for row in db.execute(columns.where(datasets.c.code.in_(wanted)))
    }
    former = (
        sa.select(aliases.c.alias, datasets.c.name, datasets.c.title)
        .join(datasets, datasets.c.name == aliases.c.dataset)
        .where(aliases.c.alias.in_([code for code in wanted if code not in found]))
    )
    return found | {row.alias: (row.name, row.title) for row in db.execute(former)}


def titles(db: Db, names: Iterable[str]) -> dict[str, str]:
    """Titles of the datasets of these names; those that there are."""
    query = sa.select(datasets.c.name, datasets.c.title)
    query = query.where(datasets.c.name.in_(list(dict.fromkeys(names))[:200]))
    return {row.name: row.title for row in db.execute(query)}
