"""Each kind of rule as a plan: which rows it applies to, and which of those break it."""
# ruff: noqa: S608 - built of parts that `Query` quoted and bound

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from datahub.model import Json
from datahub.validation.rules.digits import check_sum
from datahub.validation.rules.kinds import (
    Absent,
    CheckDigit,
    Compare,
    Days,
    Fresh,
    NoOverlap,
    Period,
    Present,
    Rule,
    Sum,
    Within,
    class_of,
    microseconds,
    names_of,
    zone_of,
)
from datahub.validation.rules.query import (
    WHOLE,
    Missing,
    Plan,
    Query,
    both,
    family,
    filled,
    value_sql,
)
from datahub.validation.rules.regions import rings

if TYPE_CHECKING:
    from collections.abc import Callable

Box = tuple[float, float, float, float]

_NEARLY = 1e-9  # of a total: what adding doubles may lose
_BUCKETS = 256
_SPAN_ENDS = {
    "date": "DATE 'infinity'",
    "time": "TIME '24:00:00'",
    "number": f"{'9' * 38}::{WHOLE}",
}


def _compare(query: Query, rule: Compare) -> Plan:
    if rule.right is None:
        left, other = query.constant(rule.left, rule.value)
    else:
        names = [rule.left, rule.right]
        numbers = class_of(query.fields[rule.left]) == "number"
        number = query.number(names) if numbers else ""
        left, other = (query.operand(name, number) for name in names)
    op = "<>" if rule.op == "!=" else rule.op
    applies = both([*query.conditions(rule), *filled(left, other)])
    return Plan(applies, f"NOT ({left} {op} {other})")


def _sum(query: Query, rule: Sum) -> Plan:
    tolerance = Decimal(str(rule.tolerance))
    names = [rule.total, *rule.parts]
    number = query.number(names, [tolerance], terms=len(names) + 1)
    total, *parts = (query.operand(name, number) for name in names)
    slack = query.literal(tolerance, number)
    if number == "DOUBLE":
        slack = f"({slack} + {_NEARLY} * abs({total}))"
    needed = [f"({' OR '.join(filled(*parts))})"] if rule.empty_is_zero else filled(*parts)
    zero = f"CAST('0' AS {number})"
    added = " + ".join(f"coalesce({part}, {zero})" for part in parts)
    above, below = f"{total} > {added} + {slack}", f"{added} > {total} + {slack}"
    wrong = {"=": f"({above} OR {below})", ">=": f"({below})", "<=": f"({above})"}[rule.op]
    return Plan(both([*query.conditions(rule), *filled(total), *needed]), wrong)


def _days(query: Query, rule: Days) -> Plan:
    start, end = query.operand(rule.start), query.operand(rule.end)
    total = query.operand(rule.total, WHOLE)
    days, slack = f"({end} - {start})", query.bind(rule.tolerance)
    wrong = f"{total} NOT BETWEEN {days} - {slack} AND {days} + {slack}"
    return Plan(both([*query.conditions(rule), *filled(start, end, total)]), wrong)


def _present(query: Query, rule: Present) -> Plan:
    every = both(filled(*(query.column(name) for name in rule.fields)))
    return Plan(both(query.conditions(rule)), f"NOT ({every})", shown=_with_when(rule))


def _absent(query: Query, rule: Absent) -> Plan:
    some = " OR ".join(filled(*(query.column(name) for name in rule.fields)))
    return Plan(both(query.conditions(rule)), f"({some})", shown=_with_when(rule))


def _with_when(rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*names_of(rule), *(c.field for c in rule.when)]))


def _period(query: Query, rule: Period) -> Plan:
    first = rule.at if rule.at is not None else str(rule.start)
    last = rule.at if rule.at is not None else str(rule.end)
    kind = class_of(query.fields[first])
    start, end = query.operand(first, WHOLE), query.operand(last, WHOLE)
    columns = query.reference(rule)
    for column in list(columns)[-2:]:
        if family(columns[column]) != family(query.type(first)):
            raise Missing(
                f"资源 {rule.reference.resource} 的有效期与 {first} 类型不同",
                f"the validity in '{rule.reference.resource}' is of another type than '{first}'",
            )
    valid = []
    for name, (column, type_) in zip(rule.key, columns.items(), strict=False):
        mine = query.column(name)
        same = query.type(name) == type_
        valid.append(
            f"{column} = {mine}" if same else f"CAST({column} AS VARCHAR) = CAST({mine} AS VARCHAR)"
        )
    since, until = (value_sql(kind, column, WHOLE) for column in list(columns)[-2:])
    after = ">" if rule.half_open and rule.at is not None else ">="
    valid += [f"{since} IS NULL OR {since} <= {start}", f"{until} IS NULL OR {until} {after} {end}"]
    source = f"(SELECT *, EXISTS (SELECT 1 FROM ref WHERE {both(valid)}) AS held FROM base)"
    keys = [query.column(name) for name in rule.key]
    applies = both([*query.conditions(rule), *filled(start, end, *keys)])
    return Plan(applies, "NOT held", source)


