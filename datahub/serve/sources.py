"""Where the rows of a table are read from: the fastest of what there is for it.

The Parquet file is always there. A native DuckDB file, the index of the NDJSON file's lines and
orders of rows by a column are derived from it (`store.derived`), bound to its digest, and may be
gone at any time. Asking for one that is not there makes it wanted: the next request may find it.
"""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from datahub.forms.columns import numbered, row_number
from datahub.forms.lines import Lines, opened
from datahub.model import Struct
from datahub.store.derived import LINES, NATIVE, TEXT, Wanted, ndjson_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datahub.serve.reading import Reading, Table

_log = structlog.get_logger()


class Source(Struct, frozen=True):
    """What stands after FROM, its values to bind, and the name of the row number in it.

    Rows come in the order of their numbers without any ORDER BY: a statement with LIMIT alone
    ends as soon as it has enough of them, one with ORDER BY and LIMIT reads all.
    """

    relation: str
    values: tuple[str, ...]
    row: str


def source(reading: Reading, table: Table) -> Source:
    """Find the fastest relation that holds all rows of a table, in order of their numbers."""
    ask(reading, table)
    names = [column.name for column in table.columns]
    path = reading.derived.folder(table.digest) / NATIVE
    native = reading.engine.attached(path)
    if native is not None and "rowid" not in map(str.lower, names):  # else it is the column
        return Source(relation=f"{native}.rows", values=(), row="rowid")
    return Source(relation=numbered("?", names), values=(str(table.path),), row=row_number(names))


def window(reading: Reading, table: Table, start: int, count: int) -> list[bytes] | None:
    """JSON objects of the rows from `start` on, as the NDJSON file has them; None: not at hand."""
    ask(reading, table)
    count = min(count, table.rows - start)
    if count <= 0:
        return []
    return _told(reading, table, lambda text: text.window(start, count))


def lines(reading: Reading, table: Table, rows: Sequence[int]) -> list[bytes] | None:
    """JSON objects of rows by their numbers, as the NDJSON file has them; None: not at hand."""
    ask(reading, table)
    return _told(reading, table, lambda text: text.picked(rows))


def at_hand(reading: Reading, table: Table) -> bool:
    """Whether lines can be read without a query."""
    return os.path.exists(f"{reading.derived.folder(table.digest)}/{LINES}")  # noqa: PTH110 - it costs half


def ask(
    reading: Reading,
    table: Table,
    *,
    order: tuple[int, bool] | None = None,
    values: int | None = None,
) -> None:
    """Note that rows, an order or the values of a column are asked for: see `Wanted`."""
    reading.derived.ask(
        Wanted(
            dataset=table.dataset,
            version=table.version,
            resource=table.resource,
            digest=table.digest,
            order=order,
            values=values,
        )
    )


def _told(
    reading: Reading, table: Table, find: Callable[[Lines], list[bytes] | None]
) -> list[bytes] | None:
    """What the lines of a table say; None: they are not there, or not usable."""
    index = reading.derived.folder(table.digest) / LINES
    try:
        with ExitStack() as stack:
            return find(_opened(stack, index, table))
    except OSError:
        return None
    except struct.error:
        damaged(index)
        return None


def _opened(stack: ExitStack, path: Path, table: Table) -> Lines:
    """Open the lines of a table for one question."""
    texts = ndjson_of(table.files, table.resource)
    parts = [(table.path.with_name(file.path), file.bytes) for file in texts]
    if not parts:
        own = path.with_name(TEXT)
        parts = [(own, own.stat().st_size)]
    return opened(stack, path, parts, table.rows)


def damaged(path: Path) -> None:
    """Remove what cannot be right: it is made again."""
    _log.error("derived.damaged", file=f"{path.parent.name}/{path.name}")
    path.unlink(missing_ok=True)
