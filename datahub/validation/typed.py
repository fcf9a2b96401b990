"""Typed columns from the judged ones, and the Parquet file they are written to on the way.

Decimals are exact, codes stay text, times carry the zone that their field declares. Types of
numbers come from the data: the file is begun with what the first batch shows; should a later one
need more, the file is written again in a second reading.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.validation.columns import patch
from datahub.validation.kernels import places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datahub.model import Json
    from datahub.validation.columns import Column, Judged

ROW_GROUP = 122_880  # rows: measured best for points, windows and scans alike
_LOOKED_AT = 20_000
_AHEAD = 2
_SHORT, _LONG = 18, 38  # digits of a decimal that fits 64 and 128 bits
_INT64 = range(-(1 << 63), 1 << 63)
_SIMPLE: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "year": pa.int32(),
}


@dataclass(frozen=True)
class Need:
    """What a column's values need of their type; needs of batches add up."""

    before: int = 0  # digits before the point
    after: int = 0
    double: bool = False  # NaN and infinity have no decimal
    text: bool = False  # no exact type is large enough
    wide: bool = False  # more than a 64-bit integer
    zoned: bool = False  # some times carry an offset of their own

    def __or__(self, other: Need) -> Need:
        """Return what both need."""
        return Need(
            max(self.before, other.before),
            max(self.after, other.after),
            self.double or other.double,
            self.text or other.text,
            self.wide or other.wide,
            self.zoned or other.zoned,
        )

    def kind(self, field: Json) -> pa.DataType:  # noqa: PLR0911 - a type per kind of field
        """Arrow type of a column of this field."""
        name = field.get("type", "string")
        if self.text:
            return pa.string()
        if name in ("integer", "number") and self.double:
            return pa.float64()
        if name == "integer":
            return pa.decimal128(_LONG, 0) if self.wide else pa.int64()
        if name == "number" and field.get("floatNumber"):
            return pa.float64()
        if name == "number":
            digits = max(1, self.before) + self.after
            if digits > _LONG:
                return pa.string()
            return pa.decimal128(_SHORT if digits <= _SHORT else _LONG, self.after)
        if name == "datetime":  # texts with offsets of their own are instants: told in UTC
            zone = field.get("timezone", "UTC" if self.zoned else None)
            return pa.timestamp("us", tz=zone)
        return _SIMPLE.get(name, pa.string())


def read(column: Column, judged: Judged) -> tuple[pa.Array, Need]:
    """Typed values of one batch, null where missing, and what they need.

    Meant for columns without faults: a faulty value is null.
    """
    given = [verdict.value for _, verdict in judged.verdicts]
    if column.type == "number" and not column.field.float_number:
        return _or_texts(lambda: _decimals(judged, given), judged)
    reader = _READERS.get(column.type)
    if reader is None:
        return texts_of(judged), Need()
    return _or_texts(lambda: reader(column, judged, given), judged)


def _or_texts(make: Callable[[], tuple[pa.Array, Need]], judged: Judged) -> tuple[pa.Array, Need]:
    try:
        return make()
    except (pa.ArrowInvalid, OverflowError):  # more digits than any exact type has
        return texts_of(judged), Need(text=True)


def texts_of(judged: Judged) -> pa.Array:
    """Texts as they are, null where missing."""
    return pc.if_else(judged.missing, None, judged.texts)


