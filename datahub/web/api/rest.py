"""The PostgREST-compatible alias /rest/{dataset}.{resource}: for clients that speak that protocol.

https://docs.postgrest.org/en/stable/references/api/pagination_count.html and
…/resource_representation.html say what they expect; reading only.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from datahub.errors_catalog import DatasetMoved
from datahub.errors_ranges import RangeReversed
from datahub.errors_rows import NotAcceptable, RangeBeyond, RowsNotOne, TableNotNamed
from datahub.serve import rows
from datahub.serve.cursors import Start
from datahub.serve.query import plan as plans
from datahub.serve.query.scanner import invalid
from datahub.web import problems, rows_answer
from datahub.web.access import Permission
from datahub.web.answers import mark
from datahub.web.api.rows import RestOperation
from datahub.web.negotiation import best, matches
from datahub.web.rows_request import own_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.errors import DatahubError
    from datahub.forms.columns import Column
    from datahub.serve.query.plan import Plan
    from datahub.serve.reading import Reading, Table
    from datahub.serve.rows import Page

_JSON = "application/json; charset=utf-8"
_OBJECT, _ARRAY = "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"
_TYPES = {"application/json": "json", _OBJECT: "object", _ARRAY: "array", "text/csv": "csv"}
_COUNTS = ("exact", "planned", "estimated")
_PAGE_OF = ("limit", "offset")
_MOST = 1 << 53
_FORMAT = "rest 1"  # of an answer's bytes; a change of the code that changes them counts it up
_CODES = {
    "parameter-invalid": "PGRST100",
    "parameter-unknown": "42703",
    "table-not-named": "PGRST205",
    "dataset-unknown": "PGRST205",
    "resource-unknown": "PGRST205",
    "release-unknown": "PGRST205",
    "not-acceptable": "PGRST107",
    "rows-not-one": "PGRST116",
    "range-beyond": "PGRST103",
    "range-reversed": "PGRST103",
    "query-limit": "57014",
    "data-not-open": "42501",
}
"""Codes that such clients know: PostgREST's, and PostgreSQL's that it passes on."""


class _Wanted(NamedTuple):
    """A request in this protocol, understood."""

    table: Table
    plan: Plan
    form: str  # json, object, array, csv
    stripped: bool  # without keys that are null
    start: int
    limit: int
    counting: str | None  # exact, planned, estimated

    @property
    def etag(self) -> str:
        """Tag of the answer, as that of rows: weak where it depends on how long counting takes."""
        table = self.table
        told = (_FORMAT, table.dataset, table.version, table.resource, table.digest, self.form,
                self.stripped, self.start, self.limit, self.counting,
                self.plan.query.canonical)  # fmt: skip
        tag = f'"{sha256(repr(told).encode()).hexdigest()[:32]}"'
        return f"W/{tag}" if self.counting else tag


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer an error as everywhere, with the code, message, details and hint of PostgREST."""
    ours = problems.as_ours(request, error)
    if isinstance(ours, DatasetMoved):
        return _moved(request, ours)
    details = ours.text_zh
    if isinstance(ours, RowsNotOne):  # clients look for these words
        details = f"The result contains {ours.facts['rows']} rows"
    told = problems.body(ours, request.url.path, str(request.scope.get("request_id", "")))
    answered = problems.handle(request, error)
    if isinstance(ours, RangeBeyond):
        answered.headers["content-range"] = f"*/{ours.facts['total']}"
    if isinstance(ours, RangeReversed):
        answered.headers["content-range"] = "*/*"
    return Response(
        told
        | {
            "code": _CODES.get(ours.code, ours.code),
            "message": ours.text_en,
            "details": details,
            "hint": None,
        },
        status_code=ours.status,
        media_type=problems.MEDIA_TYPE,
        headers={name: value for name, value in answered.headers.items() if name != "content-type"},
    )


def _moved(request: Request[Any, Any, Any], error: DatahubError) -> Response[Any]:
    """Send who asks for a former name to the present one."""
    resource = request.path_params["table"].partition(".")[2]
    query = f"?{request.url.query}" if request.url.query else ""
    location = f"/rest/{error.facts['now']}.{resource}{query}"
    return Response(b"", status_code=308, headers={"location": location})


@get(
    "/rest/{table:str}",
    opt={"permission": Permission.CATALOG_READ},
    summary="Rows for clients of PostgREST",
    tags=["rows"],
    operation_class=RestOperation,
    exception_handlers={Exception: refused},
    responses={
        200: ResponseSpec(list[dict[str, Any]], description="rows", generate_examples=False),
        206: ResponseSpec(
            list[dict[str, Any]], description="rows of a range", generate_examples=False
        ),
    },
)  # fmt: skip
async def get_rest(request: Request[Any, Any, Any], table: FromPath[str]) -> Response[Any]:
    """Rows of `dataset.resource` as PostgREST answers: a bare array, the range in Content-Range.

    Range (items), Prefer: count=exact, limit, offset, select, order, conditions on columns and
    Accept: text/csv or application/vnd.pgrst.object+json mean what they mean there. At most
    10,000 rows come at once, as its db-max-rows does; Content-Range tells which.
    """
    return await run_sync(_answer, request, table)


