"""The address that visitors come by: what absolute links begin with.

It is the setting `site` where an operator gave one, else the request's Host; X-Forwarded-Proto
and X-Forwarded-Host count only where the setting `proxied` says that a proxy sets them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from datahub.errors import RequestError

if TYPE_CHECKING:
    from litestar import Request

    from datahub.settings import Settings

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z",
    re.ASCII,
)
_SCHEMES = ("http", "https")


def base_of(request: Request[Any, Any, Any]) -> str:
    """Address of the site without a slash at its end.

    Raises:
        RequestError: the request names no host, or one that no host can be called.

    """
    settings: Settings = request.app.state.store.settings
    if settings.site:
        return settings.site.rstrip("/")
    scheme, host = request.scope["scheme"], request.headers.get("host", "")
    if settings.proxied:
        scheme = _first(request.headers.get("x-forwarded-proto")) or scheme
        host = _first(request.headers.get("x-forwarded-host")) or host
    if scheme not in _SCHEMES or not _HOST.match(host):
        raise RequestError(
            reason_zh="请求的主机名（Host）不对", reason_en="the host that it names is none"
        )
    return f"{scheme}://{host.lower()}"


def _first(value: str | None) -> str:
    """What the outermost proxy said."""
    return (value or "").split(",")[0].strip().lower()
