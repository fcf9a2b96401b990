"""What was answered to each key on each day: counted in memory, added to the catalog now and then.

A process that ends in an orderly way loses nothing; a killed one the last seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from datahub.errors import DatahubError
from datahub.store import keys

if TYPE_CHECKING:
    from datahub.store import Store

SECONDS = 10.0
"""That counts stay in memory."""
_log = structlog.get_logger()


class Usage:
    """Counts of this process that the catalog does not have yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[tuple[str, str], list[float]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, key: str, *, refused: bool, sent: int, milliseconds: float) -> None:
        """Count an answer; `key` is the id of a key, or empty."""
        day = self._store.clock().date().isoformat()
        counts = self._counts.setdefault((key, day), [0, 0, 0, 0.0])
        counts[0] += 1
        counts[1] += refused
        counts[2] += sent
        counts[3] += milliseconds

    def flush(self) -> None:
        """Add the counts to the catalog in one transaction; they stay where that fails."""
        taken, self._counts = self._counts, {}
        if not taken:
            return
        try:
            with self._store.catalog.write() as db:
                keys.add_usage(db, {
                    name: (int(n), int(refused), int(sent), round(ms))
                    for name, (n, refused, sent, ms) in taken.items()
                })  # fmt: skip
        except DatahubError as error:  # a full disk, a busy catalog: later, perhaps
            _log.warning("usage.kept", code=error.code)
            for name, amounts in taken.items():
                counts = self._counts.setdefault(name, [0, 0, 0, 0.0])
                counts[:] = [a + b for a, b in zip(counts, amounts, strict=True)]

    async def start(self) -> None:
        """Flush from now on, every few seconds."""
        self._task = asyncio.create_task(self._flush_always())

    async def stop(self) -> None:
        """Flush a last time."""
        if self._task is not None:
            self._task.cancel()
        self.flush()

    async def _flush_always(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            await asyncio.to_thread(self.flush)
