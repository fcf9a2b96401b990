"""Rows as a worksheet (ECMA-376): the SQL of a row, and the workbook around it as a ZIP stream.

Written as text by SQL and not cell by cell in Python, a million rows take seconds. Numbers, days
and times that Excel holds exactly are that; all else is text, so no code loses a zero, no long
number a digit, and nothing is taken for a formula.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from datahub.forms.columns import Column, literal, quote, shifted, text_of
from datahub.forms.texts import escape, escaped, is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.forms.sink import Sink

ROWS, COLUMNS, LETTERS = 1_048_575, 16_384, 32_767
"""What a worksheet holds below its header, beside each other, and in a cell."""
SHEET_BYTES = (1 << 32) - (1 << 20)
"""Of the worksheet's XML: what a ZIP without extensions holds, which every reader opens."""
_EXACT = 15  # digits of a number that a binary double keeps
_NUMBER = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DECIMAL\(\d+,(\d+)\)")
_DAYS = "date '1900-03-01' and date '9999-12-31'"  # before, Excel counts a day that never was
_TEXT, _DAY, _TIME, _MOMENT = 1, 2, 3, 4
_EPOCH = 25_569  # serial number of 1970-01-01
_STAMP = zipfile.ZipInfo().date_time  # 1980-01-01: the same rows give the same bytes


def sheet_row(columns: Sequence[Column]) -> str:
    """SQL of a row of a worksheet; NULL where a text is too long for a cell."""
    zones = zones_of(columns)
    cells = [_cell(column, zones) for column in columns]
    texts = [text_of(column) for column in columns if not is_plain(column.kind)]
    row = f"concat('<row>', {', '.join(cells)}, '</row>')"
    if not texts:
        return row
    long = " or ".join(f"coalesce(length({text}) > {LETTERS}, false)" for text in texts)
    return f"case when {long} then null else {row} end"


def zones_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """Zones that times are told in: each has a number format that shows it."""
    zoned = (c for c in columns if c.kind == "TIMESTAMP WITH TIME ZONE")
    return tuple(sorted({column.zone or "+00:00" for column in zoned}))


def sheet_head(columns: Sequence[Column]) -> str:
    """Begin a worksheet: its first row stays in sight and holds the columns' names."""
    names = "".join(
        f'<c s="{_TEXT}" t="inlineStr"><is><t xml:space="preserve">'
        f"{escaped(_guarded(column.name))}</t></is></c>"
        for column in columns
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        f"</sheetView></sheetViews><sheetData><row>{names}</row>\n"
    )


SHEET_TAIL = "</sheetData></worksheet>\n"


class Workbook:
    """A workbook with one sheet, written to a sink that cannot seek."""

    def __init__(self, sink: Sink, title: str, columns: Sequence[Column]) -> None:
        self._zip = zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        for path, text in _parts(title, zones_of(columns)).items():
            self._zip.writestr(_entry(path), text)
        self._sheet = self._zip.open(_entry("xl/worksheets/sheet1.xml"), "w")
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Add to the worksheet's XML."""
        self.bytes += len(data)
        self._sheet.write(data)

    def close(self) -> None:
        """Write the directory."""
        self._sheet.close()
        self._zip.close()


def control(sign: int) -> bytes:
    """Tell a control character as workbooks do."""
    return b"_x%04X_" % sign


def _cell(column: Column, zones: Sequence[str]) -> str:
    text = _text_cell(column)
    value = quote(column.name)
    if column.kind == "BOOLEAN":
        flag = _tagged(' t="b"', f"{value}::int")
        return f"case when {value} is null then '<c/>' else {flag} end"
    fits, serial, style = _exactly(column, zones)
    if not fits:
        return f"case when {text[0]} is null then '<c/>' else {text[1]} end"
    number = _tagged(f' s="{style}"' if style else "", serial)
    return f"case when {value} is null then '<c/>' when {fits} then {number} else {text[1]} end"


