"""Write the distributions of a resource: Parquet and CSV (stage release, in a child)."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from datahub.model import Json, Struct, Table
from datahub.validation.reading import merged
from datahub.validation.writing import write_typed


class Written(Struct, frozen=True):
    """A Parquet file that is there already, and what it is to be."""

    path: str
    rows: int
    columns: dict[str, str]
    bytes: int
    sha256: str


class Export(Struct, frozen=True):
    """A resource's tables, its schema, the Parquet field ids, and the folder to write in."""

    resource: str
    schema: Json
    tables: tuple[Table, ...]
    field_ids: dict[str, int]
    folder: str
    typed: Written | None = None  # what stage validate wrote: taken when it is still that


class Exported(Struct, frozen=True):
    """What was written."""

    rows: int
    columns: dict[str, str]  # name -> Arrow type


def export(job: Export) -> Exported:
    """Write `<resource>.parquet` and `<resource>.csv`; both hold the rows in file order."""
    folder = Path(job.folder)
    with ThreadPoolExecutor(1) as beside:
        copied = beside.submit(write_csv, job, folder / f"{job.resource}.csv")
        path = folder / f"{job.resource}.parquet"
        if job.typed is not None and _take(job.typed, path):
            rows, columns = job.typed.rows, job.typed.columns
        else:
            rows, schema = write_typed(path, job.schema, job.tables, job.field_ids)
            columns = {field.name: str(field.type) for field in schema}
        copied.result()
    return Exported(rows=rows, columns=columns)


def _take(typed: Written, path: Path) -> bool:
    """Link the file to its place, unless it is gone or damaged (by a crash, say)."""
    source = Path(typed.path)
    if not source.exists() or source.stat().st_size != typed.bytes:
        return False
    with source.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != typed.sha256:
            return False
    try:
        os.link(source, path)
    except OSError:  # another disk
        shutil.copyfile(source, path)
    return True


def write_csv(job: Export, path: Path) -> None:
    """Write UTF-8 CSV with the cells as they were handed in, so that it validates alike.

    A file that is that already is copied byte for byte: its digest stays the original's.
    """
    if len(job.tables) == 1 and _is_plain(job.tables[0]):
        shutil.copyfile(job.tables[0].path, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(merged(job.tables))


def _is_plain(table: Table) -> bool:
    dialect = table.dialect
    shape = (dialect.delimiter, dialect.quote_char, dialect.header_row)
    return shape == (",", '"', 1) and not table.copied
