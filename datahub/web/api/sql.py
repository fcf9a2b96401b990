"""Routes on SQL: ask, check without running, and what can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream

from datahub.forms.names import FORMS
from datahub.model import Struct, TableVersion
from datahub.serve.asking import prepare
from datahub.serve.files import FOREVER
from datahub.serve.sql import functions, listing
from datahub.serve.sql.envelope import around
from datahub.serve.sql.tables import resolver
from datahub.web.access import Permission
from datahub.web.answers import mark
from datahub.web.api.datasets import check_names
from datahub.web.attending import attended
from datahub.web.negotiation import matches
from datahub.web.sql_request import SHAPES, Asked, SqlBody, of_body, of_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from datahub.serve.asking import Answer, Prepared
    from datahub.serve.reading import Reading
    from datahub.serve.sql.pins import Resolve

_PUBLIC = {"permission": Permission.CATALOG_READ}
_HEAVY = _PUBLIC | {"heavy": True}  # see web.limits
_CACHE = "public, max-age=60, must-revalidate"
_SMALL = 256 << 10  # bytes of an answer that is sent at once
Sql = Annotated[str, QueryParameter(max_length=20_000, description="one SELECT; $name for p.name")]


class SqlField(Struct, frozen=True):
    """A column of an answer, with its type in DuckDB."""

    name: str
    type: str


class SqlAnswer(Struct, frozen=True):
    """Rows that a question found; `truncated` says whether there would be more, `reason` why.

    `reason` is rows, bytes or time; `versions` are the tables that were read: each in every
    version that was, and once.
    """

    data: list[Any]
    fields: list[SqlField]
    rows: int
    truncated: bool
    reason: str | None
    versions: list[TableVersion]
    seconds: float
    shape: str


class SqlCheck(Struct, frozen=True):
    """What a statement would read and give; `estimate` is how many rows DuckDB expects."""

    valid: bool
    tables: list[dict[str, Any]]
    fields: list[SqlField]
    estimate: int | None
    changing: bool


class FunctionList(Struct, frozen=True):
    """Functions that SQL may call, by topic."""

    data: tuple[functions.Topic, ...]


_ANSWERED = {200: ResponseSpec(SqlAnswer, description="the rows", generate_examples=False)}


@get(
    "/api/v1/sql",
    opt=_HEAVY,
    summary="Ask in SQL",
    tags=["sql"],
    responses=_ANSWERED,
)
async def ask_sql(
    request: Request[Any, Any, Any],
    q: Sql = "",
    form: Annotated[
        str | None,
        QueryParameter(
            name="format",
            description=f"else the ending of the path, else Accept: {', '.join(FORMS)}",
        ),
    ] = None,
    shape: Annotated[
        str | None, QueryParameter(description=f"of rows in JSON: {', '.join(SHAPES)}")
    ] = None,
    limit: Annotated[int | None, QueryParameter(ge=1, description="rows at most")] = None,
    timeout_ms: Annotated[int | None, QueryParameter(ge=1, description="time at most")] = None,
) -> Response[Any]:
    """One SELECT over open datasets: `from "dataset"."resource"`, pinned `"dataset@v3"."resource"`.

    DuckDB's SQL, with joins, windows and WITH. `p.name=value` is the text for `$name`; cast it
    (`$year::int`). An answer that reached a limit says so: `truncated` and `reason`, or the
    headers X-Truncated and X-Rows. Errors tell line, column and what would be right.
    """
    del q, form, shape, limit, timeout_ms  # described here, read with the parameters of $names
    return await answered(request, of_query(request, _reading(request).store.settings))


@get([f"/api/v1/sql{form.suffix}" for form in FORMS.values()], opt=_HEAVY, include_in_schema=False)
async def ask_sql_in_form(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer as `ask_sql`, in the form of the ending."""
    suffix = "." + request.url.path.rpartition(".")[2]
    settings = _reading(request).store.settings
    return await answered(request, of_query(request, settings, suffix))


@post(
    "/api/v1/sql",
    opt=_HEAVY,
    status_code=200,
    summary="Ask in SQL, with typed parameters",
    tags=["sql"],
    responses=_ANSWERED,
)
async def post_sql(request: Request[Any, Any, Any], data: JSONBody[SqlBody]) -> Response[Any]:
    """Ask as with GET; `params` are the values of `$name` as JSON has them: 5 is a number."""
    check_names(request, ())
    return await answered(request, of_body(request, _reading(request).store.settings, data))


@post(
    "/api/v1/sql/check",
    opt=_HEAVY,
    status_code=200,
    summary="Check a statement without running it",
    tags=["sql"],
)
async def check_sql(request: Request[Any, Any, Any], data: JSONBody[SqlBody]) -> SqlCheck:
    """Parse a statement and find its tables; tell the columns it gives and how many rows about."""
    check_names(request, ())
    reading = _reading(request)
    asked = of_body(request, reading.store.settings, data)
    question = msgspec.structs.replace(asked.question, only_check=True)
    prepared = await prepare(reading, question, resolver(reading))
    answer = await prepared.run()
    read = [
        {"dataset": t.dataset, "resource": t.resource, "version": t.version, "rows": t.rows}
        for t in prepared.tables
    ]
    fields = _fields(answer)
    return SqlCheck(True, read, fields, answer.estimate, prepared.changing)


