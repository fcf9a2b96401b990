"""Brings changes to webhooks: signed, tried again, logged.

Every change arrives at least once and in order at each webhook: the change that waits first is
sent until it arrives or is given up, and only then the next one. Pings go beside them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from datahub.clock import stamp
from datahub.guard.deliveries import Message, resolve, send
from datahub.store import feed, webhooks
from datahub.store.webhooks import Delivery, Outcome, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.guard.deliveries import Resolve
    from datahub.store import Store

PAUSES = (10, 60, 600, 3600, 6 * 3600, 24 * 3600)
"""Seconds before each further attempt; after the last one a delivery is given up."""
AT_ONCE = 16
"""Messages on their way at a time."""
_GONE = 410  # RFC 9110 §15.5.11: the receiver wants no more


def deliver(
    store: Store,
    stopping: Callable[[], bool],
    *,
    pauses: Sequence[float] = PAUSES,
    resolver: Resolve = resolve,
) -> None:
    """Move every webhook past what happened, send what is due, and return."""
    _follow(store)
    while not stopping():
        with store.catalog.read() as db:
            due = webhooks.due(db, stamp(store.clock))
        if not due:
            return
        asyncio.run(_send_all(store, due, pauses, resolver))
        _follow(store)


def _follow(store: Store) -> None:
    with store.catalog.read() as db:
        if not webhooks.behind(db):
            return
    now = stamp(store.clock)
    with store.catalog.write() as db:
        for webhook in webhooks.live(db):
            webhooks.follow(db, webhook, now)


async def _send_all(
    store: Store,
    due: Sequence[tuple[Webhook, Delivery]],
    pauses: Sequence[float],
    resolver: Resolve,
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(webhook: Webhook, delivery: Delivery) -> None:
        async with places:
            answered = await send(
                webhook.url,
                webhook.secret,
                message(store, webhook, delivery),
                private=store.settings.private_webhooks,
                resolver=resolver,
            )
            outcome = Outcome(status=answered.status, problem=answered.problem)
            await asyncio.to_thread(_log, store, delivery, outcome, pauses)

    async with asyncio.TaskGroup() as group:
        for webhook, delivery in due:
            group.create_task(one(webhook, delivery))


def message(store: Store, webhook: Webhook, delivery: Delivery) -> Message:
    """Write a delivery as Standard Webhooks proposes: type, timestamp, data."""
    base = store.settings.site.rstrip("/")
    now = store.clock()
    if delivery.ping:
        body = {"type": "ping", "timestamp": stamp(store.clock), "data": {"webhook": webhook.id}}
    else:
        with store.catalog.read() as db:
            line = feed.one(db, delivery.seq, base)
        body = {"type": line.what, "timestamp": line.at, "data": msgspec.to_builtins(line)}
    return Message(
        id=delivery.message,
        timestamp=int(now.timestamp()),
        body=msgspec.json.encode(body),
    )


def _log(store: Store, sent: Delivery, outcome: Outcome, pauses: Sequence[float]) -> None:
    now = stamp(store.clock)
    pause = pauses[sent.attempts] if sent.attempts < len(pauses) and not sent.ping else None
    later = store.clock() + timedelta(seconds=pause or 0)
    next_at = None if pause is None else stamp(lambda: later)
    with store.catalog.write() as db:
        webhooks.record(db, sent, outcome, now=now, next_at=next_at)
        if outcome.status == _GONE:
            reason = "the receiver answered 410 Gone"
            webhooks.end(db, sent.webhook, reason=reason, now=now)
