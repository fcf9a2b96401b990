"""Routes on API keys: made by whoever wants one."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
