"""The change feed: what happened to the catalog and its data, in order, resumable at any line."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import anyio
import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from datahub.errors import ParameterInvalid
from datahub.model import Struct
from datahub.store import Store, changes, feed
from datahub.web.access import Permission
from datahub.web.api.datasets import check_names, store_of
from datahub.web.limits import resting
from datahub.web.negotiation import best

_NDJSON, _JSON = "application/x-ndjson", "application/json"
_FORMS = {_NDJSON: "ndjson", _JSON: "json"}
_NAMES = ("since", "limit", "dataset", "what", "wait", "format")
_LOOK = 0.2  # seconds between looks at the catalog, which cost microseconds
_WAITERS = 500
"""Requests of a process that wait at a time; others are answered at once."""


class Asked(Struct, frozen=True):
    """What part of the feed a request wants."""

    since: int
    limit: int
    dataset: str | None
    what: tuple[str, ...]

    def query(self, since: int) -> str:
        """Query of the same part from another place on."""
        given = {"since": since, "limit": self.limit, "dataset": self.dataset}
        given |= {"what": ",".join(self.what) or None}
        return urlencode({name: value for name, value in given.items() if value is not None})


class Page(Struct, frozen=True):
    """Lines, and the number of the last change that was looked at: where to go on from."""

    lines: list[feed.Line]
    last: int


@get(
    "/api/v1/changes",
    opt={"permission": Permission.CATALOG_READ},
    summary="The change feed",
    tags=["changes"],
    responses={
        200: ResponseSpec(
            feed.Line, description="one change a line", generate_examples=False, media_type=_NDJSON
        )
    },
)
async def read(
    request: Request[Any, Any, Any],
    since: Annotated[
        int, QueryParameter(ge=0, le=1 << 62, description="changes after this number")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=10_000, description="lines a page")] = 1000,
    dataset: Annotated[str | None, QueryParameter(max_length=100)] = None,
    what: Annotated[
        str | None, QueryParameter(max_length=200, description="kinds of change, with commas")
    ] = None,
    wait: Annotated[
        float, QueryParameter(ge=0, le=30, description="seconds to wait for a first line")
    ] = 0,
    form: Annotated[
        Literal["ndjson", "json"] | None, QueryParameter(name="format", description="else Accept")
    ] = None,
) -> Response[bytes]:
    """Changes in order of `seq`, which only grows; NDJSON, or one JSON document if Accept says so.

    Go on with `since` = `X-Last-Seq` (or Link rel=next): no change is missed or comes twice.
    With `wait` an answer that would be empty is held back until something happens.
    """
    check_names(request, _NAMES)
    asked = Asked(since=since, limit=limit, dataset=dataset, what=_kinds(what))
    store = store_of(request)
    page = await _wait(request, store, asked, wait)
    chosen = form or best(request.headers.get("accept"), _FORMS) or "ndjson"
    following = f"/api/v1/changes?{asked.query(page.last)}"
    headers = _headers(page, asked, chosen, following)
    if _unchanged(request, headers["etag"]):
        return Response(b"", status_code=304, headers=headers)
    encode = msgspec.json.encode
    if chosen == "json":
        content = encode({"data": page.lines, "last": page.last, "next": following})
        return Response(content, headers=headers, media_type=_JSON)
    lines = b"".join(encode(line) + b"\n" for line in page.lines)
    return Response(lines, headers=headers, media_type=_NDJSON)


def _kinds(text: str | None) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(","))) if text else ()
    for kind in kinds:
        if kind not in feed.KINDS:
            shown = ", ".join(feed.KINDS)
            raise ParameterInvalid(
                name="what", value=kind[:40], reason_zh=f"可用：{shown}", reason_en=f"use {shown}"
            )
    return kinds


async def _wait(request: Request[Any, Any, Any], store: Store, asked: Asked, wait: float) -> Page:
    """Read a page; while it is empty, again after each commit until the time is over."""
    state = request.app.state
    waiting = getattr(state, "waiting", 0)
    until = time.monotonic() + (wait if waiting < _WAITERS else 0)
    state.waiting = waiting + 1
    try:
        while True:
            seen = store.catalog.stamp()
            page = await run_sync(_read, store, asked)
            if page.lines or time.monotonic() >= until:
                return page
            # Other processes commit, too: there is no event to wait for.
            with resting(request):
                while store.catalog.stamp() == seen and time.monotonic() < until:  # noqa: ASYNC110
                    await anyio.sleep(_LOOK)
    finally:
        state.waiting -= 1


def _read(store: Store, asked: Asked) -> Page:
    base = store.settings.site.rstrip("/")
    with store.catalog.read() as db:
        last = changes.last(db)
        found = feed.lines(
            db, asked.since, limit=asked.limit, dataset=asked.dataset, what=asked.what, base=base
        )
    full = len(found) == asked.limit
    return Page(lines=found, last=found[-1].seq if full else max(last, asked.since))


def _headers(page: Page, asked: Asked, form: str, following: str) -> dict[str, str]:
    """Headers; a page is another one once the catalog has changed, for titles may have."""
    digest = sha256(msgspec.json.encode((page, asked, form))).hexdigest()[:32]
    alternate = '</feed.atom>; rel="alternate"; type="application/atom+xml"'
    return {
        "etag": f'"{digest}"',
        "cache-control": "public, no-cache",
        "vary": "Accept",
        "x-last-seq": str(page.last),
        "link": f'<{following}>; rel="next", {alternate}',
    }


def _unchanged(request: Request[Any, Any, Any], tag: str) -> bool:
    given = {item.strip() for item in request.headers.get("if-none-match", "").split(",")}
    return bool(given & {tag, f"W/{tag}", "*"})


routes: list[Any] = [read]
