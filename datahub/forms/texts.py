"""Rows as lines of CSV and TSV and as elements of XML: the SQL of a row, and what stands around."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datahub.forms.columns import Column, literal, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PLAIN = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|DOUBLE|FLOAT|UUID|DATE|TIME"
    r"|TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE"
)
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_XML_NAME = re.compile(
    f"(?!(?i:xml)|field$)[{_START}][-.0-9\u00b7\u0300-\u036f\u203f\u2040{_START}]*"
)
"""NameStartChar and NameChar of XML 1.0 (fifth edition) without the colon."""
CONTROLS = bytes(sorted(set(range(0x20)) - {0x09, 0x0A, 0x0D}))
"""Bytes that XML 1.0 has no way to write."""


def is_plain(kind: str) -> bool:
    """Tell whether the text of a DuckDB type has neither separators nor quotes nor markup."""
    return _PLAIN.fullmatch(kind) is not None


def separated_head(columns: Sequence[Column], separator: str) -> str:
    """Header of a CSV or TSV file."""
    names = (column.name for column in columns)
    return separator.join(_quoted(name, separator) for name in names) + "\n"


def separated_row(columns: Sequence[Column], separator: str) -> str:
    """SQL of a row as a line (RFC 4180, without its end): NULL is empty, an empty text quoted.

    A line of one empty cell would be a blank line, which readers skip: there, NULL is quoted too.
    """
    cells = [_separated(column, separator) for column in columns]
    if len(cells) == 1:
        cells[0] = f"coalesce({cells[0]}, '\"\"')"
    return f"concat({f', {literal(separator)}, '.join(cells)})"


def _separated(column: Column, separator: str) -> str:
    text = text_of(column)
    if is_plain(column.kind):
        return text
    signs = (literal(separator), "'\"'", "chr(10)", "chr(13)")
    special = " or ".join(f"contains({text}, {sign})" for sign in signs)
    quoted = f"concat('\"', replace({text}, '\"', '\"\"'), '\"')"
    return f"case when {text} = '' or {special} then {quoted} else {text} end"


def _quoted(name: str, separator: str) -> str:
    if name and not set(name) & {separator, '"', "\n", "\r"}:
        return name
    return '"' + name.replace('"', '""') + '"'


def xml_head(title: str) -> str:
    """Begin the document."""
    named = f' title="{escaped(title)}"' if title else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<rows{named}>\n'


def xml_row(columns: Sequence[Column]) -> str:
    """SQL of a row as an element: a child for each cell but NULL.

    A name that is none of XML's is told as `<field name="…">`.
    """
    parts = list(_elements(columns))
    return f"concat('<row>', {', '.join(parts)}, '</row>')"


def _elements(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        start = end = column.name
        if not _XML_NAME.fullmatch(column.name):
            start, end = f'field name="{escaped(column.name)}"', "field"
        text = text_of(column) if is_plain(column.kind) else escape(text_of(column))
        yield f"{literal(f'<{start}>')} || {text} || {literal(f'</{end}>')}"


def escaped(text: str) -> str:
    """Write a text as XML, for an attribute too."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text.replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")


def escape(text: str, carriage_return: str = "&#13;") -> str:
    """SQL of a text as content of an XML element."""
    signs = ("'&'", "'<'", "'>'", "chr(13)")
    entities = ("'&amp;'", "'&lt;'", "'&gt;'", literal(carriage_return))
    done = text
    for sign, entity in zip(signs, entities, strict=True):
        done = f"replace({done}, {sign}, {entity})"
    special = " or ".join(f"contains({text}, {sign})" for sign in signs)
    return f"case when {special} then {done} else {text} end"
