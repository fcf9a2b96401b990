"""Open `.gz` and `.zip` with exactly one table, within limits that no bomb passes.

What an archive says about its sizes may be a lie: the bytes that come out are counted.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal

import msgspec

from datahub.errors import ArchiveBomb, ArchiveUnfit, FileError, TableUnclear
from datahub.model import Notice
from datahub.validation.probing import RATIO, RATIO_FROM, Probe, named_format

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1 << 20
_MEMBERS_MOST = 1000
_NESTED = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_NESTED_NAMES = {".zip", ".gz", ".7z", ".rar", ".tar", ".bz2", ".xz", ".tgz"}
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_SHOWN = 5


def kind_of_zip(probe: Probe) -> Literal["xlsx", "ods", "ZIP"]:
    """Return what a ZIP container is: xlsx, ods or, for everything else, ZIP.

    Raises:
        ArchiveBomb: its directory announces more than may be unpacked.
        FileError: it has no readable directory.

    """
    entries = _entries(probe)
    measure(probe, entries)
    names = {entry.filename for entry in entries}
    if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
        return "xlsx"
    if "content.xml" in names and "META-INF/manifest.xml" in names:
        return "ods"
    return "ZIP"


def measure(probe: Probe, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Check the archive's own directory before anything is unpacked.

    Raises:
        ArchiveBomb: it announces more bytes, or a higher ratio, than may be unpacked.

    """
    size = sum(entry.file_size for entry in entries)
    _limit(probe, size, sum(entry.compress_size for entry in entries))


def _limit(probe: Probe, size: int, packed: int) -> None:
    limit = min(probe.unpacked_bytes, max(RATIO_FROM, RATIO * packed))
    if size > limit:
        raise ArchiveBomb(file=probe.name, bytes=size, limit=limit)


def _entries(probe: Probe) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(probe.path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise _broken(probe) from error


def _broken(probe: Probe) -> FileError:
    return FileError(
        file=probe.name,
        reason_zh="文件不完整或已损坏（可能上传中断）。请检查后重新导出，再报送",
        reason_en="it is truncated or damaged; export it again",
    )


def unpack(probe: Probe, kind: str) -> tuple[Probe, tuple[Notice, ...]]:
    """Write the one table of an archive beside the copy; return it as a probe of its own.

    Raises:
        ArchiveUnfit: there is no table in it, it is encrypted, or another archive is in it.
        TableUnclear: there are several tables in it.
        ArchiveBomb, FileError: it unpacks to too much, or not at all.

    """
    target = Path(probe.copy + ".member")
    notices: tuple[Notice, ...] = ()
    try:
        if kind == "gzip":
            with gzip.open(probe.path) as source:
                _pour(probe, source, target)
            name = _stem(probe.name)
        else:
            name, notices = _one_member(probe, target)
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, NotImplementedError) as error:  # noqa: E501  # fmt: skip
        target.unlink(missing_ok=True)
        raise _broken(probe) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    inner = msgspec.structs.replace(probe, path=str(target), name=name)
    return inner, notices


def _stem(name: str) -> str:
    stem = name[:-3] if name.lower().endswith(".gz") else name
    return stem if Path(stem).suffix else stem + ".csv"


def _one_member(probe: Probe, target: Path) -> tuple[str, tuple[Notice, ...]]:
    with zipfile.ZipFile(probe.path) as archive:
        entry, name = _choose(probe, archive.infolist())
        if entry.flag_bits & 1:
            raise _unfit(probe, "设有密码", "it is protected by a password")
        with archive.open(entry) as source:
            _pour(probe, source, target, packed=entry.compress_size)
    notice = Notice(
        code="D03",
        severity="note",
        zh=f"读取的是压缩文件“{probe.name}”里的“{name}”。",
        en=f"What was read is '{name}' of the archive '{probe.name}'.",
    )
    return name, (notice,)


def _choose(probe: Probe, entries: list[zipfile.ZipInfo]) -> tuple[zipfile.ZipInfo, str]:
    if len(entries) > _MEMBERS_MOST:
        raise _unfit(probe, f"含 {len(entries)} 个文件", f"it holds {len(entries)} files")
    files = {
        _name(entry): entry
        for entry in entries
        if not entry.is_dir() and not any(litter in entry.filename for litter in _LITTER)
    }
    # A read-me beside the table is no table; alone, a .txt is one.
    tables = [n for n in files if named_format(n) and not n.lower().endswith((".txt", ".gz", ".zip"))]  # noqa: E501  # fmt: skip
    tables = tables or [n for n in files if n.lower().endswith(".txt")]
    if len(tables) > 1:
        more = f"（共 {len(tables)} 个）" if len(tables) > _SHOWN else ""
        raise TableUnclear(file=probe.name, found=", ".join(tables[:_SHOWN]) + more)
    if not tables:
        if any(PurePosixPath(name).suffix.lower() in _NESTED_NAMES for name in files):
            raise _unfit(probe, "里面还是压缩文件", "there is another archive in it")
        found = ", ".join(list(files)[:_SHOWN]) or "-"
        raise _unfit(probe, f"里面没有表格（{found}）", f"there is no table in it ({found})")
    return files[tables[0]], tables[0]


def _name(entry: zipfile.ZipInfo) -> str:
    """File name of a member; Windows writes GBK without saying so."""
    name = PurePosixPath(entry.filename).name
    if not entry.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = name.encode("cp437", "replace").decode("gb18030", "replace")
    return "".join(c for c in name if c.isprintable())


def _unfit(probe: Probe, zh: str, en: str) -> ArchiveUnfit:
    return ArchiveUnfit(file=probe.name, reason_zh=zh, reason_en=en)


def _pour(
    probe: Probe, source: IO[bytes] | gzip.GzipFile, target: Path, packed: int | None = None
) -> None:
    """Copy an unpacked stream, counting; an archive within the archive is refused."""
    size = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            if not size and _is_nested(chunk):
                raise _unfit(probe, "里面还是压缩文件", "there is another archive in it")
            size += len(chunk)
            _limit(probe, size, packed or probe.bytes)
            file.write(chunk)


def _is_nested(head: bytes) -> bool:
    if head.startswith(b"PK\x03\x04"):  # workbooks are ZIP containers, too: told apart later
        return b"xl/" not in head and b"opendocument" not in head[:200] and b"[Content" not in head
    return head.startswith(_NESTED)
