"""Routes of the pages of the open APIs: data of a resource, SQL, keys, versions.

Forms change nothing but by making a key; as no page knows cookies, a foreign page that sends one
gains nothing that it could not ask for by itself.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from datahub.web.access import Permission
from datahub.web.portal import asking, data, keys, versions

_PUBLIC = {"permission": Permission.CATALOG_READ}


@get(
    "/datasets/{name:str}/resources/{resource:str}",
    opt=_PUBLIC,
    sync_to_thread=True,
    include_in_schema=False,
)
def show_data(
    request: Request[Any, Any, Any], name: FromPath[str], resource: FromPath[str]
) -> Response[Any]:
    """Answer with rows of a resource: the parameters are those of `/api/v1/…/rows`."""
    return data.answer(request, name, resource)


@get("/sql", opt=_PUBLIC, include_in_schema=False)
async def show_sql(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer with the SQL page; `q` is a statement that runs, `p.name` the value for `$name`."""
    return await asking.answer(request, asking.read(request.query_params.multi_items()))


@post("/sql", opt=_PUBLIC, status_code=200, include_in_schema=False)
async def send_sql(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer the form of the SQL page."""
    return await asking.sent(request)


@get("/keys", opt=_PUBLIC, sync_to_thread=False, include_in_schema=False)
def show_keys(request: Request[Any, Any, Any]) -> Response[str]:
    """Answer with forms for keys, and the limits."""
    return keys.view(request)


@post("/keys", opt=_PUBLIC, status_code=200, include_in_schema=False)
async def make_key(request: Request[Any, Any, Any]) -> Response[str]:
    """Make a key for the form's `label` and show it this once."""
    return await keys.sent(request, usage=False)


@post("/keys/usage", opt=_PUBLIC, status_code=200, include_in_schema=False)
async def show_usage(request: Request[Any, Any, Any]) -> Response[str]:
    """Show what the form's `key` was answered."""
    return await keys.sent(request, usage=True)


@get("/datasets/{name:str}/versions", opt=_PUBLIC, include_in_schema=False)
async def show_versions(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[str]:
    """Answer with the versions; `resource`, `from` and `to` compare two of them."""
    return await versions.answer(request, name)


routes: list[Any] = [show_data, show_versions, show_sql, send_sql, show_keys, make_key, show_usage]
