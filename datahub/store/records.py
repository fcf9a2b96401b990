"""The catalog records: vocabularies, publishers, datasets and their field ids."""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import DataNotOpen, DatasetUnknown
from datahub.errors_catalog import DatasetGone, DatasetMoved, NameTaken
from datahub.model import OPENNESS_ZH, Dataset, Json, Openness, Struct
from datahub.record import completeness, duplicates
from datahub.store import changes, milestones
from datahub.store.short import counted, short_package
from datahub.store.tables import aliases, datasets, field_ids, publishers, releases, statuses, terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from datahub.store.engine import Db

_COLUMNS = ("code", "region", "update_cycle", "grade", "validity", "share_type")
LISTED = ("active", "deprecated")
"""Statuses of datasets that lists show."""
IN_FORCE = ("", "in_force")
"""Validity of what lists show: no document at all, or a document in force (现行有效)."""
_JOINED = (
    sa.select(datasets, publishers.c.title.label("publisher_title"), terms.c.title.label("theme_t"))
    .join(publishers, publishers.c.id == datasets.c.publisher)
    .outerjoin(terms, sa.and_(terms.c.kind == "theme", terms.c.code == datasets.c.theme))
)


class Filter(Struct, frozen=True):
    """What a list of datasets is narrowed by; None means everything."""

    publisher: str | None = None
    theme: str | None = None
    openness: Openness | None = None
    text: str | None = None
    status: str | None = None  # None: active and deprecated; "all": tombstones too
    validity: str | None = None  # None: no document, or in force; "all": whatever it is
    released: bool = False  # only those that have a release


def dataset_of(row: Any, decode: Callable[[str], Json] = msgspec.json.decode) -> Dataset:
    """Dataset of a row that has its publisher's and theme's titles; `decode` reads its package."""
    return Dataset(
        name=row.name,
        title=row.title,
        publisher=row.publisher,
        publisher_title=row.publisher_title,
        theme=row.theme,
        theme_title=row.theme_t or row.theme,
        openness=Openness(row.openness),
        package=decode(row.package),
        digest=row.digest,
        created=row.created,
        modified=row.modified,
        latest=row.latest,
        retired=row.retired,
        status=row.status,
        rows=row.rows,
        cells=row.cells,
        data_updated=row.data_updated,
        score=row.score,
    )


def fold(text: str) -> str:
    """Fold text for comparing: compatibility forms (full width) and case become one."""
    return unicodedata.normalize("NFKC", text).casefold()


def get_dataset(db: Db, name: str) -> Dataset:
    """Return one dataset.

    Raises:
        DatasetUnknown: there is none of this name; names like it are hinted at.

    """
    row = db.execute(_JOINED.where(datasets.c.name == name)).first()
    if row is None:
        raise _unknown(db, name)
    return dataset_of(row)


def latest_version(db: Db, name: str) -> int | None:
    """Return the number of a dataset's latest release, None while there is none.

    Raises:
        DatasetUnknown: there is no dataset of this name.

    """
    row = db.execute(sa.select(datasets.c.latest).where(datasets.c.name == name)).first()
    if row is None:
        raise _unknown(db, name)
    return row.latest if row.latest is None else int(row.latest)


def check_open(db: Db, name: str) -> None:
    """Let everybody at a dataset's data only when it is open without conditions.

    Raises:
        DatasetUnknown: there is no dataset of this name.
        DatasetGone: it was withdrawn or is a tombstone.
        DataNotOpen: the record is public, its data is not.

    """
    query = sa.select(datasets.c.openness, datasets.c.status).where(datasets.c.name == name)
    row = db.execute(query).first()
    if row is None:
        raise _unknown(db, name)
    if row.status not in LISTED:
        raise _gone(db, name)
    if row.openness != Openness.OPEN.value:
        raise DataNotOpen(dataset=name, openness=OPENNESS_ZH.get(row.openness, row.openness))