def _answer(request: Request[Any, Any, Any], name: str) -> Response[Any]:
    reading: Reading = request.app.state.reading
    wanted = _wanted(request, reading, name)
    mark(request, wanted.table)
    if matches(request.headers.get("if-none-match"), wanted.etag):
        return Response(b"", status_code=304, headers=_kept(wanted))
    told: Callable[[Sequence[Column]], str] = rows_answer.row_text(wanted.form)
    if wanted.stripped:
        told = _stripped
    start = Start(wanted.start)
    page = rows.page(reading, wanted.table, wanted.plan, start, max(1, wanted.limit), told)
    if not wanted.limit:
        page = rows.Page([], more=True, last=None)
    total = _total(reading, wanted, page)
    if total is not None and wanted.start > total:
        raise RangeBeyond(offset=wanted.start, total=total)
    if wanted.form == "object" and len(page.rows) != 1:
        raise RowsNotOne(rows=len(page.rows))
    return Response(
        _body(wanted, page),
        status_code=206 if total is not None and len(page.rows) < total else 200,
        headers=_headers(wanted, page, total),
    )


def _wanted(request: Request[Any, Any, Any], reading: Reading, name: str) -> _Wanted:
    dataset, dot, resource = name.partition(".")
    if not dot:
        raise TableNotNamed(name=name[:80])
    pairs = [(key, str(value)) for key, value in request.query_params.multi_items()]
    own = own_parameters(pairs, _PAGE_OF)
    table = reading.table(dataset, resource)
    query = plans.read([pair for pair in pairs if pair[0] not in _PAGE_OF], table.columns)
    if query.facet:
        raise invalid("facet", "…", "这里没有地方放分面", "facets have no place here")
    accept = request.headers.get("accept")
    form = best(accept, _TYPES)
    if form is None:
        raise NotAcceptable(allowed=", ".join(_TYPES))
    most = 2 if form == "object" else reading.store.settings.page_rows
    start, limit = _range(request, own, most)
    return _Wanted(
        table=table,
        plan=plans.compiled(query, table.columns),
        form=form,
        stripped="nulls=stripped" in (accept or "") and form != "csv",
        start=start,
        limit=limit,
        counting=_counting(request.headers.get("prefer")),
    )


def _range(request: Request[Any, Any, Any], own: Any, most: int) -> tuple[int, int]:
    """First row and how many, from limit and offset, or from the Range header (items)."""
    start, stop = 0, None
    header = request.headers.get("range")
    unit = request.headers.get("range-unit", "items").strip().lower()
    if header and unit == "items" and not own:
        first, dash, last = header.strip().removeprefix("items=").partition("-")
        if not dash or not _is_number(first) or not (last == "" or _is_number(last)):
            return 0, most  # a range of another kind: RFC 9110 §14.2 lets it be ignored
        start = int(first)
        stop = int(last) + 1 if last else None
        if stop is not None and stop <= start:
            raise RangeReversed(range=header.strip()[:40])
        return start, most if stop is None else min(most, stop - start)
    for name, text in own.items():
        if not _is_number(text):
            raise invalid(name, text, "应为不小于 0 的整数", "give a whole number, 0 or more")
    return int(own.get("offset", 0)), min(most, int(own.get("limit", most)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 17 and int(text) < _MOST  # noqa: PLR2004


def _counting(prefer: str | None) -> str | None:
    for part in (prefer or "").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "count" and value.strip().strip('"') in _COUNTS:
            return value.strip().strip('"')
    return None


def _total(reading: Reading, wanted: _Wanted, page: Page) -> int | None:
    """How many rows there are, if that was asked and could be counted in its time."""
    if wanted.counting is None:
        return None
    if not page.more and page.rows:
        return wanted.start + len(page.rows)
    settings = reading.store.settings
    exact = wanted.counting == "exact"
    seconds = settings.query_seconds if exact else settings.count_seconds
    return rows.total(reading, wanted.table, wanted.plan, seconds)


def _body(wanted: _Wanted, page: Page) -> bytes:
    if wanted.form == "csv":
        return rows_answer.lined("csv", wanted.plan.columns, page.rows)
    if wanted.form == "object":
        return page.rows[0]
    return b"[" + b",\n ".join(page.rows) + b"]"


def _media_type(wanted: _Wanted) -> str:
    kinds = {"csv": "text/csv; charset=utf-8", "json": _JSON}
    kinds |= {"object": f"{_OBJECT}; charset=utf-8", "array": f"{_ARRAY}; charset=utf-8"}
    if wanted.stripped:
        return kinds[wanted.form].replace(";", "; nulls=stripped;", 1)
    return kinds[wanted.form]


def _headers(wanted: _Wanted, page: Page, total: int | None) -> dict[str, str]:
    last = wanted.start + len(page.rows) - 1
    told = f"{wanted.start}-{last}" if page.rows else "*"
    headers = _kept(wanted) | {
        "content-type": _media_type(wanted),
        "range-unit": "items",
        "content-range": f"{told}/{'*' if total is None else total}",
    }
    if wanted.counting:
        headers["preference-applied"] = f"count={wanted.counting}"
    return headers


def _kept(wanted: _Wanted) -> dict[str, str]:
    """Headers of an answer that is kept, and of one that the client has."""
    return {
        "etag": wanted.etag,
        "cache-control": "public, max-age=60, must-revalidate",
        "vary": "Accept, Prefer, Range, Range-Unit",
    }


def _stripped(columns: Sequence[Column]) -> str:
    """SQL of a row as an object without the keys that are null (a merge patch takes them out)."""
    return f"json_merge_patch('{{}}', {rows.as_object(columns)})::varchar"


routes: list[Any] = [get_rest]
