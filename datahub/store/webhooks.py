"""Webhooks and the log of what was delivered to them.

A change is noted as a delivery in the transaction that moves the webhook past it, so that no
change is lost whenever the worker is killed; a delivery is tried until it arrives or is given up.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import StateError
from datahub.errors_webhooks import DeliveryUnknown, WebhookLimit, WebhookUnknown
from datahub.model import Struct
from datahub.store import aliases, changes
from datahub.store.tables import deliveries, webhooks

if TYPE_CHECKING:
    from datahub.store.engine import Db

EACH = 20
"""Webhooks of one owner at most."""
WAITING = 500
"""Deliveries of one webhook that wait at most; changes behind them are read later."""
KEPT = 1000
"""Deliveries of one webhook that its log keeps at most."""
GIVE_UPS = 3
"""Deliveries given up in a row that end a webhook."""


class Webhook(Struct, frozen=True):
    """An address that changes are brought to; no datasets or events means all of them."""

    id: str
    owner: str
    url: str
    secret: str
    datasets: tuple[str, ...]
    events: tuple[str, ...]
    created: str
    seq: int  # of the last change that was looked at
    ended: str | None = None
    reason: str | None = None


class Delivery(Struct, frozen=True):
    """A change on its way, or a ping: those have numbers below zero."""

    id: int
    webhook: str
    seq: int
    state: str  # waiting, delivered, given-up
    attempts: int
    next_at: str
    at: str | None = None  # of the last attempt
    status: int | None = None  # that was answered to it
    problem: str | None = None  # that kept it from being answered with success

    @property
    def ping(self) -> bool:
        """Whether it was asked for to try the address."""
        return self.seq < 0

    @property
    def message(self) -> str:
        """Id that a receiver knows it by, however often it is sent."""
        return f"msg_{self.webhook}_{self.seq}"


class Outcome(Struct, frozen=True):
    """How an attempt ended: the status answered, or why there is none."""

    status: int | None
    problem: str | None

    @property
    def arrived(self) -> bool:
        """Whether the receiver has it (2xx)."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP


# Webhooks -----------------------------------------------------------------------------------


def create(
    db: Db, *, owner: str, url: str, datasets: tuple[str, ...], events: tuple[str, ...], now: str
) -> Webhook:
    """Add a webhook that gets what happens from now on.

    Raises:
        WebhookLimit: its owner has too many.

    """
    if len(find(db, owner)) >= EACH:
        raise WebhookLimit(limit=EACH)
    made = Webhook(
        id=f"wh_{secrets.token_hex(8)}",
        owner=owner,
        url=url,
        secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        datasets=datasets,
        events=events,
        created=now,
        seq=changes.last(db),
    )
    lists = {name: msgspec.json.encode(getattr(made, name)).decode() for name in _LISTS}
    db.execute(webhooks.insert().values(**msgspec.structs.asdict(made) | lists))
    return made


_LISTS = ("datasets", "events")


def _webhook(row: Any) -> Webhook:
    lists = {name: tuple(msgspec.json.decode(getattr(row, name))) for name in _LISTS}
    return Webhook(**row._asdict() | lists)


def find(db: Db, owner: str) -> list[Webhook]:
    """Webhooks of one owner, ended ones included, oldest first."""
    query = sa.select(webhooks).where(webhooks.c.owner == owner)
    return [_webhook(row) for row in db.execute(query.order_by(webhooks.c.created, webhooks.c.id))]


def get(db: Db, owner: str, identifier: str) -> Webhook:
    """Return one webhook of an owner.

    Raises:
        WebhookUnknown: there is none, or it is somebody else's.

    """
    for found in find(db, owner):
        if found.id == identifier:
            return found
    raise WebhookUnknown(webhook=identifier[:80])


def delete(db: Db, webhook: Webhook) -> None:
    """Remove a webhook and its log."""
    db.execute(deliveries.delete().where(deliveries.c.webhook == webhook.id))
    db.execute(webhooks.delete().where(webhooks.c.id == webhook.id))


def live(db: Db) -> list[Webhook]:
    """All webhooks that have not ended."""
    return [
        _webhook(row) for row in db.execute(sa.select(webhooks).where(webhooks.c.ended.is_(None)))
    ]


def end(db: Db, identifier: str, *, reason: str, now: str) -> None:
    """Stop delivering to a webhook; what waits for it is given up."""
    db.execute(
        webhooks.update().where(webhooks.c.id == identifier).values(ended=now, reason=reason)
    )
    waiting = sa.and_(deliveries.c.webhook == identifier, deliveries.c.state == "waiting")
    db.execute(deliveries.update().where(waiting).values(state="given-up", problem=reason))


# Deliveries ---------------------------------------------------------------------------------


def behind(db: Db) -> bool:
    """Whether there are changes that a webhook has not been moved past."""
    first = db.scalar(sa.select(sa.func.min(webhooks.c.seq)).where(webhooks.c.ended.is_(None)))
    return first is not None and first < changes.last(db)


def follow(db: Db, webhook: Webhook, now: str) -> None:
    """Note what happened since as deliveries, and move the webhook past it."""
    mine = sa.select(sa.func.count()).where(
        deliveries.c.webhook == webhook.id, deliveries.c.state == "waiting"
    )
    room = WAITING - (db.scalar(mine) or 0)
    seen = changes.since(db, webhook.seq, limit=room) if room > 0 else []
    if not seen:
        return
    wanted = [change for change in seen if _wants(db, webhook, change)]
    for change in wanted:
        _note(db, webhook.id, change.seq, now)
    last = seen[-1].seq
    db.execute(webhooks.update().where(webhooks.c.id == webhook.id).values(seq=last))
    _trim(db, webhook.id)


