"""Typed Arrow columns of tables that were judged valid.

Arrow's strict casts do the work; what they refuse but frictionless accepts (`1_000`, `２０２５`,
dates in another pattern) goes through frictionless's own cell reader, once per distinct value.
Decimals are exact: precision and scale are taken from the data. Codes stay text.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datahub.model import Json, Table

CellReader = Callable[[Any], tuple[Any, Any]]

_BLOCK = 4 << 20
_ODD = "[^0-9.+-]"  # a valid number without such a character is a plain decimal
_OFFSET = r":\d\d(\.\d+)?([Zz]|[+-]\d\d(:?\d\d)?)$"  # after a time, not the day of a date
_DECIMAL_DIGITS = 38
_INTEGER_DIGITS = 18  # every 64-bit integer has room for as many
_KEPT_BYTES = 512 << 20
_AHEAD = 2
_SIMPLE: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "year": pa.int32(),
}


class Columns:
    """Reads tables of one schema as record batches of typed columns, in file order.

    Types of numbers come from the data, so all of it is looked at first; what fits `_KEPT_BYTES`
    is kept in memory meanwhile and not read a second time.
    """

    def __init__(
        self, schema: Json, tables: Sequence[Table], field_ids: dict[str, int] | None = None
    ) -> None:
        self._descriptor = schema
        self._fields: list[Json] = schema["fields"]
        self._names = [field["name"] for field in self._fields]
        self._missing = pa.array(schema.get("missingValues", [""]), pa.string())
        self._tables = tables
        self._kept: list[pa.RecordBatch] | None = []
        self._kept_bytes = 0
        ids = field_ids or {}
        self._types = self._plan()
        self.schema = pa.schema(
            [
                pa.field(f["name"], kind, metadata=_field_id(ids.get(f["name"])))
                for f, kind in zip(self._fields, self._types, strict=True)
            ]
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Typed batches in file order, file after file; casting runs ahead in threads."""
        waiting: deque[Future[pa.RecordBatch]] = deque()
        with ThreadPoolExecutor(_AHEAD) as pool:
            for batch in self._texts():
                waiting.append(pool.submit(self._typed, batch))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _texts(self) -> Iterator[pa.RecordBatch]:
        if self._kept is not None:
            yield from self._kept
        else:
            yield from (batch for _, _, batch in texts(self._names, self._tables))

    def _typed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [self._column(i, batch.column(i), kind) for i, kind in enumerate(self._types)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _plan(self) -> list[pa.DataType]:
        """Choose a type per column; only numbers need a look at the data."""
        looked = {
            i: _Digits(field, self._reader)
            for i, field in enumerate(self._fields)
            if field.get("type") in ("number", "integer")
        }
        times = [i for i, f in enumerate(self._fields) if f.get("type") == "datetime"]
        zoned: set[int] = set()

        def look(batch: pa.RecordBatch) -> None:
            zoned.update(i for i in times if i not in zoned and _has_offset(batch.column(i)))
            for i, digits in looked.items():
                digits.see(self._present(batch.column(i)), i)

        looks: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1) as beside:  # looks at one batch while the next one is read
            for _, _, batch in texts(self._names, self._tables):
                looks.append(beside.submit(look, self._keep(batch)))
                if len(looks) > _AHEAD:  # reading must not run away with the memory
                    looks.popleft().result()
            for done in looks:
                done.result()
        return [
            looked[i].kind() if i in looked else _kind(field, zoned=i in zoned)
            for i, field in enumerate(self._fields)
        ]

    def _keep(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Remember a batch as long as all of them fit the memory meant for it."""
        self._kept_bytes += batch.nbytes
        if self._kept_bytes > _KEPT_BYTES:
            self._kept = None
        elif self._kept is not None:
            self._kept.append(batch)
        return batch

    def _present(self, column: pa.Array) -> pa.Array:
        missing = pc.is_in(column, value_set=self._missing)
        return pc.if_else(missing, pa.scalar(None, pa.string()), column)

    def _column(self, number: int, column: pa.Array, kind: pa.DataType) -> pa.Array:
        present = self._present(column)
        if pa.types.is_string(kind):
            return present
        field = self._fields[number]
        if not _needs_reader(field):
            try:
                return _cast(present, kind, field)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass  # frictionless reads more than Arrow casts
        return self._read(number, present, kind)

    def _read(self, number: int, column: pa.Array, kind: pa.DataType) -> pa.Array:
        """Convert by frictionless's cell reader, once per distinct value."""
        encoded = column.dictionary_encode()
        read = self._reader(number)
        values = [_plain(read(text)[0], kind) for text in encoded.dictionary.to_pylist()]
        return pa.array(values, kind).take(encoded.indices)

    def _reader(self, number: int) -> CellReader:
        """Frictionless's own reader of a column's cells."""
        return self._readers[number]

    @cached_property
    def _readers(self) -> list[CellReader]:
        import frictionless  # half a second: clean files never need it

        fields = frictionless.Schema.from_descriptor(self._descriptor).fields
        return [field.create_cell_reader() for field in fields]


def texts(
    names: list[str], tables: Sequence[Table], only: list[str] | None = None
) -> Iterator[tuple[Table, int, pa.RecordBatch]]:
    """Cells as text: table, row number of the batch's first row, columns in schema order."""
    for table in tables:
        row = table.dialect.header_row + 1
        for batch in _open(table, names, only):
            yield table, row, batch
            row += batch.num_rows


def _field_id(number: int | None) -> dict[str, str] | None:
    return None if number is None else {"PARQUET:field_id": str(number)}


def _open(table: Table, names: list[str], only: list[str] | None) -> csv.CSVStreamingReader:
    return csv.open_csv(
        table.path,
        read_options=csv.ReadOptions(
            column_names=names,
            skip_rows=table.dialect.header_line,
            block_size=_BLOCK,
            use_threads=True,
        ),
        parse_options=csv.ParseOptions(
            delimiter=table.dialect.delimiter,
            quote_char=table.dialect.quote_char,
            newlines_in_values=True,
            ignore_empty_lines=len(names) > 1,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            include_columns=only,
        ),
    )


def _has_offset(column: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, _OFFSET)).as_py())


