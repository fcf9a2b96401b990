"""Choose a column's type: the strictest that reads every value, codes and numbers kept apart.

A type is taken only when frictionless's own reader takes all sampled values with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import frictionless

from datahub.record.codes import is_bank_card, is_citizen_id, is_credit_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datahub.model import Json
    from datahub.validation.profiling import Column

_CODE = re.compile(
    r"编号|编码|代码|号码|文号|证号|文书号|登记号|许可证|身份证|电话|手机|传真|邮编|邮政编码|条码|批号|"
    r"账号|帐号|卡号|车牌|区划|统一标识|标识码|"
    r"(?:^|_)(?:code|uscc|phone|tel|fax|zip|postcode|mobile|region)s?$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"[a-z](?:Code|Id|ID)$")
_SEQUENCE = re.compile(r"^(序号|行号|no|seq|序)\.?$", re.IGNORECASE)
_YEAR = re.compile(r"年$|年份|年度|届|^year$|_year$", re.IGNORECASE)
_WORDS = re.compile(
    r"名称|姓名|地址|住址|备注|说明|内容|描述|事由|依据|简介|name|address|note", re.IGNORECASE
)
_PAIRS = (
    ("是", "否"), ("有", "无"), ("true", "false"), ("True", "False"), ("TRUE", "FALSE"),
    ("Y", "N"), ("yes", "no"), ("Yes", "No"), ("YES", "NO"), ("√", "×"),
)  # fmt: skip
_DATES = ("default", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_STAMPS = ("default", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S",
           "%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M")  # fmt: skip
_DATE_LIKE = re.compile(
    r"\d{4}([-/.年])\d{1,2}[-/.月]\d{1,2}日?(\s*\d{1,2}[:时点]\d{1,2}.*)?|\d{4}年\d{1,2}月|"
    r"(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])"
)
_DAY = re.compile(r"日期|时间|date|(?:^|_)day$", re.IGNORECASE)
_LONG = 15
_FEW_LISTS, _LIST_SHARE, _LIST_WORD = 5, 0.2, 20
_ENUM_MOST, _ENUM_TIMES, _ENUM_WIDE, _ENUM_ROWS = 20, 3, 40, 20


_SPECIAL = ".^$*+?{}[]()|\\"


class Kind(NamedTuple):
    """A type with what belongs to it: format, texts of true and false, signs."""

    field: Json
    why: str = ""  # for the steward, Chinese
    why_en: str = ""


def reads(field: Json, values: Iterable[str]) -> bool:
    """Whether frictionless reads every one of these texts as this field."""
    bare = {k: v for k, v in field.items() if k in _READING} | {"name": "x"}
    try:
        (made,) = frictionless.Schema.from_descriptor({"fields": [bare]}).fields
        read = made.create_cell_reader()
        for value in values:
            cell, notes = read(value)
            if cell is None or notes:
                return False
    except Exception:  # noqa: BLE001 - whatever a reader raises, the type does not fit
        return False
    return True


_READING = ("type", "format", "constraints", "trueValues", "falseValues", "groupChar", "bareNumber",
            "decimalChar")  # fmt: skip


def kind_of(column: Column, values: Sequence[str], known: Json | None) -> Kind:
    """Type of a column from its sampled values; `known` is a definition of the same column."""
    if not values:
        return Kind({"type": "string"}, "整列没有值，类型待定", "the column is empty")
    if known is not None:
        found = {k: v for k, v in known.items() if k in (*_READING, "separator", "timezone")}
        if reads(found, values) and not (column.zeros and found.get("type") == "integer"):
            return Kind(found)
    for kind in _candidates(column, values):
        if reads(kind.field, values):
            return kind
    return _text(column, values)


def _candidates(column: Column, values: Sequence[str]) -> Iterator[Kind]:
    yield from _booleans(column)
    if _DAY.search(column.label):
        yield from _times(column, values)
    if not _is_code(column, values):
        yield from _numbers(column, values)
    yield from _times(column, values)
    if values[0][:1] == "{" and '"type"' in values[0]:
        yield Kind({"type": "geojson"})
    if re.fullmatch(r"-?\d+\.\d+\s*,\s*-?\d+\.\d+", values[0]):
        yield Kind({"type": "geopoint"})
    if re.match(r"https?://", values[0]):
        yield Kind({"type": "string", "format": "uri"})


def _booleans(column: Column) -> Iterator[Kind]:
    if column.values is None:
        return
    found = set(column.values) | {text for text in column.tokens if text == "无"}
    for true, false in _PAIRS:
        if found and found <= {true, false} and true in found:
            yield Kind({"type": "boolean", "trueValues": [true], "falseValues": [false]})


def _is_code(column: Column, values: Sequence[str]) -> bool:
    """Whether digits are a code that arithmetic would spoil: zeros in front, long, or named so."""
    label = column.label
    if _SEQUENCE.search(label) and not column.zeros:
        return False
    if "digits" in column.kinds:
        if column.zeros or column.wide >= _LONG:
            return True
        phone = column.narrow == column.wide == len("13900000000") and values[0][0] == "1"
        return phone or _named_code(label)
    return _named_code(label) and "number" not in column.kinds


def _named_code(label: str) -> bool:
    return _CODE.search(label) is not None or _CAMEL.search(label) is not None


def _numbers(column: Column, values: Sequence[str]) -> Iterator[Kind]:
    if column.kinds >= {"integer", "digits"} and column.narrow == column.wide == len("2026"):
        early = min(values) >= "1900" and max(values) < "2100"
        if early and _YEAR.search(column.label):
            yield Kind({"type": "year"})
    if "integer" in column.kinds:
        yield Kind({"type": "integer"})
    if "number" in column.kinds:
        yield Kind({"type": "number"})
    grouped = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d+)?")
    if any("," in value for value in values) and all(map(grouped.fullmatch, values)):
        zh, en = "数字带千分位逗号，建议改为不带逗号", "numbers have thousands separators"
        yield Kind({"type": "number", "groupChar": ","}, zh, en)
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?%", value) for value in values):
        zh, en = "数字带百分号，建议只写数字", "numbers have percent signs"
        yield Kind({"type": "number", "bareNumber": False, "unit": "%"}, zh, en)


def _times(column: Column, values: Sequence[str]) -> Iterator[Kind]:
    first = values[0]
    if re.fullmatch(r"\d{4}-\d{2}", first):
        yield Kind({"type": "yearmonth"})
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", first):
        yield Kind({"type": "time"})
        yield Kind({"type": "time", "format": "%H:%M"})
    if not _DATE_LIKE.match(first):
        return
    compact = "digits" in column.kinds
    if compact and (column.wide != len("20260105") or _CODE.search(column.label)):
        return
    for form in ("%Y%m%d",) if compact else _DATES[:-1]:
        zh = "" if form == "default" else f"日期写作 {form}，建议改为 2026-01-05"
        en = "" if form == "default" else f"dates are written {form}; 2026-01-05 would be better"
        yield Kind({"type": "date", "format": form}, zh, en)
    for form in () if compact else _STAMPS:
        yield Kind({"type": "datetime", "format": form})


def _text(column: Column, values: Sequence[str]) -> Kind:
    """Text, with a note where it is nearly something else."""
    dated = sum(_DATE_LIKE.fullmatch(value) is not None for value in values)
    if dated == len(values) and "digits" not in column.kinds:
        return Kind(
            {"type": "string"},
            "日期有几种写法（或不完整），暂作文字；统一成 2026-01-05 后可改为 date",
            "dates are written in several ways; make them 2026-01-05 to have the type date",
        )
    if dated > len(values) // 2 and "digits" not in column.kinds:
        odd = next(value for value in values if not _DATE_LIKE.fullmatch(value))
        zh = f"多数是日期，但有“{_shown(odd)}”等，暂作文字"
        return Kind({"type": "string"}, zh, "mostly dates, but not all: text for now")
    number = re.compile(r"[+-]?\d+(\.\d+)?")
    odd_ones = [value for value in values if not number.fullmatch(value)]
    if len(odd_ones) * 10 < len(values) and "number" not in column.kinds:
        zh = f"多数是数字，但有“{_shown(odd_ones[0])}”等，暂作文字"
        return Kind({"type": "string"}, zh, "mostly numbers, but not all: text for now")
    separator = _separator(values)
    return Kind({"type": "string"} | ({"separator": separator} if separator else {}))


def _shown(text: str) -> str:
    return text if len(text) <= _LIST_WORD else text[:_LIST_WORD] + "…"


def _separator(values: Sequence[str]) -> str:
    """Sign between several values in one cell: short words that come again."""
    for sign in ("；", ";", "|", "、"):
        several = [value.split(sign) for value in values if sign in value]
        words = [word.strip() for parts in several for word in parts]
        repeated = len(set(words)) * 2 <= len(words)
        short = all(0 < len(word) <= _LIST_WORD for word in words)
        if len(several) >= max(_FEW_LISTS, _LIST_SHARE * len(values)) and repeated and short:
            return sign
    return ""


def enum_of(column: Column, kind: Kind, tokens: set[str]) -> list[str]:
    """Values of a code list: few, short, and each met again and again; else nothing."""
    values, label = column.values, column.label
    if values is None or kind.field["type"] != "string" or "separator" in kind.field:
        return []
    found = values + type(values)({t: n for t, n in column.tokens.items() if t and t not in tokens})
    few = 1 < len(found) <= _ENUM_MOST and max(map(len, found), default=0) <= _ENUM_WIDE
    often = sum(found.values()) >= max(_ENUM_ROWS, _ENUM_TIMES * len(found))
    if not (few and often) or _WORDS.search(label) or _CODE.search(label) or kind.why:
        return []
    if "digits" in column.kinds:  # a code: its pattern says more
        return []
    return [text for text, _ in found.most_common()]


def pattern_of(column: Column, values: Sequence[str]) -> tuple[str, str]:
    """Pattern of a column of codes, and the check digit it has (`datahub:check`), if any."""
    if not values or column.narrow != column.wide:
        return "", ""
    if column.wide == len("91420500MA0000090W"):
        if all(map(is_citizen_id, values)):
            return r"[1-9]\d{16}[0-9X]", "citizen-id"
        if all(re.fullmatch("[0-9A-HJ-NPQRTUWXY]{18}", value) for value in values):
            right = all(map(is_credit_code, values))
            return "[0-9A-HJ-NPQRTUWXY]{18}", "credit-code" if right else ""
    if not _named_code(column.label) and "digits" not in column.kinds:
        return "", ""
    if "digits" in column.kinds:
        return rf"\d{{{column.wide}}}", "bank-card" if _are_cards(column, values) else ""
    shapes = {_shape(value) for value in values}
    return (shapes.pop(), "") if len(shapes) == 1 and len(values) >= _ENUM_ROWS else ("", "")


def _are_cards(column: Column, values: Sequence[str]) -> bool:
    return re.search("卡号|账号|帐号", column.label) is not None and all(map(is_bank_card, values))


def _shape(text: str) -> str:
    """Pattern that a code's letters, digits and signs make."""
    found = ""
    for run in re.finditer(r"[0-9]+|[A-Z]+|[a-z]+|.", text, re.DOTALL):
        part = run[0]
        first = part[0]
        if "0" <= first <= "9":
            found += r"\d"
        elif "A" <= first <= "Z":
            found += "[A-Z]"
        elif "a" <= first <= "z":
            found += "[a-z]"
        else:
            found += f"\\{part}" if part in _SPECIAL else part
            continue
        found += f"{{{len(part)}}}" if len(part) > 1 else ""
    return found
