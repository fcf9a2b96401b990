"""Find out what a file is: format, encoding, dialect, header row (stage detect, in a child)."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.errors import (
    EncodingUnknown,
    FileEmpty,
    FormatMismatch,
    FormatUnknown,
    HeaderMissing,
    LineTooLong,
)
from datahub.model import Dialect, Json, Struct, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEARCHED_ROWS = 30
_CHUNK = 1 << 20
_HEAD = 1 << 16
_DELIMITERS = ",\t;|"
_QUOTES = "\"'"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    ("\ufeff".encode("gb18030"), "gb18030"),
)
_MAGIC = (
    (b"PK\x03\x04", "ZIP/XLSX"),
    (b"PK\x05\x06", "ZIP"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel 97-2003 (.xls)"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"PAR1", "Parquet"),
    (b"SQLite format 3", "SQLite"),
)
_TEXT_NAMES = {".csv": "CSV", ".tsv": "CSV", ".txt": "CSV", ".xlsx": "XLSX"}
_MARKUP = re.compile(r"\s*(<!doctype|<html|<\?xml|<table)", re.IGNORECASE)
_HAN = re.compile(
    "[\u3000-\u303f\u3400-\u9fff\uff00-\uffef\u2010-\u2027\u2460-\u24ff\u00b7\u00d7°±]"
)
_OTHER = re.compile("[^\x00-\x7f]")
_HAN_SHARE = 0.9


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


def sniff(probe: Probe) -> Table:
    """Return the file as a table that later stages read.

    Raises:
        FileError: a subclass says what is wrong with the file, where, and what would be right.

    """
    head = _read_head(probe)
    found = _binary(head)
    if found == "ZIP/XLSX":
        from datahub.validation.sheets import extract

        return extract(probe)
    named = _TEXT_NAMES.get(Path(probe.name).suffix.lower())
    if found is not None or named == "XLSX":
        raise wrong_format(probe, found or "文字 text")
    return _sniff_text(probe, head)


def _read_head(probe: Probe) -> bytes:
    with Path(probe.path).open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf"):
        raise FileEmpty(file=probe.name)
    return head


def _binary(head: bytes) -> str | None:
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return None


def wrong_format(probe: Probe, found: str) -> FormatMismatch | FormatUnknown:
    """Tell that a file is something else than its name says, or nothing that can be read."""
    named = _TEXT_NAMES.get(Path(probe.name).suffix.lower())
    if named is None:
        return FormatUnknown(file=probe.name, found=found)
    return FormatMismatch(file=probe.name, named=named, found=found)


def _sniff_text(probe: Probe, head: bytes) -> Table:
    encoding = _encoding(probe, head)
    path, copied = probe.path, encoding != "utf-8"
    if copied:
        path = probe.copy
        _transcode(probe, encoding)
    with Path(path).open(encoding="utf-8", newline="") as file:
        text = file.read(_HEAD)
    if not text.strip():
        raise FileEmpty(file=probe.name)
    if _MARKUP.match(text):
        raise wrong_format(probe, "HTML/XML")
    return Table(
        path=path,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format="csv",
        encoding={"utf-8-sig": "utf-8"}.get(encoding, encoding),
        dialect=find_dialect(text, probe.name, field_names(probe.schema)),
        copied=copied,
    )


def field_names(schema: Json) -> list[str]:
    """Names of a schema's fields, in order."""
    return [field["name"] for field in schema["fields"]]


# Encoding ---------------------------------------------------------------------------------


def _encoding(probe: Probe, head: bytes) -> str:
    if probe.charset:
        return _declared(probe, head)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            _check(probe, encoding)
            return encoding
    if b"\x00" in head:
        return _utf16_without_bom(probe, head)
    try:
        _check(probe, "utf-8")
    except EncodingUnknown as no_utf8:
        if not _is_chinese(probe):
            raise no_utf8 from None
        return "gb18030"
    return "utf-8"


def _declared(probe: Probe, head: bytes) -> str:
    # gb2312 and gbk are widened to gb18030, which contains them (GB 18030-2022).
    encoding = {"gb2312": "gb18030", "gbk": "gb18030"}.get(probe.charset, probe.charset)
    if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    if encoding == "utf-16" and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if b"\x00" not in head:
            raise EncodingUnknown(file=probe.name, encoding="UTF-16", line=1, offset=0)
        return _utf16_without_bom(probe, head)
    _check(probe, encoding)
    if encoding == "gb18030" and (_is_utf8(probe) or not _is_chinese(probe)):
        raise EncodingUnknown(file=probe.name, encoding="GB18030", line=1, offset=0)
    return encoding


