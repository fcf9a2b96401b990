"""Read Parquet as text, batch by batch: decimals exact, times in ISO 8601, nested as JSON."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from datahub.errors import ArchiveBomb, FormatBroken, LineTooLong
from datahub.model import Dialect, Json, Table
from datahub.validation.probing import (
    RATIO,
    RATIO_FROM,
    Probe,
    check_columns,
    field_names,
    header_missing,
    null_text,
    renamed,
    score_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BATCH_CELLS = 1 << 18
_FOOTER = b"PAR1"
_PAGE = 1 << 20
_THRIFT_BYTES, _THRIFT_ITEMS = 64 << 20, 1 << 20


def extract_parquet(probe: Probe) -> Table:
    """Write a Parquet file to the probe's copy, as CSV with its column names as the header.

    Raises:
        FormatBroken: it is truncated, or its parts contradict each other.
        ArchiveBomb: it would unfold to more bytes or cells than it may.
        HeaderMissing: no column has the name of a field.

    """
    with Path(probe.path).open("rb") as raw:
        raw.seek(max(0, probe.bytes - len(_FOOTER)))
        if raw.read() != _FOOTER:
            raise _broken(probe, "文件末尾缺少 PAR1 标记，像是被截断", "its end is missing")
    try:
        with pq.ParquetFile(
            probe.path,
            pre_buffer=False,
            thrift_string_size_limit=_THRIFT_BYTES,
            thrift_container_size_limit=_THRIFT_ITEMS,
        ) as file:
            _measure(probe, file.metadata)
            names = list(file.schema_arrow.names)
            if not score_header(names, field_names(probe.schema)):
                raise header_missing(probe.name, field_names(probe.schema), ", ".join(names))
            _write(probe, file, names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _broken(probe, "内部结构损坏", "its parts contradict each other") from error
    return Table(
        path=probe.copy,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format="parquet",
        encoding="utf-8",
        dialect=Dialect(header_row=1, header_line=1 + sum(name.count("\n") for name in names)),
        copied=True,
        notices=renamed(probe, "Parquet"),
    )


def _broken(probe: Probe, zh: str, en: str) -> FormatBroken:
    return FormatBroken(file=probe.name, format="Parquet", reason_zh=zh, reason_en=en)


def _measure(probe: Probe, metadata: Any) -> None:
    """Check what the footer announces: run lengths make a billion rows of a hundred bytes."""
    check_columns(probe, metadata.num_columns)
    cells = metadata.num_rows * max(1, metadata.num_columns)
    size = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            size += column.total_uncompressed_size
            if column.total_uncompressed_size > _PAGE + column.num_values * probe.line_bytes:
                raise LineTooLong(file=probe.name, line=1, limit=probe.line_bytes)
    dense = cells > RATIO_FROM and cells > RATIO * probe.bytes
    if max(size, cells) > probe.unpacked_bytes or dense:
        limit = min(probe.unpacked_bytes, max(RATIO_FROM, RATIO * probe.bytes))
        raise ArchiveBomb(file=probe.name, bytes=max(size, cells), limit=limit)


def _write(probe: Probe, file: Any, names: list[str]) -> None:
    null = null_text(probe.schema)
    fields = {field["name"]: field for field in probe.schema["fields"]}
    rows = max(1, _BATCH_CELLS // max(1, len(names)))
    size = 0
    with Path(probe.copy).open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        size += writer.writerow(names)
        for batch in file.iter_batches(batch_size=rows, use_threads=False):
            columns = [
                _texts(column, fields.get(name, {}), null)
                for name, column in zip(names, batch.columns, strict=True)
            ]
            for cells in zip(*columns, strict=True):
                size += writer.writerow(cells)
            if size > probe.unpacked_bytes:
                raise ArchiveBomb(file=probe.name, bytes=size, limit=probe.unpacked_bytes)


def _texts(column: pa.Array, field: Json, null: str) -> list[str]:
    """Cells of a column as text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_boolean(kind):
        true = str(field.get("trueValues", ["true"])[0])
        false = str(field.get("falseValues", ["false"])[0])
        column = pc.if_else(column, true, false)
    elif pa.types.is_integer(kind) or pa.types.is_large_string(kind):
        column = pc.cast(column, pa.string())
    elif not pa.types.is_string(kind):
        return [null if v is None else _text(v, field) for v in _values(column)]
    return pc.fill_null(column, null).to_pylist()  # type: ignore[no-any-return]


def _values(column: pa.Array) -> Iterator[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":  # Python has no nanoseconds
        texts = pc.cast(column, pa.string()).to_pylist()
        yield from (None if t is None else _Stamp(t) for t in texts)
        return
    yield from column.to_pylist()


class _Stamp(str):
    """A time with nanoseconds, as Arrow writes it."""

    __slots__ = ()


def _text(value: Any, field: Json) -> str:
    if isinstance(value, _Stamp):
        return _nanoseconds(value, field)
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value, field)
    return json.dumps(
        value, ensure_ascii=False, default=lambda v: _text(v, {}), separators=(",", ":")
    )


def _nanoseconds(text: str, field: Json) -> str:
    head, _, fraction = text.replace(" ", "T").partition(".")
    digits = fraction.rstrip("Z").rstrip("0")
    if field.get("type") == "date" and head.endswith("T00:00:00") and not digits:
        return head[:10]
    return head + (f".{digits}" if digits else "") + ("Z" if text.endswith("Z") else "")


def _stamp(value: dt.datetime, field: Json) -> str:
    pattern = field.get("format", "default")
    if pattern not in ("default", "any"):
        return value.strftime(pattern)
    if field.get("type") == "date" and value.time() == dt.time.min:
        return value.date().isoformat()
    return value.isoformat()


def _date(value: dt.date, field: Json) -> str:
    pattern = field.get("format", "default")
    return value.isoformat() if pattern in ("default", "any") else value.strftime(pattern)


def _float(value: float, field: Json) -> str:
    whole = value.is_integer() and field.get("type") in ("integer", "string", "year")
    return str(int(value)) if whole else repr(value)


_WRITERS: tuple[tuple[type, Callable[[Any, Json], str]], ...] = (
    (str, lambda value, _: str(value)),
    (float, _float),
    (Decimal, lambda value, _: format(value, "f")),
    (dt.datetime, _stamp),
    (dt.date, _date),
    (dt.time, lambda value, _: str(value.isoformat())),
    (bytes, lambda value, _: str(value.decode("utf-8", errors="backslashreplace"))),
)
