"""Read a table's records as text, with row numbers as frictionless counts them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.model import Json, Struct, Table

if TYPE_CHECKING:
    from collections.abc import Iterator


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
