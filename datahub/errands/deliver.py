"""Brings changes to webhooks: signed, tried again, logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.store import Store


def deliver(store: Store, stopping: Callable[[], bool]) -> None:
    """Do what there is to do, and return."""
