"""Routes on API keys: made by whoever wants one, for limits of their own and for webhooks."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.params import JSONBody, QueryParameter

from datahub.errors import BodyInvalid
from datahub.model import Struct
from datahub.store import keys, webhooks
from datahub.web.access import Permission, caller_of, key_of
from datahub.web.api.datasets import check_names, store_of
from datahub.web.limits import meter_of

_OWN = {"permission": Permission.KEY_OWN}
_LABEL = 100


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key shall be called by its owner; no names of people."""

    label: str


class KeyLimits(Struct, frozen=True):
    """What a key may spend in a window of so many seconds; 0 is no limit."""

    window_seconds: float
    milliseconds: int
    bytes: int
    requests: int
    heavy_at_once: int


class KeyView(Struct, frozen=True):
    """A key without its secret; `replaced`: this secret was rotated away and ends at `expires`."""

    id: str
    label: str
    created: str
    expires: str
    replaced: bool
    limits: KeyLimits
    links: dict[str, str]


class KeyMade(KeyView, frozen=True):
    """A new secret, shown this once; `former_until`: when the one before it ends."""

    key: str
    former_until: str | None = None


class KeyRevoked(Struct, frozen=True):
    """A key that is no more, and how many webhooks ended with it."""

    id: str
    revoked: str
    webhooks: int


class UsageView(Struct, frozen=True):
    """What a key was answered, newest day (UTC) first; its jobs count on the day they end."""

    id: str
    data: list[keys.Counts]


@post("/api/v1/keys", opt={"permission": Permission.CATALOG_READ}, sync_to_thread=True,
      operation_id="MakeKey", summary="Make an API key", tags=["keys"])  # fmt: skip
def create(request: Request[Any, Any, Any], data: JSONBody[KeyBody]) -> KeyMade:
    """Anybody may; `key` is shown this once and sent as `Authorization: Bearer` or `X-API-Key`.

    Reading needs none: a key has limits of its own, counts what it was answered, and owns
    webhooks.
    """
    check_names(request, ())
    return make(request, data.label)


def make(request: Request[Any, Any, Any], label: str) -> KeyMade:
    """Make a key for who sent this request.

    Raises:
        BodyInvalid: the label is none.
        LimitReached: its address made too many.

    """
    label = label.strip()
    if not label or len(label) > _LABEL or not label.isprintable():
        raise BodyInvalid(
            reason_zh=f"label 应为 1 到 {_LABEL} 个可见字符，如“公交换乘课题”",
            reason_en=f"label is a text of 1 to {_LABEL} visible characters, like 'bus project'",
        )
    meter = meter_of(request)
    if meter is not None:
        meter.new_key()
    store = store_of(request)
    with store.catalog.write() as db:
        key, secret = keys.create(db, label, days=store.settings.key_days, now=store.clock())
    return KeyMade(**_fields(request, key), key=secret)


@get("/api/v1/keys/self", opt=_OWN, sync_to_thread=True,
     operation_id="ReadKey", summary="The key of this request", tags=["keys"])  # fmt: skip
def read(request: Request[Any, Any, Any]) -> KeyView:
    """What it is called, until when it works, and its limits."""
    check_names(request, ())
    return KeyView(**_fields(request, key_of(request)))


@post("/api/v1/keys/self/rotate", opt=_OWN, sync_to_thread=True,
      operation_id="RotateKey", summary="Give the key a new secret", tags=["keys"])  # fmt: skip
def rotate(request: Request[Any, Any, Any]) -> KeyMade:
    """The key keeps its id, usage and webhooks; the secret of this request works 24 hours on."""
    check_names(request, ())
    store, now = store_of(request), store_of(request).clock()
    with store.catalog.write() as db:
        key, secret = keys.rotate(db, key_of(request), days=store.settings.key_days, now=now)
    until = keys.at(now + keys.GRACE)
    return KeyMade(**_fields(request, key), key=secret, former_until=until)


@delete("/api/v1/keys/self", opt=_OWN, sync_to_thread=True, status_code=200,
        operation_id="RevokeKey", summary="Revoke the key", tags=["keys"])  # fmt: skip
def revoke(request: Request[Any, Any, Any]) -> KeyRevoked:
    """From the next request on it is refused, its former secret too; its webhooks end."""
    check_names(request, ())
    store, key = store_of(request), key_of(request)
    now = store.clock()
    with store.catalog.write() as db:
        keys.revoke(db, key, now)
        ended = webhooks.find(db, caller_of(request))
        for webhook in ended:
            webhooks.delete(db, webhook)
    return KeyRevoked(id=key.id, revoked=keys.at(now), webhooks=len(ended))


@get("/api/v1/keys/self/usage", opt=_OWN, sync_to_thread=True,
     operation_id="ReadUsage", summary="What the key was used for", tags=["keys"])  # fmt: skip
def usage(
    request: Request[Any, Any, Any],
    days: Annotated[int, QueryParameter(ge=1, le=366, description="newest days")] = 30,
) -> UsageView:
    """Requests, refused ones, bytes and milliseconds a day, but for the last ten seconds."""
    check_names(request, ("days",))
    key = key_of(request)
    with store_of(request).catalog.read() as db:
        return UsageView(id=key.id, data=keys.read_usage(db, key.id, days))


def _fields(request: Request[Any, Any, Any], key: keys.Key) -> dict[str, Any]:
    settings = store_of(request).settings
    own = {name: getattr(key, name) for name in ("id", "label", "created", "expires", "replaced")}
    address = "/api/v1/keys/self"
    limits = KeyLimits(
        window_seconds=settings.limit_window,
        milliseconds=int(1000 * settings.key_seconds),
        bytes=settings.key_bytes,
        requests=settings.key_requests,
        heavy_at_once=settings.key_heavy,
    )
    links = {"self": address, "rotate": f"{address}/rotate", "usage": f"{address}/usage"}
    return own | {"limits": limits, "links": links}


routes: list[Any] = [create, read, rotate, revoke, usage]
