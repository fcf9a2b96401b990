"""How Chinese is spoken: syllables without tones, from two small tables.

pypinyin takes 60 MB of every process that loads it, most of it for phrases that are read just as
their characters are. So its dictionaries are read here as the files they are, and what a reading
needs is kept: each character's first reading, and the one phrase in fourteen that is read
otherwise (银行 yin hang).
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Container

_TONES = {"\u0300", "\u0301", "\u0304", "\u030c"}


class Readings(Struct, frozen=True):
    """Syllables of characters, and of phrases that are read otherwise than their characters."""

    characters: dict[str, str]
    phrases: dict[str, tuple[str, ...]]
    longest: int  # characters of a phrase


@lru_cache(maxsize=131_072)
def syllables(word: str) -> tuple[str, ...]:
    """Pinyin of a word of Han characters, without tones; ü is v."""
    known = _readings()
    found: list[str] = []
    at = 0
    while at < len(word):
        for size in range(min(known.longest, len(word) - at), 1, -1):
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
def _readings() -> Readings:
    # By way of bytes: were what stays made among all that goes, it would keep the room of both.
    return msgspec.json.decode(_told(), type=Readings)


def _told() -> bytes:
    spec = find_spec("pypinyin")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    single = msgspec.json.decode((folder / "pinyin_dict.json").read_bytes(), type=dict[int, str])
    whole = msgspec.json.decode(
        (folder / "phrases_dict.json").read_bytes(), type=dict[str, list[list[str]]]
    )
    plain: dict[str, str] = {}
    for syllable in {said.split(",")[0] for said in single.values()} | {
        each[0] for said in whole.values() for each in said
    }:
        plain[syllable] = _plain(syllable)
    characters = {chr(point): plain[said.split(",")[0]] for point, said in single.items()}
    spoken = {word: tuple(plain[each[0]] for each in said) for word, said in whole.items()}
    odd = {
        word: said
        for word, said in spoken.items()
        if said != tuple(characters.get(char, "") for char in word)
    }
    around = {word: said for word, said in spoken.items() if word not in odd and _holds(word, odd)}
    phrases = odd | around
    longest = max(map(len, phrases))
    return msgspec.json.encode(Readings(characters=characters, phrases=phrases, longest=longest))


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
