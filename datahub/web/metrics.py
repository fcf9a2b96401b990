"""Numbers for Prometheus: requests by route, method and status, and how long they took."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_requests = Counter("datahub_requests", "Requests answered", ["method", "path", "status_code"])
_seconds = Histogram(
    "datahub_request_duration_seconds",
    "Seconds until an answer was sent",
    ["method", "path"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def count(method: str, path: str, status: int, seconds: float) -> None:
    """Count a request; `path` is its route's template, empty where no route was found."""
    known = method if method in _METHODS else "OTHER"  # a client must not make new series
    _requests.labels(known, path, str(status)).inc()
    _seconds.labels(known, path).observe(seconds)
