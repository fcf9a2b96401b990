"""Answers to requests for rows: pages made here or by a query child, and exports as streams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from anyio.to_thread import run_sync
from litestar import Response

from datahub import errors_forms  # noqa: F401 - errors of children are found by their codes
from datahub.errors import DatahubError
from datahub.errors_query import QueryLimit
from datahub.forms import texts
from datahub.forms.columns import row_number
from datahub.serve import cursors, rows
from datahub.serve.asking import Bounds, Question, ask
from datahub.serve.cursors import Cursor, Start
from datahub.serve.query.conditions import Bound
from datahub.serve.query.scanner import invalid
from datahub.web.rows_request import Asked, headers, links

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from datahub.forms.columns import Column
    from datahub.serve.asking import Answer
    from datahub.serve.reading import Reading, Table
    from datahub.serve.rows import Page, Total

AT_ONCE = ("json", "ndjson", "csv", "tsv")
"""Forms that are made here: DuckDB tells each row as one text."""
_SEPARATORS = {"csv": ",", "tsv": "\t"}
_ENDLESS = 1 << 62
_FEW = 1000  # rows that are read while other requests wait


# Pages ----------------------------------------------------------------------------------------


def is_at_hand(reading: Reading, asked: Asked) -> bool:
    """Whether a page is but lines of a file, and not very many."""
    if asked.limit > _FEW or asked.shape != "objects" or asked.form.name not in ("json", "ndjson"):
        return False
    return rows.at_hand(reading, asked.table, asked.plan, asked.start, asked.limit)


def page(reading: Reading, asked: Asked) -> Response[Any]:
    """Answer with a page that is made here."""
    found = rows.page(reading, asked.table, asked.plan, asked.start, asked.limit, _row_of(asked))
    total = total_of(reading, asked, found)
    following, before = neighbours(reading, asked, found)
    if asked.form.name == "json":
        body = _envelope(reading, asked, found, total, following, before)
    else:
        body = lined(asked.form.name, asked.plan.columns, found.rows)
    return Response(body, headers=_page_headers(asked, total, following, before))


async def page_by_child(reading: Reading, asked: Asked) -> Response[Any]:
    """Answer with a page in a form that a query child makes."""
    page_, total, question = await run_sync(_question_of_page, reading, asked)
    following, before = neighbours(reading, asked, page_)
    answer = await ask(reading, question, partial(_table, asked.table))
    body = await _whole(answer)
    return Response(body, headers=_page_headers(asked, total, following, before))


def _question_of_page(reading: Reading, asked: Asked) -> tuple[Page, Total, Question]:
    plan, table, start, limit = asked.plan, asked.table, asked.start, asked.limit
    if plan.grouped:
        page_ = rows.page(reading, table, plan, start, limit)
        sql, values = _sql(asked, [plan.where])
        sql, values = f"{sql} limit ? offset ?", [*values, limit, start.position]
    else:
        numbers = rows.row_numbers(reading, table, plan, start, limit)
        last = numbers[:limit][-1] if numbers else None
        page_ = rows.Page([b""] * len(numbers[:limit]), more=len(numbers) > limit, last=last)
        chosen = Bound(f"{_row(table)} in (select unnest(?::bigint[]))", (numbers[:limit],))
        sql, values = _sql(asked, [chosen])
        if not plan.keys:
            sql += f" order by {_row(table)}"
    question = Question(
        sql=sql, values=values, trusted=True, form=asked.form, crs=_crs(reading, asked.table),
        title=table.resource, bounds=_bounds(reading, limit),
    )  # fmt: skip
    return page_, total_of(reading, asked, page_), question


def _bounds(reading: Reading, limit: int) -> Bounds:
    settings = reading.store.settings
    return Bounds(seconds=settings.query_seconds, rows=limit + 1, bytes=settings.sql_bytes * 4)


def total_of(reading: Reading, asked: Asked, page_: Page) -> Total:
    """How many rows a question finds: known from its last page, counted, or at least so many."""
    seen = asked.start.position + len(page_.rows)
    if asked.counting == "none":
        return rows.Total(None, "none")
    if not page_.more and (page_.rows or not asked.start.position):
        return rows.Total(seen, "exact")
    settings = reading.store.settings
    seconds = settings.query_seconds if asked.counting == "exact" else settings.count_seconds
    found = rows.total(reading, asked.table, asked.plan, seconds)
    return rows.Total(seen + page_.more, "atleast") if found is None else rows.Total(found, "exact")


def lined(form: str, columns: Sequence[Column], lines: Sequence[bytes]) -> bytes:
    """Join rows to the body of a form of lines."""
    head = b""
    if form in _SEPARATORS:
        head = texts.separated_head(columns, _SEPARATORS[form]).encode()
    return head + b"".join(line + b"\n" for line in lines)


def row_text(form: str) -> Callable[[Sequence[Column]], str]:
    """SQL of a row in a form of lines."""
    if form in _SEPARATORS:
        return partial(texts.separated_row, separator=_SEPARATORS[form])
    return rows.as_object


def _row_of(asked: Asked) -> Callable[[Sequence[Column]], str]:
    return rows.as_array if asked.shape != "objects" else row_text(asked.form.name)


def _envelope(
    reading: Reading,
    asked: Asked,
    page_: Page,
    total: Total,
    following: str | None,
    before: str | None,
) -> bytes:
    """JSON around the rows, which stand in it as DuckDB told them."""
    settings = reading.store.settings
    if asked.shape == "columns":
        data = rows.transposed([column.name for column in asked.plan.columns], page_.rows)
    else:
        data = b"[" + b",\n".join(page_.rows) + b"]"
    rest: dict[str, Any] = {
        "fields": msgspec.Raw(asked.question.fields),
        "page": {
            "limit": asked.limit,
            "max": settings.page_rows,
            "offset": asked.start.position,
            "next": following,
            "prev": before,
        },
        "total": total._asdict(),
        "version": asked.table.version,
    }
    if asked.plan.query.facet:
        rest["facets"] = rows.facets(reading, asked.table, asked.plan, settings.query_seconds)
    return b'{"data":' + data + b"," + msgspec.json.encode(rest)[1:]


def neighbours(reading: Reading, asked: Asked, page_: Page) -> tuple[str | None, str | None]:
    """Cursors of the next page and of the one before."""
    data, position = reading.store.settings.data, asked.start.position

    def cursor(start: Start) -> str:
        return cursors.write(data, Cursor(asked.table.version, start, asked.question.fingerprint))

    following = cursor(Start(position + len(page_.rows), page_.last)) if page_.more else None
    before = cursor(Start(max(0, position - asked.limit))) if position else None
    return following, before


def _page_headers(
    asked: Asked, total: Total, following: str | None, before: str | None
) -> dict[str, str]:
    # As media_type the framework would add a second charset to texts.
    found = headers(asked) | {"content-type": asked.form.media_type}
    if total.kind == "exact":
        found["x-total-rows"] = str(total.value)
    if total.kind == "atleast":  # an idle server would count further
        found["cache-control"] = "public, max-age=60"
    told = links(asked, following, before)
    if told:
        found["link"] = told
    return found


# Exports --------------------------------------------------------------------------------------


def exported(asked: Asked) -> Asked:
    """Make sure that a request asks for all rows, not for a page.

    Raises:
        ParameterInvalid: it has parameters of pages.

    """
    for name, _ in asked.pairs:
        if name in ("limit", "offset", "cursor", "shape", "count", "facet"):
            raise invalid(name, "…", "export 不分页，没有这个参数",
                          "an export has no pages and not this parameter")  # fmt: skip
    return asked


def released_file(asked: Asked) -> Response[Any] | None:
    """Redirect to the file of the release that is the answer; None: there is none."""
    plan, table = asked.plan, asked.table
    if plan.query.filtered or plan.query.select or plan.keys:
        return None
    path = f"{table.resource}{asked.form.suffix}"
    if not any(file.path == path for file in table.files):
        return None
    location = quote(f"/d/{table.dataset}/{table.version}/{path}")
    more = {"location": location, "x-total-rows": str(table.rows)}
    return Response(b"", status_code=307, headers=headers(asked) | more)


async def export(reading: Reading, asked: Asked) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    """Begin a stream of all rows; what is known of it goes into headers."""
    settings = reading.store.settings
    total = await run_sync(rows.total, reading, asked.table, asked.plan, settings.count_seconds)
    sql, values = _sql(asked, [asked.plan.where])
    question = Question(
        sql=sql, values=values, trusted=True, form=asked.form, whole=False,
        crs=_crs(reading, asked.table), title=asked.table.resource,
        bounds=Bounds(seconds=settings.job_seconds, rows=_ENDLESS, bytes=settings.job_bytes),
    )  # fmt: skip
    answer = await ask(reading, question, partial(_table, asked.table))
    name = quote(f"{asked.table.resource}{asked.form.suffix}")
    more = {
        "content-type": asked.form.media_type,
        "content-disposition": f"attachment; filename*=UTF-8''{name}",
    }
    if total is not None:
        more["x-total-rows"] = str(total)
    return told(answer, asked.form.name), more


async def told(answer: Answer, form: str) -> AsyncIterator[bytes]:
    """Pieces of an answer up to its end; one that is cut ends in an error, never cleanly."""
    try:
        if form == "json":
            yield b"[\n"
        async for chunk in answer.chunks:
            yield chunk
        if answer.ending is None or answer.ending.truncated:
            reason = "time" if answer.ending is None else answer.ending.truncated
            raise QueryLimit(reason_zh=f"导出超过上限（{reason}）", reason_en=f"limit of {reason}")
        if form == "json":
            yield b"\n]\n"
    except DatahubError as error:
        if form == "ndjson":
            told = {"code": error.code, "detail": error.text_en, "detail_zh": error.text_zh}
            yield msgspec.json.encode({"@error": told}) + b"\n"
        raise


# Questions for a child ------------------------------------------------------------------------


def _sql(asked: Asked, where: Sequence[Bound]) -> tuple[str, list[Any]]:
    """SQL of a plan on the table as a child knows it."""
    table = asked.table
    sql, values = rows.selected(
        asked.plan, rows.named(table.dataset, table.resource), _row(table), where
    )
    return sql, list(values)


def _row(table: Table) -> str:
    """Name of the number of a row, as a child knows it."""
    return f"t.{row_number(column.name for column in table.columns)}"


def _table(table: Table, schema: str, name: str) -> Table:  # noqa: ARG001 - the only one
    return table


def _crs(reading: Reading, table: Table) -> str:
    record = reading.package(table.dataset, table.version).get("catalog") or {}
    return str(record.get("crs") or "")


async def _whole(answer: Answer) -> bytes:
    body = b"".join([chunk async for chunk in answer.chunks])
    if answer.ending is None or answer.ending.truncated in ("time", "bytes"):
        reason = "time" if answer.ending is None else str(answer.ending.truncated)
        raise QueryLimit(reason_zh=f"结果超过上限（{reason}）", reason_en=f"limit of {reason}")
    return body
