"""What a dataset's page shows: record, files, first rows, fields, releases and snippets."""

from __future__ import annotations

from typing import Any

from datahub.errors import DatasetUnknown
from datahub.model import OPENNESS_ZH, Dataset, Distribution, Json, Openness, Release, Struct
from datahub.serve import rows as reading
from datahub.serve.filters import Cursor
from datahub.store import Store, records, releases
from datahub.web.portal import words

PREVIEW = 10
_NUMERIC = ("integer", "number")


class FieldRow(Struct, frozen=True):
    """A field of a table schema in words."""

    name: str
    title: str
    type: str
    constraints: list[str]
    pattern: str
    description: str
    unit: str


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
    snippets: list[tuple[str, str]]


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
    "SHA256SUMS": ("校验清单 SHA256SUMS", "所有文件的 SHA-256"),
    "datapackage.json": ("datapackage.json", "元数据和表结构（Data Package）"),
    "manifest.json": ("manifest.json", "本版文件清单和来源"),
}


def view(store: Store, engine: reading.Engine, name: str, base: str) -> dict[str, Any]:
    """Everything the page of a dataset needs; `base` is the address the visitor came by.

    Raises:
        DatasetUnknown: there is no such dataset, or it was taken off the catalog.

    """
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, name)
        if dataset.retired:
            raise DatasetUnknown(
                dataset=name, hint_zh="它已从目录中撤下。", hint_en="It was taken off the catalog."
            )
        history = releases.find(db, name)
        latest = next((r for r in history if r.version == dataset.latest), None)
        # What is not open for everybody shows its record, never its data.
        shown = latest if dataset.openness is Openness.OPEN else None
        package = releases.get_package(db, name, shown.version) if shown else dataset.package
    return {
        "dataset": dataset,
        "history": history,
        "latest": latest,
        "shown": shown,
        "record": _record(dataset, latest),
        "downloads": _downloads(dataset, shown) if shown else [],
        "sections": [
            _section(store, engine, dataset, shown, resource, base)
            for resource in package["resources"]
        ],
    }


def _record(dataset: Dataset, latest: Release | None) -> list[tuple[str, list[str], str]]:
    """Catalog record as term, parts of text and, where it helps, an address; no unknown items."""
    record = dataset.record
    contact, crs = record.get("contact", {}), str(record.get("crs", ""))
    cycle = str(record["update_cycle"])
    licenses = [
        f"{item['title']}（{item['name']}）"
        if item.get("title") and item.get("name")
        else str(item.get("title") or item.get("name") or item.get("path"))
        for item in dataset.package["licenses"]
    ]
    items: list[tuple[str, str | list[str], str]] = [
        ("发布机构", dataset.publisher_title, f"/?publisher={dataset.publisher}"),
        ("数据领域", dataset.theme_title, f"/?theme={dataset.theme}"),
        ("开放类型", OPENNESS_ZH[dataset.openness.value], ""),
        ("更新周期", words.UPDATE_CYCLE.get(cycle, cycle), ""),
        ("目录代码", str(record["code"]), ""),
        ("许可", licenses, ""),
        ("联系方式", [str(value) for value in contact.values()], ""),
        ("时间范围", _period(record.get("temporal", {})), ""),
        ("空间范围", str(record.get("spatial", "")), ""),
        ("坐标系", words.CRS.get(crs, crs), ""),
        ("元数据更新", words.local(dataset.modified), ""),
        ("数据更新", words.local(latest.released) if latest else "尚未发布", ""),
        ("版本", f"第 {latest.version} 版" if latest else "尚未发布", ""),
    ]
    parts = ((term, [text] if isinstance(text, str) else text, url) for term, text, url in items)
    return [item for item in parts if any(item[1])]


def _period(temporal: Json) -> list[str]:
    start, end = str(temporal.get("start", "")), str(temporal.get("end", ""))
    if start == end:
        return [start]
    return [f"{start or '…'} 至", end or "今"]


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
    label, about = _ABOUT.get(suffix, (file.path, file.media_type))
    return File(
        path=file.path,
        url=f"/d/{release.dataset}/{release.version}/{file.path}",
        label=label,
        about=about,
        bytes=file.bytes,
        sha256=file.sha256,
    )


def _section(
    store: Store,
    engine: reading.Engine,
    dataset: Dataset,
    release: Release | None,
    resource: Json,
    base: str,
) -> Section:
    schema, name = resource["schema"], resource["name"]
    files = {file.path: file for file in release.files} if release else {}
    table = files.get(f"{name}.parquet")
    preview = None
    if release is not None and table is not None:
        path = store.objects.public(dataset.name, release.version) / table.path
        preview = _preview(engine, path, schema, release.version, table.rows or 0)
    return Section(
        name=name,
        title=str(resource.get("title") or name),
        description=resource.get("description") or schema.get("description", ""),
        fields=[_field(field, schema) for field in schema["fields"]],
        missing=words.missing_values(schema),
        rows=table.rows if table else None,
        preview=preview,
        snippets=_snippets(base, dataset.name, name) if preview else [],
    )


def _field(field: Json, schema: Json) -> FieldRow:
    return FieldRow(
        name=field["name"],
        title=str(field.get("title") or field["name"]),
        type=words.field_type(field),
        constraints=words.constraints(field, schema),
        pattern=field.get("constraints", {}).get("pattern", ""),
        description=field.get("description", ""),
        unit=field.get("unit", ""),
    )


def _preview(engine: reading.Engine, path: Any, schema: Json, version: int, total: int) -> Preview:
    columns = reading.columns(engine, path, schema)
    start = Cursor(version=version, row=0, filters="")
    page = reading.page(engine, path, columns, (), start, rows=total, limit=PREVIEW)
    described = {field["name"]: field for field in schema["fields"]}
    fields = [described.get(name, {}) for name in page.names]
    return Preview(
        names=page.names,
        titles=[f.get("title", name) for f, name in zip(fields, page.names, strict=True)],
        numeric=[f.get("type") in _NUMERIC for f in fields],
        rows=page.rows,
        total=total,
    )


def _snippets(base: str, dataset: str, resource: str) -> list[tuple[str, str]]:
    """Short programs that read the resource, each with what it is for."""
    rows = f"{base}/api/v1/datasets/{dataset}/resources/{resource}/rows"
    file = f"{base}/d/{dataset}/latest/{resource}"
    return [
        ("命令行：按页取数据行（JSON）", f"curl '{rows}?limit=100'"),
        ("DuckDB：直接查询远程文件", f"select * from read_parquet('{file}.parquet') limit 10;"),  # noqa: S608 - shown, never run
        ("Python（pandas）", f'import pandas as pd\n\ndf = pd.read_csv("{file}.csv")'),
    ]
