"""What a dataset's page shows: its record, files, first rows, fields, releases and neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from datahub.errors import DatahubError, DatasetUnknown
from datahub.forms.columns import columns_of
from datahub.model import Dataset, Distribution, Json, Openness, Release, Struct
from datahub.record import completeness, vocabularies
from datahub.serve import rows, series
from datahub.serve.outputs.schema_org import safe_json, schema_org
from datahub.serve.snippets import Snippet, place, snippets
from datahub.serve.statistics import SUFFIX
from datahub.store import (
    Store,
    aliases,
    glossary,
    lifecycle,
    milestones,
    records,
    related,
    releases,
    totals,
)
from datahub.web.portal import cards, profile, words
from datahub.web.portal import record as told

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from datahub.record.glossary import Term
    from datahub.search.service import Search
    from datahub.serve.engine import Engine
    from datahub.serve.reading import Reading
    from datahub.store import Db

PREVIEW = 10
_NUMERIC = ("integer", "number")
_ALIKE = 4
_GAPS = 24


class FieldRow(Struct, frozen=True):
    """A field of a table schema in words."""

    name: str
    title: str
    title_en: str
    type: str
    constraints: list[str]
    pattern: str
    values: list[str]
    description: str
    unit: str
    example: str


class Preview(Struct, frozen=True):
    """The first rows of a resource; `numeric` tells which columns are numbers."""

    names: tuple[str, ...]
    titles: list[str]
    numeric: list[bool]
    rows: list[tuple[Any, ...]]
    total: int


class Section(Struct, frozen=True):
    """A resource on the page."""

    name: str
    title: str
    description: str
    fields: list[FieldRow]
    missing: str
    rows: int | None
    preview: Preview | None
    profiles: list[profile.ColumnProfile]
    snippets: list[Snippet]


class File(Struct, frozen=True):
    """A file to download."""

    path: str
    url: str
    label: str
    about: str
    bytes: int
    sha256: str


class Download(Struct, frozen=True):
    """The files of a resource, or those of the release as a whole."""

    title: str
    files: list[File]


_ABOUT = {
    ".csv": ("CSV", "UTF-8 文本；Excel 请从“数据”里的“自文本/CSV”导入"),
    ".parquet": ("Parquet", "列式文件，适合程序读取"),
    ".ndjson": ("NDJSON", "每行一个 JSON 对象"),
    ".xlsx": ("Excel", "编码和代码为文本，不丢前导零"),
    ".geojson": ("GeoJSON", "地图数据（WGS 84 或 CGCS2000 坐标）"),
    "stats": ("统计 JSON", "每列的空值、取值和分布"),
    "original": ("原始文件", "报送时的原样文件"),
    "SHA256SUMS": ("校验清单 SHA256SUMS", "所有文件的 SHA-256"),
    "datapackage.json": ("datapackage.json", "元数据和表结构（Data Package）"),
    "manifest.json": ("manifest.json", "本版文件清单和来源"),
}


def view(reading: Reading, search: Search, name: str, base: str) -> dict[str, Any]:
    """Everything the page of a dataset needs; `base` is the address the visitor came by.

    Raises:
        DatasetUnknown: there is no such dataset, or it was taken off the catalog.

    """
    store, engine = reading.store, reading.engine
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, name)
        if dataset.retired:
            raise DatasetUnknown(
                dataset=name, hint_zh="它已从目录中撤下。", hint_en="It was taken off the catalog."
            )
        history = releases.find(db, name)
        latest = next((r for r in history if r.version == dataset.latest), None)
        gone = dataset.status not in records.LISTED
        # What is not open for everybody shows its record, never its data; nor does what is gone.
        shown = latest if dataset.openness is Openness.OPEN and not gone else None
        package = releases.get_package(db, name, shown.version) if shown else dataset.package
        statuses = lifecycle.history(db, name)
        reached = milestones.of(db, name)
        around = _around(db, dataset, statuses, latest)
    terms = _terms(store, dataset)
    score, missing = completeness.score(dataset.package)
    return {
        "dataset": dataset,
        "gone": gone,
        "life": statuses[0] if statuses and dataset.status != "active" else None,
        "status_title": vocabularies.label("status", dataset.status),
        "validity_title": vocabularies.label("validity", str(dataset.record.get("validity", ""))),
        "closed_title": vocabularies.label(
            "closed_reason", str(dataset.record.get("closed_reason", ""))
        ),
        "successor_title": around.related.get(around.successor, ("", around.successor))[1],
        "freshness": cards.card(dataset),
        "history": history,
        "latest": latest,
        "shown": shown,
        "groups": told.groups(dataset, around),
        "permissions": told.permissions(dataset.record),
        "milestones": [(t.zh, reached.get(t.code)) for t in vocabularies.get("milestone")],
        "score": score,
        "missing": [(item.zh, item.field) for item in missing],
        "terms": terms,
        "alike": [] if gone else _alike(search, dataset),
        "series": _series(store, engine, dataset, shown),
        "downloads": _downloads(dataset, shown) if shown else [],
        "json_ld": safe_json(schema_org(dataset, shown, base)),
        "base": base,
        "sections": [
            _section(reading, dataset, shown, resource, base) for resource in package["resources"]
        ],
    }


def _around(
    db: Db, dataset: Dataset, statuses: list[lifecycle.Status], latest: Release | None
) -> told.Around:
    successor = (statuses[0].successor or "") if statuses else ""
    found = related.by_codes(db, cards.values(dataset.record.get("related")))
    if successor:
        found[successor] = (successor, related.titles(db, [successor]).get(successor, successor))
    return told.Around(
        regions=totals.titles(db, "region"),
        licenses={item["name"]: item for item in records.get_terms(db, "license")},
        related=found,
        successor=successor,
        former=tuple(aliases.names_of(db, dataset.name)),
        version=f"第 {latest.version} 版" if latest else "",
    )


def _terms(store: Store, dataset: Dataset) -> list[Term]:
    """Glossary entries that the record names, and those that name the dataset."""
    entries: list[Term] = totals.kept(store.catalog, ("portal", "terms"), glossary.approved)
    named = cards.values(dataset.record.get("terms"))
    return [item for item in entries if item.id in named or dataset.name in item.related_datasets]


def _alike(search: Search, dataset: Dataset) -> list[tuple[str, str, str]]:
    """Datasets that answer to the same words: name, title and publisher."""
    text = " ".join([*cards.values(dataset.package.get("keywords"))[:3], dataset.theme_title])
    hits = search.find(text, limit=_ALIKE + 1).hits
    return [
        (hit.dataset.name, hit.dataset.title, hit.dataset.publisher_title)
        for hit in hits
        if hit.dataset.name != dataset.name
    ][:_ALIKE]


def _series(store: Store, engine: Engine, dataset: Dataset, shown: Release | None) -> Json | None:
    """What a series should hold, holds and lacks; None where the record declares none."""
    if shown is None or not dataset.record.get("series"):
        return None
    folder = store.objects.public(dataset.name, shown.version)
    try:
        found = _judged(engine, folder, dataset.digest, _Judged(dataset, shown), _today(store))
    except DatahubError:  # declared in a way that cannot be judged: the page goes without
        return None
    return found | {
        "gaps": [_gap(item) for item in found["missing"][:_GAPS]],
        "late": [_gap(item) for item in found["overdue"][:_GAPS]],
    }


class _Judged:
    """A dataset and its release, equal to others of the same name and version."""

    def __init__(self, dataset: Dataset, release: Release) -> None:
        self.dataset, self.release = dataset, release

    def __hash__(self) -> int:
        return hash((self.dataset.name, self.release.version))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Judged) and hash(other) == hash(self)


@lru_cache(maxsize=256)
def _judged(
    engine: Engine,
    folder: Path,
    _digest: str,  # of the record: a changed declaration is judged anew
    what: _Judged,
    today: dt.date,
) -> Json:
    return series.completeness(engine, folder, what.dataset, what.release, today=today)


def _today(store: Store) -> dt.date:
    return store.clock().date()


def _gap(item: Any) -> str:
    """A missing issue or period as people write it."""
    if isinstance(item, dict):
        return f"{item['year']} 年第 {item['no']} 期" if item.get("no") else f"{item['year']} 年"
    return str(item)


def _downloads(dataset: Dataset, release: Release) -> list[Download]:
    titles = {r["name"]: r.get("title", r["name"]) for r in dataset.package["resources"]}
    groups: dict[str | None, list[File]] = {}
    for file in release.files:
        groups.setdefault(file.resource, []).append(_file(release, file))
    return [
        Download(
            title="清单和元数据" if name is None else titles.get(name, name),
            files=sorted(files, key=lambda file: not file.path.endswith(".csv")),
        )
        for name, files in groups.items()
    ]


def _file(release: Release, file: Distribution) -> File:
    suffix = f".{file.path.rsplit('.', 1)[-1]}" if file.resource else file.path
    about_form = _ABOUT.get(file.form or "")  # stats and originals end as other forms do
    label, about = about_form or _ABOUT.get(suffix, (file.path, file.media_type))
    if file.part:
        label = f"{label}（第 {file.part} 部分）"
    return File(
        path=file.path,
        url=f"/d/{release.dataset}/{release.version}/{file.path}",
        label=label,
        about=about,
        bytes=file.bytes,
        sha256=file.sha256,
    )


def _section(
    reading: Reading, dataset: Dataset, release: Release | None, resource: Json, base: str
) -> Section:
    schema, name = resource["schema"], resource["name"]
    files = {file.path: file for file in release.files} if release else {}
    table = files.get(f"{name}.parquet")
    preview, stats = None, None
    if release is not None and table is not None:
        path = reading.store.objects.public(dataset.name, release.version) / table.path
        preview = _preview(reading.engine, path, schema, table.rows or 0)
        stats = profile.read(path.with_name(f"{name}{SUFFIX}"))
    return Section(
        name=name,
        title=str(resource.get("title") or name),
        description=resource.get("description") or schema.get("description", ""),
        fields=[_field(field, schema) for field in schema["fields"]],
        missing=words.missing_values(schema),
        rows=table.rows if table else None,
        preview=preview,
        profiles=profile.profiles(stats, schema) if stats else [],
        snippets=_snippets(reading, dataset, resource, stats, base) if preview else [],
    )


def _field(field: Json, schema: Json) -> FieldRow:
    given = field.get("constraints", {})
    return FieldRow(
        name=field["name"],
        title=str(field.get("title") or field["name"]),
        title_en=str(field.get("title_en") or ""),
        type=words.field_type(field),
        constraints=words.constraints(field, schema),
        pattern=given.get("pattern", ""),
        values=[str(value) for value in given.get("enum", [])],
        description=field.get("description", ""),
        unit=field.get("unit", ""),
        example=words.cell(field.get("example")),
    )


def _preview(engine: Engine, path: Path, schema: Json, total: int) -> Preview:
    columns = columns_of(engine.kinds(path), schema)
    described = {field["name"]: field for field in schema["fields"]}
    fields = [described.get(column.name, {}) for column in columns]
    return Preview(
        names=tuple(column.name for column in columns),
        titles=[f.get("title", c.name) for f, c in zip(fields, columns, strict=True)],
        numeric=[f.get("type") in _NUMERIC for f in fields],
        rows=rows.preview(engine, path, columns, PREVIEW),
        total=total,
    )


def _snippets(
    reading: Reading, dataset: Dataset, resource: Json, stats: Json | None, base: str
) -> list[Snippet]:
    """Programs that read the resource, with a value of its own where one is known."""
    table = reading.table(dataset.name, resource["name"])
    known = {column["name"]: column for column in stats["columns"]} if stats else {}
    title = str(resource.get("title") or resource["name"])
    at = place(table, known, base, title, pinned=False)
    return snippets(at, str(dataset.record.get("crs") or ""))
