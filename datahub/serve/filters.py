"""Row filters: `column=operator.value` (PostgREST's form), as typed, parameterised SQL.

No text from a client ever becomes SQL: columns come from the release's own schema, operators
from a table, values are bound.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import CursorInvalid, ParameterInvalid, ParameterUnknown
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SPACED_ZONE = re.compile(r" (\d\d:?\d\d)\Z", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,38}\Z", re.ASCII)


class Column(Struct, frozen=True):
    """A column of a release: DuckDB type, and the zone in which its times are told."""

    name: str
    kind: str  # BIGINT, DECIMAL(9,2), VARCHAR, DATE, TIMESTAMP WITH TIME ZONE, …
    zone: str | None = None  # "+08:00"


class Filter(Struct, frozen=True):
    """One condition on one column; `value` is None for `is.null`."""

    column: Column
    operator: str
    value: Any


class Cursor(Struct, frozen=True):
    """Where the next page begins, in which version, under which filters."""

    version: int
    row: int
    filters: str


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def parse(columns: Sequence[Column], given: Iterable[tuple[str, str]]) -> list[Filter]:
    """Parse query parameters that name columns; `"name"` in quotes is always a column.

    Raises:
        ParameterUnknown: no column has this name.
        ParameterInvalid: the operator or the value is wrong, and what would be right.

    """
    by_name = {column.name: column for column in columns}
    filters = []
    for name, text in given:
        plain = name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name  # noqa: PLR2004
        column = by_name.get(plain)
        if column is None:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(by_name))
        filters.append(_parse_one(column, text))
    return filters


def _parse_one(column: Column, text: str) -> Filter:
    operator, dot, value = text.partition(".")
    if operator == "is" and value in ("null", "not_null"):
        return Filter(column=column, operator=f"is.{value}", value=None)
    if not dot or operator not in OPERATORS:
        raise ParameterInvalid(
            name=column.name,
            value=text[:80],
            reason_zh=f"应写成“运算符.值”，如 eq.{text[:20]}；运算符：{'、'.join(OPERATORS)}、is",
            reason_en=f"write operator.value, as in eq.{text[:20]}; "
            f"operators: {', '.join(OPERATORS)}, is",
        )
    return Filter(column=column, operator=operator, value=_value(column, value))


def _value(column: Column, text: str) -> Any:
    base = column.kind.split("(")[0]
    if base.startswith("TIMESTAMP"):  # a + in an address arrives as a space
        text = _SPACED_ZONE.sub(r"+\1", text)
    reader, wanted = _READERS.get(base, (str, "文字 text"))
    try:
        value = reader(text)
    except (ValueError, InvalidOperation):
        raise ParameterInvalid(
            name=column.name,
            value=text[:80],
            reason_zh=f"该列的类型是 {column.kind}，应为{wanted}",
            reason_en=f"the column's type is {column.kind}: give {wanted}",
        ) from None
    if isinstance(value, dt.datetime) and column.zone and value.tzinfo is None:
        return value.replace(tzinfo=offset(column.zone))
    return value


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    """Number within what the widest decimal column holds: 38 digits."""
    value = Decimal(text)
    _, digits, exponent = value.as_tuple()
    if not value.is_finite() or not isinstance(exponent, int):
        raise ValueError(text)
    if max(0, -exponent) + max(0, len(digits) + exponent) > 38:  # noqa: PLR2004
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _time(text: str) -> dt.time:
    value = dt.time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError(text)
    return value


def _local(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError(text)
    return value


def _instant(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if not 1 < value.year < dt.MAXYEAR:  # at the ends a zone's offset leads out of the calendar
        raise ValueError(text)
    return value


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "BIGINT": (_integer, "整数 an integer"),
    "INTEGER": (_integer, "整数 an integer"),
    "DECIMAL": (_decimal, "数字 a number"),
    "DOUBLE": (_decimal, "数字 a number"),
    "BOOLEAN": (_boolean, "true 或 false"),
    "DATE": (dt.date.fromisoformat, "日期 a date 2025-01-31"),
    "TIME": (_time, "时间 a time 08:30:00"),
    "TIMESTAMP": (_local, "时间 2025-01-31T08:00:00"),
    "TIMESTAMP WITH TIME ZONE": (_instant, "时间 2025-01-31T08:00:00+08:00"),
}


def offset(zone: str) -> dt.tzinfo:
    """Zone of fixed offset from its text, such as +08:00."""
    return dt.datetime.strptime(zone, "%z").tzinfo or dt.UTC


def to_sql(filters: Sequence[Filter]) -> tuple[str, list[Any]]:
    """Conditions joined by AND, and the values to bind; `true` where there is none."""
    parts, values = [], []
    for item in filters:
        name = quote(item.column.name)
        if item.operator.startswith("is."):
            parts.append(f"{name} is {'not ' if 'not' in item.operator else ''}null")
        else:
            parts.append(f"{name} {OPERATORS[item.operator]} ?")
            values.append(item.value)
    return " and ".join(parts) or "true", values


def encode_cursor(cursor: Cursor) -> str:
    """Opaque text for a cursor, safe in a URL."""
    raw = msgspec.json.encode((cursor.version, cursor.row, cursor.filters))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Read a cursor back.

    Raises:
        CursorInvalid: it was altered.

    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, row, own = msgspec.json.decode(raw, type=tuple[int, int, str])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise CursorInvalid from None
    if not (0 <= row < 1 << 62 and 0 < version < 1 << 62):
        raise CursorInvalid
    return Cursor(version=version, row=row, filters=own)
