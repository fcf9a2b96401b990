"""Keys that appear in more than one file of a resource, as errors of the later file.

Within one file the engine finds them itself; here the stand-ins of all files are put together, and
the rows that share one are read again and compared as frictionless compares them.
"""

# ruff: noqa: S608 - names are ours, values are bound
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.validation import reference
from datahub.validation.integrity import keys_of
from datahub.validation.ledger import ROW_PLACE
from datahub.validation.reading import records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datahub.model import Json, Table
    from datahub.validation.keys import Key
    from datahub.validation.reading import Slot
    from datahub.validation.request import Outcome


def repeated_across(
    slot: Slot, own: Sequence[tuple[Table, Outcome]], folder: Path, errors_kept: int
) -> None:
    """Add to each outcome the errors of keys that stand in a file before it."""
    if len(own) < 2:  # noqa: PLR2004 - more than one file
        return
    for number, key in enumerate(keys_of(slot.schema)):
        rows = _candidates(own, key, folder / f"across-{number}")
        seen: dict[Any, tuple[int, int]] = {}
        for file, (table, outcome) in enumerate(own):
            wanted = rows[file]
            here = _own(outcome, key)
            if wanted is not None and not wanted:
                continue
            for row, cells in records(table):
                if wanted is not None and row not in wanted:
                    continue
                value = _value(here, cells)
                if value is None:
                    continue
                first = seen.setdefault(value, (file, row))
                if first[0] != file:
                    place = f'{first[1]} of "{own[first[0]][0].name}"'
                    note = f"the same as in the row at position {place}"
                    _attach(outcome, here, row, cells, note, errors_kept)


def _own(outcome: Outcome, key: Key) -> Key:
    """The same key with the columns where this file has them."""
    unique = outcome.keys.unique if outcome.keys else []
    return next((own for own in unique if own.table == key.table), key)


def _candidates(
    own: Sequence[tuple[Table, Outcome]], key: Key, folder: Path
) -> Sequence[set[int] | None]:
    """Rows of each file whose key may be in another file too; None where all may."""
    tables = [outcome.keys.written(key.table) if outcome.keys else "" for _, outcome in own]
    if not all(tables):
        return [None] * len(own)  # a file that frictionless judged
    folder.mkdir()
    for file, (_, outcome) in enumerate(own):
        outcome.ledger.db.execute(
            f"COPY (SELECT row, h, {file} AS file FROM {tables[file]})"
            f" TO '{folder / str(file)}.parquet' (FORMAT parquet)"
        )
    import duckdb

    with duckdb.connect(config={"memory_limit": "512MB", "temp_directory": str(folder)}) as db:
        found = db.execute(
            "WITH k AS (SELECT * FROM read_parquet($1)) SELECT file, row FROM k SEMI JOIN"
            " (SELECT h FROM k GROUP BY h HAVING min(file) < max(file)) USING (h)",
            [str(folder / "*.parquet")],
        ).fetchall()
    rows: list[set[int]] = [set() for _ in own]
    for file, row in found:
        rows[file].add(row)
    return rows


def _value(key: Key, cells: list[str]) -> Any:
    """Parsed key; None when the row has no such cells or they are all empty."""
    if len(cells) < max(column.number for column in key.columns):
        return None
    return key.value([cells[column.number - 1] for column in key.columns])


def _attach(
    outcome: Outcome, key: Key, row: int, cells: list[str], note: str, errors_kept: int
) -> None:
    (task,) = outcome.report["tasks"]
    task["valid"] = outcome.report["valid"] = False
    column = key.columns[0]
    cell = cells[column.number - 1]
    more: Json = {}
    if key.primary:
        outcome.ledger.add(row, ROW_PLACE + 1, "primary-key", cell=cell, note=note, other=0)
    else:
        outcome.ledger.add(
            row, ROW_PLACE, "unique-error", field=column.name, cell=cell, note=note, other=0
        )
        more = {"cell": cell, "field_name": column.name, "field_number": column.number}
    if len(task["errors"]) < errors_kept:
        kind = "primary-key" if key.primary else "unique-error"
        task["errors"].append(reference.fault(kind, note, cells=cells, row_number=row, **more))
        task["stats"]["errors"] = task["stats"].get("errors", 0) + 1
