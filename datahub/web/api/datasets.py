"""Routes on datasets: the list, a record, its releases, schemas and reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.errors import (
    BodyInvalid,
    ParameterUnknown,
    ReportMissing,
    ResourceUnknown,
)
from datahub.model import Dataset, Json, Openness
from datahub.pipeline import withdraw_release
from datahub.search.service import Search
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
    ReleaseView,
    WithdrawalBody,
    dataset_detail,
    dataset_view,
    release_view,
)

Text = Annotated[
    str | None, QueryParameter(description="words in title, abstract, fields", max_length=200)
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="datasets a page")]
StatusName = Literal["active", "deprecated", "withdrawn", "tombstone", "all"]
ValidityName = Literal["in_force", "amended", "expired", "repealed", "all"]
Offset = Annotated[int, QueryParameter(ge=0, le=10_000_000)]
_PUBLIC = {"permission": Permission.CATALOG_READ}
_LISTING = ("q", "publisher", "theme", "openness", "status", "validity", "limit", "offset")


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


def check_names(request: Request[Any, Any, Any], allowed: tuple[str, ...]) -> None:
    """Refuse a parameter that means nothing here: a typo would widen the answer in silence."""
    for name in request.query_params:
        if name not in allowed:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(allowed))


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
]
"""Routes below /api/v1/datasets; `records` has the rest of them."""
