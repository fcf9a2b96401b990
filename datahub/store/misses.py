"""Searches that found nothing, for the operators: what people look for and the catalog lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from datahub.model import Struct
from datahub.store.tables import misses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.store.engine import Db

KEPT = 5000
"""Queries kept at most; of those asked once, the oldest go first."""


class Miss(Struct, frozen=True):
    """A query without results, how often it came, first and last."""

    query: str
    times: int
    first: str
    last: str


def note(db: Db, queries: Mapping[str, int], now: str) -> None:
    """Count queries that found nothing."""
    for query, times in queries.items():
        where = misses.c.query == query
        values = {"times": misses.c.times + times, "last": now}
        if db.execute(misses.update().where(where).values(**values)).rowcount == 0:
            db.execute(misses.insert().values(query=query, times=times, first=now, last=now))
    surplus = (db.scalar(sa.select(sa.func.count()).select_from(misses)) or 0) - KEPT
    if surplus > 0:
        oldest = sa.select(misses.c.query).order_by(misses.c.times, misses.c.last).limit(surplus)
        db.execute(misses.delete().where(misses.c.query.in_(oldest)))


def find(db: Db, *, limit: int = 100, offset: int = 0) -> tuple[int, list[Miss]]:
    """How many queries there are, and a page of them, the most frequent first."""
    total = db.scalar(sa.select(sa.func.count()).select_from(misses)) or 0
    query = sa.select(misses).order_by(misses.c.times.desc(), misses.c.last.desc(), misses.c.query)
    rows = db.execute(query.limit(limit).offset(offset))
    return total, [Miss(**row._asdict()) for row in rows]
