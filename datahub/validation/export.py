"""Write the distributions of a resource (stage release, in a child): every form of its rows."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from datahub.forms.names import FORMS
from datahub.model import Distribution, Json, Struct, Table
from datahub.validation.export_csv import write_csv
from datahub.validation.export_forms import (
    Whole,
    columns_in,
    write_geojson,
    write_ndjson,
    write_statistics,
    write_xlsx,
)
from datahub.validation.export_parts import measured
from datahub.validation.originals import Original, write_originals
from datahub.validation.writing import write_typed

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 3


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
    title: str = ""
    crs: str = ""  # of the record
    originals: tuple[Original, ...] = ()
    part_bytes: int = 2 << 30
    lines: str | None = None  # where to write the index of the NDJSON's lines


class Exported(Struct, frozen=True):
    """What was written."""

    rows: int
    columns: dict[str, str]  # name -> Arrow type
    files: tuple[Distribution, ...]


def export(job: Export) -> Exported:
    """Write every form of a resource; all hold the rows in file order."""
    folder = Path(job.folder)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        csv = pool.submit(write_csv, job.resource, job.tables, folder, job.part_bytes)
        path = folder / f"{job.resource}.parquet"
        if job.typed is not None and _take(job.typed, path):
            rows, columns = job.typed.rows, job.typed.columns
        else:
            rows, schema = write_typed(path, job.schema, job.tables, job.field_ids)
            columns = {field.name: str(field.type) for field in schema}
        others = [pool.submit(write) for write in _others(job, path, rows)]
        parquet = measured(path, job.resource, "parquet", FORMS["parquet"].media_type)
        made = [_counted(file, rows) for file in (parquet, *csv.result())]
        for other in others:
            made += other.result()
    sums = [file.sha256 for file in made]
    made += write_originals(job.resource, job.originals, job.tables, folder, sums)
    return Exported(rows=rows, columns=columns, files=tuple(made))


def _others(job: Export, path: Path, rows: int) -> list[Callable[[], list[Distribution]]]:
    """What is told from the Parquet file, in the order of the manifest."""
    whole = Whole(
        resource=job.resource, path=path, columns=columns_in(path, job.schema), rows=rows,
        schema=job.schema, crs=job.crs, limit=job.part_bytes, title=job.title or job.resource,
    )  # fmt: skip
    index = None if job.lines is None else Path(job.lines)
    return [
        lambda: write_ndjson(whole, index),
        lambda: write_xlsx(whole),
        lambda: write_geojson(whole),
        lambda: write_statistics(whole),
    ]


def _counted(file: Distribution, rows: int) -> Distribution:
    return file if file.part else msgspec.structs.replace(file, rows=rows)


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
