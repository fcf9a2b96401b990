"""Health and metrics for operators and balancers."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, get
from litestar.plugins.prometheus import PrometheusController

from datahub.errors import ServiceUnavailable, StorageFull
from datahub.store import Store, submissions
from datahub.web.access import Permission

_WATCH = {"permission": Permission.SERVICE_WATCH}


@get("/health/live", opt=_WATCH, summary="The process answers", tags=["service"])
async def live() -> dict[str, str]:
    """Answer as long as the process runs."""
    return {"status": "live"}


@get(
    "/health/ready", opt=_WATCH, sync_to_thread=True, summary="Requests can be served",
    tags=["service"],
)  # fmt: skip
def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Check that the catalog answers and the disk has room; tell how much work waits."""
    store: Store = request.app.state.store
    began = time.perf_counter()
    with store.catalog.read() as db:
        waiting = len(submissions.waiting(db))
    try:
        store.objects.need(0)
    except StorageFull:
        raise ServiceUnavailable(reason_zh="磁盘空间不足", reason_en="disk is full") from None
    seconds = round(time.perf_counter() - began, 4)
    return Response({"status": "ready", "waiting": waiting, "catalog_seconds": seconds})


class Metrics(PrometheusController):
    """Prometheus text format, over all web processes."""

    path = "/metrics"
    opt = _WATCH
    include_in_schema = False


routes: list[Any] = [live, ready, Metrics]
