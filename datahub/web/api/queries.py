"""Routes on stored queries: versioned, citable, with parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, delete, get, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.clock import stamp
from datahub.errors import BodyInvalid, DatahubError
from datahub.errors_jobs import JobForeign, QueryUnknown
from datahub.forms.names import FORMS
from datahub.guard.text import check_name
from datahub.model import Pin, Role, Struct
from datahub.serve.asking import Question, prepare
from datahub.serve.sql import citation, parameters
from datahub.serve.sql.citation import Citation
from datahub.serve.sql.parameters import Parameter
from datahub.serve.sql.pins import noting, pinned
from datahub.serve.sql.tables import resolver
from datahub.store import Store, records, stored_queries
from datahub.store.stored_queries import StoredQuery
from datahub.web.access import Permission
from datahub.web.address import base_of
from datahub.web.api.datasets import check_names, store_of
from datahub.web.api.sql import SqlAnswer, answered
from datahub.web.asker import asker_of
from datahub.web.attending import attended
from datahub.web.sql_request import NAMES, of_stored

if TYPE_CHECKING:
    from datahub.serve.reading import Reading

_PUBLIC = {"permission": Permission.CATALOG_READ}
_OWN = {"permission": Permission.QUERY_WRITE}
_VERSION = re.compile(r"v?([1-9][0-9]{0,8})\Z", re.ASCII)
_RESERVED = (*NAMES, "version")
_TITLE, _DESCRIPTION = 200, 5000  # characters


class QueryChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What a version of a query says.

    With `pin` the tables that `sql` names without a version are read for ever in the version that
    is the latest now.
    """

    title: str
    sql: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    pin: bool = False


class QueryBody(QueryChange, frozen=True, forbid_unknown_fields=True):
    """A new query; without a name it gets one."""

    name: str | None = None


class TableRead(Struct, frozen=True):
    """A table that a query reads; without a version the latest when it is asked."""

    dataset: str
    resource: str
    version: int | None


class QueryView(Struct, frozen=True):
    """A version of a stored query; `retired` is since when its name is used no more."""

    name: str
    version: int
    title: str
    description: str
    sql: str
    parameters: list[Parameter]
    tables: list[TableRead]
    created: str
    retired: str | None
    citation: Citation
    links: dict[str, str]


class QueryItem(Struct, frozen=True):
    """A query in a list, in its newest version."""

    name: str
    version: int
    title: str
    description: str
    created: str
    links: dict[str, str]


class QueryList(Struct, frozen=True):
    """A page of queries; `next` is the next one."""

    data: list[QueryItem]
    total: int
    next: str | None


# Storing ----------------------------------------------------------------------------------


@post(
    "/api/v1/queries",
    opt=_OWN,
    operation_id="StoreQuery",
    summary="Store a query",
    tags=["queries"],
)
async def create(request: Request[Any, Any, Any], data: JSONBody[QueryBody]) -> Response[QueryView]:
    """SQL with typed $parameters under a name, checked now and each time that it runs.

    Its answers have an address for ever: `/api/v1/queries/{name}/v1/rows?year=2025`.
    """
    check_names(request, ())
    if data.name is not None:
        check_name(data.name, "查询名 query name")
    made = await _checked(request, data.name or "", data)

    def store() -> QueryView:
        with store_of(request).catalog.write() as db:
            named = msgspec.structs.replace(made, name=made.name or stored_queries.new_name(db))
            stored = stored_queries.create(db, named)
        return _view(request, stored)

    view = await run_sync(store)
    return Response(view, headers={"location": view.links["self"]})


@put(
    "/api/v1/queries/{name:str}",
    opt=_OWN,
    operation_id="ChangeQuery",
    summary="Store a next version",
    tags=["queries"],
)
async def change(
    request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[QueryChange]
) -> QueryView:
    """Former versions stay as they are; what says the same as the newest adds none."""
    check_names(request, ())
    await run_sync(_check_owner, request, name, "修改", "change")
    made = await _checked(request, name, data)

    def store() -> QueryView:
        with store_of(request).catalog.write() as db:
            stored = stored_queries.change(db, made)
        return _view(request, stored)

    return await run_sync(store)


