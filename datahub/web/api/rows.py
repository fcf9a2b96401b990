"""Routes on rows: pages and exports of a resource, in every form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.params import FromPath
from litestar.response import Stream

from datahub.forms.names import FORMS
from datahub.guard.text import content_disposition
from datahub.serve.query.tree import LONGEST
from datahub.web import rows_answer
from datahub.web.access import Permission
from datahub.web.answers import mark
from datahub.web.negotiation import matches
from datahub.web.rows_request import SHAPES, Asked, headers, understood

if TYPE_CHECKING:
    from datahub.serve.reading import Reading

_PUBLIC = {"permission": Permission.CATALOG_READ}
_HEAVY = _PUBLIC | {"heavy": True}  # see web.limits
_SHORT = 1000  # bytes of a query
_BASE = "/api/v1/datasets/{dataset:str}/resources/{resource:str}"


class Field(msgspec.Struct, frozen=True):
    """A column of an answer."""

    name: str
    title: str
    type: str


class PageOf(msgspec.Struct, frozen=True):
    """Where a page stands; `next` and `prev` are cursors, `max` is the largest limit."""

    limit: int
    max: int
    offset: int
    next: str | None
    prev: str | None


class Total(msgspec.Struct, frozen=True):
    """How many rows there are in all; atleast: counting took too long; none: nobody asked."""

    value: int | None
    kind: Literal["exact", "atleast", "none"]


class Facet(msgspec.Struct, frozen=True):
    """Most frequent values; `cut` says why not all are told: values (there are more) or time."""

    values: list[dict[str, Any]]
    other: int | None
    null: int | None
    distinct: int | None
    cut: Literal["values", "time"] | None


class Rows(msgspec.Struct, frozen=True):
    """A page of rows; `data` is a list of objects, or what `shape` asks for."""

    data: Any
    fields: list[Field]
    page: PageOf
    total: Total
    version: int
    facets: dict[str, Facet] | msgspec.UnsetType = msgspec.UNSET


@dataclass
class RowsOperation(Operation):
    """The description of a route that takes questions to a table."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), *map(_described, (*QUESTION, *PAGE))]


