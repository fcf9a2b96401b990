"""Statuses of a dataset: active, deprecated, withdrawn, tombstone, with reason and successor.

A deprecated dataset stays listed and says so. A withdrawn one and a tombstone keep record,
reason, date and successor; their rows and files are not served (they stay on the disk). What was
withdrawn may come back; a tombstone stays one, and its name and code are never used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from datahub.errors import BodyInvalid, StateError
from datahub.errors_catalog import SuccessorInvalid
from datahub.model import Struct
from datahub.store import audit, changes, records
from datahub.store.tables import datasets, statuses

if TYPE_CHECKING:
    from datahub.store.engine import Db

STATUSES = ("active", "deprecated", "withdrawn", "tombstone")
STATUSES_ZH = {
    "active": "正常",
    "deprecated": "不再推荐使用",
    "withdrawn": "已撤回",
    "tombstone": "已注销",
}


class Status(Struct, frozen=True):
    """A status that a dataset was given."""

    status: str
    reason: str
    successor: str | None
    at: str
    who: str


def current(db: Db, dataset: str) -> Status | None:
    """Return the status given last; None when the dataset was always active."""
    found = history(db, dataset)
    return found[0] if found else None


def history(db: Db, dataset: str) -> list[Status]:
    """Every status that a dataset was given, newest first."""
    query = sa.select(statuses).where(statuses.c.dataset == dataset).order_by(statuses.c.seq.desc())
    return [
        Status(
            status=row.status, reason=row.reason, successor=row.successor, at=row.at, who=row.who
        )
        for row in db.execute(query)
    ]


def set_status(
    db: Db,
    dataset: str,
    *,
    status: str,
    reason: str,
    successor: str | None,
    who: str,
    now: str,
) -> Status:
    """Give a dataset a status.

    Raises:
        DatasetUnknown: there is no such dataset.
        BodyInvalid: the status is unknown, or the reason is missing.
        StateError: it is a tombstone, which stays one.
        SuccessorInvalid: the successor is unknown, a tombstone, or leads back here.

    """
    if status not in STATUSES:
        shown = ", ".join(STATUSES)
        raise BodyInvalid(
            reason_zh=f"status 应为 {shown} 之一", reason_en=f"status must be one of {shown}"
        )
    if status != "active" and not reason.strip():
        raise BodyInvalid(reason_zh="必须填写原因（reason）", reason_en="a reason is needed")
    found = records.get_dataset(db, dataset)
    if found.status == "tombstone":
        raise StateError(
            what="dataset", id=dataset, state="已注销 tombstone",
            action_zh=f"改为“{STATUSES_ZH[status]}”（墓碑永久保留）",
            action_en=f"made {status} (a tombstone stays one)",
        )  # fmt: skip
    if successor is not None:
        successor = _check_successor(db, dataset, successor)
    entry = Status(status=status, reason=reason.strip(), successor=successor, at=now, who=who)
    db.execute(
        statuses.insert().values(
            dataset=dataset, status=status, reason=entry.reason, successor=successor, at=now,
            who=who,
        )
    )  # fmt: skip
    db.execute(datasets.update().where(datasets.c.name == dataset).values(status=status))
    records.relist(db, dataset)
    changes.append(db, now, dataset, "status")
    audit.append(db, now, who, f"dataset:{status}", dataset,
                 before=found.status, after=f"{entry.reason} → {successor or ''}")  # fmt: skip
    return entry


def _check_successor(db: Db, dataset: str, successor: str) -> str:
    """Return the present name of a successor that exists and does not lead back."""

    def wrong(zh: str, en: str) -> SuccessorInvalid:
        return SuccessorInvalid(successor=successor[:80], reason_zh=zh, reason_en=en)

    name = records.current_name(db, successor)
    if name is None:
        raise wrong("没有这个数据集", "there is no such dataset")
    seen = {dataset}
    following: str | None = name
    while following is not None:
        if following in seen:
            raise wrong("后继关系形成循环", "successors would lead in a circle")
        seen.add(following)
        last = current(db, following)
        following = last.successor if last and last.status != "active" else None
    if records.get_dataset(db, name).status not in records.LISTED:
        raise wrong("该数据集已撤回或注销", "that dataset is withdrawn or a tombstone itself")
    return name
