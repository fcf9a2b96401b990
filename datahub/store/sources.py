"""What the search reads from the catalog: records with their columns, and what they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.model import Dataset, Json, Struct
from datahub.store import records
from datahub.store.tables import aliases, datasets, publishers, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from datahub.store.engine import Db

_BATCH = 500


class Source(Struct, frozen=True):
    """A record as the search takes it, with the columns that lists are narrowed by."""

    dataset: Dataset
    code: str
    region: str
    update_cycle: str
    grade: str
    validity: str
    listed: bool  # lists show it unasked: not withdrawn, and in force if a document
    former: tuple[str, ...] = ()  # names and codes that it had before
    demand: int = 0  # of its users; 0 while usage is not counted


def sources(db: Db, names: Iterable[str] | None = None) -> Iterator[Source]:
    """Yield records that have not left the catalog, all of them or those named."""
    if names is None:
        yield from _sources(db, [])
        return
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _BATCH):
        yield from _sources(db, [datasets.c.name.in_(wanted[start : start + _BATCH])])


def _sources(db: Db, tests: list[sa.ColumnElement[bool]]) -> Iterator[Source]:
    former: dict[str, list[str]] = {}
    for alias, name in db.execute(sa.select(aliases.c.alias, aliases.c.dataset)):
        former.setdefault(name, []).append(alias)
    query = _joined().where(datasets.c.retired.is_(False), *tests)
    rows = db.execution_options(yield_per=_BATCH).execute(query)
    for row in rows:
        yield Source(
            dataset=records.dataset_of(row),
            code=row.code,
            region=row.region,
            update_cycle=row.update_cycle,
            grade=row.grade,
            validity=row.validity,
            listed=row.listed,
            former=tuple(former.get(row.name, ())),
            demand=int(getattr(row, "demand", 0) or 0),
        )


def by_name(db: Db, names: Iterable[str]) -> dict[str, Dataset]:
    """Datasets of these names; one that left in between is not among them."""
    query = _joined().where(datasets.c.name.in_(list(names)))
    return {row.name: records.dataset_of(row) for row in db.execute(query)}


def of(
    db: Db, *, publishers: Iterable[str], themes: Iterable[str], regions: Iterable[str]
) -> list[str]:
    """Names of the datasets that belong to any of these."""
    query = sa.select(datasets.c.name).where(
        sa.or_(
            datasets.c.publisher.in_(list(publishers)),
            datasets.c.theme.in_(list(themes)),
            datasets.c.region.in_(list(regions)),
        )
    )
    return list(db.scalars(query))


def referred(db: Db) -> dict[str, dict[str, Json]]:
    """Publishers, themes and regions by their codes."""
    return {
        "publishers": {item["id"]: item for item in records.get_publishers(db)},
        "themes": {item["code"]: item for item in records.get_terms(db, "theme")},
        "regions": {item["code"]: item for item in records.get_terms(db, "region")},
    }


def _joined() -> Any:
    return (
        sa.select(
            datasets,
            publishers.c.title.label("publisher_title"),
            terms.c.title.label("theme_t"),
        )
        .join(publishers, publishers.c.id == datasets.c.publisher)
        .outerjoin(terms, sa.and_(terms.c.kind == "theme", terms.c.code == datasets.c.theme))
    )
