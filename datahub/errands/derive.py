"""Builds what answers faster than Parquet, for resources that are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.store import Store


def derive(store: Store, stopping: Callable[[], bool]) -> None:
    """Do what there is to do, and return."""
