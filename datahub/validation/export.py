"""Write the distributions of a resource: Parquet and CSV (stage release, in a child)."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datahub.model import Json, Struct, Table
from datahub.validation.judge import records
from datahub.validation.typed import Columns

VERSION = 1
ROW_GROUP = 122_880  # rows: measured best for points, windows and scans alike


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
    columns = Columns(job.schema, job.tables, job.field_ids)
    rows = write_parquet(columns, folder / f"{job.resource}.parquet")
    write_csv(job, folder / f"{job.resource}.csv")
    return Exported(rows=rows, columns={f.name: str(f.type) for f in columns.schema})


def write_parquet(columns: Columns, path: Path) -> int:
    """Write typed batches in row groups of equal size; return the number of rows."""
    rows = 0
    waiting: list[pa.RecordBatch] = []
    waiting_rows = 0
    with pq.ParquetWriter(
        path,
        columns.schema,
        compression="zstd",
        version="2.6",
        write_statistics=True,
        write_page_index=True,
        store_schema=False,
    ) as writer:
        for batch in columns.batches():
            rows += batch.num_rows
            waiting.append(batch)
            waiting_rows += batch.num_rows
            while waiting_rows >= ROW_GROUP:
                whole = pa.Table.from_batches(waiting, columns.schema)
                writer.write_table(whole.slice(0, ROW_GROUP), row_group_size=ROW_GROUP)
                waiting = whole.slice(ROW_GROUP).to_batches()
                waiting_rows -= ROW_GROUP
        writer.write_table(pa.Table.from_batches(waiting, columns.schema))
    return rows


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
