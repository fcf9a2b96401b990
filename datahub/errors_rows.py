"""Errors of rows and their forms, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import MissingError, RequestError


class NotAcceptable(RequestError):
    """An Accept header that takes none of the forms there are."""

    code = "not-acceptable"
    status = 406
    zh = "没有 Accept 要求的格式；可用：{allowed}。也可以写 ?format= 或加扩展名。"
    en = "None of the forms fits the Accept header; there are: {allowed}. Or write ?format=."


class FormMissing(MissingError):
    """A file name ending, or a format=, that is no form of rows."""

    code = "form-unknown"
    zh = "没有“{form}”这种格式；可用：{allowed}"
    en = "There is no form '{form}'; there are: {allowed}"


class RowsNotOne(RequestError):
    """One object was asked for, and the rows are none or several."""

    code = "rows-not-one"
    status = 406
    zh = "要求单个对象，但结果有 {rows} 行。请加上主键条件，或去掉 Accept 里的 object。"
    en = (
        "One object was asked for, but the result has {rows} rows. Add a condition on the key, or "
        "accept application/json."
    )


class RangeBeyond(RequestError):
    """A range begins behind the last row."""

    code = "range-beyond"
    status = 416
    zh = "从第 {offset} 行起没有数据；共 {total} 行，行号从 0 开始。"
    en = "There is nothing from row {offset} on; there are {total} rows, counted from 0."


class TableNotNamed(MissingError):
    """An address of the PostgREST alias does not name dataset and resource."""

    code = "table-not-named"
    zh = "表应写成 数据集.资源，而不是“{name}”；全部的表见 /api/v1/sql/tables。"
    en = "Write a table as dataset.resource, not '{name}'; /api/v1/sql/tables lists all there are."
