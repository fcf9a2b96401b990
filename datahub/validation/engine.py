"""Judge one table at column speed with exactly frictionless's verdicts.

One pass over Arrow batches proves most cells valid and asks frictionless's reader about the others,
once per distinct text; keys go to DuckDB. The report's errors are then frictionless's own, from the
rows at fault alone, among rows that were found clean, one in AUDITED: should it say anything else
than the pass did, it judges the whole table, and the report tells that.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from datahub.errors import LineTooLong
from datahub.validation import reference
from datahub.validation.columns import Column, Judged, UnjudgeableError
from datahub.validation.keys import Foreign, Key, Keys
from datahub.validation.ledger import FAULTS, ROW_PLACE, Ledger
from datahub.validation.reference import Given
from datahub.validation.scan import (
    Piece,
    RecordTooLongError,
    Scan,
    blocks,
    in_order,
    too_long,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from datahub.model import Json, Table
    from datahub.validation.typed import TypedFile

AUDITED = 10_000
WIDEST = 5_000
_THREADS = 2


class _WholeError(Exception):
    """This table is one that frictionless must judge row by row."""


@dataclass
class Outcome:
    """A table judged: the report (one task), all faults, and how it was done."""

    report: Json
    ledger: Ledger
    rows: int = 0
    engine: str = "columns"  # or "frictionless"
    why: str = ""
    audited: int = 0
    differences: int = 0
    judged: dict[str, str] = field(default_factory=dict)
    header: list[Json] = field(default_factory=list)
    fields: list[Json] = field(default_factory=list)  # of the schema

    def has_table(self, name: str) -> bool:
        """Whether the ledger holds the keys of that name."""
        return self.engine == "columns" and name in self.ledger.tables()


@dataclass
class Request:
    """A table to judge, and what its foreign keys look in."""

    given: Given
    table: Table
    folder: Path
    limit_errors: int = 1000
    limit_rows: int | None = None
    related: dict[str, Table] = field(default_factory=dict)
    typed: TypedFile | None = None  # takes the typed columns as long as there is no fault
    on_rows: Callable[[int], None] | None = None
    vectorised: bool = True  # the dialect is one that Arrow reads


def judge_table(request: Request) -> Outcome:
    """Judge a table.

    Raises:
        LineTooLong: a record is larger than any that is read.

    """
    began = time.perf_counter()
    try:
        outcome = _by_columns(request)
    except _WholeError as why:
        outcome = _whole(request, str(why))
    except UnjudgeableError as error:
        outcome = _unjudgeable(request, error)
    outcome.fields = [f for f in request.given.schema.get("fields", ()) if isinstance(f, dict)]
    seconds = round(time.perf_counter() - began, 3)
    outcome.report["stats"]["seconds"] = seconds
    for task in outcome.report["tasks"]:
        task["stats"]["seconds"] = seconds
    return outcome


def _by_columns(request: Request) -> Outcome:
    opened = _open(request)
    for size in blocks():
        ledger = Ledger(request.folder)
        try:
            return _Run(request, opened, ledger, size).outcome()
        except RecordTooLongError:
            ledger.close()
        except pa.ArrowInvalid as error:
            ledger.close()
            raise _WholeError(f"the bytes are no UTF-8 ({error})") from error
        except Exception:
            ledger.close()
            raise
    raise too_long(request.table)


def _open(request: Request) -> reference.Opened:
    if not request.vectorised:
        raise _WholeError("a dialect that only frictionless reads")
    if request.limit_rows:
        raise _WholeError("a limit of rows")
    try:
        opened = reference.open_header(request.given)
    except Exception as error:  # a schema that is wrong, or one that frictionless chokes on
        raise _WholeError("schema or header cannot be read") from error
    if not opened.labels:
        raise _WholeError("no header")
    if len(opened.labels) > WIDEST:
        raise _WholeError(f"more than {WIDEST} columns")
    return opened


def _whole(request: Request, why: str) -> Outcome:
    """Let frictionless judge all rows; its errors beyond the limit are counted too."""
    ledger = Ledger(request.folder)
    try:
        report = reference.judge_whole(
            request.given, limit_errors=request.limit_errors, limit_rows=request.limit_rows
        )
    except Exception as error:  # noqa: BLE001 - whatever comparing odd values raises
        return _failed(request, f"{type(error).__name__}: {error}")
    (task,) = report["tasks"]
    header, rows = [], task["stats"].get("rows", 0)
    cut = any("error limit" in warning for warning in task["warnings"])
    counted = reference.ErrorStream(request.given)
    try:
        for error in counted if cut else task["errors"]:
            if "rowNumber" not in error:
                header.append(error)
                continue
            ledger.add(
                error["rowNumber"], error.get("fieldNumber", ROW_PLACE), error["type"],
                field=error.get("fieldName", ""), cell=error.get("cell", ""), note=error["note"],
            )  # fmt: skip
        rows = counted.rows if cut else rows
    except Exception:  # noqa: BLE001 - the rest of the rows cannot be judged
        why += "; not all rows could be counted"
    return Outcome(report, ledger, rows, "frictionless", why, header=header)


def _unjudgeable(request: Request, error: UnjudgeableError) -> Outcome:
    if request.limit_errors:  # frictionless may have had enough errors before that value
        try:
            report = reference.judge_whole(request.given, limit_errors=request.limit_errors)
        except Exception:  # noqa: BLE001 - it has no verdict either
            pass
        else:
            return Outcome(report, Ledger(request.folder), 0, "frictionless", str(error.reason))
    return _failed(
        request,
        f'field "{error.field}": value "{error.cell}" cannot be compared'
        f" ({type(error.reason).__name__}: {error.reason})",
    )


def _failed(request: Request, note: str) -> Outcome:
    found = reference.fault("check-error", note)
    task = reference.empty_task(request.given.name, [found])
    report = {
        "valid": False,
        "stats": {"tasks": 1, "errors": 1, "warnings": 0, "seconds": 0.0},
        "warnings": [],
        "errors": [],
        "tasks": [task],
    }
    return Outcome(report, Ledger(request.folder), engine="frictionless", why=note, header=[found])


class _Run:
    """One attempt at a table, with blocks of one size."""

    def __init__(
        self, request: Request, opened: reference.Opened, ledger: Ledger, block: int
    ) -> None:
        self._request, self._opened, self._ledger, self._block = request, opened, ledger, block
        self._columns = [
            _column(entry, number) for number, entry in enumerate(opened.fields, start=1)
        ]
        self._by_name = {column.name: column for column in self._columns}
        self._scan = Scan(request.table, len(self._columns), block)
        self._keys = self._make_keys()
        # Where "" is a value to some column, an empty line and a row of empty cells differ.
        self._lines_differ = not all(column.empty_is_missing for column in self._columns)
        errors = len(opened.errors)
        limit = request.limit_errors
        self._limit = max(1, limit - errors) if limit else 0
        self._kept: dict[int, list[str]] = {}
        self._kept_faults = 0
        self._sample: list[int] = []

    def outcome(self) -> Outcome:
        """Judge the table."""
        self._pass()
        self._judge_keys()
        request = self._request
        rows = self._rows_to_judge()
        report = reference.judge_rows(
            request.given,
            self._fetch(rows),
            total=self._scan.total,
            lookups=self._lookups(rows),
            limit_errors=request.limit_errors,
        )
        if self._scan.total:  # a run that was cut counted its own rows only
            report["tasks"][0]["stats"]["rows"] = self._scan.total
        if self._differs(report):
            self._ledger.close()
            found = _whole(request, "frictionless told other errors than the columns did")
            found.differences = 1
            return found
        return Outcome(
            report,
            self._ledger,
            self._scan.total,
            audited=len(self._sample),
            judged={column.name: column.how for column in self._columns},
            header=[error.to_descriptor() for error in self._opened.errors],
        )

    # The pass -----------------------------------------------------------------------------

    def _pass(self) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            pieces = self._scan.pieces(self._take_ragged)
            for piece, (judged, blank, typed) in in_order(pool, self._work, pieces):
                self._take(piece, judged, blank)
                if typed is not None and self._request.typed and self._is_clean():
                    self._request.typed.take(typed, len(piece))

    def _is_clean(self) -> bool:
        return not self._ledger.count and not self._opened.errors

    def _work(self, piece: Piece) -> tuple[list[Judged], pa.Array | None, dict[str, Any] | None]:
        judged, blank = self._judge(piece)
        typed = self._request.typed
        if typed is None or typed.stale or not self._is_clean():
            return judged, blank, None
        return judged, blank, typed.read(self._columns, judged)

    def _judge(self, piece: Piece) -> tuple[list[Judged], pa.Array | None]:
        """Judge all columns of a piece; the mask tells its blank rows."""
        judged = [
            column.judge(texts)
            for column, texts in zip(self._columns, piece.texts.columns, strict=True)
        ]
        blank = judged[0].missing
        for column in judged[1:]:
            if not pc.any(blank).as_py():
                return judged, None
            blank = pc.and_(blank, column.missing)
        return judged, blank if pc.any(blank).as_py() else None

    def _take(self, piece: Piece, judged: list[Judged], blank: pa.Array | None) -> None:
        """Note the faults, keys and samples of a piece."""
        if self._lines_differ and (empty := self._empty_lines(piece)):
            for index in empty:
                self._take_ragged(piece.row(index), [])
            piece = piece.without(empty)
            judged, blank = self._judge(piece)
        at_fault: set[int] = set()
        if blank is not None:
            for index in pc.indices_nonzero(blank).to_pylist():
                self._ledger.add(piece.row(index), ROW_PLACE, "blank-row")
                at_fault.add(index)
        for column, found in zip(self._columns, judged, strict=True):
            for batch in found.faults():
                self._take_faults(piece, column, batch, blank, at_fault)
        if self._keys is not None:
            self._add_keys(self._keys, piece.rows, judged)
        if len(piece):
            self._keep(piece, at_fault)
        if self._request.on_rows is not None:
            self._request.on_rows(self._scan.total)

    def _take_faults(
        self, piece: Piece, column: Column, batch: pa.RecordBatch, blank: pa.Array | None,
        at_fault: set[int],
    ) -> None:  # fmt: skip
        if blank is not None:  # a blank row has no other cell errors
            batch = batch.filter(pc.invert(blank.take(batch.column("index"))))
        length, indices = batch.num_rows, batch.column("index")
        if self._room():
            at_fault.update(indices.to_pylist())
        arrays = [
            piece.rows.take(indices),
            pa.repeat(pa.scalar(column.number, pa.int32()), length),
            batch.column("kind"),
            pa.repeat(column.name, length),
            batch.column("cell"),
            batch.column("note"),
            pa.nulls(length, pa.int64()),
        ]
        self._ledger.add_batch(pa.RecordBatch.from_arrays(arrays, schema=FAULTS))

    def _empty_lines(self, piece: Piece) -> list[int]:
        """Indices of rows that are empty lines."""
        empty = pc.equal(piece.texts.column(0), "")
        for texts in piece.texts.columns[1:]:
            empty = pc.and_(empty, pc.equal(texts, ""))
        found = pc.indices_nonzero(empty).to_pylist()
        return [index for index in found if piece.row(index) in self._scan.empty]

    def _take_ragged(self, row: int, cells: list[str]) -> None:
        """Judge a record with more or fewer cells than labels, cell by cell."""
        width = len(self._columns)
        padded: list[str | None] = [*cells[:width], *[None] * (width - len(cells))]
        add = self._ledger.add
        if all(c.is_missing(cell) for c, cell in zip(self._columns, padded, strict=True)):
            add(row, ROW_PLACE, "blank-row")
        else:
            for column, cell in zip(self._columns, padded, strict=True):
                for kind, note in column.verdict(cell).faults:
                    add(row, column.number, kind, field=column.name, cell=str(cell), note=note)
            for number, cell in enumerate(cells[width:], start=width + 1):
                add(row, number, "extra-cell", cell=cell)
            for column in self._columns[len(cells) :]:
                add(row, column.number, "missing-cell", field=column.name)
        if self._keys is not None:
            self._keys.add_row(row, padded)
            for key in self._keys.foreign:
                if self._is_own(key):
                    self._add_own_source(key, padded)
        if len(self._kept) < 2 * self._limit:
            self._kept[row] = cells

    # Rows that frictionless is to see -----------------------------------------------------

    def _room(self) -> bool:
        return self._kept_faults < self._limit

    def _keep(self, piece: Piece, at_fault: set[int]) -> None:
        """Remember the cells of the first rows at fault, and of those to be audited."""
        if self._room():
            for index in sorted(at_fault)[: self._limit]:
                self._kept[piece.row(index)] = piece.cells(index)
            self._kept_faults += len(at_fault)
        first, last = piece.row(0), piece.row(len(piece) - 1)
        for row in range(first + -first % AUDITED, last + 1, AUDITED):
            index = row - first  # of a row near by, where ragged rows stand between
            index = min(index, len(piece) - 1)
            self._sample.append(piece.row(index))
            self._kept[piece.row(index)] = piece.cells(index)
        if not self._sample:
            self._sample.append(first)
            self._kept[first] = piece.cells(0)

    def _rows_to_judge(self) -> list[int]:
        rows = {*self._ledger.first_rows(self._limit), *self._sample}
        if not rows and self._scan.total:
            rows.add(min(self._kept))
        return sorted(rows)

    def _fetch(self, rows: list[int]) -> Iterator[tuple[int, list[str]]]:
        """Cells of rows, in order; read again where they were not kept."""
        if all(row in self._kept for row in rows):
            found: Iterator[tuple[int, list[str]]] = ((row, self._kept[row]) for row in rows)
        else:
            found = self._read_again(set(rows))
        for row, cells in found:
            yield row, [] if not any(cells) and row in self._scan.empty else cells

    def _read_again(self, rows: set[int]) -> Iterator[tuple[int, list[str]]]:
        wanted = pa.array(sorted(rows), pa.int64())
        ragged: list[tuple[int, list[str]]] = []

        def take(row: int, cells: list[str]) -> None:
            if row in rows:
                ragged.append((row, cells))

        for piece in self._again(take):
            found = pc.indices_nonzero(pc.is_in(piece.rows, value_set=wanted)).to_pylist()
            good = [(piece.row(index), piece.cells(index)) for index in found]
            last = piece.row(len(piece) - 1)
            ready = [entry for entry in ragged if entry[0] < last]
            del ragged[: len(ready)]
            yield from sorted([*good, *ready])
        yield from ragged

    def _again(self, on_ragged: Callable[[int, list[str]], None]) -> Iterator[Piece]:
        yield from Scan(self._request.table, len(self._columns), self._block).pieces(on_ragged)

    def _differs(self, report: Json) -> bool:
        """Whether frictionless says anything else than the pass did."""
        (task,) = report["tasks"]
        own = [
            (e["rowNumber"], e["type"], e.get("fieldName", ""))
            for e in task["errors"]
            if "rowNumber" in e
        ]
        if self._request.limit_errors and len(self._opened.errors) >= self._request.limit_errors:
            return bool(own)
        told = self._ledger.told(self._limit)
        last = max((row for row, *_ in told), default=0)  # may be cut in the middle
        whole = [[e for e in sorted(found) if e[0] < last] for found in (own, told)]
        return len(own) != len(told) or whole[0] != whole[1]

    # Keys ---------------------------------------------------------------------------------

    def _make_keys(self) -> Keys | None:
        known = self._by_name
        unique = _unique_keys(self._columns, self._opened.primary_key)
        foreign = [
            Foreign(
                tuple(known[name] for name in entry["fields"]),
                entry["reference"]["resource"],
                tuple(entry["reference"]["fields"]),
                f"foreign_{number}",
            )
            for number, entry in enumerate(self._opened.foreign_keys)
            if set(entry["fields"]) <= known.keys()
        ]
        for entry in self._opened.foreign_keys:  # frictionless opens even those it cannot use
            name = entry["reference"]["resource"]
            if name not in ("", self._request.given.name):
                self._open_related(name)
        self._sources = {key.table: self._source(key) for key in foreign}
        if len({key.source for key in foreign}) < len({(k.source, k.source_names) for k in foreign}):
            raise _WholeError("foreign keys to several keys of one resource")
        return Keys(unique, foreign, self._ledger) if unique or foreign else None

    def _is_own(self, key: Foreign) -> bool:
        return key.source in ("", self._request.given.name)

    def _source(self, key: Foreign) -> tuple[list[Column | None], int]:
        """Columns that a foreign key refers to (None: not in the file), and the file's width."""
        if self._is_own(key):
            by_name, width = self._by_name, len(self._columns)
        else:
            by_name, width = self._open_related(key.source)
        found = [by_name.get(name) for name in key.source_names]
        for here, there in zip(key.columns, found, strict=True):
            classes = {here.key_class(), there.key_class() if there else here.key_class()}
            if len(classes) > 1 or classes & _NO_EXACT_KEY:
                raise _WholeError("foreign key between types that are compared value by value")
        return found, width

    def _open_related(self, name: str) -> tuple[dict[str, Column], int]:
        if name not in self._request.related:
            raise _WholeError(f'no resource "{name}"')
        try:
            opened = reference.open_header(self._request.given.related[name])
        except Exception as error:
            raise _WholeError(f'resource "{name}" cannot be read') from error
        if not opened.labels:
            raise _WholeError(f'resource "{name}" has no header')
        columns = [_column(entry, number) for number, entry in enumerate(opened.fields, start=1)]
        return {column.name: column for column in columns}, len(columns)

    def _add_keys(self, keys: Keys, rows: pa.Array, judged: list[Judged]) -> None:
        keys.add(rows, {number: found for number, found in enumerate(judged, start=1)})
        for key in keys.foreign:
            if self._is_own(key):
                columns, _ = self._sources[key.table]
                own = [judged[c.number - 1] if c else None for c in columns]
                _add_source(keys, key, columns, own, len(rows))

    def _add_own_source(self, key: Foreign, cells: Sequence[str | None]) -> None:
        if self._keys is not None:
            columns, _ = self._sources[key.table]
            _add_source_row(self._keys, key, columns, cells)

    def _judge_keys(self) -> None:
        if self._keys is None:
            return
        again = self._keys.repeated()
        if again:
            self._take_again(self._keys, again)
        for key in again:
            self._keys.judge_repeated(key)
        for foreign in self._keys.foreign:
            if not self._is_own(foreign):
                self._read_source(self._keys, foreign)
            self._keys.judge_foreign(foreign)

    def _take_again(self, keys: Keys, again: list[Key]) -> None:
        def take(row: int, cells: list[str]) -> None:
            padded = [*cells, *[None] * (len(self._columns) - len(cells))]
            for key in again:
                texts = [pa.array([padded[c.number - 1]], pa.string()) for c in key.columns]
                keys.take(key, pa.array([row], pa.int64()), texts)

        for piece in self._again(take):
            for key in again:
                texts = [piece.texts.column(column.number - 1) for column in key.columns]
                keys.take(key, piece.rows, texts)

    def _read_source(self, keys: Keys, key: Foreign) -> None:
        columns, width = self._sources[key.table]

        def take(_row: int, cells: list[str]) -> None:
            _add_source_row(keys, key, columns, [*cells, *[None] * (width - len(cells))])

        scan = Scan(self._request.related[key.source], width, self._block)
        for piece in scan.pieces(take):
            judged = [c.judge(piece.texts.column(c.number - 1)) if c else None for c in columns]
            _add_source(keys, key, columns, judged, len(piece))

    def _lookups(self, rows: list[int]) -> dict[str, reference.Lookup]:
        """Tables for frictionless to look in: what these rows find there, and no more."""
        found: dict[str, reference.Lookup] = {}
        for key in self._keys.foreign if self._keys else ():
            fields, texts = found.setdefault(key.source, (self._source_fields(key), []))
            texts += self._keys.found(key, rows) if self._keys else []
        for entry in self._opened.foreign_keys:  # those whose columns are not in the file
            fields = [{"name": name, "type": "any"} for name in entry["reference"]["fields"]]
            found.setdefault(entry["reference"]["resource"], (fields, []))
        return found

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
    return _unique_keys(columns, found.primary_key)


def _unique_keys(columns: Sequence[Column], primary_key: Sequence[str]) -> list[Key]:
    known = {column.name: column for column in columns}
    unique = [
        Key((column,), primary=False, table=f"unique_{column.number}")
        for column in columns
        if column.field.constraints.get("unique")
    ]
    if primary_key and set(primary_key) <= known.keys():
        parts = tuple(known[name] for name in primary_key)
        unique.append(Key(parts, primary=True, table="primary_key"))
    return unique


_NO_EXACT_KEY = {"duration", "geopoint", "array", "object", "geojson", "list"}


def _column(entry: Any, number: int) -> Column:
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


__all__ = ["LineTooLong", "Outcome", "Request", "judge_table"]
