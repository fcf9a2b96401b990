"""Text of records as data in other languages: XML, IRIs, scripts in pages, cells."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape, quoteattr

import msgspec

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IRI_SAFE = ":/?#@!$&'()*+,;=~-._%"
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\Z", re.ASCII)
_PHONE = re.compile(r"[0-9+][0-9 ()-]{2,30}\Z", re.ASCII)


def clean(text: str) -> str:
    """Text without what XML 1.0 cannot hold: control characters and lone halves of a pair."""
    return _NO_XML.sub("\ufffd", text)


def xml(text: str) -> str:
    """Text between XML tags."""
    return escape(clean(text))


def attribute(text: str) -> str:
    """Text as an XML attribute's value, with its quotes."""
    return quoteattr(clean(text))


def iri(text: str) -> str:
    """Address with everything percent-encoded that an IRI cannot hold (RFC 3987)."""
    return quote(_BARE_PERCENT.sub("%25", clean(text)), safe=_IRI_SAFE)


def web(text: object) -> str | None:
    """Address from a record if it is one of the web, else None: never javascript: or data:."""
    if not isinstance(text, str):
        return None
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return None
    known = parts.scheme in ("http", "https") and bool(parts.hostname)
    return iri(text.strip()) if known else None


def mail(text: object) -> str | None:
    """Return a `mailto:` address, None when the text is no mail address."""
    found = isinstance(text, str) and _MAIL.match(text.strip())
    return f"mailto:{iri(str(text).strip())}" if found else None


def telephone(text: object) -> str | None:
    """Return a `tel:` address (RFC 3966), national numbers as Chinese ones; None when none."""
    if not isinstance(text, str) or not _PHONE.match(text.strip()):
        return None
    digits = re.sub(r"[ ()]+", "-", text.strip()).strip("-")
    return f"tel:{digits}" if digits.startswith("+") else f"tel:+86-{digits.removeprefix('0')}"


def cell(text: str) -> str:
    """Text as a spreadsheet shows it and does not calculate it (formula injection)."""
    shown = clean(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def safe_json(value: Any) -> str:
    """JSON that may stand in an HTML `<script>`: it can neither end it nor open a comment."""
    text = msgspec.json.encode(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda found: _SCRIPT[found[0]], text)
