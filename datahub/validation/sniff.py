"""Find out what a file is: format, encoding, dialect, header row (stage detect, in a child).

Content decides, not the name. What is read other than the name says, or could be read otherwise
too, is told by a notice; what cannot be decided is an error that says what would be right.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from datahub.errors import FileEmpty, HeaderMissing
from datahub.model import Json, Notice, Struct, Table
from datahub.validation import titles
from datahub.validation.dialects import find_dialect, header_of, inspect
from datahub.validation.encodings import HEAD, Found, find_encoding, read_head, to_utf8
from datahub.validation.probing import (
    Probe,
    check_columns,
    field_names,
    named_format,
    renamed,
    wrong_format,
)

__all__ = ["Probe", "sniff"]

_MAGIC = (
    (b"PK\x03\x04", "ZIP/XLSX"),
    (b"PK\x05\x06", "ZIP/XLSX"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "XLS"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"PAR1", "Parquet"),
    (b"SQLite format 3", "SQLite"),
)
_BINARY_NAMES = {"XLSX", "XLS", "ODS", "Parquet", "gzip", "ZIP"}
_BOOK_NAMES = {"XLS", "XLSX", "ODS", None}
_MARKUP = re.compile(r"\s*(<!doctype|<html|<\?xml|<table|<meta)", re.IGNORECASE)
_JSON_BYTES = re.compile(rb"[\x00\s\xef\xbb\xbf\xff\xfe]*[\[{]")
_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[\[{\]"\d-])')


class _Text(Struct, frozen=True):
    """A text as it lies on the disk: UTF-8 at `path`, the original or a copy."""

    path: str
    head: str
    found: Found
    copied: bool


def sniff(probe: Probe) -> Table:
    """Return the file as a table that later stages read.

    Raises:
        FileError: a subclass says what is wrong with the file, where, and what would be right.

    """
    from datahub.validation.damage import find_damage

    table = _read_titled(probe)
    fields = {field["name"]: field for field in probe.schema["fields"]}
    damage = find_damage(table.path, table.dialect, header_of(table), fields)
    return msgspec.structs.replace(table, notices=table.notices + damage)


def _read_titled(probe: Probe) -> Table:
    """Read a file whose header has the fields' names, or their titles as people know them.

    Raises:
        HeaderMissing: it has neither.

    """
    try:
        table = _read(probe)
    except HeaderMissing:
        titled = titles.by_title(probe.schema, None)
        if titled is None:
            raise
        table = _read_again(probe, titled)
        return titles.rename(probe, table)
    if titles.names_of(header_of(table), probe.schema) is None:
        return table
    if table.format != "csv":  # cells were written as if their columns were unknown
        titled = titles.by_title(probe.schema, header_of(table))
        table = _read_again(probe, titled or probe.schema)
    return titles.rename(probe, table)


def _read_again(probe: Probe, schema: Json) -> Table:
    try:
        return _read(msgspec.structs.replace(probe, schema=schema))
    except HeaderMissing as error:
        names = ", ".join(field_names(probe.schema))
        raise HeaderMissing(**(error.facts | {"expected": names})) from None


def _read(probe: Probe) -> Table:
    head = read_head(probe)
    found = _binary(head)
    if found in ("ZIP/XLSX", "gzip"):
        return _packed(probe, found)
    named = named_format(probe.name)
    if found == "XLS" and named in _BOOK_NAMES:
        from datahub.validation.sheets import extract

        return extract(probe, "xls")
    if found == "Parquet" and named in ("Parquet", None):
        from datahub.validation.columnar import extract_parquet

        return extract_parquet(probe)
    if found is not None or named in _BINARY_NAMES:
        raise wrong_format(probe, found or "文字 text")
    return _sniff_text(probe, head)


def _binary(head: bytes) -> str | None:
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return None


def _packed(probe: Probe, found: str) -> Table:
    """Workbook in a ZIP container, or an archive with one table in it."""
    from datahub.validation import archives
    from datahub.validation.sheets import extract

    kind = archives.kind_of_zip(probe) if found == "ZIP/XLSX" else "gzip"
    if kind == "xlsx" or kind == "ods":  # noqa: PLR1714 - the type is narrowed so
        return extract(probe, kind)
    if named_format(probe.name) not in (kind, None):
        raise wrong_format(probe, kind)
    inner, notices = archives.unpack(probe, kind)
    try:
        table = _read(inner)
        return _outer(probe, table, notices)
    finally:
        Path(inner.path).unlink(missing_ok=True)


def _outer(probe: Probe, table: Table, notices: tuple[Notice, ...]) -> Table:
    """The table of an archive's member, told as that of the file its owner knows."""
    if table.path != probe.copy:  # the member is plain UTF-8 itself
        shutil.move(table.path, probe.copy)
    return msgspec.structs.replace(
        table, path=probe.copy, name=probe.name, copied=True, notices=notices + table.notices
    )


def _sniff_text(probe: Probe, head: bytes) -> Table:
    json_like = _JSON_BYTES.match(head) is not None
    text = _as_utf8(probe, head, lines=not json_like)
    if json_like and _JSON.match(text.head):
        from datahub.validation.trees import extract_json

        return extract_json(probe, text.path, text.found)
    if json_like:  # a CSV that begins with a bracket: its lines were not measured yet
        text = _as_utf8(probe, head, lines=True)
    if _MARKUP.match(text.head):
        raise wrong_format(probe, "HTML/XML")
    dialect = find_dialect(text.head, probe.name, field_names(probe.schema))
    notices = inspect(probe, text.path, dialect)
    return Table(
        path=text.path,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format="csv",
        encoding=text.found.codec.removesuffix("-sig"),
        dialect=dialect,
        copied=text.copied,
        notices=(*renamed(probe, "CSV"), *text.found.notices, *notices),
    )


def _as_utf8(probe: Probe, head: bytes, *, lines: bool) -> _Text:
    found = find_encoding(probe, head, lines=lines)
    path, copied = probe.path, found.codec != "utf-8"
    if copied:
        path = probe.copy
        to_utf8(probe.path, found.codec, path)
    with Path(path).open(encoding="utf-8", newline="") as file:
        text = file.read(HEAD)
        if lines and "\n" not in text and "\r" not in text:
            text += file.readline(probe.line_bytes)
    if not text.strip():
        raise FileEmpty(file=probe.name)
    if lines:
        check_columns(probe, max(text.partition("\n")[0].count(d) for d in ",\t;|"))
    return _Text(path=path, head=text, found=found, copied=copied)
