"""Serve published files: GET and HEAD with ranges, conditions and digests, from our own responder.

Litestar serves no ranges and no 304; HEAD comes as GET, marked in the scope.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from datahub.errors import DistributionUnknown, ReleaseUnknown
from datahub.serve.files import Answer, answer
from datahub.store import Store, records, releases
from datahub.web.access import Permission

if TYPE_CHECKING:
    from datahub.model import Distribution

CHUNK = 1 << 20
_VERSION = re.compile(r"[1-9][0-9]{0,17}\Z")


@get(
    "/d/{dataset:str}/{version:str}/{file:str}",
    opt={"permission": Permission.CATALOG_READ},
    summary="A published file",
    tags=["files"],
)
async def files(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    version: FromPath[str],
    file: FromPath[str],
) -> ASGIApp:
    """The bytes of a file, with ranges, If-Range, strong ETag and digest; version or `latest`."""
    store: Store = request.app.state.store
    found, release, handle = await run_sync(_open, store, dataset, version, file)
    headers = {k.lower(): v for k, v in request.headers.items()}
    location = f"/d/{dataset}/{release}/{found.path}"
    decided = answer(found, headers, location=location, latest=version == "latest")

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
        try:
            await _respond(send, decided, handle, body="head" not in scope)
        finally:
            os.close(handle)

    return respond


def _open(store: Store, dataset: str, version: str, name: str) -> tuple[Distribution, int, int]:
    """Find and open a file; an open one stays readable while its release is withdrawn."""
    if version != "latest" and not _VERSION.match(version):
        raise ReleaseUnknown(
            dataset=dataset[:80],
            version=version[:80],
            hint_zh="版本是数字或 latest",
            hint_en="a version is a number or latest",
        )
    number = None if version == "latest" else int(version)
    try:
        return _find(store, dataset, number, name)
    except FileNotFoundError:  # renamed or withdrawn in between: the catalog says which
        return _find(store, dataset, number, name)


def _find(
    store: Store, dataset: str, number: int | None, name: str
) -> tuple[Distribution, int, int]:
    with store.catalog.read() as db:
        records.check_open(db, dataset)
        release = releases.get(db, dataset, number)
    for file in release.files:
        if file.path == name:
            path = store.objects.distribution(dataset, release.version, file.path)
            return file, release.version, os.open(path, os.O_RDONLY)
    raise DistributionUnknown(
        dataset=dataset,
        version=release.version,
        file=name[:80],
        allowed=", ".join(file.path for file in release.files),
    )


async def _respond(send: Send, decided: Answer, handle: int, *, body: bool) -> None:
    headers: Any = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in decided.headers]
    await send({"type": "http.response.start", "status": decided.status, "headers": headers})
    position, left = decided.start, decided.length if body else 0
    while left:
        chunk = await run_sync(os.pread, handle, min(CHUNK, left), position)
        if not chunk:  # shorter than the catalog says: break off, never pretend an end
            raise OSError("published file is shorter than its manifest")
        position, left = position + len(chunk), left - len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
    if not (body and decided.length):
        await send({"type": "http.response.body", "body": b"", "more_body": False})
