"""Bulk outputs of the catalog, a dataset as RDF, feeds, sitemap: streamed, cheap to ask again.

The entity tag is the number of the catalog's last change, so that a conditional request costs
one look at an index. A document is made in small steps, each in a thread and never more than
two at a time in a process; between them nothing is held, however slow the reader is.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from datahub import __version__
from datahub.errors import MissingError, ParameterUnknown
from datahub.errors_catalog import DatasetMoved
from datahub.model import Json, Struct
from datahub.serve.outputs import dcat, feeds, graph, items, sitemap, tables
from datahub.serve.outputs.texts import iri
from datahub.store import Store, listing
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.negotiation import best, matches

_PUBLIC = {"permission": Permission.CATALOG_READ}
_AT_ONCE = 2
_CHUNK = 1 << 16
_PAGE = 50
Whole = Annotated[
    bool | None, QueryParameter(name="all", description="also what is out of force or gone")
]
_Writer = Callable[[Iterable[listing.Listed], listing.Context, str], Iterator[str]]


class Form(Struct, frozen=True):
    """A form of the catalog."""

    suffix: str
    media_type: str
    write: _Writer | None  # None: a workbook, which is made as a file


FORMS = {
    form.suffix: form
    for form in (
        Form(suffix="json", media_type="application/json", write=items.write_json),
        Form(suffix="ndjson", media_type="application/x-ndjson", write=items.write_ndjson),
        Form(suffix="csv", media_type="text/csv; charset=utf-8", write=tables.write_csv),
        Form(
            suffix="xlsx",
            media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            write=None,
        ),
        Form(suffix="jsonld", media_type=graph.JSON_LD, write=dcat.write_json_ld),
        Form(suffix="ttl", media_type=graph.TURTLE, write=dcat.write_turtle),
    )
}
_ONE = {"jsonld": graph.JSON_LD, "ttl": graph.TURTLE}


def _store(request: Request[Any, Any, Any]) -> Store:
    store: Store = request.app.state.store
    return store


# The catalog as files ----------------------------------------------------------------------


def _catalog_route(suffix: str) -> Any:
    @get(
        f"/catalog.{suffix}",
        opt=_PUBLIC,
        summary=f"The whole catalog as {suffix.upper()}",
        tags=["catalog"],
        name=f"catalog-{suffix}",
        operation_id=f"Catalog{suffix.capitalize()}",
    )
    async def catalog(
        request: Request[Any, Any, Any],
        whole: Whole = None,
        bom: Annotated[
            bool | None, QueryParameter(description="CSV with a byte order mark, for Excel")
        ] = None,
    ) -> Response[Any]:
        """Every listed dataset with its latest release; with `all=true` tombstones, too."""
        allowed = ("all", "bom") if suffix == "csv" else ("all",)
        _check_names(request, allowed)
        return await _catalog(request, FORMS[suffix], whole=bool(whole), bom=bool(bom))

    return catalog


@get(
    "/api/v1/catalog",
    opt=_PUBLIC,
    summary="The whole catalog, as Accept asks",
    tags=["catalog"],
    responses={200: ResponseSpec(Json, description="the catalog", generate_examples=False)},
)
async def negotiated(request: Request[Any, Any, Any], whole: Whole = None) -> Response[Any]:
    """JSON, NDJSON, CSV, XLSX, DCAT-AP as JSON-LD or Turtle: whichever Accept likes best."""
    _check_names(request, ("all",))
    form = FORMS[best(request.headers.get("accept"), _types(FORMS)) or "json"]
    return await _catalog(request, form, whole=bool(whole), bom=False)


def _types(forms: Iterable[str]) -> dict[str, str]:
    return {FORMS[suffix].media_type.split(";")[0]: suffix for suffix in forms}


async def _catalog(
    request: Request[Any, Any, Any], form: Form, *, whole: bool, bom: bool
) -> Response[Any]:
    store, base = _store(request), base_of(request)
    context = await run_sync(_context, store)
    tag = _tag(context.seq, base, form.suffix, whole, bom)
    headers = _headers(tag, form.media_type, f"catalog.{form.suffix}", links=form.write is not None)
    if _unchanged(request, tag):
        return Response(b"", status_code=304, headers=headers)
    if "head" in request.scope:
        return Response(b"", headers=headers, media_type=form.media_type)
    if form.write is None:
        make = partial(_workbook, store, context, base, everything=whole)
        chunks = await run_sync(make, limiter=_limiter(request, "workbook_limiter", 1))
        return Stream(_in_threads(chunks, _limiter(request)), headers=headers)
    listed = listing.each(store.catalog, everything=whole)
    write = partial(tables.write_csv, bom=bom) if form.suffix == "csv" else form.write
    return _streamed(request, write(listed, context, base), headers)


def _context(store: Store) -> listing.Context:
    with store.catalog.read() as db:
        return listing.context(db)


def _workbook(
    store: Store, context: listing.Context, base: str, *, everything: bool
) -> Iterator[bytes]:
    """Make the workbook in a folder of its own that goes when the file is open."""
    with tempfile.TemporaryDirectory(dir=store.objects.root / "staging") as folder:
        path = Path(folder) / "catalog.xlsx"
        listed = listing.each(store.catalog, everything=everything)
        tables.write_xlsx(path, listed, context, base)
        file = path.open("rb")
    return _read(file)


def _read(file: Any) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


# One dataset -------------------------------------------------------------------------------


def dataset_file(request: Request[Any, Any, Any], file: str) -> Response[Any]:
    """Answer `/datasets/{name}.ttl` and `.jsonld`; the page's route passes names with a dot on.

    Raises:
        MissingError: there is no such form.
        DatasetUnknown: there is no such dataset.

    """
    name, _, suffix = file.rpartition(".")
    if suffix not in _ONE:
        raise MissingError
    try:
        return _one(request, name, suffix)
    except DatasetMoved as error:
        location = iri(f"/datasets/{error.facts['now']}.{suffix}")
        return Response(b"", status_code=308, headers={"location": location})


def alternative(request: Request[Any, Any, Any], name: str, own: str) -> Response[Any] | None:
    """Return a dataset as RDF when Accept likes it better than `own`, the route's media type."""
    offered = {own: ""} | {kind.split(";")[0]: suffix for suffix, kind in _ONE.items()}
    suffix = best(request.headers.get("accept"), offered)
    return _one(request, name, suffix) if suffix else None


