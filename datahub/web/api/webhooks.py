"""Routes on webhooks and their delivery log."""

from __future__ import annotations

import re
from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.clock import stamp
from datahub.errors import BodyInvalid
from datahub.guard.deliveries import check
from datahub.model import Struct
from datahub.store import feed, records, webhooks
from datahub.web import receiving
from datahub.web.access import Permission, caller_of
from datahub.web.api.datasets import check_names, store_of

_OWN = {"permission": Permission.WEBHOOK_WRITE}
_NAMES = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")


class WebhookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where changes shall be brought to; no datasets or events means all."""

    url: str
    datasets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class WebhookView(Struct, frozen=True):
    """A webhook without its secret."""

    id: str
    url: str
    datasets: list[str]
    events: list[str]
    created: str
    seq: int
    ended: str | None
    reason: str | None
    links: dict[str, str]


class WebhookMade(WebhookView, frozen=True):
    """A new webhook; the secret is shown this once."""

    secret: str


class DeliveryView(Struct, frozen=True):
    """A line of the delivery log; `what` is ping or what happened, `seq` the change's number."""

    id: int
    message: str  # value of the webhook-id header
    what: str
    seq: int | None
    state: str
    attempts: int
    next_at: str | None
    at: str | None
    status: int | None
    problem: str | None


class DeliveryLog(Struct, frozen=True):
    """Deliveries, newest first; `next` is the address of those before."""

    data: list[DeliveryView]
    next: str | None


def owner_of(request: Request[Any, Any, Any]) -> str:
    """Who the webhooks of a request belong to: the holder of its token or key.

    Raises:
        TokenMissing: nobody in particular.

    """
    return caller_of(request)


@post(
    "/api/v1/webhooks",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="MakeWebhook",
    summary="Make a webhook",
    description=receiving.MADE,
    tags=["changes"],
)
def create(request: Request[Any, Any, Any], data: JSONBody[WebhookBody]) -> WebhookMade:
    """Make a webhook of the asker's; see `receiving` for what is told of it."""
    check_names(request, ())
    store = store_of(request)
    check(data.url, private=store.settings.private_webhooks)
    _check_lists(data)
    with store.catalog.write() as db:
        for name in data.datasets:
            records.get_dataset(db, name)
        made = webhooks.create(
            db,
            owner=owner_of(request),
            url=data.url,
            datasets=tuple(dict.fromkeys(data.datasets)),
            events=tuple(dict.fromkeys(data.events)),
            now=stamp(store.clock),
        )
    return WebhookMade(**_fields(made), secret=made.secret)


def _check_lists(data: WebhookBody) -> None:
    if len(data.datasets) > _NAMES or not all(_NAME.match(name) for name in data.datasets):
        raise BodyInvalid(
            reason_zh=f"datasets 应为数据集标识的列表，最多 {_NAMES} 个",
            reason_en=f"datasets is a list of names of datasets, {_NAMES} at most",
        )
    if not set(data.events) <= set(feed.KINDS):
        shown = ", ".join(feed.KINDS)
        raise BodyInvalid(reason_zh=f"events 只能取：{shown}", reason_en=f"events are of: {shown}")


@get(
    "/api/v1/webhooks",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="ListWebhooks",
    summary="Your webhooks",
    tags=["changes"],
)
def find(request: Request[Any, Any, Any]) -> list[WebhookView]:
    """Webhooks of the asker, ended ones included, oldest first."""
    check_names(request, ())
    with store_of(request).catalog.read() as db:
        return [_view(item) for item in webhooks.find(db, owner_of(request))]


@get(
    "/api/v1/webhooks/{webhook:str}",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="ReadWebhook",
    summary="One webhook",
    tags=["changes"],
)
def read(request: Request[Any, Any, Any], webhook: FromPath[str]) -> WebhookView:
    """Where it delivers to, how far it has come, and why it ended if it did."""
    check_names(request, ())
    with store_of(request).catalog.read() as db:
        return _view(webhooks.get(db, owner_of(request), webhook))


