"""Signatures: Ed25519 (RFC 8032) in envelopes after DSSE 1.0.2, and the keys that make them.

What is signed is DSSE's pre-authentication encoding of a type and bytes. So the bytes are trusted
before anything parses them, there is no canonical form to disagree about, and a document of one
kind never passes as one of another. A key's id is the SHA-256 of its 32 public bytes.

    <data>/keys/keys.json    every public key, oldest first; each introduced by the one before it
    <data>/keys/<id>.pem     the private half of the last one, mode 0600; older halves are removed
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from datahub.clock import stamp
from datahub.errors_signing import refused
from datahub.model import Struct
from datahub.store.objects import full_disk_told, sync_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from datahub.clock import Clock

KEY_TYPE = "application/vnd.datahub.key+json"
CHAIN_TYPE = "application/vnd.datahub.chain+json"
MANIFEST_TYPE = "application/vnd.datahub.manifest+json"
KEYS_BYTES = 1 << 20
_SIGNATURES = 16  # looked at, of one envelope

T = TypeVar("T")
Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Stamp = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")]


class Signature(Struct, frozen=True):
    """One signature: base64 of 64 bytes, and the id of the key that made it."""

    keyid: str
    sig: str


class Envelope(Struct, frozen=True, rename="camel"):
    """A DSSE envelope; `payload` is base64, and empty where the payload is the file beside it."""

    payload_type: str
    payload: str
    signatures: tuple[Signature, ...]


class PublicKey(Struct, frozen=True):
    """A public key with its validity; all but the first are introduced by the one before."""

    id: Digest
    public: str  # base64 of the 32 bytes
    created: Stamp
    retired: Stamp | None = None
    introduced: Envelope | None = None  # of a Statement, signed by the key before


class Keys(Struct, frozen=True):
    """The document of a service's keys, oldest first; the last one signs."""

    keys: Annotated[tuple[PublicKey, ...], msgspec.Meta(min_length=1)]


class Statement(Struct, frozen=True):
    """What a key says of its successor."""

    id: Digest
    public: str
    created: Stamp
    previous: Digest


def pae(kind: str, body: bytes) -> bytes:
    """Pre-authentication encoding: what a signature is over (DSSE protocol, "Signature")."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(body), body)


def key_id(public: bytes) -> str:
    """Id of a public key."""
    return sha256(public).hexdigest()


def strict(data: bytes, kind: type[T], *, place: str, limit: int) -> T:
    """Decode a JSON document from outside.

    Raises:
        ProofInvalid: oversized, no JSON, a name twice in one object, or not of this kind.

    """
    if len(data) > limit:
        raise refused("oversized", place, expected=f"≤ {limit}", actual=len(data))
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        return msgspec.convert(found, kind)
    except (ValueError, RecursionError) as error:  # msgspec's ValidationError is a ValueError
        raise refused("unreadable", place, actual=str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # which of two a reader takes is anybody's guess
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def opened(envelope: Envelope, kind: str, keys: Iterable[PublicKey], place: str) -> PublicKey:
    """Return which of the trusted keys signed an envelope's payload.

    Raises:
        ProofInvalid: of another type, by no trusted key, or not over these bytes.

    """
    return signed_by(envelope, kind, payload_of(envelope, place), keys, place)


def payload_of(envelope: Envelope, place: str) -> bytes:
    """Bytes of an envelope's payload."""
    return _bytes(envelope.payload, place)


