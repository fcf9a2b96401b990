"""Routes of the portal: the catalog, a dataset, the API's documentation, static files."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from datahub.errors import MissingError
from datahub.web import outputs
from datahub.web.access import Permission
from datahub.web.api.datasets import store_of
from datahub.web.portal import catalog, dataset, docs
from datahub.web.portal.render import STATIC, VERSIONS, page, problem_page

__all__ = ["problem_page", "routes"]

_PUBLIC = {"permission": Permission.CATALOG_READ}
_MEDIA_TYPES = {"css": "text/css", "svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=3600"


@get("/", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def home(
    request: Request[Any, Any, Any],
    q: Annotated[str | None, QueryParameter()] = None,
    publisher: Annotated[str | None, QueryParameter()] = None,
    theme: Annotated[str | None, QueryParameter()] = None,
    openness: Annotated[str | None, QueryParameter()] = None,
    number: Annotated[int, QueryParameter(name="page", ge=1)] = 1,
) -> Response[str]:
    """Answer with the catalog: search, filters and a page of datasets."""
    asked = catalog.query(q, publisher, theme, openness)
    return page("catalog.html", **catalog.view(store_of(request), asked, number))


@get("/datasets/{name:str}", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_dataset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Answer with the page of a dataset, or with its record as RDF: `.ttl`, `.jsonld`, Accept."""
    if "." in name:  # no dataset has a dot in its name
        return outputs.dataset_file(request, name)
    if found := outputs.alternative(request, name, own="text/html"):
        return found
    engine = request.app.state.engine
    base = str(request.base_url).rstrip("/")
    return page("dataset.html", **dataset.view(store_of(request), engine, name, base))


@get("/docs", opt=_PUBLIC, sync_to_thread=True, include_in_schema=False)
def show_docs(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with the documentation, made from the application's own OpenAPI schema."""
    base = str(request.base_url).rstrip("/")
    return page("docs.html", base=base, **docs.view(request.app))


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


routes = [home, show_dataset, show_docs, static, favicon]
