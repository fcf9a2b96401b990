"""Look for personal data and damage in the text of tables (stage screen, in a child).

Patterns and checks: GB 11643 (ID), ISO/IEC 7812 (cards), the national numbering plan (mobiles).
A finding carries place, count and a masked sample, never the value.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow.compute as pc

from datahub.model import Finding, Json
from datahub.record.codes import is_citizen_id, is_credit_code, is_luhn
from datahub.validation.probing import mask
from datahub.validation.reading import Slot, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS_SHOWN = 5
_FEW_ROWS = 10
_STRONG_SHARE = 0.05
_SEPARATED = re.compile(r"(?<=\d)[ \-·–—](?=\d)")
_CANDIDATE = "[0-9０-９][0-9０-９ \\-·Xx－–—\u3000\u00a0]{9}|\ufffd|锟斤拷"
_WIDE_TABLE = 4  # columns from which on a line with as many delimiters is surely a row
_KEPT_DIGITS, _FEW_ROUNDED, _ROUNDED_SHARE = 15, 3, 0.9
_WARNINGS = ("Q13", "Q14", "Q17")
_HINT_CARD = re.compile("卡号|账号|帐号|银行|card|account", re.IGNORECASE)

Severity = Literal["block", "warn", "note"]


class Rule(NamedTuple):
    """A kind of content to look for."""

    code: str
    title: str
    title_en: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    advice: str


def _is_card(text: str) -> bool:
    return is_luhn(text) and not is_citizen_id(text) and not is_credit_code(text)


def _is_mobile(_text: str) -> bool:
    return True  # the pattern is all there is: mobile numbers have no check digit


def _bounded(pattern: str) -> re.Pattern[str]:
    # A fraction's digits are no number of their own.
    return re.compile(rf"(?<![0-9A-Za-z])(?<!\d\.){pattern}(?![0-9A-Za-z])", re.ASCII)


# Order matters: an 18-digit ID of Hubei begins with 42 and would fit a card's prefix.
RULES = (
    Rule(
        "P01",
        "身份证号",
        "citizen ID numbers",
        _bounded(
            r"[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9Xx]"
        ),
        is_citizen_id,
        "请删除该列",
    ),
    Rule(
        "P02",
        "银行卡号",
        "bank card numbers",
        _bounded(r"(?:62|4|5[1-5])\d{11,17}"),
        _is_card,
        "请删除该列",
    ),
    Rule(
        "P03",
        "手机号",
        "mobile numbers",
        _bounded(r"(?:\+?86)?1[3-9]\d{9}"),
        _is_mobile,
        "请删除，或改为办公固定电话",
    ),
    Rule(
        "Q13",
        "乱码",
        "broken characters",
        re.compile("�|锟斤拷"),
        lambda _text: True,
        "请用正确的编码重新导出",
    ),
)

SWALLOWED = Rule(
    "Q17",
    "被并进一格的几行（引号开在一行、合在另一行）",
    "whole rows in one cell (a quote opened in one row and closed in another)",
    re.compile(""),
    lambda _text: True,
    "请核对引号，单元格内的引号要写两次",
)
ROUNDED = Rule(
    "Q14",
    "只保留了 15 位有效数字的编码（末尾变成 0）",
    "codes rounded to 15 digits (the last ones became zeros)",
    re.compile(""),
    lambda _text: True,
    "请把该列设为文本格式，从源系统重新导出",
)


def screen(job: tuple[Slot, ...]) -> list[Finding]:
    """Return the findings over all tables, per resource, column and rule."""
    findings: list[Finding] = []
    for slot in job:
        hits: dict[tuple[str, Rule], _Hits] = {}
        rows = _scan(slot, hits)
        fields = {field["name"]: field for field in slot.schema["fields"]}
        order = list(fields)
        told = {(notice.field, notice.code) for table in slot.tables for notice in table.notices}
        findings += [
            _finding(slot.name, fields.get(label, {"name": label}), rule, found, rows)
            for (label, rule), found in sorted(
                hits.items(),
                key=lambda hit: (_place(order, hit[0][0]), hit[0][0], hit[0][1].code),
            )
            if (label, rule.code) not in told
        ]
        findings += _few_rows(slot.name, rows)
        findings += _noticed(slot)
    return findings


class _Hits:
    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []
        self.sample = ""

    def add(self, row: int, text: str) -> None:
        self.count += 1
        self.sample = self.sample or mask(text)
        if len(self.rows) < ROWS_SHOWN:
            self.rows.append(row)


def _place(order: list[str], label: str) -> int:
    """Where a column stands in the schema; those that it does not list come last."""
    return order.index(label) if label in order else len(order)


def _scan(slot: Slot, hits: dict[tuple[str, Rule], _Hits]) -> int:
    """Look at every column of the files, also at those that the schema tolerates unlisted."""
    rows = 0
    fields = {field["name"]: field for field in slot.schema["fields"]}
    for table, first, labels, batch in texts(slot.tables):
        rows += batch.num_rows
        for label, cells in zip(labels, batch.columns, strict=True):
            for offset, text in _candidates(cells):
                for rule, found in matches(text):
                    hits.setdefault((label, rule), _Hits()).add(first + offset, found)
            for offset, text in swallowed(cells, table.dialect.delimiter, len(labels)):
                hits.setdefault((label, SWALLOWED), _Hits()).add(first + offset, text)
            for offset, text in rounded(cells, fields.get(label, {})):
                hits.setdefault((label, ROUNDED), _Hits()).add(first + offset, text)
    return rows


def swallowed(cells: Any, delimiter: str, width: int) -> Iterator[tuple[int, str]]:
    """Cells that hold whole rows: a quotation mark opened in one and closed in a later one."""
    where = pc.indices_nonzero(pc.match_substring(cells, "\n"))
    for offset, text in zip(where.to_pylist(), cells.take(where).to_pylist(), strict=True):
        rows = sum(line.count(delimiter) >= width - 1 for line in text.splitlines())
        if rows >= (1 if width >= _WIDE_TABLE else 2) and width > 1:
            yield offset, text


def rounded(cells: Any, field: Json) -> Iterator[tuple[int, str]]:
    """Codes of which a spreadsheet kept 15 digits and made the rest zeros (IEEE 754 doubles).

    Only where nearly all long codes of the batch end so: a single one may be right.
    """
    if field.get("type", "string") != "string" or not len(cells):
        return
    if (pc.max(pc.binary_length(cells)).as_py() or 0) <= _KEPT_DIGITS:
        return
    zeros = pc.match_substring_regex(cells, r"^[1-9][0-9]{14}0{2,5}$")
    found = pc.sum(zeros).as_py() or 0
    if found < _FEW_ROUNDED:
        return
    codes = pc.sum(pc.match_substring_regex(cells, "^[0-9]{16,20}$")).as_py()
    if found >= _ROUNDED_SHARE * codes:
        where = pc.indices_nonzero(zeros)
        yield from zip(where.to_pylist(), cells.take(where).to_pylist(), strict=True)


def _candidates(cells: Any) -> Iterator[tuple[int, str]]:
    """Cells that a cheap vectorised test does not clear, with their place in the batch."""
    where = pc.indices_nonzero(pc.match_substring_regex(cells, _CANDIDATE))
    yield from zip(where.to_pylist(), cells.take(where).to_pylist(), strict=True)


def matches(text: str) -> Iterator[tuple[Rule, str]]:
    """What a cell contains: rule and the text that fits it, checked; folded to ASCII first."""
    folded = unicodedata.normalize("NFKC", text)
    # Both as written and joined: separators stand inside a number, and between two of them.
    forms = dict.fromkeys((folded, _SEPARATED.sub("", folded)))
    for rule in RULES:
        for match in (m for form in forms for m in rule.pattern.finditer(form)):
            if rule.check(match.group()):
                yield rule, match.group()
                break


def severity(rule: Rule, field: Json, count: int, rows: int) -> Severity:
    """Weigh a finding: one number that happens to check is weak, a column of them is strong."""
    if rule.code in _WARNINGS:
        return "warn"
    label = f"{field['name']} {field.get('title', '')}"
    strong = count / max(1, rows) >= _STRONG_SHARE
    if rule.code == "P02":  # one in ten random numbers passes Luhn
        return "block" if strong or _HINT_CARD.search(label) else "warn"
    if rule.code == "P03" and field.get("type") in ("integer", "number"):
        return "block" if strong else "warn"
    return "block"


def _finding(resource: str, field: Json, rule: Rule, hits: _Hits, rows: int) -> Finding:
    shown = "、".join(map(str, hits.rows)) + (" 等" if hits.count > len(hits.rows) else "")
    label = f"{field.get('title', field['name'])}（{field['name']}）"
    return Finding(
        rule=rule.code,
        severity=severity(rule, field, hits.count, rows),
        resource=resource,
        field=field["name"],
        count=hits.count,
        rows=tuple(hits.rows),
        sample=hits.sample,
        zh=f"{resource} 的列 {label}第 {shown} 行像是{rule.title}，共 {hits.count} 处"
        f"（例：{hits.sample}）。{rule.advice}。",
        en=f"Column {field['name']} of {resource} seems to hold {rule.title_en}: "
        f"{hits.count} cells, first in rows {', '.join(map(str, hits.rows))}.",
    )


def _noticed(slot: Slot) -> list[Finding]:
    """What stage detect noticed about the tables, once for each file."""
    return [
        Finding(
            rule=notice.code,
            severity=notice.severity,
            resource=slot.name,
            field=notice.field,
            count=notice.count,
            rows=notice.rows,
            sample=notice.sample,
            zh=notice.zh,
            en=notice.en,
        )
        for table in slot.tables
        for notice in table.notices
    ]


def _few_rows(resource: str, rows: int) -> list[Finding]:
    if rows >= _FEW_ROWS:
        return []
    return [
        Finding(
            rule="Q08",
            severity="block" if rows == 0 else "note",
            resource=resource,
            field="",
            count=rows,
            rows=(),
            sample="",
            zh=f"{resource} 只有 {rows} 行数据。" + ("请检查导出是否完整。" if rows == 0 else ""),
            en=f"{resource} has {rows} rows.",
        )
    ]
