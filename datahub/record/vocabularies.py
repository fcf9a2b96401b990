"""All code lists of the catalog record in one place, read from `vocabularies.json`.

A code is stored as ours and never as a foreign integer, for every platform numbers differently;
`sources` of a term holds what others call it. Equivalents are DCAT-AP, EU vocabulary and ISO 8601.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from datahub.model import Json, Struct


class Term(Struct, frozen=True):
    """A code with its labels; `more` has equivalents elsewhere and what follows from it."""

    code: str
    zh: str
    en: str
    more: dict[str, Any]

    def plain(self) -> Json:
        """The term as the API and the data file show it."""
        return {"code": self.code, "zh": self.zh, "en": self.en, **self.more}


class Vocabulary(Struct, frozen=True):
    """A code list with its own labels."""

    name: str
    zh: str
    en: str
    terms: tuple[Term, ...]

    def plain(self) -> Json:
        """The list as the API shows it."""
        terms = [term.plain() for term in self.terms]
        return {"name": self.name, "zh": self.zh, "en": self.en, "terms": terms}


@cache
def everything() -> dict[str, Vocabulary]:
    """Every vocabulary by name."""
    content = Path(__file__).with_suffix(".json").read_bytes()
    return {name: _vocabulary(name, item) for name, item in msgspec.json.decode(content).items()}


def get(name: str) -> tuple[Term, ...]:
    """Terms of a vocabulary in its order; KeyError where there is none of this name."""
    return everything()[name].terms


def labels(name: str) -> dict[str, str]:
    """Chinese label of each code."""
    return {term.code: term.zh for term in get(name)}


@cache
def term(name: str, code: str) -> Term | None:
    """Find one term; None where the code is unknown."""
    return next((item for item in get(name) if item.code == code), None)


def label(name: str, code: str) -> str:
    """Chinese label of a code; the code itself where it is unknown."""
    found = term(name, code)
    return found.zh if found else code


def from_source(name: str, source: str, code: str) -> Term | None:
    """Find the term that another platform knows by a code of its own."""
    return next((t for t in get(name) if t.more.get("sources", {}).get(source) == code), None)


def _vocabulary(name: str, item: Json) -> Vocabulary:
    terms = tuple(
        Term(
            code=given["code"],
            zh=given["zh"],
            en=given["en"],
            more={key: value for key, value in given.items() if key not in ("code", "zh", "en")},
        )
        for given in item["terms"]
    )
    return Vocabulary(name=name, zh=item["zh"], en=item["en"], terms=terms)