@delete(
    "/api/v1/queries/{name:str}",
    opt=_OWN,
    status_code=200,
    operation_id="RetireQuery",
    summary="Retire a query",
    tags=["queries"],
)
async def retire(request: Request[Any, Any, Any], name: FromPath[str]) -> QueryView:
    """Take it from the lists; its versions still answer, and its name is not given again."""
    check_names(request, ())

    def store() -> QueryView:
        _check_owner(request, name, "停用", "retire")
        store = store_of(request)
        with store.catalog.write() as db:
            stored_queries.retire(db, name, stamp(store.clock))
            retired = stored_queries.get(db, name)
        return _view(request, retired)

    return await run_sync(store)


def _check_owner(request: Request[Any, Any, Any], name: str, zh: str, en: str) -> None:
    """Let owners and operators change a query.

    Raises:
        QueryUnknown: there is none.
        JobForeign: it is somebody else's.

    """
    with store_of(request).catalog.read() as db:
        owner = stored_queries.get(db, name).owner
    person = request.scope.get("user")
    if owner != asker_of(request) and getattr(person, "role", None) is not Role.OPERATOR:
        raise JobForeign(name=name, action_zh=zh, action_en=en)


async def _checked(request: Request[Any, Any, Any], name: str, data: QueryChange) -> StoredQuery:
    """Check a query as if it ran, and note what it reads.

    Raises:
        DatahubError: what is wrong with it.

    """
    title = " ".join(data.title.split())
    if not 0 < len(title) <= _TITLE or len(data.description) > _DESCRIPTION:
        raise BodyInvalid(
            reason_zh=f"title 必填，最多 {_TITLE} 个字符；description 最多 {_DESCRIPTION} 个",
            reason_en=f"title has 1 to {_TITLE} characters, description {_DESCRIPTION} at most",
        )
    parameters.check(data.parameters, _RESERVED)
    reading: Reading = request.app.state.reading
    pins: list[Pin] = []
    find = noting(resolver(reading), pins, latest=not data.pin)
    values = parameters.examples(data.parameters)
    question = Question(sql=data.sql, values=values, only_check=True)
    prepared = await attended(request, prepare(reading, question, find))
    await attended(request, prepared.run())
    told = msgspec.json.decode(msgspec.json.encode(data.parameters))
    return StoredQuery(
        name=name, version=1, title=title, description=data.description, sql=data.sql,
        parameters=told, tables=pins, owner=asker_of(request),
        created=stamp(reading.store.clock),
    )  # fmt: skip


# Reading ----------------------------------------------------------------------------------


@get(
    "/api/v1/queries",
    opt=_PUBLIC,
    sync_to_thread=True,
    operation_id="ListQueries",
    summary="Stored queries",
    tags=["queries"],
)
def find(
    request: Request[Any, Any, Any],
    q: Annotated[str | None, QueryParameter(max_length=200, description="words")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="queries a page")] = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=10_000_000)] = 0,
) -> QueryList:
    """Newest versions, the latest change first; `q` are words of name, title or description."""
    check_names(request, ("q", "limit", "offset"))
    with store_of(request).catalog.read() as db:
        total, found = stored_queries.find(db, q or "", limit=limit, offset=offset)
    following = None
    if offset + limit < total:
        query = {"limit": limit, "offset": offset + limit} | ({"q": q} if q else {})
        following = f"/api/v1/queries?{urlencode(query)}"
    return QueryList(data=[_item(query) for query in found], total=total, next=following)


@get(
    "/api/v1/queries/{name:str}/versions",
    opt=_PUBLIC,
    sync_to_thread=True,
    operation_id="ListQueryVersions",
    summary="Versions of a stored query",
    tags=["queries"],
)
def list_versions(request: Request[Any, Any, Any], name: FromPath[str]) -> list[QueryItem]:
    """All versions, newest first."""
    check_names(request, ())
    with store_of(request).catalog.read() as db:
        stored_queries.get(db, name)
        return [_item(version) for version in stored_queries.versions(db, name)]


@get(
    "/api/v1/queries/{name:str}",
    opt=_PUBLIC,
    operation_id="ReadQuery",
    summary="A stored query",
    tags=["queries"],
)
async def read(request: Request[Any, Any, Any], name: FromPath[str]) -> QueryView:
    """Its newest version: SQL, parameters, what it reads, how to cite it."""
    check_names(request, ())
    return await run_sync(_read, request, name, "latest")


@get(
    "/api/v1/queries/{name:str}/{version:str}",
    opt=_PUBLIC,
    operation_id="ReadQueryVersion",
    summary="A version of a stored query",
    tags=["queries"],
)
async def read_version(
    request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
) -> QueryView:
    """One version (v3), or `latest`: SQL, parameters, what it reads, how to cite it."""
    check_names(request, ())
    return await run_sync(_read, request, name, version)


