"""Check digits of national codes: pure functions on text.

Sources: GB 32100-2015 (统一社会信用代码), GB 11714-1997 (组织机构代码), GB 11643-1999
(公民身份号码), ISO/IEC 7812-1 (bank cards, Luhn).
"""

from __future__ import annotations

import datetime as dt
import re

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION = re.compile(r"[0-9A-Z]{8}-?[0-9X]\Z", re.ASCII)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_CARD = re.compile(r"[0-9]{13,19}\Z", re.ASCII)
_ID = re.compile(r"[1-9]\d{16}[0-9Xx]\Z", re.ASCII)


def is_credit_code(text: str) -> bool:
    """Check a 统一社会信用代码, letter-first codes too (python-stdnum refuses those)."""
    if len(text) != 18 or any(c not in _USCC_ALPHABET for c in text):  # noqa: PLR2004 - GB 32100
        return False
    values = [_USCC_ALPHABET.index(c) for c in text]
    total = sum(v * w for v, w in zip(values[:17], _USCC_WEIGHTS, strict=True))
    return values[17] == (31 - total % 31) % 31


def is_citizen_id(text: str) -> bool:
    """Check an 18-digit 公民身份号码: check digit and a real date of birth, any region."""
    if not _ID.match(text):
        return False
    try:
        born = dt.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(c) * w for c, w in zip(text[:17], _ID_WEIGHTS, strict=True))
    return 1800 <= born.year <= 2099 and text[17].upper() == "10X98765432"[total % 11]  # noqa: PLR2004


def is_luhn(digits: str) -> bool:
    """Check a number's last digit after Luhn."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - two digits are summed
    return total % 10 == 0


def is_organisation_code(text: str) -> bool:
    """Check a 组织机构代码 of eight characters and a check digit, with or without the hyphen."""
    if not _ORGANISATION.match(text):
        return False
    pairs = zip(text[:8], _ORGANISATION_WEIGHTS, strict=True)
    return text[-1] == "0123456789X"[-sum(int(c, 36) * w for c, w in pairs) % 11]


def is_bank_card(text: str) -> bool:
    """Check a bank card number: 13 to 19 digits, the last of them after Luhn."""
    return bool(_CARD.match(text)) and is_luhn(text)
