"""Routes on datasets: the list, a record, its releases, schemas, rows and reports."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.errors import (
    BodyInvalid,
    CursorInvalid,
    ParameterInvalid,
    ParameterUnknown,
    ReportMissing,
    ResourceUnknown,
)
from datahub.model import Dataset, Json, Openness, Release
from datahub.pipeline import withdraw_release
from datahub.search.service import Search
from datahub.serve import filters as grammar
from datahub.serve import rows as reading
from datahub.store import (
    Store,
    aliases,
    lifecycle,
    milestones,
    records,
    releases,
    submissions,
)
from datahub.web.access import Permission, person_of
from datahub.web.api.views import (
    DatasetDetail,
    DatasetList,
    FieldView,
    ReleaseView,
    RowsView,
    WithdrawalBody,
    dataset_detail,
    dataset_view,
    release_view,
    rows_of,
)

Text = Annotated[
    str | None, QueryParameter(description="words in title, abstract, fields", max_length=200)
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="datasets a page")]
StatusName = Literal["active", "deprecated", "withdrawn", "tombstone", "all"]
ValidityName = Literal["in_force", "amended", "expired", "repealed", "all"]
Offset = Annotated[int, QueryParameter(ge=0, le=10_000_000)]
_PUBLIC = {"permission": Permission.CATALOG_READ}
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_LISTING = ("q", "publisher", "theme", "openness", "status", "validity", "limit", "offset")
_RESERVED = ("limit", "cursor", "version")


def store_of(request: Request[Any, Any, Any]) -> Store:
    """Stores of the application that answers."""
    store: Store = request.app.state.store
    return store


@get("/", opt=_PUBLIC, sync_to_thread=True, summary="List datasets")
def list_datasets(
    request: Request[Any, Any, Any],
    q: Text = None,
    publisher: Annotated[str | None, QueryParameter(description="publisher id")] = None,
    theme: Annotated[str | None, QueryParameter(description="theme code")] = None,
    openness: Annotated[Openness | None, QueryParameter(description="开放类型")] = None,
    status: Annotated[StatusName | None, QueryParameter(description="else what is served")] = None,
    validity: Annotated[ValidityName | None, QueryParameter(description="else in force")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> DatasetList:
    """Datasets by title, narrowed by publisher, theme, openness and text.

    Unasked, only active and deprecated ones, and of documents those in force (现行有效).

    With a text, those that answer it best come first, and each of its words is found in all of
    them; `/api/v1/search` has facets, highlights and more filters.
    """
    check_names(request, _LISTING)
    if q and q.strip():
        given = {"publisher": publisher, "theme": theme, "openness": openness}
        given |= {"status": status, "validity": validity}
        filters = {name: (str(value),) for name, value in given.items() if value}
        searching: Search = request.app.state.search
        result = searching.find(q, filters, limit=limit, offset=offset, every_group=True)
        data = [dataset_view(hit.dataset) for hit in result.hits]
        return DatasetList(total=result.total, limit=limit, offset=offset, data=data)
    chosen = records.Filter(
        publisher=publisher, theme=theme, openness=openness, status=status, validity=validity
    )
    with store_of(request).catalog.read() as db:
        total, found = records.list_datasets(db, chosen, limit=limit, offset=offset)
    return DatasetList(
        total=total, limit=limit, offset=offset, data=[dataset_view(item) for item in found]
    )


@get("/{dataset:str}", opt=_PUBLIC, sync_to_thread=True, summary="A dataset's record")
def get_dataset(request: Request[Any, Any, Any], dataset: FromPath[str]) -> Response[DatasetDetail]:
    """The whole catalog record with its resources; ETag names the record for If-Match."""
    with store_of(request).catalog.read() as db:
        found = records.get_dataset(db, dataset)
        served = found.latest and found.status in records.LISTED
        view = dataset_detail(
            found,
            releases.get(db, dataset, None) if served else None,
            status=lifecycle.current(db, dataset),
            milestones=milestones.of(db, dataset),
            formerly=[name for name in aliases.names_of(db, dataset) if "/" not in name],
        )
    return Response(view, headers={"etag": f'"{found.digest}"'})


@get("/{dataset:str}/releases", opt=_PUBLIC, sync_to_thread=True, summary="A dataset's releases")
def list_releases(request: Request[Any, Any, Any], dataset: FromPath[str]) -> list[ReleaseView]:
    """Releases with their files, newest first; withdrawn ones as tombstones."""
    with store_of(request).catalog.read() as db:
        known = records.get_dataset(db, dataset)
        gone = known.status not in records.LISTED
        found = releases.find(db, dataset)
    return [release_view(item, known.latest, gone=gone) for item in found]


@post(
    "/{dataset:str}/releases/{version:int}/withdrawal",
    opt={"permission": Permission.RELEASE_WITHDRAW},
    sync_to_thread=True,
    status_code=200,
    summary="Withdraw a release",
)
def withdraw(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    version: FromPath[int],
    data: JSONBody[WithdrawalBody],
) -> ReleaseView:
    """Take a release down; its record and the reason stay as a tombstone."""
    if not data.reason.strip():
        raise BodyInvalid(reason_zh="必须填写撤回原因（reason）", reason_en="a reason is needed")
    store = store_of(request)
    who = person_of(request).name
    withdraw_release(store, dataset, version, reason=data.reason.strip(), who=who)
    with store.catalog.read() as db:
        (found,) = [r for r in releases.find(db, dataset) if r.version == version]
    return release_view(found, None)


@get(
    "/{dataset:str}/resources/{resource:str}/schema",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="A resource's table schema",
)
def get_schema(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Json:
    """The Frictionless table schema that submissions are validated against."""
    with store_of(request).catalog.read() as db:
        schema: Json = resource_of(records.get_dataset(db, dataset), resource)["schema"]
    return schema


@get(
    "/{dataset:str}/resources/{resource:str}/report",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="How the latest release was validated",
)
def get_report(
    request: Request[Any, Any, Any], dataset: FromPath[str], resource: FromPath[str]
) -> Json:
    """The report of the submission that became the latest release: this resource's tasks."""
    with store_of(request).catalog.read() as db:
        resource_of(records.get_dataset(db, dataset), resource)
        release = releases.get(db, dataset, None)
        submission = submissions.get(db, release.submission)
        report = submissions.get_report(db, submission)
    tasks = [task for task in report["tasks"] if task["name"] == resource]
    if not tasks:
        raise ReportMissing(submission=release.submission, state=submission.state)
    own = {
        part: [item for item in report.get(part, []) if item.get("resource", resource) == resource]
        for part in ("groups", "rules", "notices")
    }
    return report | own | {"tasks": tasks, "version": release.version}


