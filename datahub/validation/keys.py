"""Unique values, primary and foreign keys of a table over all of its rows.

Stand-ins of the values (`Column.key`) go to DuckDB, which tells the rows that may repeat one; those
few are read again and compared as frictionless compares them. Foreign keys are an exact anti-join.
"""

# ruff: noqa: S608 - names are ours, values are bound
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from datahub.validation.columns import NEVER
from datahub.validation.ledger import ROW_PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from datahub.validation.columns import Column, Judged
    from datahub.validation.ledger import Ledger

_LOOSE = 20_000
_HELD = 1 << 20
_AT_ONCE = 1 << 24  # keys that are grouped in one go
_BLANK_KEY = 'cells composing the primary keys are all "None"'


@dataclass(frozen=True)
class Key:
    """A primary key or a unique field: which columns, by position."""

    columns: tuple[Column, ...]
    primary: bool
    table: str

    def value(self, cells: Sequence[str | None]) -> Any:
        """Parsed value as frictionless remembers it; None when there is nothing to compare."""
        found = tuple(c.verdict(t).value for c, t in zip(self.columns, cells, strict=True))
        if set(found) == {None} or any(value != value for value in found):  # noqa: PLR0124 - NaN
            return None  # NaN is not even the same as itself
        return found


@dataclass(frozen=True)
class Foreign:
    """A foreign key: its columns here, the resource it refers to, and the columns there."""

    columns: tuple[Column, ...]
    source: str
    source_names: tuple[str, ...]
    table: str


