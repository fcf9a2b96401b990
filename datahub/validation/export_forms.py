"""Forms of a release that are told from its Parquet file, each in a thread of its own.

DuckDB writes the rows as texts and Arrow joins them, both without Python's lock.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Self

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from datahub.errors_forms import FormUnfit
from datahub.forms import sheets
from datahub.forms.columns import Column, columns_of
from datahub.forms.geometry import geometry_of
from datahub.forms.names import FORMS
from datahub.forms.write import encode, expressions
from datahub.model import Struct
from datahub.validation.export_parts import Measured, Parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datahub.model import Distribution, Json

CELLS = 20_000_000
"""Of the largest workbook that is made, some ten seconds of work; Excel opens no larger one."""
_BATCH = 10_000  # rows
_MEMORY = "512MB"


class Whole(Struct, frozen=True):
    """A resource's Parquet file, and what its other forms need to know."""

    resource: str
    path: Path
    columns: tuple[Column, ...]
    rows: int
    schema: Json
    crs: str
    limit: int  # bytes of a part
    title: str

    @property
    def folder(self) -> Path:
        """Where its forms are written."""
        return self.path.parent

    def batches(self, form: str) -> Iterator[pa.RecordBatch]:
        """Rows in their order, told for an encoder."""
        select = expressions(FORMS[form], self.columns, self.crs)
        with duckdb.connect(config={"threads": 1, "memory_limit": _MEMORY}) as db:
            db.execute("set arrow_large_buffer_size=true")
            sql = f"select {select} from read_parquet(?)"  # noqa: S608 - our own expressions
            yield from db.execute(sql, [str(self.path)]).to_arrow_reader(_BATCH)


def columns_in(path: Path, schema: Json) -> tuple[Column, ...]:
    """Columns of a Parquet file, as everything that reads it sees them."""
    with duckdb.connect() as db:
        rows = db.execute("describe from read_parquet(?)", [str(path)]).fetchall()
    return columns_of([(row[0], row[1]) for row in rows], schema)


def write_ndjson(whole: Whole, index: Path | None) -> list[Distribution]:
    """Write a JSON object a line, and where each line begins (see `store.derived`)."""
    form, path = FORMS["ndjson"], whole.folder / f"{whole.resource}.ndjson"
    with Parts(path, whole.limit) as parts, _Lines(index) as lines:
        for batch in whole.batches("ndjson"):
            data = b"".join(encode(form, whole.columns, iter([batch])))
            lines.add(batch.column(0))
            if len(data) <= whole.limit // 16:
                parts.add(data, len(batch))
                continue
            for line in data.splitlines(keepends=True):
                parts.add(line, 1)
    return parts.told(whole.resource, "ndjson", form.media_type)


class _Lines:
    """Index of lines: little-endian uint64, where each begins, and the end of the last.

    It only saves work later: where it cannot be written, there is none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._end = path, 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Begin the index."""
        if self._path is not None and sys.byteorder == "little":
            with suppress(OSError):
                self._file = self._path.open("wb")
        self._write(bytes(8))
        return self

    def __exit__(self, *fault: object) -> None:
        """End it; half an index is none."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:
            fault = (OSError,)
        if self._path is not None and (file is None or fault[0] is not None):
            self._path.unlink(missing_ok=True)

    def add(self, rows: pa.Array) -> None:
        """Add the rows of a batch, each of them a line."""
        sizes = pc.add(pc.cast(pc.binary_length(rows), pa.int64()), 1)
        ends = pc.cumulative_sum(sizes, start=self._end)
        if len(ends):
            self._end = ends[-1].as_py()
            self._write(memoryview(ends.buffers()[1])[: 8 * len(ends)])

    def _write(self, data: bytes | memoryview) -> None:
        try:
            if self._file is not None:
                self._file.write(data)
        except OSError:
            self._file = None


def write_xlsx(whole: Whole) -> list[Distribution]:
    """Write a workbook, where the rows fit one that Excel opens."""
    if whole.rows > sheets.ROWS or whole.rows * len(whole.columns) > CELLS:
        return []
    try:
        return [_encoded(whole, "xlsx")]
    except FormUnfit:  # a text is too long for a cell: it is not cut
        (whole.folder / f"{whole.resource}.xlsx").unlink(missing_ok=True)
        return []


def write_geojson(whole: Whole) -> list[Distribution]:
    """Write GeoJSON, where there is a geometry."""
    there = geometry_of(whole.columns, whole.crs) is not None
    return [_encoded(whole, "geojson")] if there else []


def write_statistics(whole: Whole) -> list[Distribution]:
    """Write what is asked of each column again and again."""
    from datahub.validation.statistics import statistics

    file = Measured(whole.folder / f"{whole.resource}.stats.json")
    file.write(msgspec.json.encode(statistics(whole.path, whole.schema)) + b"\n")
    file.close()
    return [file.told(whole.resource, "stats", "application/json")]


def _encoded(whole: Whole, form: str) -> Distribution:
    file = Measured(whole.folder / f"{whole.resource}.{form}")
    try:
        batches = whole.batches(form)
        for data in encode(FORMS[form], whole.columns, batches, title=whole.title):
            file.write(data)
    finally:
        file.close()
    told = file.told(whole.resource, form, FORMS[form].media_type)
    return msgspec.structs.replace(told, rows=whole.rows)
