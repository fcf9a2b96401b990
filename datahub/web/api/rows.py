"""Routes on rows: pages, exports, facets."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
