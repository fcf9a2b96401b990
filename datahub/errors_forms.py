"""The branch of errors about forms: rows that cannot be told as they are asked for."""

from __future__ import annotations

from datahub.errors_base import DatahubError


class FormUnfit(DatahubError):
    """These rows have no such form: too many for a sheet, no geometry for a map."""

    code = "form-unfit"
    status = 406
    zh = "这些数据不能写成 {form}：{reason_zh}。可改用 {instead}。"
    en = "These rows cannot be told as {form}: {reason_en}. Take {instead} instead."