@dataclass
class ExportOperation(Operation):
    """The same, without pages."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), *map(_described, QUESTION)]


@dataclass
class RestOperation(Operation):
    """The same for clients of PostgREST: no formats, no versions."""

    def __post_init__(self) -> None:
        own = [item for item in (*QUESTION, *PAGE) if item[0] not in _NOT_REST]
        self.parameters = [*(self.parameters or []), *map(_described, own)]


def _described(item: tuple[str, str, Schema]) -> Parameter:
    name, words, schema = item
    return Parameter(name=name, param_in="query", description=words, schema=schema)


def _text(longest: int, *allowed: str) -> Schema:
    enum = list(allowed) or None
    return Schema(type=OpenAPIType.STRING, max_length=None if enum else longest, enum=enum)


_NOT_REST = ("version", "as_of", "format", "cursor", "count", "shape", "facet")
QUESTION = (
    (
        "select",
        "columns, `alias:column`, `column::cast`, `column.avg()`, `count()`: groups by the rest",
        _text(20_000),
    ),
    ("order", "`column.desc.nullslast,…`", _text(20_000)),
    ("having", "conditions on aggregates: `count().gt.5`", _text(20_000)),
    ("and", "`(column.op.value,or(…))`; also `not.and`", _text(LONGEST)),
    ("or", "`(column.op.value,and(…))`; also `not.or`", _text(LONGEST)),
    ("q", "words in text columns, all of them", _text(200)),
    ("geo.bbox", "west,south,east,north", _text(200)),
    ("geo.within", "lon,lat,metres", _text(200)),
    ("version", "3, v3 or latest", _text(40)),
    ("as_of", "the version that was latest at this date or time", _text(40)),
    ("format", "else the ending of the path, else Accept", _text(0, *FORMS)),
)
PAGE = (
    (
        "limit",
        "rows a page",
        Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=10_000, default=100),
    ),
    ("offset", "rows to leave out", Schema(type=OpenAPIType.INTEGER, minimum=0, default=0)),
    ("cursor", "`page.next` or `page.prev` of a page", _text(200)),
    ("count", "the total: else exact where that is cheap", _text(0, "exact", "none")),
    ("shape", "of `data` in JSON", _text(0, *SHAPES)),
    ("facet", "columns whose most frequent values are told", _text(2000)),
)


def _understood(
    request: Request[Any, Any, Any], dataset: str, resource: str, suffix: str
) -> Asked | Response[Any]:
    """What is asked; or 304, when the client has the answer."""
    asked = understood(request, dataset, resource, suffix)
    if "as_of" not in request.query_params:
        mark(request, asked.table)
    condition = request.headers.get("if-none-match")
    if condition is not None and matches(condition, asked.etag):
        return Response(b"", status_code=304, headers=headers(asked))
    return asked


async def _page(
    request: Request[Any, Any, Any], dataset: str, resource: str, suffix: str = ""
) -> Response[Any]:
    reading: Reading = request.app.state.reading
    if _is_short(request) and reading.known(dataset, resource) is not None:
        asked = _understood(request, dataset, resource, suffix)
    else:
        asked = await run_sync(_understood, request, dataset, resource, suffix)
    if isinstance(asked, Response):
        return asked
    if asked.form.name not in rows_answer.AT_ONCE:
        return await rows_answer.page_by_child(reading, asked)
    if rows_answer.is_at_hand(reading, asked):  # a thread would take longer than the answer
        return rows_answer.page(reading, asked)
    return await run_sync(rows_answer.page, reading, asked)


def _is_short(request: Request[Any, Any, Any]) -> bool:
    """Whether reading the question takes no time worth a thread."""
    query: bytes = request.scope["query_string"]
    return len(query) < _SHORT and b"version" not in query and b"as_of" not in query


@get(
    f"{_BASE}/rows",
    opt=_PUBLIC,
    summary="Rows of a resource",
    tags=["rows"],
    operation_class=RowsOperation,
    responses={200: ResponseSpec(Rows, description="a page of rows", generate_examples=False)},
)
async def get_rows(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Response[Any]:
    """A page of rows; any other parameter is a condition on a column, joined by AND.

    Conditions are PostgREST's: `column=op.value` with eq, neq, gt, gte, lt, lte, in, is,
    isdistinct, like, ilike, match, imatch, fts, cs, cd, ov, each after `not.` if need be, and
    `(any)` or `(all)` after an operator. A name in double quotes is always a column's. A cursor
    keeps to its version; `rows.csv` and the like are other forms of the same answer.
    """
    return await _page(request, dataset, resource)


@get(
    [f"{_BASE}/rows{form.suffix}" for form in FORMS.values()],
    opt=_PUBLIC,
    include_in_schema=False,
)
async def get_rows_in_form(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Response[Any]:
    """Answer as `get_rows`, in the form of the ending."""
    return await _page(request, dataset, resource, _suffix(request))


@get(
    f"{_BASE}/export",
    opt=_HEAVY,
    summary="All rows that a question finds, as a stream",
    tags=["rows"],
    operation_class=ExportOperation,
    responses={
        200: ResponseSpec(
            list[dict[str, Any]], description="all rows, in the form asked for",
            generate_examples=False,
        ),
        307: ResponseSpec(
            None, description="the released file is the answer", generate_examples=False
        ),
    },
)  # fmt: skip
async def get_export(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Response[Any]:
    """Everything that the conditions of `rows` let through, without pages.

    A whole table in a form that was released is redirected to its file. An answer that cannot be
    finished is broken off, so that no client takes it for whole; NDJSON ends in `{"@error": …}`.
    """
    return await _export(request, dataset, resource)


@get(
    [f"{_BASE}/export{form.suffix}" for form in FORMS.values()],
    opt=_HEAVY,
    include_in_schema=False,
)
async def get_export_in_form(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Response[Any]:
    """Answer as `get_export`, in the form of the ending."""
    return await _export(request, dataset, resource, _suffix(request))


async def _export(
    request: Request[Any, Any, Any], dataset: str, resource: str, suffix: str = ""
) -> Response[Any]:
    reading: Reading = request.app.state.reading

    def begin() -> Response[Any] | Asked:
        asked = rows_answer.exported(understood(request, dataset, resource, suffix))
        return rows_answer.released_file(asked) or asked

    found = await run_sync(begin)
    if isinstance(found, Response):
        return found
    chunks, more = await rows_answer.export(reading, found)
    named = {"content-disposition": content_disposition(f"{resource}{found.form.suffix}")}
    return Stream(chunks, headers=headers(found) | more | named)


def _suffix(request: Request[Any, Any, Any]) -> str:
    return "." + request.url.path.rpartition(".")[2]


routes: list[Any] = [get_rows, get_rows_in_form, get_export, get_export_in_form]
