"""The SQL page: a statement, its parameters, what it answers, and what can be asked.

A statement runs where those of `/api/v1/sql` run (gate, query child, limits) and counts as heavy.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from anyio.to_thread import run_sync
from litestar import Response

from datahub.errors import BodyInvalid, DatahubError
from datahub.forms.columns import quote
from datahub.model import Struct
from datahub.serve.asking import prepare
from datahub.serve.sql import listing
from datahub.serve.sql.envelope import around
from datahub.serve.sql.tables import resolver
from datahub.web.address import base_of
from datahub.web.attending import attended
from datahub.web.limits import meter_of
from datahub.web.portal.render import page
from datahub.web.problems import wants_page
from datahub.web.sql_request import SqlBody, of_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar import Request

    from datahub.serve.reading import Reading

ROWS = 200
BYTES = 2 << 20
"""Of an answer on the page; downloads have the limits of the API."""
SHORT = 1800
"""Characters of a query that makes a good address; longer statements are not part of theirs."""
_LINK = 6000  # characters of an address that every client takes
_DATASETS = 200
_PARAMETERS = 20
_EXAMPLES = 3
_NUMERIC = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL|DOUBLE|FLOAT)\b")
_NAME = re.compile(
    r"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)|\$\$.*?(?:\$\$|\Z)"""
    r"""|\$(?P<tag>\w+)\$.*?(?:\$(?P=tag)\$|\Z)|\$(?P<name>[^\W\d]\w*)""",
    re.DOTALL,
)
"""Texts, quoted names and comments are passed over; each branch takes linear time."""
_FORMS = (("csv", "CSV"), ("xlsx", "Excel"), ("parquet", "Parquet"), ("json", "JSON"))
_decode = msgspec.json.Decoder(float_hook=str).decode


class Statement(Struct, frozen=True):
    """What the form holds: a statement, and values for its $names."""

    sql: str = ""
    names: tuple[str, ...] = ()
    values: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def query(self) -> str:
        """Query of the address of this statement, of the page and of the API."""
        given = [(f"p.{name}", self.values[name]) for name in self.names if name in self.values]
        return urlencode([("q", self.sql), *given], errors="replace")


class Result(Struct, frozen=True):
    """What a statement answered; `reason` tells why there is no more, None: there is none."""

    fields: list[tuple[str, str, bool]]  # name, DuckDB type, whether it is a number
    rows: list[list[Any]]
    reason: str | None
    seconds: float
    versions: list[dict[str, Any]]


class Group(Struct, frozen=True):
    """A dataset and its tables."""

    name: str
    title: str
    tables: list[listing.TableOf]


def read(given: Iterable[tuple[str, Any]]) -> Statement:
    """Read what a form or an address holds; values of names that are not there any more go."""
    found = {name: str(value) for name, value in given}
    sql = found.get("q", "").replace("\r\n", "\n").strip()
    names = dict.fromkeys(m["name"] for m in _NAME.finditer(sql) if m["name"])
    values = {name: found[f"p.{name}"] for name in names if f"p.{name}" in found}
    return Statement(sql, tuple(names)[:_PARAMETERS], values)


