"""Connections to the catalog: one writer at a time, durable commits, migrations on opening."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.errors import ServiceUnavailable, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator

Db = sa.Connection
"""An open transaction on the catalog."""

REVISION = "0004"
"""The migration this code needs; a catalog at another one is migrated when it is opened."""


class Catalog:
    """The catalog database; reads see committed states only, writes are one transaction each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        url = sa.URL.create("sqlite", database=str(path))
        self._engine = sa.create_engine(url, connect_args={"timeout": 20})
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", _begin)
        with _translated():
            self._migrate()
        self._watch = sqlite3.connect(path, timeout=20, check_same_thread=False)
        self._watching = threading.Lock()

    def stamp(self) -> int:
        """Return a number that is another one after every commit, of whatever process."""
        with self._watching:
            found: int = self._watch.execute("pragma data_version").fetchone()[0]
        return found

    @contextmanager
    def read(self) -> Iterator[Db]:
        """Open a consistent view; nothing written in it is kept."""
        with _translated(), self._engine.connect() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Db]:
        """Open the one writing transaction; it commits when the block ends without an error.

        Raises:
            StorageFull: the disk has no room for the commit; nothing was changed.

        """
        with (
            _translated(),
            self._engine.connect().execution_options(writes=True) as db,
            db.begin(),
        ):
            yield db

    def close(self) -> None:
        """Close all pooled connections."""
        self._watch.close()
        self._engine.dispose()

    def _revision(self) -> str | None:
        with self._engine.connect() as db:
            if not sa.inspect(db).has_table("alembic_version"):
                return None
            found: str | None = db.exec_driver_sql(
                "select version_num from alembic_version"
            ).scalar()
            return found

    def _migrate(self) -> None:
        if self._revision() == REVISION:
            return
        # Several processes start together: one migrates, the others wait for it.
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._revision() != REVISION:
                _upgrade(self._engine)


def complete_sqlite() -> None:
    """Give SQLite before 3.42 the clock that DBOS asks it for on Python 3.12 and newer.

    There `unixepoch('subsec')` is NULL, and the pipeline's own database refuses its first row.
    """
    if sqlite3.sqlite_version_info < (3, 42):
        sa.event.listen(sa.pool.Pool, "connect", _add_clock)


def _add_clock(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, lambda _modifier: time.time())


def _upgrade(engine: sa.Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect().execution_options(writes=True) as db, db.begin():
        config.attributes["connection"] = db
        command.upgrade(config, REVISION)


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"pragma {pragma}")


def _begin(db: Db) -> None:
    # A transaction that reads before it writes would fail when another one writes in between.
    writes = db.get_execution_options().get("writes")
    db.exec_driver_sql("begin immediate" if writes else "begin")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        cause = error.orig
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageFull from error
        if code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ServiceUnavailable(
                reason_zh="目录数据库正忙", reason_en="catalog is busy"
            ) from error
        raise
