"""Errors of questions to the data, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import RequestError


class QueryLimit(RequestError):
    """A question needs more time or memory than one question may take."""

    code = "query-limit"
    status = 422
    zh = "查询超出限制：{reason_zh}。请缩小范围（增加筛选条件、减少列或行），或下载文件。"
    en = "The query goes beyond its limits: {reason_en}. Narrow it down, or download the files."