def _exactly(column: Column, zones: Sequence[str]) -> tuple[str, str, int]:
    """SQL that tells whether Excel holds a value exactly, the number it holds, and its style."""
    value, kind = quote(column.name), column.kind
    number = _NUMBER.fullmatch(kind)
    if number:
        whole = _EXACT - int(number[1] or 0)
        return (f"abs({value}::double) < 1e{whole}", value, 0) if whole > 0 else ("", "", 0)
    if kind in ("DOUBLE", "FLOAT"):
        return f"isfinite({value})", value, 0
    if kind == "DATE":
        return f"{value} between {_DAYS}", f"{value} - date '1899-12-30'", _DAY
    if kind == "TIME":
        micros = f"epoch_us({value})"
        return f"{micros} % 1000000 = 0", f"{micros} / 86400000000", _TIME
    if kind not in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE"):
        return "", "", 0
    local, style = f"{value}::timestamp", _MOMENT
    if kind == "TIMESTAMP WITH TIME ZONE":
        zone = column.zone or "+00:00"
        local, style = shifted(value, zone), _MOMENT + 1 + zones.index(zone)
    micros = f"epoch_us({local})"
    fits = f"isfinite({value}) and {local}::date between {_DAYS} and {micros} % 1000000 = 0"
    return fits, f"{micros} / 86400000000 + {_EPOCH}", style


def _tagged(attributes: str, number: str) -> str:
    return f"concat({literal(f'<c{attributes}><v>')}, {number}, '</v></c>')"


def _text_cell(column: Column) -> tuple[str, str]:
    """SQL of the text, and of a cell that holds it."""
    text = text_of(column)
    written = text
    if not is_plain(column.kind):
        guarded = (
            f"case when contains({text}, '_x') then"
            f" regexp_replace({text}, '(_x[0-9A-Fa-f]{{4}}_)', '_x005F\\1', 'g') else {text} end"
        )
        written = escape(f"({guarded})", "_x000D_")
    start = f'<c s="{_TEXT}" t="inlineStr"><is><t'
    kept = "'>'"
    if not is_plain(column.kind):
        bare = f"{text} = trim({text}, ' ' || chr(9) || chr(10))"
        kept = f"case when {bare} then '>' else ' xml:space=\"preserve\">' end"
    return text, f"concat({literal(start)}, {kept}, {written}, '</t></is></c>')"


def _guarded(text: str) -> str:
    return re.sub(r"(_x[0-9A-Fa-f]{4}_)", r"_x005F\1", text)


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _STAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PROLOG = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def _parts(title: str, zones: Sequence[str]) -> dict[str, str]:
    """Everything in a workbook beside the worksheet."""
    sheet = escaped(re.sub(r"[\[\]:*?/\\\x00-\x1f']", " ", title).strip()[:31] or "data")
    return {
        "[Content_Types].xml": f'{_PROLOG}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'{_PROLOG}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'{_PROLOG}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f'<sheets><sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_PROLOG}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": _styles(zones),
    }


def _styles(zones: Sequence[str]) -> str:
    codes = ["yyyy-mm-dd", "hh:mm:ss", "yyyy-mm-dd hh:mm:ss"]
    codes += [f'yyyy-mm-dd hh:mm:ss"{zone}"' for zone in zones]
    formats = "".join(
        f'<numFmt numFmtId="{number}" formatCode="{escaped(code)}"/>'
        for number, code in enumerate(codes, start=164)
    )
    used = [0, 49, *range(164, 164 + len(codes))]  # general, text, ours
    cells = "".join(
        f'<xf numFmtId="{number}" fontId="0" fillId="0" borderId="0" xfId="0"'
        ' applyNumberFormat="1"/>'
        for number in used
    )
    return (
        f'{_PROLOG}<styleSheet xmlns="{_MAIN}"><numFmts count="{len(codes)}">{formats}</numFmts>'
        '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
        f'</cellStyleXfs><cellXfs count="{len(used)}">{cells}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    )