class Keys:
    """All keys of one table."""

    def __init__(self, unique: list[Key], foreign: list[Foreign], ledger: Ledger) -> None:
        self.unique, self.foreign, self._ledger = unique, foreign, ledger
        self._loose: dict[str, list[tuple[Any, ...]]] = {}
        self._loose_count = 0
        self._held: dict[str, list[tuple[pa.Array, list[pa.Array]]]] = {}
        self._held_rows: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._unordered: set[str] = set()
        self._written: set[str] = set()
        for other in foreign:
            names = ", ".join(f"k{i} VARCHAR" for i in range(len(other.columns)))
            ledger.db.execute(f"CREATE TABLE {other.table} (row BIGINT, {names})")
            told = names.replace("k", "t")
            ledger.db.execute(f"CREATE TABLE {other.table}_source ({names}, {told})")

    def add(self, rows: pa.Array, judged: Mapping[int, Judged]) -> None:
        """Take the keys of one batch; `judged` by column number."""
        for key in self.unique:
            parts = [column.key(judged[column.number]) for column in key.columns]
            self._add_unique(key, rows, parts)
        for foreign in self.foreign:
            parts = [column.exact_key(judged[column.number]) for column in foreign.columns]
            self._insert(foreign.table, _as_table([(rows, parts)]))

    def add_row(self, row: int, cells: Sequence[str | None]) -> None:
        """Take the keys of one ragged row (None: no such cell)."""
        for key in self.unique:
            values = [c.stand_in(c.verdict(cells[c.number - 1]).value) for c in key.columns]
            self._loose.setdefault(key.table, []).append((row, *values))
        for other in self.foreign:
            texts = [column.exact(cells[column.number - 1]) for column in other.columns]
            self._loose.setdefault(other.table, []).append((row, *texts))
        self._count_loose()

    def _count_loose(self) -> None:
        self._loose_count += 1
        if self._loose_count >= _LOOSE:
            self.flush()

    def flush(self) -> None:
        """Write the keys of single rows: a write per row would be slow."""
        loose, self._loose, self._loose_count = self._loose, {}, 0
        for key in self.unique:
            kinds = [pa.int64(), *(column.key_type() for column in key.columns)]
            if found := _arrays(loose.get(key.table), kinds):
                self._add_unique(key, found[0], found[1:])
        for foreign in self.foreign:
            width = len(foreign.columns)
            if found := _arrays(loose.get(foreign.table), [pa.int64(), *[pa.string()] * width]):
                self._insert(foreign.table, _as_table([(found[0], found[1:])]))
            if found := _arrays(loose.get(foreign.table + "_source"), [pa.string()] * 2 * width):
                self.add_source(foreign, found[:width], found[width:])

    def _add_unique(self, key: Key, rows: pa.Array, parts: list[pa.Array]) -> None:
        if key.primary:
            self._note_blank(rows, parts)
        if not len(rows):
            return
        held = self._held.setdefault(key.table, [])
        held.append((rows, parts))
        if key.table not in self._unordered and not _ascends(held[-2:]):
            self._unordered.add(key.table)
            _ = self._ledger.db  # it will be needed: opened while the next pieces are judged
        self._held_rows[key.table] = self._held_rows.get(key.table, 0) + len(rows)
        self._rows[key.table] = self._rows.get(key.table, 0) + len(rows)
        if self._held_rows[key.table] >= _HELD:
            self._write_held(key)

    def _write_held(self, key: Key) -> None:
        """Write the keys that were held back: few large writes are faster than many small ones."""
        held = self._held.pop(key.table, [])
        self._held_rows[key.table] = 0
        if key.table not in self._written:
            self._ledger.db.execute(f"CREATE TABLE {key.table} (row BIGINT, h UBIGINT)")
            self._written.add(key.table)
        if held:
            self._insert(key.table, _as_table(held), hashed=True)

    def _note_blank(self, rows: pa.Array, parts: list[pa.Array]) -> None:
        blank = parts[0].is_null()
        for part in parts[1:]:
            blank = pc.and_(blank, part.is_null())
        for row in rows.filter(blank).to_pylist():
            self._ledger.add(row, ROW_PLACE + 1, "primary-key", note=_BLANK_KEY)

    def _insert(self, table: str, batch: pa.Table, *, hashed: bool = False) -> None:
        """Insert rows (row, k0, …) of which at least one part is there."""
        what = f"row, {_hash(batch)}" if hashed else "*"
        self._ledger.db.execute(
            f"INSERT INTO {table} SELECT {what} FROM batch WHERE {_some(batch)}"
        )

    def written(self, name: str) -> str:
        """Table of all keys of that name (row, h); "" when there is no such key."""
        for key in self.unique:
            if key.table == name:
                self._write_held(key)
                return name
        return ""

    # Repeated keys ------------------------------------------------------------------------

    def repeated(self) -> list[Key]:
        """Keys of which some rows may be the same; their row numbers are in `<table>_again`."""
        self.flush()
        return [key for key in self.unique if self._note_again(key)]

    def _note_again(self, key: Key) -> bool:
        held = self._held.get(key.table, [])
        if key.table in self._written:
            self._write_held(key)
            source = f"SELECT * FROM {key.table}"
        elif held and key.table in self._unordered:
            batch = _as_table(held)  # read by the query
            source = (
                f"SELECT row, {_hash(batch)} AS h, * EXCLUDE (row) FROM batch WHERE {_some(batch)}"
            )
        else:  # each above the one before it: nothing repeats
            return False
        # A share of the hashes at a time: all of a hundred million at once need more memory.
        shares = 1 + self._rows[key.table] // _AT_ONCE
        for share in range(shares):
            begin = (
                f"INSERT INTO {key.table}_again"
                if share
                else (f"CREATE OR REPLACE TABLE {key.table}_again AS")
            )
            self._ledger.db.execute(
                f"{begin} WITH k AS (SELECT * FROM ({source}) WHERE h % {shares} = {share})"
                " SELECT * FROM k"
                " SEMI JOIN (SELECT h FROM k GROUP BY h HAVING count(*) > 1) USING (h)"
            )
        found = self._ledger.db.execute(f"SELECT 1 FROM {key.table}_again LIMIT 1").fetchone()
        return found is not None

    def prepare(self, key: Key) -> bool:
        """Make `<table>_cells`; whether it has all cells already, as a text is its own stand-in."""
        parts = [f"k{i} AS c{i}" for i in range(len(key.columns))]
        known = key.table not in self._written and all(
            column.type in ("string", "any") for column in key.columns
        )
        if not known:
            parts = [f"NULL::VARCHAR AS c{i}" for i in range(len(key.columns))]
        self._ledger.db.execute(
            f"CREATE OR REPLACE TABLE {key.table}_cells AS SELECT row, h, {', '.join(parts)}"
            f" FROM {key.table}_again WHERE {known}"
        )
        return known

    def take(self, key: Key, rows: pa.Array, texts: list[pa.Array]) -> None:
        """Keep the cells of those of these rows that may be repeated."""
        names = [f"c{i}" for i in range(len(texts))]
        batch = pa.RecordBatch.from_arrays([rows, *texts], names=["row", *names])  # noqa: F841
        self._ledger.db.execute(
            f"INSERT INTO {key.table}_cells SELECT a.row, a.h, {', '.join(names)}"
            f" FROM {key.table}_again a JOIN batch USING (row)"
        )

    def judge_repeated(self, key: Key) -> None:
        """Compare the rows that were taken, group by group, in row order."""
        seen: dict[Any, int] = {}
        group = None
        for row, h, *cells in self._taken(key):
            if h != group:
                group = h
                seen.clear()
            value = key.value(cells)
            if value is None:
                continue
            before = seen.get(value)
            seen[value] = row
            if before:
                self._note_repeated(key, row, before, value)

    def _taken(self, key: Key) -> Iterator[tuple[Any, ...]]:
        cursor = self._ledger.cursor()
        cursor.execute(f"SELECT * FROM {key.table}_cells ORDER BY h, row")
        while found := cursor.fetchmany(10_000):
            yield from found

    def _note_repeated(self, key: Key, row: int, before: int, value: tuple[Any, ...]) -> None:
        note = f"the same as in the row at position {before}"
        if key.primary:
            self._ledger.add(row, ROW_PLACE + 1, "primary-key", note=note, other=before,
                             cell=", ".join(map(str, value)))  # fmt: skip
        else:
            (column,) = key.columns
            self._ledger.add(row, ROW_PLACE, "unique-error", field=column.name,
                             cell=str(value[0]), note=note, other=before)  # fmt: skip

    def add_source_row(
        self, key: Foreign, exact: Sequence[str | None], texts: Sequence[str | None]
    ) -> None:
        """Take the key of one ragged row that may be referred to."""
        self._loose.setdefault(key.table + "_source", []).append((*exact, *texts))
        self._count_loose()

    # Foreign keys -------------------------------------------------------------------------

    def add_source(
        self, key: Foreign, parts: Sequence[pa.Array], texts: Sequence[pa.Array]
    ) -> None:
        """Take exact keys that may be referred to, with the texts they stand in."""
        names = [f"k{i}" for i in range(len(parts))]
        told = [f"t{i}" for i in range(len(parts))]
        batch = pa.RecordBatch.from_arrays([*parts, *texts], names=names + told)  # noqa: F841
        picked = ", ".join(f"any_value({name})" for name in told)
        numbers = [i for i, column in enumerate(key.columns) if column.key_class() == "number"]
        valid = " AND ".join(f"k{i} IS DISTINCT FROM '{NEVER}'" for i in numbers) or "true"
        self._ledger.db.execute(
            f"INSERT INTO {key.table}_source SELECT {', '.join(names)}, {picked} FROM batch"
            f" WHERE {valid} GROUP BY {', '.join(names)}"
        )

    def judge_foreign(self, key: Foreign) -> None:
        """Note every row whose key is not found in the source."""
        self.flush()
        same = _same(key)
        shown = " || ', ' || ".join(f"coalesce(t.k{i}, 'None')" for i in range(len(key.columns)))
        name = ", ".join(column.name for column in key.columns)
        self._ledger.add_query(
            f"SELECT t.row, {ROW_PLACE + 2} AS place, 'foreign-key' AS kind, '' AS field,"
            f" {shown} AS cell, $1 AS note, NULL AS other FROM {key.table} t ANTI JOIN"
            f" {key.table}_source s ON {same}",
            f'for "{name}": not found in "{key.source}" as "{", ".join(key.source_names)}"',
        )

    def found(self, key: Foreign, rows: Sequence[int]) -> list[list[str]]:
        """Texts of the keys that these rows find."""
        told = ", ".join(f"any_value(s.t{i})" for i in range(len(key.columns)))
        kept = ", ".join(f"s.k{i}" for i in range(len(key.columns)))
        batch = pa.table({"row": pa.array(rows, pa.int64())})  # noqa: F841
        found = self._ledger.db.execute(
            f"SELECT {told} FROM {key.table} t JOIN batch USING (row)"
            f" JOIN {key.table}_source s ON {_same(key)} GROUP BY {kept}"
        ).fetchall()
        return [list(row) for row in found]


