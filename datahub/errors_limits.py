"""Errors of keys and limits, a leaf of the tree in `errors`."""

from __future__ import annotations

from typing import Any, Self

from datahub.errors import AccessError, RequestError, StateError

_KEY = (
    "用 POST /api/v1/keys 可自助领取密钥，额度更大，不与同一网络的其他人共用。",
    " POST /api/v1/keys makes you a key with larger limits of its own.",
)
_KINDS = {
    "work": (
        ("毫秒服务器时间", "milliseconds of the server"),
        ("整份数据请下载文件（/d/…），几乎不占服务器时间。",
         " Whole data come as files (/d/…) at next to no cost."),
    ),
    "bytes": (
        ("字节", "bytes"),
        ("请只取需要的列和行，或用更小的形式，如 parquet。",
         " Ask for fewer columns and rows, or in a smaller form such as parquet."),
    ),
    "requests": (
        ("次请求", "requests"),
        ("请一次多取几行（limit=），或下载文件（/d/…，不计次数）。",
         " Ask for more rows at a time (limit=), or download files (/d/…), which do not count."),
    ),
    "guesses": (
        ("次无效的密钥或令牌", "keys or tokens that are not valid"),
        ("请核对密钥或令牌；读取不需要它们。",
         " Check the key or token; reading needs none."),
    ),
    "keys": (
        ("个新密钥", "new keys"),
        ("请使用已有的密钥：一个可用于所有程序。",
         " Use a key that you have: one serves all your programs."),
    ),
}  # fmt: skip
"""Kinds of limit: unit, and what helps, in Chinese and English."""


class KeyInvalid(AccessError):
    """The API key is unknown, revoked or expired; which of them is not told."""

    code = "key-invalid"
    status = 401
    zh = "API 密钥无效：可能输错、已过期或已撤销。可用 POST /api/v1/keys 领取新的，不带也能读取。"
    en = (
        "The API key is not valid: mistyped, expired or revoked. POST /api/v1/keys makes a new "
        "one; reading needs none."
    )


class KeyMissing(AccessError):
    """The route is about the key of the request, which has none."""

    code = "key-missing"
    status = 401
    zh = "这个地址需要 API 密钥：请求头 Authorization: Bearer dk_…。用 POST /api/v1/keys 可领取。"
    en = (
        "This address needs an API key: send Authorization: Bearer dk_…. POST /api/v1/keys "
        "makes one."
    )


class KeyReplaced(StateError):
    """A former secret of a key cannot rotate it: it may be the one that leaked."""

    code = "key-replaced"
    zh = "这是已被更换的旧密钥，不能再更换。请用新密钥；新密钥丢失则撤销（DELETE）后重新领取。"
    en = (
        "This is the former secret of a rotated key and cannot rotate it. Use the present one; if "
        "it is lost, revoke the key (DELETE) and make another."
    )


class KeyMisplaced(AccessError):
    """A key or token stands in the address, where logs and other sites see it."""

    code = "key-misplaced"
    status = 401
    zh = (
        "参数 {name} 里有密钥：地址会留在日志、历史记录和别的网站里，不接受。"
        "请改用请求头 Authorization: Bearer <密钥> 或 X-API-Key: <密钥>；这个密钥已泄露，请更换。"
    )
    en = (
        "The parameter {name} carries a key: addresses are kept in logs and histories, so it is "
        "refused. Send it in a header, Authorization: Bearer <key> or X-API-Key: <key>, and "
        "replace the one that was sent."
    )


class LimitReached(RequestError):
    """A caller has spent a quota; `limit` is which, `most` how much of it in `window` seconds."""

    code = "limit-reached"
    status = 429
    retryable = True
    zh = "已达到用量上限：每 {window} 秒 {most} {unit_zh}。请在 {retry_after} 秒后重试。{advice_zh}"
    en = (
        "A limit is reached: {most} {unit_en} in {window} seconds. Try again in {retry_after} "
        "seconds.{advice_en}"
    )

    @classmethod
    def of(cls, limit: str, *, own: bool, **facts: Any) -> Self:
        """Tell of a limit, with advice that its caller can follow; `own`: it has a key."""
        unit, advice = _KINDS[limit]
        key = ("", "") if own else _KEY
        return cls(
            limit=limit, unit_zh=unit[0], unit_en=unit[1],
            advice_zh=advice[0] + key[0], advice_en=advice[1] + key[1], **facts,
        )  # fmt: skip


class TooManyAtOnce(RequestError):
    """A caller has as many heavy requests at work as it may."""

    code = "too-many-at-once"
    status = 429
    retryable = True
    zh = (
        "同时进行的查询、导出或比较太多：最多 {most} 个。请等前面的结束，"
        "在 {retry_after} 秒后重试。{advice_zh}"
    )
    en = (
        "Too many questions in SQL, exports or comparisons at once: {most} at most. Wait for those "
        "before, and try again in {retry_after} seconds.{advice_en}"
    )

    @classmethod
    def of(cls, most: int, *, own: bool, retry_after: int) -> Self:
        """Tell how many there may be; `own`: their caller has a key."""
        zh, en = ("", "") if own else _KEY
        return cls(most=most, retry_after=retry_after, advice_zh=zh, advice_en=en)


class HeaderTooLarge(RequestError):
    """The header of a request is larger than it may be (RFC 6585)."""

    code = "header-too-large"
    status = 431
    zh = "请求头太大：最多 {limit} 字节。请减少 Cookie 或其他请求头。"
    en = (
        "The header of the request is too large: {limit} bytes at most. Send fewer or shorter ones."
    )
