"""The keys page: a key by form, what it and those without one may spend, what a key has spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from datahub.errors import BodyInvalid, DatahubError
from datahub.errors_limits import KeyInvalid
from datahub.model import Struct
from datahub.store import keys
from datahub.web.address import base_of
from datahub.web.api.datasets import store_of
from datahub.web.api.keys import make
from datahub.web.limits import meter_of
from datahub.web.portal import words
from datahub.web.portal.render import page
from datahub.web.problems import wants_page

if TYPE_CHECKING:
    from litestar import Request, Response

    from datahub.settings import Settings
    from datahub.store.keys import Counts, Key

_DAYS = 30
_HOUR, _MINUTE = 3600, 60
_KEPT_BY_NOBODY = {"cache-control": "no-store"}


class Usage(Struct, frozen=True):
    """What a pasted key is and was answered."""

    key: Key
    days: list[Counts]


def view(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with the forms and the limits."""
    return _page(request)


async def sent(request: Request[Any, Any, Any], *, usage: bool) -> Response[str]:
    """Answer a sent form: a new key, or the usage of one.

    Raises:
        DatahubError: for programs; people get it on the page.

    """
    try:
        if request.content_type[0] != "application/x-www-form-urlencoded":
            raise BodyInvalid(reason_zh="需要网页表单", reason_en="a form is expected")
        form = await request.form()
        if usage:
            found = await run_sync(_usage, request, str(form.get("key", "")).strip())
            return _page(request, usage=found)
        made = await run_sync(make, request, str(form.get("label", "")))
        return _page(request, made=made)
    except DatahubError as error:
        if not wants_page(request.scope):
            raise
        return _page(request, error=error, at="usage" if usage else "make")


def _usage(request: Request[Any, Any, Any], secret: str) -> Usage:
    store, meter = store_of(request), meter_of(request)
    if meter is not None:
        meter.guess()
    try:
        with store.catalog.read() as db:
            key = keys.by_secret(db, secret, store.clock())
            return Usage(key, keys.read_usage(db, key.id, _DAYS))
    except KeyInvalid:
        if meter is not None:
            meter.guess(wrong=True)
        raise


def _page(request: Request[Any, Any, Any], **given: Any) -> Response[str]:
    settings = store_of(request).settings
    error = given.get("error")
    values = {"made": None, "usage": None, "error": None, "at": ""} | given
    return page(
        "keys.html",
        status=error.status if error else 200,
        headers=_KEPT_BY_NOBODY if given else None,
        base=base_of(request),
        limits=_limits(settings),
        same=_same(settings),
        window=_long(settings.limit_window),
        settings=settings,
        **values,
    )


def _limits(settings: Settings) -> list[tuple[str, str, str]]:
    """What is limited, of callers without a key and of those with one."""
    told = (
        ("服务器工作时间", "seconds", _long),
        ("下载字节", "bytes", words.size),
        ("请求次数", "requests", "{:,}".format),
        ("同时进行的 SQL、导出和比较", "heavy", "{:,}".format),
    )
    found = []
    for title, name, say in told:
        amounts = [getattr(settings, f"{tier}_{name}") for tier in ("anonymous", "key")]
        without, having = (say(amount) if amount else "不限" for amount in amounts)
        found.append((title, without, having))
    return found


def _same(settings: Settings) -> bool:
    """Whether a key may spend as much as an address."""
    names = ("seconds", "bytes", "requests", "heavy")
    return all(getattr(settings, f"anonymous_{n}") == getattr(settings, f"key_{n}") for n in names)


def _long(seconds: float) -> str:
    for unit, title in ((_HOUR, "小时"), (_MINUTE, "分钟")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {title}"
    return f"{seconds:g} 秒"
