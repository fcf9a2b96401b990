"""Routes on the glossary (政务词条): read, propose a change, decide, retire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from datahub.clock import stamp
from datahub.errors import BodyInvalid, ParameterUnknown, TokenMissing
from datahub.errors_glossary import (
    ConditionMissing,
    OwnTerm,
    TermChanged,
    TermForeign,
    TermUnknown,
    TermVersionUnknown,
)
from datahub.model import Json, Person, Role, Struct
from datahub.record.glossary import FIELDS, STATES, changes, expired, fold, words
from datahub.store import Db, editions, records
from datahub.store.editions import Edition
from datahub.web.access import Permission, person_of
from datahub.web.api.datasets import store_of

_PUBLIC = {"permission": Permission.CATALOG_READ}
_LISTING = ("q", "owner", "dataset", "state", "limit", "offset")
_SEEN_BY_ALL = ("approved", "retired")
StateName = Literal["draft", "in_review", "approved", "declined", "retired"]


class TermView(Struct, frozen=True):
    """One version of a glossary entry."""

    id: str
    version: int
    state: str
    state_zh: str
    term: str
    synonyms: tuple[str, ...]
    definition: str
    meaning: str
    owner: dict[str, str]
    related_datasets: tuple[str, ...]
    related_items: tuple[str, ...]
    related_docs: tuple[str, ...]
    region: str
    reviewed: str
    expires: str
    expired: bool
    modified: str
    links: dict[str, str]
    author: str | None  # people are named to people with a token only
    decision: Json | None


class TermDetail(TermView, frozen=True):
    """A glossary entry with its versions, the newest first."""

    versions: list[Json]


class VersionDetail(TermView, frozen=True):
    """A version and what it changes against the one before that held."""

    changes: list[Json]


class TermList(Struct, frozen=True):
    """A page of glossary entries."""

    total: int
    limit: int
    offset: int
    data: list[TermView]


class VerdictBody(Struct, frozen=True):
    """What a reviewer decides on a version."""

    version: int
    verdict: Literal["approve", "decline"]
    reason: str = ""


class RetirementBody(Struct, frozen=True):
    """Why an entry is retired."""

    reason: str


def _view(item: Edition, titles: dict[str, str], person: Person | None) -> TermView:
    term, path = item.term, f"/api/v1/glossary/{item.term.id}"
    fields = {name: getattr(term, name) for name in FIELDS}
    return TermView(
        **(fields | {"owner": {"id": term.owner, "title": titles.get(term.owner, term.owner)}}),
        version=item.version,
        state=item.state,
        state_zh=STATES[item.state],
        expired=expired(term, editions.today_of()),
        modified=item.at,
        links={"self": path, "version": f"{path}/versions/{item.version}"},
        author=item.author if person else None,
        decision=item.decision if person else None,
    )


def _titles(db: Db) -> dict[str, str]:
    return {item["id"]: item["title"] for item in records.get_publishers(db)}


def _asker(request: Request[Any, Any, Any]) -> Person | None:
    person = request.scope.get("user")
    return person if isinstance(person, Person) else None


def _seen(found: list[Edition], person: Person | None, identifier: str) -> list[Edition]:
    """Versions that somebody may see: without a token those that hold or held.

    Raises:
        TermUnknown: there are none.

    """
    seen = [item for item in found if _may_see(item, person)]
    if not seen:
        raise TermUnknown(term=identifier[:80])
    return seen


def _may_see(item: Edition, person: Person | None) -> bool:
    if person is None:
        return item.state in _SEEN_BY_ALL
    return item.state != "draft" or item.author == person.name


def _head(found: list[Edition]) -> Edition:
    """The version that an address without a number means: the one that holds, else the newest."""
    return editions.in_force(found) or found[0]


@get("/", opt=_PUBLIC, sync_to_thread=True, summary="List glossary entries")
def list_terms(
    request: Request[Any, Any, Any],
    q: Annotated[
        str | None, QueryParameter(description="in term, synonyms, definition", max_length=100)
    ] = None,
    owner: Annotated[str | None, QueryParameter(description="publisher id")] = None,
    dataset: Annotated[str | None, QueryParameter(description="related dataset")] = None,
    in_state: Annotated[
        StateName, QueryParameter(name="state", description="other than approved: with a token")
    ] = "approved",
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="entries a page")] = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=10_000_000)] = 0,
) -> TermList:
    """Entries by term, the best match for `q` first; `state=in_review` lists what waits."""
    for name in request.query_params:
        if name not in _LISTING:
            raise ParameterUnknown(name=name[:80], allowed=", ".join(_LISTING))
    person = _asker(request)
    if person is None and in_state not in _SEEN_BY_ALL:
        raise TokenMissing
    with store_of(request).catalog.read() as db:
        known = editions.in_state(db, in_state)
        titles = _titles(db)
    found = [item for item in known if _may_see(item, person) and _chosen(item, owner, dataset)]
    if q:
        found = _matching(found, fold(q))
    else:
        found.sort(key=lambda item: (item.term.term, item.version))
    page = [_view(item, titles, person) for item in found[offset : offset + limit]]
    return TermList(total=len(found), limit=limit, offset=offset, data=page)


def _chosen(item: Edition, owner: str | None, dataset: str | None) -> bool:
    term = item.term
    return owner in (None, term.owner) and (dataset is None or dataset in term.related_datasets)


def _matching(found: list[Edition], wanted: str) -> list[Edition]:
    """Entries that hold the text, by how closely: a word of theirs, part of one, the definition."""
    scored = []
    for item in found:
        folded = [fold(word) for _, word in words(item.term)]
        if wanted in (*folded, item.term.id):
            score = 0
        elif any(wanted in word for word in folded):
            score = 1
        elif wanted in fold(item.term.definition + item.term.meaning):
            score = 2
        else:
            continue
        scored.append((score, len(item.term.term), item.term.term, item.version, item))
    return [row[-1] for row in sorted(scored, key=lambda row: row[:-1])]


@get("/{term:str}", opt=_PUBLIC, sync_to_thread=True, summary="A glossary entry")
def get_term(request: Request[Any, Any, Any], term: FromPath[str]) -> Response[TermDetail]:
    """The entry as it holds, with its versions; the ETag is for If-Match of a change."""
    person = _asker(request)
    with store_of(request).catalog.read() as db:
        found = _seen(editions.versions(db, term), person, term)
        titles = _titles(db)
    head = _head(found)
    listed = [
        {
            "version": item.version,
            "state": item.state,
            "state_zh": STATES[item.state],
            "at": item.at,
            "link": f"/api/v1/glossary/{term}/versions/{item.version}",
            **({"author": item.author, "decision": item.decision} if person else {}),
        }
        for item in found
    ]
    view = TermDetail(**msgspec.structs.asdict(_view(head, titles, person)), versions=listed)
    return Response(view, headers={"etag": f'"{head.version}"'})


@get("/{term:str}/versions/{version:int}", opt=_PUBLIC, sync_to_thread=True, summary="A version")
def get_version(
    request: Request[Any, Any, Any], term: FromPath[str], version: FromPath[int]
) -> VersionDetail:
    """One version of an entry, and the fields it changes."""
    person = _asker(request)
    with store_of(request).catalog.read() as db:
        found = _seen(editions.versions(db, term), person, term)
        titles = _titles(db)
    for item in found:
        if item.version == version:
            return _version_view(item, found, titles, person)
    shown = ", ".join(str(item.version) for item in found)
    raise TermVersionUnknown(term=term, version=version, allowed=shown)


def _version_view(
    item: Edition, found: list[Edition], titles: dict[str, str], person: Person | None
) -> VersionDetail:
    before = editions.in_force([other for other in found if other.version < item.version])
    differs = changes(before.term if before else None, item.term)
    return VersionDetail(**msgspec.structs.asdict(_view(item, titles, person)), changes=differs)


@put(
    "/{term:str}",
    opt={"permission": Permission.GLOSSARY_PROPOSE},
    sync_to_thread=True,
    status_code=201,
    summary="Propose a glossary entry or a change of one",
)
def propose(
    request: Request[Any, Any, Any],
    term: FromPath[str],
    data: JSONBody[dict[str, Any]],
    draft: Annotated[bool, QueryParameter(description="keep it to oneself for now")] = False,
) -> Response[VersionDetail]:
    """Add a version that waits for review; anybody who publishes may propose for any entry.

    The body has term, definition and, where wanted, synonyms, meaning, owner, related_datasets,
    related_items, related_docs, region, reviewed, expires; it is the whole entry, not a part. A
    change of an entry in force needs `If-Match` with the ETag it was read with.
    """
    store, person = store_of(request), person_of(request)
    with store.catalog.write() as db:
        base = _base(db, term, request.headers.get("if-match"))
        owner = base.term.owner if base else person.publisher or ""
        item = editions.propose(
            db, {"owner": owner} | data, term,
            who=person.name, now=stamp(store.clock), draft=draft,
        )  # fmt: skip
        found, titles = editions.versions(db, term), _titles(db)
    view = _version_view(item, found, titles, person)
    return Response(view, status_code=201, headers={"location": view.links["version"]})


def _base(db: Db, identifier: str, given: str | None) -> Edition | None:
    """Version that a change is made from, which `If-Match` must name; None for a new entry.

    Raises:
        ConditionMissing: the entry is in force and no version is named.
        TermChanged: another version is.

    """
    try:
        found = editions.versions(db, identifier)
    except TermUnknown:
        found = []
    base = _head(found) if found else None
    current = base.version if base else 0
    if given is None:
        if base is not None and base.state == "approved":
            raise ConditionMissing(term=identifier, current=current)
        return base
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in given.split(",")]
    if base is None or ("*" not in tags and str(current) not in tags):
        raise TermChanged(term=identifier[:80], current=current, given=given[:40])
    return base


@post(
    "/{term:str}/decision",
    opt={"permission": Permission.GLOSSARY_DECIDE},
    sync_to_thread=True,
    status_code=200,
    summary="Decide on a proposed version",
)
def decide(
    request: Request[Any, Any, Any], term: FromPath[str], data: JSONBody[VerdictBody]
) -> TermView:
    """Approve or decline a version; never one's own, and only for whom one answers."""
    reason = data.reason.strip()
    if data.verdict == "decline" and not reason:
        raise BodyInvalid(
            reason_zh="不采纳须写理由（reason）", reason_en="declining needs a reason"
        )
    store, person = store_of(request), person_of(request)
    with store.catalog.write() as db:
        item = editions.version(db, term, data.version)
        if not _may_see(item, person):
            raise TermVersionUnknown(term=term, version=data.version, allowed="…")
        if item.author == person.name:
            raise OwnTerm
        _check_owner(db, term, item, person)
        after = editions.decide(
            db, term, data.version, verdict=data.verdict, reason=reason[:500],
            who=person.name, now=stamp(store.clock),
        )  # fmt: skip
        titles = _titles(db)
    return _view(after, titles, person)


