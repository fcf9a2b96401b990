"""The clock as an argument, so that tests can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def stamp(clock: Clock) -> str:
    """Return the time now as RFC 3339 with milliseconds, the form the catalog stores."""
    return clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
