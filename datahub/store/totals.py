"""Totals over the catalog: per publisher, region, theme and month, and the funnel of stages.

Everything adds up columns that an index holds; what was added up is kept until the catalog's
next change, for each process on its own.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.model import Json, Struct
from datahub.store import changes
from datahub.store.milestones import BITS, STAGES
from datahub.store.records import LISTED
from datahub.store.tables import datasets, milestones, publishers, releases, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.store.engine import Catalog, Db

KINDS = ("publisher", "region", "theme", "month")
_KEPT = 256
_kept: OrderedDict[tuple[Any, ...], tuple[int, Any]] = OrderedDict()
_lock = Lock()

_ALIVE = (datasets.c.retired.is_(False), datasets.c.status.in_(LISTED))
_REGION = sa.case((datasets.c.region != "", datasets.c.region), else_=publishers.c.region)


class Totals(Struct, frozen=True):
    """How much there is: 数据容量 (cells) is rows × fields."""

    datasets: int = 0
    releases: int = 0
    rows: int = 0
    cells: int = 0
    opened: int = 0

    def __add__(self, other: Totals) -> Totals:
        names = self.__struct_fields__
        return Totals(**{n: getattr(self, n) + getattr(other, n) for n in names})


def kept(catalog: Catalog, key: tuple[Any, ...], make: Callable[[Db], Any]) -> Any:
    """Return what `make` finds, from memory while the catalog has not changed."""
    with catalog.read() as db:
        seq = changes.last(db)
        whole = (str(catalog.path), *key)
        with _lock:
            known = _kept.get(whole)
        if known is not None and known[0] == seq:
            return known[1]
        found = make(db)
    with _lock:
        _kept[whole] = (seq, found)
        _kept.move_to_end(whole)
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return found


def by(db: Db, kind: str) -> dict[str, Totals]:
    """Totals of datasets that are not withdrawn, by publisher, region or theme."""
    # By an expression, not the column: its own index would read every record for the rest.
    theme = datasets.c.theme.concat("")
    key: Any = {"publisher": datasets.c.publisher, "theme": theme, "region": _REGION}
    source: Any = datasets
    if kind == "region":
        source = datasets.join(publishers, publishers.c.id == datasets.c.publisher)
    opened = sa.and_(datasets.c.openness == "open", datasets.c.latest.is_not(None))
    query = (
        sa.select(
            key[kind].label("code"),
            sa.func.count().label("datasets"),
            sa.func.coalesce(sa.func.sum(datasets.c.releases), 0).label("releases"),
            sa.func.coalesce(sa.func.sum(datasets.c.rows), 0).label("rows"),
            sa.func.coalesce(sa.func.sum(datasets.c.cells), 0).label("cells"),
            sa.func.coalesce(sa.func.sum(sa.case((opened, 1), else_=0)), 0).label("opened"),
        )
        .select_from(source)
        .where(*_ALIVE)
        .group_by(key[kind])
        .order_by(key[kind])
    )
    names = Totals.__struct_fields__
    return {row.code: Totals(**{n: getattr(row, n) for n in names}) for row in db.execute(query)}


def by_month(db: Db) -> list[Json]:
    """What each month added, and the totals at its end, from the first month to the last."""
    before = sa.func.lag(releases.c.rows, 1, 0), sa.func.lag(releases.c.cells, 1, 0)
    order: Any = {"partition_by": releases.c.dataset, "order_by": releases.c.version}
    grown = (
        sa.select(
            sa.func.substr(releases.c.released, 1, 7).label("month"),
            (releases.c.rows - before[0].over(**order)).label("rows"),
            (releases.c.cells - before[1].over(**order)).label("cells"),
        )
        .join(datasets, datasets.c.name == releases.c.dataset)
        .where(releases.c.withdrawn.is_(None), *_ALIVE)
        .subquery()
    )
    query = sa.select(
        grown.c.month,
        sa.func.count().label("releases"),
        sa.func.sum(grown.c.rows).label("rows"),
        sa.func.sum(grown.c.cells).label("cells"),
    ).group_by(grown.c.month)
    added: dict[str, Json] = {}
    for row in db.execute(query):
        found = added.setdefault(row.month, {})
        found |= {"releases": row.releases, "rows": row.rows, "cells": row.cells}
    first = (
        sa.select(sa.func.substr(milestones.c.at, 1, 7).label("month"), milestones.c.stage,
                  sa.func.count().label("n"))
        .join(datasets, datasets.c.name == milestones.c.dataset)
        .where(milestones.c.stage.in_(("catalogued", "opened")), *_ALIVE)
        .group_by("month", milestones.c.stage)
    )  # fmt: skip
    for row in db.execute(first):
        name = "datasets" if row.stage == "catalogued" else "opened"
        added.setdefault(row.month, {})[name] = row.n
    return _cumulated(added)


def _cumulated(added: dict[str, Json]) -> list[Json]:
    total, found = Totals(), []
    for month in _months(added):
        gain = Totals(**added.get(month, {}))
        total += gain
        found.append({"month": month, "added": gain, "total": total})
    return found


def _months(added: dict[str, Json]) -> list[str]:
    """Every month from the first to the last, also those in which nothing happened."""
    if not added:
        return []
    (year, month), last, found = map(int, min(added).split("-")), max(added), []
    while (now := f"{year:04}-{month:02}") <= last:
        found.append(now)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004
    return found


def funnel(
    db: Db, *, publisher: str | None, regions: tuple[str, ...] | None, theme: str | None
) -> dict[str, dict[str, int]]:
    """How many datasets of each publisher have reached each stage."""
    tests: list[sa.ColumnElement[bool]] = [*_ALIVE]
    if publisher is not None:
        tests.append(datasets.c.publisher == publisher)
    if theme is not None:
        tests.append(datasets.c.theme == theme)
    source: Any = datasets
    if regions is not None:
        source = datasets.join(publishers, publishers.c.id == datasets.c.publisher)
        tests.append(_REGION.in_(regions))
    reached = [
        sa.func.sum(sa.case((datasets.c.stages.bitwise_and(bit) != 0, 1), else_=0)).label(stage)
        for stage, bit in BITS.items()
    ]
    query = (
        sa.select(datasets.c.publisher, *reached)
        .select_from(source)
        .where(*tests)
        .group_by(datasets.c.publisher)
    )
    return {
        row.publisher: {stage: getattr(row, stage) for stage in STAGES} for row in db.execute(query)
    }


def titles(db: Db, kind: str) -> dict[str, str]:
    """Titles of publishers, regions or themes by their codes."""
    if kind == "publisher":
        return {row.id: row.title for row in db.execute(sa.select(publishers))}
    query = sa.select(terms.c.code, terms.c.title).where(terms.c.kind == kind)
    return {row.code: row.title for row in db.execute(query)}
