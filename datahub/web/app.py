"""The composition root: stores, routes, guards, errors, logs and metrics become one ASGI app."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar import Litestar, Request, Response, Router, get
from litestar.config.cors import CORSConfig
from litestar.enums import HttpMethod, ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp

from datahub import __version__, settings
from datahub.errors_limits import HeaderTooLarge
from datahub.logs import configure
from datahub.search.service import Search
from datahub.serve.engine import Engine
from datahub.serve.files import EXPOSED
from datahub.serve.reading import Reading
from datahub.store import Store, aliases, open_store
from datahub.web import access, files, health, limits, metrics, outputs, problems
from datahub.web.answers import Answers
from datahub.web.api import (
    changes,
    glossary,
    jobs,
    keys,
    lifecycle,
    publishers,
    queries,
    records,
    resource_openapi,
    rest,
    rows,
    search,
    signatures,
    snippets,
    sql,
    statistics,
    submissions,
    versions,
    vocabularies,
    webhooks,
)
from datahub.web.compression import Compression
from datahub.web.description import describe
from datahub.web.portal.pages import routes as pages
from datahub.web.ranges import Ranges

if TYPE_CHECKING:
    from litestar.types import Message, Receive, Scope, Send

HEADER_BYTES = 64 << 10
_REQUEST_ID = re.compile(rb"[0-9A-Za-z._-]{8,64}\Z")
_READING = (
    *(rows, rest, statistics, snippets, resource_openapi, sql, jobs, queries),
    *(versions, changes, webhooks, keys, signatures),
)
_READS = ("GET", "HEAD")
_OPEN = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED.encode()),
)
_log = structlog.get_logger()


def create_app(store: Store | None = None, *, indexes: bool = True) -> Litestar:
    """Build the application on the given stores, or on those that the settings name.

    `indexes`: it writes the search index itself; where there is a worker, that does.
    """
    opened = store or open_store(settings.load())
    own = opened.settings
    engine = Engine(own.query_threads, own.query_memory, own.query_seconds)
    searching = Search(opened, writes=indexes)
    configure(opened.settings.log)
    app = Litestar(
        route_handlers=[
            records.datasets_router,
            records.router,
            lifecycle.router,
            publishers.router,
            submissions.router,
            vocabularies.router,
            glossary.router,
            search.router,
            *files.routes,
            openapi_json,
            *health.routes,
            *(route for module in _READING for route in module.routes),
            *outputs.routes,
            *pages,
        ],
        guards=[access.guard],
        before_request=limits.before,
        exception_handlers={Exception: _refused},
        cors_config=CORSConfig(
            allow_origins=["*"],
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
            expose_headers=EXPOSED.split(", "),
        ),
        openapi_config=_openapi(),
        request_max_body_size=1 << 20,
        on_startup=[access.check_routes, lambda: aliases.sweep(opened), searching.start],
        on_shutdown=[searching.close, engine.close, opened.close],
        logging_config=None,
    )
    app.state.store, app.state.engine, app.state.search = opened, engine, searching
    app.state.reading = Reading(opened, engine)
    return app


@get(
    "/openapi.json",
    opt={"permission": access.Permission.CATALOG_READ},
    include_in_schema=False,
    media_type="application/vnd.oai.openapi+json",
    sync_to_thread=False,
)
def openapi_json(request: Request[Any, Any, Any]) -> bytes:
    """Serve the API's own description (OpenAPI 3.1)."""
    return msgspec.json.encode(describe(request.app))


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Datahub 公共数据开放 API",
        version=__version__,
        description="目录、数据行、报送与审核。文件在 /d/{dataset}/{version|latest}/{file}。",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        # The framework's own router allows no document at the root; openapi_json below is it.
        openapi_router=Router(
            "/openapi",
            route_handlers=[],
            include_in_schema=False,
            opt={"permission": access.Permission.CATALOG_READ},
        ),
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer"),
                "key": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
            }
        ),
    )


def application() -> ASGIApp:
    """Build what a web process serves; the settings come from its environment."""
    return serving(create_app(indexes=False))


def serving(app: Litestar) -> Outermost:
    """Put around the routes what every request goes through."""
    # What an answer costs is counted outside of those that are kept, for they cost something,
    # too; they are kept as they were packed.
    answers = Answers(Compression(HeadAsGet(app)), app.state.reading)
    limited = limits.Limits(Ranges(answers), app.state.store)
    app.state.limits = limited
    app.on_startup.append(limited.usage.start)
    app.on_shutdown.insert(0, limited.usage.stop)  # before the catalog is closed
    return Outermost(limited, proxied=app.state.store.settings.proxied)


class Outermost:
    """What every request gets: an id, HEAD where there is GET, and a line in the log."""

    def __init__(self, app: ASGIApp, *, proxied: bool = False) -> None:
        self.app, self._proxied = app, proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope) if self._proxied else secrets.token_hex(8)
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
        method, began, status = scope["method"], time.perf_counter(), 0

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id.encode())]
                message["headers"] = headers if method not in _READS else _shared(headers)
            await send(message)

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
                # Without reading on (RFC 6585 §5).
                await problems.answer(scope, sender, HeaderTooLarge(limit=HEADER_BYTES))
            else:
                await self.app(scope, receive, sender)
        finally:
            seconds = time.perf_counter() - began
            metrics.count(method, scope.get("path_template", ""), status, seconds)
            _log.info(
                "request",
                method=method,
                path=scope["path"],
                status=status,
                ms=round(1000 * seconds, 1),
                id=request_id,
            )


def _refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer an error in the shape that the address's clients know."""
    if request.scope["path"].startswith("/rest/"):
        return rest.refused(request, error)
    return problems.handle(request, error)


def _shared(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Let scripts of all sites read an answer, whoever asked: shared caches keep it for them."""
    if any(name.lower() == _OPEN[0][0] for name, _ in headers):
        return headers
    return [*headers, *_OPEN]


def _request_id(scope: Scope) -> str:
    """Id that the proxy gave a request; a client's own word would pass for another's request."""
    said = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return said.decode() if _REQUEST_ID.match(said) else secrets.token_hex(8)


class HeadAsGet:
    """Answer HEAD like GET without the body (RFC 9110 §9.3.2); `head` in the scope tells."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def sender(message: Message) -> None:
            scope["method"] = HttpMethod.HEAD  # or the server misses a body, and hangs up
            if message["type"] == "http.response.body":
                if message["more_body"]:
                    return
                message["body"] = b""
            await send(message)

        scope["method"], scope["head"] = HttpMethod.GET, True  # type: ignore[typeddict-unknown-key]
        await self.app(scope, receive, sender)
