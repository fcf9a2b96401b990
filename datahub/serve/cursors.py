"""Cursors: where a page begins, in words that only we can write.

A cursor names the version, what was asked and the last row that was told. A version never changes
and its rows have numbers, so that the number says all: the values that rows are ordered by are
looked up. It is signed with a key that all processes of a data folder share.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from datahub.errors import CursorInvalid

if TYPE_CHECKING:
    from pathlib import Path

_FORM = struct.Struct(">QQq12s")  # version, position, row or -1, digest of the question
_SIGNED = 16  # bytes of the signature: HMAC-SHA-256, truncated (RFC 2104 §5)
_KEY = 32


class Start(NamedTuple):
    """Where a page begins: after so many rows, the last of them this one (None: not known)."""

    position: int
    row: int | None = None


class Cursor(NamedTuple):
    """A start in a version, and the digest of what was asked."""

    version: int
    start: Start
    asked: bytes


def digest(*asked: str) -> bytes:
    """Twelve bytes that are the same for the same question."""
    return hashlib.sha256("\0".join(asked).encode()).digest()[:12]


def write(data: Path, cursor: Cursor) -> str:
    """Text of a cursor, safe in an address; `data` is the data folder, which holds the key."""
    row = -1 if cursor.start.row is None else cursor.start.row
    raw = _FORM.pack(cursor.version, cursor.start.position, row, cursor.asked)
    return base64.urlsafe_b64encode(raw + _signature(data, raw)).decode().rstrip("=")


def read(data: Path, text: str) -> Cursor:
    """Read a cursor back.

    Raises:
        CursorInvalid: it was not written here.

    """
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise CursorInvalid from None
    raw, signature = signed[: _FORM.size], signed[_FORM.size :]
    canonical = base64.urlsafe_b64encode(signed).decode().rstrip("=") == text
    if not canonical or not hmac.compare_digest(signature, _signature(data, raw)):
        raise CursorInvalid
    version, position, row, asked = _FORM.unpack(raw)
    return Cursor(version, Start(position, None if row < 0 else row), asked)


def _signature(data: Path, raw: bytes) -> bytes:
    return hmac.digest(_key(data), raw, "sha256")[:_SIGNED]


@lru_cache(maxsize=8)
def _key(data: Path) -> bytes:
    """Key of a data folder, made by whoever needs it first."""
    path = data / "keys" / "cursor.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = path.with_name(f"cursor.{secrets.token_hex(8)}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(own, path)  # whole or not at all; the first one wins
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path.read_bytes()