def _is_utf8(probe: Probe) -> bool:
    """Whether the bytes are UTF-8 with more than ASCII: such bytes are hardly ever GB18030."""
    try:
        _check(probe, "utf-8")
    except EncodingUnknown:
        return False
    with Path(probe.path).open("rb") as file:
        return any(not chunk.isascii() for chunk in iter(lambda: file.read(_CHUNK), b""))


def _utf16_without_bom(probe: Probe, head: bytes) -> str:
    even, odd = head[0::2].count(0), head[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) < len(head) // 8:
        raise wrong_format(probe, "二进制数据 binary data")
    _check(probe, encoding)
    return encoding


def _check(probe: Probe, encoding: str) -> None:
    """Decode the whole file strictly, and measure its lines on the way."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    offset, line, pending, held = 0, 1, 0, 0
    with Path(probe.path).open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                start = getattr(error, "start", 0)
                raise EncodingUnknown(
                    file=probe.name,
                    encoding=encoding.removesuffix("-sig").upper(),
                    line=line + chunk[: max(0, start - held)].count(b"\n"),
                    offset=offset - held + start,
                ) from None
            if not chunk:
                return
            offset, held = offset + len(chunk), len(decoder.getstate()[0])
            long, pending = _lines(text, pending, probe.line_bytes)
            if long is not None:
                raise LineTooLong(file=probe.name, line=line + long, limit=probe.line_bytes)
            line += text.count("\n")


def _lines(text: str, pending: int, limit: int) -> tuple[int | None, int]:
    """Place of the first line over the limit, if any, and how long the last, open one is."""
    last = max(text.rfind("\n"), text.rfind("\r"))
    still_open = pending + len(text) if last < 0 else len(text) - last - 1
    if pending + len(text) <= limit:  # the common case: no line of this piece can be too long
        return None, still_open
    lengths = [len(line) for line in text.splitlines()] or [0]
    lengths[0] += pending
    return next((i for i, size in enumerate(lengths) if size > limit), None), still_open


def _is_chinese(probe: Probe) -> bool:
    """Tell whether the whole file is GB18030 that reads as Chinese, not just decodes.

    GB18030 decodes almost any bytes: that it decodes proves nothing.
    """
    han = other = 0
    decoder = codecs.getincrementaldecoder("gb18030")()
    with Path(probe.path).open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                text = decoder.decode(chunk)
                han += len(_HAN.findall(text))
                other += len(_OTHER.findall(text))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return other > 0 and han / other >= _HAN_SHARE


def _transcode(probe: Probe, encoding: str) -> None:
    with (
        Path(probe.path).open(encoding=encoding, newline="") as source,
        Path(probe.copy).open("w", encoding="utf-8", newline="") as target,
    ):
        target.write(source.read(_CHUNK).removeprefix("\ufeff"))
        while text := source.read(_CHUNK):
            target.write(text)


# Dialect ----------------------------------------------------------------------------------


def find_dialect(text: str, name: str, expected: Sequence[str]) -> Dialect:
    """Choose delimiter, quote and header row by how many of the expected labels they show.

    Raises:
        HeaderMissing: none of the first rows shows any of them.

    """
    best, chosen = 0, None
    for delimiter in _DELIMITERS:
        for quote in _QUOTES:
            for number, line, cells in _records(text, delimiter, quote):
                score = score_header(cells, expected)
                if score > best:
                    best = score
                    chosen = Dialect(
                        delimiter=delimiter, quote_char=quote, header_row=number, header_line=line
                    )
    if chosen is None:
        raise header_missing(name, expected, text.splitlines()[0])
    return chosen


def score_header(cells: Sequence[str], expected: Sequence[str]) -> int:
    """How many of the expected labels a row shows."""
    return len(set(expected) & {cell.strip() for cell in cells})


def header_missing(name: str, expected: Sequence[str], found: str) -> HeaderMissing:
    """Tell which columns were looked for, and what was there instead."""
    return HeaderMissing(
        file=name, searched=SEARCHED_ROWS, expected=", ".join(expected), found=found[:200]
    )


def _records(text: str, delimiter: str, quote: str) -> Iterator[tuple[int, int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    try:
        for number, cells in enumerate(reader, start=1):
            if number > SEARCHED_ROWS:
                return
            yield number, reader.line_num, cells
    except csv.Error:  # this dialect does not fit; another one may
        return
