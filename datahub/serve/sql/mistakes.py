"""Errors of SQL as people can use them: what, where in their own text, and what would be right.

DuckDB tells errors as JSON (`errors_as_json`) with a position and candidates. Its texts may name
what is ours (descriptors, views, settings): such words are taken out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors_query import QueryLimit, SqlInvalid
from datahub.model import Struct

if TYPE_CHECKING:
    from datahub.errors import DatahubError
    from datahub.model import Json

_INSIDE = re.compile(
    r"/(?:proc|dev|sys|tmp|var|home|root|work|usr|etc|opt|srv|mnt)(?:/[^\s\"',:;)]*)*"
)
_OURS = re.compile(
    r"\b(?:memory\.)?main\.|\bmemory\.|\bduckdb(?:_\w+)?\b|\bpg_catalog\.\w+", re.IGNORECASE
)
_WORDLESS = "{} Error: the conversion of a value failed"
"""Of an error that quotes a part of a letter some Pythons keep nothing but the kind."""
_LETTERS = 400  # of a reason
_EXCERPTS = ("LINE ", "^", "Candidate", "Did you mean")
_KINDS = {
    "Parser": "语法错误",
    "Binder": "名称或类型不对",
    "Catalog": "没有这个名称",
    "Conversion": "值不能转换成所要的类型",
    "Out of Range": "数值超出范围",
    "Invalid Input": "输入值不对",
    "Invalid Type": "类型不对",
    "Mismatch Type": "类型不符",
    "Not implemented": "不支持",
    "Syntax": "语法错误",
}


class Position(Struct, frozen=True):
    """A place in a statement: `offset` counts characters from 0."""

    sql: str
    offset: int = 0

    @classmethod
    def of_bytes(cls, sql: str, at: int | None) -> Position | None:
        """Place of a byte of the statement."""
        if at is None:
            return None
        return cls(sql, len(sql.encode()[:at].decode(errors="ignore")))

    @property
    def facts(self) -> dict[str, int]:
        """Line and column from 1, offset from 0."""
        before = self.sql[: self.offset]
        line = before.count("\n") + 1
        return {
            "line": line,
            "column": self.offset - (before.rfind("\n") + 1) + 1,
            "offset": self.offset,
        }


def refusal(
    at: Position | None, zh: str, en: str, hint_zh: str = "", hint_en: str = ""
) -> SqlInvalid:
    """Make the error of a statement that is refused or wrong."""
    facts: dict[str, Any] = {"reason_zh": zh, "reason_en": en}
    facts |= {"hint_zh": _sentence(hint_zh, "。"), "hint_en": _sentence(hint_en, ".")}
    if at is None:
        return SqlInvalid(at_zh="", at_en="", **facts)
    place = at.facts
    return SqlInvalid(
        at_zh=f"（第 {place['line']} 行第 {place['column']} 列）",
        at_en=f" (line {place['line']}, column {place['column']})",
        position=place,
        **facts,
    )


def _sentence(text: str, end: str) -> str:
    return text + end if text and not text.endswith(end) else text


def told(error: Exception) -> Json:
    """Read what DuckDB says of an error: kind, message, byte position, candidates."""
    text = str(error) or _WORDLESS.format(type(error).__name__.removesuffix("Exception"))
    start = text.find("{")
    try:
        found: Json = msgspec.json.decode(text[start:]) if start >= 0 else {}
    except msgspec.DecodeError:
        found = {}
    if "exception_message" not in found:
        kind, _, rest = text.partition(" Error: ")
        found = {"exception_type": kind if rest else "", "exception_message": rest or text}
    return found


def unparsed(tree: Json, sql: str) -> DatahubError:
    """Make our error of a text that is no statement, or none of those that only read."""
    message = str(tree.get("error_message", ""))
    if tree.get("error_type") == "parser":
        found = {"exception_type": "Parser", "exception_message": message}
        at = str(tree.get("position", ""))  # of the parser, which counts characters
        return mistake(found, Position(sql, min(int(at), len(sql))) if at.isdigit() else None)
    if message.startswith("Only SELECT"):
        return refusal(
            Position(sql), "只能用 SELECT", "only SELECT is offered",
            "一条以 SELECT、WITH 或 FROM 开头的语句", "One statement with SELECT, WITH or FROM",
        )  # fmt: skip
    return refusal(None, f"语法不支持：{_scrubbed(message)}", _scrubbed(message))


def endless(tree: Json, sql: str) -> DatahubError:
    """Make our error of a text with a number that a DOUBLE cannot hold; DuckDB takes it for ∞."""
    at, nodes = None, [tree]
    while nodes and at is None:
        node = nodes.pop()
        if isinstance(node, dict):
            value = node.get("value")
            if isinstance(value, dict) and value.get("value") in (math.inf, -math.inf):
                at = Position.of_bytes(sql, node.get("query_location"))
        nodes += reversed(list(node.values() if isinstance(node, dict) else node))
        nodes = [node for node in nodes if isinstance(node, dict | list)]
    return refusal(
        at, "数字太大：DOUBLE 最大约 1.8e308",
        "a number is too large: a DOUBLE holds up to 1.8e308",
        "无穷大写作 'inf'::double", "Write infinity as 'inf'::double",
    )  # fmt: skip


def mistake(found: Json, at: Position | None, seconds: float = 0.0) -> DatahubError:
    """Make our error of DuckDB's, at a place of the user's own text; it had so many seconds."""
    kind, message = found.get("exception_type", ""), found["exception_message"]
    if kind.lower() == "out of memory":
        return QueryLimit(reason_zh="内存不够", reason_en="it needs more memory than it may take")
    if kind.lower() == "interrupt":
        return QueryLimit(
            reason_zh=f"超过 {seconds:g} 秒", reason_en=f"it takes more than {seconds:g} seconds"
        )
    if kind in ("IO", "Permission", "Internal", "Fatal", "HTTP", ""):
        return refusal(at, "这条语句不能执行", "this statement cannot be carried out")
    first, _, more = message.partition("\n")
    if first.endswith("NOT IMPLEMENTED"):  # names a function of the parser's
        return refusal(
            at, "\\u 转义不支持", "escapes with \\u are not supported",
            "请直接写出字符，或用 chr(20013)", "Write the character itself, or chr(20013)",
        )  # fmt: skip
    near = [name.strip(' "') for name in str(found.get("candidates", "")).split(",")]
    near = [name for name in near if name and not _OURS.search(name)]
    hint_zh = f"相近的名称：{'、'.join(near)}" if near else _scrubbed(_useful(more))
    hint_en = f"Close to it: {', '.join(near)}" if near else _scrubbed(_useful(more))
    reason = _scrubbed(first).rstrip(".!") or "invalid"
    zh = f"{_KINDS.get(kind, '不能执行')}：{reason}"
    return refusal(at, zh, reason, hint_zh, hint_en)


def _useful(text: str) -> str:
    """Lines of a message that help, without candidates and excerpts."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [
        x
        for x in lines
        if x and not x.startswith(_EXCERPTS) and " -> " not in x and '"SET ' not in x
    ]
    return " ".join(kept)


def plain(expression: str) -> str:
    """Take our own names out of an expression that was written anew."""
    return _OURS.sub("", expression)


def _scrubbed(text: str) -> str:
    return _OURS.sub("", _INSIDE.sub("…", text))[:_LETTERS]
