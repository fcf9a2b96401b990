"""Write the distributions of a resource: Parquet and CSV (stage release, in a child)."""

from __future__ import annotations

import csv
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.model import Json, Struct, Table
from datahub.validation.reading import records
from datahub.validation.typed import Columns

_LOOKED_AT = 20_000
ROW_GROUP = 122_880  # rows: measured best for points, windows and scans alike

if TYPE_CHECKING:
    from collections.abc import Iterator


class Export(Struct, frozen=True):
    """A resource's tables, its schema, the Parquet field ids, and the folder to write in."""

    resource: str
    schema: Json
    tables: tuple[Table, ...]
    field_ids: dict[str, int]
    folder: str


class Exported(Struct, frozen=True):
    """What was written."""

    rows: int
    columns: dict[str, str]  # name -> Arrow type


def export(job: Export) -> Exported:
    """Write `<resource>.parquet` and `<resource>.csv`; both hold the rows in file order."""
    folder = Path(job.folder)
    with ThreadPoolExecutor(1) as beside:
        copied = beside.submit(write_csv, job, folder / f"{job.resource}.csv")
        columns = Columns(job.schema, job.tables, job.field_ids)
        rows = write_parquet(columns, folder / f"{job.resource}.parquet")
        copied.result()
    return Exported(rows=rows, columns={f.name: str(f.type) for f in columns.schema})


def write_parquet(columns: Columns, path: Path) -> int:
    """Write typed batches in row groups of equal size; return the number of rows."""
    rows = 0
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for group in _groups(columns):
            if writer is None:
                writer = stack.enter_context(_writer(path, columns.schema, group))
            writer.write_table(group, row_group_size=ROW_GROUP)
            rows += group.num_rows
    return rows


def _groups(columns: Columns) -> Iterator[pa.Table]:
    """Batches gathered into tables of ROW_GROUP rows; an empty table when there are none."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in columns.batches():
        waiting.append(batch)
        count += batch.num_rows
        while count >= ROW_GROUP:
            whole = pa.Table.from_batches(waiting, columns.schema)
            yield whole.slice(0, ROW_GROUP)
            waiting, count = whole.slice(ROW_GROUP).to_batches(), count - ROW_GROUP
    yield pa.Table.from_batches(waiting, columns.schema)


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
    )


def _repeats(column: pa.ChunkedArray) -> bool:
    head = column.slice(0, _LOOKED_AT)
    return len(head) > 0 and pc.count_distinct(head, mode="all").as_py() < len(head) / 4


def write_csv(job: Export, path: Path) -> None:
    """Write UTF-8 CSV with the cells as they were handed in, so that it validates alike.

    A file that is that already is copied byte for byte: its digest stays the original's.
    """
    if len(job.tables) == 1 and _is_plain(job.tables[0]):
        shutil.copyfile(job.tables[0].path, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field["name"] for field in job.schema["fields"]])
        for table in job.tables:
            writer.writerows(cells for _, cells in records(table))


def _is_plain(table: Table) -> bool:
    dialect = table.dialect
    shape = (dialect.delimiter, dialect.quote_char, dialect.header_row)
    return shape == (",", '"', 1) and not table.copied
