"""Work for a client that stays: it ends when the client hangs up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from datahub.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from litestar import Request

T = TypeVar("T")


async def attended(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """Wait for work, unless the client leaves before it is done.

    Raises:
        ServiceUnavailable: it left; nobody is there to read this.

    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ServiceUnavailable(reason_zh="请求已断开", reason_en="the client has gone")
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request[Any, Any, Any]) -> None:
    """End when the connection does (ASGI: http.disconnect)."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
