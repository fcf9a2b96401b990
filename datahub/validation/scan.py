"""Read a table's records as batches of texts, with row numbers as frictionless counts them.

Arrow's CSV reader agrees with Python's csv module in all but two points that are mended here: a
record with more or fewer cells comes one by one, and an empty line looks like a row of empty cells.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
from array import array
from bisect import bisect_right
from collections import deque
from functools import cached_property
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

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
_AHEAD_BYTES = 32 << 20  # read before they are judged
_RAGGED = 10_000
_BLOCKS = (4 << 20, 64 << 20)
_COUNTING = 1 << 17
_SENTINEL = "\x00end\x00"
_TAIL = 2


class RecordTooLongError(Exception):
    """A record is larger than a block."""


class _StoppedError(Exception):
    """Nobody takes the pieces any more."""


class _Read(NamedTuple):
    """What the reading thread has next: a batch, and the ragged records (row number, text)."""

    batch: pa.RecordBatch | None
    ragged: list[tuple[int, str]]
    last: bool = False
    error: Exception | None = None


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
    """One reading of a table of `width` columns; a thread of its own reads some blocks ahead."""

    def __init__(self, table: Table, width: int, block: int = 0) -> None:
        self.table, self.width, self.block = table, width, block or _BLOCKS[0]
        self._before = array("q")  # for each ragged record, how many good ones precede it
        self._ragged: list[tuple[int, str]] = []
        self._queue: Queue[_Read] = Queue(max(2, _AHEAD_BYTES // self.block))
        self._reader: Thread | None = None
        self._stopped = False
        self.good = 0

    @property
    def total(self) -> int:
        """Records below the header so far."""
        return self.good + len(self._before)

    def row(self, good: int) -> int:
        """Row number of the good record of that ordinal, counted from 0."""
        return self.table.dialect.header_row + 1 + good + bisect_right(self._before, good)

    def fits(self, width: int, block: int) -> bool:
        """Whether it reads so many columns in blocks of that size."""
        return (self.width, self.block) == (width, block)

    def start(self, only: Sequence[int] | None = None) -> Scan:
        """Begin to read; `only` are the columns wanted, by position."""
        self._reader = Thread(target=self._read, args=(only,), daemon=True)
        self._reader.start()
        return self

    def pieces(
        self, on_ragged: Callable[[int, list[str]], None], only: Sequence[int] | None = None
    ) -> Iterator[Piece]:
        """Read on; ragged records go to `on_ragged` (row number, cells) before their piece.

        `only` are the columns wanted, by position; all of them when None.

        Raises:
            RecordTooLongError: a record is larger than a block.
            pyarrow.ArrowInvalid: the bytes are no UTF-8.

        """
        if self._reader is None:
            self.start(only)
        try:
            while not (found := self._queue.get()).last:
                for row, text in found.ragged:
                    on_ragged(row, self._cells(text))
                if found.batch is not None and found.batch.num_rows:
                    piece = Piece(found.batch, self.good, self)
                    self.good += found.batch.num_rows
                    yield piece
            if found.error is not None:
                raise found.error
        finally:
            self.stop()

    def stop(self) -> None:
        """Let the reading thread end, however far it is."""
        self._stopped = True

    # The reading thread -------------------------------------------------------------------

    def _read(self, only: Sequence[int] | None) -> None:
        error: Exception | None = None
        try:
            for batch in self._open(only):
                self._put(batch)
            self._put(None)
        except _StoppedError:
            return
        except pa.ArrowInvalid as failed:
            error = RecordTooLongError() if "straddling" in str(failed) else failed
        except Exception as failed:  # noqa: BLE001 - raised again where the pieces are taken
            error = failed
        with contextlib.suppress(_StoppedError):
            self._offer(_Read(None, [], last=True, error=error))

    def _put(self, batch: pa.RecordBatch | None) -> None:
        ragged, self._ragged = self._ragged, []
        self._offer(_Read(batch, ragged))

    def _offer(self, read: _Read) -> None:
        """Wait for room in the queue, unless nobody takes any more."""
        while not self._stopped:
            with contextlib.suppress(Full):
                self._queue.put(read, timeout=1)
                return
        raise _StoppedError

    def _handle(self, row: arrow.InvalidRow) -> str:
        number = row.number + self.table.dialect.header_row - self.table.dialect.header_line
        self._before.append(number - self.table.dialect.header_row - 1 - len(self._before))
        self._ragged.append((number, row.text))
        if len(self._ragged) >= _RAGGED:  # Arrow would go on for ever where no record is good
            with contextlib.suppress(_StoppedError):
                self._put(None)
        return "skip"

    def _open(self, only: Sequence[int] | None) -> Iterator[pa.RecordBatch]:
        table = self.table
        if _ends_with_header(table):
            return iter(())
        names = [str(number) for number in range(self.width)]
        reader: Iterator[pa.RecordBatch] = arrow.open_csv(
            table.path,
            read_options=arrow.ReadOptions(
                column_names=names,
                skip_rows=table.dialect.header_line,
                block_size=self.block,
                use_threads=False,  # else ragged records come without their number
            ),
            parse_options=arrow.ParseOptions(
                delimiter=table.dialect.delimiter,
                quote_char=table.dialect.quote_char,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=self._handle,
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
        dialect = self.table.dialect
        lines = [text, _SENTINEL]
        reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        cells = next(reader)
        if cells and cells[-1].endswith(_SENTINEL):  # an open quote: the record ends with the file,
            cells[-1] = (
                cells[-1].removesuffix(_SENTINEL) + self._line_end()
            )  # whose end Arrow drops
        return cells

    def _line_end(self) -> str:
        with Path(self.table.path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            tail = file.read()
        if tail.endswith(b"\r\n"):
            return "\r\n"
        return tail[-1:].decode() if tail[-1:] in (b"\n", b"\r") else ""

    @cached_property
    def empty(self) -> frozenset[int]:
        """Row numbers of empty lines, which Arrow gives as rows of empty cells."""
        return frozenset(number for number, cells in records(self.table) if not cells)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def workers() -> int:
    """Threads that judge: a core is kept for the one that reads, four are enough for it."""
    return max(1, min(4, cores()))


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Piece], T], pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, T]]:
    """Work on pieces beside each other, a few ahead; give them back in order."""
    if cores() == 1:  # threads would only take turns
        for piece in pieces:
            yield piece, work(piece)
        return
    waiting: deque[tuple[Piece, Future[T]]] = deque()
    for piece in pieces:
        waiting.append((piece, pool.submit(work, piece)))
        if len(waiting) > _AHEAD:
            first, done = waiting.popleft()
            yield first, done.result()
    while waiting:
        first, done = waiting.popleft()
        yield first, done.result()


def start(table: Table) -> Scan:
    """Begin to read a table whose header is not judged yet."""
    width = 1
    with Path(table.path).open(encoding="utf-8", errors="replace", newline="") as file:
        dialect = table.dialect
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        for number, cells in enumerate(reader, start=1):
            if number == dialect.header_row:
                width = max(1, len(cells))
                break
    return Scan(table, width).start()


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
