"""Queries that found nothing, gathered here and noted in the catalog beside the requests."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from datahub.clock import stamp
from datahub.store import misses

if TYPE_CHECKING:
    from datahub.store import Store

_PERIOD = 1.0
_AT_ONCE = 50
_LENGTH = 60
_DIGITS = re.compile(r"\d{11,}")  # numbers of persons and cards are nobody's business


class Unanswered:
    """Holds few at a time; what comes faster than it is written is not counted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._written = 0.0

    def add(self, text: str) -> None:
        """Take note of a query."""
        query = _DIGITS.sub("***", text)[:_LENGTH]
        with self._lock:
            if query in self._waiting or len(self._waiting) < _AT_ONCE:
                self._waiting[query] += 1

    def flush(self) -> None:
        """Write what waits, once a second at most."""
        if not self._waiting or time.monotonic() - self._written < _PERIOD:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, Counter()
        self._written = time.monotonic()
        with self._store.catalog.write() as db:
            misses.note(db, waiting, stamp(self._store.clock))
