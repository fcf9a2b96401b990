"""Columns of a release, and the SQL that tells each as JSON or as text.

One place for both: a released NDJSON file and a page of the API hold the same bytes for a row.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NESTED = frozenset({"array", "geojson", "object"})
"""Types of Table Schema whose cells are JSON texts in the Parquet file."""
_STRINGS = r"'\"(?:[^\"\\]|\\.)*\"'"
_ROW = "file_row_number"
_NO_JSON = "'NaN|Infinity'"


class Column(Struct, frozen=True):
    """A column of a release: DuckDB type, Table Schema type, the zone its times are told in."""

    name: str
    kind: str  # BIGINT, DECIMAL(9,2), VARCHAR, DATE, TIMESTAMP WITH TIME ZONE, …
    zone: str | None = None  # "+08:00"
    type: str = "string"  # of Table Schema
    format: str = "default"


def columns_of(kinds: Iterable[tuple[str, str]], schema: Json) -> tuple[Column, ...]:
    """Columns from the (name, DuckDB type) pairs of a Parquet file and its table schema."""
    fields = {field["name"]: field for field in schema["fields"]}
    return tuple(
        Column(
            name=name,
            kind=kind,
            zone=fields.get(name, {}).get("timezone"),
            type=fields.get(name, {}).get("type", "string"),
            format=fields.get(name, {}).get("format", "default"),
        )
        for name, kind in kinds
    )


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def row_number(names: Iterable[str]) -> str:
    """SQL name of the number of a row, counted from 0, in a table with columns of these names."""
    taken = {name.lower() for name in names}
    if _ROW not in taken:
        return _ROW
    name = "row number"
    while name in taken:
        name += "_"
    return quote(name)


def numbered(file: str, names: Iterable[str]) -> str:
    """SQL relation of the rows of a Parquet file (a literal or ?) with `row_number(names)`.

    DuckDB numbers them itself unless a column is called as its number is.
    """
    row = row_number(names)
    if row == _ROW:
        return f"read_parquet({file}, file_row_number=true)"
    return f"(select *, row_number() over () - 1 as {row} from read_parquet({file}))"  # noqa: S608


def json_of(column: Column, given: str | None = None) -> str:  # noqa: PLR0911 - by kind
    """SQL of a column (or of `given`, a value of its type) that `to_json` writes as it should be.

    Times are ISO 8601 with their zone's offset, nested values JSON, numbers that JSON has not null.
    """
    name = given or quote(column.name)
    if column.kind == "TIMESTAMP WITH TIME ZONE":
        return _zoned(name, column.zone or "+00:00")
    if column.kind == "TIMESTAMP":
        return _local(name)
    if column.kind in ("DOUBLE", "FLOAT"):
        return f"case when isfinite({name}) then {name} end"
    if column.kind.startswith("DECIMAL("):  # narrower ones are told as doubles: 2.00 as 2.0
        return f"{name}::decimal(38,{column.kind.rstrip(')').split(',')[-1].strip()})"
    if is_json(column):
        return f"case when {_strict(name)} then json({name}) else to_json({name}::varchar) end"
    if is_nested(column.kind):
        text = f"to_json({name})::varchar"
        return f"case when {_strict(text)} then to_json({name}) else to_json({text}) end"
    return name


def text_of(column: Column, given: str | None = None) -> str:
    """SQL of a column as the text of a CSV cell; NULL stays NULL."""
    name = given or quote(column.name)
    if column.kind == "TIMESTAMP WITH TIME ZONE":
        return _zoned(name, column.zone or "+00:00")
    if column.kind == "TIMESTAMP":
        return _local(name)
    if is_nested(column.kind):
        return f"to_json({name})::varchar"
    return name if column.kind == "VARCHAR" else f"{name}::varchar"


def is_json(column: Column) -> bool:
    """Tell whether the texts of a column are JSON, which is told as it is."""
    return column.kind == "JSON" or (column.type in _NESTED and column.kind == "VARCHAR")


def is_nested(kind: str) -> bool:
    """Tell whether values of a DuckDB type hold other values: told as JSON, in text as well."""
    return kind.endswith("]") or kind.startswith(("STRUCT(", "MAP(", "UNION("))


def _strict(text: str) -> str:
    """SQL that tells JSON from what DuckDB and Python take for it: NaN and infinity."""
    bare = f"regexp_replace({text}, {_STRINGS}, '', 'g')"
    return (
        f"not ((contains({text}, 'NaN') or contains({text}, 'Infinity'))"
        f" and regexp_matches({bare}, {_NO_JSON})) and json_valid({text})"
    )


def json_row(columns: Sequence[Column]) -> str:
    """SQL of a whole row as one JSON object, names in the order of the columns."""
    pairs = ", ".join(f"{literal(column.name)}, {json_of(column)}" for column in columns)
    return f"json_object({pairs})::varchar"


def _zoned(name: str, zone: str) -> str:
    return f"{_local(shifted(name, zone))} || '{zone}'"


def shifted(name: str, zone: str) -> str:
    """SQL of an instant as the time that clocks of a zone show."""
    seconds = offset(zone).utcoffset(None)
    micros = int(seconds.total_seconds() * 1_000_000) if seconds else 0
    return f"make_timestamp(epoch_us({name}) + {micros})"


def _local(name: str) -> str:
    return f"replace(strftime({name}, '%Y-%m-%dT%H:%M:%S.%f'), '.000000', '')"


def offset(zone: str) -> dt.tzinfo:
    """Zone of fixed offset from its text, such as +08:00."""
    return dt.datetime.strptime(zone, "%z").tzinfo or dt.UTC
