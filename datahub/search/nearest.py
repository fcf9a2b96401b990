"""What to try instead of what was not found, and how a typo was read."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from datahub.model import Dataset, Struct
from datahub.search import analysis, schema
from datahub.search.marking import Marker

if TYPE_CHECKING:
    from datahub.search.clauses import Clauses
    from datahub.search.lexicon import Lexicon
    from datahub.search.parse import Asked

_LOOKED_AT = 30
_OFFERED = 5
_ALIKE = 0.45
_WORDS = 8


class Terms(Struct, frozen=True):
    """Where to look for terms that are near: datasets, and words known by themselves."""

    names: tuple[str, ...]
    words: tuple[str, ...]


def terms(clauses: Clauses, lexicon: Lexicon, asked: Asked) -> Terms:
    """Datasets that share characters or sounds with the query, and words alike."""
    folded = analysis.fold(asked.text)
    chars = [char for run, han in analysis.runs(folded) if han for char in run]
    sounds = [sound for sound in analysis.sounds(folded) if sound != analysis.GAP]
    pairs = [pair for pair in analysis.bigrams(folded) if pair != analysis.GAP]
    shared = [clauses.term("title1", c) for c in dict.fromkeys(chars[:20])]
    shared += [clauses.term("sound", s) for s in dict.fromkeys(sounds[:20])]
    shared += [clauses.weighted(clauses.term("keys2", p), 3.0) for p in dict.fromkeys(pairs[:20])]
    listed = clauses.term("listed", "y")
    hits = []
    if shared:
        query = clauses.filtered(clauses.some(shared), [listed])
        hits = clauses.searcher.search(query, _LOOKED_AT, count=False).hits
    if not hits:
        hits = clauses.searcher.search(listed, _OFFERED, order_by_field="demand").hits
    names = [str(clauses.searcher.doc(address).get_first("name")) for _, address in hits]
    latin = [run for run, han in analysis.runs(folded) if not han]
    words = [w for w in lexicon.english for run in latin if _similar(w, run) > 0.7]  # noqa: PLR2004
    return Terms(names=tuple(names), words=tuple(words[:_WORDS]))


def closest(asked: Asked, found: Terms, datasets: list[Dataset]) -> list[str]:
    """Terms most like the query; the titles at hand when none is like it."""
    wanted = schema.squeezed(asked.text)
    spoken = "".join(analysis.sounds(asked.text))
    scored: dict[str, float] = dict.fromkeys(found.words, 1.0)
    for item in datasets:
        keywords = [w for w in item.package.get("keywords", []) if isinstance(w, str)]
        for text in (schema.plain_title(item.title), *keywords):
            likeness = max(
                _similar(wanted, schema.squeezed(text)),
                0.9 * _similar(spoken, "".join(analysis.sounds(text))),
            )
            scored[text] = max(likeness, scored.get(text, 0.0))
    best = sorted(scored, key=lambda text: (-scored[text], text))
    near = [text for text in best if scored[text] >= _ALIKE][:_OFFERED]
    titles = dict.fromkeys(schema.plain_title(item.title) for item in datasets)
    return near or list(titles)[:_OFFERED]


def read_as(typos: list[str], sounds: list[tuple[str, ...]], item: Dataset) -> list[str]:
    """The words of a record that a typo, or pinyin, stands for."""
    texts = [schema.plain_title(item.title), *item.package.get("keywords", [])]
    texts += [str(r.get("title", "")) for r in item.package.get("resources", [])]
    found: dict[str, None] = {}
    marker = Marker([], sounds)
    for text in (text for text in texts if isinstance(text, str)):
        for start, end in marker.spans(text):
            found[text[start:end]] = None
    for typo in typos:
        near = [near for text in texts if (near := _window(typo, str(text)))]
        if near and not found:
            found[near[0]] = None
    return list(found)[:3]


def _window(typo: str, text: str) -> str:
    """The part of a text that is one typo away."""
    folded = analysis.fold_each(text)
    size = len(typo)
    for length in (size, size + 1, size - 1):
        for start in range(len(folded) - length + 1):
            part = folded[start : start + length]
            if part[:1] == typo[:1] and part[-1:] == typo[-1:] and _one_apart(typo, part):
                return text[start : start + length]
    return ""


def _one_apart(a: str, b: str) -> bool:
    if len(a) == len(b):
        differing = [i for i in range(len(a)) if a[i] != b[i]]
        return len(differing) == 1 or (
            len(differing) == 2  # noqa: PLR2004 - two that changed places
            and differing[1] == differing[0] + 1
            and a[differing[0]] == b[differing[1]]
            and a[differing[1]] == b[differing[0]]
        )
    short, long = sorted((a, b), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def _similar(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio() if a and b else 0.0
