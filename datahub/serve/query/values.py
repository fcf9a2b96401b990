"""Text of a value as a value of a column's type."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from datahub.forms.columns import offset
from datahub.serve.query.scanner import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.forms.columns import Column

_SPACED_ZONE = re.compile(r" (\d\d:?\d\d)\Z", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,38}\Z", re.ASCII)
_DIGITS = 38  # of the widest decimal column


def read(column: Column, text: str, parameter: str) -> Any:
    """Read a value that is compared with a column.

    Raises:
        ParameterInvalid: it has not the column's type.

    """
    base = column.kind.split("(")[0]
    if base.startswith("TIMESTAMP"):  # a + in an address arrives as a space
        text = _SPACED_ZONE.sub(r"+\1", text)
    reader, wanted_zh, wanted_en = _READERS.get(base, (str, "文字", "text"))
    try:
        value = reader(text)
    except (ValueError, InvalidOperation):
        kind = column.kind
        raise invalid(
            parameter,
            text,
            f"列“{column.name}”的类型是 {kind}，应为{wanted_zh}",
            f"column '{column.name}' is of type {kind}: give {wanted_en}",
        ) from None
    if isinstance(value, dt.datetime) and column.zone and value.tzinfo is None:
        return value.replace(tzinfo=offset(column.zone))
    return value


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    """Number within what the widest decimal column holds."""
    value = Decimal(text)
    _, digits, exponent = value.as_tuple()
    if not value.is_finite() or not isinstance(exponent, int):
        raise ValueError(text)
    if max(0, -exponent) + max(0, len(digits) + exponent) > _DIGITS:
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


_WHOLE = (_integer, "整数", "a whole number")
_NUMBER = (_decimal, "数字", "a number")
_READERS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "HUGEINT": _WHOLE,
    "BIGINT": _WHOLE,
    "INTEGER": _WHOLE,
    "SMALLINT": _WHOLE,
    "TINYINT": _WHOLE,
    "DECIMAL": _NUMBER,
    "DOUBLE": _NUMBER,
    "FLOAT": _NUMBER,
    "BOOLEAN": (_boolean, "true 或 false", "true or false"),
    "DATE": (dt.date.fromisoformat, "日期，如 2025-01-31", "a date as 2025-01-31"),
    "TIME": (_time, "时间，如 08:30:00", "a time as 08:30:00"),
    "TIMESTAMP": (_local, "时间，如 2025-01-31T08:00:00", "a time as 2025-01-31T08:00:00"),
    "TIMESTAMP WITH TIME ZONE": (
        *(_instant, "时间，如 2025-01-31T08:00:00+08:00"),
        "a time as 2025-01-31T08:00:00+08:00",
    ),
}
NUMBERS = ("HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DECIMAL", "DOUBLE", "FLOAT")


def is_number(column: Column) -> bool:
    """Tell whether a column holds numbers."""
    return column.kind.split("(")[0] in NUMBERS


def is_text(column: Column) -> bool:
    """Tell whether a column holds text."""
    return column.kind == "VARCHAR"