def check_alive(db: Db, name: str) -> None:
    """Check that a dataset can still be worked on.

    Raises:
        DatasetUnknown: there is no dataset of this name.
        DatasetGone: it was withdrawn or is a tombstone.

    """
    status = db.scalar(sa.select(datasets.c.status).where(datasets.c.name == name))
    if status is None:
        raise _unknown(db, name)
    if status not in LISTED:
        raise _gone(db, name)


def _gone(db: Db, name: str) -> DatasetGone:
    query = sa.select(statuses).where(statuses.c.dataset == name).order_by(statuses.c.seq.desc())
    row = db.execute(query).first()
    successor = row.successor if row else None
    return DatasetGone(
        dataset=name,
        at=row.at[:10] if row else "",
        reason=row.reason if row else "",
        successor=successor,
        hint_zh=f"后继数据集：{successor}" if successor else "目录记录仍可查看",
        hint_en=f"It is succeeded by {successor}" if successor else "Its record stays",
    )


def _unknown(db: Db, name: str) -> DatasetUnknown:
    from difflib import get_close_matches

    shown = name if len(name) <= 100 else name[:100] + "…"  # noqa: PLR2004 - a line of text
    now = db.scalar(sa.select(aliases.c.dataset).where(aliases.c.alias == name))
    if now is not None:
        return DatasetMoved(dataset=shown, now=now)
    close = get_close_matches(name, list(db.scalars(sa.select(datasets.c.name))), n=3)
    return DatasetUnknown(
        dataset=shown,
        hint_zh=f"相近的有：{'、'.join(close)}" if close else "可用的名称见 /api/v1/datasets",
        hint_en=f"Close: {', '.join(close)}" if close else "See /api/v1/datasets for names",
    )


def names_of(db: Db, publisher: str) -> set[str]:
    """Names of a publisher's datasets."""
    return set(db.scalars(sa.select(datasets.c.name).where(datasets.c.publisher == publisher)))


def current_name(db: Db, name: str) -> str | None:
    """Return the present name of a dataset by its present or a former one; None if unknown."""
    if db.scalar(sa.select(datasets.c.name).where(datasets.c.name == name)) is not None:
        return name
    found: str | None = db.scalar(sa.select(aliases.c.dataset).where(aliases.c.alias == name))
    return found


def check_free(db: Db, name: str, *, own: str | None = None) -> None:
    """Check that a name was never another dataset's than `own`.

    Raises:
        NameTaken: it was.

    """
    owner = current_name(db, name)
    if owner is not None and owner != own:
        raise NameTaken(field="name", value=name, dataset=owner)


def check_code(db: Db, code: str, name: str) -> None:
    """Check that a catalog code was never another dataset's than `name`.

    Raises:
        NameTaken: it was.

    """
    query = sa.select(datasets.c.name).where(datasets.c.code == code, datasets.c.name != name)
    owner = db.scalar(query.limit(1)) or db.scalar(
        sa.select(aliases.c.dataset).where(aliases.c.alias == code, aliases.c.dataset != name)
    )
    if owner is not None:
        raise NameTaken(field="catalog.code", value=code, dataset=owner)


def list_datasets(
    db: Db, filters: Filter, *, limit: int = 100, offset: int = 0
) -> tuple[int, list[Dataset]]:
    """Return how many datasets match, and a page of them by title."""
    tests = _listed(filters)
    if filters.publisher is not None:
        tests.append(datasets.c.publisher == filters.publisher)
    if filters.theme is not None:
        tests.append(datasets.c.theme == filters.theme)
    if filters.openness is not None:
        tests.append(datasets.c.openness == filters.openness.value)
    if filters.released:
        tests.append(datasets.c.latest.is_not(None))
    tests += [
        datasets.c.search.contains(word, autoescape=True)
        for word in fold(filters.text or "").split()
    ]
    total = counted(db, filters, tests)
    # The page's names first, from an index alone; records are large and read for the page only.
    names = sa.select(datasets.c.name).where(*tests).order_by(datasets.c.title, datasets.c.name)
    chosen = names.limit(limit).offset(offset).scalar_subquery()
    page = _JOINED.where(datasets.c.name.in_(chosen))
    rows = db.execute(page.order_by(datasets.c.title, datasets.c.name))
    return total, [dataset_of(row, short_package) for row in rows]


