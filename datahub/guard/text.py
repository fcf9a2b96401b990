"""Names and texts from outside: what a name may be, and how to show one that is not."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from datahub.errors import NameInvalid

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_FILE_BYTES = 200


def check_name(value: str, what: str) -> str:
    """Return the name of a dataset, resource or person, or refuse it; `what` is 中文 English.

    Data Package 2.0 lets names be lower-case letters, digits, `.`, `_` and `-`; here without the
    dot, so that a name is also a folder, a file stem and an SQL identifier.

    Raises:
        NameInvalid: with what would be right.

    """
    if not _NAME.match(value):
        raise NameInvalid(
            **_both(what),
            value=printable(value),
            reason_zh="只能用小写字母、数字、下划线和连字符，以字母或数字开头，最长 63 个字符",
            reason_en="use lower-case letters, digits, _ and -, starting with a letter or digit",
        )
    return value


def check_file_name(value: str) -> str:
    """Return a file name as its owner may see it again; it never becomes a path.

    Raises:
        NameInvalid: it has folders, control characters or is too long.

    """
    name = unicodedata.normalize("NFC", value)
    bad = any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)
    if bad or not name.strip(". ") or "/" in name or "\\" in name:
        raise NameInvalid(
            **_both("文件名 file name"),
            value=printable(value),
            reason_zh="不能为空，不能含有路径（/ 或 \\）、换行或控制字符",
            reason_en="it must not be empty or contain /, \\, line breaks or control characters",
        )
    if len(name.encode()) > _FILE_BYTES:
        raise NameInvalid(
            **_both("文件名 file name"),
            value=printable(value[:40]) + "…",
            reason_zh=f"太长，最多 {_FILE_BYTES} 字节",
            reason_en=f"it is longer than {_FILE_BYTES} bytes",
        )
    return name


def _both(what: str) -> dict[str, str]:
    """Facts of what a name is of, in each language."""
    zh, _, en = what.partition(" ")
    return {"what_zh": zh, "what_en": en}


def printable(value: str) -> str:
    """Text with control characters and lone surrogates made visible, cut to a line."""
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cs", "Cf", "Zl", "Zp") else f"\\u{ord(c):04x}"
        for c in value[:200]
    )
    return shown + ("…" if len(value) > 200 else "")  # noqa: PLR2004 - a line of text


def content_disposition(name: str) -> str:
    """Header value that saves a file under a UTF-8 name (RFC 6266, RFC 8187)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
