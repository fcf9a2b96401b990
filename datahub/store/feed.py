"""Changes as they are told to the world: the change feed, and what webhooks receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.model import Struct
from datahub.store.tables import aliases, changes, datasets, releases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.store.engine import Db

KINDS = (
    *("registered", "changed", "released", "withdrawn", "retired"),
    *("status", "renamed", "vocabulary", "glossary"),
)
"""What can happen; the last two to the catalog itself, whose name is ""."""


class Line(Struct, frozen=True):
    """One change; addresses begin with the site's where one is set."""

    seq: int
    at: str
    dataset: str
    what: str
    version: int | None
    title: str
    manifest: str | None  # SHA-256 of the manifest of the release
    urls: dict[str, str]


def lines(
    db: Db, since: int, *, limit: int, dataset: str | None, what: tuple[str, ...], base: str
) -> list[Line]:
    """Changes after number `since`, in order; of one dataset, under whatever name it had."""
    now = sa.func.coalesce(aliases.c.dataset, changes.c.dataset)
    query = (
        sa.select(changes, now.label("now"), datasets.c.title, releases.c.manifest_sha256)
        .outerjoin(aliases, aliases.c.alias == changes.c.dataset)
        .outerjoin(datasets, datasets.c.name == now)
        .outerjoin(
            releases,
            sa.and_(releases.c.dataset == now, releases.c.version == changes.c.version),
        )
        .where(changes.c.seq > since)
        .order_by(changes.c.seq)
        .limit(limit)
    )
    if dataset is not None:
        present = db.scalar(sa.select(aliases.c.dataset).where(aliases.c.alias == dataset))
        query = query.where(now == (present or dataset))
    if what:
        query = query.where(changes.c.what.in_(what))
    return [_line(row, base) for row in db.execute(query)]


def kinds(db: Db, numbers: Sequence[int]) -> dict[int, str]:
    """What happened, by the numbers of changes."""
    query = sa.select(changes.c.seq, changes.c.what).where(changes.c.seq.in_(numbers))
    return {row.seq: row.what for row in db.execute(query)}


def one(db: Db, seq: int, base: str) -> Line:
    """The change with a number."""
    (line,) = lines(db, seq - 1, limit=1, dataset=None, what=(), base=base)
    return line


def _line(row: Any, base: str) -> Line:
    return Line(
        seq=row.seq,
        at=row.at,
        dataset=row.dataset,
        what=row.what,
        version=row.version,
        title=row.title or "",
        manifest=row.manifest_sha256 if row.what == "released" else None,
        urls=_urls(row, base),
    )


def _urls(row: Any, base: str) -> dict[str, str]:
    if row.title is None:
        return {"page": f"{base}/"}
    urls = {"page": f"{base}/datasets/{row.now}", "record": f"{base}/api/v1/datasets/{row.now}"}
    if row.what == "released":
        urls["manifest"] = f"{base}/d/{row.now}/{row.version}/manifest.json"
    return urls
