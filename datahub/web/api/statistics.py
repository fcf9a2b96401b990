"""Routes on statistics, distinct values and profiles of a resource."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter

from datahub.serve import statistics
from datahub.serve.reading import Reading, Table
from datahub.validation.statistics import FORMAT
from datahub.web.access import Permission
from datahub.web.answers import mark
from datahub.web.api.datasets import check_names
from datahub.web.negotiation import matches

_PUBLIC = {"permission": Permission.CATALOG_READ}
_BASE = "/api/v1/datasets/{dataset:str}/resources/{resource:str}"
_JSON = "application/json"
_TAGS = ["statistics"]
Version = Annotated[
    str | None, QueryParameter(max_length=40, description="3, v3 or latest; else latest")
]
AsOf = Annotated[
    str | None,
    QueryParameter(max_length=40, description="the version that was latest at this date or time"),
]


class Statistics(msgspec.Struct, frozen=True):
    """What stands in each column: nulls, distinct values, ends, quantiles, histogram, frequent.

    `approximate` of a column lists what is not exact.
    """

    rows: int
    columns: list[dict[str, Any]]
    bbox: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Profile(msgspec.Struct, frozen=True):
    """Columns with their titles and statistics, and the first rows."""

    dataset: str
    resource: str
    version: int
    rows: int
    columns: list[dict[str, Any]]
    first: list[dict[str, Any]]
    bbox: dict[str, Any] | None


def table_of(
    request: Request[Any, Any, Any],
    dataset: str,
    resource: str,
    version: str | None,
    as_of: str | None,
) -> Table:
    """Find the resource of the release that the request names; raises as `Reading.table`."""
    reading = reading_of(request)
    return reading.table(dataset, resource, reading.version(dataset, version, as_of))


def reading_of(request: Request[Any, Any, Any]) -> Reading:
    """What the application reads releases with."""
    reading: Reading = request.app.state.reading
    return reading


def unchanged(
    request: Request[Any, Any, Any], table: Table, *parts: object
) -> tuple[dict[str, str], bool]:
    """Headers of an answer made from a table and `parts`; and whether the client has it already."""
    told = sha256(repr((table.dataset, table.version, table.digest, *parts)).encode())
    tag = f'"{told.hexdigest()[:24]}"'
    kept = "max-age=60" if table.latest else "max-age=31536000, immutable"
    headers = {"etag": tag, "cache-control": f"public, {kept}", "vary": "Accept-Encoding"}
    if "as_of" not in request.query_params:
        mark(request, table)
    return headers, matches(request.headers.get("if-none-match"), tag)


@get(
    f"{_BASE}/stats",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Statistics of a resource",
    tags=_TAGS,
    responses={200: ResponseSpec(Statistics, description="by column", generate_examples=False)},
)
def get_stats(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    version: Version = None,
    as_of: AsOf = None,
) -> Response[Any]:
    """Nulls, distinct values, ends, mean, quantiles, histogram and frequent values, by column.

    Exact and over the whole table; `approximate` of a column lists what is not.
    """
    check_names(request, ("version", "as_of"))
    table = table_of(request, dataset, resource, version, as_of)
    headers, same = unchanged(request, table, "stats", FORMAT)
    if same:
        return Response(b"", status_code=304, headers=headers)
    return Response(
        statistics.content(reading_of(request), table), headers=headers, media_type=_JSON
    )


@get(
    f"{_BASE}/values/{{column:path}}",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Distinct values of a column",
    tags=_TAGS,
    responses={
        200: ResponseSpec(
            statistics.Values, description="values with counts", generate_examples=False
        )
    },
)
def get_values(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    column: FromPath[str],
    q: Annotated[
        str | None, QueryParameter(max_length=200, description="they contain this")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="values at most")] = 100,
    order: Annotated[
        Literal["count", "value"], QueryParameter(description="frequent first, or by value")
    ] = "count",
    version: Version = None,
    as_of: AsOf = None,
) -> Response[Any]:
    """Values with how often they stand there; `cut` says why not all were counted, when so."""
    check_names(request, ("q", "limit", "order", "version", "as_of"))
    table = table_of(request, dataset, resource, version, as_of)
    name = column.removeprefix("/")
    headers, same = unchanged(request, table, "values", name, q, limit, order)
    if same:
        return Response(b"", status_code=304, headers=headers)
    found = statistics.values(
        reading_of(request), table, name, q=q, limit=limit, by_count=order == "count"
    )
    if found.cut:  # the next time it may be whole
        headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(found), headers=headers, media_type=_JSON)


@get(
    f"{_BASE}/profile",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="A resource at a glance",
    tags=_TAGS,
    responses={200: ResponseSpec(Profile, description="for previews", generate_examples=False)},
)
def get_profile(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    version: Version = None,
    as_of: AsOf = None,
) -> Response[Any]:
    """Columns with title, description, unit and statistics, and the first ten rows."""
    check_names(request, ("version", "as_of"))
    table = table_of(request, dataset, resource, version, as_of)
    headers, same = unchanged(request, table, "profile", FORMAT, table.schema)
    if same:
        return Response(b"", status_code=304, headers=headers)
    found = statistics.profile(reading_of(request), table)
    return Response(found, headers=headers, media_type=_JSON)


routes: list[Any] = [get_stats, get_values, get_profile]
