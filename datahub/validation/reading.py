"""Read a table's records as text, with row numbers as frictionless counts them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv as arrow

from datahub.model import Json, Struct, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 4 << 20


class Slot(Struct, frozen=True):
    """A resource of a dataset with the tables that were handed in for it."""

    name: str
    schema: Json
    tables: tuple[Table, ...]


def records(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Rows below the header as text, with frictionless's row numbers (records from 1)."""
    dialect = table.dialect
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        for number, cells in enumerate(reader, start=1):
            if number > dialect.header_row:
                yield number, cells


def texts(
    names: list[str], tables: Sequence[Table], only: list[str] | None = None
) -> Iterator[tuple[Table, int, pa.RecordBatch]]:
    """Cells as text: table, row number of the batch's first row, columns in schema order."""
    for table in tables:
        row = table.dialect.header_row + 1
        for batch in _open(table, names, only):
            yield table, row, batch
            row += batch.num_rows


def _open(table: Table, names: list[str], only: list[str] | None) -> arrow.CSVStreamingReader:
    return arrow.open_csv(
        table.path,
        read_options=arrow.ReadOptions(
            column_names=names,
            skip_rows=table.dialect.header_line,
            block_size=_BLOCK,
            use_threads=True,
        ),
        parse_options=arrow.ParseOptions(
            delimiter=table.dialect.delimiter,
            quote_char=table.dialect.quote_char,
            newlines_in_values=True,
            ignore_empty_lines=len(names) > 1,
        ),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            include_columns=only,
        ),
    )
