"""Who asks and what they may: permissions, the role table, and the guard on every route.

A route without a declared permission keeps the application from starting.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from datahub.errors import AccessError, TokenMissing
from datahub.model import Person, Role
from datahub.store import people

if TYPE_CHECKING:
    from litestar import Litestar, Request
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    from datahub.store import Store


class Permission(StrEnum):
    """What a route needs, named `resource:action`."""

    CATALOG_READ = "catalog:read"
    GLOSSARY_DECIDE = "glossary:decide"
    GLOSSARY_PROPOSE = "glossary:propose"
    PROPOSAL_DECIDE = "proposal:decide"
    PROPOSAL_READ = "proposal:read"
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
ROLES: dict[Role, frozenset[Permission]] = {
    Role.STEWARD: PUBLIC
    | {P.GLOSSARY_PROPOSE, P.WEBHOOK_WRITE}
    | {P.RECORD_WRITE, P.PROPOSAL_READ}
    | {P.SUBMISSION_CREATE, P.SUBMISSION_READ, P.SUBMISSION_WITHDRAW},
    Role.REVIEWER: PUBLIC
    | {P.PROPOSAL_DECIDE, P.PROPOSAL_READ}
    | {P.GLOSSARY_PROPOSE, P.GLOSSARY_DECIDE, P.WEBHOOK_WRITE}
    | {P.SUBMISSION_READ, P.SUBMISSION_DECIDE, P.RELEASE_WITHDRAW},
    Role.OPERATOR: frozenset(Permission),
}


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through when its person has the route's permission.

    Raises:
        TokenMissing: the route is not public and no token came.
        TokenInvalid: a token came that is not valid, on whatever route.
        AccessError: the person's role lacks the permission.

    """
    permission: Permission | None = handler.opt.get("permission")
    if permission is None:  # OPTIONS, which the framework adds; check_routes saw all others
        return
    token = _token(connection)
    if token is None:
        if permission not in PUBLIC:
            raise TokenMissing
        return
    store: Store = connection.app.state.store
    with store.catalog.read() as db:
        person = people.by_token(db, token, store.clock())
    connection.scope["user"] = person
    if permission not in ROLES[person.role]:
        raise AccessError(permission=permission.value)


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """Token of the request: `Authorization: Bearer …`, or raw as CKAN clients send it."""
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, space, rest = header.partition(" ")
    return rest.strip() if space and scheme.lower() == "bearer" else header.strip()


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
