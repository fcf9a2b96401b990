"""Routes on versions: the list, and the difference between two."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter

from datahub.errors import CursorInvalid, ParameterInvalid, ReleaseUnknown
from datahub.forms.names import FORMS
from datahub.model import Struct
from datahub.serve import difference as comparing
from datahub.serve import difference_lines as telling
from datahub.serve.difference import WHATS, Difference, Window
from datahub.serve.reading import Reading, Table
from datahub.serve.versions import Versions
from datahub.serve.versions import versions as find
from datahub.store import releases
from datahub.web.access import Permission
from datahub.web.api.datasets import check_names, store_of
from datahub.web.negotiation import best

if TYPE_CHECKING:
    from datahub.store import Store

_PUBLIC = {"permission": Permission.CATALOG_READ}
_HEAVY = _PUBLIC | {"heavy": True}  # see web.limits
_FORMS = {FORMS[name].media_type.split(";")[0]: name for name in ("json", "ndjson", "csv")}
_NAMES = ("from", "to", "what", "limit", "cursor", "format")
_MOST = 10_000


What = Annotated[
    Literal["added", "removed", "changed"] | None, QueryParameter(description="else all")
]
Limit = Annotated[int, QueryParameter(ge=0, le=_MOST, description="rows a page")]
Position = Annotated[
    str | None, QueryParameter(name="cursor", max_length=40, description="of page.next")
]
Form = Annotated[
    Literal["json", "ndjson", "csv"] | None,
    QueryParameter(name="format", description="else Accept"),
]


class Asked(NamedTuple):
    """What a request wants to see of a difference."""

    older: str | None
    newer: str | None
    what: Literal["added", "removed", "changed"] | None
    limit: int
    start: int
    form: Literal["json", "ndjson", "csv"] | None


class DifferenceView(Struct, frozen=True):
    """Counts of all rows, and a page of those that differ: removed, added, changed.

    `by` is "key" where both versions have the key `key`; else "row": whole rows are compared, of
    which like ones count by their number (`times`), and none is changed.
    """

    dataset: str
    resource: str
    versions: dict[str, int]
    by: comparing.By
    key: list[str]
    counts: dict[str, int]
    columns: telling.ColumnChanges
    data: list[dict[str, Any]]
    page: dict[str, Any]


@get(
    "/api/v1/datasets/{dataset:str}/versions",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="Versions of a dataset",
    tags=["versions"],
)
def list_versions(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    as_of: Annotated[
        str | None, QueryParameter(max_length=40, description="released by this date or time")
    ] = None,
    before: Annotated[int | None, QueryParameter(ge=1, le=1 << 62)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="versions a page")] = 100,
) -> Versions:
    """Newest first, each with rows, bytes, digests and what changed in the schemas since.

    With `as_of` the first one that is not withdrawn is what was the latest at that time.
    """
    check_names(request, ("as_of", "before", "limit"))
    return find(store_of(request), dataset, as_of=as_of, before=before, limit=limit)


@get(
    "/api/v1/datasets/{dataset:str}/resources/{resource:str}/diff",
    opt=_HEAVY,
    sync_to_thread=True,
    summary="Difference of two versions",
    tags=["versions"],
    responses={
        200: ResponseSpec(
            DifferenceView, description="counts, and a page of rows", generate_examples=False
        )
    },
)
def read_difference(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: FromPath[str],
    older: Annotated[
        str | None, QueryParameter(name="from", max_length=40, description="else the one before")
    ] = None,
    newer: Annotated[
        str | None, QueryParameter(name="to", max_length=40, description="3, v3; else latest")
    ] = None,
    what: What = None,
    limit: Limit = 100,
    cursor: Position = None,
    form: Form = None,
) -> Response[bytes]:
    """Rows added, removed and changed from one version to another, by the primary key.

    Values compare, not their spelling: 1.50 is 1.5. Where there is no key, whole rows compare.
    """
    check_names(request, _NAMES)
    asked = Asked(older, newer, what, limit, _start(cursor), form)
    return _answer(request, dataset, resource, asked)


@get(
    "/api/v1/datasets/{dataset:str}/versions/{span:str}/diff",
    opt=_HEAVY,
    sync_to_thread=True,
    summary="Difference of two versions, 3..5",
    tags=["versions"],
    responses={
        200: ResponseSpec(
            DifferenceView, description="counts, and a page of rows", generate_examples=False
        )
    },
)
def read_span(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    span: FromPath[str],
    resource: Annotated[
        str | None, QueryParameter(max_length=100, description="needed where there are several")
    ] = None,
    what: What = None,
    limit: Limit = 100,
    cursor: Position = None,
    form: Form = None,
) -> Response[bytes]:
    """The same as the resource's `/diff?from=3&to=5`, written as the path `versions/3..5/diff`."""
    check_names(request, ("resource", *_NAMES[2:]))
    older, dots, newer = span.partition("..")
    if not (older and dots and newer):
        raise ParameterInvalid(
            name="span", value=span[:40],
            reason_zh="应为两个版本，如 3..5", reason_en="give two versions: 3..5",
        )  # fmt: skip
    reading: Reading = request.app.state.reading
    release = reading.release(dataset, reading.version(dataset, newer))
    package = reading.package(dataset, release.version)
    names = [item["name"] for item in package["resources"]]
    if resource is None and len(names) > 1:
        raise ParameterInvalid(
            name="resource", value="",
            reason_zh=f"该数据集有多个资源，请指明：{'、'.join(names)}",
            reason_en=f"there are several; say which: {', '.join(names)}",
        )  # fmt: skip
    asked = Asked(older, newer, what, limit, _start(cursor), form)
    return _answer(request, dataset, resource or names[0], asked)


