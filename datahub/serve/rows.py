"""Rows, groups, totals and facets of a table, told by DuckDB as JSON: Python joins texts only.

A release never changes and its rows have numbers, so neither does a page. Where rows are read
from, and what of a page is at hand without any query, is `sources`' to say.
"""

# ruff: noqa: S608 - names are those of the schema, in quotes, and values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import msgspec

from datahub.errors_query import QueryLimit
from datahub.forms.columns import is_nested, json_of, json_row, quote, text_of
from datahub.serve import orders, sources
from datahub.serve.query import keyset
from datahub.serve.query.conditions import Bound, joined
from datahub.serve.query.outputs import of_table
from datahub.serve.query.scanner import invalid
from datahub.serve.query.tree import leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datahub.errors import ParameterInvalid
    from datahub.forms.columns import Column
    from datahub.model import Json
    from datahub.serve.cursors import Start
    from datahub.serve.engine import Engine
    from datahub.serve.query.plan import Plan
    from datahub.serve.reading import Reading, Table

TOP = 50
"""Values of a facet."""
_ROW = "row number"  # the name of it in inner statements, where no column has it


class Page(NamedTuple):
    """Rows as texts, whether there are more, and the number of the last one (None: groups)."""

    rows: list[bytes]
    more: bool
    last: int | None


class Total(NamedTuple):
    """How many rows there are: exact, atleast, or none when nobody counted."""

    value: int | None
    kind: str


def as_object(columns: Sequence[Column]) -> str:
    """SQL of a row as a JSON object, as in the NDJSON file."""
    return json_row(columns)


def as_array(columns: Sequence[Column]) -> str:
    """SQL of a row as a JSON array."""
    return f"json_array({', '.join(map(json_of, columns))})::varchar"


# Pages ----------------------------------------------------------------------------------------


def page(
    reading: Reading,
    table: Table,
    plan: Plan,
    start: Start,
    limit: int,
    told: Callable[[Sequence[Column]], str] = as_object,
) -> Page:
    """Read up to `limit` rows, each as the text that `told` makes of it.

    Raises:
        QueryLimit: it takes more time or memory than a question may.
        ParameterInvalid: a value cannot be cast, a regular expression does not parse.

    """
    if plan.grouped:
        return _groups(reading, table, plan, start, limit, told)
    plain = told is as_object and plan.whole_rows
    if not plan.query.filtered and not plan.keys:
        return _window(reading, table, plan, start.position, limit, told, plain=plain)
    which = orders.asked(plan, table) if plain or plan.keys else None
    found = orders.page(reading, table, which, start.position, limit) if which else None
    numbers, rows = found or (None, None)
    if numbers is None and plain and sources.at_hand(reading, table):
        numbers = row_numbers(reading, table, plan, start, limit)
    if numbers is None:
        return _selected(reading, table, plan, start, limit, told)
    if not plain:
        rows = None
    elif rows is None:
        rows = sources.lines(reading, table, numbers[:limit])
    if rows is None:
        rows = _by_number(reading, table, plan, numbers[:limit], told)
    return _paged(rows, numbers, limit)


def at_hand(reading: Reading, table: Table, plan: Plan, start: Start, limit: int) -> bool:
    """Whether a page of objects takes a few reads of files and no more."""
    if plan.grouped or plan.query.facet or not plan.whole_rows:
        return False
    if not plan.query.filtered and not plan.keys:
        return sources.at_hand(reading, table)
    which = orders.asked(plan, table)
    return which is not None and orders.at_hand(reading, table, which, start.position, limit)


def row_numbers(reading: Reading, table: Table, plan: Plan, start: Start, limit: int) -> list[int]:
    """Read the numbers of the rows of a page and of one more."""
    if not plan.query.filtered and not plan.keys:
        return list(range(start.position, min(table.rows, start.position + limit + 1)))
    which = orders.asked(plan, table)
    found = orders.page(reading, table, which, start.position, limit) if which else None
    if found is not None:
        return found.numbers
    source = sources.source(reading, table)
    sql, values = _statement(reading, plan, source, start, limit, f"t.{source.row}")
    return [row for (row,) in _run(reading, plan, sql, values)]


def _window(
    reading: Reading,
    table: Table,
    plan: Plan,
    position: int,
    limit: int,
    told: Callable[[Sequence[Column]], str],
    *,
    plain: bool,
) -> Page:
    """Rows in the order of the file: their position is their number."""
    stop = min(table.rows, position + limit)
    rows = sources.window(reading, table, position, limit) if plain else None
    if rows is None:
        source = sources.source(reading, table)
        inner = (
            f"select {_listed(plan)} from {source.relation} as t"
            f" where t.{source.row} between ? and ?"
        )
        values = [*source.values, position, stop - 1]
        found = _run(reading, plan, f"select {told(plan.columns)} from ({inner})", values)
        rows = [text.encode() for (text,) in found]
    return Page(rows, more=stop < table.rows, last=stop - 1)


