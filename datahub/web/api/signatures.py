"""Signing keys and signed chains of manifests."""

from __future__ import annotations

from typing import Any

routes: list[Any] = []
