"""Write the typed columns of tables that were found valid, in a reading of its own."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from datahub.validation import reference
from datahub.validation.columns import Column
from datahub.validation.scan import RecordTooLongError, Scan, blocks, in_order, too_long, workers
from datahub.validation.typed import TypedFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from datahub.model import Json, Table
    from datahub.validation.scan import Piece


def write_typed(
    path: Path, schema: Json, tables: Sequence[Table], field_ids: dict[str, int] | None = None
) -> tuple[int, pa.Schema]:
    """Write a Parquet file of all tables in order; return the number of rows and the schema.

    Raises:
        LineTooLong: a record is larger than any that is read.

    """
    typed = TypedFile(path, schema, field_ids)
    rows = write_again(typed, schema, tables)
    if typed.stale:
        typed.again()
        rows = write_again(typed, schema, tables)
    typed.finish()
    return rows, typed.schema


def describe(path: Path) -> Json:
    """Rows and column types of a typed file, its size and digest."""
    found = pq.read_metadata(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    columns = {field.name: str(field.type) for field in pq.read_schema(path)}
    return {
        "rows": found.num_rows,
        "columns": columns,
        "bytes": path.stat().st_size,
        "sha256": digest,
    }


def write_again(typed: TypedFile, schema: Json, tables: Sequence[Table]) -> int:
    """Read the tables and hand their batches to the file; return the number of rows."""
    return sum(_write_table(typed, schema, table) for table in tables)


def _write_table(typed: TypedFile, schema: Json, table: Table) -> int:
    given = reference.Given(table.name, table.path, schema | {"foreignKeys": []}, table.dialect)
    fields = reference.open_header(given).fields
    columns = [Column(entry, number) for number, entry in enumerate(fields, start=1)]

    def judge(piece: Piece) -> dict[str, Any]:
        texts = zip(columns, piece.texts.columns, strict=True)
        return typed.read(columns, [column.judge(cells) for column, cells in texts])

    scan = Scan(table, len(columns), _block_for(table, len(columns)))
    with ThreadPoolExecutor(workers()) as pool:
        for piece, found in in_order(pool, judge, scan.pieces(_no_ragged)):
            typed.take(found, len(piece))
    return scan.total


def _block_for(table: Table, width: int) -> int:
    """Size of a block that every record fits in: the smallest, but for odd files."""
    for block in blocks():
        try:
            for _ in Scan(table, width, block).pieces(_no_ragged, [0]):
                pass
        except RecordTooLongError:
            continue
        return block
    raise too_long(table)


def _no_ragged(_row: int, _cells: list[str]) -> None:
    """A valid table has none."""