def _no_overlap(query: Query, rule: NoOverlap) -> Plan:
    kind = class_of(query.fields[rule.start])
    start, end = query.operand(rule.start, WHOLE), query.operand(rule.end, WHOLE)
    keys = [query.column(name) for name in rule.key]
    span = both([*query.conditions(rule), *filled(*keys), f"coalesce({start} <= {end}, true)"])
    last = _SPAN_ENDS.get(kind, "9223372036854775807")
    query.parts.append(
        f"spans AS (SELECT *, {start} AS since, coalesce({end}, {last}) AS until "
        f"FROM base WHERE {span})"
    )
    source = (
        "(SELECT *, max(until) OVER earlier AS latest, arg_max(r, until) OVER earlier AS other "
        "FROM spans "
        f"WINDOW earlier AS (PARTITION BY {', '.join(keys)} ORDER BY since NULLS FIRST, r "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))"
    )
    op = ">" if rule.half_open else ">="
    wrong = f"coalesce(latest {op} since, latest IS NOT NULL)"
    return Plan("true", wrong, source, other="other", alone=False)


def _check_digit(query: Query, rule: CheckDigit) -> Plan:
    column = query.column(rule.field)
    applies = both([*query.conditions(rule), *filled(column)])
    found = check_sum(rule.code, column)
    # Sum and number are columns, so that they are computed once: AND and coalesce repeat terms.
    numbered = f"SELECT *, {found.number} AS number FROM base"
    source = f"(SELECT *, {found.sum} AS total FROM ({numbered}))"
    return Plan(applies, f"NOT {found.right(column, 'total')}", source)


def _within(query: Query, rule: Within) -> Plan:
    lon, lat = (query.operand(name, "DOUBLE") for name in (rule.lon, rule.lat))
    query.parts.append(f"places AS (SELECT *, {lon} AS x, {lat} AS y FROM base)")
    applies = both([*query.conditions(rule), *filled("x", "y")])
    if rule.bbox is not None:
        edges, source, held = rule.bbox, "places", ""
    else:
        edges, source = _region(query, rule)
        held = " AND held"
    west, south, east, north = (query.bind(edge) for edge in edges)
    wrong = f"NOT (x BETWEEN {west} AND {east} AND y BETWEEN {south} AND {north}{held})"
    swapped = f"y BETWEEN {west} AND {east} AND x BETWEEN {south} AND {north}"
    return Plan(applies, wrong, source, mistake=swapped)


def _region(query: Query, rule: Within) -> tuple[Box, str]:
    """Box and source of a region: rays eastward cross its border an odd number of times inside.

    Edges are looked up by bands of latitude; what lies on the border is inside.
    """
    found = rings(rule.region or {})
    xs, ys = zip(*(place for ring in found for place in ring), strict=True)
    south, scale = min(ys), _BUCKETS / (max(ys) - min(ys))
    edges = [
        (band, *one, *other)
        for ring in found
        for one, other in zip(ring, [*ring[1:], ring[0]], strict=True)
        for band in range(
            int((min(one[1], other[1]) - south) * scale),
            int((max(one[1], other[1]) - south) * scale) + 1,
        )
    ]
    lists = (query.bind(list(values)) for values in zip(*edges, strict=True))
    names = ", ".join(
        f"unnest({values}) AS {name}"
        for values, name in zip(lists, ("band", "x1", "y1", "x2", "y2"), strict=True)
    )
    band = f"CAST(floor((y - {query.bind(south)}) * {query.bind(scale)}) AS BIGINT)"
    on = (
        "(x2 - x1) * (y - y1) = (y2 - y1) * (x - x1) "
        "AND x BETWEEN least(x1, x2) AND greatest(x1, x2)"
    )
    beside = "y BETWEEN least(y1, y2) AND greatest(y1, y2)"
    east = "y < greatest(y1, y2) AND x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)"
    odd = f"count(*) FILTER ({east}) % 2 = 1"
    box = f"y BETWEEN {query.bind(south)} AND {query.bind(max(ys))}"
    query.parts += [
        f"edges AS (SELECT {names})",
        f"points AS (SELECT DISTINCT x, y FROM places WHERE {box})",
        f"near AS (SELECT * FROM points JOIN edges ON band = {band} WHERE {beside})",
        f"inside AS (SELECT x, y FROM near GROUP BY x, y HAVING bool_or({on}) OR {odd})",
    ]
    source = (
        "(SELECT places.*, inside.x IS NOT NULL AS held FROM places LEFT JOIN inside USING (x, y))"
    )
    return (min(xs), south, max(xs), max(ys)), source


def _fresh(query: Query, rule: Fresh) -> Plan:
    field, column = query.fields[rule.field], query.column(rule.field)
    value = query.operand(rule.field)
    oldest, tomorrow = (
        query.bind(_day_start(query.today + dt.timedelta(days=days), field))
        for days in (-rule.days, 1)
    )
    groups = [query.column(name) for name in rule.by]
    past = both([*query.conditions(rule), f"{value} < {tomorrow}", *filled(*groups)])
    chosen = ", ".join([f"arg_max(r, {column}) AS r, max({column}) AS {column}", *groups])
    grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
    source = f"(SELECT {chosen} FROM base WHERE {past}{grouped})"
    return Plan(f"{column} IS NOT NULL", f"({value} < {oldest})", source, alone=False)


def _day_start(day: dt.date, field: Json) -> Any:
    if class_of(field) == "date":
        return day
    return microseconds(dt.datetime.combine(day, dt.time(), zone_of(field)))


PLANS: dict[type[Rule], Callable[[Query, Any], Plan]] = {
    Compare: _compare,
    Sum: _sum,
    Days: _days,
    Present: _present,
    Absent: _absent,
    Period: _period,
    NoOverlap: _no_overlap,
    CheckDigit: _check_digit,
    Within: _within,
    Fresh: _fresh,
}
