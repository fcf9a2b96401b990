"""What can be asked in SQL: tables with their columns, and a query on each that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.errors import DatahubError
from datahub.forms.columns import quote
from datahub.model import Dataset, Json, Openness, Struct
from datahub.store import records

if TYPE_CHECKING:
    from datahub.serve.reading import Reading, Table


class ColumnOf(Struct, frozen=True):
    """A column as SQL sees it."""

    name: str
    type: str  # of DuckDB
    title: str


class TableOf(Struct, frozen=True):
    """A table that SQL may name."""

    name: str  # as it is written in SQL
    dataset: str
    resource: str
    title: str
    version: int
    rows: int
    columns: list[ColumnOf]
    example: str


class Listing(Struct, frozen=True):
    """Tables of a page of the `datasets` that match and have any; `next` is the next page."""

    data: list[TableOf]
    datasets: int
    next: str | None


def tables(
    reading: Reading, text: str | None, dataset: str | None, limit: int, offset: int
) -> tuple[int, list[TableOf]]:
    """How many open datasets match, and the tables of `limit` of them.

    Raises:
        DatahubError: `dataset` is unknown, or not open to all.

    """
    if dataset is not None:
        release = reading.release(dataset)
        names = sorted({file.resource for file in release.files if file.resource})
        return 1, [_told(reading.table(dataset, name), dataset) for name in names]
    chosen = records.Filter(openness=Openness.OPEN, text=text, released=True)
    with reading.store.catalog.read() as db:
        total, found = records.list_datasets(db, chosen, limit=limit, offset=offset)
    return total, [table for item in found for table in _of(reading, item)]


def _of(reading: Reading, dataset: Dataset) -> list[TableOf]:
    try:
        release = reading.release(dataset.name)
        names = sorted({file.resource for file in release.files if file.resource})
        return [_told(reading.table(dataset.name, name), dataset.title) for name in names]
    except DatahubError:  # withdrawn a moment ago
        return []


def _told(table: Table, dataset: str) -> TableOf:
    name = f"{quote(table.dataset)}.{quote(table.resource)}"
    titles = {field["name"]: str(field.get("title") or "") for field in table.schema["fields"]}
    title = str(table.schema.get("title") or dataset)
    return TableOf(
        name=name,
        dataset=table.dataset,
        resource=table.resource,
        title=title,
        version=table.version,
        rows=table.rows,
        columns=[ColumnOf(c.name, c.kind, titles.get(c.name, "")) for c in table.columns],
        example=_example(name, table.schema),
    )


def _example(name: str, schema: Json) -> str:
    """Count by a column of few values where there is one."""
    few = [f["name"] for f in schema["fields"] if f.get("constraints", {}).get("enum")]
    if not few:
        return f"select * from {name} limit 10"  # noqa: S608 - shown, not run
    counted = f"select {quote(few[0])}, count(*) as n from {name}"  # noqa: S608
    return f"{counted} group by all order by n desc"