def _selected(
    reading: Reading,
    table: Table,
    plan: Plan,
    start: Start,
    limit: int,
    told: Callable[[Sequence[Column]], str],
) -> Page:
    """Rows of a page by one statement, which makes texts of these rows only."""
    source = sources.source(reading, table)
    row = _free(plan)
    listed = f"{_listed(plan)}, t.{source.row} as {row}"
    inner, values = _statement(reading, plan, source, start, limit, listed)
    found = _run(reading, plan, f"select {told(plan.columns)}, {row} from ({inner})", values)
    return _paged([text.encode() for text, _ in found], [row for _, row in found], limit)


def _by_number(
    reading: Reading,
    table: Table,
    plan: Plan,
    numbers: Sequence[int],
    told: Callable[[Sequence[Column]], str],
) -> list[bytes]:
    source = sources.source(reading, table)
    row = _free(plan)
    inner = (
        f"select {_listed(plan)}, t.{source.row} as {row} from {source.relation} as t"
        f" where t.{source.row} in (select unnest(?::bigint[]))"
    )
    sql = f"select {row}, {told(plan.columns)} from ({inner})"
    found = dict(_run(reading, plan, sql, [*source.values, list(numbers)]))
    return [found[number].encode() for number in numbers]


def _groups(
    reading: Reading,
    table: Table,
    plan: Plan,
    start: Start,
    limit: int,
    told: Callable[[Sequence[Column]], str],
) -> Page:
    source = sources.source(reading, table)
    inner, values = _statement(reading, plan, source, start, limit, _listed(plan))
    found = _run(reading, plan, f"select {told(plan.columns)} from ({inner})", values)
    rows = [text.encode() for (text,) in found]
    return Page(rows[:limit], more=len(rows) > limit, last=None)


def _paged(rows: list[bytes], numbers: Sequence[int], limit: int) -> Page:
    last = numbers[:limit][-1] if numbers else None
    return Page(rows[:limit], more=len(numbers) > limit, last=last)


def _statement(
    reading: Reading,
    plan: Plan,
    source: sources.Source,
    start: Start,
    limit: int,
    listed: str,
) -> tuple[str, list[Any]]:
    """SQL of a page and of one row more; after a known row by its keys, else by counting."""
    conditions, skipped = [plan.where], start.position
    if start.row is not None and not plan.grouped:
        conditions.append(_after(reading, plan, source, start.row))
        skipped = 0
    sql, values = body(plan, f"{source.relation} as t", f"t.{source.row}", conditions)
    return f"select {listed} {sql} limit ? offset ?", [*source.values, *values, limit + 1, skipped]


def _after(reading: Reading, plan: Plan, source: sources.Source, row: int) -> Bound:
    """Condition of rows behind a row; what it is ordered by is looked up."""
    number = f"t.{source.row}"
    if not plan.keys:
        return Bound(f"{number} > ?", (row,))
    listed = ", ".join(key.sql for key in plan.keys)
    sql = f"select {listed} from {source.relation} as t where {number} = ?"
    (values,) = _run(reading, plan, sql, [*source.values, row])
    return keyset.after(plan.keys, values, number, row)


def body(
    plan: Plan, relation: str, row: str, where: Sequence[Bound]
) -> tuple[str, tuple[Any, ...]]:
    """SQL from FROM to ORDER BY, and its values apart from those of the relation."""
    kept = joined([part for part in where if part.sql != "true"], "and")
    parts, values = [f"from {relation}"], kept.values
    if kept.sql != "true":
        parts.append(f"where {kept.sql}")
    if plan.grouped:
        if plan.groups:
            parts.append(f"group by {', '.join(plan.groups)}")
        if plan.having.sql != "true":
            parts.append(f"having {plan.having.sql}")
            values += plan.having.values
    order = plan.order_by(row)
    if order:
        parts.append(f"order by {order}")
    return " ".join(parts), values


def selected(
    plan: Plan, relation: str, row: str, where: Sequence[Bound]
) -> tuple[str, tuple[Any, ...]]:
    """SQL of all that a plan selects from a relation, and its values."""
    sql, values = body(plan, f"{relation} as t", row, where)
    return f"select {_listed(plan)} {sql}", values


def named(dataset: str, resource: str) -> str:
    """Name of a table for a query child."""
    return f"{quote(dataset)}.{quote(resource)}"


def _listed(plan: Plan) -> str:
    return ", ".join(f"{output.sql} as {quote(output.column.name)}" for output in plan.outputs)


def _free(plan: Plan) -> str:
    """Name of the row number that no column of the answer has."""
    return quote(_unlike(_ROW, {column.name.lower() for column in plan.columns}))


