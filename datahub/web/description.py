"""The API's own description (OpenAPI 3.1): what the framework finds out, made true and whole.

The framework knows neither our errors nor who may call a route nor streamed bodies.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from litestar.routes import HTTPRoute

from datahub.web.access import PUBLIC
from datahub.web.api.report import REPORT

if TYPE_CHECKING:
    from litestar import Litestar

    from datahub.model import Json

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_UPLOAD = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "description": "one part per file, named like its resource, or file",
                "properties": {"file": _BINARY, "note": {"type": "string"}},
                "additionalProperties": _BINARY,
            }
        },
        "text/csv": {"schema": _BINARY},
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {"schema": _BINARY},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "detail", "detail_zh", "code", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "detail_zh": {"type": "string"},
        "code": {"type": "string"},
        "facts": {"type": "object"},
        "retryable": {"type": "boolean"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_REFUSED = {"401": "no token, or one that is not valid", "403": "the token may not do this"}
_UPLOADED = {"413": "larger than one submission may be", "507": "no room on the server's disk"}


def describe(app: Litestar) -> Json:
    """Return the OpenAPI document of an application."""
    schema: Json = copy.deepcopy(app.openapi_schema.to_schema())
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components |= {"Problem": _PROBLEM, "Report": REPORT}
    needed = permissions(app)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            _complete(operation, path, method, needed.get(f"{method} {path}"))
    return schema


def permissions(app: Litestar) -> dict[str, str]:
    """Permission of every operation ("get /path") that not everybody may call."""
    return {
        f"{method.lower()} {route.path_format}": handler.opt["permission"].value
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get("permission", None) not in (None, *PUBLIC)
        for method in handler.http_methods
    }


def _complete(operation: Json, path: str, method: str, permission: str | None) -> None:
    answers = operation["responses"]
    errors = {"400": "a parameter or the body is wrong"}
    if "{" in path:
        errors["404"] = "there is no such thing"
    if permission is not None:
        operation["security"] = [{"token": []}]
        errors |= _REFUSED
    if path.endswith("/submissions") and method == "post":
        operation["requestBody"] = _UPLOAD
        errors |= _UPLOADED
    if path.endswith("/report"):
        reference = {"$ref": "#/components/schemas/Report"}
        answers["200"]["content"] = {"application/json": {"schema": reference}}
    if method == "post":
        errors["409"] = "not in the state for this"
    for status, words in errors.items():
        answers[status] = {
            "description": words,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
