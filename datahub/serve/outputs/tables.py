"""The catalog as a table: CSV for programs, XLSX with Chinese titles for people.

Codes are text in both, so that no spreadsheet turns them into numbers; a text that a spreadsheet
would calculate is escaped with an apostrophe in CSV, and is typed as text in XLSX.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from datahub.record import vocabularies
from datahub.serve.outputs import items
from datahub.serve.outputs.concepts import Names
from datahub.serve.outputs.texts import cell, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import xlsxwriter  # type: ignore[import-untyped]
    from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

    from datahub.store.listing import Context, Listed

Cell = str | int | None

CSV_COLUMNS = {
    "name": "标识",
    "title": "名称",
    "title_en": "英文名称",
    "description": "摘要",
    "keywords": "关键字",
    "status": "状态",
    "reason": "状态原因",
    "successor": "后继数据集",
    "code": "信息资源代码",
    "publisher": "提供方标识",
    "publisher_title": "提供方",
    "publisher_code": "提供方统一社会信用代码",
    "theme": "数据领域代码",
    "theme_title": "数据领域",
    "region": "行政区划代码",
    "region_title": "行政区划",
    "openness": "开放类型",
    "open_condition": "开放条件",
    "auth_level": "开放方式",
    "closed_reason": "不予开放理由",
    "legal_basis": "法律依据",
    "share_type": "共享类型",
    "share_condition": "共享条件",
    "share_method": "共享方式",
    "grade": "数据分级",
    "update_cycle": "更新周期",
    "update_lag": "更新时滞",
    "issued": "发布日期",
    "modified": "目录更新时间",
    "data_updated": "数据更新时间",
    "version": "版本",
    "temporal_start": "时间范围起",
    "temporal_end": "时间范围止",
    "spatial": "空间范围",
    "crs": "坐标系",
    "timezone": "时区",
    "license": "许可",
    "contact_name": "联系人",
    "contact_phone": "联系电话",
    "contact_email": "联系邮箱",
    "source_dept": "数源单位",
    "provider": "数据提供单位",
    "source_system": "来源系统",
    "batch": "批次",
    "asset_no": "资产编号",
    "industry": "行业分类",
    "related": "关联资源代码",
    "std_item": "标准目录事项",
    "terms": "政务词条",
    "disclosure_stage": "公开环节",
    "formats": "格式",
    "resources": "资源数",
    "fields": "信息项数",
    "rows": "数据量（行）",
    "cells": "数据容量（行×列）",
    "score": "元数据完备度",
    "validity": "效力状态",
    "superseded_by": "替代数据集",
    "sample": "示例数据",
    "page": "页面地址",
    "downloads": "下载地址",
}
"""Columns of the table: key in CSV, title in XLSX."""

FIELD_COLUMNS = {
    "dataset": "数据集标识",
    "dataset_title": "数据集名称",
    "resource": "资源标识",
    "resource_title": "资源名称",
    "field": "信息项标识",
    "field_title": "信息项名称",
    "field_title_en": "英文名称",
    "type": "类型",
    "key": "主键",
    "required": "必填",
    "unit": "单位",
    "description": "说明",
}
_CODED = (
    *("openness", "status", "auth_level", "grade", "update_cycle", "validity", "crs"),
    *("share_type", "share_method", "closed_reason", "disclosure_stage"),
)
_PLAIN = (
    *("code", "auth_level", "closed_reason", "legal_basis", "share_type", "share_condition"),
    *("share_method", "grade", "update_cycle", "update_lag", "issued", "source_dept", "provider"),
    *("source_system", "batch", "asset_no", "industry", "spatial", "crs", "timezone", "related"),
    *("std_item", "terms", "disclosure_stage", "validity", "superseded_by"),
)
_MOST_ROWS = 1_048_576  # of a sheet, its header included
_CELL = 32_767
_WIDTHS = {"title": 34, "description": 60, "publisher_title": 26, "publisher_code": 22, "page": 44}


def row(listed: Listed, context: Context, base: str) -> dict[str, Cell]:
    """Flatten a dataset into the columns of the table."""
    found, record = listed.dataset, listed.dataset.record
    gone, package = listed.gone, listed.dataset.package
    resources = [] if gone else package["resources"]
    shown = items.files(listed)
    temporal, contact = _map(record, "temporal"), _map(record, "contact")
    place = items.region(found, context)
    values: dict[str, Cell] = {
        "name": found.name,
        "title": found.title,
        "title_en": package.get("title_en"),
        "description": package.get("description"),
        "keywords": _joined(package.get("keywords")),
        "status": listed.status,
        "reason": listed.reason,
        "successor": listed.successor,
        "publisher": found.publisher,
        "publisher_title": found.publisher_title,
        "publisher_code": context.publishers.get(found.publisher, {}).get("credit_code"),
        "theme": found.theme,
        "theme_title": found.theme_title,
        "region": place["code"],
        "region_title": place["title"],
        "openness": found.openness.value,
        "open_condition": _joined(record.get("open_condition")),
        "modified": found.modified,
        "data_updated": found.data_updated,
        "version": found.latest,
        "temporal_start": temporal.get("start"),
        "temporal_end": temporal.get("end"),
        "license": _joined([i.get("name") or i.get("title") for i in package.get("licenses", [])]),
        "contact_name": contact.get("name"),
        "contact_phone": contact.get("phone"),
        "contact_email": contact.get("email"),
        "formats": _joined(sorted({_suffix(f.path) for f in shown if f.resource is not None})),
        "resources": len(resources),
        "fields": sum(len(r["schema"]["fields"]) for r in resources),
        "rows": found.rows,
        "cells": found.cells,
        "score": found.score,
        "sample": "是" if record.get("sample") else "",
        "page": Names(base).page(found.name),
        "downloads": " ".join(_downloads(listed, base)),
    }
    values |= {key: _joined(record.get(key)) for key in _PLAIN}
    kept = ("name", "title", "status", "reason", "successor", "publisher", "publisher_title")
    return {
        key: values[key] if not gone or key in (*kept, "modified", "page") else None
        for key in CSV_COLUMNS
    }


def _map(record: dict[str, Any], key: str) -> dict[str, Any]:
    given = record.get(key)
    return given if isinstance(given, dict) else {}


def _joined(value: object) -> str:
    """Text of a value; a list or mapping becomes one text."""
    if isinstance(value, dict):
        return "；".join(f"{key}：{inner}" for key, inner in value.items() if inner)
    if isinstance(value, list | tuple):
        return "；".join(str(inner) for inner in value if inner)
    return "" if value is None else str(value)


def _suffix(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _downloads(listed: Listed, base: str) -> Iterator[str]:
    for file in items.files(listed):
        if file.has_rows and listed.release is not None:
            yield items.address(listed.release, file, base)


# CSV ---------------------------------------------------------------------------------------


def write_csv(
    listed: Iterable[Listed], context: Context, base: str, *, bom: bool = False
) -> Iterator[str]:
    """Write the table as CSV (RFC 4180), for Excel with a byte order mark."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if bom:
        buffer.write("\ufeff")
    writer.writerow(CSV_COLUMNS)
    for one in listed:
        yield _taken(buffer)
        values = row(one, context, base).values()
        writer.writerow([cell(v) if isinstance(v, str) else v for v in values])
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


