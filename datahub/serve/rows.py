"""Rows of a release, page by page, straight from its Parquet file.

Rows keep the order of publication; a page is a window of row numbers, so that the last page
costs what the first one costs. A release never changes, so neither does a page.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from datahub.model import Json, Struct
from datahub.serve.filters import Column, Cursor, Filter, encode_cursor, offset, quote, to_sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datahub.serve.engine import Engine

_ROW = "file_row_number"


class Page(Struct, frozen=True):
    """A window on a resource's rows."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    total: int
    next: str | None


def columns(engine: Engine, path: Path, schema: Json) -> tuple[Column, ...]:
    """Columns of a Parquet file, with the zones that the table schema declares."""
    zones = {field["name"]: field.get("timezone") for field in schema["fields"]}
    return tuple(
        Column(name=name, kind=kind, zone=zones.get(name)) for name, kind in engine.kinds(path)
    )


def page(
    engine: Engine,
    path: Path,
    shown: Sequence[Column],
    filters: Sequence[Filter],
    cursor: Cursor,
    *,
    rows: int,
    limit: int,
) -> Page:
    """Read up to `limit` rows from the cursor on; `rows` is how many the file has."""
    where, values = _filtered(filters, cursor.row, limit) if filters else _window(cursor.row, limit)
    sql = f"{_select(shown)} where {where}"
    found = engine.cursor().execute(sql, [str(path), *values]).fetchall()
    more = found[limit][-1] if len(found) > limit else None
    return Page(
        names=tuple(column.name for column in shown),
        rows=[row[:-1] for row in found[:limit]],
        total=_count(engine, path, tuple(filters)) if filters else rows,
        next=None if more is None else encode_cursor(_moved(cursor, more)),
    )


def _moved(cursor: Cursor, row: int) -> Cursor:
    return Cursor(version=cursor.version, row=row, filters=cursor.filters)


def _window(row: int, limit: int) -> tuple[str, list[Any]]:
    """Rows from `row` on, and one more that tells whether there are more: read by position."""
    return f"{_ROW} between ? and ? order by {_ROW}", [row, row + limit]


def _filtered(filters: Sequence[Filter], row: int, limit: int) -> tuple[str, list[Any]]:
    """The same among the rows that the filters let through."""
    where, values = to_sql(filters)
    return f"{_ROW} >= ? and {where} order by {_ROW} limit ?", [row, *values, limit + 1]


def _select(shown: Sequence[Column]) -> str:
    listed = ", ".join(f"{expression(column)} as {quote(column.name)}" for column in shown)
    return f"select {listed}, {_ROW} from read_parquet(?, file_row_number=true)"  # noqa: S608


def expression(column: Column) -> str:
    """Column as JSON tells it: times with their zone's offset, the rest as it is."""
    name = quote(column.name)
    if column.kind != "TIMESTAMP WITH TIME ZONE":
        return name
    zone = column.zone or "+00:00"
    seconds = offset(zone).utcoffset(None)
    micros = int(seconds.total_seconds() * 1_000_000) if seconds else 0
    local = f"strftime(make_timestamp(epoch_us({name}) + {micros}), '%Y-%m-%dT%H:%M:%S.%f')"
    return f"replace({local}, '.000000', '') || '{zone}'"


@lru_cache(maxsize=1024)
def _count(engine: Engine, path: Path, filters: tuple[Filter, ...]) -> int:
    where, values = to_sql(filters)
    sql = f"select count(*) from read_parquet(?) where {where}"  # noqa: S608 - bound values only
    (count,) = engine.cursor().execute(sql, [str(path), *values]).fetchone()
    return int(count)


def fingerprint(resource: str, filters: Sequence[Filter]) -> str:
    """Short text that is the same for the same resource and filters; cursors carry it."""
    told = repr((resource, [(f.column.name, f.operator, f.value) for f in filters]))
    return sha256(told.encode()).hexdigest()[:12]
