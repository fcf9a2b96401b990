"""Groups of errors in sentences an owner understands, each with what would be right."""

# ruff: noqa: E501 - tables of sentences read better on one line
from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datahub.model import Json


class Cause(NamedTuple):
    """Why a value is not of its type: which texts show it, and how it is said."""

    code: str
    types: tuple[str, ...]  # field types; () for all
    pattern: str  # RE2, the whole text
    zh: str
    en: str
    right_zh: str
    right_en: str


_NUMBERS = ("integer", "number")
_TIMES = ("date", "datetime", "time", "year", "yearmonth")
CAUSES = (
    Cause("blank-space", (), r"\s+", "只有空格", "holds only spaces",
          "没有值时留空，不要输入空格", "leave the cell empty when there is no value"),
    Cause("placeholder", (), r"(?i)\s*(-+|—+|/|\\|\*|无|空|暂无|不详|未知|没有|n/?a|null|none|nan|#n/a|#value!|#ref!|#div/0!)\s*",
          "用文字或符号表示没有值", "a word or sign stands for 'no value'",
          "没有值时留空；或请管理员把这个写法登记为缺失值", "leave it empty, or have that text declared a missing value"),
    Cause("thousands", _NUMBERS, r"\s*[-+]?\d{1,3}([,，]\d{3})+(\.\d+)?\s*", "有千位分隔符",
          "has a thousands separator", "去掉逗号，例如 1,234.50 写作 1234.50", "write 1234.50, not 1,234.50"),
    Cause("full-width", (), r".*[０-９．－＋].*", "有全角数字或符号", "has full-width digits or signs",
          "改用半角数字，例如 １２３ 写作 123", "use ASCII digits: 123"),
    Cause("percent", _NUMBERS, r"\s*[-+]?[\d.,]+\s*[%％‰]\s*", "带百分号", "has a percent sign",
          "去掉百分号，按字段说明的单位填数", "leave out the sign and give the number in the field's unit"),
    Cause("currency", _NUMBERS, r"\s*[-+]?[¥￥$€]\s*[\d.,]+\s*", "带货币符号", "has a currency sign",
          "去掉货币符号，只填数字", "leave out the sign, give the number alone"),
    Cause("unit", _NUMBERS, r"\s*[-+]?[\d.,]+\s*[^\d\s.,:/-][^\d]*", "数字后面带单位或文字", "has a unit or words behind the number",
          "去掉单位，只填数字，例如 12元 写作 12", "give the number alone: 12"),
    Cause("fraction", ("integer",), r"\s*[-+]?\d+\.\d+\s*", "是小数", "is a decimal fraction",
          "此列只能填整数，例如 3", "only whole numbers such as 3 are right here"),
    Cause("scientific", ("integer",), r"\s*[-+]?\d+(\.\d+)?[eE][-+]?\d+\s*", "成了科学计数法（Excel 的显示）", "is in scientific notation (as Excel shows it)",
          "把该列设为文本或数值格式后重新导出", "format the column as text or number and export again"),
    Cause("chinese-number", _NUMBERS, r"\s*[零〇一二三四五六七八九十百千万亿两]+\s*", "用了中文数字", "is written in Chinese numerals",
          "改用阿拉伯数字", "use digits"),
    Cause("slash-date", _TIMES, r"\s*\d{4}[/.]\d{1,2}[/.]\d{1,2}.*", "日期用了斜线或点", "a date with slashes or dots",
          "写作 {right}", "write {right}"),
    Cause("chinese-date", _TIMES, r"\s*\d{4}\s*年.*", "日期写成了中文", "a date in Chinese words", "写作 {right}", "write {right}"),
    Cause("compact-date", _TIMES, r"\s*(19|20)\d{6}(\d{6})?\s*", "日期没有分隔", "a date without separators", "写作 {right}", "write {right}"),
    Cause("serial-date", _TIMES, r"\s*[34]\d{4}(\.\d+)?\s*", "成了 Excel 的日期序号", "is Excel's serial number of a date",
          "把该列设为日期格式后重新导出，写作 {right}", "format the column as a date and export again: {right}"),
    Cause("date-with-time", ("date",), r"\s*\d{4}-\d{1,2}-\d{1,2}[ T].+", "日期后面带了时间", "a time stands behind the date", "写作 {right}", "write {right}"),
    Cause("no-seconds", ("datetime",), r"\s*\d{4}-\d\d-\d\d([ T]\d\d:\d\d)?\s*", "时间没有写到秒", "the time has no seconds", "写作 {right}", "write {right}"),
    Cause("no-such-date", ("date", "datetime"), r"\s*\d{4}-\d\d-\d\d.*", "没有这个日期或时间", "there is no such date or time", "请核对年月日", "check year, month and day"),
    Cause("yes-no", ("boolean",), r"(?i)\s*(是|否|有|无|对|错|y|n|yes|no|√|×)\s*", "用了“是/否”一类的写法", "yes or no in other words",
          "写作 {right}", "write {right}"),
    Cause("spaces-around", (), r"(\s.*|.*\s)", "前后有空格或换行", "has spaces or line breaks around it", "去掉前后的空格", "remove them"),
)  # fmt: skip
"""In order: the first that fits is told."""

