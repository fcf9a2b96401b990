"""Routes on jobs: SQL that takes long, its result kept as a file."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
