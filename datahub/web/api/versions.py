"""Routes on versions: the list, and the difference between two."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
