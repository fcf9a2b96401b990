"""How Chinese is spoken: syllables without tones, from two small tables.

pypinyin takes 60 MB of every process that loads it, most of it for phrases that are read just as
their characters are. So a child loads it and hands over what a reading needs: each character's
first reading, and the one phrase in fourteen that is read otherwise (银行 yin hang).
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Container

_TONES = {"\u0300", "\u0301", "\u0304", "\u030c"}
_LIMITS = Limits(memory=2 << 30, seconds=60)


class Nothing(Struct, frozen=True):
    """What the child is told."""


class Readings(Struct, frozen=True):
    """Syllables of characters, and of phrases that are read otherwise than their characters."""

    characters: dict[str, str]
    phrases: dict[str, tuple[str, ...]]


@lru_cache(maxsize=131_072)
def syllables(word: str) -> tuple[str, ...]:
    """Pinyin of a word of Han characters, without tones; ü is v."""
    known, longest = _readings()
    found: list[str] = []
    at = 0
    while at < len(word):
        for size in range(min(longest, len(word) - at), 1, -1):
            if spoken := known.phrases.get(word[at : at + size]):
                found += spoken
                at += size
                break
        else:
            if syllable := known.characters.get(word[at]):
                found.append(syllable)
            at += 1
    return tuple(found)


@cache
def _readings() -> tuple[Readings, int]:
    """Both tables, and the length of the longest phrase."""
    target = "datahub.search.pinyin:collect"
    found = run(target, Nothing(), returns=Readings, limits=_LIMITS, folder=Path(gettempdir()))
    characters = {char: sys.intern(syllable) for char, syllable in found.characters.items()}
    phrases = {
        word: tuple(sys.intern(syllable) for syllable in spoken)
        for word, spoken in found.phrases.items()
    }
    return Readings(characters=characters, phrases=phrases), max(map(len, phrases))


def collect(_told: Nothing) -> Readings:
    """Read pypinyin's dictionaries (in a child)."""
    from pypinyin.constants import PHRASES_DICT, PINYIN_DICT

    characters = {
        chr(point): _plain(readings.split(",")[0]) for point, readings in PINYIN_DICT.items()
    }
    spoken = {
        word: tuple(_plain(each[0]) for each in readings) for word, readings in PHRASES_DICT.items()
    }
    odd = {
        word: said
        for word, said in spoken.items()
        if said != tuple(characters.get(char, "") for char in word)
    }
    around = {word: said for word, said in spoken.items() if word not in odd and _holds(word, odd)}
    return Readings(characters=characters, phrases=odd | around)


def _holds(word: str, phrases: Container[str]) -> bool:
    """Whether a phrase stands within a word, which must then be known as a whole."""
    size = len(word)
    return any(
        word[start:stop] in phrases for start in range(size) for stop in range(start + 2, size + 1)
    )


def _plain(syllable: str) -> str:
    """Syllable without its tone: yīn → yin, nǚ → nv."""
    bare = (mark for mark in unicodedata.normalize("NFD", syllable) if mark not in _TONES)
    return unicodedata.normalize("NFC", "".join(bare)).replace("ü", "v")
