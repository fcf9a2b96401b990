"""The list of all errors as a workbook, for people who would rather not import a CSV."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

import xlsxwriter  # type: ignore[import-untyped]

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_ROWS = 100_000
"""Errors in a workbook; nobody reads more in a spreadsheet, and the CSV has them all."""
_CELL = 16_000  # characters; Excel takes 32,767 units of UTF-16
_FIELD = 64 << 20  # characters of a CSV field: a header may be as long as its line
_WIDTHS = (14, 24, 8, 6, 18, 24, 18, 30, 60)
_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")  # no workbook may hold these


class Listing(Struct, frozen=True):
    """A list of errors, and the workbook to make of it."""

    csv: str
    xlsx: str
    limit: int = MOST_ROWS


def build(listing: Listing) -> int:
    """Make the workbook (in a child); return how many errors it leaves out."""
    return write_xlsx(Path(listing.csv), Path(listing.xlsx), listing.limit)


def write_xlsx(csv_path: Path, xlsx_path: Path, limit: int = MOST_ROWS) -> int:
    """Write the first `limit` errors of the CSV as a workbook; return how many are left out.

    Every cell is text: a value of the owner's is shown as it stands, never calculated.
    """
    csv.field_size_limit(_FIELD)
    part = xlsx_path.with_name(f"{xlsx_path.name}.{os.getpid()}.part")  # others may make it, too
    options = {
        "constant_memory": True,
        "tmpdir": str(xlsx_path.parent),
        "strings_to_numbers": False,
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        with xlsxwriter.Workbook(str(part), options) as book:
            left = _write_sheet(book, header, rows, limit)
    part.replace(xlsx_path)
    return left


def _write_sheet(
    book: xlsxwriter.Workbook, header: Sequence[str], rows: Iterator[Sequence[str]], limit: int
) -> int:
    sheet = book.add_worksheet("错误 errors")
    bold = book.add_format({"bold": True})
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    for column, label in enumerate(header):
        sheet.write_string(0, column, label, bold)
    last = left = 0
    for cells in rows:
        if last == limit:
            left += 1
            continue
        last += 1
        for column, text in enumerate(cells):
            if text:
                sheet.write_string(last, column, _fit(text))
    if left:
        told_zh = f"还有 {left:,} 条错误没有列出，见 CSV 文件。"
        told_en = f"{left:,} more errors are in the CSV file."
        sheet.write_string(last + 1, 0, f"{told_zh}{told_en}", bold)
    sheet.autofilter(0, 0, last, len(header) - 1)
    # Row numbers are text, too; Excel need not mark each of them.
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{last + 1}"})
    return left


def _fit(text: str) -> str:
    shown = text if len(text) <= _CELL else text[:_CELL] + "…"
    return shown.translate(_NO_XML)