_RIGHT = {
    "integer": "123",
    "number": "1234.50",
    "date": "2026-03-01",
    "datetime": "2026-03-01T08:00:00",
    "time": "08:00:00",
    "year": "2026",
    "yearmonth": "2026-03",
    "boolean": "true / false",
    "geopoint": "111.29,30.69",
    "array": "[1, 2]",
    "object": '{"a": 1}',
    "list": "a,b",
    "duration": "P1D",
}
_TYPE_ZH = {
    "integer": "整数", "number": "数", "date": "日期", "datetime": "日期时间", "time": "时间",
    "year": "年份", "yearmonth": "年月", "boolean": "是否值", "string": "文本", "geopoint": "坐标",
    "array": "JSON 数组", "object": "JSON 对象", "list": "列表", "duration": "时长", "geojson": "GeoJSON",
    "any": "任意值",
}  # fmt: skip
_OTHER = {
    "blank-row": ("{n} 行整行为空", "{n} rows are blank", "删除空行", "delete them"),
    "blank-label": ("表头有空白列名", "the header has a blank label", "给每一列写上列名，或删除多余的空列", "name or delete the column"),
    "check-error": ("数据无法按标准比较：{note}", "values cannot be compared: {note}", "请管理员检查表结构中的约束", "have the constraint in the schema checked"),
    "duplicate-label": ("表头列名重复：{label}", "a label stands twice: {label}", "每个列名只出现一次", "let each label stand once"),
    "extra-cell": ("{n} 个单元格多出表头", "{n} cells stand beyond the header", "检查这些行是否多了分隔符；含逗号的内容要加引号", "look for separators too many; quote texts that contain one"),
    "extra-label": ("多出 {n} 列：{label}", "there are columns too many: {label}", "删除这些列，或请管理员把它们加入表结构", "delete them, or have them added to the schema"),
    "foreign-key": ("{n} 行的代码在被引用的表中不存在", "{n} rows refer to something that is not there", "核对代码，或先补充被引用的表", "check the codes, or add them to the table referred to"),
    "incorrect-label": ("列名“{label}”应为“{field}”", "label '{label}' should be '{field}'", "把列名改为“{field}”，并保持列的顺序", "name it '{field}', and keep the order of columns"),
    "missing-cell": ("列“{title}”有 {n} 行缺单元格", "{n} rows have no cell for '{title}'", "检查这些行是否少了分隔符或被换行截断", "look for missing separators or broken lines"),
    "missing-label": ("缺少 {n} 列：{title}", "missing columns: {title}", "加上列 {names}", "add {names}"),
    "primary-key": ("{n} 行的主键重复或为空", "{n} rows repeat a primary key or have none", "每一行的主键必须有值且不重复；删除重复的行", "each row needs a key of its own; delete repeated rows"),
    "resource-error": ("引用的表没有一起给出，无法核对外键：{note}", "a table referred to was not given: {note}", "把被引用的表一起给出", "give the table referred to as well"),
    "unique-error": ("列“{title}”有 {n} 个值重复", "{n} values of '{title}' stand twice", "该列的值不能重复", "each value may stand once"),
    "unmatched-header": ("表头没有一个列名与表结构相符", "no label matches the schema", "检查是否用错了文件或表头行", "check whether it is the right file and header row"),
}  # fmt: skip
_CONSTRAINTS = {
    "required": ("没有填写", "are missing", "此列必须填写", "a value is required"),
    "minimum": ("小于允许的最小值 {bound}", "are below {bound}", "不小于 {bound}", "at least {bound}"),
    "maximum": ("大于允许的最大值 {bound}", "are above {bound}", "不大于 {bound}", "at most {bound}"),
    "exclusiveMinimum": ("没有大于 {bound}", "are not above {bound}", "大于 {bound}", "above {bound}"),
    "exclusiveMaximum": ("没有小于 {bound}", "are not below {bound}", "小于 {bound}", "below {bound}"),
    "minLength": ("短于 {bound} 个字符", "are shorter than {bound} characters", "至少 {bound} 个字符", "at least {bound} characters"),
    "maxLength": ("长于 {bound} 个字符", "are longer than {bound} characters", "至多 {bound} 个字符", "at most {bound} characters"),
    "pattern": ("不符合规定的格式", "do not have the form required", "格式（正则表达式）：{bound}", "the form, as a regular expression: {bound}"),
    "enum": ("不在允许的取值之内", "are none of the values allowed", "允许的取值：{bound}", "allowed: {bound}"),
}  # fmt: skip