def _answer(
    request: Request[Any, Any, Any], dataset: str, resource: str, asked: Asked
) -> Response[bytes]:
    reading: Reading = request.app.state.reading
    pair = _pair(reading, dataset, resource, asked.older, asked.newer)
    chosen = asked.form or best(request.headers.get("accept"), _FORMS) or "json"
    exact = (comparing.name_of(*pair), [t.version for t in pair], asked[2:], chosen)
    headers = {
        "etag": f'"{sha256(msgspec.json.encode(exact)).hexdigest()[:40]}"',
        "cache-control": _caching(asked.older, asked.newer),
        "vary": "Accept",
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    found = comparing.difference(reading, *pair)
    window, more = _window(found, asked.what, asked.start, asked.limit)
    following = _following(pair, asked) if more else None
    if following:
        headers["link"] = f'<{following}>; rel="next"'
    content = _content(reading, pair, found, window, chosen, following)
    kind = FORMS[chosen].media_type.split(";")[0]  # the framework adds the charset to text
    return Response(content, headers=headers, media_type=kind)


def _following(pair: tuple[Table, Table], asked: Asked) -> str:
    """Address of the page that follows, with both versions said."""
    before, after = pair
    query: dict[str, Any] = {"from": before.version, "to": after.version, "what": asked.what}
    query |= {"limit": asked.limit, "format": asked.form, "cursor": asked.start + asked.limit}
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return f"/api/v1/datasets/{after.dataset}/resources/{after.resource}/diff?{given}"


def _pair(
    reading: Reading, dataset: str, resource: str, older: str | None, newer: str | None
) -> tuple[Table, Table]:
    """Tables of two versions; unasked, of the latest and of the one before it."""
    after = reading.table(dataset, resource, reading.version(dataset, newer))
    number = reading.version(dataset, older) if older else _before(reading.store, after)
    before = reading.table(dataset, resource, number)
    return before, after


def _before(store: Store, after: Table) -> int:
    with store.catalog.read() as db:
        there = [r.version for r in releases.find(db, after.dataset) if r.withdrawn is None]
    number = next((version for version in there if version < after.version), None)
    if number is None:
        raise ReleaseUnknown(
            dataset=after.dataset,
            version=after.version - 1,
            hint_zh=f"版本 {after.version} 之前没有可以比较的版本；用 from 指定另一个",
            hint_en=f"nothing before version {after.version} to compare with; give another as from",
        )
    return number


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 16):  # noqa: PLR2004 - digits
        raise CursorInvalid
    return int(cursor)


def _caching(older: str | None, newer: str | None) -> str:
    numbered = all(text and text != "latest" for text in (older, newer))
    return "public, max-age=31536000, immutable" if numbered else "public, max-age=60"


def _window(found: Difference, what: str | None, start: int, limit: int) -> tuple[Window, bool]:
    """Lines to tell, and whether there are more of them."""
    first, count = found.lines_of(what)
    if start > count:
        raise CursorInvalid
    return Window(start=first + start, count=min(limit, count - start)), (0 < limit < count - start)


def _content(
    reading: Reading,
    pair: tuple[Table, Table],
    found: Difference,
    window: Window,
    form: str,
    following: str | None,
) -> bytes:
    if form == "csv":
        return telling.csv_text(reading, found, window).encode()
    lines = telling.json_lines(reading, found, window)
    if form == "ndjson":
        return "".join(f"{line}\n" for line in lines).encode()
    counts, (before, after) = found.counts, pair
    view = {
        "dataset": after.dataset,
        "resource": after.resource,
        "versions": {"from": before.version, "to": after.version},
        "by": counts.by,
        "key": counts.key,
        "counts": {name: counts.many(name) for name in (*WHATS, "unchanged")},
        "columns": telling.column_changes(found),
        "data": msgspec.Raw(f"[{','.join(lines)}]".encode()),
        "page": {"limit": window.count, "next": following},
    }
    return msgspec.json.encode(view)


routes: list[Any] = [list_versions, read_difference, read_span]
