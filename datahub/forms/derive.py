"""Make what answers faster than Parquet from a release's files: runs in a child.

See `store.derived` for what there is.
"""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datahub.forms.columns import columns_of, json_row, literal, numbered, quote, row_number
from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MIB = 1 << 20
_CHUNK = 4 * _MIB
_BATCH = 100_000  # rows


class Job(Struct, frozen=True):
    """A table, and what to make of it."""

    parquet: str
    schema: Json
    folder: str  # where to write `target`
    target: str
    kind: str  # text, lines, native, order
    ndjson: tuple[str, ...] = ()  # files that `lines` indexes, one after another
    column: str = ""  # that `order` sorts by
    descending: bool = False
    memory: int = 1024 * _MIB


class Made(Struct, frozen=True):
    """What was made."""

    bytes: int


def derive(job: Job) -> Made:
    """Make one thing: written beside its place, made durable, and moved there."""
    os.nice(10)  # answers go before preparations
    target = Path(job.folder) / job.target
    fresh = target.with_name(f".{job.target}.{os.getpid()}")
    try:
        _MAKERS[job.kind](job, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return Made(bytes=target.stat().st_size)


def _text(job: Job, fresh: Path) -> None:
    """Write rows as NDJSON, for a release that has none."""
    with _database(job) as db:
        kinds = db.execute("describe from read_parquet(?)", [job.parquet]).fetchall()
        row = json_row(columns_of([(kind[0], kind[1]) for kind in kinds], job.schema))
        found = db.execute(f"select {row} from read_parquet(?)", [job.parquet])  # noqa: S608
        with fresh.open("wb") as file:
            while rows := found.fetchmany(5000):
                file.writelines(text.encode() + b"\n" for (text,) in rows)


def _lines(job: Job, fresh: Path) -> None:
    """Index the lines of files: where each begins, and the end of the last."""
    with fresh.open("wb") as index:
        index.write(struct.pack("<Q", 0))
        offset = 0
        for path in job.ndjson:
            with Path(path).open("rb") as file:
                while some := file.readlines(_CHUNK):
                    ends = [offset := offset + len(line) for line in some]
                    index.write(struct.pack(f"<{len(ends)}Q", *ends))


def _native(job: Job, fresh: Path) -> None:
    """Write the rows as table `rows` of a native file, in their order."""
    with _database(job) as db:
        db.execute(f"attach {literal(str(fresh))} as native")
        db.execute("create table native.rows as from read_parquet(?)", [job.parquet])
        db.execute("detach native")
    fresh.with_name(f"{fresh.name}.wal").unlink(missing_ok=True)


def _order(job: Job, fresh: Path) -> None:
    """Write row numbers in the order of a column, nulls at the end."""
    import pyarrow as pa

    column, direction = quote(job.column), "desc" if job.descending else "asc"
    with _database(job) as db:
        (rows, filled) = db.execute(
            f"select count(*), count({column}) from read_parquet(?)",  # noqa: S608
            [job.parquet],
        ).fetchone()
        kinds = db.execute("describe from read_parquet(?)", [job.parquet]).fetchall()
        names = [name for name, *_ in kinds]
        row = row_number(names)
        sorted_rows = db.execute(
            f"select {row} from {numbered('?', names)} "  # noqa: S608
            f"order by {column} {direction} nulls last, {row}",
            [job.parquet],
        )
        whole = pa.uint64() if rows >> 32 else pa.uint32()
        with fresh.open("wb") as file:
            file.write(struct.pack("<2Q", rows, rows - filled))
            for batch in sorted_rows.to_arrow_reader(_BATCH):
                numbers = batch.column(0).cast(whole)
                size = whole.bit_width // 8
                begin = numbers.offset * size
                file.write(memoryview(numbers.buffers()[1])[begin : begin + len(numbers) * size])


@contextmanager
def _database(job: Job) -> Iterator[Any]:
    """Open a DuckDB that spills beside what it writes."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,  # half the size and no slower than with two
        "memory_limit": f"{job.memory // _MIB}MiB",
        "temp_directory": f"{job.folder}/.spill",
    }
    with duckdb.connect(config=settings) as db:
        db.execute("set enable_progress_bar=false")
        yield db


_MAKERS: dict[str, Callable[[Job, Path], None]] = {
    "text": _text,
    "lines": _lines,
    "native": _native,
    "order": _order,
}
