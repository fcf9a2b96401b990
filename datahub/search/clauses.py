"""Clauses of a query over the index's fields: Chinese wordings, letters, pinyin, typos."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from datahub.search import analysis, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WORDS = {"title": 6.0, "keys": 4.0, "gloss": 2.0, "org": 2.2, "fields": 1.6, "body": 1.0}
PAIRS = {"title2": 5.0, "keys2": 3.2, "rest2": 0.8}
NEAR = ("title", "keys", "gloss", "title2", "keys2", "org")
_SOUND = {"sound": 3.5, "sound2": 1.2}
_SPELL = 4.0
_TIE = 0.15
_TYPO = 3.0
_LOOSE = 0.5
_PART = 0.2  # of a word that was typed with its parts joined, as station_code
_TYPO_LENGTHS = range(3, 11)
_FUZZY = 4
_MANY = 1 << 20


class Clauses:
    """Makes clauses against one state of the index, of which it knows what is in it."""

    def __init__(self, searcher: Any) -> None:
        import tantivy

        self.searcher = searcher
        self._schema = schema.tantivy_schema()
        self._query = tantivy.Query
        self._must, self._should = tantivy.Occur.Must, tantivy.Occur.Should
        self._worded = lru_cache(maxsize=8192)(self._make)
        self._there = lru_cache(maxsize=8192)(self.count)
        self.heard = lru_cache(maxsize=8192)(self._heard)

    # Combining --------------------------------------------------------------------------

    def best(self, queries: Sequence[Any], tie: float = _TIE) -> Any:
        """The best of several counts, the others a little."""
        if len(queries) == 1:
            return queries[0]
        return self._query.disjunction_max_query(list(queries), tie)

    def every(self, queries: Sequence[Any]) -> Any:
        """All of them."""
        if len(queries) == 1:
            return queries[0]
        return self._query.boolean_query([(self._must, query) for query in queries])

    def some(self, queries: Sequence[Any], least: int = 1, besides: Sequence[Any] = ()) -> Any:
        """At least so many of them; what stands besides only adds to the score."""
        wanted = self._query.boolean_query([(self._should, query) for query in queries], least)
        if not besides:
            return wanted
        return self._query.boolean_query(
            [(self._must, wanted), *((self._should, query) for query in besides)]
        )

    def weighted(self, query: Any, weight: float) -> Any:
        """A query whose score counts so much."""
        return query if weight == 1 else self._query.boost_query(query, weight)

    def filtered(self, query: Any, filters: Iterable[Any]) -> Any:
        """A query narrowed by others that do not count."""
        return self._query.boolean_query(
            [(self._must, query)]
            + [(self._must, self._query.const_score_query(narrow, 0.0)) for narrow in filters]
        )

    def count(self, query: Any, least: int = 1) -> int:
        """How many match, as far as the question is whether so many do."""
        return len(self.searcher.search(query, least, count=False).hits)

    def term(self, field: str, text: str) -> Any:
        """One term of one field."""
        return self._query.term_query(self._schema, field, text, "freq")

    def constant(self, query: Any, score: float) -> Any:
        """A query that counts so much wherever it matches."""
        return self._query.const_score_query(query, score)

    # Wordings ---------------------------------------------------------------------------

    def wording(self, text: str, near: bool = False) -> Any | None:
        """A wording wherever it stands; near: in title, keywords or publisher only."""
        return self._worded(text, near)[0]

    def known(self, text: str) -> bool:
        """Tell whether a wording stands anywhere."""
        query, sure = self._worded(text, False)
        return query is not None and (sure or self._there(query) > 0)

    def _make(self, text: str, near: bool) -> tuple[Any | None, bool]:
        """Query of a wording, and whether it is certain without asking that it finds something."""
        runs = list(analysis.runs(analysis.fold(text)))
        made = [self._run(run, han, near) for run, han in runs]
        if not made or any(query is None for query, _ in made):
            return None, False
        sure = len(made) == 1 and made[0][1]
        return self.every([query for query, _ in made]), sure

    def _run(self, run: str, han: bool, near: bool) -> tuple[Any | None, bool]:
        terms = {run: 1.0} if han else _lettered(run)
        queries = [
            self.weighted(self.term(field, term), boost * weight)
            for field, boost in WORDS.items()
            for term, weight in terms.items()
            if (not near or field in NEAR) and self.searcher.doc_freq(field, term)
        ]
        sure = bool(queries)
        if han:
            queries += self._pairs(run, near)
        elif self._is_exact(run):
            queries.append(self.constant(self.term("exact", run), 12.0))
        return (self.best(queries) if queries else None), sure

    def _is_exact(self, run: str) -> bool:
        return bool(self.searcher.doc_freq("exact", run))

    def _pairs(self, run: str, near: bool) -> list[Any]:
        """A run as neighbours, wherever the segmentation sees its words."""
        pairs = [a + b for a, b in pairwise(run)] or [run]
        fields = {**PAIRS, **({"title1": 3.0} if len(run) == 1 else {})}
        return [
            self.weighted(self.phrase(field, pairs), boost)
            for field, boost in fields.items()
            if (not near or field in NEAR)
            and all(self.searcher.doc_freq(field, pair) for pair in pairs)
        ]

    def phrase(self, field: str, terms: Sequence[str | tuple[int, str]]) -> Any:
        """Terms next to each other, or at the offsets given."""
        if len(terms) == 1:
            term = terms[0]
            return self.term(field, term if isinstance(term, str) else term[1])
        return self._query.phrase_query(self._schema, field, list(terms))

    def quoted(self, text: str) -> Any:
        """A text exactly as it stands: its neighbours in order, its other words too."""
        parts: list[Any] = []
        for run, han in analysis.runs(text):
            query = self._run_exactly(run) if han else self._run(run, han=False, near=False)[0]
            parts.append(query or self._query.empty_query())
        return self.every(parts) if parts else self._query.empty_query()

    def _run_exactly(self, run: str) -> Any | None:
        queries = self._pairs(run, near=False)
        return self.best(queries) if queries else None

    # Sounds and typos -------------------------------------------------------------------

    def sounding(self, syllables: Sequence[str]) -> Any:
        """Whatever sounds so."""
        return self.best(
            [
                self.weighted(self.phrase(field, list(syllables)), boost)
                for field, boost in _SOUND.items()
            ]
        )

    def _heard(self, syllables: tuple[str, ...]) -> bool:
        fields = [f for f in _SOUND if all(self.searcher.doc_freq(f, s) for s in syllables)]
        return any(self.count(self.phrase(field, list(syllables))) > 0 for field in fields)

    def spelled(self, letters: str) -> Any | None:
        """Whatever is spelled so in pinyin, in full or by initials."""
        if not self.searcher.doc_freq("spell", letters):
            return None
        return self.weighted(self.term("spell", letters), _SPELL)

    def mistyped(self, run: str) -> Any | None:
        """Titles and keywords with the run, one character wrong, missing, more or moved."""
        if len(run) not in _TYPO_LENGTHS:
            return None
        have = [char for char in run if self.searcher.doc_freq("title1", char)]
        if len(have) < len(run) - 1:
            return None
        variants = [v for v in _variants(run) if len(v) > 1 and self._all_there(v)]
        queries = [self.phrase("title1", variant) for variant in variants]
        if not queries:
            return None
        return self.weighted(self.best(queries, 0.0), _TYPO)

    def _all_there(self, variant: Sequence[tuple[int, str]]) -> bool:
        return all(self.searcher.doc_freq("title1", char) for _, char in variant)

    def mistyped_letters(self, word: str) -> Any | None:
        """Words of letters with one letter wrong, missing, more or moved."""
        if len(word) < _FUZZY or not word.isascii():
            return None
        fuzzy = self._query.fuzzy_term_query
        queries = [
            self.weighted(fuzzy(self._schema, field, word, 1), _LOOSE * boost)
            for field, boost in WORDS.items()
        ]
        if len(word) > _FUZZY:
            queries.append(self.weighted(fuzzy(self._schema, "spell", word, 1), _SPELL * _LOOSE))
        return self.best(queries, 0.0)


def _lettered(word: str) -> dict[str, float]:
    """Terms of a word of letters: it counts as it stands, joined or singular, its parts less."""
    joined = "".join(analysis.parts(word))
    whole = {word, joined, analysis.stem(word), analysis.stem(joined)}
    return {term: 1.0 if term in whole else _PART for term in analysis.latin(word)}


def _variants(run: str) -> list[list[tuple[int, str]]]:
    """One typo apart, as characters at offsets; a gap stands for a character that is another."""
    size = len(run)
    placed = list(enumerate(run))
    found: list[list[tuple[int, str]]] = []
    for at in range(size):
        rest = placed[:at] + placed[at + 1 :]
        first = rest[0][0]
        inner = 0 < at < size - 1
        if inner:
            found.append([(offset - first, char) for offset, char in rest])  # another character
            found.append([(i, char) for i, (_, char) in enumerate(rest)])  # one too many
        elif size > _FUZZY - 1:
            found.append([(i, char) for i, (_, char) in enumerate(rest)])
        if at:
            found.append([(o + (o >= at), char) for o, char in placed])  # one is missing
            moved = [*run[: at - 1], run[at], run[at - 1], *run[at + 1 :]]
            found.append(list(enumerate(moved)))
    return found
