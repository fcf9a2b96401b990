"""Keys of a table over all of its rows, and the tables that its foreign keys refer to."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datahub.validation import reference
from datahub.validation.columns import Column, UnjudgeableError
from datahub.validation.keys import Foreign, Key, Keys
from datahub.validation.request import WholeError
from datahub.validation.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.model import Json
    from datahub.validation.columns import Judged
    from datahub.validation.ledger import Ledger
    from datahub.validation.request import Request

_NO_EXACT_KEY = {"duration", "geopoint", "array", "object", "geojson", "list"}
_WAITING = 20_000


class Integrity:
    """All keys of one table; without any it does nothing.

    Raises:
        WholeError: they are of a kind that only frictionless itself compares.

    """

    def __init__(
        self, request: Request, opened: reference.Opened, columns: Sequence[Column],
        ledger: Ledger, block: int,
    ) -> None:  # fmt: skip
        self._request, self._opened, self._columns = request, opened, columns
        self._block = block
        known = {column.name: column for column in columns}
        unique = unique_keys(columns, opened.primary_key)
        foreign = [
            Foreign(
                tuple(known[name] for name in entry["fields"]),
                entry["reference"]["resource"],
                tuple(entry["reference"]["fields"]),
                f"foreign_{number}",
            )
            for number, entry in enumerate(opened.foreign_keys)
            if set(entry["fields"]) <= known.keys()
        ]
        for entry in opened.foreign_keys:  # frictionless opens even those it cannot use
            name = entry["reference"]["resource"]
            if name not in ("", request.given.name):
                self._open_related(name)
        self._sources = {key.table: self._source(key, known) for key in foreign}
        if len({key.source for key in foreign}) < len(
            {(k.source, k.source_names) for k in foreign}
        ):
            raise WholeError("foreign keys to several keys of one resource")
        self.keys = Keys(unique, foreign, ledger) if unique or foreign else None

    def add(self, rows: pa.Array, judged: Sequence[Judged]) -> None:
        """Take the keys of one batch."""
        if self.keys is None:
            return
        self.keys.add(rows, dict(enumerate(judged, start=1)))
        for key in self.keys.foreign:
            if self._is_own(key):
                columns, _ = self._sources[key.table]
                own = [judged[c.number - 1] if c else None for c in columns]
                _add_source(self.keys, key, columns, own, len(rows))

    def add_row(self, row: int, cells: Sequence[str | None]) -> None:
        """Take the keys of one ragged row, padded to the width of the table."""
        if self.keys is None:
            return
        self.keys.add_row(row, cells)
        for key in self.keys.foreign:
            if self._is_own(key):
                _add_source_row(self.keys, key, self._sources[key.table][0], cells)

    def judge(self) -> None:
        """Note repeated keys, and those that refer to nothing."""
        if self.keys is None:
            return
        again = self.keys.repeated()
        unknown = [key for key in again if not self.keys.prepare(key)]
        if unknown:
            self._take_again(self.keys, unknown)
        for key in again:
            self.keys.judge_repeated(key)
        for foreign in self.keys.foreign:
            if not self._is_own(foreign):
                self._read_source(self.keys, foreign)
            self.keys.judge_foreign(foreign)

    def lookups(self, rows: list[int]) -> dict[str, reference.Lookup]:
        """Tables for frictionless to look in: what these rows find there, and no more."""
        found: dict[str, reference.Lookup] = {}
        for key in self.keys.foreign if self.keys else ():
            fields, texts = found.setdefault(key.source, (self._source_fields(key), []))
            texts += self.keys.found(key, rows) if self.keys else []
        for entry in self._opened.foreign_keys:  # those whose columns are not in the file
            names = dict.fromkeys(entry["reference"]["fields"])
            fields = [{"name": name, "type": "any"} for name in names]
            found.setdefault(entry["reference"]["resource"], (fields, []))
        return found

    def _is_own(self, key: Foreign) -> bool:
        return key.source in ("", self._request.given.name)

    def _source(self, key: Foreign, known: dict[str, Column]) -> tuple[list[Column | None], int]:
        """Columns that a foreign key refers to (None: not in the file), and the file's width."""
        if self._is_own(key):
            by_name, width = known, len(self._columns)
        else:
            by_name, width = self._open_related(key.source)
        if len(set(key.source_names)) < len(key.source_names):
            raise WholeError("a foreign key that refers to one field twice")
        found = [by_name.get(name) for name in key.source_names]
        for here, there in zip(key.columns, found, strict=True):
            classes = {here.key_class(), there.key_class() if there else here.key_class()}
            if len(classes) > 1 or classes & _NO_EXACT_KEY:
                raise WholeError("foreign key between types that are compared value by value")
        return found, width

    def _open_related(self, name: str) -> tuple[dict[str, Column], int]:
        if name not in self._request.related:
            raise WholeError(f'no resource "{name}"')
        try:
            opened = reference.open_header(self._request.given.related[name])
        except Exception as error:
            raise WholeError(f'resource "{name}" cannot be read') from error
        if not opened.labels:
            raise WholeError(f'resource "{name}" has no header')
        columns = [
            make_column(entry, number) for number, entry in enumerate(opened.fields, start=1)
        ]
        return {column.name: column for column in columns}, len(columns)

    def _take_again(self, keys: Keys, again: list[Key]) -> None:
        """Read again the rows whose keys may be repeated."""
        waiting: list[tuple[int, list[str | None]]] = []

        def take(row: int, cells: list[str]) -> None:
            waiting.append((row, [*cells, *[None] * (len(self._columns) - len(cells))]))
            if len(waiting) >= _WAITING:
                flush()

        def flush() -> None:
            rows = pa.array([row for row, _ in waiting], pa.int64())
            for key in again:
                texts = [
                    pa.array([cells[c.number - 1] for _, cells in waiting], pa.string())
                    for c in key.columns
                ]
                keys.take(key, rows, texts)
            waiting.clear()

        scan = Scan(self._request.table, len(self._columns), self._block)
        for piece in scan.pieces(take):
            for key in again:
                texts = [piece.texts.column(column.number - 1) for column in key.columns]
                keys.take(key, piece.rows, texts)
        flush()

    def _read_source(self, keys: Keys, key: Foreign) -> None:
        columns, width = self._sources[key.table]

        def take(_row: int, cells: list[str]) -> None:
            _add_source_row(keys, key, columns, [*cells, *[None] * (width - len(cells))])

        scan = Scan(self._request.related[key.source], width, self._block)
        for piece in scan.pieces(take):
            judged = [c.judge(piece.texts.column(c.number - 1)) if c else None for c in columns]
            _add_source(keys, key, columns, judged, len(piece))

    def _source_fields(self, key: Foreign) -> list[Json]:
        columns, _ = self._sources[key.table]
        return [
            c.descriptor() if c else {"name": name, "type": "any"}
            for name, c in zip(key.source_names, columns, strict=True)
        ]