def _one(request: Request[Any, Any, Any], name: str, suffix: str) -> Response[Any]:
    base = base_of(request)
    with _store(request).catalog.read() as db:
        found, context = listing.one(db, name), listing.context(db)
    tag = _tag(context.seq, base, suffix, name)
    headers = _headers(tag, _ONE[suffix], "", links=False)
    if _unchanged(request, tag):
        return Response(b"", status_code=304, headers=headers)
    content = "".join(dcat.write_one(found, context, base, form=suffix)).encode()
    return Response(content, headers=headers, media_type=_ONE[suffix])


# Feeds and crawlers ------------------------------------------------------------------------

Before = Annotated[
    int | None, QueryParameter(ge=1, le=1 << 62, description="changes before this number")
]
Publisher = Annotated[str | None, QueryParameter(max_length=200, description="publisher id")]
Theme = Annotated[str | None, QueryParameter(max_length=200, description="theme code")]


@get("/feed.atom", opt=_PUBLIC, sync_to_thread=True, summary="New and changed datasets",
     tags=["catalog"])  # fmt: skip
def feed_atom(
    request: Request[Any, Any, Any],
    before: Before = None,
    publisher: Publisher = None,
    theme: Theme = None,
) -> Response[Any]:
    """Changes of the catalog as Atom, newest first; `rel="next"` leads to earlier ones."""
    return _feed(request, feeds.ATOM, before, {"publisher": publisher, "theme": theme})


@get("/feed.json", opt=_PUBLIC, sync_to_thread=True, summary="New and changed datasets, as JSON",
     tags=["catalog"])  # fmt: skip
def feed_json(
    request: Request[Any, Any, Any],
    before: Before = None,
    publisher: Publisher = None,
    theme: Theme = None,
) -> Response[Any]:
    """The feed as JSON Feed 1.1."""
    return _feed(request, feeds.JSON_FEED, before, {"publisher": publisher, "theme": theme})


def _feed(
    request: Request[Any, Any, Any], kind: str, before: int | None, narrowed: dict[str, str | None]
) -> Response[Any]:
    _check_names(request, ("before", "publisher", "theme"))
    base = base_of(request)
    asked = {key: value for key, value in narrowed.items() if value is not None}
    if before is not None:
        asked["before"] = str(before)
    with _store(request).catalog.read() as db:
        seq, at = listing.last_change(db)
        tag = _tag(seq, base, kind, asked)
        headers = _headers(tag, kind, "", links=False)
        if _unchanged(request, tag):
            return Response(b"", status_code=304, headers=headers)
        found = listing.news(db, before=before, limit=_PAGE + 1, **narrowed)
        context = listing.context(db)
    feed = feeds.Feed(
        title=_feed_title(context, narrowed),
        updated=at,
        news=found[:_PAGE],
        asked=asked,
        following=found[_PAGE - 1].seq if len(found) > _PAGE else None,
        home=base,
        first=context.since,
    )
    text = feeds.atom(feed) if kind == feeds.ATOM else msgspec.json.encode(feeds.json_feed(feed))
    return Response(text, headers=headers, media_type=kind)


def _feed_title(context: listing.Context, narrowed: dict[str, str | None]) -> str:
    publisher, theme = narrowed["publisher"], narrowed["theme"]
    parts = [context.title]
    if publisher is not None:
        parts.append(context.publishers.get(publisher, {}).get("title", publisher))
    if theme is not None:
        parts.append(context.themes.get(theme, {}).get("title", theme))
    return " · ".join([*parts, "新增和更新"])


