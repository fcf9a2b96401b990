"""Examples of parameters that work here: from the first dataset whose data is open to everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.model import Json, Openness
from datahub.serve.snippets import parameter
from datahub.store import glossary, records, releases

if TYPE_CHECKING:
    from litestar import Litestar

    from datahub.model import Dataset
    from datahub.serve.reading import Reading
    from datahub.store import Db

_LOOKED_AT = 200  # datasets
_SQL = "/api/v1/sql"
_OF_COLUMNS = ("select", "order", "facet")


def add(document: Json, app: Litestar) -> None:
    """Put examples on the parameters of reading operations."""
    reading: Reading = app.state.reading
    known: dict[str, Any] = reading.remembered("examples", lambda: _found(reading))
    for path, methods in document["paths"].items():
        for item in methods.get("get", {}).get("parameters", ()):
            name = f"{item['in']} {item['name']}"
            example = known.get(f"{path} {name}", known.get(name))
            if example is not None and _fits(path, item):
                item["example"] = example


def _fits(path: str, item: Json) -> bool:
    """Whether an example is meant here: `order` names columns in questions to rows only."""
    if item["in"] == "query" and item["name"] in _OF_COLUMNS:
        return path.endswith(("/rows", "/export")) or path.startswith("/rest/")
    return "enum" not in str(item["schema"])


def _found(reading: Reading) -> dict[str, Any]:
    with reading.store.catalog.read() as db:
        found = {"path vocabulary": "grade", "query limit": 5} | _terms(db)
        dataset = _dataset(db)
        if dataset is None:
            return found
        newest = releases.get(db, dataset.name, None)
    found |= {
        "path dataset": dataset.name,
        "path publisher": dataset.publisher,
        "query publisher": dataset.publisher,
        "query theme": dataset.theme,
        "query dataset": dataset.name,
        "query q": dataset.title[:2],
        "query as_of": newest.released[:10],
        "query version": f"v{newest.version}",
    }
    resource = dataset.resources[0]
    table = reading.table(dataset.name, resource)
    names = [parameter(column.name) for column in table.columns[:2]]
    return found | {
        "path resource": resource,
        "path table": f"{dataset.name}.{resource}",
        "path column": table.columns[0].name,
        "path file": f"{resource}.parquet",
        "path version": str(newest.version),
        "query select": ",".join(names),
        "query order": f"{names[0]}.desc",
        "query facet": names[0],
        f"{_SQL} query q": f'select * from "{dataset.name}"."{resource}" limit 5',  # noqa: S608
    }


def _dataset(db: Db) -> Dataset | None:
    chosen = records.Filter(openness=Openness.OPEN)
    _, found = records.list_datasets(db, chosen, limit=_LOOKED_AT)
    return next((item for item in found if item.latest), None)


def _terms(db: Db) -> dict[str, Any]:
    terms = glossary.approved(db)[:1]
    versions = "/api/v1/glossary/{term}/versions/{version} path version"
    return {"path term": terms[0].id, versions: 1} if terms else {}