@delete(
    "/api/v1/webhooks/{webhook:str}",
    opt=_OWN,
    sync_to_thread=True,
    status_code=200,
    operation_id="DeleteWebhook",
    summary="Delete a webhook",
    tags=["changes"],
)
def remove(request: Request[Any, Any, Any], webhook: FromPath[str]) -> WebhookView:
    """End it at once and forget its log; the answer is what it was."""
    check_names(request, ())
    with store_of(request).catalog.write() as db:
        found = webhooks.get(db, owner_of(request), webhook)
        webhooks.delete(db, found)
    return _view(found)


@post(
    "/api/v1/webhooks/{webhook:str}/ping",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="PingWebhook",
    summary="Try a webhook",
    tags=["changes"],
)
def ping(request: Request[Any, Any, Any], webhook: FromPath[str]) -> DeliveryView:
    """Send a message of type ping, once and soon; its delivery log tells how it went."""
    check_names(request, ())
    store = store_of(request)
    with store.catalog.write() as db:
        found = webhooks.get(db, owner_of(request), webhook)
        return _delivery(webhooks.ping(db, found, stamp(store.clock)), "ping")


Before = Annotated[int | None, QueryParameter(ge=1, le=1 << 62, description="those before this id")]


@get(
    "/api/v1/webhooks/{webhook:str}/deliveries",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="ListDeliveries",
    summary="Delivery log of a webhook",
    tags=["changes"],
)
def read_log(
    request: Request[Any, Any, Any],
    webhook: FromPath[str],
    before: Before = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> DeliveryLog:
    """Deliveries, newest first: attempts, time, the status answered, or why there is none."""
    check_names(request, ("before", "limit"))
    with store_of(request).catalog.read() as db:
        found = webhooks.get(db, owner_of(request), webhook)
        log = webhooks.log(db, found, before=before, limit=limit)
        kinds = feed.kinds(db, [item.seq for item in log])
    more = f"{request.url.path}?before={log[-1].id}&limit={limit}" if len(log) == limit else None
    return DeliveryLog(
        data=[_delivery(item, kinds.get(item.seq, "ping")) for item in log], next=more
    )


@post(
    "/api/v1/webhooks/{webhook:str}/deliveries/{delivery:int}/redelivery",
    opt=_OWN,
    sync_to_thread=True,
    operation_id="RedeliverDelivery",
    summary="Deliver once more",
    tags=["changes"],
)
def redeliver(
    request: Request[Any, Any, Any], webhook: FromPath[str], delivery: FromPath[int]
) -> DeliveryView:
    """Send a delivery that is over again, with the same webhook-id."""
    check_names(request, ())
    store = store_of(request)
    with store.catalog.write() as db:
        found = webhooks.get(db, owner_of(request), webhook)
        noted = webhooks.again(db, found, delivery, stamp(store.clock))
        return _delivery(noted, feed.kinds(db, [noted.seq]).get(noted.seq, "ping"))


def _view(webhook: webhooks.Webhook) -> WebhookView:
    return WebhookView(**_fields(webhook))


def _fields(webhook: webhooks.Webhook) -> dict[str, Any]:
    address = f"/api/v1/webhooks/{webhook.id}"
    same = ("id", "url", "created", "seq", "ended", "reason")
    return {name: getattr(webhook, name) for name in same} | {
        "datasets": list(webhook.datasets),
        "events": list(webhook.events),
        "links": {
            "self": address,
            "ping": f"{address}/ping",
            "deliveries": f"{address}/deliveries",
        },
    }


def _delivery(item: webhooks.Delivery, what: str) -> DeliveryView:
    return DeliveryView(
        id=item.id,
        message=item.message,
        what=what,
        seq=None if item.ping else item.seq,
        state=item.state,
        attempts=item.attempts,
        next_at=item.next_at if item.state == "waiting" else None,
        at=item.at,
        status=item.status,
        problem=item.problem,
    )


routes: list[Any] = [create, find, read, remove, ping, read_log, redeliver]