@get("/sitemap.xml", opt=_PUBLIC, include_in_schema=False)
async def sitemap_xml(request: Request[Any, Any, Any]) -> Response[Any]:
    """Every page for crawlers; an index where one file cannot hold them."""
    return await _sitemap(request, None)


@get("/sitemap-{part:int}.xml", opt=_PUBLIC, include_in_schema=False)
async def sitemap_part(request: Request[Any, Any, Any], part: FromPath[int]) -> Response[Any]:
    """One of the files that the index names."""
    return await _sitemap(request, part)


async def _sitemap(request: Request[Any, Any, Any], part: int | None) -> Response[Any]:
    store, base = _store(request), base_of(request)
    count, seq, at = await run_sync(_counted, store)
    if part is not None and not 1 <= part <= sitemap.parts(count):
        raise MissingError
    tag = _tag(seq, base, "sitemap", part)
    headers = _headers(tag, "application/xml", "", links=False)
    if _unchanged(request, tag):
        return Response(b"", status_code=304, headers=headers)
    if part is None and sitemap.parts(count) > 1:
        return _streamed(request, sitemap.write_index(count, base, modified=at), headers)
    skip, limit = sitemap.stretch(part or 1)
    names = listing.addresses(store.catalog, skip=skip, limit=limit)
    pages = sitemap.write_pages(names, base, part=part or 1, modified=at)
    return _streamed(request, pages, headers)


def _counted(store: Store) -> tuple[int, int, str]:
    with store.catalog.read() as db:
        return listing.count(db), *listing.last_change(db)


@get("/robots.txt", opt=_PUBLIC, sync_to_thread=False, include_in_schema=False)
def robots_txt(request: Request[Any, Any, Any]) -> Response[str]:
    """Tell crawlers what they may read, and where the sitemap is."""
    headers = {"cache-control": "public, max-age=3600"}
    return Response(sitemap.robots(base_of(request)), media_type="text/plain", headers=headers)


# Answering ---------------------------------------------------------------------------------


def _check_names(request: Request[Any, Any, Any], allowed: tuple[str, ...]) -> None:
    for name in request.query_params:
        if name not in allowed:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(allowed))


def _tag(seq: int, *parts: object) -> str:
    """Weak entity tag: the last change, and what else the document depends on."""
    digest = sha256(repr((__version__, *parts)).encode()).hexdigest()[:12]
    return f'W/"{seq}-{digest}"'


def _unchanged(request: Request[Any, Any, Any], tag: str) -> bool:
    return matches(request.headers.get("if-none-match"), tag)


def _headers(tag: str, media_type: str, file: str, *, links: bool) -> dict[str, str]:
    headers = {
        "etag": tag,
        "cache-control": "public, no-cache",  # kept by all, asked for again each time
        "content-type": media_type,
        "vary": "Accept, Host",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    if file:
        headers["content-disposition"] = f'attachment; filename="{file}"'
    if links:
        others = (f'</catalog.{s}>; rel="alternate"; type="{f.media_type.split(";")[0]}"'
                  for s, f in FORMS.items())  # fmt: skip
        headers["link"] = ", ".join(others)
    return headers


def _streamed(
    request: Request[Any, Any, Any], texts: Iterator[str], headers: dict[str, str]
) -> Response[Any]:
    if "head" in request.scope:
        return Response(b"", headers=headers, media_type=headers["content-type"])
    return Stream(_in_threads(_chunks(texts), _limiter(request)), headers=headers)


def _chunks(texts: Iterator[str]) -> Iterator[bytes]:
    """Texts in pieces that are worth sending."""
    held, size = [], 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _CHUNK:
            yield "".join(held).encode("utf-8", "replace")
            held, size = [], 0
    yield "".join(held).encode("utf-8", "replace")


def _limiter(
    request: Request[Any, Any, Any], name: str = "bulk_limiter", places: int = _AT_ONCE
) -> CapacityLimiter:
    """Places for making documents, in this process; made where an event loop runs.

    Workbooks, which are made whole, wait for each other and keep no stream waiting.
    """
    state = request.app.state
    if name not in state:
        state[name] = CapacityLimiter(places)
    limiter: CapacityLimiter = state[name]
    return limiter


async def _in_threads(chunks: Iterator[bytes], limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """Take one piece at a time from a thread; a slow reader holds none between them."""
    while (chunk := await run_sync(next, chunks, None, limiter=limiter)) is not None:
        if chunk:
            yield chunk


routes: list[Any] = [
    *(_catalog_route(suffix) for suffix in FORMS),
    negotiated,
    feed_atom,
    feed_json,
    sitemap_xml,
    sitemap_part,
    robots_txt,
]
