"""Read a spreadsheet as text: the sheet with the header, cell by cell, at the same row numbers."""

from __future__ import annotations

import csv
import datetime as dt
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from datahub.errors import ArchiveBomb, FileEmpty, FileError
from datahub.model import Dialect, Json, Table
from datahub.validation.sniff import (
    SEARCHED_ROWS,
    Probe,
    field_names,
    header_missing,
    score_header,
    wrong_format,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY: Json = {"type": "string"}
_RATIO = 100
_RATIO_FROM = 64 << 20
_EXACT = 1 << 53

Cell = Any  # what calamine gives: str, float, bool, date, datetime, time, timedelta


def extract(probe: Probe) -> Table:
    """Write the sheet that carries the schema's header to the probe's copy, as CSV.

    Raises:
        ArchiveBomb: the file would unpack to more than it may.
        FileError: it is no spreadsheet, or a damaged one.
        HeaderMissing: no visible sheet has the header.

    """
    _measure(probe)
    try:
        book = CalamineWorkbook.from_path(probe.path)
        sheets = [s.name for s in book.sheets_metadata if s.visible is SheetVisibleEnum.Visible]
        heads = {name: _head(book, name) for name in sheets}
    except (CalamineError, OSError, ValueError) as error:
        raise _damaged(probe) from error
    expected = field_names(probe.schema)
    sheet, row = _find_header(probe, heads, expected)
    rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    labels = [_text(cell, _ANY) for cell in rows[row - 1]]
    fields = {field["name"]: field for field in probe.schema["fields"]}
    line = _write(Path(probe.copy), rows, row, [fields.get(x.strip(), _ANY) for x in labels])
    return Table(
        path=probe.copy,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format="xlsx",
        encoding="utf-8",
        dialect=Dialect(header_row=row, header_line=line),
        sheet=sheet,
        copied=True,
    )


def _damaged(probe: Probe) -> FileError:
    return FileError(
        file=probe.name,
        reason_zh="工作簿不完整或已损坏（可能上传中断）。请在 Excel 里打开检查，另存后重新报送",
        reason_en="the workbook is truncated or damaged; open it in Excel, save it again",
    )


def _measure(probe: Probe) -> None:
    """Check the archive's own directory before anything is unpacked."""
    try:
        with zipfile.ZipFile(probe.path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(probe) from error
    size = sum(entry.file_size for entry in entries)
    ratio = size / max(1, sum(entry.compress_size for entry in entries))
    if size > probe.unpacked_bytes or (size > _RATIO_FROM and ratio > _RATIO):
        raise ArchiveBomb(file=probe.name, bytes=size, limit=probe.unpacked_bytes)
    if not any(entry.filename == "xl/workbook.xml" for entry in entries):
        raise wrong_format(probe, "ZIP")


def _head(book: Any, name: str) -> list[list[Cell]]:
    sheet = book.get_sheet_by_name(name)
    head: list[list[Cell]] = sheet.to_python(skip_empty_area=False, nrows=SEARCHED_ROWS)
    return head


def _find_header(
    probe: Probe, heads: dict[str, list[list[Cell]]], expected: Sequence[str]
) -> tuple[str, int]:
    best, chosen = 0, None
    for name, head in heads.items():
        for number, cells in enumerate(head, start=1):
            score = score_header([_text(cell, _ANY) for cell in cells], expected)
            if score > best:
                best, chosen = score, (name, number)
    if chosen is not None:
        return chosen
    first = next((head[0] for head in heads.values() if head), None)
    if first is None:
        raise FileEmpty(file=probe.name)
    raise header_missing(probe.name, expected, ", ".join(_text(c, _ANY) for c in first))


def _write(path: Path, rows: list[list[Cell]], header: int, fields: list[Json]) -> int:
    """Write rows as CSV; return the physical line on which the header ends."""
    last = _last_row(rows)
    width = max((i for i, cell in enumerate(rows[header - 1], 1) if cell not in ("", None)))
    line = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(rows[:last], start=1):
            # Cells right of the header's last label are formatting leftovers unless filled.
            cells = row[: max(width, _filled(row))] if number >= header else row
            known = fields if number > header else []
            texts = [_text(c, known[i] if i < len(known) else _ANY) for i, c in enumerate(cells)]
            writer.writerow(texts)
            if number <= header:
                line += 1 + sum(text.count("\n") for text in texts)
    return line


def _filled(row: list[Cell]) -> int:
    return max((i for i, cell in enumerate(row, 1) if cell not in ("", None)), default=0)


def _last_row(rows: list[list[Cell]]) -> int:
    """Number of the last row with anything in it: Excel keeps blank formatted rows below."""
    last = len(rows)
    while last and not _filled(rows[last - 1]):
        last -= 1
    return last


def _text(cell: Cell, field: Json) -> str:
    """Cell as the text that its field reads (Table Schema formats and boolean values)."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        name, default = ("trueValues", "true") if cell else ("falseValues", "false")
        return str(field.get(name, [default])[0])
    if isinstance(cell, float):
        whole = cell.is_integer() and abs(cell) < _EXACT
        return str(int(cell)) if whole else repr(cell)
    if isinstance(cell, dt.date):
        return _date_text(cell, field)
    if isinstance(cell, dt.timedelta):
        return str(dt.datetime(1, 1, 1, tzinfo=dt.UTC) + cell)[11:19]  # a time of day
    return "" if cell is None else str(cell)


def _date_text(cell: dt.date, field: Json) -> str:
    stamp = cell if isinstance(cell, dt.datetime) else dt.datetime.combine(cell, dt.time.min)
    kind, pattern = field.get("type", "string"), field.get("format", "default")
    if pattern not in ("default", "any") and kind in ("date", "datetime", "time"):
        return stamp.strftime(pattern)
    if kind == "datetime":
        return stamp.isoformat()
    if kind == "year":
        return str(stamp.year)
    if kind == "yearmonth":
        return f"{stamp:%Y-%m}"
    midnight = stamp.time() == dt.time.min
    return stamp.date().isoformat() if midnight else stamp.isoformat()
