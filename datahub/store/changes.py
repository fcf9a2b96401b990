"""The sequence of changes that readers of the catalog follow: search, feeds, mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from datahub.model import Struct
from datahub.store.tables import changes

if TYPE_CHECKING:
    from datahub.store.engine import Db

CATALOG = ""
"""Stands for the catalog itself: publishers, vocabularies, glossary."""


class Change(Struct, frozen=True):
    """What happened to a dataset, or to the catalog itself."""

    seq: int
    at: str
    dataset: str
    what: str  # registered, changed, retired, released, withdrawn, status, renamed, vocabulary…
    version: int | None = None


def append(db: Db, at: str, dataset: str, what: str, version: int | None = None) -> None:
    """Note a change, in the transaction that makes it."""
    db.execute(changes.insert().values(at=at, dataset=dataset, what=what, version=version))


def last(db: Db) -> int:
    """Number of the last change; 0 before the first one."""
    return db.scalar(sa.select(sa.func.max(changes.c.seq))) or 0


def since(db: Db, seq: int, limit: int = 1000) -> list[Change]:
    """Changes after a number, in order."""
    query = sa.select(changes).where(changes.c.seq > seq).order_by(changes.c.seq).limit(limit)
    return [Change(**row._asdict()) for row in db.execute(query)]
