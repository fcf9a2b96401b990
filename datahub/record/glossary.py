"""政务词条: what a glossary entry holds and the rules on its fields (table-schemas D24), pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from datahub.errors_glossary import TermInvalid
from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

State = Literal["draft", "in_review", "approved", "declined", "retired"]
STATES: dict[str, str] = {
    "draft": "草稿",
    "in_review": "待审核",
    "approved": "已生效",
    "declined": "未采纳",
    "retired": "已停用",
}
OPEN = ("draft", "in_review")
"""States of a proposal that nobody has decided on."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_ITEM = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_DOC = re.compile(r"[^\x00-\x1f]{1,100}\Z")
_MARKUP = re.compile(r"<\s*[a-zA-Z/!?]|&(?:lt|#0*60|#x0*3c);|javascript:", re.IGNORECASE)
_LENGTHS = {"term": (1, 50), "definition": (5, 1000), "meaning": (0, 1000)}
_LISTS = {"synonyms": 30, "related_datasets": 50, "related_items": 100, "related_docs": 100}
_WORD = 50


class Term(Struct, frozen=True):
    """A glossary entry as it stands in one version."""

    id: str
    term: str
    definition: str  # 概念解释
    owner: str  # id of the publisher that answers for it
    synonyms: tuple[str, ...] = ()  # 近义词: everyday words, abbreviations
    meaning: str = ""  # 词条意义: what people use it for
    related_datasets: tuple[str, ...] = ()
    related_items: tuple[str, ...] = ()  # codes of service items (D20)
    related_docs: tuple[str, ...] = ()  # ids of documents (D23)
    region: str = ""  # where it holds, "" everywhere
    reviewed: str = ""  # day of the last check; "" where nobody noted it
    expires: str = ""  # last day on which it holds; "" without end
    version: int = 1


FIELDS = tuple(name for name in Term.__struct_fields__ if name != "version")


def fold(word: str) -> str:
    """Fold a word for comparing: width, case, and spaces within do not matter."""
    return "".join(unicodedata.normalize("NFKC", word).casefold().split())


def words(term: Term) -> Iterator[tuple[str, str]]:
    """Every word that means the entry, with the field it stands in."""
    yield "term", term.term
    for word in term.synonyms:
        yield "synonyms", word


def expired(term: Term, today: date) -> bool:
    """Tell whether the entry's last day is over."""
    return bool(term.expires) and term.expires < today.isoformat()


def parse(raw: Any, identifier: str, today: date) -> Term:
    """Read an entry from JSON or YAML and check each field by itself.

    Raises:
        TermInvalid: names the entry, the field and what would be right.

    """
    _check_shape(raw, identifier)
    entry: Json = {name: raw[name] for name in FIELDS if raw.get(name) is not None}
    entry["id"] = identifier
    for name, (least, most) in _LENGTHS.items():
        entry[name] = _text(identifier, name, entry.get(name, ""), least, most)
    for name, most in _LISTS.items():
        entry[name] = _list(identifier, name, entry.get(name, ()), most)
    for name in ("owner", "region"):
        entry[name] = _text(identifier, name, entry.get(name, ""), name == "owner", 64)
    for name in ("reviewed", "expires"):
        entry[name] = _day(identifier, name, entry.get(name, ""))
    found = Term(**entry)
    _check_together(found, today)
    return found


def _fail(identifier: str, field: str, zh: str, en: str) -> TermInvalid:
    return TermInvalid(term=identifier[:80], field=field, reason_zh=zh, reason_en=en)


def _check_shape(raw: Any, identifier: str) -> None:
    if not _ID.match(identifier):
        raise _fail(
            identifier.encode("ascii", "backslashreplace").decode(),
            "id",
            "只能用小写字母、数字和连字符，以字母或数字开头，最长 63 个字符",
            "use lower-case letters, digits and -, starting with a letter or digit",
        )
    if not isinstance(raw, dict):
        raise _fail(identifier, "entry", "应是键值映射", "an object is expected")
    unknown = sorted(str(name)[:40] for name in raw if name not in FIELDS)
    if unknown:
        shown = ", ".join(FIELDS)
        raise _fail(
            identifier, unknown[0], f"没有这个字段；可用：{shown}", f"unknown; known are {shown}"
        )
    if raw.get("id", identifier) != identifier:
        raise _fail(identifier, "id", "与地址中的编号不同", "differs from the id in the address")


def _text(identifier: str, field: str, value: Any, least: int, most: int) -> str:
    if not isinstance(value, str):
        raise _fail(identifier, field, "应是文字", "text is expected")
    text = unicodedata.normalize("NFC", value).strip()
    if not least <= len(text) <= most:
        raise _fail(
            identifier,
            field,
            f"长度应为 {int(least)} 到 {most} 个字，现为 {len(text)}",
            f"{int(least)} to {most} characters are expected, not {len(text)}",
        )
    if _MARKUP.search(text):
        raise _fail(identifier, field, "不能含有 HTML 或脚本", "HTML and scripts are not allowed")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cf") and c != "\n" for c in text):
        raise _fail(identifier, field, "不能含有控制字符", "control characters are not allowed")
    if field in ("term", "synonyms") and "\n" in text:
        raise _fail(identifier, field, "不能换行", "line breaks are not allowed")
    return text


def _list(identifier: str, field: str, value: Any, most: int) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _fail(identifier, field, "应是列表", "a list is expected")
    if len(value) > most:
        raise _fail(
            identifier,
            field,
            f"最多 {most} 项，现有 {len(value)}",
            f"at most {most}, not {len(value)}",
        )
    found = tuple(_text(identifier, field, item, 1, _WORD if field == "synonyms" else 100)
                  for item in value)  # fmt: skip
    rule = {"related_items": _ITEM, "related_docs": _DOC}.get(field)
    for item in found:
        if rule is not None and not rule.match(item):
            raise _fail(identifier, field, f"“{item}”不像编号", f"'{item}' is no code")
    _check_repeated(identifier, field, found)
    return found


def _check_repeated(identifier: str, field: str, items: Sequence[str]) -> None:
    seen: set[str] = set()
    for item in items:
        if fold(item) in seen:
            raise _fail(identifier, field, f"“{item}”重复", f"'{item}' is repeated")
        seen.add(fold(item))


def _day(identifier: str, field: str, value: Any) -> str:
    if isinstance(value, date):  # YAML reads unquoted days as dates
        return value.isoformat()[:10]
    if not value:
        return ""
    try:
        return date.fromisoformat(value if len(value) == len("2026-01-31") else "").isoformat()
    except (TypeError, ValueError):
        raise _fail(
            identifier, field, "应是 2026-01-31 这样的日期", "a date such as 2026-01-31 is expected"
        ) from None


def _check_together(term: Term, today: date) -> None:
    if fold(term.term) in {fold(word) for word in term.synonyms}:
        raise _fail(
            term.id,
            "synonyms",
            f"不必重复词条本身“{term.term}”",
            f"'{term.term}' is the term itself",
        )
    if term.reviewed > today.isoformat():
        raise _fail(term.id, "reviewed", "不能晚于今天", "it must not be later than today")
    if term.expires and term.expires < (term.reviewed or term.expires):
        raise _fail(
            term.id, "expires", "不能早于 reviewed（复核日期）", "it must not be before 'reviewed'"
        )


def changes(before: Term | None, after: Term) -> list[Json]:
    """Fields that differ, with both values, for whoever decides."""
    return [
        {"field": name, "before": None if before is None else getattr(before, name),
         "after": getattr(after, name)}
        for name in FIELDS
        if before is None or getattr(before, name) != getattr(after, name)
    ]  # fmt: skip
