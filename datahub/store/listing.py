"""The catalog read from end to end, in small steps: bulk outputs, sitemap and feeds.

Each step is a short read transaction of its own, in the order of names, so that a slow reader
keeps nothing open and memory stays bounded. What changes meanwhile is read as it has become;
the number of the last change (`Context.seq`) tells readers that they must come again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.model import Dataset, Distribution, Json, Openness, Release, Struct
from datahub.store import changes as sequence
from datahub.store import records
from datahub.store.tables import aliases, changes, datasets, publishers, releases, statuses, terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.store.engine import Catalog, Db

STEP = 200
"""Datasets read at a time."""

ACTIVE = "active"
_RELEASE = [releases.c[n] for n in ("released", "submission", "manifest_sha256", "files")]
_OWN = [column for column in datasets.c if column.name in Dataset.__struct_fields__]
_WHOLE = (
    sa.select(
        *_OWN,
        publishers.c.title.label("publisher_title"),
        terms.c.title.label("theme_title"),
        *_RELEASE,
    )
    .join(publishers, publishers.c.id == datasets.c.publisher)
    .outerjoin(terms, sa.and_(terms.c.kind == "theme", terms.c.code == datasets.c.theme))
    .outerjoin(
        releases,
        sa.and_(releases.c.dataset == datasets.c.name, releases.c.version == datasets.c.latest),
    )
)

# Written so that no index on `listed` offers itself: in the order of names each step would sort
# all datasets anew.
_SHOWN = sa.case((datasets.c.listed, 1), else_=0) == 1


class Listed(Struct, frozen=True):
    """A dataset with its latest release, and what became of it."""

    dataset: Dataset
    release: Release | None
    reason: str = ""  # of its status, when it is not active
    successor: str = ""

    @property
    def gone(self) -> bool:
        """Whether only its record is kept: withdrawn, tombstone, or left its catalog folder."""
        return self.dataset.retired or self.dataset.status not in records.LISTED

    @property
    def status(self) -> str:
        """Status in one word; who left the catalog folder counts as withdrawn."""
        if self.dataset.retired and self.dataset.status == ACTIVE:
            return "withdrawn"
        return self.dataset.status


class Context(Struct, frozen=True):
    """What all records share: vocabularies, publishers, and how far the catalog has got."""

    catalog: Json  # name, title, description, publisher, as far as they were given
    publishers: dict[str, Json]
    themes: dict[str, Json]
    regions: dict[str, Json]
    licenses: dict[str, Json]
    seq: int  # number of the last change
    at: str  # when it was; "" before the first one
    since: str  # when the first change was

    @property
    def title(self) -> str:
        """Title of the catalog."""
        tops = (r for r in self.regions.values() if not r.get("parent") and not r.get("valid_to"))
        city = next((region["title"] for region in tops), "")
        return str(self.catalog.get("title") or f"{city}公共数据目录")


class News(Struct, frozen=True):
    """A change of a dataset, as feeds tell it."""

    seq: int
    at: str
    what: str
    version: int | None
    name: str
    title: str
    description: str
    publisher: str
    publisher_title: str
    theme: str
    theme_title: str
    reason: str = ""  # of a withdrawal or a status
    state: str = ""  # the status, when it is that what changed


def last_change(db: Db) -> tuple[int, str]:
    """Return number and time of the catalog's last change; 0 and "" before the first one."""
    seq = sequence.last(db)
    at = db.scalar(sa.select(changes.c.at).where(changes.c.seq == seq))
    return seq, at or ""


def context(db: Db) -> Context:
    """Vocabularies and publishers, with the last change."""
    seq, at = last_change(db)
    given = records.get_terms(db, "catalog")
    return Context(
        catalog=given[0] if given else {},
        publishers={item["id"]: item for item in records.get_publishers(db)},
        themes={item["code"]: item for item in records.get_terms(db, "theme")},
        regions={item["code"]: item for item in records.get_terms(db, "region")},
        licenses={item["name"]: item for item in records.get_terms(db, "license")},
        seq=seq,
        at=at,
        since=first_change(db),
    )


def each(catalog: Catalog, *, everything: bool = False, step: int = STEP) -> Iterator[Listed]:
    """Every listed dataset by name; with `everything` also what is out of force or gone."""
    after: str | None = ""
    while after is not None:
        with catalog.read() as db:
            found = _page(db, after, step, everything=everything)
        after = found[-1].dataset.name if len(found) == step else None
        yield from found


def one(db: Db, name: str) -> Listed:
    """Return one dataset with its latest release.

    Raises:
        DatasetUnknown: there is none of this name.

    """
    row = db.execute(_WHOLE.where(datasets.c.name == name)).first()
    if row is None:
        records.get_dataset(db, name)  # raises, with names like it
    return _listed(db, [row])[0]


def step_query(after: str, *, everything: bool = False) -> Any:
    """Return the query for what follows a name."""
    shown = datasets.c.retired.is_(False) if everything else _SHOWN
    return _WHOLE.where(datasets.c.name > after, shown).order_by(datasets.c.name)


