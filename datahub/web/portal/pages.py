"""Routes of the portal: catalog, datasets, publishers, glossary, statistics, documentation."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from datahub.errors import MissingError
from datahub.web import outputs
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.api.datasets import store_of
from datahub.web.api.search import search_of
from datahub.web.portal import catalog, dataset, docs, open_pages, places, terms
from datahub.web.portal.render import STATIC, VERSIONS, page, problem_page

__all__ = ["problem_page", "routes"]

_PUBLIC = {"permission": Permission.CATALOG_READ}
_MEDIA_TYPES = {"css": "text/css", "svg": "image/svg+xml", "js": "text/javascript"}
_FOREVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=3600"
_GONE = 410
_Number = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
_Text = Annotated[str | None, QueryParameter()]


@get("/", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def home(request: Request[Any, Any, Any], number: _Number = 1) -> Response[str]:
    """Answer with the catalog: search, facets and a page of datasets."""
    given = {
        name: ",".join(str(value) for value in request.query_params.getall(name) if value)
        for name in catalog.PARAMETERS
        if name in request.query_params
    }
    asked = catalog.query(given, number)
    found = catalog.view(store_of(request), search_of(request), asked)
    return page("catalog.html", base=base_of(request), **found)


@get("/datasets/{name:str}", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_dataset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Answer with the page of a dataset, or with its record as RDF: `.ttl`, `.jsonld`, Accept.

    What was withdrawn or is a tombstone answers 410 with its page.
    """
    if "." in name:  # no dataset has a dot in its name
        return outputs.dataset_file(request, name)
    if found := outputs.alternative(request, name, own="text/html"):
        return found
    reading = request.app.state.reading
    shown = dataset.view(reading, search_of(request), name, base_of(request))
    headers = {
        "vary": "Accept",
        "link": f'</datasets/{name}.jsonld>; rel="alternate"; type="application/ld+json", '
        f'</datasets/{name}.ttl>; rel="alternate"; type="text/turtle"',
    }
    status = _GONE if shown["gone"] else 200
    return page("dataset.html", status=status, headers=headers, **shown)


@get("/publishers", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def list_publishers(
    request: Request[Any, Any, Any], category: _Text = None, region: _Text = None
) -> Response[str]:
    """Answer with the publishers and what they have."""
    return page(
        "publishers.html", **places.list_view(store_of(request), category or "", region or "")
    )


@get("/publishers/{name:str}", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_publisher(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[str]:
    """Answer with one publisher: supervision, complaints, totals, funnel, datasets."""
    found = places.publisher_view(store_of(request), search_of(request), name)
    return page("publisher.html", base=base_of(request), **found)


@get("/regions", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def list_regions(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with the city and its counties as a tree with their totals."""
    return page("regions.html", **places.regions_view(store_of(request)))


@get("/statistics", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_statistics(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with the funnel and the totals by theme, publisher and month."""
    return page("statistics.html", **places.statistics_view(store_of(request)))


@get("/glossary", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def list_terms(
    request: Request[Any, Any, Any], q: _Text = None, owner: _Text = None, number: _Number = 1
) -> Response[str]:
    """Answer with the entries of the glossary."""
    text = " ".join((q or "").replace("\0", " ").split())[:100]
    return page("glossary.html", **terms.list_view(store_of(request), text, owner or "", number))


@get("/glossary/{name:str}", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_term(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[str]:
    """Answer with one entry of the glossary."""
    found = terms.view(store_of(request), search_of(request), name)
    status = _GONE if found["state"] == "retired" else 200
    return page("term.html", status=status, base=base_of(request), **found)


@get("/docs", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_docs(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with the documentation, made from the application's own OpenAPI schema."""
    return page("docs.html", base=base_of(request), **docs.view(request.app))


@get("/static/{name:str}", opt=_PUBLIC, sync_to_thread=False, include_in_schema=False)
def static(
    request: Request[Any, Any, Any],
    name: FromPath[str],
    v: Annotated[str | None, QueryParameter()] = None,
) -> Response[bytes]:
    """Answer with a file that goes with the pages."""
    if name not in STATIC:
        raise MissingError
    return _static(request, name, _FOREVER if v == VERSIONS[name] else _SHORT)


@get("/favicon.ico", opt=_PUBLIC, sync_to_thread=False, include_in_schema=False)
def favicon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer with the icon that browsers ask for unbidden."""
    return _static(request, "favicon.svg", _SHORT)


def _static(request: Request[Any, Any, Any], name: str, caching: str) -> Response[bytes]:
    tag = f'"{VERSIONS[name]}"'
    headers = {"etag": tag, "cache-control": caching, "x-content-type-options": "nosniff"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    media_type = _MEDIA_TYPES[name.rsplit(".", 1)[-1]]
    return Response(STATIC[name], media_type=media_type, headers=headers)


routes = [
    home,
    show_dataset,
    list_publishers,
    show_publisher,
    list_regions,
    show_statistics,
    list_terms,
    show_term,
    show_docs,
    static,
    favicon,
    *open_pages.routes,
]
