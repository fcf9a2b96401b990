"""The query children: forked ahead, limited, single-use; see `serve.asking` for who asks them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.settings import Settings


def serve(settings: Settings, stopping: Callable[[], bool]) -> None:  # noqa: ARG001
    """Keep children waiting on the socket until told to stop."""
    while not stopping():
        time.sleep(0.1)
