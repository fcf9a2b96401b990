"""The data page of a resource: rows with filters, order and pages; downloads of what is shown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Response

from datahub.errors import DatahubError, ParameterInvalid, ParameterUnknown, RequestError
from datahub.forms.columns import is_nested, literal
from datahub.model import Json, Struct
from datahub.serve import rows
from datahub.serve.query import plan as plans
from datahub.serve.query import text
from datahub.serve.snippets import Place, Snippet, parameter, place, snippets
from datahub.serve.statistics import SUFFIX
from datahub.store import records
from datahub.web import rows_answer
from datahub.web.address import base_of
from datahub.web.portal import filters, profile, words
from datahub.web.portal.render import page
from datahub.web.problems import wants_page
from datahub.web.rows_request import Asked, understood

if TYPE_CHECKING:
    from litestar import Request

    from datahub.model import Dataset
    from datahub.serve.reading import Reading, Table
    from datahub.serve.rows import Total

SIZES = (20, 50, 100, 500)
"""Rows a page that are offered; the last is the most that a page shows."""
ROWS = 50
NUMERIC = ("integer", "number", "year")
_NOT_HERE = ("format", "shape", "facet", "count")
_SPARE = 1  # empty lines of the form
_ALL = (("csv", "CSV"), ("xlsx", "Excel"), ("json", "JSON"), ("parquet", "Parquet"))
_PAGE = _ALL[:3]
_decode = msgspec.json.Decoder(float_hook=str).decode
"""Reads rows as they were told: 1.50 stays 1.50."""


class Head(Struct, frozen=True):
    """A column of the shown table."""

    name: str
    title: str
    type: str
    unit: str
    numeric: bool
    link: str  # to the next order by it; empty: it has none
    sorted: str  # ascending, descending; empty: not by this one
    profile: profile.ColumnProfile | None


class Shown(NamedTuple):
    """A page of rows and the addresses around it."""

    asked: Asked
    rows: list[list[Any]]
    total: Total
    following: str | None
    before: str | None


class _Place(Place, frozen=True):
    """A place that is read by the question of the page."""

    asked: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def question(self) -> dict[str, str]:
        return self.asked | {"limit": str(ROWS)}

    def file(self, suffix: str) -> str:
        return f"{self.rows.removesuffix('rows')}export.{suffix}?{urlencode(self.asked)}"


def answer(request: Request[Any, Any, Any], dataset: str, resource: str) -> Response[Any]:
    """Answer with the page, or lead a sent form to its address.

    Raises:
        DatahubError: there is no such resource, or it is not open to all.

    """
    pairs = tuple((name, str(value)) for name, value in request.query_params.multi_items())
    wanted = filters.submitted(pairs)
    if wanted is not None:
        path = f"/datasets/{dataset}/resources/{resource}"
        location = f"{path}?{urlencode(wanted)}" if wanted else path
        return Response(b"", status_code=303, headers={"location": location})
    reading: Reading = request.app.state.reading
    table = reading.table(dataset, resource)
    try:
        shown = _shown(reading, understood(request, dataset, resource), pairs)
    except RequestError as error:  # of the question: its form stays, to be mended
        if not wants_page(request.scope):
            raise
        values = _around(reading, table, pairs, base_of(request))
        return page("data.html", status=error.status, error=error, shown=None, **values)
    values = _around(reading, shown.asked.table, pairs, base_of(request))
    return page("data.html", error=None, **values | _of(shown, values["profiles"], values["base"]))


def _shown(reading: Reading, asked: Asked, pairs: filters.Pairs) -> Shown:
    for name, value in pairs:
        if name in _NOT_HERE:
            raise ParameterUnknown(name=name, allowed="limit, offset, cursor, version, as_of, …")
        if name == "limit" and asked.limit > SIZES[-1]:
            raise ParameterInvalid(
                name=name, value=value[:40],
                reason_zh=f"网页上每页最多 {SIZES[-1]} 行；更多请下载",
                reason_en=f"{SIZES[-1]} rows at most on a page; for more take a download",
            )  # fmt: skip
    if not any(name == "limit" for name, _ in pairs):
        asked = asked._replace(limit=ROWS)
    found = rows.page(reading, asked.table, asked.plan, asked.start, asked.limit)
    names = [column.name for column in asked.plan.columns]
    lines = [_decode(line) for line in found.rows]
    following, before = rows_answer.neighbours(reading, asked, found)
    return Shown(
        asked=asked,
        rows=[[line.get(name) for name in names] for line in lines],
        total=rows_answer.total_of(reading, asked, found),
        following=following and asked.address(cursor=following, **_UNPAGED),
        before=before and asked.address(cursor=before, **_UNPAGED),
    )


_UNPAGED: dict[str, None] = {"offset": None, "version": None, "as_of": None}
_FIRST: dict[str, None] = {"cursor": None, "offset": None}


def _around(reading: Reading, table: Table, pairs: filters.Pairs, base: str) -> dict[str, Any]:
    """What the page shows whether or not its question can be answered."""
    with reading.store.catalog.read() as db:
        dataset = records.get_dataset(db, table.dataset)
    package = reading.package(table.dataset, table.version)
    resource = next(item for item in package["resources"] if item["name"] == table.resource)
    fields = {field["name"]: field for field in table.schema["fields"]}
    conditions = filters.lines(pairs, table.columns)
    lines = [item for item in conditions if isinstance(item, filters.Line)]
    others = [item for item in conditions if isinstance(item, filters.Other)]
    stats = profile.read(table.path.with_name(f"{table.resource}{SUFFIX}"))
    told = {name for name, _ in pairs} & {"select", "having"}
    return {
        "dataset": dataset,
        "table": table,
        "resource": resource,
        "title": str(resource.get("title") or table.resource),
        "siblings": [(r["name"], r.get("title") or r["name"]) for r in package["resources"]],
        "latest": dataset.latest,
        "lines": lines + [filters.Line()] * _SPARE,
        "others": [(item, _without(item, table, pairs)) for item in others],
        "kept": _kept(pairs, others),
        "asks": bool(conditions or told or any(name in _TEXTS for name, _ in pairs)),
        "path": f"/datasets/{table.dataset}/resources/{table.resource}",
        "choices": [(c.name, str(fields[c.name].get("title") or c.name)) for c in table.columns],
        "operators": filters.OPERATORS,
        "q": next((value for name, value in pairs if name == "q"), ""),
        "profiles": profile.profiles(stats, table.schema) if stats else [],
        "base": base,
        "snippets": _snippets(dataset, resource, table, pairs, (stats, base)),
    }


_TEXTS = ("q", "geo.bbox", "geo.within")


def _kept(pairs: filters.Pairs, others: list[filters.Other]) -> list[tuple[str, str]]:
    """Parameters that the form sends on unseen: what has no line in it and is no page."""
    names = ("order", "limit", "version", "as_of", "select", "having", *_TEXTS[1:])
    return [p for p in pairs if p[0] in names] + [(o.name, o.value) for o in others if not o.wrong]


def _without(item: filters.Other, table: Table, pairs: filters.Pairs) -> str:
    left = [pair for pair in pairs if pair != (item.name, item.value) and pair[0] not in _FIRST]
    path = f"/datasets/{table.dataset}/resources/{table.resource}"
    return f"{path}?{urlencode(left)}" if left else path


def _of(shown: Shown, profiles: list[profile.ColumnProfile], base: str) -> dict[str, Any]:
    """What the page shows of an answer: heads, rows, and where they are for programs."""
    asked = shown.asked
    api = asked._replace(path=f"/api/v1{asked.path}/rows")
    version = str(asked.table.version)
    whole = asked._replace(path=f"/api/v1{asked.path}/export")
    unpaged: dict[str, str | None] = {**_FIRST, "limit": None}
    page_of = {"limit": str(asked.limit)}
    return {
        "shown": shown,
        "heads": _heads(asked, {item.name: item for item in profiles}),
        "first": asked.start.position + 1,
        "last": asked.start.position + len(shown.rows),
        "top": asked.address(**_FIRST) if asked.start.position else "",
        "sizes": [(size, asked.address(limit=str(size), **_FIRST)) for size in SIZES],
        "api": base + api.address(**page_of),
        "pinned": base + api.address(**page_of | {"version": version, "as_of": None})
        if not asked.pinned
        else "",
        "downloads": [
            (label, whole._replace(path=f"{whole.path}.{form}").address(**unpaged))
            for form, label in _ALL
        ],
        "page_downloads": [
            (label, api._replace(path=f"{api.path}.{form}").address(**page_of))
            for form, label in _PAGE
        ],
    }


def _heads(asked: Asked, profiles: dict[str, profile.ColumnProfile]) -> list[Head]:
    fields = {field["name"]: field for field in asked.table.schema["fields"]}
    order = asked.plan.query.order
    by = order[0] if len(order) == 1 and not order[0].operand.aggregate else None
    found = []
    for told, column in zip(msgspec.json.decode(asked.question.fields), asked.plan.columns,
                            strict=True):  # fmt: skip
        name = told["name"]
        own = by is not None and by.operand.column == name
        way = ("descending" if by and by.descending else "ascending") if own else ""
        following = {"": f"{parameter(name)}.asc", "ascending": f"{parameter(name)}.desc"}.get(way)
        plain = not asked.plan.grouped and not asked.plan.query.select
        found.append(
            Head(
                name=name,
                title=told["title"],
                type=words.field_type({"type": told["type"]}),
                unit=str(fields.get(name, {}).get("unit") or "") if plain else "",
                numeric=told["type"] in NUMERIC,
                link="" if is_nested(column.kind) else asked.address(order=following, **_FIRST),
                sorted=way,
                profile=profiles.get(name) if plain else None,
            )
        )
    return found


# Programs ---------------------------------------------------------------------------------------


def _snippets(
    dataset: Dataset,
    resource: Json,
    table: Table,
    pairs: filters.Pairs,
    known: tuple[Json | None, str],
) -> list[Snippet]:
    """Programs that read what the page shows, or else the resource with an example."""
    stats, base = known
    title = str(resource.get("title") or resource["name"])
    crs = str(dataset.record.get("crs") or "")
    columns = {column["name"]: column for column in stats["columns"]} if stats else {}
    plain = place(table, columns, base, title, pinned=False)
    try:
        asked = _as_mapping(table, pairs)
    except DatahubError:  # which the page tells
        asked = {}
    if not asked:
        return snippets(plain, crs)
    made = {item.lang: item for item in snippets(_Place(table, base, title, asked=asked), crs)}
    kept = [made[lang] for lang in ("curl", "python", "pandas", "duckdb", "javascript", "r",
                                    "excel")]  # fmt: skip
    address = _Place(table, base, title, asked=asked).file("parquet")
    duckdb = f"""\
install httpfs; load httpfs;
set force_download = true;  -- 结果是数据流，整个取回
select * from read_parquet({literal(address)});"""  # noqa: S608 - shown, never run here
    return [
        msgspec.structs.replace(item, code=duckdb) if item.lang == "duckdb" else item
        for item in kept
    ]


def _as_mapping(table: Table, pairs: filters.Pairs) -> dict[str, str]:
    """The question as names with one value each: conditions on one column become `and=(…)`."""
    asked = tuple(p for p in pairs if p[0] not in ("cursor", "offset", "limit"))
    if max(Counter(name for name, _ in asked).values(), default=0) < 2:  # noqa: PLR2004 - twice
        return dict(asked)
    own = {name: value for name, value in asked if name in ("version", "as_of")}
    query = plans.read(tuple(p for p in asked if p[0] not in own), table.columns)
    told = {name: value for name, value in asked if name in plans.ONCE or name in own}
    return told | {"and": f"({','.join(text.node(node) for _, node in query.where)})"}
