"""The API's own description (OpenAPI 3.1): what the framework finds out, made true and whole.

The framework knows neither our errors nor who may call a route nor streamed bodies.
"""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

from litestar.routes import HTTPRoute

from datahub.model import Json
from datahub.web import examples
from datahub.web.access import KEY, PUBLIC
from datahub.web.api.report import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar
    from litestar.handlers import HTTPRouteHandler

TAGS = {
    "files": "文件",
    "datasets": "目录与数据",
    "submissions": "报送与审核",
    "service": "服务状态",
    "search": "检索",
    "catalog": "整个目录与订阅",
    "rows": "数据行",
    "statistics": "统计与概况",
    "snippets": "代码片段",
    "versions": "版本与差异",
    "changes": "变化与推送",
    "sql": "用 SQL 查询",
    "queries": "存储查询",
    "keys": "密钥与用量",
    "records": "目录记录的登记与修改",
    "proposals": "须复核的修改",
    "life cycle": "数据集的状态与全流程",
    "publishers": "机构、行政区划与统计",
    "glossary": "政务词条",
    "vocabularies": "代码表",
}
"""Of operations, in the order in which they are told."""
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
PROBLEM: Json = {
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
        "errors": {
            "type": "array",
            "description": "each parameter or field that is wrong, and what would be right",
            "items": {
                "type": "object",
                "required": ["param", "reason", "reason_zh"],
                "properties": {
                    "param": {"type": "string"},
                    "reason": {"type": "string"},
                    "reason_zh": {"type": "string"},
                    "allowed": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_ADDRESS = 2000  # characters of one parameter that are promised: an address has 64 kB at most
_REFUSED = {"401": "no token, or one that is not valid", "403": "the token may not do this"}
_MEDIA = {
    "/catalog.ndjson": "application/x-ndjson",
    "/catalog.csv": "text/csv",
    "/catalog.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "/catalog.jsonld": "application/ld+json",
    "/catalog.ttl": "text/turtle",
    "/feed.atom": "application/atom+xml",
    "/feed.json": "application/feed+json",
}
"""Of documents that the framework takes for JSON."""
_ANY = {
    "429": "a limit is reached; Retry-After tells when to try again",
    "4XX": "refused for another reason, which is told",
    "503": "too busy, or not ready; Retry-After tells when to try again",
}
_UPLOADED = {"413": "larger than one submission may be", "507": "no room on the server's disk"}


def describe(app: Litestar) -> Json:
    """Return the OpenAPI document of an application."""
    schema: Json = copy.deepcopy(app.openapi_schema.to_schema())
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components |= {"Problem": PROBLEM, "Report": REPORT}
    needed, words = permissions(app), descriptions(app)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            key = f"{method} {path}"
            operation["description"] = words[key]
            _complete(operation, path, method, needed.get(key))
    _simplify(schema)
    schema["tags"] = [{"name": tag, "description": f"{zh} {tag}"} for tag, zh in TAGS.items()]
    examples.add(schema, app)
    return schema


def permissions(app: Litestar) -> dict[str, str]:
    """Permission of every operation ("get /path") that not everybody may call."""
    return {
        key: handler.opt["permission"].value
        for key, handler in _handlers(app)
        if handler.opt.get("permission", None) not in (None, *PUBLIC)
    }


def descriptions(app: Litestar) -> dict[str, str]:
    """Docstring of every operation ("get /path").

    The framework would tell that of its own wrapper, which runs a handler in a thread, of some:
    handlers of an address with several methods are wrapped once more when the next is registered.
    """
    return {
        key: handler.description or inspect.cleandoc(_unwrapped(handler.fn).__doc__ or "")
        for key, handler in _handlers(app)
    }


def _unwrapped(function: Any) -> Any:
    while hasattr(function, "func"):
        function = function.func
    return function


def _handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield f"{method.lower()} {route.path_format}", handler


def _simplify(value: Any) -> None:
    """Take out alternatives that anything fits: they come of fields that may be left unset."""
    if isinstance(value, list):
        for item in value:
            _simplify(item)
    elif isinstance(value, dict):
        for item in value.values():
            _simplify(item)
        if {} in value.get("oneOf", ()) and isinstance(value["oneOf"], list):
            left = [item for item in value.pop("oneOf") if item]
            value |= left[0] if len(left) == 1 else {"oneOf": left}


def _complete(operation: Json, path: str, method: str, permission: str | None) -> None:
    answers = operation["responses"]
    errors = {"400": "a parameter or the body is wrong"}
    if "{" in path:
        errors["404"] = "there is no such thing"
    if permission is not None:
        keyed = permission in KEY
        operation["security"] = [{"token": []}, {"key": []}] if keyed else [{"token": []}]
        errors |= _REFUSED
    if path.endswith("/submissions") and method == "post":
        operation["requestBody"] = _UPLOAD
        errors |= _UPLOADED
    if path.endswith("/report"):
        reference = {"$ref": "#/components/schemas/Report"}
        answers["200"]["content"] = {"application/json": {"schema": reference}}
    if path in _MEDIA:
        schema = {"type": "string"}
        answers["200"]["content"] = {_MEDIA[path]: {"schema": schema if "json" not in path else {}}}
    if method == "post":
        errors["409"] = "not in the state for this"
    for item in operation.get("parameters", ()):
        if item["schema"].get("maxLength", 0) > _ADDRESS:
            item["schema"]["maxLength"] = _ADDRESS
    errors |= _ANY
    for status, words in errors.items():
        answers[status] = problem(words)


def problem(words: str) -> Json:
    """Describe an answer that is a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}
