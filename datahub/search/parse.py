"""What somebody typed, as units that each say one thing; no user text ever meets a query parser."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from datahub.model import Struct
from datahub.search import analysis
from datahub.search.lexicon import key

if TYPE_CHECKING:
    from datahub.search.lexicon import Lexicon

LONGEST = 200
"""Characters of a query that are looked at; the API refuses longer ones."""
_MOST_UNITS = 16
_QUOTED = re.compile(r'["“”„]([^"“”„]{1,60})["“”„]|「([^」]{1,60})」|『([^』]{1,60})』')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\ufeff\ud800-\udfff]")
_JOINED_TOKENS = 5


class Unit(Struct, frozen=True):
    """A word of the query, or several that mean one thing together."""

    text: str
    han: bool
    weak: bool  # says little: found with it is better, found by it alone is nothing
    group: int  # which of the blank-separated parts it stands in
    run: int  # which run of Chinese or of letters
    single: bool = False  # a lone character that the segmentation left over


class Asked(Struct, frozen=True):
    """A query, taken apart."""

    text: str
    units: tuple[Unit, ...]
    quoted: tuple[str, ...]
    whole: str  # without question words: what a title may be compared with

    @property
    def empty(self) -> bool:
        """Tell whether nothing was typed; question words alone are something."""
        return not self.text


class _Token(Struct, frozen=True):
    text: str
    han: bool
    group: int
    run: int


def clean(text: str) -> str:
    """Text without control characters, blanks made one, cut at what is looked at."""
    return " ".join(_CONTROL.sub(" ", text).split())[:LONGEST]


def parse(text: str, lexicon: Lexicon) -> Asked:
    """Take a query apart."""
    cleaned = clean(text)
    quoted = tuple(analysis.fold(next(filter(None, m.groups()))) for m in _QUOTED.finditer(cleaned))
    tokens = _tokens(analysis.fold(_QUOTED.sub(" ", cleaned)))
    units = tuple(_units(tokens, lexicon))[:_MOST_UNITS]
    whole = "".join(unit.text for unit in units if unit.han)
    return Asked(text=cleaned, units=units, quoted=quoted, whole=whole)


def _tokens(folded: str) -> list[_Token]:
    found: list[_Token] = []
    run_number = 0
    for group, part in enumerate(folded.split()):
        for run, han in analysis.runs(part):
            run_number += 1
            texts = analysis.cut(run) if han else (run,)
            found += [_Token(text=t, han=han, group=group, run=run_number) for t in texts]
    return found


def _units(tokens: list[_Token], lexicon: Lexicon) -> list[Unit]:
    """Join neighbours that mean something together; drop question words."""
    found: list[Unit] = []
    at = 0
    while at < len(tokens):
        taken, text, stop = _longest(tokens, at, lexicon)
        if not stop:
            first = tokens[at]
            found.append(
                Unit(
                    text=text,
                    han=first.han and tokens[at + taken - 1].han,
                    weak=_is_weak(text, lexicon),
                    group=first.group,
                    run=first.run,
                    single=len(text) == 1 and first.han and not lexicon.knows(text),
                )
            )
        at += taken
    return found


def _longest(tokens: list[_Token], at: int, lexicon: Lexicon) -> tuple[int, str, bool]:
    """How many tokens from here are one unit, its text, and whether it is to be dropped."""
    for count in range(min(_JOINED_TOKENS, len(tokens) - at), 1, -1):
        text = _join(tokens[at : at + count])
        if lexicon.knows(text):
            return count, text, False
        if text in lexicon.stop:
            return count, text, True
    text = tokens[at].text
    return 1, text, text in lexicon.stop and not lexicon.knows(text)


def _join(tokens: list[_Token]) -> str:
    text = tokens[0].text
    for before, token in pairwise(tokens):
        apart = not before.han and not token.han
        text += (" " if apart else "") + token.text
    return text


def _is_weak(text: str, lexicon: Lexicon) -> bool:
    return text in lexicon.weak or key(text) in lexicon.weak
