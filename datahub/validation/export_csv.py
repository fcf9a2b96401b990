"""The CSV of a release: the cells as they were handed in, so that it validates alike."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.forms.names import FORMS
from datahub.validation.export_parts import CHUNK, Parts, copied
from datahub.validation.reading import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datahub.model import Distribution, Table

_MEDIA_TYPE = FORMS["csv"].media_type


def write_csv(
    resource: str, tables: Sequence[Table], folder: Path, limit: int
) -> list[Distribution]:
    """Write UTF-8 CSV, in parts of at most `limit` bytes that each have the header.

    A file that is that already is kept byte for byte: its digest stays the original's.
    """
    path = folder / f"{resource}.csv"
    plain = Path(tables[0].path) if len(tables) == 1 and _is_plain(tables[0]) else None
    if plain is not None and plain.stat().st_size <= limit:
        return [copied(plain, path).told(resource, "csv", _MEDIA_TYPE)]
    records = _as_they_are(plain) if plain is not None else _written(merged(tables))
    with Parts(path, limit, head=next(records)) as parts:
        for data, rows in _gathered(records, min(CHUNK, limit // 16)):
            parts.add(data, rows)
    return parts.told(resource, "csv", _MEDIA_TYPE)


def _is_plain(table: Table) -> bool:
    dialect = table.dialect
    shape = (dialect.delimiter, dialect.quote_char, dialect.header_row)
    return shape == (",", '"', 1) and not table.copied


def _as_they_are(path: Path) -> Iterator[bytes]:
    """Bytes of each record of a CSV file; they make the file together."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    with path.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(lines()):
            record = "".join(taken)
            taken.clear()
            yield (record if record.endswith(("\n", "\r")) else f"{record}\n").encode()


def _written(rows: Iterable[list[str]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _gathered(records: Iterable[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """Records in pieces of about `size` bytes, and how many there are in each."""
    held: list[bytes] = []
    total = 0
    for record in records:
        held.append(record)
        total += len(record)
        if total >= size:
            yield b"".join(held), len(held)
            held, total = [], 0
    if held:
        yield b"".join(held), len(held)
