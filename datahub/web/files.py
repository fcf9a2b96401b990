"""Serve published files: GET and HEAD with ranges, conditions and digests, from our own responder.

Litestar serves no ranges and no 304; HEAD comes as GET, marked in the scope. Beside its files a
release has documents made on request: lists with absolute addresses, and all files as one ZIP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from datahub.errors import DatahubError, DistributionUnknown, ParameterUnknown, ReleaseUnknown
from datahub.errors_ranges import BytesBeyond, ConditionFailed
from datahub.model import Distribution, Release, Struct
from datahub.serve import bundle, croissant, download_lists
from datahub.serve.checksums import Checksums
from datahub.serve.download_lists import address
from datahub.serve.files import BRIEFLY, FOREVER, Answer, Content, answer, etag
from datahub.serve.pieces import Folder, Piece, Stretch, cut, size
from datahub.serve.reading import Reading
from datahub.web import problems
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.api.datasets import check_names
from datahub.web.api.views import file_view
from datahub.web.sendfile import FileShorter, send_stretch

_PUBLIC = {"permission": Permission.CATALOG_READ}
_VERSION = re.compile(r"v?([1-9][0-9]{0,17})\Z")
_BOM = b"\xef\xbb\xbf"
_CSV = "text/csv; charset=utf-8"
_SMALL = 64 << 10  # bytes that are sent with the headers
BUNDLE = "bundle.zip"
_LISTS = {
    "urls.txt": (download_lists.urls, "text/plain; charset=utf-8"),
    "bundle.meta4": (download_lists.metalink, download_lists.METALINK),
}
_DESCRIBED = (*_LISTS, croissant.NAME)
"""What is made when it is asked for, because it holds the address of the site."""
_OTHERWISE = {
    206: "the bytes that `Range` asked for",
    304: "what `If-None-Match` or `If-Modified-Since` told of is still so",
}
_checksums = Checksums()
_one_reckons = CapacityLimiter(1)  # of a process: it keeps a core busy


class Asked(NamedTuple):
    """A request for bytes of a release."""

    reading: Reading
    dataset: str
    version: str
    name: str
    bom: bool
    base: str  # address of the site; only lists need it
    headers: dict[str, str]
    head: bool


class Found(NamedTuple):
    """What answers it."""

    decided: Answer
    pieces: tuple[Piece, ...]  # of the body
    folder: Folder | None  # that the pieces are from, when any is of a file


class ReleaseFiles(Struct, frozen=True):
    """The files of a release with their addresses."""

    dataset: str
    version: int
    released: str
    manifest_sha256: str
    files: list[dict[str, Any]]
    urls: str
    metalink: str
    croissant: str
    bundle: str


@get(
    "/d/{dataset:str}/{version:str}/{file:str}",
    opt=_PUBLIC,
    summary="A published file",
    tags=["files"],
    responses={
        200: ResponseSpec(bytes, description="the file", media_type="*/*", generate_examples=False),
        **{status: ResponseSpec(None, description=words) for status, words in _OTHERWISE.items()},
    },
)
async def files(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    version: FromPath[str],
    file: FromPath[str],
    bom: Annotated[
        bool | None, QueryParameter(description="CSV with a byte order mark, for Excel")
    ] = None,
) -> ASGIApp:
    """The bytes of a file, with ranges, If-Range, strong ETag and digest; version or `latest`.

    Each release has also `croissant.json` (MLCommons), `urls.txt`, `bundle.meta4` (Metalink 4)
    and `bundle.zip` (all files). To resume, take a version's number: `curl -C -` sends no If-Range,
    so that on `latest` it splices two releases when a new one came in between.
    """
    check_names(request, ("bom",))
    asked = Asked(
        reading=request.app.state.reading,
        dataset=dataset,
        version=version,
        name=file,
        bom=bool(bom),
        base=base_of(request) if file in _DESCRIBED else "",
        headers={name.lower(): value for name, value in request.headers.items()},
        head="head" in request.scope,
    )
    if bom is not None and not file.endswith(".csv"):
        raise ParameterUnknown(name="bom", allowed="")
    if file == BUNDLE and not asked.head:
        await _reckon(asked)
    return sending(await run_sync(_find, asked))


@get(
    "/d/{dataset:str}/{version:str}",
    opt=_PUBLIC,
    summary="The files of a release",
    tags=["files"],
    sync_to_thread=True,
)
def release_files(
    request: Request[Any, Any, Any], dataset: FromPath[str], version: FromPath[str]
) -> Response[ReleaseFiles]:
    """Every file of a release with address, size and digest, and where all come at once."""
    check_names(request, ())
    release = _release(request.app.state.reading, dataset, version)
    listed = ReleaseFiles(
        dataset=release.dataset,
        version=release.version,
        released=release.released,
        manifest_sha256=release.manifest_sha256,
        files=[file_view(release, item) for item in release.files],
        urls=address(release, "urls.txt"),
        metalink=address(release, "bundle.meta4"),
        croissant=address(release, croissant.NAME),
        bundle=address(release, BUNDLE),
    )
    return Response(listed, headers={"cache-control": BRIEFLY})


routes = [files, release_files]


# What is asked for ------------------------------------------------------------------------


def _release(reading: Reading, dataset: str, version: str) -> Release:
    """Find a release by its number, with or without a v before it, or by `latest`."""
    if version == "latest":
        return reading.release(dataset)
    number = _VERSION.match(version)
    if not number:
        raise ReleaseUnknown(
            dataset=dataset[:80],
            version=version[:80],
            hint_zh="版本是数字（3 或 v3）或 latest",
            hint_en="a version is a number (3 or v3) or latest",
        )
    return reading.release(dataset, int(number[1]))


async def _reckon(asked: Asked) -> None:
    """Make sure that the checksums for the bundle are known."""
    release = await run_sync(_release, asked.reading, asked.dataset, asked.version)
    if _checksums.missing(release.files):
        folder = asked.reading.store.objects.public(release.dataset, release.version)
        await run_sync(_checksums.reckon, folder, release.files, limiter=_one_reckons)


def _find(asked: Asked) -> Found:
    try:
        return _open(asked)
    except FileNotFoundError:  # renamed or withdrawn in between: the catalog says which
        return _open(asked)


def _open(asked: Asked) -> Found:
    release = _release(asked.reading, asked.dataset, asked.version)
    content, pieces = _content(asked, release)
    folder = asked.reading.store.objects.public(release.dataset, release.version)
    return found_in(folder, content, pieces, asked.headers, head=asked.head)


def found_in(
    path: Path,
    content: Content,
    pieces: tuple[Piece, ...],
    headers: Mapping[str, str],
    *,
    head: bool,
) -> Found:
    """Decide what of a content in a folder is sent, and open it.

    Raises:
        FileNotFoundError: the folder or the file is gone.
        FileShorter: the file has fewer bytes than it should.

    """
    decided = answer(content, headers)
    if head or not decided.length:
        return Found(decided, (), None)
    wanted = tuple(cut(pieces, decided.start, decided.length))
    first = next((piece for piece in wanted if isinstance(piece, Stretch)), None)
    if first is None:
        return Found(decided, wanted, None)
    folder = Folder(path)
    try:
        folder.handle(first.file)
        if decided.length > _SMALL:
            return Found(decided, wanted, folder)
        small = b"".join(folder.read(piece) for piece in wanted)
    except BaseException:
        folder.close()
        raise
    folder.close()
    if len(small) < decided.length:
        raise FileShorter
    return Found(decided, (small,), None)


def _content(asked: Asked, release: Release) -> tuple[Content, tuple[Piece, ...]]:
    """What is asked for, and the pieces that it is made of."""
    file = next((file for file in release.files if file.path == asked.name), None)
    own = asked.version == str(release.version)
    where: dict[str, Any] = {
        "location": None if own else address(release, asked.name),
        "keep": BRIEFLY if asked.version == "latest" else FOREVER,
        "links": _links(release, asked.name),
    }
    if file is not None:
        return _file(asked, release, file, where)
    if asked.name in _DESCRIBED:
        text, media_type = _described(asked, release)
        digest = sha256(text).hexdigest()
        where["keep"] = BRIEFLY  # the site may move
        content = Content(
            name=f"{release.dataset}-{release.version}-{asked.name}",
            bytes=len(text), tag=f'"sha256-{digest}"', media_type=media_type, sha256=digest,
            **where,
        )  # fmt: skip
        return content, (text,)
    if asked.name == BUNDLE:
        return _bundle(release, where)
    raise DistributionUnknown(
        dataset=release.dataset,
        version=release.version,
        file=asked.name[:80],
        allowed=", ".join([*(file.path for file in release.files), *_DESCRIBED, BUNDLE]),
    )


def _described(asked: Asked, release: Release) -> tuple[bytes, str]:
    if asked.name == croissant.NAME:
        package = asked.reading.package(release.dataset, release.version)
        return croissant.croissant(package, release, asked.base), croissant.MEDIA_TYPE
    make, media_type = _LISTS[asked.name]
    return make(release, asked.base), media_type


def _file(
    asked: Asked, release: Release, file: Distribution, where: dict[str, Any]
) -> tuple[Content, tuple[Piece, ...]]:
    whole = Stretch(file=file.path, start=0, length=file.bytes)
    described = {"name": file.path, "media_type": file.media_type, "modified": release.released}
    if not asked.bom:
        content = Content(
            bytes=file.bytes, tag=etag(file), sha256=file.sha256, **described, **where
        )
        return content, (whole,)
    if file.media_type != _CSV or file.form == "original":  # which may begin with one already
        raise ParameterUnknown(name="bom", allowed="")
    if where["location"]:
        where["location"] += "?bom=1"
    tag = f'"bom-{file.sha256}"'  # another representation, of which no digest is at hand
    content = Content(bytes=len(_BOM) + file.bytes, tag=tag, **described, **where)
    return content, (_BOM, whole)


def _bundle(release: Release, where: dict[str, Any]) -> tuple[Content, tuple[Piece, ...]]:
    folder = f"{release.dataset}/{release.version}"  # as `datahub pull` lays it out
    pieces = bundle.bundle(folder, _checksums.completed(release.files), release.released)
    content = Content(
        name=f"{release.dataset}-{release.version}.zip",
        bytes=size(pieces),
        tag=bundle.tag(folder, release.files, release.released),
        media_type="application/zip",
        modified=release.released,
        **where,
    )
    return content, pieces


def _links(release: Release, name: str) -> str:
    """Where more is told (RFC 8288): description, all files of the release, the newest of this."""
    kinds = [
        f'<{address(release, "")[:-1]}>; rel="collection"; type="application/json"',
        f'<{address(release, name, "latest")}>; rel="latest-version"',
    ]
    if any(file.path == "datapackage.json" for file in release.files):
        package = address(release, "datapackage.json")
        kinds.insert(0, f'<{package}>; rel="describedby"; type="application/json"')
    return ", ".join(kinds)


# The answer -------------------------------------------------------------------------------


def sending(found: Found) -> ASGIApp:
    """Make the application that sends what was found, and lets its files go."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
        try:
            await _respond(scope, send, found)
        finally:
            if found.folder is not None:
                found.folder.close()

    return respond