def _read(request: Request[Any, Any, Any], name: str, version: str) -> QueryView:
    return _view(request, _found(store_of(request), name, version))


def _found(store: Store, name: str, version: str) -> StoredQuery:
    """Find a version by v3, 3 or latest.

    Raises:
        QueryUnknown: there is no such query, or no such version.

    """
    number = _VERSION.match(version)
    with store.catalog.read() as db:
        newest = stored_queries.get(db, name)
        if number is None and version != "latest":
            raise QueryUnknown(
                name=name, hint_zh=f"的版本“{version[:20]}”（写成 v{newest.version} 或 latest）",
                hint_en=f" version '{version[:20]}' (write v{newest.version} or latest)",
            )  # fmt: skip
        return stored_queries.get(db, name, int(number[1])) if number else newest


@get(
    "/api/v1/queries/{name:str}/{version:str}/rows",
    opt=_PUBLIC | {"heavy": True},
    operation_id="AskQuery",
    summary="The answer of a stored query",
    tags=["queries"],
    responses={200: ResponseSpec(SqlAnswer, description="the rows", generate_examples=False)},
)
async def rows(
    request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
) -> Response[Any]:
    """What the query finds now; its parameters are those of the address (`?year=2025`).

    Also `format`, `shape`, `limit` and `timeout_ms`, or an ending (`rows.csv`), as
    `/api/v1/sql` has them. An answer of a numbered version from pinned tables never changes.
    """
    return await _rows(request, name, version, "")


@get(
    [f"/api/v1/queries/{{name:str}}/{{version:str}}/rows{form.suffix}" for form in FORMS.values()],
    opt=_PUBLIC | {"heavy": True},
    include_in_schema=False,
)
async def rows_in_form(
    request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
) -> Response[Any]:
    """Answer as `rows`, in the form of the ending."""
    return await _rows(request, name, version, "." + request.url.path.rpartition(".")[2])


async def _rows(
    request: Request[Any, Any, Any], name: str, version: str, suffix: str
) -> Response[Any]:
    reading: Reading = request.app.state.reading
    query = await run_sync(_found, reading.store, name, version)
    asked = of_stored(request, reading.store.settings, query.sql, _declared(query), suffix)
    numbered = version != "latest"
    answer = await answered(
        request, asked, resolve=pinned(reading, query.tables),
        name=f"{query.name}-v{query.version}", lasting=numbered, kept=numbered,
    )  # fmt: skip
    answer.headers["link"] = f'<{_address(query)}>; rel="describedby"'
    return answer


# Views ------------------------------------------------------------------------------------


def _declared(query: StoredQuery) -> list[Parameter]:
    return msgspec.convert(query.parameters, list[Parameter])


def _address(query: StoredQuery) -> str:
    return f"/api/v1/queries/{query.name}/v{query.version}"


def _links(query: StoredQuery) -> dict[str, str]:
    base = f"/api/v1/queries/{query.name}"
    return {
        "self": _address(query),
        "rows": f"{_address(query)}/rows",
        "versions": f"{base}/versions",
        "latest": base,
    }


def _item(query: StoredQuery) -> QueryItem:
    same = ("name", "version", "title", "description", "created")
    return QueryItem(**{field: getattr(query, field) for field in same}, links=_links(query))


def _view(request: Request[Any, Any, Any], query: StoredQuery) -> QueryView:
    cited = citation.cite(
        query.name, query.version, query.title, query.created,
        _sources(store_of(request), query), f"{base_of(request)}{_address(query)}",
    )  # fmt: skip
    same = ("name", "version", "title", "description", "sql", "created", "retired")
    return QueryView(
        **{field: getattr(query, field) for field in same},
        parameters=_declared(query),
        tables=[TableRead(pin.dataset, pin.resource, pin.version) for pin in query.tables],
        citation=cited,
        links=_links(query),
    )


def _sources(store: Store, query: StoredQuery) -> list[citation.Source]:
    """Titles and publishers of what a query reads; of one that is gone, its name."""
    found = []
    with store.catalog.read() as db:
        for pin in query.tables:
            try:
                dataset = records.get_dataset(db, pin.dataset)
                title, publisher = dataset.title, dataset.publisher_title
            except DatahubError:
                title, publisher = pin.dataset, ""
            found.append(citation.Source(title, publisher, pin.version))
    return found


routes: list[Any] = [
    *(create, change, retire, find),
    *(list_versions, read, read_version, rows, rows_in_form),
]
