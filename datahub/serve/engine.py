"""The DuckDB of a web process: it runs our own statements with bound values, never a user's."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import structlog

from datahub.errors import ServiceUnavailable
from datahub.errors_query import QueryLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MIB = 1 << 20
_GRACE = 60.0  # seconds after which nobody reads any more from a file that was looked up
_ATTACHED = 64  # native files at a time
_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
"""Statements that run at a time: more of them take memory and are no sooner done."""
_LOOK, _LINGER = 0.02, 5.0  # seconds between looks at what runs, and until looking ends
_log = structlog.get_logger()
_DAMAGED = (
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.IOException,
    duckdb.SerializationException,
)


class Engine:
    """A DuckDB of this process; each thread has a cursor of its own."""

    def __init__(self, threads: int = 1, memory: int = 96 * MIB, seconds: float = 10.0) -> None:
        self._threads, self._memory, self._seconds = threads, memory, seconds
        self._deadlines = _Deadlines()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._base = duckdb.connect(
            config={
                "threads": self._threads,
                "memory_limit": f"{self._memory // MIB}MiB",
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            }
        )
        self._base.execute("set parquet_metadata_cache=true")
        # What a statement took and gave back would stay with this process until the next one.
        self._base.execute("set allocator_background_threads=true")
        self._local = threading.local()
        self._files: dict[Path, _Attached] = {}

    def cursor(self) -> Any:
        """Return this thread's cursor."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._base.cursor()
            self._local.cursor.execute("set enable_progress_bar=false")
        return self._local.cursor

    def run(
        self,
        sql: str,
        values: Sequence[Any] | Mapping[str, Any] = (),
        seconds: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run a statement of ours and return all its rows.

        Raises:
            QueryLimit: it took longer than `seconds` (or the setting), or more memory.
            ServiceUnavailable: so many statements are running that this one did not begin; or a
                file could not be read, and what was derived is not used again.

        """
        limit = self._seconds if seconds is None else seconds
        if not self._slots.acquire(timeout=self._seconds):
            raise ServiceUnavailable(reason_zh="查询太多", reason_en="too many queries")
        try:
            return self._run(sql, values, limit)
        finally:
            self._slots.release()

    def _run(
        self, sql: str, values: Sequence[Any] | Mapping[str, Any], limit: float
    ) -> list[tuple[Any, ...]]:
        cursor = self.cursor()
        try:
            with self._deadlines.within(cursor, limit):
                rows: list[tuple[Any, ...]] = cursor.execute(sql, values).fetchall()
        except duckdb.InterruptException:
            raise QueryLimit(
                reason_zh=f"超过 {limit:g} 秒", reason_en=f"it takes more than {limit:g} seconds"
            ) from None
        except duckdb.OutOfMemoryException:
            raise QueryLimit(
                reason_zh="需要的内存太多", reason_en="it needs too much memory"
            ) from None
        except (*_DAMAGED, duckdb.CatalogException) as error:  # Catalog: begun again meanwhile
            _log.error("engine.failed", exc_info=error)
            if not isinstance(error, duckdb.CatalogException):
                self._begin_again(sql)
            raise ServiceUnavailable(
                reason_zh="数据正在重新准备", reason_en="the data is being prepared again"
            ) from None
        return rows

    @lru_cache(maxsize=4096)  # noqa: B019 - there is one engine in a process
    def kinds(self, path: Path) -> tuple[tuple[str, str], ...]:
        """Name and DuckDB type of every column of a Parquet file."""
        rows = self.cursor().execute("describe from read_parquet(?)", [str(path)]).fetchall()
        return tuple((row[0], row[1]) for row in rows)

    def attached(self, path: Path) -> str | None:
        """Name of the database in a native file, attached read-only; None: no such file.

        A file may be removed at any time. Statements that name its database go on working until
        long after they were made.
        """
        now, inode = time.monotonic(), _inode(path)
        with self._lock:
            known = self._files.get(path)
            if known is not None and known.inode == inode:
                known.used = now
                return known.name
            self._detach_unused(now)
            if inode is None or path in self._files or len(self._files) >= _ATTACHED:
                return None
            name = f"c{inode:x}"
            try:
                self._base.execute(f"attach '{_quoted(path)}' as {name} (read_only)")
            except duckdb.Error as error:
                _log.error("engine.unreadable", file=path.parent.name, exc_info=error)
                path.unlink(missing_ok=True)
                return None
            self._files[path] = _Attached(name, inode, now)
            return name

    def _detach_unused(self, now: float) -> None:
        """Let go of files that were removed, or of the least used when there are many."""
        idle = [path for path, known in self._files.items() if known.used < now - _GRACE]
        idle.sort(key=lambda path: self._files[path].used)
        spare = len(self._files) - _ATTACHED + 1
        for number, path in enumerate(idle):
            if number < spare or _inode(path) != self._files[path].inode:
                self._base.execute(f"detach {self._files.pop(path).name}")

    def _begin_again(self, sql: str) -> None:
        """Start afresh without the native files that a failed statement read."""
        with self._lock:
            for path, known in self._files.items():
                if f"{known.name}." in sql:
                    path.unlink(missing_ok=True)
            self._begin()

    def close(self) -> None:
        """End the instance."""
        self._deadlines.close()
        self._base.close()


@dataclass
class _Attached:
    """A native file under its name in DuckDB, and when it was last asked for."""

    name: str
    inode: int
    used: float


class _Deadlines:
    """Interrupts what runs too long: one thread for all statements, asleep while there are none."""

    def __init__(self) -> None:
        self._running: dict[Any, float] = {}  # cursor -> until
        self._change = threading.Condition()
        self._awake = self._closed = False
        self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._thread.start()

    @contextmanager
    def within(self, cursor: Any, seconds: float) -> Iterator[None]:
        """Interrupt the cursor when the block takes longer."""
        with self._change:
            self._running[cursor] = time.monotonic() + seconds
            if not self._awake:  # waking a thread costs more than a small statement
                self._change.notify()
        try:
            yield
        finally:
            with self._change:
                del self._running[cursor]

    def close(self) -> None:
        """End the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _watch(self) -> None:
        last = 0.0
        with self._change:
            while not self._closed:
                now = time.monotonic()
                last = now if self._running else last
                for cursor, until in self._running.items():
                    if until <= now:
                        cursor.interrupt()
                self._awake = now - last < _LINGER
                self._change.wait(_LOOK if self._awake else None)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
