"""Look over every cell of a table once: what stands in each column, and what is missing.

Facts are of the whole file (missing values, widths, kinds that still fit); distinct values and a
sample of rows are bounded, so that a file of any size takes the same memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow

from datahub.errors import FormatBroken
from datahub.validation.reading import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.model import Table

STRONG = ("NA", "N/A", "n/a", "null", "NULL", "NaN", "nan", "None", "#N/A", "-", "--", "—", "——",
          "缺测")  # fmt: skip
"""Texts that stand for no value wherever they are met."""
WEAK = ("无", "暂无", "不详", "未知", "/", "\\", "*")
"""Texts that do so in a column of numbers or dates, and may mean something in one of words."""
MOST_DISTINCT = 500
SAMPLE_ROWS = 200_000
_SAMPLE_BYTES = 64 << 20
_SEEN, _SEEN_LATER = 3000, 40
_BLOCK = 8 << 20
_TOKENS = pa.array(["", *STRONG, *WEAK], pa.string())
_KINDS = {
    "integer": r"^[+-]?(0|[1-9][0-9]{0,17})$",
    "number": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$",
    "digits": r"^[0-9]+$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}
_ZERO = r"^[+-]?0[0-9]"


@dataclass
class Column:
    """What is known of a column after the last batch."""

    label: str
    rows: int = 0
    tokens: Counter[str] = field(default_factory=Counter)  # texts that may mean "missing"
    values: Counter[str] | None = field(default_factory=Counter)  # None: too many
    seen: dict[str, None] = field(default_factory=dict)  # distinct texts of the sample
    kinds: set[str] = field(default_factory=lambda: set(_KINDS))  # that all values fit
    zeros: bool = False  # some value has leading zeros
    narrow: int = 1 << 30
    wide: int = 0

    def add(self, texts: pa.Array) -> None:
        """Take in the cells of a batch."""
        texts = pc.utf8_trim_whitespace(texts)
        self.rows += len(texts)
        missing = pc.is_in(texts, value_set=_TOKENS)
        for item in pc.value_counts(texts.filter(missing)):
            self.tokens[item["values"].as_py()] += item["counts"].as_py()
        rest = texts.filter(pc.invert(missing))
        if len(rest) == 0:
            return
        found = pc.unique(rest)
        self._count(rest, found)
        most = _SEEN if not self.seen else len(self.seen) + _SEEN_LATER
        for text in found.slice(0, most).to_pylist():
            if len(self.seen) < _SEEN * 2:
                self.seen[text] = None
        self.kinds = {
            kind for kind in self.kinds
            if pc.all(pc.match_substring_regex(found, _KINDS[kind])).as_py()
        }  # fmt: skip
        self.zeros = self.zeros or (
            "number" in self.kinds and pc.any(pc.match_substring_regex(found, _ZERO)).as_py()
        )
        lengths = pc.min_max(pc.utf8_length(found))
        self.narrow = min(self.narrow, lengths["min"].as_py())
        self.wide = max(self.wide, lengths["max"].as_py())

    def _count(self, rest: pa.Array, found: pa.Array) -> None:
        if self.values is None:
            return
        if len(found) > MOST_DISTINCT:
            self.values = None
            return
        for item in pc.value_counts(rest):
            self.values[item["values"].as_py()] += item["counts"].as_py()
        if len(self.values) > MOST_DISTINCT:
            self.values = None

    @property
    def filled(self) -> int:
        """Number of cells that hold a value for sure."""
        return self.rows - sum(self.tokens.values())

    def missing(self, tokens: set[str]) -> int:
        """Number of cells that are missing, given what means so."""
        return sum(count for text, count in self.tokens.items() if text in tokens)


@dataclass
class Profile:
    """A table looked over: its columns, and its first rows as text."""

    columns: list[Column]
    rows: int
    sample: pa.Table
    skipped: int  # rows that have more or fewer cells than the header


def profile(table: Table) -> Profile:
    """Look over a table that was detected.

    Raises:
        FormatBroken: a record is larger than any that is read.

    """
    names = labels(table)
    columns = [Column(name) for name in names]
    kept: list[pa.RecordBatch] = []
    rows = size = 0
    skipped: list[int] = []
    try:
        for batch in _batches(table, len(names), skipped):
            rows += batch.num_rows
            for column, texts in zip(columns, batch.columns, strict=True):
                column.add(texts)
            if size < _SAMPLE_BYTES and sum(b.num_rows for b in kept) < SAMPLE_ROWS:
                kept.append(batch)
                size += batch.nbytes
    except pa.ArrowInvalid as error:
        raise FormatBroken(
            file=table.name,
            format="CSV",
            reason_zh="有一行太长，或引号没有闭合",
            reason_en="a row is too long, or a quote is never closed",
        ) from error
    schema = pa.schema([(str(n), pa.string()) for n in range(len(names))])
    return Profile(columns, rows, pa.Table.from_batches(kept, schema), len(skipped))


def _batches(table: Table, width: int, skipped: list[int]) -> Iterator[pa.RecordBatch]:
    """Cells as text; rows of another width are passed over and counted."""

    def skip(_row: object) -> str:
        skipped.append(1)
        return "skip"

    names = [str(number) for number in range(width)]
    yield from arrow.open_csv(
        table.path,
        read_options=arrow.ReadOptions(
            column_names=names, skip_rows=table.dialect.header_line, block_size=_BLOCK
        ),
        parse_options=arrow.ParseOptions(
            delimiter=table.dialect.delimiter,
            quote_char=table.dialect.quote_char,
            newlines_in_values=True,
            ignore_empty_lines=True,
            invalid_row_handler=skip,
        ),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