def _listed(filters: Filter) -> list[sa.ColumnElement[bool]]:
    """Conditions on status and validity; the usual ones are one column with indexes of its own."""
    if filters.status is None and filters.validity is None:
        return [datasets.c.listed.is_(True)]
    tests: list[sa.ColumnElement[bool]] = [datasets.c.retired.is_(False)]
    if filters.status is None:
        tests.append(datasets.c.status.in_(LISTED))
    elif filters.status != "all":
        tests.append(datasets.c.status == filters.status)
    if filters.validity is None:
        tests.append(datasets.c.validity.in_(IN_FORCE))
    elif filters.validity != "all":
        tests.append(datasets.c.validity == filters.validity)
    return tests


def all_datasets(db: Db) -> dict[str, Dataset]:
    """Every dataset by name, retired ones too."""
    return {row.name: dataset_of(row) for row in db.execute(_JOINED)}


def save_dataset(
    db: Db,
    package: Json,
    *,
    digest: str,
    now: str,
    search: str | None = None,
    score: int | None = None,
) -> None:
    """Add a dataset or change its record; what it has released stays as it is."""
    if search is None:
        search = search_text(db, package)
    values = row_values(package, digest=digest, search=search, now=now, score=score)
    name = package["name"]
    before = db.scalar(sa.select(datasets.c.code).where(datasets.c.name == name))
    if values["code"] and values["code"] != before:
        check_code(db, values["code"], name)
    listed = values["validity"] in IN_FORCE
    if before is None:
        check_free(db, name)
        db.execute(datasets.insert().values(name=name, **values, **new_values(listed, now)))
    else:
        alive = datasets.c.status.in_(LISTED) if listed else sa.false()
        values["listed"] = sa.case((alive, sa.true()), else_=sa.false())
        db.execute(datasets.update().where(datasets.c.name == name).values(**values))
    if before and before != values["code"] and current_name(db, before) is None:
        db.execute(aliases.insert().values(alias=before, dataset=name, at=now))
    milestones.refresh(db, name, now)
    changes.append(db, now, name, "registered" if before is None else "changed")


def row_values(
    package: Json, *, digest: str, search: str, now: str, score: int | None = None
) -> dict[str, Any]:
    """Columns of a dataset that follow from its record."""
    record = package["catalog"]
    return {
        "title": package["title"],
        "publisher": record["publisher"],
        "theme": record["theme"],
        "openness": record["openness"],
        "package": msgspec.json.encode(package).decode(),
        "digest": digest,
        "search": fold(search),
        "modified": now,
        "retired": False,
        "score": completeness.score(package)[0] if score is None else score,
        "fingerprint": duplicates.fingerprint(package),
        **{name: str(record.get(name) or "") for name in _COLUMNS},
    }


def new_values(listed: bool, now: str) -> dict[str, Any]:
    """Columns of a dataset that has no releases yet."""
    columns = {"rows": 0, "cells": 0, "data_updated": "", "latest": None}
    columns |= {"releases": 0, "stages": 1}  # a dataset that is here is catalogued
    return columns | {"status": "active", "created": now, "listed": listed}


def package_digest(package: Json) -> str:
    """Digest of a dataset's metadata: record and schemas, whatever the order of keys."""
    return sha256(msgspec.json.encode(package, order="deterministic")).hexdigest()


