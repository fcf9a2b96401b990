"""What may be offered while somebody types: by beginning, pinyin or initials."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING, Any

from datahub.model import Struct
from datahub.search.schema import squeezed, tantivy_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEEN = 400
_LONGEST = 40


class Suggestion(Struct, frozen=True):
    """A text to be offered, and what it is: title, keyword, publisher or term."""

    text: str
    kind: str


def starting(
    searcher: Any, terms: Sequence[tuple[str, str]], typed: str, limit: int
) -> list[Suggestion]:
    """What begins so, the shortest way to complete it and the most frequent first."""
    prefix = squeezed(typed)[:_LONGEST]
    if not prefix:
        return []
    ranked: dict[str, tuple[tuple[float, str], str, str]] = {}
    for form, word in terms[bisect_left(terms, (prefix, "")) :]:
        if not form.startswith(prefix):
            break
        ranked[word] = ((0.5 * len(word), word), "term", "")
    for term, count in searcher.terms_with_prefix("suggest", prefix, limit=_SEEN):
        form, shown, kind = term.split("\x1f")
        rank = (len(form) - len(prefix)) / (1 + min(count, 50)) + 0.5 * len(shown)
        if shown not in ranked or ranked[shown][0][0] > rank:
            ranked[shown] = ((rank, shown), kind, term)
    best = sorted(ranked.items(), key=lambda item: item[1][0])
    standing = (
        Suggestion(text=shown, kind=kind)
        for shown, (_, kind, term) in best
        if not term or _stands(searcher, term)
    )
    return list(islice(standing, limit))


def _stands(searcher: Any, term: str) -> bool:
    """Tell whether a record still has a term; the index forgets those of removed ones later."""
    import tantivy

    query = tantivy.Query.term_query(tantivy_schema(), "suggest", term, "basic")
    return bool(searcher.search(query, 1, count=False).hits)
