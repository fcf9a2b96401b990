"""Encoders of every form: batches of rows in, bytes out, with bounded memory.

The SQL that feeds an encoder is `expressions`: for all forms but Parquet and Arrow each row comes
as one text that DuckDB has written, so that Python only joins texts; those two take the columns.
What is read by one encoder is read alike by a release and by an answer.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from datahub.errors_forms import FormUnfit
from datahub.forms import sheets, texts
from datahub.forms.columns import Column, json_row, quote, text_of
from datahub.forms.geometry import feature_row, geometry_of
from datahub.forms.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from datahub.forms.names import Form

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_ODD = re.compile(
    r"\b(UNION|INTERVAL|BIT|TIME WITH TIME ZONE|BIGNUM|UHUGEINT|ENUM|GEOMETRY|VARIANT)\b"
    r"|\bSTRUCT\([^ ]+?[,)]"  # without names
)
"""DuckDB types that Parquet has not, or Arrow's readers do not agree about."""


def expressions(form: Form, columns: Sequence[Column], crs: str = "") -> str:
    """SQL select list that an encoder is fed with: one column "row", or the columns themselves.

    Raises:
        FormUnfit: there is no geometry, or there are too many columns for a sheet.

    """
    if form.name in ("parquet", "arrow"):
        return ", ".join(_columnar(column) for column in columns)
    return f'{_row(form.name, columns, crs)} as "row"'


def encode(
    form: Form,
    columns: Sequence[Column],
    batches: Iterator[pa.RecordBatch],
    *,
    title: str = "",
    schema: pa.Schema | None = None,
) -> Iterator[bytes]:
    """Bytes of the rows, chunk by chunk; of JSON the objects, without what stands around them.

    `batches` are what `expressions` selects. `title` names the sheet, or the XML document; `schema`
    is that of the batches, which Parquet and Arrow need where there is no row.

    Raises:
        FormUnfit: the rows or a text do not fit a sheet; bytes may have been given already.

    """
    if form.name == "xlsx":
        return _xlsx(columns, batches, title)
    if form.name in ("parquet", "arrow"):
        return _columns(form.name, batches, schema)
    head, between, tail = _frame(form.name, columns, title)
    lines = _lines(batches, between)
    if form.name == "xml":
        lines = (_mended(data, _picture) for data in lines)
    return _framed(_mended(head.encode(), _picture) if form.name == "xml" else head.encode(),
                   lines, between, tail.encode())  # fmt: skip


def _row(form: str, columns: Sequence[Column], crs: str) -> str:
    if form in ("json", "ndjson"):
        return json_row(columns)
    if form == "geojson":
        geometry = geometry_of(columns, crs)
        if geometry is None:
            raise FormUnfit(
                form=form, instead="json, csv",
                reason_zh="没有可用的坐标列（geojson、geopoint 或 lon、lat，WGS84 或 CGCS2000）",
                reason_en="no geometry (geojson, geopoint, or lon and lat in WGS84 or CGCS2000)",
            )  # fmt: skip
        return feature_row(columns, geometry)
    if form == "xml":
        return texts.xml_row(columns)
    if form == "xlsx":
        if len(columns) > sheets.COLUMNS:
            raise _too_large(f"{sheets.COLUMNS:,} 列", f"{sheets.COLUMNS:,} columns")
        return sheets.sheet_row(columns)
    return texts.separated_row(columns, _SEPARATORS[form])


_SEPARATORS = {"csv": ",", "tsv": "\t"}


def _columnar(column: Column) -> str:
    name = quote(column.name)
    return f"{text_of(column)} as {name}" if _ODD.search(column.kind) else name


def _frame(form: str, columns: Sequence[Column], title: str) -> tuple[str, bytes, str]:
    """What stands before the rows, between two of them, and after the last."""
    if form == "json":
        return "", b",\n", ""
    if form == "geojson":
        return '{"type":"FeatureCollection","features":[\n', b",\n", "\n]}\n"
    if form == "xml":
        return texts.xml_head(title), b"\n", "\n</rows>\n"
    head = texts.separated_head(columns, _SEPARATORS[form]) if form in _SEPARATORS else ""
    return head, b"\n", "\n"


def _framed(head: bytes, lines: Iterator[bytes], between: bytes, tail: bytes) -> Iterator[bytes]:
    if head:
        yield head
    first = True
    for data in lines:
        yield data if first else between + data
        first = False
    if first and tail.startswith(b"\n"):
        tail = tail[1:]
    if tail:
        yield tail


def _lines(batches: Iterator[pa.RecordBatch], between: bytes) -> Iterator[bytes]:
    """Texts of each batch joined, without an end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in batches:
        if not batch.num_rows:
            continue
        rows = pc.cast(batch.column(0), pa.large_string())
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(rows)], pa.int64()), rows)
        joined = pc.binary_join(whole, pa.scalar(between.decode(), pa.large_string()))
        yield joined[0].as_buffer().to_pybytes()


def _mended(data: bytes, told: Callable[[int], bytes]) -> bytes:
    """Characters that XML 1.0 cannot write, told otherwise."""
    if not _has_controls(data):
        return data
    return _CONTROL.sub(lambda found: _other(found[0], told), data)


def _has_controls(data: bytes) -> bool:
    kept = len(data.translate(None, texts.CONTROLS))
    return kept < len(data) or b"\xef\xbf\xbe" in data or b"\xef\xbf\xbf" in data


def _other(found: bytes, told: Callable[[int], bytes]) -> bytes:
    return told(found[0]) if len(found) == 1 else "\ufffd".encode()


def _picture(sign: int) -> bytes:
    """Picture of a control character: U+2400 and on."""
    return chr(0x2400 + sign).encode()


def _xlsx(
    columns: Sequence[Column], batches: Iterator[pa.RecordBatch], title: str
) -> Iterator[bytes]:
    sink, total = Sink(), 0
    book = sheets.Workbook(sink, title, columns)
    book.write(_mended(sheets.sheet_head(columns).encode(), sheets.control))
    for data, rows in _sheet_lines(batches):
        total += rows
        book.write(_mended(data, sheets.control))
        if total > sheets.ROWS:
            raise _too_large(f"{sheets.ROWS:,} 行", f"{sheets.ROWS:,} rows")
        if book.bytes > sheets.SHEET_BYTES:
            raise _too_large("4 GB", "4 GB")
        yield sink.take()
    book.write(sheets.SHEET_TAIL.encode())
    book.close()
    yield sink.take()


def _sheet_lines(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[bytes, int]]:
    for batch in batches:
        if batch.column(0).null_count:
            letters = f"{sheets.LETTERS:,}"
            raise _too_large(f"每格 {letters} 个字符", f"{letters} characters in a cell")
        for data in _lines(iter([batch]), b"\n"):
            yield data, batch.num_rows


def _too_large(zh: str, en: str) -> FormUnfit:
    return FormUnfit(
        form="xlsx", instead="csv, parquet",
        reason_zh=f"Excel 工作表最多容纳 {zh}", reason_en=f"a worksheet holds at most {en}",
    )  # fmt: skip


def _columns(
    form: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema | None
) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = Sink()
    first = next(batches, None)
    if schema is None:
        schema = pa.schema([]) if first is None else first.schema
    writer = (
        pq.ParquetWriter(sink, schema, compression="zstd")
        if form == "parquet"
        else pa.ipc.new_stream(sink, schema)
    )
    for batch in batches if first is None else itertools.chain([first], batches):
        writer.write_batch(batch)
        yield sink.take()
    writer.close()
    yield sink.take()
