"""How the difference of two versions is told: lines of JSON, or a table as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.forms.columns import Column, json_of, literal, quote, text_of
from datahub.model import Struct
from datahub.serve.difference import WHATS, differs, rows_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datahub.serve.difference import Difference, Side, Window
    from datahub.serve.reading import Reading


class ColumnChanges(Struct, frozen=True):
    """What happened to the columns; rows are compared by those that both versions have."""

    added: list[dict[str, str]]
    removed: list[dict[str, str]]
    retyped: list[dict[str, str]]


def column_changes(found: Difference) -> ColumnChanges:
    """Columns that one version has alone, or that are of another type now."""
    older, newer = set(found.a.names), set(found.b.names)
    return ColumnChanges(
        added=[{"name": c.name, "type": c.type} for c in found.b.columns if c.name not in older],
        removed=[{"name": c.name, "type": c.type} for c in found.a.columns if c.name not in newer],
        retyped=[
            {"name": b.name, "before": a.type, "after": b.type}
            for a, b in found.shared
            if (a.type, a.format, a.zone) != (b.type, b.format, b.zone)
        ],
    )


def json_lines(reading: Reading, found: Difference, window: Window) -> list[str]:
    """Each line as a JSON object: what, and row, or key and columns with old and new."""
    told = [_row("a", found.a.columns), _row("b", found.b.columns), _key(found), _changed(found)]
    by_row = found.counts.by == "row"
    lines = []
    for what, times, older, newer, key, columns in rows_at(reading, found, window, told):
        head = f'{{"what":"{WHATS[what]}"' + (f',"times":{times}' if by_row else "")
        if WHATS[what] == "changed":
            lines.append(f'{head},"key":{key},"columns":{columns}}}')
        else:
            lines.append(f'{head},"row":{newer if WHATS[what] == "added" else older}}}')
    return lines


def _row(alias: str, columns: Sequence[Column]) -> str:
    pairs = [f"{literal(c.name)}, {json_of(c, f'{alias}.{quote(c.name)}')}" for c in columns]
    return f"json_object({', '.join(pairs)})::varchar"


def _key(found: Difference) -> str:
    return _row("b", [column for column in found.b.columns if column.name in found.counts.key])


def _changed(found: Difference) -> str:
    """SQL of an object of the columns that differ, each with its old and its new value."""
    pairs = [pair for pair in found.shared if pair[1].name not in found.counts.key]
    cells = [
        f"case when {differs((a, b))} then {_member(b.name)} || "
        f"json_object('old', {json_of(a, f'a.{quote(a.name)}')}, "
        f"'new', {json_of(b, f'b.{quote(b.name)}')})::varchar end"
        for a, b in pairs
    ]
    # concat_ws leaves out what is NULL: the columns that do not differ.
    return f"'{{' || concat_ws(',', {', '.join(cells)}) || '}}'" if cells else "'{}'"


def _member(name: str) -> str:
    """SQL of a member's name in a JSON object, with its colon."""
    return literal(msgspec.json.encode(name).decode() + ":")


def csv_text(reading: Reading, found: Difference, window: Window) -> str:
    """A table: what, times, then all columns; a changed row stands as `before` and `after`."""
    gone = [column for column in found.a.columns if column.name not in found.b.names]
    names = [column.name for column in (*found.b.columns, *gone)]
    told = [*_texts("a", found.a, names), *_texts("b", found.b, names)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(["what", "times", *names])
    for row in rows_at(reading, found, window, told):
        writer.writerows(_table_rows(row, len(names)))
    return out.getvalue()


def _table_rows(row: tuple[Any, ...], width: int) -> Iterator[tuple[Any, ...]]:
    what, times, cells = WHATS[row[0]], row[1], row[2:]
    older, newer = cells[:width], cells[width:]
    if what == "changed":
        yield ("before", times, *older)
        yield ("after", times, *newer)
    else:
        yield (what, times, *(newer if what == "added" else older))


def _texts(alias: str, side: Side, names: Sequence[str]) -> list[str]:
    columns = {column.name: column for column in side.columns}
    return [
        text_of(columns[name], f"{alias}.{quote(name)}") if name in columns else "null"
        for name in names
    ]
