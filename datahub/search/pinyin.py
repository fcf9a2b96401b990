"""How Chinese is spoken: syllables without tones, from two small tables.

pypinyin takes 60 MB of every process that loads it, most of it for phrases that are read just as
their characters are. So its dictionaries are read here as the files they are, and what a reading
needs is kept: each character's first reading, and the one phrase in fourteen that is read
otherwise (银行 yin hang).
"""

from __future__ import annotations

import unicodedata
from array import array
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_TONES = {"\u0300", "\u0301", "\u0304", "\u030c"}


class Readings(Struct, frozen=True):
    """Syllables of characters, and of phrases that are read otherwise than their characters."""

    syllables: tuple[str, ...]  # each once; the first is empty: not spoken
    places: array[int]  # code point -> place among the syllables
    phrases: dict[str, tuple[str, ...]]
    longest: int  # characters of a phrase

    def of(self, char: str) -> str:
        """Syllable of a character, if it has one."""
        point = ord(char)
        return self.syllables[self.places[point]] if point < len(self.places) else ""


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
            if syllable := known.of(word[at]):
                found.append(syllable)
            at += 1
    return tuple(found)


@cache
def _readings() -> Readings:
    # By way of bytes: were what stays made among all that goes, it would keep the room of both.
    places, told = _told()
    found = msgspec.json.decode(told, type=tuple[tuple[str, ...], dict[str, tuple[str, ...]]])
    return Readings(found[0], places, found[1], longest=max(map(len, found[1])))


def _told() -> tuple[array[int], bytes]:
    """Each code point's place among the syllables; the syllables and the phrases as JSON."""
    spec = find_spec("pypinyin")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    single = msgspec.json.decode((folder / "pinyin_dict.json").read_bytes(), type=dict[int, str])
    plain, numbers = cache(_plain), {"": 0}
    places = array("H", bytes(2 * (max(single) + 1)))
    for point, said in single.items():
        syllable = plain(said.partition(",")[0])
        places[point] = numbers.setdefault(syllable, len(numbers))
    known = Readings(tuple(numbers), places, {}, longest=0)
    # Phrases stay bytes until each is looked at: all of them would take 60 MB when made.
    content = (folder / "phrases_dict.json").read_bytes()
    whole = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    phrases = _odd(whole, known, plain)
    starts = {phrase[:2] for phrase in phrases}
    held = [word for word in whole if word not in phrases and _holds(word, starts, phrases)]
    phrases |= {word: tuple(map(known.of, word)) for word in held}
    return places, msgspec.json.encode((known.syllables, phrases))


def _odd(
    whole: dict[str, msgspec.Raw], known: Readings, plain: Callable[[str], str]
) -> dict[str, tuple[str, ...]]:
    """Phrases that are read otherwise than character by character."""
    decode = msgspec.json.Decoder(list[list[str]]).decode
    read = (
        (phrase, tuple(plain(each[0]) for each in decode(said))) for phrase, said in whole.items()
    )
    return {phrase: spoken for phrase, spoken in read if spoken != tuple(map(known.of, phrase))}


def _holds(word: str, starts: set[str], phrases: dict[str, tuple[str, ...]]) -> bool:
    """Whether a phrase stands within a word, which must then be known as a whole."""
    size = len(word)
    return any(
        word[at : at + 2] in starts
        and any(word[at:stop] in phrases for stop in range(at + 2, size + 1))
        for at in range(size - 1)
    )


def _plain(syllable: str) -> str:
    """Syllable without its tone: yīn → yin, nǚ → nv."""
    bare = (mark for mark in unicodedata.normalize("NFD", syllable) if mark not in _TONES)
    return unicodedata.normalize("NFC", "".join(bare)).replace("ü", "v")
