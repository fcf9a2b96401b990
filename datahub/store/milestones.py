"""Milestones of a dataset: catalogued → collected → shared → opened, the first date of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.store.tables import datasets, milestones

if TYPE_CHECKING:
    from datahub.store.engine import Db

STAGES = ("catalogued", "collected", "shared", "opened")
STAGES_ZH = {"catalogued": "已编目", "collected": "已归集", "shared": "已共享", "opened": "已开放"}
BITS = {stage: 1 << n for n, stage in enumerate(STAGES)}
"""Of `datasets.stages`."""
SHARED = ("1", "2")
"""Sharing types (无条件, 有条件) under which released data counts as shared."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def reach(db: Db, dataset: str, stage: str, at: str) -> None:
    """Note that a dataset reached a stage; the first time counts, or an earlier stated date."""
    stated = _stated(db, dataset).get(stage)
    _note(db, dataset, stage, at, stated)


def refresh(db: Db, dataset: str, now: str) -> None:
    """Note every stage that a dataset's record and releases show, after either changed."""
    row = db.execute(
        sa.select(datasets.c.openness, datasets.c.share_type, datasets.c.latest, datasets.c.package)
        .where(datasets.c.name == dataset)
    ).first()  # fmt: skip
    if row is None:
        return
    released = row.latest is not None
    reached = {
        "catalogued": True,
        "collected": released,
        "shared": released and row.share_type in SHARED,
        "opened": released and row.openness == "open",
    }
    stated = _dates(msgspec.json.decode(row.package))
    for stage, is_reached in reached.items():
        if is_reached:
            _note(db, dataset, stage, now, stated.get(stage))
    for stage, date in stated.items():  # an earlier date may be stated after the fact
        _earlier(db, dataset, stage, date)


def first(package: Any, stage: str, at: str) -> str:
    """Date of a stage reached now, or the earlier one that the record states."""
    stated = _dates(package).get(stage)
    return min(at, stated) if stated else at


def of(db: Db, dataset: str) -> dict[str, str | None]:
    """Date of each stage of a dataset, None for those it has not reached."""
    query = sa.select(milestones).where(milestones.c.dataset == dataset)
    found = {row.stage: row.at for row in db.execute(query)}
    return {stage: found.get(stage) for stage in STAGES}


def _note(db: Db, dataset: str, stage: str, at: str, stated: str | None) -> None:
    first = min(at, stated) if stated else at
    known = sa.and_(milestones.c.dataset == dataset, milestones.c.stage == stage)
    if db.scalar(sa.select(milestones.c.at).where(known)) is None:
        db.execute(milestones.insert().values(dataset=dataset, stage=stage, at=first))
        bits = datasets.c.stages.bitwise_or(BITS[stage])
        db.execute(datasets.update().where(datasets.c.name == dataset).values(stages=bits))


def _earlier(db: Db, dataset: str, stage: str, date: str) -> None:
    db.execute(
        milestones.update()
        .where(milestones.c.dataset == dataset, milestones.c.stage == stage)
        .where(milestones.c.at > date)
        .values(at=date)
    )


def _stated(db: Db, dataset: str) -> dict[str, str]:
    text = db.scalar(sa.select(datasets.c.package).where(datasets.c.name == dataset))
    return _dates(msgspec.json.decode(text)) if text else {}


def _dates(package: Any) -> dict[str, str]:
    """Dates that the record states itself, of what happened before it came here."""
    stated = package["catalog"].get("milestones")
    if not isinstance(stated, dict):
        return {}
    return {s: str(stated[s]) for s in STAGES if s in stated and _DATE.match(str(stated[s]))}
