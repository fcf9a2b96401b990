"""The description of one resource (OpenAPI 3.1), typed by its columns."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
