"""Errors of conditions and ranges of bytes, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import RequestError


class BytesBeyond(RequestError):
    """A range holds no byte of the file (RFC 9110 §15.5.17)."""

    code = "bytes-beyond"
    status = 416
    zh = (
        "所要的范围不在文件内：文件有 {size} 字节，应在 0 至 {last} 之间，"
        "如 Range: bytes=0-{last}。"
    )
    en = (
        "The range lies outside of the file, which has {size} bytes: "
        "ask between 0 and {last}, as in Range: bytes=0-{last}."
    )


class ConditionFailed(RequestError):
    """If-Match or If-Unmodified-Since does not hold (RFC 9110 §15.5.13)."""

    code = "condition-failed"
    status = 412
    zh = (
        "文件与 If-Match 或 If-Unmodified-Since 所说的不同：现在的标签是 {tag}。"
        "请去掉条件重新下载。"
    )
    en = (
        "The file is not the one that If-Match or If-Unmodified-Since means: its tag is {tag}. "
        "Download it afresh without the condition."
    )


class RangeReversed(RequestError):
    """A range of rows ends before it begins."""

    code = "range-reversed"
    status = 416
    zh = "Range“{range}”的末行在首行之前；应写成 首行-末行，如 0-24，行号从 0 开始。"
    en = (
        "The range '{range}' ends before it begins: "
        "write first-last, as in 0-24, rows counted from 0."
    )
