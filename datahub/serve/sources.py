"""Where the rows of a table are read from: the fastest of what there is for it.

The Parquet file is always there. A native DuckDB file, the index of the NDJSON file's lines and
orders of rows by a column are derived from it, bound to its digest, and may be gone at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.serve.reading import Reading, Table


class Source(Struct, frozen=True):
    """What stands after FROM, its values to bind, and the name of the row number in it."""

    relation: str
    values: tuple[str, ...]
    row: str


def source(reading: Reading, table: Table) -> Source:  # noqa: ARG001
    """Find the fastest relation that holds all rows of a table, in order of their numbers."""
    return Source(
        relation="read_parquet(?, file_row_number=true)",
        values=(str(table.path),),
        row="file_row_number",
    )


def window(reading: Reading, table: Table, start: int, count: int) -> list[bytes] | None:  # noqa: ARG001
    """JSON objects of the rows from `start` on, as the NDJSON file has them; None: not at hand."""
    return None


def lines(reading: Reading, table: Table, rows: Sequence[int]) -> list[bytes] | None:  # noqa: ARG001
    """JSON objects of rows by their numbers, as the NDJSON file has them; None: not at hand."""
    return None


def ordered(
    reading: Reading,  # noqa: ARG001
    table: Table,  # noqa: ARG001
    column: str,  # noqa: ARG001
    start: int,  # noqa: ARG001
    count: int,  # noqa: ARG001
    *,
    descending: bool,  # noqa: ARG001
    nulls_first: bool,  # noqa: ARG001
) -> list[int] | None:
    """Row numbers `start` to `start + count` in the order of a column, ties by row number.

    None: that order is not at hand.
    """
    return None
