"""Text to terms, the same way for records and for queries: folding, words, bigrams, pinyin."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.search.pinyin import syllables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003134f]+")
RUN = re.compile(
    r"[\u3400-\u9fff\U00020000-\U0003134f]+|[^\W_\u3400-\u9fff]+(?:[._/+-]+[^\W_\u3400-\u9fff]+)*"
)
GAP = "|"
"""Stands between phrases in fields with positions, so that no phrase is found across two."""
_PARTS = re.compile(r"[._/+-]+")
_LONGEST = 60  # letters of a word; what is longer is no word
_SHORT = 3
_KEPT, _KEPT_LENGTH = 32_768, 32


@cache
def data() -> dict[str, Any]:
    """Words that the search knows by itself: `synonyms.json`."""
    content = Path(__file__).with_name("synonyms.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(content)
    return found


@cache
def _simplified() -> dict[int, str]:
    pairs = data()["traditional"]
    return {ord(pair[0]): pair[1] for pair in pairs.split()}


def fold(text: str) -> str:
    """Fold text for comparing: width, case and traditional characters become one form."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_simplified())


@lru_cache(maxsize=16_384)
def fold_each(text: str) -> str:
    """Fold character by character, so that positions in the text stay what they are."""
    whole = fold(text)
    if len(whole) == len(text):
        return whole
    folded = (fold(char) for char in text)
    return "".join(new if len(new) == 1 else old for new, old in zip(folded, text, strict=True))


@cache
def _jieba() -> Any:
    import rjieba as cutter  # one dictionary for the process: it takes 25 MB

    known = data()
    for word in [*known["everyday"], *known["words"], *known["stop"], *known["weak"]]:
        if HAN.fullmatch(word) and len(word) > 1:
            cutter.add_word(word, 20_000, "n")
    for group in known["groups"]:
        for word in group:
            if HAN.fullmatch(word) and 1 < len(word) <= 6:  # noqa: PLR2004 - longer ones are phrases
                cutter.add_word(word, 20_000, "n")
    return cutter


def loaded() -> bool:
    """Whether this process has loaded the dictionary, because it cuts Chinese into words."""
    return _jieba.cache_info().currsize > 0


@lru_cache(maxsize=65_536)
def cut(run: str) -> tuple[str, ...]:
    """Words of a run of Han characters, in order."""
    return tuple(_jieba().cut(run))


@lru_cache(maxsize=65_536)
def _cut_all(run: str) -> tuple[str, ...]:
    return tuple(_jieba().cut_for_search(run))


def runs(folded: str) -> Iterator[tuple[str, bool]]:
    """Runs of Han characters (True) and words of letters and digits (False), in order."""
    for match in RUN.finditer(folded):
        run = match[0]
        yield run, HAN.match(run) is not None


def latin(word: str) -> list[str]:
    """Terms of a word of letters and digits: itself, its parts, its parts joined, singular."""
    word = word[:_LONGEST]
    within = parts(word)
    found = [word] if len(within) == 1 else [word, "".join(within), *within]
    return list(dict.fromkeys([*found, *(stem(part) for part in found)]))


def parts(word: str) -> list[str]:
    """What stands between the dots and dashes of a word."""
    return [part for part in _PARTS.split(word) if part]


def stem(word: str) -> str:
    """English plural to singular, roughly and the same for all."""
    if (
        len(word) <= _SHORT
        or not word.isascii()
        or not word.isalpha()
        or word.endswith(("ss", "us", "is"))
    ):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")) or word == "buses":
        return word[:-2]
    return word.removesuffix("s")


def words(text: str) -> list[str]:
    """All terms of a text: words and the words within them, letters and digits."""
    found: list[str] = []
    for run, han in runs(fold(text)):
        found += _cut_all(run) if han else latin(run)
    return found


def bigrams(text: str) -> list[str]:
    """Pairs of neighbours of each Han run, in order, with a gap after each run."""
    found: list[str] = []
    for run, han in runs(fold(text)):
        if not han:
            continue
        found += [run] if len(run) == 1 else [a + b for a, b in pairwise(run)]
        found.append(GAP)
    return found


def characters(text: str) -> list[str]:
    """Han characters one by one, with gaps between the runs."""
    found: list[str] = []
    for run, han in runs(fold(text)):
        found += [*run, GAP, GAP] if han else [GAP, GAP]
    return found


def sounds(text: str) -> list[str]:
    """Syllables of each Han run, in order, with gaps between the runs."""
    found: list[str] = []
    for run, han in runs(fold(text)):
        if han:
            for word in cut(run):
                found += syllables(word)
        found.append(GAP)
    return found


def spelled(text: str, most: int = 6) -> set[str]:
    """Pinyin of each row of words within a text, in full and as initials: what people type."""
    found: set[str] = set()
    for run, han in runs(fold(text)):
        if not han:
            continue
        spoken = [syllables(word) for word in cut(run)]
        for start in range(len(spoken)):
            full = initials = ""
            for part in spoken[start : start + most]:
                full += "".join(part)
                initials += "".join(syllable[0] for syllable in part)
                if len(initials) > 1:
                    found.update((full[:_LONGEST], initials))
    return found


@cache
def _syllable_set() -> frozenset[str]:
    return frozenset(data()["syllables"].split())


def is_syllable(text: str) -> bool:
    """Tell whether Mandarin has this syllable."""
    return text in _syllable_set()


@lru_cache(maxsize=4096)
def read_pinyin(letters: str, most: int = 4) -> tuple[tuple[str, ...], ...]:
    """Ways to read letters as syllables, fewest syllables first; none when there is none."""
    ways: list[list[tuple[str, ...]]] = [[()], *([] for _ in letters)]
    known = _syllable_set()
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 6), end):
            if ways[start] and letters[start:end] in known:
                ways[end] += [(*way, letters[start:end]) for way in ways[start]]
        ways[end] = sorted(ways[end], key=len)[: 2 * most]
    return tuple(ways[-1][:most])


def _keeping(make: Callable[[str], list[str]]) -> Callable[[Iterable[str]], str]:
    @lru_cache(maxsize=_KEPT)
    def short(text: str) -> str:
        return " ".join(make(text))

    def all_of(texts: Iterable[str]) -> str:
        return " ".join(
            [short(text) if len(text) <= _KEPT_LENGTH else " ".join(make(text)) for text in texts]
        )

    return all_of


all_words = _keeping(words)
all_bigrams = _keeping(bigrams)
all_characters = _keeping(characters)
all_sounds = _keeping(sounds)
all_spelled = _keeping(lambda text: sorted(spelled(text)))
"""Terms of several texts as the text that the index's own tokenizer splits again.

Short texts (keywords, titles of fields) are the same in very many records: they are kept.
"""
