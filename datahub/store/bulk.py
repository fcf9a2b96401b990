"""Many new datasets at once: what `records.save_dataset` does for one, in a few statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.errors_catalog import NameTaken
from datahub.store import audit, milestones, records
from datahub.store.tables import aliases, changes, datasets
from datahub.store.tables import milestones as dates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.model import Json
    from datahub.store.engine import Db

_BATCH = 500


def add_datasets(
    db: Db, items: Iterable[tuple[Json, str, str]], *, now: str, who: str, what: str
) -> None:
    """Add datasets given as package, digest and search text; each is told to the audit log.

    Raises:
        NameTaken: a name or code is, or once was, another dataset's.

    """
    taken = {
        **{row.alias: row.dataset for row in db.execute(sa.select(aliases))},
        **{row.code: row.name for row in db.execute(sa.select(datasets.c.code, datasets.c.name))},
    }
    rows: list[dict[str, Any]] = []
    entries: list[tuple[str, str, str, str]] = []
    for package, digest, search in items:
        name = package["name"]
        values = records.row_values(package, digest=digest, search=search, now=now)
        for field, value in (("name", name), ("catalog.code", values["code"])):
            owner = taken.get(value, name) if value else name
            if owner != name:
                raise NameTaken(field=field, value=value, dataset=owner)
            taken[value] = name
        listed = values["validity"] in records.IN_FORCE
        reached = milestones.first(package, "catalogued", now)
        rows.append({"name": name, **values, **records.new_values(listed, now), "_at": reached})
        entries.append((what, name, "", digest))
    for start in range(0, len(rows), _BATCH):
        _insert(db, rows[start : start + _BATCH], now)
    audit.append_all(db, now, who, entries)


def _insert(db: Db, rows: list[dict[str, Any]], now: str) -> None:
    reached = [
        {"dataset": row["name"], "stage": "catalogued", "at": row.pop("_at")} for row in rows
    ]
    db.execute(datasets.insert(), rows)
    db.execute(dates.insert(), reached)
    told = [
        {"at": now, "dataset": row["name"], "what": "registered", "version": None} for row in rows
    ]
    db.execute(changes.insert(), told)
