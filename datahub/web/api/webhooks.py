"""Routes on webhooks and their delivery log."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