def relist(db: Db, name: str) -> None:
    """Put a dataset on the lists or take it off, as its status and validity say."""
    shown = sa.and_(
        datasets.c.retired.is_(False),
        datasets.c.status.in_(LISTED),
        datasets.c.validity.in_(IN_FORCE),
    )
    db.execute(
        datasets.update()
        .where(datasets.c.name == name)
        .values(listed=sa.case((shown, sa.true()), else_=sa.false()))
    )


def search_text(db: Db, package: Json) -> str:
    """What the simple search (`q=`) looks in: names, titles, abstract, publisher, fields."""
    owner = package["catalog"]["publisher"]
    publisher = db.scalar(sa.select(publishers.c.title).where(publishers.c.id == owner)) or ""
    words = [package["name"], package["title"], package.get("description", ""), publisher]
    words += package.get("keywords", [])
    for resource in package["resources"]:
        words += [resource["name"], resource.get("title", "")]
        words += [field.get("title", field["name"]) for field in resource["schema"]["fields"]]
    return "\n".join(str(word) for word in words)


def retire_dataset(db: Db, name: str, *, now: str) -> None:
    """Take a dataset off the lists; its releases stay where they are."""
    db.execute(
        datasets.update()
        .where(datasets.c.name == name)
        .values(retired=True, listed=False, modified=now)
    )
    changes.append(db, now, name, "retired")


def set_latest(
    db: Db, name: str, version: int | None, *, rows: int = 0, cells: int = 0, at: str = ""
) -> None:
    """Point `latest` at a release, or at none; tell its rows, its cells and when it came."""
    count = sa.select(sa.func.count()).select_from(releases)
    served = count.where(releases.c.dataset == name, releases.c.withdrawn.is_(None))
    values: dict[str, Any] = {"latest": version, "rows": rows, "cells": cells, "data_updated": at}
    values["releases"] = served.scalar_subquery()
    db.execute(datasets.update().where(datasets.c.name == name).values(**values))


def save_terms(db: Db, kind: str, items: Iterable[Json], *, code: str) -> None:
    """Replace a vocabulary; `code` names the key that identifies an item."""
    db.execute(terms.delete().where(terms.c.kind == kind))
    for item in items:
        db.execute(
            terms.insert().values(
                kind=kind, code=item[code], title=item["title"], record=_text(item)
            )
        )


def get_terms(db: Db, kind: str) -> list[Json]:
    """Items of a vocabulary by code."""
    rows = db.scalars(sa.select(terms.c.record).where(terms.c.kind == kind).order_by(terms.c.code))
    return [msgspec.json.decode(row) for row in rows]


def save_publisher(db: Db, item: Json) -> None:
    """Add a publisher or change it."""
    values = {
        "title": item["title"],
        "credit_code": item["credit_code"],
        "region": item["region"],
        "record": _text(item),
    }
    changed = db.execute(publishers.update().where(publishers.c.id == item["id"]).values(**values))
    if changed.rowcount == 0:
        db.execute(publishers.insert().values(id=item["id"], **values))


def get_publishers(db: Db) -> list[Json]:
    """Publishers by id."""
    rows = db.scalars(sa.select(publishers.c.record).order_by(publishers.c.id))
    return [msgspec.json.decode(row) for row in rows]


def assign_field_ids(db: Db, dataset: str, resource: str, names: Iterable[str]) -> dict[str, int]:
    """Return a Parquet field id per column; a column keeps its id for ever, none is used twice."""
    where = sa.and_(field_ids.c.dataset == dataset, field_ids.c.resource == resource)
    known = {row.field: row.id for row in db.execute(sa.select(field_ids).where(where))}
    following = max(known.values(), default=0) + 1
    for name in names:
        if name not in known:
            known[name] = following
            db.execute(
                field_ids.insert().values(
                    dataset=dataset, resource=resource, field=name, id=following
                )
            )
            following += 1
    return known


def _text(item: Json) -> str:
    return msgspec.json.encode(item, order="sorted").decode()
