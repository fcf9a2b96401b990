"""Routes on SQL: ask, and what can be asked."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
