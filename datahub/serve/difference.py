"""The difference of two versions of a resource: rows added, removed, changed.

It is computed once, in a child with limits, and kept beside what else is derived from the older
version: counts as JSON, and for each row that differs where it stands in the two Parquet files. A
page of it is a look at those rows. Since releases never change, neither does a difference.
"""
# ruff: noqa: S608 - names and paths are quoted, values are bound

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from datahub.errors import ChildMemory, ChildTimeout
from datahub.errors_query import QueryBusy, QueryLimit
from datahub.forms.columns import Column, literal, numbered, quote, row_number, text_of
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Struct
from datahub.store.objects import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.serve.reading import Reading, Table

By = Literal["key", "row"]
WHATS = ("removed", "added", "changed")
"""Kinds of rows of a difference, in the order that they are told in."""
SECONDS = 60
_MEMORY = 3 << 30  # address space of the child
_WORKING = "768MiB"  # of DuckDB in it; more goes to the disk
_PATIENCE = 20.0  # seconds until who waits for another difference is sent away
_INTEGERS = {
    "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19,
    "UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20,
}  # fmt: skip
_DIGITS = 38  # of a DECIMAL at most
_FLOATS = ("DOUBLE", "FLOAT")
_one_at_a_time = threading.Semaphore(1)


class Side(Struct, frozen=True):
    """One of the two versions."""

    path: str  # of its Parquet file
    rows: int
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of its columns."""
        return [column.name for column in self.columns]


class Task(Struct, frozen=True):
    """What the child shall compare, by the first key that is one in both, and where to."""

    a: Side
    b: Side
    keys: tuple[tuple[str, ...], ...]
    target: str


class Counts(Struct, frozen=True):
    """How many rows differ: by a key, or as a whole when there is no key to know them by."""

    by: By
    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    unchanged: int
    lines: tuple[int, int, int]
    """Lines of the kept file of each kind: fewer than rows when like ones differ in number."""

    def many(self, what: str) -> int:
        """Rows of one kind."""
        found: int = getattr(self, what)
        return found


class Difference(Struct, frozen=True):
    """Counts, and the file that says where the rows stand: what, a, b, times."""

    a: Side
    b: Side
    counts: Counts
    path: Path

    @property
    def shared(self) -> list[tuple[Column, Column]]:
        """Columns that both versions have, in the order of the newer one."""
        return shared(self.a, self.b)

    def lines_of(self, what: str | None) -> tuple[int, int]:
        """First line of a kind in the file, and how many there are; None means all kinds."""
        if what is None:
            return 0, sum(self.counts.lines)
        place = WHATS.index(what)
        return sum(self.counts.lines[:place]), self.counts.lines[place]


def name_of(before: Table, after: Table) -> str:
    """Name of a difference: the same for the same content under the same schemas."""
    sides = [(table.digest, table.columns, table.key) for table in (before, after)]
    return "diff-" + sha256(msgspec.json.encode(sides)).hexdigest()[:40]


def difference(reading: Reading, before: Table, after: Table) -> Difference:
    """Find the difference of two versions, computing it at the first asking.

    Raises:
        QueryLimit: the tables are too large to be compared in the time.
        QueryBusy: others are being compared.

    """
    folder, name = reading.derived.folder(before.digest), name_of(before, after)
    a, b = (Side(path=str(t.path), rows=t.rows, columns=t.columns) for t in (before, after))
    told, where = folder / f"{name}.json", folder / f"{name}.parquet"
    counts = _kept(told, where)
    if counts is None:
        task = Task(a=a, b=b, keys=_keys(before, after), target=str(where))
        counts = _computed(reading, task, told)
    return Difference(a=a, b=b, counts=counts, path=where)


def known(reading: Reading, before: Table, after: Table) -> Counts | None:
    """Counts of a difference that was computed before; None: nobody asked yet."""
    folder, name = reading.derived.folder(before.digest), name_of(before, after)
    return _kept(folder / f"{name}.json", folder / f"{name}.parquet")


def _kept(told: Path, where: Path) -> Counts | None:
    """Counts of a difference that is there; what is derived may be removed at any time."""
    try:
        counts = msgspec.json.decode(told.read_bytes(), type=Counts)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return counts if where.exists() else None


def _computed(reading: Reading, task: Task, told: Path) -> Counts:
    """Compute a difference, one at a time in a process."""
    if not _one_at_a_time.acquire(timeout=_PATIENCE):
        raise QueryBusy(retry_after=30)
    try:  # perhaps who went before was asked the same
        return _kept(told, Path(task.target)) or _compute(reading, task, told)
    finally:
        _one_at_a_time.release()


def _keys(before: Table, after: Table) -> tuple[tuple[str, ...], ...]:
    """Declared keys whose columns are in both versions, the newer declaration first."""
    names = {c.name for c in before.columns} & {c.name for c in after.columns}
    found = [key for key in (after.key, before.key) if key and set(key) <= names]
    return tuple(dict.fromkeys(found))


def _compute(reading: Reading, task: Task, told: Path) -> Counts:
    """Let a child write the file, then the counts, which say that it is complete."""
    work, where = reading.store.objects.staging(), Path(task.target)
    try:
        counts = run(
            "datahub.serve.difference:compare",
            msgspec.structs.replace(task, target=str(work / "diff")),
            returns=Counts,
            limits=Limits(memory=_MEMORY, seconds=SECONDS),
            folder=work,
        )
        where.parent.mkdir(parents=True, exist_ok=True)
        (work / "diff").rename(where)
        write_file(work / "counts", msgspec.json.encode(counts))
        (work / "counts").rename(told)
    except (ChildTimeout, ChildMemory):
        raise QueryLimit(
            reason_zh=f"两个版本的比较超过 {SECONDS} 秒或内存上限",
            reason_en=f"comparing the two versions takes more than {SECONDS} seconds or its memory",
        ) from None
    else:
        return counts
    finally:
        reading.store.objects.discard(work)


# In the child -----------------------------------------------------------------------------------


def compare(task: Task) -> Counts:
    """Compare two Parquet files and write where they differ.

    Raises:
        ChildMemory: DuckDB had not enough, though it may use the disk.

    """
    import duckdb

    db = duckdb.connect(
        config={
            "threads": 2,
            "memory_limit": _WORKING,
            "temp_directory": str(Path(task.target).with_name("spill")),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        for alias, side in (("a", task.a), ("b", task.b)):
            db.execute(f"create view {alias} as {_numbered(side, row_name(task.a, task.b))}")
        key = next((key for key in task.keys if _unique(db, task, key)), ())
        statement = _by_key(task, key) if key else _by_row(task)
        db.execute(f"copy ({statement}) to {literal(task.target)} (format parquet)")
        kept = f"read_parquet({literal(task.target)})"
        query = f"select what, sum(times)::bigint, count(*) from {kept} group by what"
        many = {what: (rows, lines) for what, rows, lines in db.execute(query).fetchall()}
    except duckdb.OutOfMemoryException:
        raise ChildMemory(limit=_MEMORY) from None
    (removed, added, changed), lines = zip(*(many.get(n, (0, 0)) for n in range(3)), strict=True)
    return Counts(
        by="key" if key else "row",
        key=key,
        added=added,
        removed=removed,
        changed=changed,
        unchanged=task.b.rows - added - changed,
        lines=lines,
    )


def row_name(a: Side, b: Side) -> str:
    """Name for the number of a row that no column has, quoted."""
    name = "#"
    while name in (*a.names, *b.names):
        name += "#"
    return quote(name)


def _numbered(side: Side, row: str) -> str:
    names = ", ".join(map(quote, side.names))
    relation = numbered(literal(side.path), side.names)
    return f"select {names}, {row_number(side.names)} as {row} from {relation}"


def shared(a: Side, b: Side) -> list[tuple[Column, Column]]:
    """Columns that both sides have, in the order of the newer one."""
    older = {column.name: column for column in a.columns}
    return [(older[column.name], column) for column in b.columns if column.name in older]


def comparable(a: Column, b: Column) -> tuple[str, str]:
    """SQL of a column of `a` and `b` that is equal where the values are.

    Numbers compare by value, whatever their scale; other types with each other as they are told
    in CSV, so that a column which became an integer did not change in every row.
    """
    x, y = f"a.{quote(a.name)}", f"b.{quote(b.name)}"
    if a.kind == b.kind:
        return x, y
    sizes = [_size(a.kind), _size(b.kind)]
    floats = [column.kind in _FLOATS for column in (a, b)]
    if all(size or real for size, real in zip(sizes, floats, strict=True)):
        if any(floats):
            return f"{x}::double", f"{y}::double"
        whole, scale = (max(size[n] for size in sizes if size) for n in (0, 1))
        if whole + scale <= _DIGITS:
            return tuple(f"{name}::decimal({whole + scale}, {scale})" for name in (x, y))  # type: ignore[return-value]
        return _trimmed(x, sizes[0]), _trimmed(y, sizes[1])
    return text_of(a, x), text_of(b, y)


def _size(kind: str) -> tuple[int, int] | None:
    """Digits before and after the point of an exact number; None: it is none."""
    if kind in _INTEGERS:
        return _INTEGERS[kind], 0
    if kind.startswith("DECIMAL("):
        width, scale = (int(part) for part in kind[8:-1].split(","))
        return width - scale, scale
    return None


def _trimmed(name: str, size: tuple[int, int] | None) -> str:
    text = f"{name}::varchar"
    return f"rtrim(rtrim({text}, '0'), '.')" if size and size[1] else text


def differs(pair: tuple[Column, Column]) -> str:
    """SQL that tells whether a column differs."""
    x, y = comparable(*pair)
    return f"{x} is distinct from {y}"


def _unique(db: Any, task: Task, key: tuple[str, ...]) -> bool:
    pairs = [comparable(*pair) for pair in shared(task.a, task.b) if pair[1].name in key]
    return not any(
        db.execute(
            f"select 1 from {alias} group by {', '.join(pair[number] for pair in pairs)} "
            "having count(*) > 1 limit 1"
        ).fetchall()
        for number, alias in enumerate("ab")
    )


def _by_key(task: Task, key: tuple[str, ...]) -> str:
    """Statement that joins the versions by their key; NULL is a value like any other."""
    row, pairs = row_name(task.a, task.b), shared(task.a, task.b)
    keys = [comparable(*pair) for pair in pairs if pair[1].name in key]
    others = [differs(pair) for pair in pairs if pair[1].name not in key]
    joined = " and ".join(f"{x} is not distinct from {y}" for x, y in keys)
    return (
        f"select (case when a.{row} is null then 1 when b.{row} is null then 0 else 2 end)::tinyint"
        f" as what, a.{row}::bigint as a, b.{row}::bigint as b, 1::bigint as times "
        f"from a full join b on {joined} where a.{row} is null or b.{row} is null "
        f"or {' or '.join(others) or 'false'} order by what, coalesce(b.{row}, a.{row})"
    )


def _by_row(task: Task) -> str:
    """Statement that counts like rows of each version (a difference of multisets)."""
    row = row_name(task.a, task.b)
    pairs = [comparable(*pair) for pair in shared(task.a, task.b)]
    pairs = pairs or [(f"'a' || a.{row}", f"'b' || b.{row}")]  # nothing can be alike
    fields = [f"c{number}" for number in range(len(pairs))]
    older, newer = (
        ", ".join(f"{pair[n]} as {field}" for pair, field in zip(pairs, fields, strict=True))
        for n in (0, 1)
    )
    return (
        "select (ca < cb)::tinyint as what, case when ca > cb then an end as a, "
        "case when ca < cb then bn end as b, abs(ca - cb)::bigint as times from ("
        "select count(an) as ca, count(bn) as cb, min(an)::bigint as an, min(bn)::bigint as bn "
        f"from (select {older}, a.{row} as an, null as bn from a union all "
        f"select {newer}, null, b.{row} from b) group by {', '.join(fields)}) "
        "where ca <> cb order by what, coalesce(b, a)"
    )


# A page -----------------------------------------------------------------------------------------


class Window(Struct, frozen=True):
    """Lines of a difference: from one, how many."""

    start: int
    count: int


def rows_at(
    reading: Reading, found: Difference, window: Window, told: Sequence[str]
) -> list[tuple[Any, ...]]:
    """What, times, and the SQL in `told` (over a and b) for each line of a window, in order."""
    place = (
        "select what, a, b, times, file_row_number as n from read_parquet(?) "
        "where file_row_number between ? and ?"
    )
    values = [str(found.path), window.start, window.start + window.count - 1]
    edges = f"select min(a), max(a), min(b), max(b) from ({place})"
    ((first_a, last_a, first_b, last_b),) = reading.engine.run(edges, values)
    row = row_name(found.a, found.b)
    sides = [
        f"(select * from ({_numbered(side, row)}) where {row} between {first or 0} and {last or 0})"
        for side, first, last in ((found.a, first_a, last_a), (found.b, first_b, last_b))
    ]
    query = (
        f"select w.what, w.times, {', '.join(told)} from ({place}) w "
        f"left join {sides[0]} a on a.{row} = w.a left join {sides[1]} b on b.{row} = w.b "
        "order by w.n"
    )
    return reading.engine.run(query, values)