# XLSX --------------------------------------------------------------------------------------


def write_xlsx(path: Path, listed: Iterable[Listed], context: Context, base: str) -> None:
    """Write a workbook: datasets on the first sheet, their resources and fields on the next."""
    import xlsxwriter

    options = {
        "constant_memory": True,
        "tmpdir": str(path.parent),
        "strings_to_numbers": False,
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        datasets = _Sheets(book, "数据集", CSV_COLUMNS)
        fields = _Sheets(book, "资源和信息项", FIELD_COLUMNS)
        for one in listed:
            datasets.write(_shown(row(one, context, base)))
            for values in _fields(one):
                fields.write(values)
        datasets.close()
        fields.close()


class _Sheets:
    """A table in a workbook; it goes on in another sheet where one is full."""

    def __init__(self, book: xlsxwriter.Workbook, title: str, columns: dict[str, str]) -> None:
        self.book, self.title, self.columns = book, title, columns
        self.bold = book.add_format({"bold": True, "bg_color": "#DCE6F1"})
        self.number, self.line = 0, 0
        self.sheet = self._begin()

    def write(self, values: Iterable[Cell]) -> None:
        """Add a line; every text is a text, whatever it looks like."""
        if self.line >= _MOST_ROWS - 1:
            self.close()
            self.sheet = self._begin()
        self.line += 1
        for column, value in enumerate(values):
            if isinstance(value, int):
                self.sheet.write_number(self.line, column, value)
            elif value:
                self.sheet.write_string(self.line, column, clean(value)[:_CELL])

    def close(self) -> None:
        """End a sheet: filters over what it holds, and no marks on codes."""
        self.sheet.autofilter(0, 0, self.line, len(self.columns) - 1)
        self.sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{self.line + 1}"})

    def _begin(self) -> Worksheet:
        self.number, self.line = self.number + 1, 0
        name = self.title if self.number == 1 else f"{self.title} {self.number}"
        sheet = self.book.add_worksheet(name)
        for column, key in enumerate(self.columns):
            sheet.set_column(column, column, _WIDTHS.get(key, 16))
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(self.columns.values()):
            sheet.write_string(0, column, title, self.bold)
        return sheet


def _shown(values: dict[str, Cell]) -> Iterator[Cell]:
    """Values with codes in words, as people read them."""
    for key, value in values.items():
        coded = key in _CODED and isinstance(value, str) and value
        yield vocabularies.label(key, str(value)) if coded else value


def _fields(listed: Listed) -> Iterator[list[Cell]]:
    if listed.gone:
        return
    found = listed.dataset
    for resource in found.package["resources"]:
        schema = resource["schema"]
        key = schema.get("primaryKey", [])
        keys = [key] if isinstance(key, str) else key
        for field in schema["fields"]:
            yield [
                found.name,
                found.title,
                resource["name"],
                resource.get("title"),
                field["name"],
                field.get("title"),
                field.get("title_en"),
                field.get("type", "string"),
                "是" if field["name"] in keys else None,
                "是" if (field.get("constraints") or {}).get("required") else None,
                field.get("unit"),
                field.get("description"),
            ]
