"""Read a workbook (.xlsx, .xls, .ods) as text: the sheet with the header, cell by cell.

Rows keep the sheet's own numbers. Of several visible sheets the one that shows most of the
header is taken; where two show it equally, nothing is guessed. Hidden sheets are never read.
"""

from __future__ import annotations

import csv
import datetime as dt
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from datahub.errors import ArchiveBomb, FileEmpty, FileError, TableUnclear
from datahub.model import Dialect, Json, Notice, Table
from datahub.validation.grids import check_grids, merged_in_ods
from datahub.validation.probing import (
    ROWS_SHOWN,
    SEARCHED_ROWS,
    Probe,
    field_names,
    header_missing,
    renamed,
    score_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ANY: Json = {"type": "string"}
_EXACT = 1 << 53
_LETTERS = 26
_LOCKED = "EncryptedPackage".encode("utf-16-le")

Cell = Any  # what calamine gives: str, float, bool, date, datetime, time, timedelta
Kind = Literal["xlsx", "xls", "ods"]


class _Header(NamedTuple):
    """Where the header stands: its row, labels, and how many of them are expected ones."""

    score: int
    row: int
    labels: list[str]
    rows: int = 1


def extract(probe: Probe, kind: Kind = "xlsx") -> Table:
    """Write the sheet that carries the schema's header to the probe's copy, as CSV.

    Raises:
        ArchiveBomb, SheetTooWide: it would unpack to more than it may.
        FileError: it is no workbook, a damaged one, or one with a password.
        TableUnclear: several visible sheets show the header equally.
        HeaderMissing: no visible sheet has the header.

    """
    check_grids(probe, kind)
    try:
        book = CalamineWorkbook.from_path(probe.path)
        shown = {
            s.name: s.visible is SheetVisibleEnum.Visible
            for s in book.sheets_metadata
            if str(s.typ) == "SheetTypeEnum.WorkSheet" or kind == "xlsx"
        }
        source, header, notices = _choose(probe, book, shown)
    except (CalamineError, OSError, ValueError) as error:
        raise _damaged(probe, kind) from error
    fields = {field["name"]: field for field in probe.schema["fields"]}
    known = [fields.get(label.strip(), _ANY) for label in header.labels]
    line = _write(probe, _rows(source), header, known)
    return Table(
        path=probe.copy,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format=kind,
        encoding="utf-8",
        dialect=Dialect(header_row=header.row, header_line=line),
        sheet=source.name,
        copied=True,
        notices=(
            *renamed(probe, kind.upper() if not probe.name.lower().endswith(".xlsm") else "XLSX"),
            *notices,
            *_merged(probe, kind, source, header),
        ),
    )


def _damaged(probe: Probe, kind: Kind) -> FileError:
    with Path(probe.path).open("rb") as file:
        locked = kind == "xls" and _LOCKED in file.read(1 << 20)
    if locked:
        return FileError(
            file=probe.name,
            reason_zh="工作簿设有打开密码。请取消密码后重新报送",
            reason_en="the workbook is protected by a password; remove it",
        )
    return FileError(
        file=probe.name,
        reason_zh="工作簿不完整或已损坏（可能上传中断）。请在 Excel 里打开检查，另存后重新报送",
        reason_en="the workbook is truncated or damaged; open it in Excel, save it again",
    )


# Which sheet, which row ---------------------------------------------------------------------


def _choose(
    probe: Probe, book: Any, shown: dict[str, bool]
) -> tuple[Any, _Header, tuple[Notice, ...]]:
    expected = field_names(probe.schema)
    found: dict[str, _Header] = {}
    firsts: list[str] = []
    sheets: dict[str, Any] = {}
    for name, visible in shown.items():
        sheets[name] = book.get_sheet_by_name(name)
        head = islice(_rows(sheets[name]), SEARCHED_ROWS)
        texts = [[_text(cell, _ANY) for cell in row] for row in head]
        if visible:
            firsts += [", ".join(texts[0])] if texts else []
        header = _find_header(texts, expected)
        if header is None:
            del sheets[name]
        else:
            found[name] = header
    best = max((h.score for name, h in found.items() if shown[name]), default=0)
    equal = [name for name, h in found.items() if shown[name] and h.score == best]
    hidden = [name for name, h in found.items() if not shown[name] and h.score >= best]
    if not equal:
        if not firsts and not hidden:
            raise FileEmpty(file=probe.name)
        if hidden:
            found_in = f"表头只在隐藏的工作表“{hidden[0]}”里 · only a hidden sheet has it"
            first = f"{firsts[0]}；" if firsts else ""
            raise header_missing(probe.name, expected, first + found_in)
        raise header_missing(probe.name, expected, firsts[0])
    if len(equal) > 1:
        filled = [name for name in equal if _has_data(sheets[name], found[name])]
        if len(filled) != 1:
            raise TableUnclear(file=probe.name, found="、".join(equal))
        equal = filled
    chosen = equal[0]
    others = [name for name, h in found.items() if shown[name] and name != chosen]
    return sheets[chosen], found[chosen], tuple(_told(probe, chosen, found[chosen], others, hidden))


def _rows(sheet: Any) -> Iterator[list[Cell]]:
    """Rows from the first of the sheet on, with the empty columns on the left."""
    start = sheet.start
    if start is None:  # nothing in it
        return
    left = [""] * start[1]
    for row in sheet.iter_rows():
        yield left + row


def _find_header(texts: list[list[str]], expected: Sequence[str]) -> _Header | None:
    """Row that shows most labels; of two rows under merged cells, both together.

    A header of two rows has group titles above and the labels below; a label that is merged
    over both rows stands in the upper one.
    """
    best: _Header | None = None
    for number, cells in enumerate(texts, start=1):
        score = score_header(cells, expected)
        if score and (best is None or score > best.score):
            best = _Header(score, number, cells)
    for number, (upper, lower) in enumerate(pairwise(texts), start=2):
        width = max(len(upper), len(lower))
        pairs = zip(upper + [""] * width, lower + [""] * width, strict=False)
        cells = [below or above for above, below in list(pairs)[:width]]
        score = score_header(cells, expected)
        if best is not None and score > best.score:
            best = _Header(score, number, cells, rows=2)
    return best


def _has_data(sheet: Any, header: _Header) -> bool:
    return any(_filled(row) for n, row in enumerate(_rows(sheet), start=1) if n > header.row)


def _told(
    probe: Probe, chosen: str, header: _Header, others: list[str], hidden: list[str]
) -> Iterator[Notice]:
    if others:
        yield Notice(
            code="D11",
            severity="warn",
            zh=f"工作簿“{probe.name}”有几个工作表带表头：读取了“{chosen}”，"
            f"没有读取“{'”“'.join(others)}”。如需一并发布，请分成几个文件报送。",
            en=f"Several sheets of '{probe.name}' have the header: '{chosen}' was read, "
            f"'{', '.join(others)}' was not. Hand those in as files of their own.",
            count=len(others),
        )
    if hidden:
        yield Notice(
            code="D12",
            severity="warn",
            zh=f"工作簿“{probe.name}”的隐藏工作表“{'”“'.join(hidden)}”也带表头，没有读取。"
            f"请确认公开的应是“{chosen}”；原文件不公开，但建议删除隐藏的工作表。",
            en=f"Hidden sheets of '{probe.name}' have the header, too, and were not read: "
            f"{', '.join(hidden)}. Make sure that '{chosen}' is the right one.",
            count=len(hidden),
        )
    if header.rows > 1:
        yield Notice(
            code="D13",
            severity="note",
            zh=f"工作表“{chosen}”的表头占两行（第 {header.row - 1}、{header.row} 行），"
            "已合并读取。",
            en=f"The header of sheet '{chosen}' has two rows ({header.row - 1}, {header.row}); "
            "they were read together.",
            rows=(header.row - 1, header.row),
        )


def _merged(probe: Probe, kind: Kind, sheet: Any, header: _Header) -> Iterator[Notice]:
    """Notice of merged cells below the header: only the first of them has the value."""
    if kind == "ods":
        count, places, rows = merged_in_ods(probe, sheet.name, header.row), "", ()
    else:
        ranges = [r for r in sheet.merged_cell_ranges or [] if r[0][0] + 1 > header.row]
        count = len(ranges)
        places = "、".join(_place(*r) for r in ranges[:ROWS_SHOWN])
        rows = tuple(r[0][0] + 1 for r in ranges[:ROWS_SHOWN])
    if count:
        yield Notice(
            code="D14",
            severity="warn",
            zh=f"工作表“{sheet.name}”的数据区有 {count} 处合并单元格"
            f"（{places or '见原表'}），只有左上角一格有值，其余读作空。请取消合并并逐行填写。",
            en=f"Sheet '{sheet.name}' has {count} merged areas among its data ({places or '…'}): "
            "only their first cell has a value. Unmerge them and fill every row.",
            count=count,
            rows=rows,
        )


def _place(start: tuple[int, int], end: tuple[int, int]) -> str:
    return f"{_column(start[1])}{start[0] + 1}:{_column(end[1])}{end[0] + 1}"


def _column(number: int) -> str:
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, _LETTERS)
        name = chr(ord("A") + letter) + name
    return name


