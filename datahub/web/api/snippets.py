"""Route on programs that read a resource."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter

from datahub.errors import ServiceUnavailable
from datahub.serve import snippets, statistics
from datahub.serve.reading import Reading, Table
from datahub.serve.snippets import Snippet
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.api.datasets import check_names
from datahub.web.api.statistics import AsOf, Version, reading_of, table_of, unchanged
from datahub.web.negotiation import best

_FORMS = {"application/json": "json", "text/plain": "text"}
Language = Literal[
    "curl",
    "python",
    "pandas",
    "polars",
    "duckdb",
    "javascript",
    "r",
    "excel",
    "powerquery",
    "qgis",
]


class Snippets(msgspec.Struct, frozen=True):
    """Programs that read a resource; pinned ones read the same version for ever."""

    dataset: str
    resource: str
    version: int
    pinned: bool
    data: list[Snippet]


def snippets_of(reading: Reading, table: Table, base: str, *, pinned: bool) -> list[Snippet]:
    """Programs for a table, with an example from its own values."""
    try:
        stats = statistics.columns(reading, table)
    except ServiceUnavailable:  # they go without an example
        stats = {}
    package = reading.package(table.dataset, table.version)
    title = next(
        str(item.get("title") or item["name"])
        for item in package["resources"]
        if item["name"] == table.resource
    )
    crs = str(package.get("catalog", {}).get("crs") or "")
    return snippets.snippets(snippets.place(table, stats, base, title, pinned=pinned), crs)


@get(
    "/api/v1/datasets/{dataset:str}/resources/{resource:str}/snippets",
    opt={"permission": Permission.CATALOG_READ},
    sync_to_thread=True,
    summary="Programs that read a resource",
    tags=["snippets"],
    responses={200: ResponseSpec(Snippets, description="programs", generate_examples=False)},
)
def get_snippets(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    lang: Annotated[Language | None, QueryParameter(description="only this one")] = None,
    version: Version = None,
    as_of: AsOf = None,
) -> Response[Any]:
    """Code to copy, with the resource's own addresses, columns and values.

    As JSON, or as plain text when Accept asks for it: with `lang` that is the program itself.
    With `version` or `as_of` the programs keep to that version, else they read the latest.
    """
    check_names(request, ("lang", "version", "as_of"))
    table = table_of(request, dataset, resource, version, as_of)
    base, pinned = base_of(request), not table.latest
    form = best(request.headers.get("accept"), _FORMS) or "json"
    headers, same = unchanged(request, table, "snippets", base, lang, form)
    headers["vary"] = "Accept, Host"
    if same:
        return Response(b"", status_code=304, headers=headers)
    made = snippets_of(reading_of(request), table, base, pinned=pinned)
    chosen = [item for item in made if lang in (None, item.lang)]
    if form == "text":
        text = chosen[0].code if lang and chosen else "\n\n".join(map(_titled, chosen))
        return Response(f"{text}\n", headers=headers, media_type="text/plain")
    found = Snippets(dataset, resource, table.version, pinned, chosen)
    return Response(msgspec.json.encode(found), headers=headers, media_type="application/json")


def _titled(item: Snippet) -> str:
    return f"--- {item.lang}: {item.title}\n{item.code}"


routes: list[Any] = [get_snippets]
