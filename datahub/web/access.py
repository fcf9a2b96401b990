"""Who asks and what they may: permissions, the role table, keys, and the guard on every route.

A route without a declared permission keeps the application from starting.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from datahub.errors import AccessError, DatahubError, TokenMissing
from datahub.errors_limits import KeyInvalid, KeyMissing
from datahub.model import Person, Role
from datahub.store import keys, people
from datahub.store.keys import Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar import Litestar, Request
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    from datahub.store import Store


class Permission(StrEnum):
    """What a route needs, named `resource:action`."""

    CATALOG_READ = "catalog:read"
    GLOSSARY_DECIDE = "glossary:decide"
    GLOSSARY_PROPOSE = "glossary:propose"
    KEY_OWN = "key:own"
    PROPOSAL_DECIDE = "proposal:decide"
    PROPOSAL_READ = "proposal:read"
    QUERY_WRITE = "query:write"
    RECORD_WRITE = "record:write"
    RELEASE_WITHDRAW = "release:withdraw"
    SEARCH_WATCH = "search:watch"
    SERVICE_WATCH = "service:watch"
    SUBMISSION_CREATE = "submission:create"
    SUBMISSION_DECIDE = "submission:decide"
    SUBMISSION_READ = "submission:read"
    SUBMISSION_WITHDRAW = "submission:withdraw"
    WEBHOOK_WRITE = "webhook:write"


P = Permission
PUBLIC = frozenset({P.CATALOG_READ, P.SERVICE_WATCH})
KEY = PUBLIC | {P.KEY_OWN, P.QUERY_WRITE, P.WEBHOOK_WRITE}
"""What an API key may: whoever wants one makes it."""
ROLES: dict[Role, frozenset[Permission]] = {
    Role.STEWARD: PUBLIC
    | {P.GLOSSARY_PROPOSE, P.QUERY_WRITE, P.WEBHOOK_WRITE}
    | {P.RECORD_WRITE, P.PROPOSAL_READ}
    | {P.SUBMISSION_CREATE, P.SUBMISSION_READ, P.SUBMISSION_WITHDRAW},
    Role.REVIEWER: PUBLIC
    | {P.PROPOSAL_DECIDE, P.PROPOSAL_READ}
    | {P.GLOSSARY_PROPOSE, P.GLOSSARY_DECIDE, P.QUERY_WRITE, P.WEBHOOK_WRITE}
    | {P.SUBMISSION_READ, P.SUBMISSION_DECIDE, P.RELEASE_WITHDRAW},
    Role.OPERATOR: frozenset(Permission) - {P.KEY_OWN},
}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through when its person or key has the route's permission.

    It goes to a thread only to look a token up: the hop costs as much as a page of rows.

    Raises:
        TokenMissing: the route is not public and no token came.
        KeyMissing: a key is enough for the route, and none came.
        TokenInvalid, KeyInvalid: one came that is not valid, on whatever route.
        AccessError: the person's role, or a key, lacks the permission.
        DatahubError: the request was refused before.

    """
    refused = connection.scope.get("refused")
    if isinstance(refused, DatahubError):
        raise refused
    permission: Permission | None = handler.opt.get("permission")
    if permission is None:  # OPTIONS, which the framework adds; check_routes saw all others
        return
    secret = credential_of(connection.scope["headers"])
    if secret is None:
        if permission not in PUBLIC:
            raise KeyMissing if permission in KEY else TokenMissing
    elif permission not in await run_sync(_permissions, connection, secret):
        raise AccessError(permission=permission.value)


def _permissions(
    connection: ASGIConnection[Any, Any, Any, Any], secret: str
) -> frozenset[Permission]:
    """What the holder of a token or key may; the holder goes into the scope."""
    scope: Any = connection.scope
    store: Store = connection.app.state.store
    if secret.startswith(keys.PREFIX):
        if "key" not in scope:  # else it was looked up where its limits are
            with store.catalog.read() as db:
                scope["key"] = keys.by_secret(db, secret, store.clock())
        return KEY
    with store.catalog.read() as db:
        person = scope["user"] = people.by_token(db, secret, store.clock())
    return ROLES[person.role]


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Token or key of a request: `Authorization: Bearer …`, or raw as CKAN clients send it.

    A key may come as `X-API-Key`, too, which never holds a token.

    Raises:
        KeyInvalid: something else stands there.

    """
    key = None
    for name, value in headers:
        if name == b"authorization":
            header = value.decode("latin-1")
            scheme, space, rest = header.partition(" ")
            return rest.strip() if space and scheme.lower() == "bearer" else header.strip()
        if name == b"x-api-key":
            key = value.decode("latin-1").strip()
    if key is not None and not key.startswith(keys.PREFIX):
        raise KeyInvalid
    return key


def key_of(request: Request[Any, Any, Any]) -> Key:
    """Return the key that the guard let through.

    Raises:
        KeyMissing: the request has none.

    """
    key = request.scope.get("key")
    if not isinstance(key, Key):
        raise KeyMissing
    return key


def caller_of(request: Request[Any, Any, Any]) -> str:
    """Who owns what a request makes: `key:ID`, or `person:NAME`.

    Raises:
        TokenMissing: nobody in particular.

    """
    key = request.scope.get("key")
    return f"key:{key.id}" if isinstance(key, Key) else f"person:{person_of(request).name}"


def person_of(request: Request[Any, Any, Any]) -> Person:
    """Return who the guard let through.

    Raises:
        TokenMissing: nobody in particular.

    """
    person = request.scope.get("user")
    if not isinstance(person, Person):
        raise TokenMissing
    return person


def check_routes(app: Litestar) -> None:
    """Refuse to start with a route that declares no permission.

    Raises:
        RuntimeError: names the route.

    """
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            framework = handler is None or handler.handler_name.startswith(("options", "litestar"))
            if not framework and not isinstance(handler.opt.get("permission"), Permission):
                raise RuntimeError(f"no permission declared: {route.path} {handler.handler_name}")
