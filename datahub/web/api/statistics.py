"""Routes on statistics, distinct values and profiles of a resource."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