def _check_owner(db: Db, identifier: str, item: Edition, person: Person) -> None:
    """Let operators, reviewers of the platform and those of the owner decide.

    Raises:
        TermForeign: the entry is another publisher's.

    """
    # Whoever answers for the entry now decides, even on who shall answer for it.
    current = editions.in_force(editions.versions(db, identifier))
    owner = (current or item).term.owner
    if person.role is not Role.OPERATOR and person.publisher not in (None, owner):
        raise TermForeign(term=identifier, owner=owner, own=person.publisher)


@post(
    "/{term:str}/retirement",
    opt={"permission": Permission.GLOSSARY_DECIDE},
    sync_to_thread=True,
    status_code=200,
    summary="Retire a glossary entry",
)
def retire(
    request: Request[Any, Any, Any], term: FromPath[str], data: JSONBody[RetirementBody]
) -> TermView:
    """End an entry with a reason; its versions stay readable, its words are free again."""
    reason = data.reason.strip()
    if not reason:
        raise BodyInvalid(reason_zh="必须填写停用原因（reason）", reason_en="a reason is needed")
    store, person = store_of(request), person_of(request)
    with store.catalog.write() as db:
        _check_owner(db, term, editions.versions(db, term)[0], person)
        now = stamp(store.clock)
        after = editions.retire(db, term, reason=reason[:500], who=person.name, now=now)
        titles = _titles(db)
    return _view(after, titles, person)


router = Router(
    path="/api/v1/glossary",
    route_handlers=[list_terms, get_term, get_version, propose, decide, retire],
    tags=["glossary"],
)
