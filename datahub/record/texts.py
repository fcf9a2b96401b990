"""What no text of a record may hold: markup, scripts, control characters, mojibake."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKUP = re.compile(r"<[A-Za-z/!?]|&(?:#\d+|#[xX][0-9a-fA-F]+|lt|gt|quot|apos|amp|nbsp);")
_SCRIPT = re.compile(r"(?:java|vb)script\s*:|data\s*:\s*text/html", re.IGNORECASE)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffc\ud800-\udfff]"
)
_BROKEN = re.compile("\ufffd|锟斤拷|烫烫烫")
_WIDE = re.compile("[\ufe64\uff1c\uff06]")
_CODE_KEYS = frozenset({"pattern", "missingValues", "enum", "trueValues", "falseValues"})


def fault(text: str, *, lines: bool) -> tuple[str, str, str] | None:
    """Return rule, Chinese and English of what is wrong with a text; None when nothing is.

    `lines` lets it have line breaks and tabs.
    """
    if (found := _CONTROL.search(text)) or (not lines and (found := re.search(r"[\n\t]", text))):
        shown = f"U+{ord(found[0]):04X}"
        return "control-character", f"含有控制字符 {shown}", f"has the control character {shown}"
    if _BROKEN.search(text):
        return "mojibake", "含有乱码（编码转换损坏）", "has characters broken by a wrong encoding"
    plain = unicodedata.normalize("NFKC", text) if _WIDE.search(text) else text
    if found := _MARKUP.search(plain):
        return (
            "markup",
            f"不能含有 HTML 标签或实体（“{found[0]}”）；写小于号请在后面加空格",
            f"HTML tags and entities are not allowed ('{found[0]}'); put a space after a less-than",
        )
    if _SCRIPT.search(plain):
        return "script", "不能含有脚本地址", "addresses that run scripts are not allowed"
    return None


def walk(
    value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of a structure with its place, names of mappings too."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and (len(key) > 1000 or "<" in key):  # noqa: PLR2004
                yield (*place, key[:40]), key
            if key not in _CODE_KEYS:
                yield from walk(item, (*place, key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from walk(item, (*place, number))