def _unlike(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    return name


# Totals and facets ----------------------------------------------------------------------------


def total(reading: Reading, table: Table, plan: Plan, seconds: float) -> int | None:
    """Count what a question finds; None when that takes longer than `seconds`.

    A count, or that it takes too long, is remembered until the catalog changes.
    """
    if not plan.query.filtered and not plan.grouped:
        return table.rows
    which = orders.asked(plan, table)
    known = orders.total(reading, table, which) if which is not None else None
    if known is not None:
        return known
    asked = msgspec.structs.replace(plan.query, order=(), facet=()).canonical
    return reading.remembered(
        ("total", table, asked, seconds), lambda: _count(reading, table, plan, seconds)
    )


def _count(reading: Reading, table: Table, plan: Plan, seconds: float) -> int | None:
    source = sources.source(reading, table)
    unordered = plan._replace(keys=())
    sql, values = body(unordered, f"{source.relation} as t", f"t.{source.row}", [plan.where])
    if plan.grouped:
        sql = f"from (select 1 {sql.partition(' order by ')[0]})"
    try:
        found = _run(reading, plan, f"select count(*) {sql}", [*source.values, *values], seconds)
    except QueryLimit:
        return None
    return int(found[0][0])


def facets(reading: Reading, table: Table, plan: Plan, seconds: float) -> Json:
    """Most frequent values of the facets' columns among the rows that are found.

    Each has `values` (value, count), `other`, `null`, `distinct`, and `cut`: null, or why not all
    is told (values: there are more; time: nothing was counted).
    """
    return {name: _facet(reading, table, plan, name, seconds) for name in plan.query.facet}


def _facet(reading: Reading, table: Table, plan: Plan, name: str, seconds: float) -> Json:
    (column,) = [column for column in table.columns if column.name == name]
    source = sources.source(reading, table)
    plain = plan._replace(keys=(), grouped=False)
    sql, values = body(plain, f"{source.relation} as t", "", [plan.where])
    statement = (
        f"with g as (select {of_table(name)} as v, count(*) as n {sql} group by 1)"
        f" select to_json({json_of(column, 'v')})::varchar, n, v is null,"
        " count(v) over (), sum(n) over ()"
        f" from g order by v is null desc, n desc, v limit {TOP + 1}"
    )
    try:
        found = _run(reading, plan, statement, [*source.values, *values], seconds)
    except QueryLimit:
        return {"values": [], "other": None, "null": None, "distinct": None, "cut": "time"}
    missing = sum(row[1] for row in found if row[2])
    top = [row for row in found if not row[2]][:TOP]
    distinct, rows = (found[0][3], int(found[0][4])) if found else (0, 0)
    return {
        "values": [{"value": msgspec.Raw(row[0].encode()), "count": row[1]} for row in top],
        "other": rows - missing - sum(row[1] for row in top),
        "null": missing,
        "distinct": distinct,
        "cut": "values" if distinct > len(top) else None,
    }


# Running --------------------------------------------------------------------------------------


def _run(
    reading: Reading,
    plan: Plan,
    sql: str,
    values: Sequence[Any],
    seconds: float | None = None,
) -> list[tuple[Any, ...]]:
    try:
        return reading.engine.run(sql, values, seconds)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        raise _uncast(plan) from None
    except duckdb.InvalidInputException:
        raise _no_pattern(plan) from None


def _no_pattern(plan: Plan) -> ParameterInvalid:
    """Error of a regular expression, in the first parameter that has one."""
    for name, node in plan.query.where:
        for test in leaves(node):
            if test.operator in ("match", "imatch"):
                return invalid(
                    name,
                    test.value if isinstance(test.value, str) else ",".join(test.value),
                    "正则表达式不对（语法：RE2）",
                    "the regular expression does not parse (syntax: RE2)",
                )
    return invalid("having", "…", "正则表达式不对", "the regular expression does not parse")


def _uncast(plan: Plan) -> ParameterInvalid:
    casts = [pick.before or pick.after for pick in plan.query.select]
    told = ", ".join(sorted({cast for cast in casts if cast})) or "number"
    return invalid(
        "select", told, "有的值不能转换成这个类型", "some value cannot be cast to this type"
    )


def preview(
    engine: Engine, path: Path, columns: Sequence[Column], count: int
) -> list[tuple[Any, ...]]:
    """Read the first rows of a Parquet file for people to look at: instants as texts."""
    listed = ", ".join(
        text_of(column) if column.zone or is_nested(column.kind) else quote(column.name)
        for column in columns
    )
    return engine.run(f"select {listed} from read_parquet(?) limit ?", [str(path), count])


def transposed(names: Sequence[str], rows: Sequence[bytes]) -> bytes:
    """Turn rows that are JSON arrays into an object of columns."""
    table = msgspec.json.decode(b"[" + b",".join(rows) + b"]", type=list[list[msgspec.Raw]])
    return msgspec.json.encode({name: [row[n] for row in table] for n, name in enumerate(names)})
