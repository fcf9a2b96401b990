"""What words mean beside themselves: official words for everyday ones, glossary, question words."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from datahub.model import Struct
from datahub.search import analysis, pinyin
from datahub.search.schema import squeezed, typed_forms

if TYPE_CHECKING:
    from datahub.search.schema import Context

_OFFICIAL, _EQUAL, _GLOSSARY = 0.85, 0.9, 0.95
_INITIALS = 2
_APART = re.compile(r"[\s_/-]+")


class Meaning(Struct, frozen=True):
    """Another wording of the same, and how sure that is."""

    text: str
    weight: float


class Lexicon:
    """Words of the built-in list and of the glossary that is in force."""

    def __init__(self, context: Context) -> None:
        known = analysis.data()
        self.stop = frozenset(analysis.fold(word) for word in known["stop"])
        self.weak = {analysis.fold(word) for word in known["weak"]}
        for region in context.regions.values():
            self.weak |= _place_names(str(region.get("title", "")))
        self._meanings: dict[str, dict[str, float]] = {}
        for words in (known["everyday"], known["english"]):
            for word, official in words.items():
                for rank, text in enumerate(official):
                    self._add(word, text, _OFFICIAL - 0.08 * rank)
        for group in known["groups"]:
            self._add_group(group, _EQUAL)
        self._entries = context.entries
        for entry in context.entries:
            self._add_group(entry, _GLOSSARY)
        self.longest = 8

    def _add_group(self, words: tuple[str, ...] | list[str], weight: float) -> None:
        for word in words:
            for other in words:
                if other != word:
                    self._add(word, other, weight)

    def _add(self, word: str, text: str, weight: float) -> None:
        found = self._meanings.setdefault(key(word), {})
        found[text] = max(weight, found.get(text, 0.0))

    def knows(self, word: str) -> bool:
        """Tell whether there is anything beside the word itself."""
        return key(word) in self._meanings

    def meanings(self, word: str) -> list[Meaning]:
        """Other wordings, the surest first."""
        found = self._meanings.get(key(word), {})
        listed = [Meaning(text=text, weight=weight) for text, weight in found.items()]
        return sorted(listed, key=lambda meaning: -meaning.weight)

    def spelled(self, letters: str) -> list[str]:
        """Words of the lexicon that are spelled so in pinyin, in full or by initials."""
        return self._spelled.get(letters, [])

    def sounding(self, syllables: tuple[str, ...]) -> list[str]:
        """Words of the lexicon that sound so."""
        return self._spelled.get("".join(syllables), [])

    def prepare(self) -> None:
        """Make the lists that are looked into only for pinyin, typos and suggestions."""
        _ = self._spelled, self.typed, self.english

    @cached_property
    def _spelled(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word in list(self._meanings):
            if not analysis.HAN.fullmatch(word):
                continue
            spoken = [s for part in analysis.cut(word) for s in pinyin.syllables(part)]
            initials = "".join(s[0] for s in spoken)
            found.setdefault("".join(spoken), []).append(word)
            if len(initials) >= _INITIALS:
                found.setdefault(initials, []).append(word)
        return found

    @cached_property
    def typed(self) -> list[tuple[str, str]]:
        """How people begin to type the words of the glossary, in order, each with its word."""
        words = {word for entry in self._entries for word in entry}
        return sorted((form, word) for word in words for form in typed_forms(word))

    @cached_property
    def english(self) -> list[str]:
        """Words of Latin letters, for those that were typed wrongly."""
        return [word for word in self._meanings if word.isascii() and word.isalpha()]


def key(word: str) -> str:
    """What a word is looked up by: folded, without blanks within Chinese, singular in English."""
    folded = analysis.fold(word).strip()
    if folded.isascii():
        return " ".join(analysis.stem(part) for part in _APART.split(folded) if part)
    return squeezed(folded)


def _place_names(title: str) -> set[str]:
    """Region as people write it: 夷陵区 and 夷陵, 长阳土家族自治县 and 长阳."""
    folded = analysis.fold(title)
    found = {folded} if folded else set()
    for ending in ("土家族自治县", "自治县", "自治州", "市", "区", "县"):
        if folded.endswith(ending) and len(folded) - len(ending) > 1:
            short = folded[: -len(ending)]
            found |= {short, short + ending[-1]}
            break
    return found
