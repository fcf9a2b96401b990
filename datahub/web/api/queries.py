"""Routes on stored queries: versioned, citable, with parameters."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