def signed_by(
    envelope: Envelope, kind: str, body: bytes, keys: Iterable[PublicKey], place: str
) -> PublicKey:
    """Return which of the trusted keys signed `body`; raises as `opened` does."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if envelope.payload_type != kind:
        raise refused("forged", place, expected=kind, actual=envelope.payload_type)
    trusted = {key.id: key for key in keys}
    ours = [s for s in envelope.signatures[:_SIGNATURES] if s.keyid in trusted]
    for signature in ours:
        key = trusted[signature.keyid]
        try:
            verifier = Ed25519PublicKey.from_public_bytes(public_bytes(key, place))
            verifier.verify(_bytes(signature.sig, place), pae(kind, body))
        except (InvalidSignature, ValueError):
            continue
        return key
    if ours:
        raise refused("forged", place, expected=f"signed by {ours[0].keyid}")
    named = ", ".join(s.keyid for s in envelope.signatures[:_SIGNATURES]) or "no signature"
    raise refused("stranger", place, expected=", ".join(trusted), actual=named)


def public_bytes(key: PublicKey, place: str) -> bytes:
    """The 32 bytes of a public key, which its id must be the digest of."""
    found = _bytes(key.public, place)
    if key_id(found) != key.id:
        raise refused("forged", place, expected=key.id, actual=key_id(found))
    return found


def _bytes(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refused("unreadable", place, expected="base64") from None


class Keyring:
    """The signing keys of a data folder; made on first use, read anew for every signature."""

    def __init__(self, data: Path, clock: Clock) -> None:
        self._folder, self._clock = data / "keys", clock

    def public(self) -> Keys:
        """Every public key, oldest first; the first one is made when there is none."""
        file = self._folder / "keys.json"
        if not file.exists():
            with self._alone():
                if not file.exists():  # another process may have made it meanwhile
                    self._add(())
        return msgspec.json.decode(file.read_bytes(), type=Keys)

    def sign(self, kind: str, body: bytes, *, detached: bool = False) -> Envelope:
        """Sign bytes with the last key; Ed25519 is deterministic: the same bytes, the same."""
        while True:
            last = self.public().keys[-1]
            try:
                private = self._private(last.id)
            except FileNotFoundError:  # rotated in between
                if self.public().keys[-1].id == last.id:
                    raise
                continue
            return _envelope(kind, body, last.id, private, detached=detached)

    def rotate(self) -> PublicKey:
        """Make a new key, introduced by the last one, whose private half is removed."""
        self.public()
        with self._alone():
            before = self.public().keys
            added = self._add(before)
            (self._folder / f"{before[-1].id}.pem").unlink()
            sync_folder(self._folder)
        return added

    def _add(self, before: tuple[PublicKey, ...]) -> PublicKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        now, identifier = stamp(self._clock), key_id(public)
        text = base64.b64encode(public).decode()
        introduced = None
        if before:
            last = before[-1]
            said = Statement(id=identifier, public=text, created=now, previous=last.id)
            body = msgspec.json.encode(said)
            introduced = _envelope(KEY_TYPE, body, last.id, self._private(last.id), detached=False)
            before = (*before[:-1], msgspec.structs.replace(last, retired=now))
        key = PublicKey(id=identifier, public=text, created=now, introduced=introduced)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._write(f"{identifier}.pem", pem, 0o600)
        listed = msgspec.json.encode(Keys(keys=(*before, key)))
        self._write("keys.json", msgspec.json.format(listed, indent=2) + b"\n", 0o644)
        return key

    def _private(self, identifier: str) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        data = (self._folder / f"{identifier}.pem").read_bytes()
        found = load_pem_private_key(data, password=None)
        assert isinstance(found, Ed25519PrivateKey)  # noqa: S101 - nobody else writes there
        return found

    def _write(self, name: str, data: bytes, mode: int) -> None:
        """Write a file that is never seen half, nor for a moment by others than it is for."""
        part = self._folder / f"{name}.part"
        part.unlink(missing_ok=True)
        with full_disk_told():
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            write_file(part, data)
            part.rename(self._folder / name)
            sync_folder(self._folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making a key at the same time."""
        with full_disk_told():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


def _envelope(
    kind: str, body: bytes, identifier: str, private: Ed25519PrivateKey, *, detached: bool
) -> Envelope:
    signature = base64.b64encode(private.sign(pae(kind, body))).decode()
    return Envelope(
        payload_type=kind,
        payload="" if detached else base64.b64encode(body).decode(),
        signatures=(Signature(keyid=identifier, sig=signature),),
    )
