"""What a rule says, and what a breach of it is told as, in Chinese and English."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from datahub.validation.rules.kinds import (
    TODAY,
    Absent,
    CheckDigit,
    Code,
    Compare,
    Condition,
    Days,
    Fresh,
    NoOverlap,
    Op,
    Period,
    Present,
    Rule,
    Scalar,
    Sum,
    Within,
    class_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.model import Json

Fields = dict[str, "Json"]
Words = tuple[str, str]

_ROWS_NAMED = 5
_MOST_VALUES = 6
_TIMES_ZH: dict[Op, str] = {
    "<": "早于",
    "<=": "不晚于",
    "=": "等于",
    "!=": "不等于",
    ">=": "不早于",
    ">": "晚于",
}
_NUMBERS_ZH: dict[Op, str] = {
    "<": "小于",
    "<=": "不大于",
    "=": "等于",
    "!=": "不等于",
    ">=": "不小于",
    ">": "大于",
}
_NUMBERS_EN: dict[Op, str] = {
    "<": "less than",
    "<=": "at most",
    "=": "equal to",
    "!=": "other than",
    ">=": "at least",
    ">": "more than",
}
_TIMES_EN: dict[Op, str] = {
    "<": "before",
    "<=": "no later than",
    "=": "equal to",
    "!=": "other than",
    ">=": "no earlier than",
    ">": "after",
}
_CODES: dict[Code, Words] = {
    "credit-code": ("统一社会信用代码（18 位，GB 32100）", "credit code (18 characters, GB 32100)"),
    "organisation-code": ("组织机构代码（9 位，GB 11714）", "organisation code (GB 11714)"),
    "citizen-id": ("公民身份号码（18 位，GB 11643）", "citizen ID number (18 digits, GB 11643)"),
    "bank-card": ("银行卡号（13 至 19 位，ISO/IEC 7812）", "bank card number (ISO/IEC 7812)"),
}


def right(rule: Rule, fields: Fields, today: dt.date) -> Words:
    """Say what a rule asks for."""
    zh, en = _RIGHT[type(rule)](rule, fields, today)
    conditions = [_condition(condition, fields) for condition in rule.when]
    if conditions:
        zh = f"当{'且'.join(c[0] for c in conditions)}时，{zh}"
        en = f"where {' and '.join(c[1] for c in conditions)}, {en}"
    return zh, en


def told(
    rule: Rule,
    right: Words,
    checked: int,
    count: int,
    rows: Sequence[int],
    samples: Sequence[str],
) -> Words:
    """Say how a rule came out: where it is broken, or that it is kept."""
    zh, en = (f"{rule.title}：" if rule.title else ""), f"{rule.name}: "
    if not checked:
        return f"{zh}没有可核对的行。{right[0]}。", f"{en}there was nothing to check."
    if not count:
        return f"{zh}核对 {checked} 行，均符合。{right[0]}。", f"{en}kept by all {checked} rows."
    shown = rows[:_ROWS_NAMED]
    more = count > len(shown)
    place_zh = f"第 {'、'.join(map(str, shown))} 行{'等' if more else ''}"
    place_en = f"{'first in rows' if more else 'rows'} {', '.join(map(str, shown))}"
    return (
        f"{zh}{count} 处不符合（{place_zh}；例：{samples[0]}）。{right[0]}。",
        f"{en}{count} of {checked} rows break it ({place_en}; such as {samples[0]}): {right[1]}.",
    )


def _label(name: str, fields: Fields) -> str:
    title = fields[name].get("title", "")
    return f"{title}（{name}）" if title and title != name else name


def _labels(names: Sequence[str], fields: Fields) -> str:
    return "、".join(_label(name, fields) for name in names)


def _condition(condition: Condition, fields: Fields) -> Words:
    label = _label(condition.field, fields)
    if condition.empty is not None:
        empty = condition.empty
        return (
            f"{label}{'为空' if empty else '不为空'}",
            f"{condition.field} is {'empty' if empty else 'filled'}",
        )
    values = condition.one_of or condition.none_of or ()
    verb = ("为", "is") if condition.one_of else ("不为", "is not")
    return (
        f"{label}{verb[0]}{_several(values, '、', '等', '“”')}",
        f"{condition.field} {verb[1]} {_several(values, ', ', ' …', chr(39) * 2)}",
    )


def _several(values: Sequence[Scalar], separator: str, more: str, quotes: str) -> str:
    named = [f"{quotes[0]}{_plain(value)}{quotes[1]}" for value in values[:_MOST_VALUES]]
    return separator.join(named) + (more if len(values) > _MOST_VALUES else "")


def _plain(value: Scalar | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _compare(rule: Compare, fields: Fields, today: dt.date) -> Words:
    kind = class_of(fields[rule.left])
    times = kind in ("date", "datetime", "time", "yearmonth")
    ops_zh, ops_en = (_TIMES_ZH, _TIMES_EN) if times else (_NUMBERS_ZH, _NUMBERS_EN)
    if rule.right is not None:
        other_zh, other_en = _label(rule.right, fields), rule.right
    else:
        is_today = rule.value == TODAY and kind == "date"
        other_en = str(today) if is_today else _plain(rule.value)
        other_zh = f" {other_en}"
    return (
        f"{_label(rule.left, fields)}应{ops_zh[rule.op]}{other_zh}",
        f"{rule.left} should be {ops_en[rule.op]} {other_en}",
    )


def _sum(rule: Sum, fields: Fields, _today: dt.date) -> Words:
    zh = f"{_label(rule.total, fields)}应{_NUMBERS_ZH[rule.op]}{_labels(rule.parts, fields)}之和"
    en = f"{rule.total} should be {_NUMBERS_EN[rule.op]} {' + '.join(rule.parts)}"
    if rule.tolerance:
        zh, en = f"{zh}（可差 {rule.tolerance:g}）", f"{en} (within {rule.tolerance:g})"
    return zh, en


def _days(rule: Days, fields: Fields, _today: dt.date) -> Words:
    zh = (
        f"{_label(rule.total, fields)}应等于{_label(rule.start, fields)}"
        f"至{_label(rule.end, fields)}的天数"
    )
    en = f"{rule.total} should be the days from {rule.start} to {rule.end}"
    if rule.tolerance:
        zh, en = f"{zh}（可差 {rule.tolerance} 天）", f"{en} (within {rule.tolerance})"
    return zh, en


def _present(rule: Present, fields: Fields, _today: dt.date) -> Words:
    return f"{_labels(rule.fields, fields)}应填写", f"{', '.join(rule.fields)} should be filled"


def _absent(rule: Absent, fields: Fields, _today: dt.date) -> Words:
    return f"{_labels(rule.fields, fields)}应为空", f"{', '.join(rule.fields)} should be empty"


def _period(rule: Period, fields: Fields, _today: dt.date) -> Words:
    names = [name for name in (rule.at, rule.start, rule.end) if name is not None]
    reference = rule.reference
    resource_zh = f"资源 {reference.resource} " if reference.resource else "本表"
    zh = (
        f"{_labels(names, fields)}应在{resource_zh}中同一{_labels(rule.key, fields)}"
        f"的有效期（{reference.start} 至 {reference.end}）之内"
    )
    en = (
        f"{', '.join(names)} should lie between {reference.start} and {reference.end} of a row of "
        f"{reference.resource or 'this table'} with the same {', '.join(rule.key)}"
    )
    return zh, en


def _no_overlap(rule: NoOverlap, fields: Fields, _today: dt.date) -> Words:
    start, end = _label(rule.start, fields), _label(rule.end, fields)
    return (
        f"同一{_labels(rule.key, fields)}的各行，{start}至{end}不应重叠",
        f"{rule.start} to {rule.end} should not overlap between rows of one {', '.join(rule.key)}",
    )


def _check_digit(rule: CheckDigit, fields: Fields, _today: dt.date) -> Words:
    zh, en = _CODES[rule.code]
    return (
        f"{_label(rule.field, fields)}应为校验码正确的{zh}",
        f"{rule.field} should be a {en} with the right check digit",
    )


def _within(rule: Within, fields: Fields, _today: dt.date) -> Words:
    if rule.bbox is not None:
        west, south, east, north = (f"{edge:g}" for edge in rule.bbox)
        zh = f"经度 {west} 至 {east}、纬度 {south} 至 {north} "
        en = f"longitude {west} to {east}, latitude {south} to {north}"
    else:
        zh, en = "规则所列区域", "the region of the rule"
    names = [rule.lon, rule.lat]
    return f"{_labels(names, fields)}应在{zh}之内", f"{', '.join(names)} should lie within {en}"


def _fresh(rule: Fresh, fields: Fields, today: dt.date) -> Words:
    since = today - dt.timedelta(days=rule.days)
    each = f"每个{_labels(rule.by, fields)}的" if rule.by else ""
    of_each = f" of each {', '.join(rule.by)}" if rule.by else ""
    days = f"{rule.days} days before {today}"
    return (
        f"{each}{_label(rule.field, fields)}的最新值应不早于 {since}（{today} 前 {rule.days} 天）",
        f"the newest {rule.field}{of_each} should be {since} or later, {days}",
    )


_RIGHT: dict[type[Rule], Callable[[Any, Fields, dt.date], Words]] = {
    Compare: _compare,
    Sum: _sum,
    Days: _days,
    Present: _present,
    Absent: _absent,
    Period: _period,
    NoOverlap: _no_overlap,
    CheckDigit: _check_digit,
    Within: _within,
    Fresh: _fresh,
}
