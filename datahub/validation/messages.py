"""Frictionless's error types in Chinese, and an error as a line of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datahub.model import Json

ERROR_COLUMNS = ("资源", "文件", "行", "列", "字段", "值", "错误类型", "说明", "error")
"""Header of the CSV of all errors."""

TYPE_ZH = {
    "blank-header": "表头整行为空",
    "blank-label": "表头有空白列名",
    "blank-row": "整行为空",
    "check-error": "数据无法按约束比较",
    "byte-count-error": "文件大小与声明不符",
    "constraint-error": "不符合约束（必填、取值范围、枚举或格式）",
    "dialect-error": "分隔符等方言设置有误",
    "duplicate-label": "列名重复",
    "encoding-error": "编码错误",
    "extra-cell": "本行单元格多于表头",
    "extra-label": "多出的列",
    "field-count-error": "列数与声明不符",
    "foreign-key": "外键在被引用的表中不存在",
    "hash-count-error": "摘要与声明不符",
    "incorrect-label": "列名与标准不一致",
    "missing-cell": "本行单元格少于表头",
    "missing-label": "缺少列",
    "primary-key": "主键重复或为空",
    "resource-error": "引用的表没有给出",
    "row-constraint": "不符合声明的规则",
    "row-count-error": "行数与声明不符",
    "schema-error": "表结构有误",
    "source-error": "文件内容为空或无法读取",
    "type-error": "类型不对",
    "unique-error": "应唯一的值重复",
    "unmatched-header": "表头与标准不一致",
}
"""Error type of Frictionless 5 to what an owner reads."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def type_zh(kind: str) -> str:
    """Name an error type in Chinese."""
    return TYPE_ZH.get(kind, kind)


def error_row(resource: str, file: str, error: Json) -> list[str]:
    """Lay out an error as a line under ERROR_COLUMNS."""
    return [
        resource,
        plain_cell(file),
        str(error.get("rowNumber") or ""),
        str(error.get("fieldNumber") or ""),
        plain_cell(str(error.get("fieldName") or error.get("label") or "")),
        plain_cell(str(error.get("cell") or "")),
        error["type"],
        type_zh(error["type"]),
        plain_cell(str(error.get("note") or error["message"])),
    ]


def plain_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not calculate (formula injection)."""
    if text.startswith(_FORMULA) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii()