def _arrays(
    rows: list[tuple[Any, ...]] | None, kinds: Sequence[pa.DataType]
) -> list[pa.Array] | None:
    if not rows:
        return None
    columns = zip(*rows, strict=True)
    return [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]


def _as_table(held: Sequence[tuple[pa.Array, list[pa.Array]]]) -> pa.Table:
    """Row numbers and the parts of their keys, as (row, k0, k1, …)."""
    columns = zip(*([rows, *parts] for rows, parts in held), strict=True)
    arrays = [pa.chunked_array(list(pieces)) for pieces in columns]
    return pa.table(arrays, names=["row", *(f"k{i}" for i in range(len(arrays) - 1))])


def _hash(batch: pa.Table) -> str:
    return f"hash({', '.join(batch.column_names[1:])})"


def _some(batch: pa.Table) -> str:
    return " OR ".join(f"{name} IS NOT NULL" for name in batch.column_names[1:])


def _ascends(held: Sequence[tuple[pa.Array, list[pa.Array]]]) -> bool:
    """Whether the keys of the last piece, of one part, are each above the one before it."""
    (part, *more) = held[-1][1]
    if more or part.null_count:
        return False
    before = held[0][1][0]
    if len(held) > 1 and not pc.greater(part[0], before[-1]).as_py():
        return False
    above = pc.greater(part.slice(1), part.slice(0, len(part) - 1))
    return bool(pc.all(above, min_count=0).as_py())


def _same(key: Foreign) -> str:
    return " AND ".join(f"t.k{i} IS NOT DISTINCT FROM s.k{i}" for i in range(len(key.columns)))
