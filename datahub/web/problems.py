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
    DatahubError,
    MethodNotAllowed,
    MissingError,
    ParameterInvalid,
    RequestError,
)
from datahub.errors_catalog import DatasetMoved
from datahub.serve.files import EXPOSED

if TYPE_CHECKING:
    from litestar.types import Send

_log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
_BEFORE_NAMES = ("/api/v1/datasets/", "/datasets/", "/d/")
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
        "errors": _errors(error),
        "retryable": error.retryable,
        "instance": instance,
        "request_id": request_id,
    }


def _errors(error: DatahubError) -> list[dict[str, Any]]:
    """Each parameter or field that is wrong, and what would be right."""
    facts = error.facts
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
    return [told | ({"allowed": allowed.split(", ")} if isinstance(allowed, str) else {})]


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a request that raised: our own errors as they are, others as the nearest of ours."""
    if isinstance(error, DatasetMoved):
        return _redirect(request, error)
    ours = as_ours(request, error)
    request_id = str(request.scope.get("request_id", ""))
    if ours.status >= 500 and not ours.retryable:  # noqa: PLR2004 - HTTP
        _log.error("request.failed", path=request.url.path, request_id=request_id, exc_info=error)
    headers = _headers(ours)
    if isinstance(error, MethodNotAllowedException) and error.headers:
        headers["allow"] = error.headers["allow"].replace("GET", "GET, HEAD")
    if wants_page(request.scope):
        from datahub.web.portal.pages import problem_page

        return problem_page(ours, headers)
    return Response(
        body(ours, request.url.path, request_id),
        status_code=ours.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


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


async def answer(scope: Any, send: Send, error: DatahubError) -> None:
    """Answer a request with an error before any route has it."""
    content = msgspec.json.encode(body(error, scope["path"], scope.get("request_id", "")))
    headers = _headers(error)
    headers |= {"content-type": MEDIA_TYPE, "content-length": str(len(content))}
    if any(name == b"origin" for name, _ in scope["headers"]):
        headers |= {"access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED}
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
            ours = MethodNotAllowed(method=request.method)
        case NotFoundException():
            ours = MissingError()
        case ValidationException():
            ours = _invalid(request, error)
        case HTTPException() if error.status_code == 413:  # noqa: PLR2004 - HTTP
            ours = BodyTooLarge(limit=_SMALL_BODY)
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004 - HTTP
            ours = RequestError(reason_zh=error.detail, reason_en=error.detail)
        case RecursionError() | UnicodeError():
            ours = BodyInvalid(reason_zh="嵌套过深或编码有误", reason_en="nested too deeply")
        case _:
            ours = DatahubError()
    return ours


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> DatahubError:
    """Tell a wrong parameter by its name; the framework's texts name types, not paths."""
    extra = error.extra if isinstance(error.extra, list) else []
    for item in extra:
        if isinstance(item, dict) and item.get("source") in ("query", "path"):
            name = _public_name(request, item.get("key", ""))
            given = request.query_params.get(name, request.path_params.get(name, ""))
            return ParameterInvalid(
                name=name,
                value=str(given)[:80],
                reason_zh=f"不符合取值要求（{item.get('message', '')}）",
                reason_en=item.get("message", ""),
            )
    told = "; ".join(
        f"{item.get('key', '')} {item['message']}".strip()
        for item in extra
        if " " in item.get("message", "")
    )
    return BodyInvalid(
        reason_zh=told or "需要 JSON 内容，字段见 /docs",
        reason_en=told or "a JSON body is needed; its fields are in /docs",
    )


def _public_name(request: Request[Any, Any, Any], key: str) -> str:
    """Name of a parameter in the address, which may differ from the handler's."""
    handler: Any = request.scope.get("route_handler")
    found = handler.parsed_fn_signature.parameters.get(key) if handler else None
    definition = found.kwarg_definition if found else None
    return getattr(definition, "query", None) or getattr(definition, "name", None) or key
