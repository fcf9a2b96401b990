"""Judge a release by its signed documents: pure, given what is trusted and what time it is.

Four documents prove a release: the service's keys, the dataset's chain signed by one of them, the
manifest, and the manifest's detached signature. From the manifest on, digests prove every file.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from datahub.errors_signing import refused
from datahub.model import Struct
from datahub.store import trust as trusting
from datahub.store.chain import CHAIN_BYTES, DAYS, Chain, Entry, check_chain
from datahub.store.signing import (
    CHAIN_TYPE,
    KEYS_BYTES,
    MANIFEST_TYPE,
    Envelope,
    Keys,
    PublicKey,
    opened,
    payload_of,
    signed_by,
    strict,
)
from datahub.store.trust import CHAIN, KEYS, Service, Trust
from datahub.store.verify import MANIFEST, MANIFEST_BYTES, SIGNATURE, Manifest, check_names

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNATURE_BYTES = 1 << 16
LIMITS = {
    KEYS: KEYS_BYTES,
    CHAIN: CHAIN_BYTES * 2,  # base64 in an envelope
    SIGNATURE: SIGNATURE_BYTES,
    MANIFEST: MANIFEST_BYTES,
}
"""Documents that prove a release, with the bytes that each may have at most."""


class Asked(Struct, frozen=True):
    """Which release is meant; what is left out is taken from the documents themselves."""

    site: str = ""  # where the documents come from just now; "" when they are verified offline
    dataset: str = ""
    version: int | None = None  # None: the latest, or offline the manifest's own
    latest: bool = False  # offline: the folder is said to be the latest release
    key: str = ""  # id of the key to trust
    keys: tuple[PublicKey, ...] = ()  # keys to trust, of a document got elsewhere


class Note(Struct, frozen=True):
    """What is no fault and should be known."""

    kind: str
    zh: str
    en: str


class Judged(Struct, frozen=True):
    """What the documents prove."""

    chain: Chain
    manifest: Manifest
    trust: Trust  # with what was learnt, to be remembered
    notes: tuple[Note, ...]
    documents: dict[str, bytes]  # that prove it, by name


def judge(read: Callable[[str, int], bytes], asked: Asked, trust: Trust, now: datetime) -> Judged:
    """Judge a release; `read` gives a document by its name, of so many bytes at most.

    Raises:
        ProofInvalid: the first thing that is wrong, with its kind.

    """
    proofs = {name: read(name, limit) for name, limit in LIMITS.items()}
    given = strict(proofs[KEYS], Keys, place=KEYS, limit=LIMITS[KEYS]).keys
    old, keys, notes = _trusted(given, asked, trust)
    chain = _chain(proofs[CHAIN], keys)
    notes += _fresh(chain, now, offline=not asked.site)
    names = (chain.dataset, *chain.formerly)
    if asked.dataset and asked.dataset not in names:
        raise refused("foreign", CHAIN, expected=asked.dataset, actual=chain.dataset)
    known = old.datasets if old else {}
    seen = trusting.known_of(chain, known)
    may_be_old = not asked.site and not asked.latest
    newer = [s for s in seen.values() if trusting.check_progress(chain, s, old=may_be_old)]
    manifest = _manifest(proofs[MANIFEST], proofs[SIGNATURE], keys)
    _check_place(manifest, proofs[MANIFEST], chain, asked)
    if any(manifest.version in s.withdrawn for s in newer):
        told = "已见过撤回 · its withdrawal was seen"
        raise refused("withdrawn", f"{CHAIN} {manifest.version}", actual=told)
    latest = max([chain.latest or 0, *(s.latest for s in newer)])
    if latest > manifest.version:
        notes += (_newer(latest),)
    left = {name: s for name, s in known.items() if name not in seen}
    learnt = seen if newer else {chain.dataset: trusting.seen_of(chain)}
    service = Service(keys=keys, sites=_sites(old, asked.site), datasets=left | learnt)
    return Judged(
        chain=chain,
        manifest=manifest,
        trust=trust.remember(service),
        notes=notes,
        documents=proofs,
    )


def _sites(old: Service | None, site: str) -> tuple[str, ...]:
    known = old.sites if old else ()
    return known if not site or site in known else (*known, site)


def _trusted(
    given: tuple[PublicKey, ...], asked: Asked, trust: Trust
) -> tuple[Service | None, tuple[PublicKey, ...], tuple[Note, ...]]:
    """Return what is known of the service, the keys to trust, and whether that is new."""
    if asked.keys or asked.key:
        chosen = asked.keys or tuple(key for key in given if key.id == asked.key)
        if not chosen:
            raise refused("stranger", KEYS, expected=asked.key, actual=given[-1].id)
        keys = trusting.extended(trusting.first(chosen), given)
        return trust.by(keys), keys, ()
    old = (trust.at(asked.site) if asked.site else None) or trust.by(given)
    if old is not None:
        return old, trusting.extended(old.keys, given), ()
    if not asked.site and trust.services:  # a folder that was swapped as a whole brings own keys
        known = ", ".join(service.keys[-1].id for service in trust.services)
        raise refused("stranger", KEYS, expected=known, actual=given[-1].id)
    keys = trusting.first(given)
    return None, keys, (_met(keys[-1].id),)


def _met(identifier: str) -> Note:
    return Note(
        kind="first-use",
        zh=f"第一次见到这个服务，已记住其密钥 {identifier}；请与发布方公布的编号核对。",
        en=f"First use: key {identifier} is trusted from now on. Compare it with the publisher's.",
    )


def _newer(latest: int) -> Note:
    return Note(
        kind="newer", zh=f"已有更新的第 {latest} 版。", en=f"There is a newer release: {latest}."
    )


def _chain(data: bytes, keys: tuple[PublicKey, ...]) -> Chain:
    envelope = strict(data, Envelope, place=CHAIN, limit=LIMITS[CHAIN])
    signer = opened(envelope, CHAIN_TYPE, keys, CHAIN)
    body = payload_of(envelope, CHAIN)
    chain = strict(body, Chain, place=CHAIN, limit=CHAIN_BYTES)
    if signer.retired is not None and chain.issued > signer.retired:
        raise refused("retired", CHAIN, expected=f"≤ {signer.retired}", actual=chain.issued)
    check_chain(chain, CHAIN)
    return chain


def _fresh(chain: Chain, now: datetime, *, offline: bool) -> tuple[Note, ...]:
    """Check the dates of a chain; what was pulled long ago is told of, not refused."""
    try:
        issued, expires = map(datetime.fromisoformat, (chain.issued, chain.expires))
    except ValueError as error:
        raise refused("unreadable", CHAIN, actual=error) from None
    if expires - issued > timedelta(days=DAYS):
        raise refused("chain", CHAIN, expected=f"≤ {DAYS} d", actual=expires - issued)
    if issued > now + timedelta(days=1):
        raise refused("clock", CHAIN, expected=f"≤ {now:%Y-%m-%d}", actual=chain.issued)
    if now <= expires:
        return ()
    if not offline:
        raise refused("expired", CHAIN, expected=f"> {now:%Y-%m-%d}", actual=chain.expires)
    zh = f"版本链到 {chain.expires} 为止；之后有没有撤回或新版本，要联网核对。"
    en = f"The chain is of before {chain.expires}; verify the URL for what happened since."
    return (Note(kind="expired", zh=zh, en=en),)


def _manifest(data: bytes, signature: bytes, keys: tuple[PublicKey, ...]) -> Manifest:
    envelope = strict(signature, Envelope, place=SIGNATURE, limit=SIGNATURE_BYTES)
    signed_by(envelope, MANIFEST_TYPE, data, keys, SIGNATURE)
    manifest = strict(data, Manifest, place=MANIFEST, limit=MANIFEST_BYTES)
    check_names(manifest)
    return manifest


def _check_place(manifest: Manifest, data: bytes, chain: Chain, asked: Asked) -> None:
    """Check that a manifest is the one that the chain has at the version that was asked for."""
    if manifest.dataset not in (chain.dataset, *chain.formerly):
        raise refused("foreign", MANIFEST, expected=chain.dataset, actual=manifest.dataset)
    version = asked.version
    if version is None and (asked.site or asked.latest):
        version = chain.latest
        if version is None:
            raise refused("withdrawn", CHAIN, expected="latest", actual="no release")
    if version is not None and manifest.version != version:
        raise refused("foreign", MANIFEST, expected=version, actual=manifest.version)
    entry = chain.entry(manifest.version)
    if entry is None:
        raise refused("chain", CHAIN, expected=f"version {manifest.version}",
                      actual=f"{len(chain.entries)} releases")  # fmt: skip
    _check_entry(manifest, data, entry)


def _check_entry(manifest: Manifest, data: bytes, entry: Entry) -> None:
    actual = sha256(data).hexdigest()
    if actual != entry.manifest_sha256:
        raise refused("altered", MANIFEST, expected=entry.manifest_sha256, actual=actual)
    if manifest.previous != entry.previous:
        raise refused("chain", MANIFEST, expected=entry.previous, actual=manifest.previous)
    if entry.withdrawn is not None:
        told = f"{entry.withdrawn.at} {entry.withdrawn.reason}"
        raise refused("withdrawn", f"{CHAIN} {entry.version}", actual=told)


def encoded(document: Struct) -> bytes:
    """Bytes of a document as it is served."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
