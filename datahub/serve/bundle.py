"""A release as one ZIP archive that is on no disk: headers of ours between the published files.

Files are stored, not deflated (Parquet would not shrink), so that the archive's length is known,
any range of it can be read, and the same release gives the same bytes at any time. The format
is PKWARE's APPNOTE 6.3.10; its sections are cited below.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from datahub.model import Struct
from datahub.serve.pieces import Piece, Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.model import Distribution

LAYOUT = "1"
"""Part of the entity tag: to be raised when the same files would give other bytes."""

_FULL, _FULL_COUNT = 0xFFFFFFFF, 0xFFFF  # a field that says: see the ZIP64 record
_UTF8 = 1 << 11  # §4.4.4, bit 11: names are UTF-8
_PLAIN, _ZIP64 = 20, 45  # §4.4.3: version needed to extract
_UNIX = 3 << 8  # §4.4.2: made by
_MODE = 0o100644 << 16  # §4.4.15, as Unix tools read it: a plain file that all may read


class _Entry(Struct, frozen=True):
    name: bytes
    bytes: int
    crc32: int
    offset: int  # of its local header


def bundle(folder: str, files: Sequence[Distribution], released: str) -> tuple[Piece, ...]:
    """Pieces of the archive of files below a folder; a file without `crc32` gets 0 for it.

    `released` (ISO 8601) dates every entry.
    """
    at = _Time(released)
    pieces: list[Piece] = []
    entries, offset = [], 0
    for file in files:
        name = f"{folder}/{file.path}".encode()
        entry = _Entry(name=name, bytes=file.bytes, crc32=file.crc32 or 0, offset=offset)
        header = _local(entry, at)
        pieces += [header, Stretch(file=file.path, start=0, length=file.bytes)]
        entries.append(entry)
        offset += len(header) + file.bytes
    central = b"".join(_central(entry, at) for entry in entries)
    return (*pieces, central + _end(len(entries), len(central), offset))


def tag(folder: str, files: Sequence[Distribution], released: str) -> str:
    """Strong entity tag of the archive, known without reading a file."""
    parts = [LAYOUT, folder, released, *(f"{f.sha256} {f.bytes} {f.path}" for f in files)]
    return f'"zip-{sha256(chr(10).join(parts).encode()).hexdigest()}"'


class _Time:
    """One moment as ZIP tells it: in DOS form, and exactly in the extended timestamp (UT)."""

    def __init__(self, text: str) -> None:
        at = datetime.fromisoformat(text).astimezone(UTC)
        self.dos_time = at.hour << 11 | at.minute << 5 | at.second // 2
        self.dos_date = (at.year - 1980) << 9 | at.month << 5 | at.day
        self.extra = struct.pack("<HHBi", 0x5455, 5, 1, int(at.timestamp()))


def _local(entry: _Entry, at: _Time) -> bytes:
    """Local file header (§4.3.7)."""
    wide = entry.bytes >= _FULL
    # §4.5.3: here both sizes stand in the ZIP64 field, or neither.
    extra = at.extra + (struct.pack("<HHQQ", 1, 16, entry.bytes, entry.bytes) if wide else b"")
    size = _FULL if wide else entry.bytes
    head = struct.pack(
        "<4sHHHHHIIIHH", b"PK\x03\x04", _ZIP64 if wide else _PLAIN, _UTF8, 0,
        at.dos_time, at.dos_date, entry.crc32, size, size, len(entry.name), len(extra),
    )  # fmt: skip
    return head + entry.name + extra


def _central(entry: _Entry, at: _Time) -> bytes:
    """Header of an entry in the central directory (§4.3.12)."""
    wide, far = entry.bytes >= _FULL, entry.offset >= _FULL
    # §4.5.3: only those fields, in this order, whose places below are full.
    numbers = [entry.bytes] * 2 * wide + [entry.offset] * far
    zip64 = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    extra = at.extra + zip64
    needed = _ZIP64 if numbers else _PLAIN
    size = _FULL if wide else entry.bytes
    head = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", _UNIX | needed, needed, _UTF8, 0,
        at.dos_time, at.dos_date, entry.crc32, size, size, len(entry.name), len(extra),
        0, 0, 0, _MODE, _FULL if far else entry.offset,
    )  # fmt: skip
    return head + entry.name + extra


def _end(count: int, length: int, offset: int) -> bytes:
    """End of the central directory (§4.3.14 to §4.3.16); ZIP64 only where numbers ask for it."""
    zip64 = b""
    if count >= _FULL_COUNT or length >= _FULL or offset >= _FULL:
        zip64 = struct.pack(
            "<4sQHHIIQQQQ", b"PK\x06\x06", 44, _UNIX | _ZIP64, _ZIP64, 0, 0,
            count, count, length, offset,
        )  # fmt: skip
        zip64 += struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + length, 1)
    entries = min(count, _FULL_COUNT)
    return zip64 + struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, entries, entries,
        min(length, _FULL), min(offset, _FULL), 0,
    )  # fmt: skip
