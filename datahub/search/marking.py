"""Where in a record the found words stand, as parts of plain text; pages escape them themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.model import Dataset, Struct
from datahub.search import analysis, pinyin

if TYPE_CHECKING:
    from collections.abc import Sequence

_SNIPPET = 120
_BEFORE = 24
_FIELDS = 6


class Piece(Struct, frozen=True):
    """A piece of text; mark says that it is what was looked for."""

    text: str
    mark: bool


class Marker:
    """Marks words and what sounds like the pinyin that was typed."""

    def __init__(self, words: Sequence[str], sounds: Sequence[tuple[str, ...]]) -> None:
        folded = {analysis.fold(word) for word in words if word}
        parts = {run for word in folded for run, _ in analysis.runs(word)}
        self._words = sorted(folded | parts, key=lambda word: -len(word))
        self._sounds = list(dict.fromkeys(sounds))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Places to be marked, in order, none overlapping."""
        folded = analysis.fold_each(text)
        present = [word for word in self._words if word in folded]
        if not present and not self._sounds:
            return []
        taken = [False] * len(text)
        for word in present:
            at = folded.find(word)
            while at >= 0:
                taken[at : at + len(word)] = [True] * len(word)
                at = folded.find(word, at + 1)
        for sound in self._sounds:
            for at in _heard_at(folded, sound):
                taken[at : at + len(sound)] = [True] * len(sound)
        return _spans(taken)

    def pieces(self, text: str, longest: int = 0) -> tuple[Piece, ...]:
        """A text in pieces, shortened around the first mark; none when nothing is marked."""
        spans = self.spans(text)
        if not spans:
            return ()
        begin, end = 0, len(text)
        if longest and len(text) > longest:
            begin = max(0, min(spans[0][0] - _BEFORE, len(text) - longest))
            end = min(len(text), begin + longest)
        found: list[Piece] = [Piece(text="…", mark=False)] if begin else []
        at = begin
        for start, stop in spans:
            if start >= end:
                break
            if start > at:
                found.append(Piece(text=text[at:start], mark=False))
            found.append(Piece(text=text[max(start, at) : min(stop, end)], mark=True))
            at = min(stop, end)
        if at < end:
            found.append(Piece(text=text[at:end], mark=False))
        if end < len(text):
            found.append(Piece(text="…", mark=False))
        return tuple(found)

    def record(self, item: Dataset) -> dict[str, list[tuple[Piece, ...]]]:
        """Marked texts of a record, by field; only those in which something is marked."""
        package = item.package
        texts: dict[str, list[str]] = {
            "title": [item.title],
            "description": [str(package.get("description") or "")],
            "publisher": [item.publisher_title],
            "keywords": [word for word in package.get("keywords", []) if isinstance(word, str)],
            "fields": _field_titles(item),
        }
        found: dict[str, list[tuple[Piece, ...]]] = {}
        for name, values in texts.items():
            marked = [self.pieces(value, _SNIPPET) for value in values]
            marked = [pieces for pieces in marked if pieces][:_FIELDS]
            if marked:
                found[name] = marked
        return found


def _field_titles(item: Dataset) -> list[str]:
    titles: dict[str, None] = {}
    for resource in item.package.get("resources", []):
        for field in (resource.get("schema") or {}).get("fields", []):
            if isinstance(field, dict):
                titles[f"{field.get('title', '')} {field.get('name', '')}".strip()] = None
    return list(titles)


def _heard_at(folded: str, sound: tuple[str, ...]) -> list[int]:
    found: list[int] = []
    for match in analysis.HAN.finditer(folded):
        run = match[0]
        spoken = [s for word in analysis.cut(run) for s in pinyin.syllables(word)]
        if len(spoken) != len(run):
            continue
        last = len(spoken) - len(sound)
        found += [
            match.start() + at
            for at in range(last + 1)
            if tuple(spoken[at : at + len(sound)]) == sound
        ]
    return found


def _spans(taken: list[bool]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = -1
    for at, marked in enumerate([*taken, False]):
        if marked and start < 0:
            start = at
        elif not marked and start >= 0:
            found.append((start, at))
            start = -1
    return found
