"""What the readers of all formats share: the probe, the search for the header, notices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.errors import ColumnsTooMany, FormatMismatch, FormatUnknown, HeaderMissing
from datahub.model import Json, Notice, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEARCHED_ROWS = 30
MAX_COLUMNS = 16_384
"""As many as a worksheet can have (ECMA-376); more are a mistake in delimiters or line ends."""
RATIO = 100
RATIO_FROM = 64 << 20
ROWS_SHOWN = 5
_LABEL = 80
_VALUE = re.compile(r"[\d\s.,:/+%°-]+|\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2})?.*|<.*", re.DOTALL)
_NAMES = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".xlsx": "XLSX",
    ".xlsm": "XLSX",
    ".xls": "XLS",
    ".ods": "ODS",
    ".json": "JSON",
    ".ndjson": "NDJSON",
    ".jsonl": "NDJSON",
    ".parquet": "Parquet",
    ".gz": "gzip",
    ".zip": "ZIP",
}


class Probe(Struct, frozen=True):
    """What is to be found out about one file, and within which limits (bytes)."""

    path: str
    name: str
    bytes: int
    sha256: str
    schema: Json
    copy: str  # where a UTF-8 copy goes when one is needed
    charset: str = ""
    line_bytes: int = 4 << 20
    unpacked_bytes: int = 2 << 30


def named_format(name: str) -> str | None:
    """Format that a file's name says, or None where it says nothing known."""
    return _NAMES.get(Path(name).suffix.lower())


def wrong_format(probe: Probe, found: str) -> FormatMismatch | FormatUnknown:
    """Tell that a file is something else than its name says, or nothing that can be read."""
    named = named_format(probe.name)
    if named is None or named == found:
        return FormatUnknown(file=probe.name, found=found)
    return FormatMismatch(file=probe.name, named=named, found=found)


def renamed(probe: Probe, found: str) -> tuple[Notice, ...]:
    """Notice that the name promises another format than the one that was read, if it does."""
    named = named_format(probe.name)
    if named in (None, found):
        return ()
    return (
        Notice(
            code="D01",
            severity="note",
            zh=f"文件“{probe.name}”的名称是 {named}，内容是 {found}，已按 {found} 读取。"
            f"请把扩展名改成与内容一致。",
            en=f"File '{probe.name}' is named {named} and was read as {found}, which it is. "
            "Give it the right extension.",
        ),
    )


def field_names(schema: Json) -> list[str]:
    """Names of a schema's fields, in order."""
    return [field["name"] for field in schema["fields"]]


def null_text(schema: Json) -> str:
    """Text that stands for no value in this schema (Table Schema `missingValues`)."""
    missing = [v if isinstance(v, str) else v["value"] for v in schema.get("missingValues", [""])]
    return "" if "" in missing or not missing else str(missing[0])


def score_header(cells: Iterable[str], expected: Sequence[str]) -> int:
    """How many of the expected labels a row shows; where none is known, how many look like one."""
    found = {cell.strip() for cell in cells}
    if expected:
        return len(set(expected) & found)
    return sum(is_label(cell) for cell in found)


def is_label(text: str) -> bool:
    """Tell whether a text could name a column: words, not a number, a date or a long sentence."""
    return 0 < len(text) <= _LABEL and (_VALUE.fullmatch(text) is None or _is_year(text))


def _is_year(text: str) -> bool:
    return len(text) == len("2026") and text[:2] in ("19", "20") and text.isdecimal()


def header_missing(name: str, expected: Sequence[str], found: str) -> HeaderMissing:
    """Tell which columns were looked for, and what was there instead."""
    wanted = ", ".join(expected) or "列名（文字，不是数字）column names"
    return HeaderMissing(file=name, searched=SEARCHED_ROWS, expected=wanted, found=found[:200])


def check_columns(probe: Probe, columns: int, line: int = 1) -> None:
    """Refuse a table wider than any table is.

    Raises:
        ColumnsTooMany: there are more than `MAX_COLUMNS`.

    """
    if columns > MAX_COLUMNS:
        raise ColumnsTooMany(file=probe.name, line=line, columns=columns, limit=MAX_COLUMNS)


def excerpt(text: str, most: int = 24) -> str:
    """Short printable piece of a text."""
    return "".join(c if c.isprintable() else " " for c in text[:most]).strip()


def mask(text: str) -> str:
    """Show enough to recognise the kind, not the value."""
    return text[:3] + "*" * max(0, len(text) - 5) + text[-2:]
