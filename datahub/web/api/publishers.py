"""Routes on publishers and regions, and totals over the catalog."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, Router, get
from litestar.params import FromPath, QueryParameter

from datahub.errors_catalog import PublisherUnknown
from datahub.model import Json, Struct
from datahub.record import vocabularies
from datahub.record.regions import Tree
from datahub.store import Store, records, totals
from datahub.store.totals import Totals
from datahub.web.access import Permission
from datahub.web.api.datasets import check_names, store_of

_PUBLIC = {"permission": Permission.CATALOG_READ}
_CONTACT = ("phone", "email", "address", "url")
Kind = Literal["publisher", "region", "theme", "month"]


class PublisherView(Struct, frozen=True):
    """A publisher: who supervises it, where to complain, and how much it has."""

    id: str
    title: str
    credit_code: str
    category: dict[str, str] | None
    region: dict[str, str]
    supervisor: dict[str, str] | None
    complaint: Json | None  # name, phone, email, url
    contact: dict[str, str]
    permissions: Json | None
    totals: Totals
    links: dict[str, str]


class RegionView(Struct, frozen=True):
    """A region with what lies below it; `own` are its datasets, `below` with all under it."""

    code: str
    title: str
    valid_from: str | None
    valid_to: str | None
    publishers: int
    own: Totals
    below: Totals
    regions: list[RegionView]


class TotalsView(Struct, frozen=True):
    """Totals by publisher, region, theme or month, and over everything."""

    by: str
    total: Totals
    data: list[Json]


@get("/publishers", opt=_PUBLIC, sync_to_thread=True, summary="List publishers")
def list_publishers(
    request: Request[Any, Any, Any],
    category: Annotated[str | None, QueryParameter(description="such as GOV, WAT")] = None,
    region: Annotated[str | None, QueryParameter(description="with the regions below it")] = None,
) -> list[PublisherView]:
    """Publishers by id with their region, supervising department and totals."""
    check_names(request, ("category", "region"))
    found = known_publishers(store_of(request))
    if region is not None:
        wanted = regions_of(store_of(request), region)
        found = [item for item in found if item.region["code"] in wanted]
    return [
        item
        for item in found
        if category is None or (item.category is not None and item.category["code"] == category)
    ]


@get("/publishers/{publisher:str}", opt=_PUBLIC, sync_to_thread=True, summary="A publisher")
def get_publisher(request: Request[Any, Any, Any], publisher: FromPath[str]) -> PublisherView:
    """One publisher."""
    check_names(request, ())
    return one_publisher(store_of(request), publisher)


def known_publishers(store: Store) -> list[PublisherView]:
    """Every publisher with its totals, by id; kept until the catalog's next change."""
    found: list[PublisherView] = totals.kept(store.catalog, ("publishers",), _publishers)
    return found


def one_publisher(store: Store, publisher: str) -> PublisherView:
    """Return one publisher.

    Raises:
        PublisherUnknown: there is none of this id.

    """
    for item in known_publishers(store):
        if item.id == publisher:
            return item
    raise PublisherUnknown(publisher=publisher[:80])


def _publishers(db: Any) -> list[PublisherView]:
    counted = totals.by(db, "publisher")
    items = records.get_publishers(db)
    titles = {item["id"]: item["title"] for item in items}
    regions = totals.titles(db, "region")
    categories = vocabularies.labels("publisher_category")
    return [_publisher(item, titles, regions, categories, counted) for item in items]


def _publisher(
    item: Json,
    titles: dict[str, str],
    regions: dict[str, str],
    categories: dict[str, str],
    counted: dict[str, Totals],
) -> PublisherView:
    category, supervisor = str(item.get("category") or ""), str(item.get("supervisor") or "")
    path = f"/api/v1/publishers/{item['id']}"
    return PublisherView(
        id=item["id"],
        title=item["title"],
        credit_code=item["credit_code"],
        category={"code": category, "title": categories.get(category, category)}
        if category
        else None,
        region={"code": item["region"], "title": str(regions.get(item["region"], item["region"]))},
        supervisor={"id": supervisor, "title": titles.get(supervisor, supervisor)}
        if supervisor
        else None,
        complaint=item.get("complaint") or None,
        contact={name: item[name] for name in _CONTACT if item.get(name)},
        permissions=item.get("permissions") or None,
        totals=counted.get(item["id"], Totals()),
        links={"self": path, "datasets": f"/api/v1/datasets?publisher={item['id']}"},
    )


@get("/regions", opt=_PUBLIC, sync_to_thread=True, summary="Regions as a tree")
def list_regions(request: Request[Any, Any, Any]) -> list[RegionView]:
    """Regions under those above them, each with its own totals and those of all below it."""
    check_names(request, ())
    return region_tree(store_of(request))


def region_tree(store: Store) -> list[RegionView]:
    """Regions as a tree with their totals; kept until the catalog's next change."""
    found: list[RegionView] = totals.kept(store.catalog, ("regions",), _regions)
    return found


def _regions(db: Any) -> list[RegionView]:
    tree, counted = Tree(records.get_terms(db, "region")), totals.by(db, "region")
    owners: dict[str, int] = {}
    for item in records.get_publishers(db):
        owners[item["region"]] = owners.get(item["region"], 0) + 1

    def view(code: str) -> RegionView:
        item, own = tree.items[code], counted.get(code, Totals())
        below = [view(child) for child in tree.children(code)]
        return RegionView(
            code=code,
            title=item["title"],
            valid_from=item.get("valid_from"),
            valid_to=item.get("valid_to"),
            publishers=owners.get(code, 0),
            own=own,
            below=sum((child.below for child in below), own),
            regions=below,
        )

    return [view(code) for code in tree.roots()]


@get("/totals", opt=_PUBLIC, sync_to_thread=True, summary="Totals over the catalog")
def get_totals(
    request: Request[Any, Any, Any],
    kind: Annotated[Kind, QueryParameter(name="by")] = "publisher",
) -> TotalsView:
    """Datasets, releases, rows, cells (数据容量 = rows × fields) and opened datasets.

    By month: what each month added, and the totals at its end.
    """
    check_names(request, ("by",))
    return totals_of(store_of(request), kind)


def totals_of(store: Store, kind: Kind) -> TotalsView:
    """Totals by publisher, region, theme or month; kept until the catalog's next change."""
    made = _months if kind == "month" else _grouped
    found: TotalsView = totals.kept(store.catalog, ("totals", kind), lambda db: made(db, kind))
    return found


def _grouped(db: Any, kind: str) -> TotalsView:
    found, titles = totals.by(db, kind), totals.titles(db, kind)
    names = Totals.__struct_fields__
    data: list[Json] = [
        {"code": code, "title": titles.get(code, code)} | {n: getattr(item, n) for n in names}
        for code, item in found.items()
    ]
    return TotalsView(by=kind, total=sum(found.values(), Totals()), data=data)


def _months(db: Any, kind: str) -> TotalsView:
    found = totals.by_month(db)
    return TotalsView(by=kind, total=found[-1]["total"] if found else Totals(), data=found)


def regions_of(store: Store, code: str) -> tuple[str, ...]:
    """Code of a region and of all below it."""
    with store.catalog.read() as db:
        return Tree(records.get_terms(db, "region")).descendants(code)


router = Router(
    path="/api/v1",
    route_handlers=[list_publishers, get_publisher, list_regions, get_totals],
    tags=["publishers"],
)