async def _respond(scope: Scope, send: Send, found: Found) -> None:
    if found.decided.status in (412, 416):
        await _refuse(scope, send, found.decided)
        return
    headers: Any = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in found.decided.headers]
    await send({"type": "http.response.start", "status": found.decided.status, "headers": headers})
    *before, last = found.pieces or (b"",)
    for piece in before:
        await _send(scope, send, found, piece)
    if isinstance(last, Stretch):
        await _send(scope, send, found, last)
        last = b""
    await send({"type": "http.response.body", "body": last, "more_body": False})


async def _refuse(scope: Scope, send: Send, decided: Answer) -> None:
    """Tell what is wrong about a condition or a range; who asked by HEAD gets the headers."""
    headers = dict(decided.headers)
    size = headers.get("content-range", "").removeprefix("bytes */")
    if decided.status == 416:  # noqa: PLR2004 - HTTP
        error: DatahubError = BytesBeyond(size=int(size), last=int(size) - 1)
    else:
        error = ConditionFailed(tag=headers["etag"])
    del headers["content-length"]
    await problems.answer(scope, send, error, headers.items())


async def _send(scope: Scope, send: Send, found: Found, piece: Piece) -> None:
    if isinstance(piece, bytes):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    elif found.folder is not None:
        handle = found.folder.handle(piece.file)
        await send_stretch(scope, send, handle, piece.start, piece.length)