@get(
    "/api/v1/sql/tables",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Tables that SQL may name",
    tags=["sql"],
)
def list_tables(
    request: Request[Any, Any, Any],
    q: Annotated[str | None, QueryParameter(max_length=200, description="words")] = None,
    dataset: Annotated[str | None, QueryParameter(max_length=100)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="datasets a page")] = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=10_000_000)] = 0,
) -> listing.Listing:
    """Tables of open datasets with columns, types, rows and a query on each that runs."""
    check_names(request, ("q", "dataset", "limit", "offset"))
    total, found = listing.tables(_reading(request), q, dataset, limit, offset)
    following = None
    if offset + limit < total:
        query = {"limit": limit, "offset": offset + limit} | ({"q": q} if q else {})
        following = f"/api/v1/sql/tables?{urlencode(query)}"
    return listing.Listing(data=found, datasets=total, next=following)


@get(
    "/api/v1/sql/functions",
    opt=_PUBLIC,
    sync_to_thread=False,
    summary="Functions that SQL may call",
    tags=["sql"],
)
def list_functions(request: Request[Any, Any, Any]) -> FunctionList:
    """Functions by topic, with an example of each topic; what is not here is refused."""
    check_names(request, ())
    return FunctionList(functions.TOPICS)


def _reading(request: Request[Any, Any, Any]) -> Reading:
    reading: Reading = request.app.state.reading
    return reading


async def answered(
    request: Request[Any, Any, Any],
    asked: Asked,
    *,
    resolve: Resolve | None = None,
    name: str = "sql",
    lasting: bool = False,
    kept: bool = True,
) -> Response[Any]:
    """Ask and answer; `name` is what the answer is saved under.

    `lasting`: it never changes where the tables that it reads are pinned. `kept`: it depends on
    nothing but its request and these tables.
    """
    reading = _reading(request)
    find = resolve or resolver(reading)
    prepared = await attended(request, prepare(reading, asked.question, find))
    headers = _headers(asked, prepared, name)
    if lasting and "etag" in headers and not any(table.latest for table in prepared.tables):
        headers["cache-control"] = FOREVER
    if request.method == "GET" and matches(request.headers.get("if-none-match"),
                                           headers.get("etag", "")):  # fmt: skip
        prepared.close()
        return Response(b"", status_code=304, headers=headers)
    answer = await attended(request, prepared.run())
    headers |= _outcome(answer)
    if answer.ending and answer.ending.truncated == "time":  # an idle server would find more
        headers = {name: value for name, value in headers.items() if name != "etag"}
        headers["cache-control"] = "no-store"
    if request.method == "GET" and kept and "etag" in headers and prepared.tables:
        mark(request, *prepared.tables)
    before, after = around(asked.form.name, answer, asked.question.shape)
    size = len(before) + len(after) + (answer.ending.bytes if answer.ending else 0)
    chunks = _framed(before, answer.chunks, after)
    if size > _SMALL:
        headers["content-length"] = str(size)
        return Stream(chunks, headers=headers)
    return Response(b"".join([part async for part in chunks]), headers=headers)


def _headers(asked: Asked, prepared: Prepared, name: str) -> dict[str, str]:
    """Headers that are known before the question runs."""
    headers = {
        "content-type": asked.form.media_type,
        "vary": "Accept",
        "link": '</api/v1/sql/tables>; rel="describedby"',
    }
    if asked.form.name not in ("json", "ndjson"):
        headers["content-disposition"] = f"attachment; filename={name}{asked.form.suffix}"
    if prepared.changing:
        return headers | {"cache-control": "no-store"}
    return headers | {"etag": asked.etag(prepared), "cache-control": _CACHE}


def _outcome(answer: Answer) -> dict[str, str]:
    """Headers that tell how it ended: rows, and why there are no more."""
    ending = answer.ending
    if ending is None:
        return {}
    read = ", ".join(
        f"{quote(f'{table.dataset}.{table.resource}')}={table.version}" for table in answer.versions
    )
    headers = {"x-rows": str(ending.rows)} | ({"x-versions": read} if read else {})
    if ending.truncated:
        headers["x-truncated"] = ending.truncated
    return headers


async def _framed(
    before: bytes, chunks: AsyncIterator[bytes], after: bytes
) -> AsyncIterator[bytes]:
    if before:
        yield before
    async for chunk in chunks:
        yield chunk
    if after:
        yield after


def _fields(answer: Answer) -> list[SqlField]:
    return [SqlField(name=field["name"], type=field["type"]) for field in answer.fields]


routes: list[Any] = [ask_sql, ask_sql_in_form, post_sql, check_sql, list_tables, list_functions]