@get(
    "/{dataset:str}/resources/{resource:str}/rows",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Rows of a resource",
    responses={200: ResponseSpec(RowsView, description="a page of rows", generate_examples=False)},
)
def get_rows(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    limit: Annotated[int, QueryParameter(ge=1, description="rows a page, 10,000 at most")] = 100,
    cursor: Annotated[
        str | None, QueryParameter(description="page.next of the page before")
    ] = None,
    version: Annotated[
        int | None, QueryParameter(ge=1, description="a release; else latest")
    ] = None,
) -> Response[Any]:
    """A page of rows in publication order; any other parameter filters a column.

    `column=operator.value` with eq, neq, gt, gte, lt, lte, or `column=is.null`; conditions are
    joined by AND. A cursor keeps to the version it was given for.
    """
    store, engine = store_of(request), request.app.state.engine
    given = _conditions(request)
    _check_limit(limit, store.settings.page_rows)
    began = None if cursor is None else grammar.decode_cursor(cursor)
    release, schema = _released(store, dataset, resource, _version(began, version))
    path = store.objects.public(dataset, release.version) / f"{resource}.parquet"
    columns = reading.columns(engine, path, schema)
    chosen = grammar.parse(columns, given)
    fingerprint = reading.fingerprint(f"{dataset}/{resource}", chosen)
    start = began or grammar.Cursor(version=release.version, row=0, filters=fingerprint)
    if start.filters != fingerprint:  # the row numbers of other filters mean nothing here
        raise CursorInvalid
    rows = rows_of(release, resource) or 0
    page = reading.page(engine, path, columns, chosen, start, rows=rows, limit=limit)
    view = RowsView(
        data=[dict(zip(page.names, row, strict=True)) for row in page.rows],
        fields=_fields(columns, schema),
        page={"limit": limit, "next": page.next},
        total={"value": page.total, "kind": "exact"},
        version=release.version,
    )
    body = _ENCODER.encode(view)  # decimals as JSON numbers, which the framework's has not
    return Response(body, headers=_rows_headers(request, page.next), media_type="application/json")


