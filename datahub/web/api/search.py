"""Routes of the search: find, suggest while typing, and what was looked for in vain."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.params import QueryParameter

from datahub.errors import ParameterInvalid, ParameterUnknown
from datahub.model import Struct
from datahub.search import filters as narrowing
from datahub.search import parse
from datahub.search.marking import Piece
from datahub.search.service import DEEPEST, SORTS, Hit, Result, Search
from datahub.store import Store, misses
from datahub.web.access import Permission
from datahub.web.api.views import DatasetView, dataset_view

_PUBLIC = {"permission": Permission.CATALOG_READ}
_OPEN_ENDED = ("status", "validity")
_SHOWN = 40
_CODES = Annotated[str | None, QueryParameter(description="codes, any of several with commas")]
_COUNTED = "all"
_PARAMETERS = (*narrowing.NAMES, "q", "sort", "limit", "offset", "facets")


class PieceView(Struct, frozen=True):
    """A piece of plain text; mark tells that it is what was looked for."""

    text: str
    mark: bool


class HitView(DatasetView, frozen=True):
    """A found record; highlights has the texts in which words were found, in pieces, by field."""

    score: float
    highlights: dict[str, list[list[PieceView]]]


class FacetValue(Struct, frozen=True):
    """A value of a facet, and how many results have it."""

    value: str
    title: str
    count: int


class SearchView(Struct, frozen=True):
    """A page of results.

    `corrected` is how a typo or pinyin was read; `nearest` what to try when there is nothing;
    `indexed` is false while the index is being built and the plain list answers.
    """

    total: int
    limit: int
    offset: int
    sort: str
    data: list[HitView]
    facets: dict[str, list[FacetValue]]
    corrected: str
    nearest: list[str]
    indexed: bool


class SuggestionView(Struct, frozen=True):
    """A text to be offered; kind is title, keyword, publisher or term."""

    text: str
    kind: str


class MissView(Struct, frozen=True):
    """A query that found nothing."""

    query: str
    times: int
    first: str
    last: str


class MissList(Struct, frozen=True):
    """A page of queries that found nothing, the most frequent first."""

    total: int
    data: list[MissView]


@get("/search", opt=_PUBLIC, sync_to_thread=True, summary="Search the catalog")
def search(
    request: Request[Any, Any, Any],
    q: Annotated[str, QueryParameter(description="what is looked for; empty: everything")] = "",
    publisher: _CODES = None,
    region: _CODES = None,
    theme: _CODES = None,
    openness: _CODES = None,
    format: _CODES = None,  # noqa: A002 - the parameter's name
    update_cycle: _CODES = None,
    freshness: _CODES = None,
    grade: _CODES = None,
    status: _CODES = None,
    validity: _CODES = None,
    sample: _CODES = None,
    sort: Annotated[str, QueryParameter(description=", ".join(SORTS))] = "relevance",
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="results a page")] = 10,
    offset: Annotated[int, QueryParameter(ge=0, le=DEEPEST)] = 0,
    facets: Annotated[
        str, QueryParameter(description="facets to count, separated by commas; all, or none")
    ] = _COUNTED,
) -> SearchView:
    """Records that answer a question in Chinese, English, pinyin or codes, the best first.

    Everyday words, abbreviations and typos are understood, quoted words are taken as they stand.
    A region includes those within it. Documents that are no longer in force and what was taken
    down are found only when validity or status asks for them.
    """
    check_parameters(request, _PARAMETERS)
    given = {
        "publisher": publisher,
        "region": region,
        "theme": theme,
        "openness": openness,
        "format": format,
        "update_cycle": update_cycle,
        "freshness": freshness,
        "grade": grade,
        "status": status,
        "validity": validity,
        "sample": sample,
    }
    chosen = read_filters(search_of(request), given)
    check_query(q)
    if sort not in SORTS:
        raise _invalid("sort", sort, list(SORTS))
    names = _facets(facets)
    found = search_of(request).find(
        q, chosen, sort=sort, limit=limit, offset=offset, facets=names, log=offset == 0
    )
    titles = search_of(request).titles() if found.facets else {}
    return _view(found, titles, limit=limit, offset=offset, sort=sort)


@get("/suggest", opt=_PUBLIC, sync_to_thread=True, summary="Suggest while typing")
def suggest(
    request: Request[Any, Any, Any],
    q: Annotated[str, QueryParameter(description="what was typed so far")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=20)] = 8,
) -> list[SuggestionView]:
    """Titles, keywords, glossary terms and publishers that begin so, in Chinese or in pinyin."""
    check_parameters(request, ("q", "limit"))
    check_query(q)
    found = search_of(request).suggest(q, limit)
    return [SuggestionView(text=item.text, kind=item.kind) for item in found]


@get(
    "/search/misses",
    opt={"permission": Permission.SEARCH_WATCH},
    sync_to_thread=True,
    summary="Searches that found nothing",
)
def list_misses(
    request: Request[Any, Any, Any],
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=10_000)] = 0,
) -> MissList:
    """What people looked for and the catalog does not have, the most frequent first."""
    check_parameters(request, ("limit", "offset"))
    store: Store = request.app.state.store
    with store.catalog.read() as db:
        total, found = misses.find(db, limit=limit, offset=offset)
    data = [MissView(query=m.query, times=m.times, first=m.first, last=m.last) for m in found]
    return MissList(total=total, data=data)


def search_of(request: Request[Any, Any, Any]) -> Search:
    """The application's search."""
    found: Search = request.app.state.search
    return found


