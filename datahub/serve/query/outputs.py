"""What is selected, and the order of rows, as SQL with the types that the answer has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from datahub.forms.columns import Column, is_nested, offset, quote, text_of
from datahub.serve.query.scanner import invalid
from datahub.serve.query.tree import CASTS, MOST_OUTPUTS, Operand, Pick
from datahub.serve.query.values import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NARROW = 18  # digits of a decimal that DuckDB holds in 64 bits
_LOCAL = ("DATE", "TIME", "TIMESTAMP")
_COUNT = Column(name="count", kind="BIGINT", type="integer")
_TYPES = {"BIGINT": "integer", "HUGEINT": "integer", "DOUBLE": "number", "BOOLEAN": "boolean"}
_TYPES |= {"DATE": "date", "TIME": "time", "TIMESTAMP": "datetime", "VARCHAR": "string"}


class Output(NamedTuple):
    """SQL of one column of an answer; `column` has its name there and its type."""

    sql: str
    column: Column
    grouped: bool = False  # an aggregate


def outputs(picks: Sequence[Pick], columns: Mapping[str, Column]) -> tuple[Output, ...]:
    """SQL and types of what is selected; an empty select means all columns.

    Raises:
        ParameterInvalid: a column is unknown, a cast or an aggregate does not fit, a name is twice.

    """
    found: list[Output] = []
    for pick in picks or (Pick(operand=None),):
        if pick.operand is None:
            found += [Output(of_table(name), column) for name, column in columns.items()]
        else:
            found.append(_output(pick, pick.operand, columns))
    times = Counter(output.column.name.lower() for output in found)  # as names are in SQL
    twice = next((o.column.name for o in found if times[o.column.name.lower()] > 1), None)
    if twice is not None or len(found) > max(MOST_OUTPUTS, len(columns)):
        raise invalid(
            "select",
            twice or "…",
            "结果里有同名的列，请用“别名:列”改名" if twice else f"最多 {MOST_OUTPUTS} 列",
            "two columns of the answer have this name: rename one with alias:column"
            if twice
            else f"{MOST_OUTPUTS} columns at most",
        )
    return tuple(found)


def of_table(name: str) -> str:
    """SQL of a column of the table that is asked: `t` there, so that no alias stands before it."""
    return f"t.{quote(name)}"


def column_of(name: str, columns: Mapping[str, Column], parameter: str) -> Column:
    """Find a column by its name.

    Raises:
        ParameterInvalid: the table has none of this name.

    """
    if name not in columns:
        raise invalid(
            parameter,
            name,
            f"没有这一列；可用的列：{', '.join(columns)}",
            f"there is no such column; columns: {', '.join(columns)}",
        )
    return columns[name]


def operand_of(operand: Operand, columns: Mapping[str, Column], parameter: str) -> Output:
    """SQL and type of a column, or of an aggregate of it."""
    return _aggregated(operand, columns, parameter, None)


def _output(pick: Pick, operand: Operand, columns: Mapping[str, Column]) -> Output:
    found = _aggregated(operand, columns, "select", pick.before)
    if pick.after:
        found = _cast(found, pick.after)
    name = operand.name if pick.alias is None else pick.alias
    if not name:
        raise invalid("select", name, "别名不能为空", "an alias is not empty")
    return found._replace(column=msgspec.structs.replace(found.column, name=name))


def _aggregated(
    operand: Operand, columns: Mapping[str, Column], parameter: str, before: str | None
) -> Output:
    if operand.column is None:
        return Output("count(*)", _COUNT, grouped=True)
    column = column_of(operand.column, columns, parameter)
    found = Output(of_table(column.name), column)
    if before:
        found = _cast(found, before)
    if operand.aggregate is None:
        return found
    return _aggregate(operand.aggregate, found, parameter)


def _cast(given: Output, cast: str) -> Output:
    """A value as another type; times are those of the column's zone."""
    kind, column = CASTS[cast], given.column
    if kind == "VARCHAR":
        sql = text_of(column, given.sql)
    elif is_nested(column.kind):
        raise invalid(
            "select", column.name, "这一列只能转换成 text", "this column casts to text only"
        )
    elif kind == column.kind or (cast in ("numeric", "decimal") and is_number(column)):
        return given  # it is one
    else:
        source = _told_time(column, given.sql) if kind in _LOCAL else given.sql
        sql = f"({source})::{kind}"
    type_ = _TYPES.get(kind, "number")
    return given._replace(sql=sql, column=Column(name=column.name, kind=kind, type=type_))


def _told_time(column: Column, sql: str) -> str:
    """SQL of an instant as the time that its zone tells."""
    if column.kind != "TIMESTAMP WITH TIME ZONE":
        return sql
    shift = offset(column.zone or "+00:00").utcoffset(None)
    micros = int(shift.total_seconds() * 1_000_000) if shift else 0
    return f"make_timestamp(epoch_us({sql}) + {micros})"


def _aggregate(name: str, given: Output, parameter: str) -> Output:
    column, sql = given.column, given.sql
    if name in ("count", "count_distinct"):
        distinct = "distinct " if name == "count_distinct" else ""
        return Output(f"count({distinct}{sql})", _COUNT, grouped=True)
    if name in ("min", "max"):
        if is_nested(column.kind):
            raise _unfit(name, column, parameter)
        return Output(f"{name}({sql})", column, grouped=True)
    if not is_number(column):
        raise _unfit(name, column, parameter)
    if name == "sum":
        kind, type_ = _sum_kind(column.kind), column.type
        return Output(f"sum({sql})", Column(name=column.name, kind=kind, type=type_), grouped=True)
    double = Column(name=column.name, kind="DOUBLE", type="number")
    if name != "avg" or _wide(column.kind):  # a mean of others is exact, and sooner there
        sql = f"({sql})::double"
    return Output(f"{name}({sql})", double, grouped=True)


def _wide(kind: str) -> bool:
    """Whether a sum of values may exceed 128 bits; or values are doubles already."""
    if kind.startswith("DECIMAL("):
        return int(kind[8:].partition(",")[0]) > _NARROW
    return kind in ("HUGEINT", "DOUBLE", "FLOAT")


def _sum_kind(kind: str) -> str:
    if kind.startswith("DECIMAL("):
        return f"DECIMAL(38,{kind.rstrip(')').split(',')[-1].strip()})"
    return "DOUBLE" if kind in ("DOUBLE", "FLOAT") else "HUGEINT"


def _unfit(name: str, column: Column, parameter: str) -> Exception:
    return invalid(
        parameter,
        f"{column.name}.{name}()",
        f"列“{column.name}”的类型是 {column.kind}，不能求 {name}；可用 count、count_distinct",
        f"column '{column.name}' is of type {column.kind}, which has no {name}: "
        "take count or count_distinct",
    )