def _wants(db: Db, webhook: Webhook, change: changes.Change) -> bool:
    if webhook.events and change.what not in webhook.events:
        return False
    if not webhook.datasets or change.dataset in webhook.datasets:
        return True
    return bool(set(aliases.names_of(db, change.dataset)) & set(webhook.datasets))


def _note(db: Db, webhook: str, seq: int, now: str) -> int:
    values = {"webhook": webhook, "seq": seq, "state": "waiting", "attempts": 0, "next_at": now}
    key = db.execute(deliveries.insert().values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def _trim(db: Db, webhook: str) -> None:
    own = deliveries.c.webhook == webhook
    newest = sa.select(deliveries.c.id).where(own).order_by(deliveries.c.id.desc())
    edge = db.scalar(newest.offset(KEPT).limit(1))
    if edge is not None:
        over = sa.and_(own, deliveries.c.id <= edge, deliveries.c.state != "waiting")
        db.execute(deliveries.delete().where(over))


def ping(db: Db, webhook: Webhook, now: str) -> Delivery:
    """Note a delivery that tells of no change, to try the address.

    Raises:
        StateError: the webhook has ended.

    """
    _check_live(webhook, "试投", "pinged")
    own = deliveries.c.webhook == webhook.id
    least = db.scalar(sa.select(sa.func.min(deliveries.c.seq)).where(own)) or 0
    return delivery(db, webhook, _note(db, webhook.id, min(least, 0) - 1, now))


def again(db: Db, webhook: Webhook, identifier: int, now: str) -> Delivery:
    """Let a delivery that is over be delivered once more, under the same id.

    Raises:
        DeliveryUnknown: the log has none of this number.
        StateError: it waits anyway, or the webhook has ended.

    """
    _check_live(webhook, "重新投递", "delivered to")
    found = delivery(db, webhook, identifier)
    if found.state == "waiting":
        raise StateError(
            what="delivery", id=identifier, state="等待中 waiting",
            action_zh="重新投递", action_en="delivered again",
        )  # fmt: skip
    values = {"state": "waiting", "attempts": 0, "next_at": now, "problem": None}
    db.execute(deliveries.update().where(deliveries.c.id == found.id).values(**values))
    return delivery(db, webhook, identifier)


def _check_live(webhook: Webhook, action_zh: str, action_en: str) -> None:
    if webhook.ended is not None:
        raise StateError(
            what="webhook", id=webhook.id, state="已停用 ended",
            action_zh=action_zh, action_en=action_en,
        )  # fmt: skip


def delivery(db: Db, webhook: Webhook, identifier: int) -> Delivery:
    """Return one delivery.

    Raises:
        DeliveryUnknown: the webhook's log has none of this number.

    """
    mine = sa.and_(deliveries.c.webhook == webhook.id, deliveries.c.id == identifier)
    known = 0 < identifier < 1 << 62  # an integer column
    row = db.execute(sa.select(deliveries).where(mine)).first() if known else None
    if row is None:
        raise DeliveryUnknown(webhook=webhook.id, delivery=identifier)
    return Delivery(**row._asdict())


def log(db: Db, webhook: Webhook, *, before: int | None, limit: int) -> list[Delivery]:
    """Deliveries of a webhook, newest first, those before a number."""
    query = sa.select(deliveries).where(deliveries.c.webhook == webhook.id)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    rows = db.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
    return [Delivery(**row._asdict()) for row in rows]


def due(db: Db, now: str) -> list[tuple[Webhook, Delivery]]:
    """What is to be sent now: of each webhook the first change that waits, and a ping."""
    waiting = sa.select(sa.func.min(deliveries.c.id)).where(deliveries.c.state == "waiting")
    first = waiting.group_by(deliveries.c.webhook, deliveries.c.seq < 0)
    query = sa.select(deliveries).where(deliveries.c.id.in_(first), deliveries.c.next_at <= now)
    hooks = {webhook.id: webhook for webhook in live(db)}
    found = [Delivery(**row._asdict()) for row in db.execute(query.order_by(deliveries.c.id))]
    return [(hooks[item.webhook], item) for item in found if item.webhook in hooks]


def record(db: Db, sent: Delivery, outcome: Outcome, *, now: str, next_at: str | None) -> None:
    """Log an attempt; it is tried again at `next_at`, or given up when that is None."""
    state = "delivered" if outcome.arrived else "waiting" if next_at else "given-up"
    values = {
        "state": state,
        "attempts": sent.attempts + 1,
        "next_at": next_at or now,
        "at": now,
        "status": outcome.status,
        "problem": outcome.problem,
    }
    db.execute(deliveries.update().where(deliveries.c.id == sent.id).values(**values))
    if state == "given-up" and not sent.ping and _hopeless(db, sent.webhook):
        end(db, sent.webhook, reason=f"{GIVE_UPS} deliveries in a row were given up", now=now)


def _hopeless(db: Db, webhook: str) -> bool:
    over = sa.select(deliveries.c.state).where(
        deliveries.c.webhook == webhook, deliveries.c.seq > 0, deliveries.c.state != "waiting"
    )
    last = list(
        db.scalars(over.order_by(deliveries.c.at.desc(), deliveries.c.id.desc()).limit(GIVE_UPS))
    )
    return last == ["given-up"] * GIVE_UPS
