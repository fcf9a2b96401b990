"""Routes on the life of datasets: status, name, funnel of stages, completeness of series."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.clock import stamp
from datahub.model import Json, Struct
from datahub.serve.series import completeness
from datahub.stages.describe import check_owner
from datahub.store import Db, Store, aliases, lifecycle, records, releases, totals
from datahub.store.lifecycle import STATUSES_ZH, Status
from datahub.store.milestones import STAGES, STAGES_ZH
from datahub.web.access import Permission, person_of
from datahub.web.api.datasets import check_names, store_of
from datahub.web.api.publishers import regions_of

_PUBLIC = {"permission": Permission.CATALOG_READ}
_WRITE = {"permission": Permission.RECORD_WRITE}


class StatusBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A status with its public reason and, where there is one, the dataset that follows."""

    status: str
    reason: str = ""
    successor: str | None = None


class NameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new name."""

    name: str


class StatusView(Struct, frozen=True):
    """The present status of a dataset and all earlier ones, newest first."""

    dataset: str
    status: str
    status_zh: str
    reason: str
    successor: str | None
    at: str | None
    history: list[Json]


class NameView(Struct, frozen=True):
    """A dataset under its new name; the old addresses redirect."""

    name: str
    formerly: list[str]
    links: dict[str, str]


class FunnelRow(Struct, frozen=True):
    """How many datasets reached each stage; open rate is opened ÷ catalogued."""

    publisher: str | None
    title: str
    catalogued: int
    collected: int
    shared: int
    opened: int
    open_rate: float


class FunnelView(Struct, frozen=True):
    """The funnel over everything chosen, and per publisher."""

    stages: list[dict[str, str]]
    total: FunnelRow
    data: list[FunnelRow]


@get(
    "/datasets/{dataset:str}/status",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="A dataset's status",
)
def get_status(request: Request[Any, Any, Any], dataset: FromPath[str]) -> StatusView:
    """Status, reason, date and successor, and the statuses before."""
    with store_of(request).catalog.read() as db:
        return _status(db, dataset)


@post(
    "/datasets/{dataset:str}/status",
    opt=_WRITE,
    sync_to_thread=True,
    status_code=200,
    summary="Change a dataset's status",
)
def set_status(
    request: Request[Any, Any, Any], dataset: FromPath[str], data: JSONBody[StatusBody]
) -> StatusView:
    """Deprecate, withdraw, reactivate, or leave a tombstone, which stays for ever."""
    store, person = store_of(request), person_of(request)
    with store.catalog.write() as db:
        found = records.get_dataset(db, dataset)
        check_owner(person, found.publisher, found.publisher_title, found.name)
        lifecycle.set_status(
            db,
            dataset,
            status=data.status,
            reason=data.reason,
            successor=data.successor,
            who=person.name,
            now=stamp(store.clock),
        )
        return _status(db, dataset)


def _status(db: Db, dataset: str) -> StatusView:
    found = records.get_dataset(db, dataset)
    history = lifecycle.history(db, dataset)
    last = history[0] if history else None
    return StatusView(
        dataset=dataset,
        status=found.status,
        status_zh=STATUSES_ZH[found.status],
        reason=last.reason if last else "",
        successor=last.successor if last else None,
        at=last.at if last else None,
        history=[_public(item) for item in history],
    )


def _public(item: Status) -> Json:
    """A status without who gave it: that is the audit's."""
    return {"status": item.status, "status_zh": STATUSES_ZH[item.status], "reason": item.reason,
            "successor": item.successor, "at": item.at}  # fmt: skip


@post(
    "/datasets/{dataset:str}/name",
    opt=_WRITE,
    sync_to_thread=True,
    status_code=200,
    summary="Rename a dataset",
)
def rename(
    request: Request[Any, Any, Any], dataset: FromPath[str], data: JSONBody[NameBody]
) -> Response[NameView]:
    """Give a dataset another name; the old one redirects for ever and is never used again."""
    store, person = store_of(request), person_of(request)
    try:
        with store.catalog.write() as db:
            found = records.get_dataset(db, dataset)
            check_owner(person, found.publisher, found.publisher_title, found.name)
            if data.name != dataset:
                now = stamp(store.clock)
                aliases.rename(db, store.objects, dataset, data.name, who=person.name, now=now)
    finally:
        aliases.sweep(store)
    with store.catalog.read() as db:
        view = NameView(
            name=data.name,
            formerly=[name for name in aliases.names_of(db, data.name) if "/" not in name],
            links={"self": f"/api/v1/datasets/{data.name}", "page": f"/datasets/{data.name}"},
        )
    return Response(view, headers={"location": view.links["self"]})


@get("/funnel", opt=_PUBLIC, sync_to_thread=True, summary="The funnel of stages")
def get_funnel(
    request: Request[Any, Any, Any],
    publisher: Annotated[str | None, QueryParameter()] = None,
    region: Annotated[str | None, QueryParameter(description="with the regions below it")] = None,
    theme: Annotated[str | None, QueryParameter()] = None,
) -> FunnelView:
    """Datasets catalogued → collected → shared → opened, over all chosen and per publisher."""
    check_names(request, ("publisher", "region", "theme"))
    return funnel_of(store_of(request), publisher=publisher, region=region, theme=theme)


def funnel_of(
    store: Store,
    *,
    publisher: str | None = None,
    region: str | None = None,
    theme: str | None = None,
) -> FunnelView:
    """The funnel of what is chosen; kept until the catalog's next change."""
    regions = None if region is None else regions_of(store, region)

    def make(db: Db) -> FunnelView:
        found = totals.funnel(db, publisher=publisher, regions=regions, theme=theme)
        titles = totals.titles(db, "publisher")
        every = {stage: sum(item[stage] for item in found.values()) for stage in STAGES}
        return FunnelView(
            stages=[{"code": stage, "title": STAGES_ZH[stage]} for stage in STAGES],
            total=_row(None, "合计", every),
            data=[_row(name, titles.get(name, name), found[name]) for name in sorted(found)],
        )

    view: FunnelView = totals.kept(store.catalog, ("funnel", publisher, region, theme), make)
    return view


def _row(publisher: str | None, title: str, counts: dict[str, int]) -> FunnelRow:
    catalogued = counts["catalogued"]
    rate = round(counts["opened"] / catalogued, 4) if catalogued else 0.0
    return FunnelRow(publisher=publisher, title=title, open_rate=rate, **counts)


@get(
    "/datasets/{dataset:str}/series",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Completeness of a series",
)
def get_series(request: Request[Any, Any, Any], dataset: FromPath[str]) -> Json:
    """Which issues or periods there should be, which are held, and which are missing."""
    store, engine = store_of(request), request.app.state.engine
    with store.catalog.read() as db:
        found = records.get_dataset(db, dataset)
        records.check_open(db, dataset)
        release = releases.get(db, dataset, None)
    folder = store.objects.public(dataset, release.version)
    return completeness(engine, folder, found, release, today=store.clock().date())


router = Router(
    path="/api/v1",
    route_handlers=[get_status, set_status, rename, get_funnel, get_series],
    tags=["life cycle"],
)