def keys_of(schema: Json) -> list[Key]:
    """Primary key and unique fields of a table whose columns are those of its schema."""
    found = reference.fields_of(schema)
    columns = [Column(entry, number) for number, entry in enumerate(found.fields, start=1)]
    return unique_keys(columns, found.primary_key)


def unique_keys(columns: Sequence[Column], primary_key: Sequence[str]) -> list[Key]:
    """Unique fields, and the primary key where all of its columns are there."""
    known = {column.name: column for column in columns}
    unique = [
        Key(
            (column,),
            primary=False,
            table=f"unique_{sha256(column.name.encode()).hexdigest()[:16]}",
        )
        for column in columns
        if column.field.constraints.get("unique")
    ]
    if primary_key and set(primary_key) <= known.keys():
        parts = tuple(known[name] for name in primary_key)
        unique.append(Key(parts, primary=True, table="primary_key"))
    return unique


def make_column(entry: Any, number: int) -> Column:
    """Return the column of a frictionless field.

    Raises:
        UnjudgeableError: a constraint of the field cannot be used.

    """
    try:
        return Column(entry, number)
    except Exception as error:
        raise UnjudgeableError(entry.name, None, error) from error


def _add_source(
    keys: Keys, key: Foreign, columns: Sequence[Column | None], judged: Sequence[Judged | None],
    length: int,
) -> None:  # fmt: skip
    nothing = pa.nulls(length, pa.string())
    pairs = list(zip(columns, judged, strict=True))
    parts = [column.exact_key(found) if column and found else nothing for column, found in pairs]
    keys.add_source(key, parts, [found.texts if found else nothing for _, found in pairs])


def _add_source_row(
    keys: Keys, key: Foreign, columns: Sequence[Column | None], cells: Sequence[str | None]
) -> None:
    texts = [cells[column.number - 1] if column else None for column in columns]
    told = [c.exact(text) if c else None for c, text in zip(columns, texts, strict=True)]
    keys.add_source_row(key, told, texts)
