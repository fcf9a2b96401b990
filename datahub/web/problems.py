"""Every error as application/problem+json (RFC 9457), or as a page for browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from datahub.errors import (
    BodyInvalid,
    BodyTooLarge,
    CursorInvalid,
    DatahubError,
    MethodNotAllowed,
    MissingError,
    ParameterInvalid,
    RequestError,
)
from datahub.errors_catalog import DatasetMoved
from datahub.errors_query import SqlInvalid
from datahub.errors_rows import FormMissing
from datahub.forms.names import FORMS
from datahub.web import body_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import Send

_log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
_BEFORE_NAMES = ("/api/v1/datasets/", "/datasets/", "/d/")
_STORED = "/api/v1/queries"
_HAVE_FORMS = ("rows", "export", "sql")  # last parts of addresses that take an ending
_SMALL_BODY = 1 << 20


def body(error: DatahubError, instance: str, request_id: str) -> dict[str, Any]:
    """Problem details of an error; `detail` is English, `detail_zh` Chinese."""
    return {
        "type": f"/docs#error-{error.code}",
        "title": error.code,
        "status": error.status,
        "detail": error.text_en,
        "detail_zh": error.text_zh,
        "code": error.code,
        "facts": error.facts,
        "errors": _errors(error, instance),
        "retryable": error.retryable,
        "instance": instance,
        "request_id": request_id,
    }


def _errors(error: DatahubError, instance: str) -> list[dict[str, Any]]:
    """Each parameter or field that is wrong, and what would be right."""
    facts = error.facts
    if isinstance(error, SqlInvalid):
        facts = {"name": "sql" if instance.startswith(_STORED) else "q"} | facts
    if isinstance(error, CursorInvalid):
        facts = {"name": "cursor"} | facts
    if isinstance(facts.get("problems"), list):  # of a record: field, rule and both texts
        return [
            {"param": item.get("field", ""), "reason": item.get("en", ""),
             "reason_zh": item.get("zh", "")}
            for item in facts["problems"]
        ]  # fmt: skip
    if not isinstance(error, RequestError | MissingError) or "name" not in facts:
        return []
    told = {
        "param": str(facts["name"]),
        "reason": str(facts.get("reason_en", error.text_en)),
        "reason_zh": str(facts.get("reason_zh", error.text_zh)),
    }
    allowed = facts.get("allowed")
    return [
        told | ({"allowed": allowed.split(", ")} if allowed and isinstance(allowed, str) else {})
    ]


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a request that raised: our own errors as they are, others as the nearest of ours."""
    if isinstance(error, DatasetMoved):
        return _redirect(request, error)
    ours = as_ours(request, error)
    request_id = str(request.scope.get("request_id", ""))
    if ours.status >= 500 and not ours.retryable:  # noqa: PLR2004 - HTTP
        _log.error("request.failed", path=request.url.path, request_id=request_id, exc_info=error)
    headers = _headers(ours)
    if isinstance(error, MethodNotAllowedException):
        headers["allow"] = _allowed(error)
    if wants_page(request.scope):
        from datahub.web.portal.pages import problem_page

        return problem_page(ours, headers)
    return Response(
        body(ours, request.url.path, request_id),
        status_code=ours.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _allowed(error: MethodNotAllowedException) -> str:
    """Methods that an address has."""
    told = (error.headers or {}).get("allow", "").replace("GET", "GET, HEAD")
    return ", ".join(sorted(told.split(", ")))


def _redirect(request: Request[Any, Any, Any], error: DatasetMoved) -> Response[Any]:
    """Send who asks for a former name to the same address under the present one.

    308 keeps method and body for programs; pages are answered 301, as browsers know it longest.
    """
    old, now = error.facts["dataset"], error.facts["now"]
    path = request.url.path
    # A dataset may be called like what stands before it: /d/d/1/d.csv.
    prefix = next((p for p in _BEFORE_NAMES if path.startswith(p)), "/")
    path = prefix[:-1] + f"{path[len(prefix) - 1 :]}/".replace(f"/{old}/", f"/{now}/", 1)[:-1]
    query = f"?{request.url.query}" if request.url.query else ""
    is_page = path.startswith("/datasets/")
    return Response(
        body(error, request.url.path, str(request.scope.get("request_id", ""))),
        status_code=301 if is_page else 308,
        media_type=MEDIA_TYPE,
        headers={
            "location": quote(path, safe="/%") + query,
            "cache-control": "public, max-age=86400",
            "access-control-allow-origin": "*",
        },
    )


def wants_page(scope: Any) -> bool:
    """Tell whether a request is a browser's that asks for a page."""
    accepts = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    return accepts and not scope["path"].startswith(("/api/", "/health", "/metrics"))


async def answer(
    scope: Any, send: Send, error: DatahubError, more: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer a request with an error, and with `more` headers, where no route handles it."""
    content = msgspec.json.encode(body(error, scope["path"], scope.get("request_id", "")))
    headers = _headers(error)
    headers |= {"content-type": MEDIA_TYPE, "content-length": str(len(content))}
    headers |= dict(more)
    start: Any = {
        "type": "http.response.start",
        "status": error.status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    content = b"" if scope["method"] == "HEAD" else content
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _headers(error: DatahubError) -> dict[str, str]:
    headers = {"vary": "Accept", "x-content-type-options": "nosniff"}
    if error.status == 401:  # noqa: PLR2004 - RFC 9110 §11.6.1
        headers["www-authenticate"] = 'Bearer realm="datahub"'
    if error.retryable:
        headers["retry-after"] = str(error.facts.get("retry_after", 30))
    return headers


def as_ours(request: Request[Any, Any, Any], error: Exception) -> DatahubError:
    """Return our own errors as they are, others as the nearest of ours."""
    match error:
        case DatahubError():
            ours = error
        case MethodNotAllowedException():
            ours = MethodNotAllowed(method=request.method, allowed=_allowed(error))
        case NotFoundException():
            ours = _missing(request.scope["path"])
        case ValidationException():
            ours = _invalid(request, error)
        case HTTPException() if error.status_code == 413:  # noqa: PLR2004 - HTTP
            ours = BodyTooLarge(limit=_SMALL_BODY)
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004 - HTTP
            ours = body_errors.no_json(error.detail)
        case UnicodeError():
            ours = body_errors.no_json("Invalid UTF-8")
        case RecursionError():
            ours = BodyInvalid(reason_zh="嵌套过深", reason_en="it is nested too deeply")
        case _:
            ours = DatahubError()
    return ours


def _missing(path: str) -> MissingError:
    """Tell an ending that is no form; else there is nothing at an address."""
    stem, dot, ending = path.rpartition("/")[2].partition(".")
    if dot and stem in _HAVE_FORMS and path.startswith("/api/v1/"):
        return FormMissing(form=ending[:40], allowed=", ".join(FORMS), name="format")
    return MissingError()


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> DatahubError:
    """Tell a wrong parameter by its name; the framework's texts name types, not paths."""
    extra = error.extra if isinstance(error.extra, list) else []
    for item in extra:
        if isinstance(item, dict) and item.get("source") in ("query", "path"):
            name = _public_name(request, item.get("key", ""))
            given = request.query_params.get(name, request.path_params.get(name, ""))
            zh, en = body_errors.of_value(
                item.get("message", ""), _type_of(request, item.get("key", ""))
            )
            return ParameterInvalid(name=name, value=str(given)[:80], reason_zh=zh, reason_en=en)
    wrong = [(str(item.get("key", "")), str(item.get("message", ""))) for item in extra]
    return body_errors.of_body(wrong, _type_of(request, "data"))


def _type_of(request: Request[Any, Any, Any], key: str) -> Any:
    """Type of a parameter of the handler."""
    handler: Any = request.scope.get("route_handler")
    found = handler.parsed_fn_signature.parameters.get(key) if handler else None
    return found.annotation if found else None


def _public_name(request: Request[Any, Any, Any], key: str) -> str:
    """Name of a parameter in the address, which may differ from the handler's."""
    handler: Any = request.scope.get("route_handler")
    found = handler.parsed_fn_signature.parameters.get(key) if handler else None
    definition = found.kwarg_definition if found else None
    return getattr(definition, "query", None) or getattr(definition, "name", None) or key
