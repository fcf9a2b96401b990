"""Measure the sheets of a workbook before a parser opens them: a far cell is a huge grid."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from datahub.errors import ArchiveBomb, FileError, SheetTooWide
from datahub.validation.archives import measure
from datahub.validation.probing import RATIO, RATIO_FROM, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_CELLS_FREE = 4_000_000  # a grid of as many cells takes little memory, however empty
_EMPTY_RATIO = 20
_SHEET = re.compile(r"xl/(worksheets|sharedStrings|styles|workbook)[^/]*(/[^/]+)?\.(xml|bin)$")
_REFERENCE = re.compile(rb"""<(?:\w+:)?c [^>]*?r=["']([A-Z]{1,3})(\d{1,7})["']""")
_ROW = re.compile(rb"""<table:table-row\b([^>]*)>""")
_REPEATED = re.compile(rb'number-(?:rows|columns)-repeated="(\d{1,9})"')
_VALUE = re.compile(rb"(?:office|calcext):value-type=")
_SPANNED = re.compile(rb'number-(?:rows|columns)-spanned="(?:[2-9]|\d{2,})"')
_ODS_TABLE = re.compile(
    rb'<table:table\b[^>]*?table:name="([^"]*)"[^>]*>(.*?)</table:table>', re.DOTALL
)
_LETTERS, _BEFORE_A = 26, 64


class _Grid(NamedTuple):
    """Rows and columns up to the farthest cell, and how many cells there are."""

    rows: int = 0
    columns: int = 0
    cells: int = 0


def check_grids(probe: Probe, kind: str) -> None:
    """Unpack the members that a parser would, counting, and look for cells far away.

    Raises:
        ArchiveBomb: more bytes come out than may.
        SheetTooWide: a sheet is a huge and nearly empty grid.
        FileError: a member does not unpack.

    """
    if kind == "xls":  # no archive; its sheets have at most 65,536 rows of 256 columns
        return
    try:
        with zipfile.ZipFile(probe.path) as archive:
            entries = archive.infolist()
            measure(probe, entries)
            for entry in entries:
                if kind == "xlsx" and _SHEET.match(entry.filename):
                    sheet = entry.filename.startswith("xl/worksheets/")
                    _check_xlsx(probe, archive, entry, counted=sheet)
                elif kind == "ods" and entry.filename == "content.xml":
                    _check_ods(probe, archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileError(
            file=probe.name,
            reason_zh="工作簿不完整或已损坏（可能上传中断）。请在 Excel 里打开检查，另存后重新报送",
            reason_en="the workbook is truncated or damaged; open it in Excel, save it again",
        ) from error


def _pieces(probe: Probe, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's bytes, each piece with the end of the one before, cut where a tag begins."""
    size, rest = 0, b""
    with archive.open(entry) as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            limit = min(probe.unpacked_bytes, max(RATIO_FROM, RATIO * entry.compress_size))
            if size > limit:
                raise ArchiveBomb(file=probe.name, bytes=size, limit=limit)
            piece = rest + chunk
            cut = piece.rfind(b"<", max(0, len(piece) - _CHUNK))
            rest = piece[cut:] if cut > 0 and len(piece) - cut < _CHUNK else b""
            yield piece[:cut] if rest else piece
    yield rest


def _check_xlsx(
    probe: Probe, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, counted: bool
) -> None:
    grid = _Grid()
    for piece in _pieces(probe, archive, entry):
        if not counted:
            continue
        found = _REFERENCE.findall(piece)
        if found:
            columns = max(_number(letters) for letters in {letters for letters, _ in found})
            last = max(int(row) for row in (found[0][1], found[-1][1]))
            grid = _Grid(max(grid.rows, last), max(grid.columns, columns), grid.cells + len(found))
    _refuse(probe, entry.filename.rsplit("/", 1)[-1], grid)


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + letter - _BEFORE_A
    return number


def _refuse(probe: Probe, sheet: str, grid: _Grid) -> None:
    area = grid.rows * grid.columns
    if area > _CELLS_FREE and area > _EMPTY_RATIO * grid.cells:
        raise SheetTooWide(
            file=probe.name, sheet=sheet, rows=grid.rows, columns=grid.columns, cells=grid.cells
        )


def _check_ods(probe: Probe, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Repeated cells with a value are written once and unfold to as many as they say."""
    rows = columns = cells = written = times = 0
    for piece in _pieces(probe, archive, entry):
        for tag in re.finditer(
            rb"<table:(table|table-row|(?:covered-)?table-cell)\b([^>]*)>", piece
        ):
            kind, attributes = tag[1], tag[2]
            if kind == b"table":
                rows = columns = 0
                continue
            repeated = _REPEATED.search(attributes)
            count = int(repeated[1]) if repeated else 1
            if kind == b"table-row":
                rows, times, columns = rows + times, count, 0
                continue
            columns += count
            if _VALUE.search(attributes):
                written += 1
                cells = max(cells, (rows + times) * columns)
                if cells > _CELLS_FREE and cells > _EMPTY_RATIO * written:
                    raise SheetTooWide(
                        file=probe.name,
                        sheet="content.xml",
                        rows=rows + times,
                        columns=columns,
                        cells=written,
                    )


def merged_in_ods(probe: Probe, sheet: str, header: int) -> int:
    """Count cells that span others below the header row of a sheet (ODF 1.3, 19.676)."""
    with zipfile.ZipFile(probe.path) as archive:
        content = archive.read("content.xml")
    for found in _ODS_TABLE.finditer(content):
        if _unescaped(found[1]) == sheet:
            below = found[2]
            for number, row in enumerate(_ROW.finditer(below), start=1):
                if number > header:
                    return len(_SPANNED.findall(below[row.start() :]))
    return 0


def _unescaped(data: bytes) -> str:
    text = data.decode("utf-8", errors="replace")
    for escaped, plain in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(escaped, plain)
    return text
