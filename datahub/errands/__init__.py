"""What the worker does beside the pipeline, each errand in a thread of its own.

    derive    builds what answers faster than Parquet, for resources that are asked
    deliver   brings changes to webhooks
    compute   works on SQL jobs
    find      writes what the search finds

An errand is a function that looks whether there is something to do, does it, and returns; it is
called again and again. What it raises is logged, and it is called again.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from datahub.errands.compute import compute
from datahub.errands.deliver import deliver
from datahub.errands.derive import derive
from datahub.errands.find import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.store import Store

_log = structlog.get_logger()
_PAUSE, _AFTER_FAULT = 0.25, 5.0
_LOOK = 2.0  # seconds between looks for what is due by the clock alone
ERRANDS: tuple[Callable[[Store, Callable[[], bool]], None], ...] = (derive, deliver, compute, find)

_ON_CHANGE = frozenset((deliver, compute))
"""What there is for these to do comes with a commit to the catalog, or by the clock."""


def start(store: Store, stopping: Callable[[], bool]) -> list[threading.Thread]:
    """Start a thread for each errand; they end soon after `stopping` says so."""
    threads = [
        threading.Thread(target=_again, args=(errand, store, stopping), name=errand.__name__)
        for errand in ERRANDS
    ]
    for thread in threads:
        thread.start()
    return threads


def _again(
    errand: Callable[[Store, Callable[[], bool]], None], store: Store, stopping: Callable[[], bool]
) -> None:
    seen, looked = -1, 0.0
    while not stopping():
        pause = _PAUSE
        try:
            stamp, now = store.catalog.stamp(), time.monotonic()
            if errand not in _ON_CHANGE or stamp != seen or now - looked >= _LOOK:
                seen, looked = stamp, now
                errand(store, stopping)
        except Exception as error:  # noqa: BLE001 - one fault must not end the errands
            _log.error("errand.failed", errand=errand.__name__, exc_info=error)
            pause = _AFTER_FAULT
        until = time.monotonic() + pause
        while time.monotonic() < until and not stopping():
            time.sleep(0.05)
