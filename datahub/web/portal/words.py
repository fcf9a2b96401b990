"""What pages say in Chinese for the codes of records, schemas and values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from datahub.model import Json

_HERE = timezone(timedelta(hours=8))
_SHOWN_TEXT = 160
_UNITS = ("B", "KB", "MB", "GB", "TB")
_STEP = 1024

_TYPES = {
    "string": "文本",
    "integer": "整数",
    "number": "数值",
    "boolean": "是否",
    "date": "日期",
    "time": "时刻",
    "datetime": "日期时间",
    "year": "年份",
    "yearmonth": "年月",
    "duration": "时长",
    "geopoint": "坐标点",
    "geojson": "地理图形",
    "list": "列表",
    "array": "数组",
    "object": "对象",
    "any": "不限",
}
_CONSTRAINTS = {
    "minimum": "不小于 {}",
    "maximum": "不大于 {}",
    "exclusiveMinimum": "大于 {}",
    "exclusiveMaximum": "小于 {}",
    "minLength": "至少 {} 个字符",
    "maxLength": "最多 {} 个字符",
}


def field_type(field: Json) -> str:
    """Type of a field; text with a separator holds several values."""
    kind = str(field.get("type", "string"))
    name = _TYPES.get(kind, kind)
    if field.get("separator"):
        return f"{name}，多值以“{field['separator']}”分隔"
    return name


def constraints(field: Json, schema: Json) -> list[str]:
    """What a field's values must be, a phrase each; the pattern is told apart by the page."""
    given = field.get("constraints", {})
    told = []
    if field["name"] in _listed(schema.get("primaryKey")):
        told.append("主键")
    if given.get("required"):
        told.append("必填")
    if given.get("unique"):
        told.append("不得重复")
    told += [text.format(given[key]) for key, text in _CONSTRAINTS.items() if key in given]
    if "enum" in given:
        told.append(f"只能是 {len(given['enum'])} 个值之一")
    for key in schema.get("foreignKeys", []):
        if field["name"] in _listed(key["fields"]):
            told.append(f"须在资源 {key['reference'].get('resource') or '本表'} 中存在")
    return told


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or [])


def missing_values(schema: Json) -> str:
    """How absent values are written in the files of a schema."""
    values = schema.get("missingValues", [""])
    written = [f"“{value}”" for value in values if value]
    return "、".join(written + (["留空"] if "" in values else []))


def size(count: int) -> str:
    """Bytes as people say them."""
    amount = float(count)
    for unit in _UNITS[:-1]:
        if amount < _STEP:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} {_UNITS[-1]}"


def local(text: str) -> str:
    """Time of the catalog (UTC) as the clock on the wall in China shows it."""
    return _parse(text).astimezone(_HERE).strftime("%Y-%m-%d %H:%M")


def local_date(text: str) -> str:
    """Date of a time of the catalog, in China."""
    return _parse(text).astimezone(_HERE).strftime("%Y-%m-%d")


def _parse(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def cell(value: Any) -> str:
    """Show a value of a row in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list | tuple):
        return "；".join(cell(item) for item in value)
    text = str(value)
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…"