def _page(db: Db, after: str, limit: int, *, everything: bool) -> list[Listed]:
    rows = db.execute(step_query(after, everything=everything).limit(limit)).all()
    return _listed(db, list(rows))


def _listed(db: Db, rows: list[Any]) -> list[Listed]:
    told = _reasons(db, [row.name for row in rows if row.status != ACTIVE])
    return [
        Listed(
            dataset=_dataset(row),
            release=_release(row) if row.released else None,
            reason=told[row.name].reason if row.name in told else "",
            successor=(told[row.name].successor or "") if row.name in told else "",
        )
        for row in rows
    ]


def _reasons(db: Db, names: list[str]) -> dict[str, Any]:
    """Last status of each name."""
    if not names:
        return {}
    query = sa.select(statuses).where(statuses.c.dataset.in_(names)).order_by(statuses.c.seq)
    return {row.dataset: row for row in db.execute(query)}


def _dataset(row: Any) -> Dataset:
    names = set(Dataset.__struct_fields__) - {"openness", "package", "theme_title"}
    return Dataset(
        **{name: getattr(row, name) for name in names},
        theme_title=row.theme_title or row.theme,
        openness=Openness(row.openness),
        package=msgspec.json.decode(row.package),
    )


def _release(row: Any) -> Release:
    return Release(
        dataset=row.name,
        version=row.latest,
        released=row.released,
        submission=row.submission,
        manifest_sha256=row.manifest_sha256,
        files=msgspec.json.decode(row.files, type=tuple[Distribution, ...]),
    )


# Addresses for crawlers --------------------------------------------------------------------


def count(db: Db) -> int:
    """How many datasets the lists show."""
    query = sa.select(sa.func.count()).select_from(datasets).where(datasets.c.listed.is_(True))
    return db.scalar(query) or 0


def addresses(catalog: Catalog, *, skip: int, limit: int) -> Iterator[tuple[str, str]]:
    """Name and last change (of record or data) of listed datasets, a stretch of them by name."""
    query = sa.select(datasets.c.name, datasets.c.modified, datasets.c.data_updated)
    query = query.where(_SHOWN).order_by(datasets.c.name)
    step = 5000
    with catalog.read() as db:
        rows = db.execute(query.offset(skip).limit(min(step, limit))).all()
    while rows and limit > 0:
        for row in rows:
            yield row.name, max(row.modified, row.data_updated)
        limit -= len(rows)
        following = query.where(datasets.c.name > rows[-1].name).limit(min(step, limit))
        with catalog.read() as db:
            rows = db.execute(following).all() if limit > 0 else []


# What is new -------------------------------------------------------------------------------


def first_change(db: Db) -> str:
    """When the catalog first changed; "" while it never did."""
    return db.scalar(sa.select(changes.c.at).order_by(changes.c.seq).limit(1)) or ""


def news(
    db: Db, *, before: int | None, publisher: str | None, theme: str | None, limit: int
) -> list[News]:
    """Changes of datasets, newest first, those before a number, of one publisher or theme."""
    query = (
        sa.select(
            changes,
            *(datasets.c[n] for n in ("name", "title", "publisher", "theme", "package")),
            publishers.c.title.label("publisher_title"),
            terms.c.title.label("theme_title"),
            sa.func.coalesce(releases.c.reason, statuses.c.reason).label("reason"),
            statuses.c.status.label("state"),
        )
        .outerjoin(aliases, aliases.c.alias == changes.c.dataset)  # of names given up
        .join(datasets, datasets.c.name == sa.func.coalesce(aliases.c.dataset, changes.c.dataset))
        .join(publishers, publishers.c.id == datasets.c.publisher)
        .outerjoin(terms, sa.and_(terms.c.kind == "theme", terms.c.code == datasets.c.theme))
        .outerjoin(
            releases,
            sa.and_(releases.c.dataset == datasets.c.name, releases.c.version == changes.c.version),
        )
        .outerjoin(
            statuses,
            sa.and_(
                changes.c.what == "status",
                statuses.c.dataset == datasets.c.name,
                statuses.c.at == changes.c.at,
            ),
        )
        .order_by(changes.c.seq.desc())
        .limit(limit)
    )
    # A renaming is noted under both names; it is told once.
    query = query.where(sa.or_(changes.c.what != "renamed", aliases.c.alias.is_(None)))
    tests = {"publisher": publisher, "theme": theme}
    for name, value in tests.items():
        if value is not None:
            query = query.where(datasets.c[name] == value)
    if before is not None:
        query = query.where(changes.c.seq < before)
    return [_news(row) for row in db.execute(query)]


def _news(row: Any) -> News:
    names = set(News.__struct_fields__) - {"description", "theme_title", "reason", "state"}
    return News(
        **{name: getattr(row, name) for name in names},
        description=msgspec.json.decode(row.package).get("description", ""),
        theme_title=row.theme_title or row.theme,
        reason=row.reason or "",
        state=row.state or "",
    )
