"""Which files go out as they were handed in: those that hold nothing beside the released table.

An original may hold more than what was validated, screened and reviewed: other sheets, comments,
the name of who wrote it, rows above the header, other files of an archive. Text files whose
every record was judged are published; a workbook is when it has one sheet and nothing else.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from datahub.model import FileIn, Struct
from datahub.validation.export_parts import copied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datahub.model import Distribution, Table

_MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_PACKED = (b"PK", b"\x1f\x8b")
_MEMBERS = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/(app|core)\.xml|xl/workbook\.xml"
    r"|xl/_rels/workbook\.xml\.rels|xl/(styles|sharedStrings)\.xml|xl/theme/theme\d+\.xml"
    r"|xl/worksheets/sheet\d+\.xml"
)
_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_CORE = "docProps/core.xml"
_PEOPLE = ("creator", "lastModifiedBy", "description", "keywords", "subject", "title")
_PROGRAMS = frozenset({"", "openpyxl", "xlsxwriter"})
_CORE_BYTES = 1 << 16


class Original(Struct, frozen=True):
    """A file as it was handed in, and where it is kept."""

    file: FileIn
    path: str


def write_originals(
    resource: str, originals: Sequence[Original], tables: Sequence[Table], folder: Path,
    csv: Iterable[str],
) -> list[Distribution]:  # fmt: skip
    """Copy the originals that may go out, unless the CSV (digests `csv`) is the same already."""
    by_digest = {table.sha256: table for table in tables}
    found = [
        (original, by_digest[original.file.sha256])
        for original in originals
        if original.file.sha256 in by_digest and original.file.sha256 not in set(csv)
    ]
    chosen = [pair for pair in found if is_bare(Path(pair[0].path), pair[1])]
    return [
        _copy(resource, original, table, folder, number if len(originals) > 1 else None)
        for number, (original, table) in enumerate(chosen, start=1)
    ]


def is_bare(path: Path, table: Table) -> bool:
    """Tell whether a file holds its table and nothing else."""
    with path.open("rb") as file:
        start = file.read(64)
    if table.format == "xlsx":
        return table.dialect.header_row == 1 and _is_bare_workbook(path)
    if start.startswith(_PACKED):
        return False
    if table.format == "json":
        return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return table.format == "ndjson" or (table.format == "csv" and table.dialect.header_row == 1)


def _is_bare_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if not all(_MEMBERS.fullmatch(name) for name in members):
                return False  # comments, drawings, macros, connections, …
            if sum(_SHEET.fullmatch(name) is not None for name in members) != 1:
                return False
            if _CORE not in members:
                return True
            with archive.open(_CORE) as file:
                core = file.read(_CORE_BYTES)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError):
        return False
    return not _names_people(core)


def _names_people(core: bytes) -> bool:
    """Tell whether the properties of a document tell of somebody or something."""
    if b"<!DOCTYPE" in core or b"<!ENTITY" in core:
        return True
    try:
        root = ET.fromstring(core)  # noqa: S314 - without a document type, nothing expands
    except ET.ParseError:
        return True
    told = {item.tag.rpartition("}")[2]: (item.text or "").strip().lower() for item in root}
    return any(told.get(name, "") not in _PROGRAMS for name in _PEOPLE)


def _copy(
    resource: str, original: Original, table: Table, folder: Path, number: int | None
) -> Distribution:
    name = f"{resource}.original" + (f"-{number}" if number else "") + f".{table.format}"
    media_type = _MEDIA_TYPES[table.format]
    if table.format == "csv":
        media_type += f"; charset={table.encoding}"
    return copied(Path(original.path), folder / name).told(resource, "original", media_type)
