"""Files on the order of a column: how they are laid out, for those who write and who read them.

order-3-desc    row numbers: see `Order`
values-3        the values of the ascending order: see `Values`
top-3-desc      the first lines of an order: see `Top`
"""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import msgspec

from datahub.model import Struct

_DAY_0, _INSTANT_0 = dt.date(1970, 1, 1), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_NARROW = 18  # digits of a decimal in 64 bits


def order_name(column: int, descending: bool) -> str:
    """Name of the order of a column in its folder."""
    return f"order-{column}-{'desc' if descending else 'asc'}"


def values_name(column: int) -> str:
    """Name of the values of a column."""
    return f"values-{column}"


def top_name(column: int, descending: bool) -> str:
    """Name of the first lines of the order of a column."""
    return f"top-{column}-{'desc' if descending else 'asc'}"


class Order(Struct, frozen=True):
    """Head of an order: how many rows it has, and how many of them, at its end, are null.

    Row numbers follow, little-endian uint32 (uint64 from 2^32 rows on), ties by row number.
    """

    rows: int
    nulls: int

    SIZE: ClassVar[int] = 16

    def pack(self) -> bytes:
        """Bytes that an order begins with."""
        return struct.pack("<2Q", self.rows, self.nulls)

    @classmethod
    def unpack(cls, data: bytes) -> Order:
        """Read the head; raises struct.error where there is none."""
        rows, nulls = struct.unpack("<2Q", data)
        return cls(rows=rows, nulls=nulls)

    @property
    def letter(self) -> str:
        """Type of a row number, for `struct`."""
        return "Q" if self.rows >> 32 else "I"


class Top(Struct, frozen=True):
    """Head of the first lines of an order: of those from its begin, and of those of its nulls.

    Where each line begins in this file follows, and the end: little-endian uint64; then the lines.
    """

    values: int
    nulls: int

    SIZE: ClassVar[int] = 16
    MOST_ROWS: ClassVar[int] = 100_000  # of each: ten of the longest pages
    MOST_BYTES: ClassVar[int] = 32 << 20  # of each

    def pack(self) -> bytes:
        """Bytes that the file begins with."""
        return struct.pack("<2Q", self.values, self.nulls)

    @classmethod
    def unpack(cls, data: bytes) -> Top:
        """Read the head; raises struct.error where there is none."""
        values, nulls = struct.unpack("<2Q", data)
        return cls(values=values, nulls=nulls)


class Values(Struct, frozen=True):
    """Head of the values of a column in ascending order, without nulls, each as a key.

    A key is `width` bytes that sort as the values do: how far a number (of days, microseconds,
    units of the last decimal place) is above `least`, big-endian; or what comes after `prefix`,
    which all texts begin with, filled with zeros. Keys follow, then every STRIDEth of them again.
    """

    kind: str  # of the column, in DuckDB
    rows: int = 0
    width: int = 0  # 0: values of this type have no keys
    least: int = 0
    prefix: bytes = b""
    whole: bool = True  # a key tells all of its value

    SIZE: ClassVar[int] = 4096
    STRIDE: ClassVar[int] = 4096
    MOST_WIDTH: ClassVar[int] = 16  # of a text's key
    MOST_PREFIX: ClassVar[int] = 1000

    def pack(self) -> bytes:
        """Bytes that the file begins with."""
        return msgspec.json.encode(self).ljust(self.SIZE)

    @classmethod
    def unpack(cls, data: bytes) -> Values:
        """Read the head; raises struct.error where there is none."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError:
            raise struct.error("values") from None

    @property
    def fences(self) -> int:
        """How many keys are repeated at the end."""
        return -(-self.rows // self.STRIDE)

    def key(self, value: Any) -> tuple[bytes, bool]:
        """Key of a value, and whether a value of the column may equal it.

        Where none may, the key is the greatest of a smaller value: it stands behind all of those.

        Raises:
            TypeError: a value of this kind is not compared with the column here.

        """
        if self.kind == "VARCHAR":
            return self._key_of_text(value.encode(errors="surrogatepass"))
        number, exact = _number(self.kind, value)
        if number < self.least:
            return b"", True
        above = number - self.least
        if above >> (8 * self.width):
            return b"\xff" * (self.width + 1), True
        return above.to_bytes(self.width, "big"), exact

    def _key_of_text(self, text: bytes) -> tuple[bytes, bool]:
        if not text.startswith(self.prefix):
            return (b"", True) if text < self.prefix else (b"\xff" * (self.width + 1), True)
        rest = text[len(self.prefix) :]
        cut = rest[: self.width].ljust(self.width, b"\0")
        return cut, not self.whole or (len(rest) <= self.width and b"\0" not in rest)


def number_of(column: str, kind: str) -> str | None:
    """SQL of a column as a BIGINT that sorts as it does; None: not of such a type."""
    if kind in _WHOLE:
        return f"{column}::bigint"
    if kind == "DATE":
        return f"{column} - date '1970-01-01'"
    if kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return f"epoch_us({column})"
    if 0 < _decimal(kind)[0] <= _NARROW:  # its text has all digits, and is told sooner than * is
        return f"replace({column}::varchar, '.', '')::bigint"
    return None


def _decimal(kind: str) -> tuple[int, int]:
    """Digits and scale of DECIMAL(9,2); zeros for another type."""
    if not kind.startswith("DECIMAL("):
        return 0, 0
    digits, _, scale = kind[8:-1].partition(",")
    return int(digits), int(scale)


def _number(kind: str, value: Any) -> tuple[int, bool]:
    """Number of a value as `number_of` tells it, or the next below it, and whether it is exact."""
    if kind in _WHOLE:
        return int(value), True
    if kind == "DATE":
        return (value - _DAY_0).days, True
    if isinstance(value, dt.datetime) and (value.tzinfo is None) == (kind == "TIMESTAMP"):
        return (value.replace(tzinfo=value.tzinfo or dt.UTC) - _INSTANT_0) // _MICROSECOND, True
    if not isinstance(value, Decimal):
        raise TypeError(kind)
    units = Fraction(value) * 10 ** _decimal(kind)[1]
    return units.numerator // units.denominator, units.denominator == 1