def _kind(field: Json, *, zoned: bool) -> pa.DataType:
    kind = field.get("type", "string")
    if kind == "datetime":  # texts with offsets of their own are instants: told in UTC
        return pa.timestamp("us", tz=field.get("timezone", "UTC" if zoned else None))
    return _SIMPLE.get(kind, pa.string())


def _needs_reader(field: Json) -> bool:
    """Tell whether a field reads text otherwise than Arrow's cast would."""
    kind = field.get("type", "string")
    if kind in ("date", "datetime", "time"):
        return bool(field.get("format", "default") != "default")
    return kind == "boolean" and ("trueValues" in field or "falseValues" in field)


def _cast(column: pa.Array, kind: pa.DataType, field: Json) -> pa.Array:
    if pa.types.is_timestamp(kind):
        local = pc.cast(column, pa.timestamp("us"))  # refuses texts that carry a zone themselves
        return pc.assume_timezone(local, kind.tz) if kind.tz else local
    if pa.types.is_boolean(kind):
        return _cast_boolean(column, field)
    if pa.types.is_integer(kind) and pc.any(pc.match_substring(column, "x")).as_py():
        raise pa.ArrowInvalid("hexadecimal")  # Arrow takes 0x1F for a number
    return pc.cast(column, kind)


def _cast_boolean(column: pa.Array, field: Json) -> pa.Array:
    true = pa.array(field.get("trueValues", ["true", "True", "TRUE", "1"]))
    return pc.if_else(pc.is_valid(column), pc.is_in(column, value_set=true), None)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """Value as Arrow wants it: zoned times in the column's zone, whole numbers as decimals."""
    if isinstance(value, dt.datetime):
        if pa.types.is_timestamp(kind) and kind.tz and value.tzinfo is None:
            return value.replace(tzinfo=_offset(kind.tz))
        return value if kind.tz else value.replace(tzinfo=None)
    if isinstance(value, dt.time):
        return value.replace(tzinfo=None)
    if isinstance(value, Decimal) and pa.types.is_floating(kind):
        return float(value)
    if isinstance(value, int) and pa.types.is_decimal(kind):
        return Decimal(value)
    return value


def _offset(text: str) -> dt.tzinfo:
    try:
        return dt.datetime.strptime(text, "%z").tzinfo or dt.UTC
    except ValueError:
        return ZoneInfo(text)


class _Digits:
    """Most digits before and after the point that a column shows, and whether all are finite."""

    def __init__(self, field: Json, reader: Callable[[int], CellReader]) -> None:
        self.before = self.after = 0
        self.whole = field["type"] == "integer"
        self.floating = bool(field.get("floatNumber"))
        # `decimalChar`, `groupChar` and `bareNumber` change what the characters mean.
        self.special = bool({"decimalChar", "groupChar", "bareNumber"} & field.keys())
        self.reader = reader

    def see(self, column: pa.Array, number: int) -> None:
        """Look at one batch of a column's texts."""
        if self.floating or (self.whole and self._see_short(column)):
            return
        odd = pc.match_substring_regex(column, ".*" if self.special else _ODD)
        if pc.any(odd).as_py():
            self._see_plain(column.filter(pc.invert(odd)))
            read = self.reader(number)
            for text in column.filter(odd).unique().to_pylist():
                self._see_value(read(text)[0])
        else:
            self._see_plain(column)

    def _see_short(self, column: pa.Array) -> bool:
        """Whether no text is long enough to be more than a 64-bit integer."""
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest <= _INTEGER_DIGITS:
            self.before = max(self.before, longest)
            return True
        return False

    def _see_plain(self, column: pa.Array) -> None:
        if column.null_count == len(column):
            return
        column = pc.utf8_ltrim(column, "+-")
        length = pc.binary_length(column)
        point = pc.find_substring(column, ".")
        none = pc.less(point, 0)
        before = pc.if_else(none, length, point)
        after = pc.if_else(none, 0, pc.subtract(pc.subtract(length, point), 1))
        self.before = max(self.before, pc.max(before).as_py())
        self.after = max(self.after, pc.max(after).as_py())

    def _see_value(self, value: Any) -> None:
        if isinstance(value, int):
            self.before = max(self.before, len(str(abs(value))))
        elif isinstance(value, Decimal) and value.is_finite():
            _, digits, exponent = value.as_tuple()
            places = -exponent if isinstance(exponent, int) else 0
            self.after = max(self.after, places)
            self.before = max(self.before, len(digits) - places)
        elif value is not None:
            self.floating = True  # NaN and infinity have no decimal

    def kind(self) -> pa.DataType:
        """Narrowest exact type: 64-bit integer, then decimal; text or double where neither fits."""
        if self.floating:
            return pa.float64()
        if self.whole:
            if self.before <= _INTEGER_DIGITS:
                return pa.int64()
            return pa.decimal128(38, 0) if self.before <= _DECIMAL_DIGITS else pa.string()
        digits = max(1, self.before) + self.after
        return pa.decimal128(digits, self.after) if digits <= _DECIMAL_DIGITS else pa.string()