def _rows_headers(request: Request[Any, Any, Any], following: str | None) -> dict[str, str]:
    headers = {"cache-control": "public, max-age=60"}
    if following:
        pairs = [(n, v) for n, v in request.query_params.multi_items() if n != "cursor"]
        query = urlencode([*pairs, ("cursor", following)])
        headers["link"] = f'<{request.url.path}?{query}>; rel="next"'
    return headers


def check_names(request: Request[Any, Any, Any], allowed: tuple[str, ...]) -> None:
    """Refuse a parameter that means nothing here: a typo would widen the answer in silence."""
    for name in request.query_params:
        if name not in allowed:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(allowed))


def _conditions(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    pairs = [(name, str(value)) for name, value in request.query_params.multi_items()]
    for name in _RESERVED:
        if sum(given == name for given, _ in pairs) > 1:
            raise ParameterInvalid(
                name=name, value="…", reason_zh="只能出现一次", reason_en="give it once"
            )
    return [(name, value) for name, value in pairs if name not in _RESERVED]


def _check_limit(limit: int, most: int) -> None:
    if limit > most:
        raise ParameterInvalid(
            name="limit",
            value=limit,
            reason_zh=f"每页最多 {most} 行；要全部数据请下载文件（见 links.csv、links.parquet）",
            reason_en=f"{most} rows a page at most; for all rows download the files",
        )


def _version(began: grammar.Cursor | None, version: int | None) -> int | None:
    """Version to read: the cursor's own, which a given one must not contradict."""
    if began is None:
        return version
    own = began.version
    if version is not None and version != own:
        raise ParameterInvalid(
            name="version",
            value=version,
            reason_zh=f"与 cursor 的版本 {own} 不一致",
            reason_en=f"the cursor belongs to version {own}",
        )
    return own


def _released(
    store: Store, dataset: str, resource: str, version: int | None
) -> tuple[Release, Json]:
    with store.catalog.read() as db:
        records.check_open(db, dataset)
        release = releases.get(db, dataset, version)
    schemas = _schemas(store, dataset, release.version)
    if resource not in schemas:
        raise ResourceUnknown(dataset=dataset, resource=resource[:80], allowed=", ".join(schemas))
    return release, schemas[resource]


@lru_cache(maxsize=1024)
def _schemas(store: Store, dataset: str, version: int) -> dict[str, Json]:
    """Table schemas of a release, which never change."""
    with store.catalog.read() as db:
        package = releases.get_package(db, dataset, version)
    return {item["name"]: item["schema"] for item in package["resources"]}


def _fields(columns: tuple[grammar.Column, ...], schema: Json) -> list[FieldView]:
    described = {field["name"]: field for field in schema["fields"]}
    return [
        FieldView(
            name=column.name,
            title=described[column.name].get("title", column.name),
            type=described[column.name].get("type", "string"),
        )
        for column in columns
    ]


def resource_of(dataset: Dataset, name: str) -> Json:
    """Descriptor of a resource.

    Raises:
        ResourceUnknown: the dataset has none of this name.

    """
    try:
        return dataset.resource(name)
    except KeyError:
        raise ResourceUnknown(
            dataset=dataset.name, resource=name[:80], allowed=", ".join(dataset.resources)
        ) from None


HANDLERS: list[Any] = [
    list_datasets,
    get_dataset,
    list_releases,
    withdraw,
    get_schema,
    get_report,
    get_rows,
]
"""Routes below /api/v1/datasets; `records` has the rest of them."""
