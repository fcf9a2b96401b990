"""Read a table's records as batches of texts, with row numbers as frictionless counts them.

Arrow's CSV reader agrees with Python's csv module in all but two points that are mended here: a
record with more or fewer cells comes one by one, and an empty line looks like a row of empty cells.
"""

from __future__ import annotations

import csv
import itertools
from array import array
from bisect import bisect_right
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow

from datahub.errors import LineTooLong
from datahub.validation.reading import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from datahub.model import Table

T = TypeVar("T")
_AHEAD = 4
_BLOCKS = (4 << 20, 64 << 20)
_COUNTING = 1 << 17
_SENTINEL = "\x00end\x00"
_TAIL = 2


class RecordTooLongError(Exception):
    """A record is larger than a block."""


class Piece:
    """Some records of full width, in file order."""

    def __init__(
        self, texts: pa.RecordBatch, first: int, scan: Scan, rows: pa.Array | None = None
    ) -> None:
        self.texts = texts
        self._first, self._scan = first, scan
        if rows is not None:
            self.__dict__["rows"] = rows

    def __len__(self) -> int:
        return int(self.texts.num_rows)

    @cached_property
    def rows(self) -> pa.Array:
        """Row number of every record."""
        start, end = self.row(0), self.row(len(self) - 1)
        if end - start == len(self) - 1:
            return pc.add(_counted(len(self)), start)
        return pa.array([self.row(index) for index in range(len(self))], pa.int64())

    def row(self, index: int) -> int:
        """Row number of one record."""
        if "rows" in self.__dict__:
            return int(self.rows[index].as_py())
        return self._scan.row(self._first + index)

    def cells(self, index: int) -> list[str]:
        """Cells of one record."""
        return [column[index].as_py() for column in self.texts.columns]

    def without(self, indices: list[int]) -> Piece:
        """Return the piece without some of its records."""
        kept = pa.array([i for i in range(len(self)) if i not in set(indices)], pa.int64())
        return Piece(self.texts.take(kept), self._first, self._scan, self.rows.take(kept))


class Scan:
    """One reading of a table of `width` columns."""

    def __init__(self, table: Table, width: int, block: int = _BLOCKS[0]) -> None:
        self._table, self._width, self._block = table, width, block
        self._before = array("q")  # for each ragged record, how many good ones precede it
        self._failed: Exception | None = None
        self.good = 0

    @property
    def total(self) -> int:
        """Records below the header so far."""
        return self.good + len(self._before)

    def row(self, good: int) -> int:
        """Row number of the good record of that ordinal, counted from 0."""
        return self._table.dialect.header_row + 1 + good + bisect_right(self._before, good)

    def pieces(
        self, on_ragged: Callable[[int, list[str]], None], only: Sequence[int] | None = None
    ) -> Iterator[Piece]:
        """Read on; ragged records go to `on_ragged` (row number, cells) before their piece.

        `only` are the columns wanted, by position; all of them when None.

        Raises:
            RecordTooLongError: a record is larger than a block.
            pyarrow.ArrowInvalid: the bytes are no UTF-8.

        """
        try:
            for batch in self._open(on_ragged, only):
                self._check()
                if batch.num_rows:
                    piece = Piece(batch, self.good, self)
                    self.good += batch.num_rows
                    yield piece
            self._check()
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                raise RecordTooLongError from error
            raise

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _open(
        self, on_ragged: Callable[[int, list[str]], None], only: Sequence[int] | None
    ) -> Iterator[pa.RecordBatch]:
        table = self._table
        if _ends_with_header(table):
            return iter(())
        shift = table.dialect.header_row - table.dialect.header_line
        names = [str(number) for number in range(self._width)]

        def handle(row: arrow.InvalidRow) -> str:
            number = row.number + shift
            self._before.append(number - table.dialect.header_row - 1 - len(self._before))
            if self._failed is None:
                try:
                    on_ragged(number, self._cells(row.text))
                except Exception as error:  # noqa: BLE001 - Arrow would swallow it
                    self._failed = error
            return "skip"

        reader: Iterator[pa.RecordBatch] = arrow.open_csv(
            table.path,
            read_options=arrow.ReadOptions(
                column_names=names,
                skip_rows=table.dialect.header_line,
                block_size=self._block,
                use_threads=False,  # else ragged records come without their number
            ),
            parse_options=arrow.ParseOptions(
                delimiter=table.dialect.delimiter,
                quote_char=table.dialect.quote_char,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=handle,
            ),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                include_columns=None if only is None else [names[i] for i in only],
            ),
        )
        return reader

    def _cells(self, text: str) -> list[str]:
        """Cells of a ragged record, as Python's csv module splits it."""
        dialect = self._table.dialect
        lines = [text, _SENTINEL]
        reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        cells = next(reader)
        if cells and cells[-1].endswith(_SENTINEL):  # an open quote: the record ends with the file,
            cells[-1] = (
                cells[-1].removesuffix(_SENTINEL) + self._line_end()
            )  # whose end Arrow drops
        return cells

    def _line_end(self) -> str:
        with Path(self._table.path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            tail = file.read()
        if tail.endswith(b"\r\n"):
            return "\r\n"
        return tail[-1:].decode() if tail[-1:] in (b"\n", b"\r") else ""

    @cached_property
    def empty(self) -> frozenset[int]:
        """Row numbers of empty lines, which Arrow gives as rows of empty cells."""
        return frozenset(number for number, cells in records(self._table) if not cells)


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Piece], T], pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, T]]:
    """Work on pieces beside each other, a few ahead; give them back in order."""
    waiting: deque[tuple[Piece, Future[T]]] = deque()
    for piece in pieces:
        waiting.append((piece, pool.submit(work, piece)))
        if len(waiting) > _AHEAD:
            first, done = waiting.popleft()
            yield first, done.result()
    while waiting:
        first, done = waiting.popleft()
        yield first, done.result()


def blocks() -> Iterator[int]:
    """Sizes of a block to try, in bytes: one record must fit in it."""
    return iter(_BLOCKS)


def too_long(table: Table) -> LineTooLong:
    """Tell which record is larger than the largest block: hardly ever not an open quote."""
    limit, last = _BLOCKS[-1], table.dialect.header_row
    size, quote = 0, table.dialect.quote_char
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        inside = False
        for line in file:
            size += len(line.encode())
            if size > limit:
                break
            inside ^= line.count(quote) % 2 == 1
            if not inside:
                last, size = last + 1, 0
    return LineTooLong(
        file=table.name, line=max(1, last - table.dialect.header_row + 1), limit=limit
    )


def _ends_with_header(table: Table) -> bool:
    """Whether nothing follows the header (Arrow refuses to skip all there is)."""
    with Path(table.path).open(encoding="utf-8", errors="replace", newline="") as file:
        lines = itertools.islice(file, table.dialect.header_line, None)
        return next(lines, None) is None


def _counted(length: int) -> pa.Array:
    global _COUNTED  # noqa: PLW0603 - grows to the longest batch that was seen
    if len(_COUNTED) < length:
        _COUNTED = pa.array(range(max(length, _COUNTING)), pa.int64())
    return _COUNTED.slice(0, length)


_COUNTED = pa.array([], pa.int64())
