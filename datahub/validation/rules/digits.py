"""Check digits as SQL expressions over a text column: what `codes` says, for whole columns.

Each is one weighted sum that must leave no remainder. Where all is digits the sum is arithmetic on
one number; letters are looked up by code point in a list, faster than a search in the alphabet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.validation.rules.kinds import Code

_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28, 1)
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997
_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_CHECK = "0123456789X"
_CARD_DIGITS = 19
_CODE_POINTS = 127


class CheckSum(NamedTuple):
    """How a code is checked: the sum is over the text and `number`, its digits as a number."""

    pattern: str
    sum: str
    divisor: int
    number: str = "NULL"
    also: str = "true"

    def right(self, text: str, total: str) -> str:
        """Return an expression that is true where text and sum are right, else false."""
        form = f"regexp_full_match({text}, '{self.pattern}')"
        return f"coalesce({form} AND {self.also} AND {total} % {self.divisor} = 0, false)"


def check_sum(code: Code, text: str) -> CheckSum:
    """Return how the check digit of a code is checked in a column of texts."""
    return _SUMS[code](text)


def _credit(text: str) -> CheckSum:
    return CheckSum("[0-9A-HJ-NPQRTUWXY]{18}", _lookups(text, _CREDIT, _CREDIT_WEIGHTS), 31)


def _organisation(text: str) -> CheckSum:
    total = _lookups(text, _LETTERS, _ORGANISATION_WEIGHTS)
    last = _lookup(f"right({text}, 1)", _CHECK)
    return CheckSum("[0-9A-Z]{8}-?[0-9X]", f"{total} + {last}", 11)


def _citizen(text: str) -> CheckSum:
    digits = [f"{_digit(16 - place)} * {weight}" for place, weight in enumerate(_CITIZEN_WEIGHTS)]
    last = _lookup(f"upper(right({text}, 1))", _CHECK)
    return CheckSum(
        "[1-9][0-9]{5}(18|19|20)[0-9]{9}[0-9Xx]",
        f"{' + '.join(digits)} + {last} + 10",  # the sum leaves 1: ISO 7064, MOD 11-2
        11,
        number=f"TRY_CAST(left({text}, 17) AS UBIGINT)",
        also=f"try_strptime(substr({text}, 7, 8), '%Y%m%d') IS NOT NULL",
    )


def _card(text: str) -> CheckSum:
    digits = [_digit(place) if place % 2 == 0 else _doubled(place) for place in range(_CARD_DIGITS)]
    number = f"TRY_CAST({text} AS UBIGINT)"
    return CheckSum("[0-9]{13,19}", " + ".join(digits), 10, number=number)


_SUMS: dict[Code, Callable[[str], CheckSum]] = {
    "credit-code": _credit,
    "organisation-code": _organisation,
    "citizen-id": _citizen,
    "bank-card": _card,
}


def _digit(place: int) -> str:
    """Digit of the number, places counted from the right."""
    return f"(number // {10**place}::UBIGINT) % 10"


def _doubled(place: int) -> str:
    """Twice a digit with its carry added, as Luhn has it: 9 less is 1 more, modulo 10."""
    return f"{_digit(place)} * 2 + (number // {5 * 10**place}::UBIGINT) % 2"


def _lookups(text: str, alphabet: str, weights: Sequence[int]) -> str:
    return " + ".join(
        f"{_lookup(f'substr({text}, {place}, 1)', alphabet)} * {weight}"
        for place, weight in enumerate(weights, start=1)
    )


def _lookup(character: str, alphabet: str) -> str:
    """Value of a character: its place in the alphabet; a list is counted from 1 in SQL."""
    places = ", ".join(str(alphabet.find(chr(n))) for n in range(1, _CODE_POINTS + 1))
    return f"([{places}])[ord({character})]"
