"""Statistics of a released resource: written at its release, or made once and kept beside it.

Values of a column are counted live, within a deadline; what does not get ready in time is told
from the statistics, and the answer says so.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import (
    ChildCrashed,
    ChildMemory,
    ChildTimeout,
    ParameterInvalid,
    ServiceUnavailable,
)
from datahub.errors_query import QueryLimit
from datahub.forms.columns import Column, json_of, json_row, quote, text_of
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Json, Struct
from datahub.serve.sources import source
from datahub.store.derived import TABLE, Wanted
from datahub.validation.statistics import FORMAT, Job

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.serve.reading import Reading, Table

TARGET = "datahub.validation.statistics:write"
SUFFIX = ".stats.json"
KEPT = "stats.json"
SECONDS = 120
"""Until who asked for statistics that have yet to be made is told to come again."""
LIVE_SECONDS = 2.0
SHOWN_ROWS = 10
_making = threading.Lock()


class Values(Struct, frozen=True):
    """Distinct values of a column with their counts.

    `total` is exact, or `atleast` where `cut` says why not all were counted.
    """

    column: str
    title: str
    version: int
    data: list[Any]  # value and count
    total: dict[str, Any]
    nulls: int | None
    cut: dict[str, str] | None


def content(reading: Reading, table: Table) -> bytes:
    """Statistics of a table as JSON; see `validation.statistics` for what is in them.

    Raises:
        ServiceUnavailable: they take long to be made; asked again later they are there.

    """
    found = _at_hand(reading, table)
    if found is not None:
        return found
    with _making:
        found = _at_hand(reading, table)
        return found if found is not None else _make(reading, table)


def known(reading: Reading, table: Table) -> Json:
    """The same, decoded; made when they are not there."""
    found: Json = reading.remembered(
        ("statistics", table.digest), lambda: msgspec.json.decode(content(reading, table))
    )
    return found


def columns(reading: Reading, table: Table) -> dict[str, Json]:
    """Statistics of each column by its name."""
    return {column["name"]: column for column in known(reading, table)["columns"]}


def values(
    reading: Reading,
    table: Table,
    name: str,
    *,
    q: str | None = None,
    limit: int = 100,
    by_count: bool = True,
) -> Values:
    """Distinct values of a column that contain `q`, the most frequent first, or in their order.

    Raises:
        ParameterInvalid: there is no such column.

    """
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        allowed = ", ".join(column.name for column in table.columns)
        raise ParameterInvalid(
            name="column", value=name[:80],
            reason_zh=f"没有这一列；可用的列：{allowed}", reason_en=f"the columns are {allowed}",
        )  # fmt: skip
    try:
        data, total = _counted(reading, table, column, q, limit, by_count=by_count)
        cut = None
    except QueryLimit as error:
        data, total = _frequent(reading, table, name, q, limit)
        cut = {"reason": "time", "zh": error.facts["reason_zh"], "en": error.facts["reason_en"]}
    fields = {field["name"]: field for field in table.schema["fields"]}
    return Values(
        column=name,
        title=str(fields.get(name, {}).get("title") or name),
        version=table.version,
        data=data,
        total={"value": total, "kind": "atleast" if cut else "exact"},
        nulls=_nulls(reading, table, name),
        cut=cut,
    )


def profile(reading: Reading, table: Table) -> bytes:
    """Columns with title, unit and statistics, and the first rows: what a preview needs."""
    told = known(reading, table)
    fields = {field["name"]: field for field in table.schema["fields"]}
    return msgspec.json.encode(
        {
            "dataset": table.dataset,
            "resource": table.resource,
            "version": table.version,
            "rows": told["rows"],
            "bbox": told.get("bbox"),
            "columns": [
                _described(fields.get(column["name"], {})) | column for column in told["columns"]
            ],
            "first": first_rows(reading, table),
        }
    )


def first_rows(reading: Reading, table: Table) -> list[msgspec.Raw]:
    """The first rows as JSON objects."""
    at = source(reading, table)
    sql = f"select {json_row(table.columns)} from {at.relation} limit {SHOWN_ROWS}"  # noqa: S608
    return [msgspec.Raw(row[0].encode()) for row in reading.engine.run(sql, list(at.values))]


def _described(field: Json) -> Json:
    names = ("title", "title_en", "description", "unit", "format")
    return {name: field[name] for name in names if field.get(name)}


def _at_hand(reading: Reading, table: Table) -> bytes | None:
    """Statistics of this format, from the release or from what was made before."""
    released = table.path.with_name(f"{table.resource}{SUFFIX}")
    for path in (released, _kept(reading, table)):
        try:
            found = path.read_bytes()
        except OSError:
            continue
        if found.startswith(b'{"format":%d,' % FORMAT):
            return found
    return None


def _kept(reading: Reading, table: Table) -> Path:
    return reading.derived.folder(table.digest) / KEPT


def _make(reading: Reading, table: Table) -> bytes:
    target, settings = _kept(reading, table), reading.store.settings
    target.parent.mkdir(parents=True, exist_ok=True)
    owner = Wanted(table.dataset, table.version, table.resource, table.digest)
    (target.parent / TABLE).write_bytes(msgspec.json.encode(owner))
    job = Job(parquet=str(table.path), schema=table.schema, to=str(target.absolute()))
    limits = Limits(settings.child_memory, min(SECONDS, settings.child_seconds))
    try:
        run(TARGET, job, returns=int, limits=limits, folder=target.parent)
    except (ChildTimeout, ChildMemory, ChildCrashed):
        raise ServiceUnavailable(
            reason_zh="统计还没有算好", reason_en="the statistics are not ready"
        ) from None
    return target.read_bytes()


def _counted(
    reading: Reading, table: Table, column: Column, q: str | None, limit: int, *, by_count: bool
) -> tuple[list[Any], int]:
    """Values and how many there are, from the data."""
    name, at = quote(column.name), source(reading, table)
    good = f"isfinite({name})" if column.kind in ("DOUBLE", "FLOAT") else f"{name} is not null"
    given: list[Any] = list(at.values)
    if q:
        good += f" and contains(lower({text_of(column)}), lower(?))"
        given.append(q)
    sql = (
        f"select to_json(struct_pack(value := {json_of(column, 'v')}, count := n))::varchar, total"  # noqa: S608
        f" from (select v, n, count(*) over () as total from (select {name} as v, count(*) as n"
        f" from {at.relation} where {good} group by {name})"
        f" order by {'n desc, ' if by_count else ''}v limit {limit})"
    )
    rows = reading.engine.run(sql, given, LIVE_SECONDS)
    return [msgspec.Raw(row[0].encode()) for row in rows], rows[0][1] if rows else 0


def _frequent(
    reading: Reading, table: Table, name: str, q: str | None, limit: int
) -> tuple[list[Any], int]:
    """The most frequent values, from the statistics; none where those have to be made yet."""
    if _at_hand(reading, table) is None:
        return [], 0
    found = [
        item
        for item in columns(reading, table)[name]["top"]
        if not q or q.lower() in str(item["value"]).lower()
    ]
    return found[:limit], len(found)


def _nulls(reading: Reading, table: Table, name: str) -> int | None:
    if _at_hand(reading, table) is None:
        return None
    nulls: int = columns(reading, table)[name]["nulls"]
    return nulls
