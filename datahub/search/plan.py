"""From units to a query: each unit with all its wordings, how many must match, what is a typo."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.search import analysis, pinyin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.search.clauses import Clauses
    from datahub.search.lexicon import Lexicon
    from datahub.search.parse import Asked, Unit

_EXACT = 60.0
_WHOLE = {"title2": 5.0, "keys2": 4.0, "rest2": 2.5}
_WEAK = 0.3
_HOMOPHONE, _MISTYPED, _PARTS = 0.8, 0.75, 0.7
_LAST = 1.1  # the head of a Chinese phrase stands last
_SHARE = 0.3  # of the units that say something, so many must be known here
_MEANINGS = 5
_WORD = 2
_TRIMMED = 3
_LONGEST_RUN = 10


@dataclass
class Part:
    """What a unit became: its query anywhere, and in title, keywords or publisher only."""

    group: int
    weak: bool
    query: Any
    near: Any | None
    words: list[str] = field(default_factory=list)  # to be marked in what is found


@dataclass
class Tier:
    """A query, and what the first that it finds has to match for it to be the answer."""

    query: Any
    first: Any | None = None


@dataclass
class Plan:
    """A query in tiers: the first tier that finds anything is the answer."""

    tiers: list[Tier]
    words: list[str]
    sounds: list[tuple[str, ...]]
    typos: list[str]  # runs that were taken for something one typo apart


class Planner:
    """Makes queries against one state of the index with one lexicon."""

    def __init__(self, clauses: Clauses, lexicon: Lexicon) -> None:
        self._clauses, self._lexicon = clauses, lexicon

    def plan(self, asked: Asked, *, every_group: bool = False) -> Plan | None:
        """Make the query; None when nothing that was typed is known here."""
        sounds: list[tuple[str, ...]] = []
        typos: list[str] = []
        parts, unknown = self._parts(asked, sounds, typos)
        strong = [part for part in parts if not part.weak] or ([] if unknown else parts)
        weak = [part for part in parts if part not in strong]
        words = [word for part in parts for word in part.words] + list(asked.quoted)
        asking = len(strong) + len(unknown)
        ahead = self._ahead(asked)
        if (not strong or len(strong) < _SHARE * asking) and not asked.quoted and not ahead:
            return None
        required = [self._clauses.quoted(text) for text in asked.quoted]
        tiers = self._tiers(strong, weak, required, ahead, every_group=every_group)
        return Plan(tiers=tiers, words=words, sounds=sounds, typos=typos)

    def _tiers(
        self,
        strong: list[Part],
        weak: list[Part],
        required: list[Any],
        ahead: list[Any],
        *,
        every_group: bool,
    ) -> list[Tier]:
        clauses = self._clauses
        queries = [part.query for part in strong]
        queries = [*queries[:-1], clauses.weighted(queries[-1], _LAST)] if queries else []
        besides = [clauses.weighted(part.query, _WEAK) for part in weak] + ahead

        def tier(least: int) -> Any:
            main = [clauses.some(queries, least, besides)] if queries else []
            return clauses.every([*main, *required]) if main or required else ahead[0]

        if not queries:
            return [Tier(tier(1))]
        if every_group:
            groups = {part.group for part in strong}
            each = [
                clauses.some([part.query for part in strong if part.group == group])
                for group in sorted(groups)
            ]
            return [Tier(clauses.every([tier(1), *each]))]
        count = len(strong)
        near = [part.near for part in strong if part.near is not None]
        tiers = []
        if 1 < count == len(near):
            tiers.append(Tier(tier(count), clauses.every([*near, *required])))
        if count > _WORD:
            tiers.append(Tier(tier((count + 1) // 2)))
        return [*tiers, Tier(tier(1))]

    def _ahead(self, asked: Asked) -> list[Any]:
        """What puts a record first whatever else matches: its title, name or code as typed."""
        from datahub.search.schema import squeezed

        clauses = self._clauses
        forms = {analysis.fold(asked.text).strip(), squeezed(asked.text)} - {""}
        found = [
            clauses.constant(clauses.term("exact", form), _EXACT)
            for form in forms
            if clauses.searcher.doc_freq("exact", form)
        ]
        if len(asked.whole) > _WORD and len(asked.units) > 1:
            pairs = [a + b for a, b in zip(asked.whole, asked.whole[1:], strict=False)]
            found += [
                clauses.weighted(clauses.phrase(field, pairs), weight)
                for field, weight in _WHOLE.items()
                if all(clauses.searcher.doc_freq(field, pair) for pair in pairs)
            ]
        return found

    # Units ------------------------------------------------------------------------------

    def _parts(
        self, asked: Asked, sounds: list[tuple[str, ...]], typos: list[str]
    ) -> tuple[list[Part], list[str]]:
        parts: list[Part] = []
        doubtful: set[int] = set()
        units = _merge_syllables(asked.units, self._known_letters, self._is_spoken)
        alone = len(asked.text) == 1
        for at, unit in enumerate(units):
            if unit.single and not alone:
                doubtful.add(at)
                continue
            made = self._han(unit) if unit.han else self._letters(unit, sounds)
            if made:
                parts += made
            elif not unit.weak:
                doubtful.add(at)
        for window, members in _windows(units, doubtful):
            typo = self._typo(window, sounds) if doubtful.issuperset(members) else None
            if typo is not None:
                first = units[members[0]]
                parts.append(Part(group=first.group, weak=False, query=typo, near=typo))
                typos.append(window)
                doubtful -= set(members)
        unknown = [units[at].text for at in sorted(doubtful) if not units[at].single]
        if not parts and not unknown:
            unknown = [units[at].text for at in sorted(doubtful)]
        return parts, unknown

    def _han(self, unit: Unit) -> list[Part]:
        """A Chinese word with its other wordings; else the known words within it."""
        made = self._worded(unit, unit.text)
        if made is not None:
            return [made]
        pieces = self._pieces(unit.text)
        found = [self._worded(unit, piece, _PARTS) for piece in pieces]
        return [part for part in found if part is not None]

    def _worded(self, unit: Unit, text: str, weight: float = 1.0) -> Part | None:
        queries, near, words = self._wordings([(text, weight), *self._meanings(text, weight)])
        if not queries:
            return None
        best = self._clauses.best
        return Part(
            group=unit.group,
            weak=unit.weak,
            query=best(queries, 0.1),
            near=best(near, 0.1) if near else None,
            words=words,
        )

    def _meanings(self, text: str, weight: float = 1.0) -> list[tuple[str, float]]:
        listed = self._lexicon.meanings(text)[:_MEANINGS]
        return [(meaning.text, weight * meaning.weight) for meaning in listed]

    def _wordings(
        self, texts: Sequence[tuple[str, float]]
    ) -> tuple[list[Any], list[Any], list[str]]:
        clauses = self._clauses
        queries, nearer, words = [], [], []
        for text, weight in texts:
            if not clauses.known(text):
                continue
            queries.append(clauses.weighted(clauses.wording(text), weight))
            near = clauses.wording(text, near=True)
            if near is not None:
                nearer.append(clauses.weighted(near, weight))
            words.append(text)
        return queries, nearer, words

    def _pieces(self, text: str) -> list[str]:
        """Known words within an unknown one, from the left, the longest first."""
        found: list[str] = []
        at = 0
        while at < len(text) - 1:
            for end in range(min(len(text), at + _LONGEST_RUN), at + 1, -1):
                piece = text[at:end]
                if piece != text and (self._lexicon.knows(piece) or self._clauses.known(piece)):
                    found.append(piece)
                    at = end - 1
                    break
            at += 1
        return [piece for piece in found if piece not in self._lexicon.weak] or found

    # Letters ----------------------------------------------------------------------------

    def _known_letters(self, text: str) -> bool:
        return self._lexicon.knows(text) or self._clauses.known(text)

    def _is_spoken(self, letters: str) -> bool:
        return bool(self._spoken(letters)[0])

    def _letters(self, unit: Unit, sounds: list[tuple[str, ...]]) -> list[Part]:
        """Letters as a word, a code, pinyin in full or initials; else with a typo."""
        text = unit.text
        queries, near, words = self._wordings([(text, 1.0), *self._meanings(text)])
        if text.isascii() and text.replace(" ", "").isalpha() and len(text) >= _WORD:
            spoken, heard = self._spoken(text.replace(" ", ""))
            queries += spoken
            near += spoken
            sounds += heard
            if not queries:
                return self._mistyped_letters(unit) or self._syllable_pieces(unit, sounds)
        if not queries:
            return []
        best = self._clauses.best
        made = Part(
            group=unit.group,
            weak=unit.weak,
            query=best(queries, 0.1),
            near=best(near, 0.1) if near else None,
            words=words,
        )
        return [made]

    def _spoken(self, letters: str) -> tuple[list[Any], list[tuple[str, ...]]]:
        """Letters read as pinyin."""
        clauses = self._clauses
        found = [query] if (query := clauses.spelled(letters)) is not None else []
        heard = [way for way in analysis.read_pinyin(letters) if len(way) > 1]
        heard = [way for way in heard if clauses.heard(way)]
        found += [clauses.sounding(way) for way in heard]
        for word in self._lexicon.spelled(letters)[:3]:
            texts = [(word, _HOMOPHONE), *self._meanings(word, _HOMOPHONE)]
            found += self._wordings(texts)[0]
        return found, heard

    def _syllable_pieces(self, unit: Unit, sounds: list[tuple[str, ...]]) -> list[Part]:
        """The known words within a row of syllables or initials that is unknown as a whole."""
        letters = unit.text.replace(" ", "")
        for way in analysis.read_pinyin(letters)[:1]:
            found: list[Part] = []
            at = 0
            while at < len(way) - 1:
                for end in range(min(len(way), at + 8), at + 1, -1):
                    spoken, heard = self._spoken("".join(way[at:end]))
                    if spoken:
                        query = self._clauses.best(spoken, 0.1)
                        found.append(Part(group=unit.group, weak=False, query=query, near=query))
                        sounds += heard
                        at = end - 1
                        break
                at += 1
            if found:
                return found
        for end in range(len(letters) - 1, max(_WORD, len(letters) - 1 - _TRIMMED), -1):
            spoken, heard = self._spoken(letters[:end])
            if spoken:
                sounds += heard
                query = self._clauses.weighted(self._clauses.best(spoken, 0.1), _PARTS)
                return [Part(group=unit.group, weak=False, query=query, near=query)]
        return []

    def _mistyped_letters(self, unit: Unit) -> list[Part]:
        query = self._clauses.mistyped_letters(unit.text)
        queries = [query] if query is not None and self._clauses.count(query) else []
        for word in _alike(unit.text, self._lexicon.english):
            queries += self._wordings([(word, _MISTYPED), *self._meanings(word, _MISTYPED)])[0]
        if not queries:
            return []
        best = self._clauses.best(queries, 0.1)
        return [Part(group=unit.group, weak=False, query=best, near=best)]

    # Typos ------------------------------------------------------------------------------

    def _typo(self, window: str, sounds: list[tuple[str, ...]]) -> Any | None:
        """A run of characters as what it sounds like, or one character apart from."""
        clauses = self._clauses
        spoken = tuple(s for word in analysis.cut(window) for s in pinyin.syllables(word))
        queries = []
        if len(spoken) == len(window) and clauses.heard(spoken):
            queries.append(clauses.weighted(clauses.sounding(spoken), _HOMOPHONE))
            sounds.append(spoken)
        for word in self._lexicon.sounding(spoken)[:2]:
            queries += self._wordings([(word, _HOMOPHONE), *self._meanings(word, _HOMOPHONE)])[0]
        mistyped = clauses.mistyped(window)
        if mistyped is not None and clauses.count(mistyped):
            queries.append(clauses.weighted(mistyped, _MISTYPED))
        return clauses.best(queries, 0.1) if queries else None


def _merge_syllables(
    units: Sequence[Unit], known: Callable[[str], bool], spoken: Callable[[str], bool]
) -> list[Unit]:
    """Join single syllables that stand apart, as in `kong qi zhi liang`."""
    found: list[Unit] = []
    for syllables, row in groupby(units, lambda u: not u.han and analysis.is_syllable(u.text)):
        members = list(row)
        joined = "".join(unit.text for unit in members)
        unknown = not all(known(unit.text) for unit in members)
        if syllables and len(members) > 1 and (unknown or spoken(joined)):
            found.append(msgspec.structs.replace(members[0], text=joined, weak=False))
        else:
            found += members
    return found


def _windows(units: Sequence[Unit], doubtful: set[int]) -> list[tuple[str, list[int]]]:
    """Doubtful units of a run with their neighbours: where one character may be wrong."""
    found: list[tuple[str, list[int]]] = []
    at = 0
    while at < len(units):
        if at not in doubtful or not units[at].han:
            at += 1
            continue
        end = at
        while end + 1 < len(units) and end + 1 in doubtful and _beside(units, end):
            end += 1
        before = at - 1 if at and _beside(units, at - 1) else at
        after = end + 1 if end + 1 < len(units) and _beside(units, end) else end
        for start, stop in ((before, after), (before, end), (at, after), (at, end)):
            text = "".join(unit.text for unit in units[start : stop + 1])
            entry = (text, list(range(at, end + 1)))
            if 1 < len(text) <= _LONGEST_RUN and entry not in found:
                found.append(entry)
        at = end + 1
    return found


def _beside(units: Sequence[Unit], at: int) -> bool:
    return units[at].run == units[at + 1].run and units[at + 1].han and units[at].han


def _alike(word: str, known: Sequence[str]) -> list[str]:
    """Known words one letter apart."""
    return [other for other in known if abs(len(other) - len(word)) < _WORD and _apart(word, other)]


def _apart(a: str, b: str) -> bool:
    """Tell whether two words are one letter apart: wrong, missing, more or moved."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    x, y = a[start:], b[start:]
    moved = len(x) == len(y) > 1 and x[1::-1] == y[:2] and x[2:] == y[2:]
    return min(len(a), len(b)) > _TRIMMED and (moved or x[1:] == y[1:] or x[1:] == y or x == y[1:])
