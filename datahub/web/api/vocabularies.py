"""Routes on code lists: those of the record, and those that the catalog itself declares."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, get
from litestar.params import FromPath

from datahub.errors import ParameterUnknown, VocabularyUnknown
from datahub.model import Json, Struct
from datahub.record import vocabularies
from datahub.store import Store, records
from datahub.web.access import Permission

_PUBLIC = {"permission": Permission.CATALOG_READ}
_OWN = {
    "regions": ("region", "行政区划", "Regions"),
    "themes": ("theme", "数据领域", "Themes of this catalog"),
    "licenses": ("license", "许可", "Licences of this catalog"),
}
"""Lists that the catalog declares, by the name of their route."""


class VocabularyView(Struct, frozen=True):
    """A code list: its terms have code, zh, en and their equivalents elsewhere."""

    name: str
    zh: str
    en: str
    terms: list[Json]


class VocabularyShort(Struct, frozen=True):
    """A code list in the list of them."""

    name: str
    zh: str
    en: str
    terms: int
    link: str


@get("/", opt=_PUBLIC, sync_to_thread=True, summary="List code lists")
def list_vocabularies(request: Request[Any, Any, Any]) -> list[VocabularyShort]:
    """All code lists of the record and of this catalog, with how many terms each has."""
    _check(request)
    found = [_of(item) for item in vocabularies.everything().values()]
    found += [_own(request, name) for name in _OWN]
    return [
        VocabularyShort(
            name=item.name,
            zh=item.zh,
            en=item.en,
            terms=len(item.terms),
            link=f"/api/v1/vocabularies/{item.name}",
        )
        for item in found
    ]


@get("/{vocabulary:str}", opt=_PUBLIC, sync_to_thread=True, summary="A code list")
def get_vocabulary(request: Request[Any, Any, Any], vocabulary: FromPath[str]) -> VocabularyView:
    """The terms of a code list: code, Chinese and English label, DCAT, EU and ISO equivalents."""
    _check(request)
    if vocabulary in _OWN:
        return _own(request, vocabulary)
    known = vocabularies.everything()
    if vocabulary not in known:
        raise VocabularyUnknown(vocabulary=vocabulary[:80], allowed=", ".join([*known, *_OWN]))
    return _of(known[vocabulary])


def _check(request: Request[Any, Any, Any]) -> None:
    for name in request.query_params:
        raise ParameterUnknown(name=name[:80], allowed="")


def _of(item: vocabularies.Vocabulary) -> VocabularyView:
    return VocabularyView(
        name=item.name, zh=item.zh, en=item.en, terms=[term.plain() for term in item.terms]
    )


def _own(request: Request[Any, Any, Any], name: str) -> VocabularyView:
    """List of the catalog in the form of all others: `code`, `zh`, `en`, then the rest."""
    kind, zh, en = _OWN[name]
    store: Store = request.app.state.store
    with store.catalog.read() as db:
        items = records.get_terms(db, kind)
    return VocabularyView(name=name, zh=zh, en=en, terms=[_term(item) for item in items])


def _term(item: Json) -> Json:
    plain = {
        "code": item.get("code") or item.get("name"),
        "zh": item["title"],
        "en": item.get("title_en", ""),
    }
    return plain | {k: v for k, v in item.items() if k not in ("code", "name", "title", "title_en")}


router = Router(
    path="/api/v1/vocabularies",
    route_handlers=[list_vocabularies, get_vocabulary],
    tags=["vocabularies"],
)