async def sent(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer a sent form: a short statement gets an address that can be shared.

    Raises:
        BodyInvalid: no form was sent.

    """
    if request.content_type[0] != "application/x-www-form-urlencoded":
        raise BodyInvalid(reason_zh="需要网页表单", reason_en="a form is expected")
    statement = read((await request.form()).multi_items())
    if len(statement.query) <= SHORT:
        where = f"/sql?{statement.query}" if statement.sql else "/sql"
        return Response(b"", status_code=303, headers={"location": where})
    return await answer(request, statement)


async def answer(request: Request[Any, Any, Any], statement: Statement) -> Response[Any]:
    """Answer with the page, and with what its statement finds once all $names have values."""
    reading: Reading = request.app.state.reading
    result, error = None, None
    missing = [name for name in statement.names if name not in statement.values]
    if statement.sql and not missing:
        try:
            result = await _result(request, reading, statement)
        except DatahubError as refused:
            if not wants_page(request.scope):
                raise
            error = refused
    total, groups, examples = await run_sync(_known, reading)
    retry = {}
    if error is not None and error.retryable:
        retry["retry-after"] = str(error.facts.get("retry_after", 30))
    settings, query = reading.store.settings, statement.query
    short = len(query) <= _LINK
    values: dict[str, Any] = {
        "statement": statement,
        "missing": missing,
        "result": result,
        "error": error,
        "pieces": _pieces(statement.sql, error),
        "groups": groups,
        "more": max(0, total - len(groups)),
        "examples": examples,
        "settings": settings,
        "most": min(ROWS, settings.sql_rows),
        "api": f"{base_of(request)}/api/v1/sql?{query}" if short else "",
        "downloads": [(t, f"/api/v1/sql.{form}?{query}") for form, t in _FORMS] if short else [],
        "shared": len(query) <= SHORT,
    }
    return page("sql.html", status=error.status if error else 200, headers=retry, **values)


async def _result(
    request: Request[Any, Any, Any], reading: Reading, statement: Statement
) -> Result:
    meter = meter_of(request)
    if meter is not None:
        await meter.hold()
    settings = reading.store.settings
    most = min(ROWS, settings.sql_rows)
    body = SqlBody(q=statement.sql, params=dict(statement.values), format="json", shape="arrays",
                   limit=most)  # fmt: skip
    question = of_body(request, settings, body).question
    bounds = msgspec.structs.replace(question.bounds, bytes=min(BYTES, settings.sql_bytes))
    question = msgspec.structs.replace(question, bounds=bounds)
    prepared = await attended(request, prepare(reading, question, resolver(reading)))
    found = await attended(request, prepared.run())
    before, after = around("json", found, "arrays")
    told = _decode(before + b"".join([piece async for piece in found.chunks]) + after)
    kinds = [(field["name"], field["type"]) for field in told["fields"]]
    return Result(
        fields=[(name, kind, bool(_NUMERIC.match(kind))) for name, kind in kinds],
        rows=told["data"],
        reason=told["reason"],
        seconds=float(told["seconds"]),
        versions=told["versions"],
    )


def _pieces(sql: str, error: DatahubError | None) -> tuple[str, str, str] | None:
    """The statement before, at and after the place that an error tells of; None: it tells none."""
    place = error.facts.get("position") if error else None
    if not isinstance(place, dict):
        return None
    at = min(place["offset"], len(sql))
    word = re.compile(r"\w+|.", re.DOTALL).match(sql, at)
    end = word.end() if word else at
    return sql[:at], sql[at:end], sql[end:]


# What can be asked ------------------------------------------------------------------------------


def _known(reading: Reading) -> tuple[int, list[Group], list[tuple[str, str]]]:
    """How many datasets there are, the first of them with their tables, and examples that run."""
    return reading.remembered(("portal", "sql"), lambda: _found(reading))


def _found(reading: Reading) -> tuple[int, list[Group], list[tuple[str, str]]]:
    total, tables = listing.tables(reading, None, None, _DATASETS, 0)
    groups = []
    for name, own in groupby(tables, key=lambda table: table.dataset):
        held = list(own)
        package = reading.package(name, held[0].version)
        groups.append(Group(name, str(package.get("title") or name), held))
    return total, groups, _examples(reading, tables)


def _examples(reading: Reading, tables: list[listing.TableOf]) -> list[tuple[str, str]]:
    """Statements with their titles: counts by a column of few values, and one with a parameter."""
    found: list[tuple[str, str]] = []
    for table in tables:
        fields = reading.table(table.dataset, table.resource).schema["fields"]
        few = [field for field in fields if field.get("constraints", {}).get("enum")]
        if not few:
            continue
        title = str(few[0].get("title") or few[0]["name"])
        if not found:
            sql = f"select * from {table.name}\nwhere {quote(few[0]['name'])} = $value\nlimit 20"  # noqa: S608
            value = {"value": str(few[0]["constraints"]["enum"][0])}
            query = Statement(sql, ("value",), value).query
            found.append((f"{table.title}：按{title}筛选，值作为参数", query))
        found.append((f"{table.title}：按{title}计数", Statement(table.example).query))
        if len(found) > _EXAMPLES:
            break
    return found