def cause_sql() -> str:
    """SQL that tells a cause's code from the columns `kind`, `type` and `cell`; '' where none fits."""
    cases = "".join(
        f" WHEN {_types_sql(cause)}regexp_full_match(cell, '{cause.pattern.replace(chr(39), chr(39) * 2)}')"
        f" THEN '{cause.code}'"
        for cause in CAUSES
    )
    return f"CASE WHEN kind != 'type-error' THEN ''{cases} ELSE '' END"


def _types_sql(cause: Cause) -> str:
    names = ", ".join(f"'{name}'" for name in cause.types)
    return f"type IN ({names}) AND " if cause.types else ""


def sentence(group: Json, fields: Mapping[str, Json]) -> Json:
    """Say a group of errors: `zh`, `en` what is wrong, `right_zh`, `right_en` what would be right."""
    entry = fields.get(group["field"], {})
    facts = {
        "n": f"{group['count']:,}",
        "title": group.get("title") or entry.get("title") or group["field"],
        "field": group["field"],
        "label": group.get("label", ""),
        "names": group.get("names", ""),
        "note": group["note"],
    }
    kind = group["type"]
    if kind == "type-error":
        told = _type_error(group, entry, facts)
    elif kind == "constraint-error":
        told = _constraint_error(group, entry, facts)
    else:
        told = _OTHER.get(kind, ("{n} 处错误：{note}", "{n} errors: {note}", "", ""))
    zh, en, right_zh, right_en = (text.format_map(facts) for text in told)
    return {"zh": zh, "en": en, "right_zh": right_zh, "right_en": right_en}


def _type_error(group: Json, entry: Json, facts: Json) -> Sequence[str]:
    kind = entry.get("type", "string")
    right = right_value(entry)
    facts["right"] = right
    name_zh = _TYPE_ZH.get(kind, kind)
    cause = next((cause for cause in CAUSES if cause.code == group["cause"]), None)
    if cause is None:
        return (
            f"列“{{title}}”有 {{n}} 个值不是{name_zh}", f"{{n}} values of '{{title}}' are no {kind}",
            "写作 {right}", "write {right}",
        )  # fmt: skip
    return (
        f"列“{{title}}”有 {{n}} 个值{cause.zh}",
        f"{{n}} values of '{{title}}': each {cause.en}",
        cause.right_zh,
        cause.right_en,
    )


def _constraint_error(group: Json, entry: Json, facts: Json) -> Sequence[str]:
    name = group["note"].split('"')[1] if '"' in group["note"] else ""
    bound = entry.get("constraints", {}).get(name, "")
    shown = "、".join(map(str, bound[:_ENUM_SHOWN])) if isinstance(bound, list) else str(bound)
    facts["bound"] = shown + ("…" if isinstance(bound, list) and len(bound) > _ENUM_SHOWN else "")
    zh, en, right_zh, right_en = _CONSTRAINTS.get(name, ("{note}", "{note}", "", ""))
    return (
        f"列“{{title}}”有 {{n}} 个值{zh}",
        f"{{n}} values of '{{title}}' {en}",
        right_zh,
        right_en,
    )


_ENUM_SHOWN = 12
_SAMPLE = dt.datetime(2026, 3, 1, 8, tzinfo=dt.timezone(dt.timedelta(hours=8)))


def right_value(entry: Json) -> str:
    """Show a value that the field would take."""
    if entry.get("example") not in (None, ""):
        return str(entry["example"])
    kind, form = entry.get("type", "string"), entry.get("format", "default")
    if kind == "boolean" and (entry.get("trueValues") or entry.get("falseValues")):
        shown = [*entry.get("trueValues", ["true"])[:1], *entry.get("falseValues", ["false"])[:1]]
        return " / ".join(map(str, shown)) or "…"
    if form not in ("default", "any") and kind in ("date", "datetime", "time"):
        return _SAMPLE.strftime(str(form))
    return _RIGHT.get(str(kind), "…")