# The copy -----------------------------------------------------------------------------------


def _write(probe: Probe, rows: Iterator[list[Cell]], header: _Header, fields: list[Json]) -> int:
    """Write rows as CSV; return the physical line on which the header ends."""
    width = max((i for i, label in enumerate(header.labels, 1) if label), default=0)
    line = size = blank = 0
    with Path(probe.copy).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(rows, start=1):
            filled = _filled(row)
            if not filled and number > header.row:
                blank += 1  # Excel keeps blank formatted rows below a table: not written
                continue
            for _ in range(blank):
                writer.writerow([""] * width)
            blank = 0
            # Cells right of the header's last label are formatting leftovers unless filled.
            cells = row[: max(width, filled)] if number >= header.row else row
            if number == header.row:
                texts = header.labels[: max(width, filled)]
            else:
                known = fields if number > header.row else []
                texts = [
                    _text(c, known[i] if i < len(known) else _ANY) for i, c in enumerate(cells)
                ]
            size += writer.writerow(texts)
            if size > probe.unpacked_bytes:
                raise ArchiveBomb(file=probe.name, bytes=size, limit=probe.unpacked_bytes)
            if number <= header.row:
                line += 1 + sum(text.count("\n") for text in texts)
    return line


def _filled(row: list[Cell]) -> int:
    """Number of the last cell with anything in it."""
    for number in range(len(row), 0, -1):
        if row[number - 1] not in ("", None):
            return number
    return 0


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
