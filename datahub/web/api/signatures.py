"""Signing keys, signed chains of releases, and signatures of manifests.

They are signed when they are asked for, by the web process that answers: so a release is never
visible without its signature, 100,000 datasets need no daily round, and nothing is to be kept.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from datahub.errors import ParameterUnknown, ReleaseUnknown
from datahub.errors_signing import refused
from datahub.store import Store, records, releases
from datahub.store.chain import chain_of
from datahub.store.proofs import encoded
from datahub.store.signing import CHAIN_TYPE, MANIFEST_TYPE, Envelope, Keyring, Keys
from datahub.store.verify import MANIFEST
from datahub.web.access import Permission

_PUBLIC = {"permission": Permission.CATALOG_READ}
_VERSION = re.compile(r"v?([1-9][0-9]{0,17})\Z", re.ASCII)


@get(
    "/.well-known/datahub-keys.json",
    opt=_PUBLIC,
    sync_to_thread=True,
    tags=["files"],
    summary="Public signing keys",
    responses={200: ResponseSpec(Keys, description="keys, oldest first", generate_examples=False)},
)
def get_keys(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every Ed25519 key that releases were signed with; each is introduced by the one before."""
    _plain(request)
    store: Store = request.app.state.store
    return _answer(request, Keyring(store.objects.root, store.clock).public())


@get(
    "/d/{dataset:str}/chain.json",
    opt=_PUBLIC,
    sync_to_thread=True,
    tags=["files"],
    summary="A dataset's signed chain of releases",
    responses={200: ResponseSpec(Envelope, description="DSSE", generate_examples=False)},
)
def get_chain(request: Request[Any, Any, Any], dataset: FromPath[str]) -> Response[bytes]:
    """DSSE envelope; its payload lists every release with manifest digest, tombstones too.

    It has a number that only grows, and expires after 7 days; it is signed anew every day.
    """
    _plain(request)
    store: Store = request.app.state.store
    with store.catalog.read() as db:
        chain = chain_of(db, dataset, store.clock())
    body = msgspec.json.encode(chain)
    return _answer(request, Keyring(store.objects.root, store.clock).sign(CHAIN_TYPE, body))


@get(
    "/d/{dataset:str}/{version:str}/manifest.json.sig",
    opt=_PUBLIC,
    sync_to_thread=True,
    tags=["files"],
    summary="Signature of a release's manifest",
    responses={200: ResponseSpec(Envelope, description="DSSE", generate_examples=False)},
)
def get_signature(
    request: Request[Any, Any, Any], dataset: FromPath[str], version: FromPath[str]
) -> Response[bytes]:
    """DSSE signature over the bytes of manifest.json, which stand beside it, not in the payload."""
    _plain(request)
    store: Store = request.app.state.store
    with store.catalog.read() as db:
        records.check_open(db, dataset)
        release = releases.get(db, dataset, _number(dataset, version))
    path = store.objects.distribution(dataset, release.version, MANIFEST)
    data = path.read_bytes()
    actual = sha256(data).hexdigest()
    if actual != release.manifest_sha256:  # never sign what is not what was released
        raise refused("altered", MANIFEST, expected=release.manifest_sha256, actual=actual)
    keyring = Keyring(store.objects.root, store.clock)
    return _answer(request, keyring.sign(MANIFEST_TYPE, data, detached=True))


def _number(dataset: str, version: str) -> int | None:
    """Number of a version; None for the latest."""
    found = _VERSION.match(version)
    if found is None and version != "latest":
        raise ReleaseUnknown(
            dataset=dataset[:80],
            version=version[:80],
            hint_zh="版本是数字或 latest",
            hint_en="a version is a number or latest",
        )
    return int(found[1]) if found else None


def _plain(request: Request[Any, Any, Any]) -> None:
    for name in request.query_params:
        raise ParameterUnknown(name=name[:80], allowed="")


def _answer(request: Request[Any, Any, Any], document: Keys | Envelope) -> Response[bytes]:
    body = encoded(document)
    tag = f'"sha256-{sha256(body).hexdigest()}"'
    headers = {
        "cache-control": "public, max-age=60, must-revalidate",
        "etag": tag,
        "x-content-type-options": "nosniff",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type="application/json")
    return Response(body, headers=headers, media_type="application/json")


routes: list[Any] = [get_keys, get_chain, get_signature]
