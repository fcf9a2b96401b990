"""The description (OpenAPI 3.1) of one resource: its columns as typed parameters, its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from datahub.errors import ServiceUnavailable
from datahub.forms.names import FORMS
from datahub.serve import statistics
from datahub.serve.query.conditions import operators
from datahub.serve.query.tree import LISTS, MODIFIED
from datahub.serve.snippets import parameter
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.api.datasets import check_names
from datahub.web.api.rows import PAGE, QUESTION
from datahub.web.api.statistics import AsOf, Version, reading_of, table_of, unchanged
from datahub.web.description import PROBLEM, problem

if TYPE_CHECKING:
    from datahub.forms.columns import Column
    from datahub.model import Json
    from datahub.serve.reading import Table

MEDIA_TYPE = "application/vnd.oai.openapi+json"
FEW = 50
_LONGEST = 2000  # characters that are promised; longer ones are taken, addresses are not
_ANY = r"[\s\S]*"
_VALUES = {"BOOLEAN": "([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])"}
_VALUES |= dict.fromkeys(
    ("HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT"), "[+-]?[0-9]{1,38}"
)
"""What a value of a DuckDB type looks like, where one pattern takes every way of writing it."""
_JSON: dict[str, Json] = {
    "BIGINT": {"type": "integer"},
    "INTEGER": {"type": "integer"},
    "DECIMAL": {"type": "number"},
    "DOUBLE": {"type": "number"},
    "BOOLEAN": {"type": "boolean"},
    "DATE": {"type": "string", "format": "date"},
    "TIMESTAMP": {"type": "string"},
    "TIMESTAMP WITH TIME ZONE": {"type": "string", "format": "date-time"},
    "TIME": {"type": "string"},
}


def document(table: Table, stats: dict[str, Json], base: str, resource: Json) -> Json:
    """Describe the rows of a table; `resource` is its descriptor in the release's package."""
    fields = {field["name"]: field for field in table.schema["fields"]}
    path = f"/api/v1/datasets/{table.dataset}/resources/{table.resource}/rows"
    title = str(resource.get("title") or table.resource)
    parameters = [
        _parameter(column, fields.get(column.name, {}), stats.get(column.name, {}))
        for column in table.columns
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": f"v{table.version}",
            "description": str(resource.get("description") or table.schema.get("description", "")),
        },
        "servers": [{"url": base}],
        "tags": [{"name": "rows", "description": "数据行 Rows"}],
        "paths": {
            path: {
                "get": {
                    "operationId": "rows",
                    "tags": ["rows"],
                    "summary": f"{title}：数据行",
                    "description": "每列一个参数，写成“运算符.值”，各条件同时成立。"
                    " A parameter per column, `operator.value`; all conditions hold together.",
                    "parameters": parameters + _general(table, stats),
                    "responses": _responses(),
                }
            }
        },
        "components": {"schemas": {"Row": _row(table, fields), "Problem": PROBLEM}},
    }


def _parameter(column: Column, field: Json, stats: Json) -> Json:
    values = [item["value"] for item in stats.get("top", ())]
    known = values if 0 < len(values) == stats.get("distinct", 0) <= FEW else []
    typed = {"type": "string", "pattern": _pattern(column), "maxLength": _LONGEST}
    schema: Json = typed
    if known:  # the values there are; and beside them any other condition
        schema = {"anyOf": [{"type": "string", "enum": [_equal(v) for v in known]}, typed]}
    named = [str(field.get("title") or column.name), field.get("description", "")]
    unit = f"单位 {field['unit']}" if field.get("unit") else ""
    example = values[0] if values else stats.get("min")
    shown: Json = {
        "name": parameter(column.name),
        "in": "query",
        "description": "；".join(filter(None, [*named, unit, str(field.get("title_en") or "")])),
        "schema": schema,
        "x-column": {
            "name": column.name,
            "type": column.type,
            **{name: field[name] for name in ("unit", "title") if field.get(name)},
            **{name: stats[name] for name in ("distinct", "nulls", "min", "max") if name in stats},
        },
    }
    return shown | ({"example": _equal(example)} if _is_plain(example) else {})


def _pattern(column: Column) -> str:
    """Conditions on a column of this type: no pattern may refuse what the grammar takes."""
    known = operators(column)
    value = _VALUES.get(column.kind.split("(")[0], _ANY)
    single = "|".join(name for name in known if name not in (*LISTS, "in", "is"))
    each = "|".join(name for name in known if name in MODIFIED)
    forms = [r"is\.[A-Za-z_]+"]
    forms += [rf"({single})\.{value}"] if single else []
    forms += [rf"({each})\((any|all)\)\.\{{{_ANY}\}}"] if each else []
    forms += [rf"in\.\({_ANY}\)"] if "in" in known else []
    forms += [rf"({'|'.join(LISTS)})\.\{{{_ANY}\}}"] if LISTS[0] in known else []
    return rf"^(not\.)?({'|'.join(forms)})$"


