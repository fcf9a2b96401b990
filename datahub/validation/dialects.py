"""Find how a CSV text is written: delimiter, quote, header row; refuse what swallows rows."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datahub.errors import QuoteOpen
from datahub.model import Dialect, Notice, Table
from datahub.validation.probing import (
    MAX_COLUMNS,
    SEARCHED_ROWS,
    Probe,
    check_columns,
    header_missing,
    score_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DELIMITERS = ",\t;|"
_QUOTES = "\"'"
_CHUNK = 1 << 20
_LOOKED_ROWS = 200
_EVEN = 0.5
_CELL_MOST = 16 << 20
_END = "\ue000\ue001"  # private characters: a row that no file has


class _Fit(NamedTuple):
    """How well a dialect fits: labels shown, share of rows as wide as the header."""

    score: float
    even: float
    dialect: Dialect


def find_dialect(text: str, name: str, expected: Sequence[str]) -> Dialect:
    """Choose delimiter, quote and header row by how many of the expected labels they show.

    Where several show as many, the one whose rows are as wide as the header is taken.

    Raises:
        HeaderMissing: none of the first rows shows any of them.

    """
    chosen: _Fit | None = None
    for delimiter in _DELIMITERS:
        for quote in _quotes(text, delimiter):
            fit = _fit(text, delimiter, quote, expected)
            if fit is not None and not expected:
                fit = fit._replace(score=_likely(fit))
            if fit is not None and (chosen is None or fit[:2] > chosen[:2]):
                chosen = fit
    if chosen is None:
        raise header_missing(name, expected, text.splitlines()[0])
    return chosen.dialect


def _likely(fit: _Fit) -> float:
    """Score of a dialect when no label is known: rows as wide as a header of several columns.

    Signs within sentences split some rows; they hardly split the first one.
    """
    several = fit.score > 1 and (fit.even >= _EVEN or fit.dialect.header_row == 1)
    return fit.score * fit.even + several * MAX_COLUMNS


def _quotes(text: str, delimiter: str) -> str:
    """Quotes that may be meant: the single one only where cells begin with it, and none with "."""
    begins = {q: re.search(f"(?:^|{re.escape(delimiter)}){q}", text, re.MULTILINE) for q in _QUOTES}
    return _QUOTES if begins["'"] and not begins['"'] else '"'


def _fit(text: str, delimiter: str, quote: str, expected: Sequence[str]) -> _Fit | None:
    best, place, width, widths = 0, (0, 0), 0, list[int]()
    for number, line, cells in _records(text, delimiter, quote):
        score = score_header(cells, expected) if number <= SEARCHED_ROWS else 0
        if score > best:
            best, place, width = score, (number, line), len(cells)
            widths.clear()
        else:
            widths.append(len(cells))
    if not best:
        return None
    even = sum(w == width for w in widths) / len(widths) if widths else 1.0
    dialect = Dialect(
        delimiter=delimiter, quote_char=quote, header_row=place[0], header_line=place[1]
    )
    return _Fit(best, even, dialect)


def _records(text: str, delimiter: str, quote: str) -> Iterator[tuple[int, int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    try:
        for number, cells in enumerate(islice(reader, _LOOKED_ROWS), start=1):
            yield number, reader.line_num, cells
    except csv.Error:  # this dialect does not fit; another one may
        return


def header_of(table: Table) -> list[str]:
    """Labels of a table's header row."""
    dialect = table.dialect
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        return next(islice(reader, dialect.header_row - 1, None), [])


def inspect(probe: Probe, path: str, dialect: Dialect) -> tuple[Notice, ...]:
    """Look over a whole UTF-8 CSV for rows that cannot be what was meant.

    Raises:
        QuoteOpen: a quotation mark is never closed, with its row.
        ColumnsTooMany: a row has more cells than a table has columns.

    """
    quotes, escaped, wide = 0, 0, False
    mark, delimiter = dialect.quote_char.encode(), dialect.delimiter.encode()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            quotes += chunk.count(mark)
            escaped += chunk.count(b"\\" + mark)
            wide = wide or _has_wide_line(chunk, delimiter)
    if quotes % 2 or wide:
        _read_through(probe, path, dialect)
    return (_backslashes(probe, dialect, escaped),) if escaped else ()


def _has_wide_line(chunk: bytes, delimiter: bytes) -> bool:
    """Whether some line of a chunk has more delimiters than a table can have."""
    start = 0
    while len(chunk) - start > MAX_COLUMNS:
        end = chunk.rfind(b"\n", start, start + MAX_COLUMNS)
        if end < 0:  # a line longer than that: at least as many cells fit into it
            end = chunk.find(b"\n", start + MAX_COLUMNS)
            end = len(chunk) if end < 0 else end
            if chunk.count(delimiter, start, end) >= MAX_COLUMNS // 2:
                return True
        start = end + 1
    return False


def _read_through(probe: Probe, path: str, dialect: Dialect) -> None:
    limit = csv.field_size_limit(_CELL_MOST)
    row = line = before = 0
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(
                _ended(file), delimiter=dialect.delimiter, quotechar=dialect.quote_char
            )
            for cells in reader:
                check_columns(probe, len(cells), row + 1)
                if cells == [_END]:
                    return
                row, before, line = row + 1, line, reader.line_num
    except csv.Error:  # a cell of more than `_CELL_MOST` is no cell
        row += 1
        raise _open(probe, row, line + 1, dialect) from None
    finally:
        csv.field_size_limit(limit)
    raise _open(probe, row, before + 1, dialect)


def _open(probe: Probe, row: int, line: int, dialect: Dialect) -> QuoteOpen:
    return QuoteOpen(file=probe.name, row=row, line=line, quote=dialect.quote_char)


def _ended(file: io.TextIOBase | io.TextIOWrapper) -> Iterator[str]:
    """Lines of a file and one of our own: it arrives as a row unless a quote is open."""
    line = ""
    for line in file:
        yield line
    if not line.endswith(("\n", "\r")):
        yield "\n"
    yield _END


def _backslashes(probe: Probe, dialect: Dialect, count: int) -> Notice:
    quote = dialect.quote_char
    return Notice(
        code="D05",
        severity="warn",
        zh=f"文件“{probe.name}”有 {count} 处用反斜杠转义的引号（\\{quote}），CSV 里应写成两个引号"
        f"（{quote}{quote}，RFC 4180）。请核对这些单元格。",
        en=f"'{probe.name}' has {count} quotes escaped by a backslash; "
        "CSV doubles them (RFC 4180).",
        count=count,
    )
