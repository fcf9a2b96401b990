"""What no query string may be, before any route reads it: broken escapes, and keys."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_to_bytes

from datahub.errors_limits import KeyMisplaced
from datahub.serve.query.scanner import invalid
from datahub.store import keys, people

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SECRETS = (keys.PREFIX, people.PREFIX)
_SECRET_LETTERS = 30  # a key has 46; a column's value may well begin like one
_SECRET_NAMES = frozenset({"apikey", "xapikey", "appkey", "accesstoken"})
"""Names of keys and tokens, however they are spelt: X-API-Key, api_key, apiKey."""


def check(query: bytes) -> None:
    """Refuse a query string that no route may take as it is.

    Raises:
        ParameterInvalid: a name or value is not percent-encoded UTF-8, or has a NUL in it.
        KeyMisplaced: a key or token stands in it.

    """
    if b"%" in query and _wrong(query):
        pair = next(filter(_wrong, query.split(b"&")), query)
        raise _no_text(pair)
    if any(sign in query.lower() for sign in (b"dk_", b"dh_", b"key", b"token")):
        _check_secrets(query)


def _wrong(part: bytes) -> str:
    """What is wrong about the escapes of a part of a query string; empty: nothing is."""
    if _BROKEN.search(part):
        return "escape"
    try:
        decoded = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return "utf-8"
    return "nul" if "\0" in decoded else ""


def _no_text(pair: bytes) -> Exception:
    name, _, value = pair.partition(b"=")
    zh, en = _TEXTS[_wrong(pair)]
    return invalid(unquote_to_bytes(name).decode(errors="replace"), value.decode("latin-1"), zh, en)


_TEXTS = {
    "escape": (
        "% 之后应有两位十六进制数字；百分号本身写成 %25",
        "two hexadecimal digits follow a %; the sign itself is written %25",
    ),
    "utf-8": (
        "转义解开后不是 UTF-8；例如“中”应写成 %E4%B8%AD",
        "its escapes are not UTF-8, in which 中 is %E4%B8%AD",
    ),
    "nul": ("不能含有 %00（NUL）", "%00 (NUL) cannot stand in it"),
}


def _check_secrets(query: bytes) -> None:
    """Refuse keys in the address; a column's name in quotes is never one."""
    for name, value in parse_qsl(query.decode("latin-1")):
        secret = value.startswith(_SECRETS) and len(value) > _SECRET_LETTERS
        if secret or re.sub(r"[-_ .]", "", name.lower()) in _SECRET_NAMES:
            raise KeyMisplaced(name=name[:40])