def _equal(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"eq.{text}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _general(table: Table, stats: dict[str, Json]) -> list[Json]:
    """Parameters that every resource has, with examples of its own columns."""
    names = [parameter(column.name) for column in table.columns]
    few = (parameter(name) for name, told in stats.items() if 0 < told["distinct"] <= FEW)
    examples = {
        "select": ",".join(names[:2]),
        "order": f"{names[0]}.desc",
        "facet": next(few, names[0]),
        "version": f"v{table.version}",
        "limit": 5,
        "offset": 10,
        "format": "csv",
        "shape": "arrays",
        "count": "exact",
    }
    return [
        {"name": name, "in": "query", "description": words, "schema": _short(schema.to_schema())}
        | ({"example": examples[name]} if name in examples else {})
        for name, words, schema in (*QUESTION, *PAGE)
    ]


def _short(schema: Json) -> Json:
    longest = schema.get("maxLength", 0)
    return schema | {"maxLength": _LONGEST} if longest > _LONGEST else schema


def _responses() -> Json:
    several: Json = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    page: Json = {
        "type": "object",
        "required": ["data", "fields", "page", "total", "version"],
        "properties": {
            "data": {"anyOf": [several, {"type": "array", "items": {"type": "array"}},
                               {"type": "object"}]},
            "fields": {"type": "array", "items": {"type": "object"}},
            "page": {"type": "object"},
            "total": {"type": "object"},
            "version": {"type": "integer"},
        },
    }  # fmt: skip
    content: Json = {form.media_type.split(";")[0]: {} for form in FORMS.values()}
    refused = {
        "400": "a parameter is wrong, and what would be right",
        "406": "no form fits the Accept header, or the rows do not fit the form",
        "4XX": "refused for another reason, which is told",
        "503": "too busy; Retry-After tells when to try again",
    }
    return {
        "200": {
            "description": "一页数据行 A page of rows",
            "content": {**content, "application/json": {"schema": page}},
        },
        "304": {"description": "unchanged since the ETag of If-None-Match"},
        **{status: problem(words) for status, words in refused.items()},
    }


def _row(table: Table, fields: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "description": "所有列；select= 只取其中一部分。 All columns; `select` picks some of them.",
        "properties": {
            column.name: _cell(column, fields.get(column.name, {})) for column in table.columns
        },
    }


def _cell(column: Column, field: Json) -> Json:
    """JSON Schema of a column's cells."""
    shown = {"title": str(field.get("title") or column.name)}
    if field.get("description"):
        shown["description"] = str(field["description"])
    if column.type in ("array", "object", "geojson") and column.kind == "VARCHAR":
        return shown
    kind = _JSON.get(column.kind.split("(")[0], {"type": "string"})
    return shown | kind | {"type": [kind["type"], "null"]}


@get(
    "/api/v1/datasets/{dataset:str}/resources/{resource:str}/openapi.json",
    opt={"permission": Permission.CATALOG_READ},
    sync_to_thread=True,
    summary="The OpenAPI description of a resource",
    tags=["service"],
    media_type=MEDIA_TYPE,
    responses={
        200: ResponseSpec(
            dict[str, Any], description="OpenAPI 3.1", media_type=MEDIA_TYPE,
            generate_examples=False,
        )
    },
)  # fmt: skip
def get_resource_openapi(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    version: Version = None,
    as_of: AsOf = None,
) -> Response[Any]:
    """One typed parameter per column, with its values where they are few and a real example.

    For generators of clients, test tools and language models.
    """
    check_names(request, ("version", "as_of"))
    table = table_of(request, dataset, resource, version, as_of)
    base, reading = base_of(request), reading_of(request)
    headers, same = unchanged(request, table, "openapi", base)
    headers["vary"] = "Host"
    if same:
        return Response(b"", status_code=304, headers=headers)
    try:
        stats = statistics.columns(reading, table)
    except ServiceUnavailable:  # it goes without values and examples
        stats = {}
    package = reading.package(dataset, table.version)
    (found,) = (item for item in package["resources"] if item["name"] == resource)
    content = msgspec.json.encode(document(table, stats, base, found))
    return Response(content, headers=headers, media_type=MEDIA_TYPE)


routes: list[Any] = [get_resource_openapi]
