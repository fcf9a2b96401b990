"""Routes of the pages of the open APIs: data of a resource, SQL, keys, versions.

Forms change nothing but by making a key; as no page knows cookies, a foreign page that sends one
gains nothing that it could not ask for by itself.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from datahub.web.access import Permission
from datahub.web.portal import data

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


routes: list[Any] = [show_data]
