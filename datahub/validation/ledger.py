"""Every fault of a table, and the keys of its rows, in a DuckDB that spills to disk."""

# ruff: noqa: S608 - names are ours, values are bound
from __future__ import annotations

import contextlib
import functools
import itertools
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datahub.validation.sentences import cause_sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from datahub.model import Json

MEMORY = "256MB"
KEPT_ROWS = 5
KEPT_SAMPLES = 3

FAULTS = pa.schema(
    {
        "row": pa.int64(),
        "place": pa.int32(),  # field number; keys and whole rows stand behind all fields
        "kind": pa.string(),  # error type of Frictionless
        "field": pa.string(),
        "cell": pa.string(),
        "note": pa.string(),
        "other": pa.int64(),  # row that this one repeats
    }
)
ROW_PLACE = 1 << 30
_SHOWN = 200  # characters of a cell
_HELD = 8 << 20  # bytes of faults that are written at once


_NUMBERS = itertools.count()


@functools.cache
def _data_base(folder: Path) -> duckdb.DuckDBPyConnection:
    """One for all ledgers of a process that spill to the folder: opening one takes a while."""
    import duckdb  # clean tables with ascending keys never need it

    return duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": "false",
            "threads": "2",
        }
    )


class Ledger:
    """Faults of one table, in any order; nothing is opened before the first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[tuple[Any, ...]] = []
        self._batches: list[pa.Table] = []
        self._batched = 0
        self.count = 0

    @cached_property
    def db(self) -> duckdb.DuckDBPyConnection:
        """A schema of its own in the data base; also used for keys."""
        db = _data_base(self._folder).cursor()
        self._schema = f"ledger_{next(_NUMBERS)}"
        db.execute(f"CREATE SCHEMA {self._schema}; USE {self._schema}")
        db.execute("CREATE TABLE faults (row BIGINT, place INTEGER, kind VARCHAR, field VARCHAR,"
                   " cell VARCHAR, note VARCHAR, other BIGINT)")  # fmt: skip
        return db

    def close(self) -> None:
        """Forget everything."""
        if "db" in self.__dict__:
            self.db.execute(f"USE main; DROP SCHEMA {self._schema} CASCADE")
            self.db.close()
            del self.db

    def tables(self) -> set[str]:
        """Names of the tables in the data base."""
        found = self.db.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = $1", [self._schema]
        )
        return {name for (name,) in found.fetchall()}

    def add(
        self, row: int, place: int, kind: str, *, field: str = "", cell: str = "",
        note: str = "", other: int | None = None,
    ) -> None:  # fmt: skip
        """Note one fault."""
        self._waiting.append((row, place, kind, field, cell[:_SHOWN], note, other))
        self.count += 1
        if len(self._waiting) >= 1 << 15:
            self._flush()

    def add_batch(self, batch: pa.Table) -> None:
        """Note many (FAULTS)."""
        self.count += batch.num_rows
        self._batches.append(batch)  # few large writes are faster than many small ones
        self._batched += batch.nbytes
        if self._batched >= _HELD:
            self._flush()

    def add_query(self, sql: str, *values: Any) -> None:
        """Note what a query finds (columns of FAULTS)."""
        before = self.count
        (self.count,) = self.db.execute(f"INSERT INTO faults {sql}", values).fetchone() or (0,)
        self.count += before

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection to the same tables."""
        found = self.db.cursor()
        found.execute(f"USE {self._schema}")
        return found

    def _flush(self) -> None:
        if self._batches:
            batch = pa.concat_tables(self._batches)  # read by the query
            self._batches.clear()
            self._batched = 0
            self.db.execute(
                "INSERT INTO faults SELECT row, place, kind, field,"
                f" left(cell, {_SHOWN}), note, other FROM batch"
            )
        if self._waiting:
            columns = list(zip(*self._waiting, strict=True))
            self._waiting.clear()
            arrays = [pa.array(c, t) for c, t in zip(columns, FAULTS.types, strict=True)]
            batch = pa.table(arrays, schema=FAULTS)  # noqa: F841 - read by the query
            self.db.execute("INSERT INTO faults SELECT * FROM batch")

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask about all faults; no rows when there are none."""
        if not self.count:
            return []
        self._flush()
        return self.db.execute(sql, values).fetchall()

    def first_rows(self, limit: int) -> list[int]:
        """Rows of the first `limit` faults, and the rows that they repeat; all when 0."""
        cut = f"LIMIT {limit}" if limit else ""
        found = self.query(
            f"WITH first AS (SELECT row, other FROM faults ORDER BY row {cut})"
            " SELECT DISTINCT unnest([row, other]) AS row FROM first"
            " UNION SELECT other FROM faults WHERE row IN (SELECT row FROM first)"
        )
        return sorted(row for (row,) in found if row is not None)

    def told(self, limit: int) -> list[tuple[int, str, str]]:
        """Row, type and field of the first `limit` faults, sorted; all when 0."""
        cut = f"LIMIT {limit}" if limit else ""
        return sorted(self.query(f"SELECT row, kind, field FROM faults ORDER BY row {cut}"))

    def totals(self) -> Json:
        """Counts over the whole table: all, per type and per field."""
        types = self.query("SELECT kind, count(*) AS n FROM faults GROUP BY 1 ORDER BY n DESC, 1")
        fields = self.query("SELECT field, count(*) AS n FROM faults WHERE field != '' GROUP BY 1"
                            " ORDER BY n DESC, 1")  # fmt: skip
        return {"errors": self.count, "types": dict(types), "fields": dict(fields)}

    def groups(self, types: dict[str, str]) -> list[Json]:
        """Faults of one kind, field and cause together; `types` are those of the fields."""
        if not self.count:
            return []
        listed = pa.table({"field": list(types), "type": list(types.values())})
        self.db.register("types", listed)
        found = self.query(
            "SELECT kind, field, min(place) AS place, note, cause, count(*) AS n,"
            f" min(row, {KEPT_ROWS}) AS rows, arg_min(cell, row, {KEPT_SAMPLES * 4}) AS samples"
            f" FROM (SELECT row, place, kind, field, cell, {cause_sql()} AS cause,"
            " CASE WHEN other IS NULL THEN note ELSE '' END AS note"
            " FROM faults LEFT JOIN types USING (field))"
            " GROUP BY kind, field, note, cause ORDER BY n DESC, place, kind, note LIMIT 200"
        )
        names = ("type", "field", "place", "note", "cause", "count", "rows", "samples")
        groups = [dict(zip(names, entry, strict=True)) for entry in found]
        for group in groups:
            group["samples"] = list(dict.fromkeys(group["samples"]))[:KEPT_SAMPLES]
        return groups

    def rows(self, size: int = 10_000) -> Iterator[tuple[Any, ...]]:
        """Every fault in file order: row, place, kind, field, cell, note."""
        if not self.count:
            return
        self._flush()
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute("SELECT row, place, kind, field, cell, note FROM faults"
                           " ORDER BY row, place")  # fmt: skip
            while found := cursor.fetchmany(size):
                yield from found