def check_parameters(request: Request[Any, Any, Any], allowed: tuple[str, ...]) -> None:
    """Refuse a parameter that means nothing here, and one that is given twice."""
    for name in request.query_params:
        if name not in allowed:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(allowed))
        if len(request.query_params.getall(name)) > 1:
            raise ParameterInvalid(
                name=name,
                value="…",
                reason_zh="只能出现一次；多个值用逗号分开",
                reason_en="give it once; separate several values with commas",
            )


def check_query(text: str) -> None:
    """Refuse a query that is longer than what is looked at."""
    if len(text) > parse.LONGEST:
        raise ParameterInvalid(
            name="q",
            value=f"{text[:_SHOWN]}…",
            reason_zh=f"最长 {parse.LONGEST} 个字符，实际 {len(text)} 个",
            reason_en=f"{parse.LONGEST} characters at most, this has {len(text)}",
        )


def read_filters(searching: Search, given: dict[str, str | None]) -> dict[str, tuple[str, ...]]:
    """Codes of each filter; those that do not exist are refused with those that do."""
    chosen = {
        name: tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        for name, text in given.items()
        if text
    }
    titles = searching.titles() if chosen else {}
    for name, values in chosen.items():
        allowed = titles.get(name)
        more = (narrowing.ALL,) if name in _OPEN_ENDED and len(values) == 1 else ()
        wrong = [v for v in values if allowed is not None and v not in (*allowed, *more)]
        if wrong and allowed is not None:
            raise _invalid(name, wrong[0], [*allowed, *more])
    return chosen


def _invalid(name: str, value: str, allowed: list[str]) -> ParameterInvalid:
    from difflib import get_close_matches

    shown = allowed
    if len(allowed) > _SHOWN:
        shown = [*get_close_matches(value, allowed, n=5, cutoff=0.4), *allowed[:10], "…"]
    return ParameterInvalid(
        name=name,
        value=value[:_SHOWN],
        reason_zh=f"可用：{'、'.join(shown)}",
        reason_en=f"use one of {', '.join(shown)}",
    )


def _facets(text: str) -> tuple[str, ...]:
    if text in (_COUNTED, "none", ""):
        return narrowing.NAMES if text == _COUNTED else ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in narrowing.NAMES:
            raise _invalid("facets", name, [*narrowing.NAMES, _COUNTED, "none"])
    return names


def _view(
    found: Result, titles: dict[str, dict[str, str]], *, limit: int, offset: int, sort: str
) -> SearchView:
    facets = {
        name: [
            FacetValue(
                value=item.value,
                title=titles.get(name, {}).get(item.value, item.value),
                count=item.count,
            )
            for item in values
        ]
        for name, values in found.facets.items()
    }
    return SearchView(
        total=found.total,
        limit=limit,
        offset=offset,
        sort=sort,
        data=[_hit(hit) for hit in found.hits],
        facets=facets,
        corrected=found.corrected,
        nearest=list(found.nearest),
        indexed=found.indexed,
    )


def _hit(hit: Hit) -> HitView:
    short = dataset_view(hit.dataset)
    fields = {name: getattr(short, name) for name in short.__struct_fields__}
    highlights = {
        name: [[_piece(piece) for piece in pieces] for pieces in texts]
        for name, texts in hit.highlights.items()
    }
    return HitView(**fields, score=hit.score, highlights=highlights)


def _piece(piece: Piece) -> PieceView:
    return PieceView(text=piece.text, mark=piece.mark)


router = Router(path="/api/v1", route_handlers=[search, suggest, list_misses], tags=["search"])
