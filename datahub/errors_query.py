"""Errors of questions to the data, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import RequestError, ServiceUnavailable


class QueryLimit(RequestError):
    """A question needs more time or memory than one question may take."""

    code = "query-limit"
    status = 422
    zh = (
        "查询超出限制：{reason_zh}。请缩小范围（增加筛选条件、减少列或行），或下载文件；"
        "耗时长的 SQL 请作为作业提交：POST /api/v1/sql/jobs。"
    )
    en = (
        "The query goes beyond its limits: {reason_en}. Narrow it down, or download the files; SQL "
        "that takes long is handed in as a job: POST /api/v1/sql/jobs."
    )


class SqlInvalid(RequestError):
    """SQL is refused or wrong.

    Facts: reason and hint in both languages; position, when known: offset (characters from 0),
    line and column (from 1).
    """

    code = "sql-invalid"
    zh = "SQL 有误{at_zh}：{reason_zh}。{hint_zh}"
    en = "The SQL is wrong{at_en}: {reason_en}. {hint_en}"


class QueryBusy(ServiceUnavailable):
    """More questions wait than are worth waiting behind."""

    code = "query-busy"
    zh = "正在处理的查询太多，请在 {retry_after} 秒后重试。"
    en = "Too many queries are being worked on; try again in {retry_after} seconds."
