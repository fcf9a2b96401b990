"""The search as the rest of the product uses it: find, suggest, and what to try instead."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from datahub.model import Dataset, Struct
from datahub.search import analysis, nearest, schema, suggestions
from datahub.search import filters as narrowing
from datahub.search.clauses import Clauses
from datahub.search.follow import Follower, context_of
from datahub.search.lexicon import Lexicon
from datahub.search.marking import Marker, Piece
from datahub.search.parse import Asked, clean, parse
from datahub.search.plan import Plan, Planner, Tier
from datahub.search.unanswered import Unanswered
from datahub.store import records, sources
from datahub.store.records import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.search.filters import Count
    from datahub.search.index import Reader
    from datahub.search.suggestions import Suggestion
    from datahub.store import Store

SORTS = {
    "relevance": None,
    "updated": "updated",
    "modified": "modified",
    "title": "order",
    "demand": "demand",
}
"""Orders of results; `updated` is of the data, `modified` of the record."""
DEEPEST = 10_000
_PATIENCE = 3.0  # seconds that a web process waits for a first index before it begins


class Hit(Struct, frozen=True):
    """A found record with where the words stand in it."""

    dataset: Dataset
    score: float
    highlights: dict[str, list[tuple[Piece, ...]]]


class Result(Struct, frozen=True):
    """A page of what was found."""

    total: int
    hits: tuple[Hit, ...]
    facets: dict[str, list[Count]]
    corrected: str = ""  # how a typo was read
    nearest: tuple[str, ...] = ()  # what to try when nothing was found
    indexed: bool = True  # False: the index is being built, the plain list answered


class _State:
    """One state of the index with what is kept for it."""

    def __init__(self, reader: Reader, lexicon: Lexicon) -> None:
        self.searcher = reader.searcher
        self.sequence, self.context, self.lexicon = reader.sequence, reader.context, lexicon
        self.clauses = Clauses(self.searcher)
        self.planner = Planner(self.clauses, lexicon)
        self.titles = narrowing.titles(reader.context)
        self.counted = lru_cache(maxsize=256)(self._counted)

    def _counted(
        self, _text: str, chosen: _Chosen, names: tuple[str, ...], _minute: int
    ) -> dict[str, list[Count]]:
        return narrowing.counts(self.searcher, chosen.query, chosen.narrowed, names)


class _Chosen:
    """A query with its filters, equal to others by what was asked for."""

    def __init__(self, query: Any, narrowed: dict[str, Any], key: object) -> None:
        self.query, self.narrowed, self._key = query, narrowed, key

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Chosen) and other._key == self._key


class Search:
    """Answers from the index that this process has open; follows the catalog in the background."""

    def __init__(self, store: Store, *, writes: bool = True) -> None:
        self._catalog = store.catalog
        self.follower = Follower(store, writes=writes)
        self.unanswered = Unanswered(store)
        self.follower.besides += [self._prepare, self.unanswered.flush]
        self._state: _State | None = None

    def start(self) -> None:
        """Begin to follow the catalog; wait a little for the index of a small one."""
        self.follower.start()
        self.follower.wait(0, _PATIENCE)

    def close(self) -> None:
        """Stop following."""
        self.follower.close()

    def find(
        self,
        text: str,
        filters: Mapping[str, tuple[str, ...]] | None = None,
        *,
        sort: str = "relevance",
        limit: int = 20,
        offset: int = 0,
        facets: tuple[str, ...] = (),
        every_group: bool = False,
        log: bool = False,
    ) -> Result:
        """Find records: those that fit best first, or in the order asked for.

        every_group asks that each part of the text between blanks is found in a record; log
        notes a text that nothing was found for.
        """
        state, chosen = self._current(), filters or {}
        if state is None:
            return self._without_index(text, chosen, limit=limit, offset=offset)
        asked = parse(text, state.lexicon)
        plan = None if asked.empty else state.planner.plan(asked, every_group=every_group)
        narrowed = narrowing.compiled(chosen, time.time())
        page = _Page(sort=sort, limit=limit, offset=offset)
        found = _first_tier(state.clauses, _tiers(state, asked, plan), narrowed, page)
        if found is None:
            return self._nothing(state, asked, log=log)
        query, names, total = found
        counted: dict[str, list[Count]] = {}
        if facets:
            key = (asked.text, every_group, tuple(sorted(chosen.items())))
            minute = int(time.time() // 60)
            counted = state.counted(asked.text, _Chosen(query, narrowed, key), facets, minute)
        if not total and not any(chosen.values()):
            return self._nothing(state, asked, log=log)
        return self._result(names, total, counted, plan)

    def suggest(self, text: str, limit: int = 8) -> list[Suggestion]:
        """What somebody may be about to type: titles, keywords, terms, publishers."""
        state = self._current()
        typed = clean(text)
        if state is None or not typed:
            return []
        found = suggestions.starting(state.searcher, state.lexicon.typed, typed, limit)
        if not found and len(typed) > 1:
            hits = self.find(typed, limit=limit).hits
            titles = dict.fromkeys(schema.plain_title(hit.dataset.title) for hit in hits)
            found = [suggestions.Suggestion(text=title, kind="title") for title in titles]
        return found

    def titles(self) -> dict[str, dict[str, str]]:
        """Titles of the codes that filters take."""
        state = self._current()
        if state is not None:
            return state.titles
        with self._catalog.read() as db:
            return narrowing.titles(context_of(db))

    def _current(self) -> _State | None:
        reader = self.follower.reader
        if reader is None:
            return None
        state = self._state
        if state is None or state.searcher is not reader.searcher:
            same = state is not None and state.context is reader.context
            lexicon = state.lexicon if state is not None and same else Lexicon(reader.context)
            self._state = state = _State(reader, lexicon)
        return state

    def _prepare(self) -> None:
        """Make ready what requests would wait for, unless nobody searched: it takes 35 MB."""
        state = self._current()
        if state is not None and analysis.loaded():
            state.lexicon.prepare()

    def _result(
        self,
        names: list[tuple[str, float]],
        total: int,
        counted: dict[str, list[Count]],
        plan: Plan | None,
    ) -> Result:
        with self._catalog.read() as db:
            found = sources.by_name(db, [name for name, _ in names])
        present = [(found[name], score) for name, score in names if name in found]
        corrected = ""
        words = list(plan.words) if plan else []
        sounds = plan.sounds if plan else []
        if plan and present and (plan.typos or plan.sounds):
            read = nearest.read_as(plan.typos, plan.sounds, present[0][0])
            corrected = " ".join(read)
            words += read
        marker = Marker(words, sounds)
        hits = tuple(
            Hit(dataset=item, score=round(score, 3), highlights=marker.record(item))
            for item, score in present
        )
        return Result(total=total, hits=hits, facets=counted, corrected=corrected)

    def _nothing(self, state: _State, asked: Asked, *, log: bool) -> Result:
        """Answer that nothing was found, with what to try instead."""
        if log and len(schema.squeezed(asked.text)) > 1:
            self.unanswered.add(asked.text)
        terms = nearest.terms(state.clauses, state.lexicon, asked)
        with self._catalog.read() as db:
            found = sources.by_name(db, terms.names)
        tries = nearest.closest(
            asked, terms, [found[name] for name in terms.names if name in found]
        )
        return Result(total=0, hits=(), facets={}, nearest=tuple(tries))

    def _without_index(
        self, text: str, chosen: Mapping[str, tuple[str, ...]], *, limit: int, offset: int
    ) -> Result:
        """Answer from the catalog itself while there is no index yet: words as they stand."""

        def only(name: str) -> str | None:
            return chosen[name][0] if chosen.get(name) else None

        openness: Any = only("openness")
        asked = Filter(
            publisher=only("publisher"), theme=only("theme"), openness=openness, text=clean(text)
        )
        with self._catalog.read() as db:
            total, found = records.list_datasets(db, asked, limit=limit, offset=offset)
        marker = Marker(clean(text).split(), [])
        hits = tuple(Hit(dataset=d, score=0.0, highlights=marker.record(d)) for d in found)
        return Result(total=total, hits=hits, facets={}, indexed=False)


def _tiers(state: _State, asked: Asked, plan: Plan | None) -> list[Tier]:
    """What to ask, one after the other; everything when nothing was asked for."""
    clauses = state.clauses
    if asked.empty:
        everything = clauses.term("listed", "y"), clauses.term("listed", "n")
        return [Tier(clauses.constant(clauses.some(everything), 1.0))]
    return plan.tiers if plan else []


class _Page(Struct, frozen=True):
    """Which part of what is found, in which order."""

    sort: str
    limit: int
    offset: int


_FIRST = _Page(sort="relevance", limit=1, offset=0)


def _first_tier(
    clauses: Clauses, tiers: list[Tier], narrowed: dict[str, Any], page: _Page
) -> tuple[Any, list[tuple[str, float]], int] | None:
    """The first tier that finds anything, with a page of what it finds.

    Filters do not change which tier it is: they narrow what was found without them.
    """
    usual = {name: query for name, query in narrowed.items() if name == schema.LISTED}
    for tier in tiers:
        names, total = _page(clauses, tier.query, narrowed, page)
        if total and tier.first is None:
            return tier.query, names, total
        best = names
        if not total or page.sort != "relevance" or page.offset or len(usual) < len(narrowed):
            best = _page(clauses, tier.query, usual, _FIRST)[0]
        if best and (tier.first is None or _is_first(clauses, tier.first, best[0][0])):
            return tier.query, names, total
    return None


def _is_first(clauses: Clauses, wanted: Any, name: str) -> bool:
    return clauses.count(clauses.every([clauses.term("name", name), wanted])) > 0


def _page(
    clauses: Clauses, query: Any, narrowed: dict[str, Any], page: _Page
) -> tuple[list[tuple[str, float]], int]:
    """Names and scores of a page, and how many there are."""
    import tantivy

    full, search = clauses.filtered(query, narrowed.values()), clauses.searcher.search
    field = SORTS[page.sort]
    if page.offset >= DEEPEST:
        return [], int(search(full, 1).count)
    if field is None:
        answer = search(full, page.limit, offset=page.offset, weight_by_field="weight")
        hits = [(address, float(score)) for score, address in answer.hits]
    else:
        order = tantivy.Order.Asc if field == "order" else tantivy.Order.Desc
        answer = search(full, page.limit, offset=page.offset, order_by_field=field, order=order)
        hits = [(address, 0.0) for _, address in answer.hits]
    names = [
        (str(clauses.searcher.doc(address).get_first("name")), score) for address, score in hits
    ]
    return names, int(answer.count)
