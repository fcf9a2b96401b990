"""Errors of addresses, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import RequestError


class AddressTooLong(RequestError):
    """An address is longer than the server reads (RFC 9110 §15.5.15)."""

    code = "address-too-long"
    status = 414
    zh = "地址太长：最多 {limit} 字节（转义之后）。长的条件请用 POST /api/v1/sql，或下载整个文件。"
    en = (
        "The address is too long: {limit} bytes at most, as it is escaped. "
        "Send a long question as POST /api/v1/sql, or download the whole file."
    )


class AddressNotAscii(RequestError):
    """An address has letters in it that must be percent-encoded (RFC 3986 §2.1)."""

    code = "address-not-ascii"
    zh = (
        "地址里有未转义的中文或其他非 ASCII 字符，应先按 UTF-8 作百分号转义：“中”写成 %E4%B8%AD；"
        "curl 请用 -G --data-urlencode '列=eq.值'。"
    )
    en = (
        "The address has characters beyond ASCII, which must be percent-encoded as UTF-8: "
        "é is %C3%A9; curl does it with -G --data-urlencode 'column=eq.value'."
    )
