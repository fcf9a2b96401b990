"""Words in text columns: `q=` and the fts operators, whatever the case and width of letters.

A word is looked for anywhere in a cell, as Chinese is written without spaces.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from datahub.serve.query.outputs import of_table
from datahub.serve.query.scanner import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.forms.columns import Column

_WORDS, _LETTERS = 10, 200
_FULL = 0xFEE0  # from a letter of ASCII to its full-width form


def split(text: str, parameter: str) -> tuple[str, ...]:
    """Words between white space.

    Raises:
        ParameterInvalid: there is none, or there are too many.

    """
    found = tuple(dict.fromkeys(text.split()))
    if not found or len(found) > _WORDS or len(text) > _LETTERS:
        raise invalid(
            parameter,
            text,
            f"应为 1 到 {_WORDS} 个词、不超过 {_LETTERS} 字，以空格分开",
            f"give 1 to {_WORDS} words with blanks between, {_LETTERS} characters at most",
        )
    return found


def contains(sql: str, word: str) -> tuple[str, tuple[str, ...]]:
    """SQL that tells whether a text has a word, and the value to bind."""
    letters = unicodedata.normalize("NFKC", word)
    if not any("!" <= sign <= "~" or sign.lower() != sign.upper() for sign in letters):
        return f"contains({sql}, ?)", (letters,)
    return f"regexp_matches({sql}, ?, 'is')", ("".join(map(_either_width, letters)),)


def anywhere(columns: Sequence[Column], given: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """SQL that tells whether each of the words stands in some text column."""
    texts = [column for column in columns if column.kind == "VARCHAR"]
    parts, bound = [], []
    for word in given:
        tests = [contains(of_table(column.name), word) for column in texts]
        some = " or ".join(f"coalesce({sql}, false)" for sql, _ in tests)
        parts.append(f"({some or 'false'})")
        bound += [value for _, values in tests for value in values]
    return " and ".join(parts), tuple(bound)


def _either_width(sign: str) -> str:
    if "!" <= sign <= "~":
        return f"[\\x{{{ord(sign):x}}}\\x{{{ord(sign) + _FULL:x}}}]"
    return re.escape(sign)
