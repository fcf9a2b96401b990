"""The DuckDB of a web process: it runs our own statements with bound values, never a user's."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path


class Engine:
    """A DuckDB of this process; each thread has a cursor of its own."""

    def __init__(self, threads: int = 1) -> None:
        self._base = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": "2GB",
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            }
        )
        self._base.execute("set parquet_metadata_cache=true")
        self._local = threading.local()

    def cursor(self) -> Any:
        """Return this thread's cursor."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._base.cursor()
            self._local.cursor.execute("set enable_progress_bar=false")
        return self._local.cursor

    @lru_cache(maxsize=4096)  # noqa: B019 - there is one engine in a process
    def kinds(self, path: Path) -> tuple[tuple[str, str], ...]:
        """Name and DuckDB type of every column of a Parquet file."""
        rows = self.cursor().execute("describe from read_parquet(?)", [str(path)]).fetchall()
        return tuple((row[0], row[1]) for row in rows)

    def close(self) -> None:
        """End the instance."""
        self._base.close()
