"""Read a table's records as text, with row numbers as frictionless counts them."""

from __future__ import annotations

import csv
import itertools
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


def labels(table: Table) -> list[str]:
    """Labels of a table as frictionless reads them: without spaces around."""
    dialect = table.dialect
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        header = next(itertools.islice(reader, dialect.header_row - 1, None), [])
    return [label.strip() for label in header]


def merged(tables: Sequence[Table]) -> Iterator[list[str]]:
    """Header and records of several files of one table, under the labels of the first.

    `fieldsMatch` lets files differ in the order of their columns.
    """
    columns = labels(tables[0])
    yield columns
    for table in tables:
        own = labels(table)
        places = [own.index(name) if name in own else -1 for name in columns]
        for _, cells in records(table):
            if own == columns:
                yield cells
            else:
                yield [cells[place] if 0 <= place < len(cells) else "" for place in places]


def texts(tables: Sequence[Table]) -> Iterator[tuple[Table, int, list[str], pa.RecordBatch]]:
    """Cells as text: table, row number of the batch's first row, labels, columns in their order."""
    for table in tables:
        row, names = table.dialect.header_row + 1, labels(table)
        for batch in _open(table, len(names)):
            yield table, row, names, batch
            row += batch.num_rows


def _open(table: Table, width: int) -> arrow.CSVStreamingReader:
    names = [str(number) for number in range(width)]
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
            ignore_empty_lines=width > 1,
        ),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