def fit(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast to the type of the whole column, which is as wide or wider."""
    if array.type == kind:
        return array
    if pa.types.is_timestamp(kind) and kind.tz and array.type.tz is None:
        return pc.assume_timezone(array, kind.tz)
    return pc.cast(array, kind)


def _integers(_column: Column, judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    wide = any(value is not None and value not in _INT64 for value in given)
    kind = pa.decimal128(_LONG, 0) if wide else pa.int64()
    if wide:
        given = [None if value is None else Decimal(value) for value in given]
    return _filled(judged, pa.array(given, kind)), Need(wide=wide)


def _doubles(_column: Column, judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    return _filled(judged, pa.array(given, pa.float64())), Need(double=True)


def _decimals(judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    numbers = [None if value is None else Decimal(value) for value in given]
    finite = [value for value in numbers if value is not None and value.is_finite()]
    if len(finite) < sum(value is not None for value in numbers):
        doubles = [None if value is None else float(value) for value in numbers]
        return _filled(judged, pa.array(doubles, pa.float64())), Need(double=True)
    after = max((_after(value) for value in finite), default=0)
    values = judged.values
    if values is not None:
        # Of the texts, for a cast drops zeros at the end: 2.00 fits a scale of 0.
        after = max(after, places(judged.texts if judged.verdicts else texts_of(judged)))
        kind = pa.decimal128(_LONG, min(after, _LONG - 1))
        try:
            values = pc.cast(values, kind)
        except pa.ArrowInvalid:  # a text like 1e-3 has more places than it shows
            kind = pa.decimal128(_LONG, max(after, values.type.scale))
            values = pc.cast(values, kind)
    else:
        kind = pa.decimal128(_LONG, after)
        values = pa.nulls(len(judged.texts), kind)
    array = patch(values, judged, pa.array(numbers, kind))
    return array, Need(before=_before(array), after=kind.scale)


def _after(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _before(array: pa.Array) -> int:
    ends = pc.min_max(array).as_py()
    return max((_whole_digits(v) for v in ends.values() if v is not None), default=0)


def _whole_digits(value: Decimal) -> int:
    return max(0, value.adjusted() + 1) if value else 0


def _times(column: Column, judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    values = judged.values
    zoned = any(value is not None and value.tzinfo for value in given) or (
        values is not None and values.type.tz is not None
    )
    if not zoned:
        return _filled(judged, pa.array(given, pa.timestamp("us"))), Need()
    kind = pa.timestamp("us", tz="UTC")
    name = column.field.custom.get("timezone", "UTC")
    zone = _zone(name)
    instants = [
        value if value is None or value.tzinfo else value.replace(tzinfo=zone) for value in given
    ]
    if values is not None and values.type.tz is None:
        values = pc.cast(pc.assume_timezone(values, name), kind)
    return _filled(judged, pa.array(instants, kind), values), Need(zoned=True)


def _zone(text: str) -> dt.tzinfo:
    try:
        return dt.datetime.strptime(text, "%z").tzinfo or dt.UTC
    except ValueError:
        return ZoneInfo(text)


def _clock(_column: Column, judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    plain = [None if value is None else value.replace(tzinfo=None) for value in given]
    return _filled(judged, pa.array(plain, pa.time64("us"))), Need()


def _plain(column: Column, judged: Judged, given: list[Any]) -> tuple[pa.Array, Need]:
    return _filled(judged, pa.array(given, _SIMPLE[column.type])), Need()


def _filled(judged: Judged, distinct: pa.Array, values: pa.Array | None = None) -> pa.Array:
    values = judged.values if values is None else values
    if values is None:
        values = pa.nulls(len(judged.texts), distinct.type)
    return patch(pc.cast(values, distinct.type), judged, distinct)


_READERS = {
    "integer": _integers,
    "number": _doubles,
    "datetime": _times,
    "time": _clock,
    "boolean": _plain,
    "date": _plain,
    "year": _plain,
}


# The file ---------------------------------------------------------------------------------


class TypedFile:
    """A Parquet file of typed columns, written while batches are judged."""

    def __init__(self, path: Path, schema: Json, field_ids: dict[str, int] | None = None) -> None:
        self._path, self._fields = path, schema["fields"]
        self._ids = field_ids or {}
        self._needs = {field["name"]: Need() for field in self._fields}
        self._waiting: list[pa.RecordBatch] = []
        self._count = 0
        self._writer: pq.ParquetWriter | None = None
        self._beside = ThreadPoolExecutor(1)
        self._writing: list[Future[None]] = []
        self.fixed = False  # the types are final: a batch must fit them
        self.schema = pa.schema([])
        self.stale = False  # a batch needs other types than the file has

    def read(self, columns: Sequence[Column], judged: Sequence[Judged]) -> dict[str, Any]:
        """Typed values of the schema's columns in one batch; may run in any thread."""
        return {
            column.name: self._read(column, found)
            for column, found in zip(columns, judged, strict=True)
            if column.name in self._needs
        }

    def _read(self, column: Column, judged: Judged) -> tuple[pa.Array, Need]:
        if self.fixed and pa.types.is_string(self.schema.field(column.name).type):
            return texts_of(judged), self._needs[column.name]
        return read(column, judged)

    def take(self, typed: dict[str, Any], length: int) -> None:
        """Write a batch, in file order; nothing once the types no longer fit."""
        for name, (_, need) in typed.items():
            self._needs[name] |= need
        wanted = self._wanted()
        if self._count == 0 and not self.fixed:
            self.schema = wanted
        self._count += length
        if wanted != self.schema:
            self.stale = True
        if self.stale:
            self._waiting.clear()
            return
        arrays = [
            fit(typed[field.name][0], field.type) if field.name in typed
            else pa.nulls(length, field.type)
            for field in self.schema
        ]  # fmt: skip
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        while sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
            whole = pa.Table.from_batches(self._waiting, self.schema)
            self._write(whole.slice(0, ROW_GROUP))
            self._waiting = whole.slice(ROW_GROUP).to_batches()

    def again(self) -> None:
        """Begin again, with the types that all batches together need."""
        self.abandon()
        self._beside = ThreadPoolExecutor(1)
        self._writer, self._waiting, self._count = None, [], 0
        self.schema, self.fixed, self.stale = self._wanted(), True, False

    def finish(self) -> None:
        """Write what is left and close the file."""
        if self._count == 0 and not self.fixed:
            self.schema = self._wanted()
        self._write(pa.Table.from_batches(self._waiting, self.schema))
        for done in self._writing:
            done.result()
        self._beside.shutdown()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Close and remove the file."""
        self._beside.shutdown(cancel_futures=True)
        self._writing.clear()
        if self._writer is not None:
            self._writer.close()
        self._path.unlink(missing_ok=True)

    def _wanted(self) -> pa.Schema:
        fields = []
        for field in self._fields:
            number = self._ids.get(field["name"])
            metadata = None if number is None else {"PARQUET:field_id": str(number)}
            kind = self._needs[field["name"]].kind(field)
            fields.append(pa.field(field["name"], kind, metadata=metadata))
        return pa.schema(fields)

    def _write(self, group: pa.Table) -> None:
        self._writing = [done for done in self._writing if not _finished(done)]
        if len(self._writing) >= _AHEAD:
            self._writing.pop(0).result()
        self._writing.append(self._beside.submit(self._write_group, group))

    def _write_group(self, group: pa.Table) -> None:
        if self._writer is None:
            self._writer = _writer(self._path, self.schema, group)
        self._writer.write_table(group, row_group_size=ROW_GROUP)


def _finished(done: Future[None]) -> bool:
    if done.done():
        done.result()
        return True
    return False


def _writer(path: Path, schema: pa.Schema, first: pa.Table) -> pq.ParquetWriter:
    # A dictionary pays for values that repeat; for others it costs time and makes files larger.
    repeated = [name for name in schema.names if _repeats(first.column(name))]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        version="2.6",
        use_dictionary=repeated or False,
        write_statistics=True,
        write_page_index=True,
        store_schema=False,
        store_decimal_as_integer=True,
    )


def _repeats(column: pa.ChunkedArray) -> bool:
    head = column.slice(0, _LOOKED_AT)
    return len(head) > 0 and pc.count_distinct(head, mode="all").as_py() < len(head) / 4
