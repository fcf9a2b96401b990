"""Templates to answers: one Jinja environment with escaping on, one set of headers."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from datahub.errors import DatahubError
from datahub.model import OPENNESS_ZH
from datahub.web.portal import words

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-cache",
}
STATIC = {file.name: file.read_bytes() for file in (Path(__file__).parent / "static").iterdir()}
"""The few files beside the pages, small enough to be kept."""

VERSIONS = {name: sha256(data).hexdigest()[:12] for name, data in STATIC.items()}


def static_url(name: str) -> str:
    """Address of a static file; it changes with the bytes, so that caches may keep it for ever."""
    return f"/static/{name}?v={VERSIONS[name]}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("datahub.web.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static_url": static_url, "OPENNESS_ZH": OPENNESS_ZH}
    environment.filters |= {
        "cell": words.cell,
        "local": words.local,
        "local_date": words.local_date,
        "size": words.size,
        "thousands": "{:,}".format,
    }
    return environment


_TEMPLATES = _environment()


def page(
    template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> Response[str]:
    """Render a template as an HTML answer."""
    text = _TEMPLATES.get_template(template).render(**values)
    return Response(
        # A query may hold half a character; it is shown as a question mark, not as an error.
        text.encode("utf-8", "replace").decode(),
        status_code=status,
        media_type="text/html",
        headers={**HEADERS, **(headers or {})},
    )


def problem_page(error: DatahubError, headers: dict[str, str]) -> Response[str]:
    """Tell a browser what went wrong: Chinese first, English beside, the code for support."""
    return page("problem.html", status=error.status, headers=headers, error=error)
