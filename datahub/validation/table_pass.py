"""The pass over a table that proves most cells valid, and frictionless's report on the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from datahub.validation import reference
from datahub.validation.integrity import Integrity, make_column
from datahub.validation.ledger import FAULTS, ROW_PLACE, Ledger
from datahub.validation.request import Outcome, Request, WholeError
from datahub.validation.scan import Piece, Scan, in_order, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datahub.model import Json
    from datahub.validation.columns import Column, Judged

AUDITED = 10_000


class DifferenceError(WholeError):
    """The pass and frictionless disagree: an alarm, and frictionless is right."""


class TablePass:
    """One attempt at a table, with blocks of one size."""

    def __init__(
        self, request: Request, opened: reference.Opened, ledger: Ledger, block: int
    ) -> None:
        self._request, self._opened, self._ledger, self._block = request, opened, ledger, block
        self._columns = [
            make_column(entry, number) for number, entry in enumerate(opened.fields, start=1)
        ]
        self._scan = _scan(request, len(self._columns), block)
        self._integrity = Integrity(request, opened, self._columns, ledger, block)
        # Where "" is a value to some column, an empty line and a row of empty cells differ.
        self._lines_differ = not all(column.empty_is_missing for column in self._columns)
        errors = len(opened.errors)
        limit = request.limit_errors
        self._limit = max(1, limit - errors) if limit else 0
        self._kept: dict[int, list[str]] = {}
        self._kept_faults = 0
        self._sample: list[int] = []

    def outcome(self) -> Outcome:
        """Judge the table.

        Raises:
            DifferenceError: frictionless says anything else about the rows it was given.
            UnjudgeableError: it has no verdict on some value.
            RecordTooLongError: a record is larger than a block.

        """
        self._pass()
        self._integrity.judge()
        request = self._request
        rows = self._rows_to_judge()
        report = reference.judge_rows(
            request.given,
            self._fetch(rows),
            total=self._scan.total,
            lookups=self._integrity.lookups(rows),
            limit_errors=request.limit_errors,
        )
        if self._scan.total:  # a run that was cut counted its own rows only
            report["tasks"][0]["stats"]["rows"] = self._scan.total
        if self._differs(report):
            raise DifferenceError("frictionless told other errors than the columns did")
        return Outcome(
            report,
            self._ledger,
            self._scan.total,
            audited=len(self._sample),
            judged={column.name: column.how for column in self._columns},
            header=[error.to_descriptor() for error in self._opened.errors],
            keys=self._integrity.keys,
        )

    # The pass -----------------------------------------------------------------------------

    def _pass(self) -> None:
        with ThreadPoolExecutor(workers()) as pool:
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
        faults = [
            self._faults(piece, column, batch, blank, at_fault)
            for column, found in zip(self._columns, judged, strict=True)
            for batch in found.faults()
        ]
        if faults:  # in one write: many small ones are slow
            self._ledger.add_batch(pa.Table.from_batches(faults, FAULTS))
        if self._integrity.keys is not None:
            self._integrity.add(piece.rows, judged)
        if len(piece):
            self._keep(piece, at_fault)
        if self._request.on_rows is not None:
            self._request.on_rows(self._scan.total)

    def _faults(
        self,
        piece: Piece,
        column: Column,
        batch: pa.RecordBatch,
        blank: pa.Array | None,
        at_fault: set[int],
    ) -> pa.RecordBatch:
        """Faults of one column in a piece, under FAULTS."""  # fmt: skip
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
        return pa.RecordBatch.from_arrays(arrays, schema=FAULTS)

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
        self._integrity.add_row(row, padded)
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


def _scan(request: Request, width: int, block: int) -> Scan:
    """Return the reading that has begun, when it is of this table."""
    started, request.started = request.started, None
    if started is not None and started.table is request.table and started.fits(width, block):
        return started
    return Scan(request.table, width, block)
