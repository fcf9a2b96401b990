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
from datahub.forms.lines import Lines, open_file, opened
from datahub.model import Struct
from datahub.store.derived import LINES, NATIVE, TEXT, Order, Wanted, ndjson_of, order_name

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
    _ask(reading, table)
    names = [column.name for column in table.columns]
    path = reading.derived.folder(table.digest) / NATIVE
    native = reading.engine.attached(path)
    if native is not None and "rowid" not in map(str.lower, names):  # else it is the column
        return Source(relation=f"{native}.rows", values=(), row="rowid")
    return Source(relation=numbered("?", names), values=(str(table.path),), row=row_number(names))


def window(reading: Reading, table: Table, start: int, count: int) -> list[bytes] | None:
    """JSON objects of the rows from `start` on, as the NDJSON file has them; None: not at hand."""
    _ask(reading, table)
    count = min(count, table.rows - start)
    if count <= 0:
        return []
    return _told(reading, table, lambda text: text.window(start, count))


def lines(reading: Reading, table: Table, rows: Sequence[int]) -> list[bytes] | None:
    """JSON objects of rows by their numbers, as the NDJSON file has them; None: not at hand."""
    _ask(reading, table)
    return _told(reading, table, lambda text: text.picked(rows))


def ordered(
    reading: Reading,
    table: Table,
    column: str,
    start: int,
    count: int,
    *,
    descending: bool,
    nulls_first: bool,
) -> list[int] | None:
    """Row numbers `start` to `start + count` in the order of a column, ties by row number.

    None: that order is not at hand.
    """
    names = [item.name for item in table.columns]
    number = names.index(column)
    _ask(reading, table, (number, descending))
    count = min(count, table.rows - start)
    if count <= 0:
        return []
    path = reading.derived.folder(table.digest) / order_name(number, descending)
    try:
        return _slice(path, table.rows, start, count, nulls_first=nulls_first)
    except FileNotFoundError:
        return None
    except (OSError, struct.error):
        _damaged(path)
        return None


def at_hand(
    reading: Reading, table: Table, column: str | None = None, *, descending: bool = False
) -> bool:
    """Whether lines, and the order of a column if one is named, can be read without a query."""
    folder = reading.derived.folder(table.digest)
    if column is None:
        return os.path.exists(f"{folder}/{LINES}")  # noqa: PTH110 - it costs half
    number = [item.name for item in table.columns].index(column)
    order = order_name(number, descending)
    return all(os.path.exists(f"{folder}/{name}") for name in (LINES, order))  # noqa: PTH110


def _ask(reading: Reading, table: Table, order: tuple[int, bool] | None = None) -> None:
    reading.derived.ask(
        Wanted(
            dataset=table.dataset,
            version=table.version,
            resource=table.resource,
            digest=table.digest,
            order=order,
        )
    )


def _slice(path: Path, rows: int, start: int, count: int, *, nulls_first: bool) -> list[int]:
    """Read from an order; nulls, which are at its end, are moved to the front if asked."""
    with ExitStack() as stack:
        file = open_file(stack, path)
        head = Order.unpack(os.pread(file, Order.SIZE, 0))
        size = struct.calcsize(head.letter)
        if head.rows != rows or os.fstat(file).st_size != Order.SIZE + rows * size:
            raise struct.error(path.name)
        begin = (start - head.nulls) % rows if nulls_first else start
        found: list[int] = []
        while len(found) < count:
            part = min(count - len(found), rows - begin)
            data = os.pread(file, part * size, Order.SIZE + begin * size)
            found += struct.unpack(f"<{part}{head.letter}", data)
            begin = 0
        return found


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
        _damaged(index)
        return None


def _opened(stack: ExitStack, path: Path, table: Table) -> Lines:
    """Open the lines of a table for one question."""
    texts = ndjson_of(table.files, table.resource)
    parts = [(table.path.with_name(file.path), file.bytes) for file in texts]
    if not parts:
        own = path.with_name(TEXT)
        parts = [(own, own.stat().st_size)]
    return opened(stack, path, parts, table.rows)


def _damaged(path: Path) -> None:
    """Remove what cannot be right: it is made again."""
    _log.error("derived.damaged", file=f"{path.parent.name}/{path.name}")
    path.unlink(missing_ok=True)
