"""Make what answers faster than Parquet from a release's files: runs in a child.

See `store.derived` for what there is.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datahub.forms.columns import (
    columns_of,
    is_json,
    json_row,
    literal,
    numbered,
    quote,
    row_number,
)
from datahub.forms.lines import Lines, open_file, opened
from datahub.forms.ordered import Order, Top, Values, number_of
from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MIB = 1 << 20
_CHUNK = 4 * _MIB
_BATCH = 100_000  # rows
_AT_ONCE, _NEAR = 256, 128 << 10  # lines, and bytes between them that are sooner read than left out


class Job(Struct, frozen=True):
    """A table, and what to make of it."""

    parquet: str
    schema: Json
    folder: str  # where to write `target`
    target: str
    kind: str  # text, lines, native, order, values, top
    ndjson: tuple[str, ...] = ()  # files that `lines` indexes, one after another
    column: str = ""  # that `order` and `values` sort by
    descending: bool = False
    lines: str = ""  # index and order that `top` reads
    order: str = ""
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
            file.write(Order(rows=rows, nulls=rows - filled).pack())
            for batch in sorted_rows.to_arrow_reader(_BATCH):
                file.write(_bytes_of(batch.column(0).cast(whole)))


def _bytes_of(numbers: Any) -> memoryview:
    """Bytes of an Arrow array of numbers, little-endian."""
    size = numbers.type.bit_width // 8
    begin = numbers.offset * size
    return memoryview(numbers.buffers()[1])[begin : begin + len(numbers) * size]


def _values(job: Job, fresh: Path) -> None:
    """Write keys of a column's values in their order, where its type has keys."""
    with _database(job) as db, fresh.open("w+b") as file:
        kinds = db.execute("describe from read_parquet(?)", [job.parquet]).fetchall()
        columns = columns_of([(kind[0], kind[1]) for kind in kinds], job.schema)
        (column,) = [column for column in columns if column.name == job.column]
        number = number_of(quote(column.name), column.kind)
        if number is not None:
            head = _number_keys(job, db, column.kind, number, file)
        elif column.kind == "VARCHAR" and not is_json(column):
            head = _text_keys(job, db, file)
        else:
            head = Values(kind=column.kind)
            file.write(head.pack())
        file.flush()
        fences = (head.SIZE + i * head.STRIDE * head.width for i in range(head.fences))
        keys = [os.pread(file.fileno(), head.width, place) for place in fences]
        file.writelines(keys)


def _number_keys(job: Job, db: Any, kind: str, number: str, file: Any) -> Values:
    source = f"(select {number} as v from read_parquet(?))"  # noqa: S608
    sql = f"select count(v), coalesce(min(v), 0), coalesce(max(v), 0) from {source}"  # noqa: S608
    rows, least, most = db.execute(sql, [job.parquet]).fetchone()
    letter, whole = ("Q", "ubigint") if (most - least) >> 32 else ("I", "uinteger")
    head = Values(kind=kind, rows=rows, width=array(letter).itemsize, least=least)
    file.write(head.pack())
    above = f"(v::hugeint - {least})::{whole}"
    sql = f"select {above} from {source} where v is not null order by 1"  # noqa: S608
    for batch in db.execute(sql, [job.parquet]).to_arrow_reader(_BATCH):
        keys = array(letter)
        keys.frombytes(_bytes_of(batch.column(0)))
        if sys.byteorder == "little":
            keys.byteswap()
        keys.tofile(file)
    return head


def _text_keys(job: Job, db: Any, file: Any) -> Values:
    column = quote(job.column)
    rows, first, last, longest, zeros = db.execute(
        f"select count({column}), min({column}), max({column}), max(strlen({column})),"  # noqa: S608
        f" bool_or(contains({column}, chr(0))) from read_parquet(?)",
        [job.parquet],
    ).fetchone()
    prefix = _common((first or "").encode(), (last or "").encode())[: Values.MOST_PREFIX]
    longest = (longest or 0) - len(prefix)
    head = Values(
        kind="VARCHAR",
        rows=rows,
        width=max(1, min(longest, Values.MOST_WIDTH)),
        prefix=prefix,
        whole=longest <= Values.MOST_WIDTH and not zeros,
    )
    file.write(head.pack())
    sql = f"select {column} from read_parquet(?) where {column} is not null order by 1"  # noqa: S608
    found = db.execute(sql, [job.parquet])
    while some := found.fetchmany(5000):
        file.write(b"".join(head.key(text)[0] for (text,) in some))
    return head


def _picked(lines: Lines, rows: Sequence[int]) -> list[bytes]:
    """Lines of many rows from all over files, in the order of `rows`."""
    found: dict[int, bytes] = {}
    ascending = sorted(rows)
    for begin in range(0, len(ascending), _AT_ONCE):
        some = ascending[begin : begin + _AT_ONCE]
        read = lines.picked(some, _NEAR)
        if read is None:
            return []
        found |= zip(some, read, strict=True)
    return [found[row] for row in rows]


def _common(first: bytes, last: bytes) -> bytes:
    """What both begin with, and so all between them."""
    differ = (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differ, min(len(first), len(last)))]


def _top(job: Job, fresh: Path) -> None:
    """Copy the first lines of an order, and the first of its nulls, to one place."""
    with ExitStack() as stack:
        file = open_file(stack, Path(job.order))
        head = Order.unpack(os.pread(file, Order.SIZE, 0))
        parts = [(Path(path), Path(path).stat().st_size) for path in job.ndjson]
        lines = opened(stack, Path(job.lines), parts, head.rows)
        mean = sum(size for _, size in parts) // max(1, head.rows) + 1
        most = min(Top.MOST_ROWS, Top.MOST_BYTES // mean + 1)

        def first(begin: int, count: int) -> list[bytes]:
            """Lines of an order from `begin` on, not too many bytes of them."""
            size = struct.calcsize(head.letter)
            count = min(count, most)
            data = os.pread(file, count * size, Order.SIZE + begin * size)
            rows = struct.unpack(f"<{count}{head.letter}", data)
            found = _picked(lines, rows)
            ends = accumulate(len(line) + 1 for line in found)
            return [line for line, end in zip(found, ends, strict=True) if end <= Top.MOST_BYTES]

        values, nulls = first(0, head.rows - head.nulls), first(head.rows - head.nulls, head.nulls)
    texts = [line + b"\n" for line in (*values, *nulls)]
    begin = Top.SIZE + 8 * (len(texts) + 1)
    ends = list(accumulate(map(len, texts), initial=begin))
    with fresh.open("wb") as made:
        made.write(Top(values=len(values), nulls=len(nulls)).pack())
        made.write(struct.pack(f"<{len(ends)}Q", *ends))
        made.writelines(texts)


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
    "values": _values,
    "top": _top,
}
