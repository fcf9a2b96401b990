"""Re-read bytes against manifests; the folder of a release needs nothing but itself."""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import msgspec

from datahub.errors import NameInvalid
from datahub.errors_signing import ProofInvalid, refused
from datahub.guard.text import check_file_name
from datahub.model import Distribution, Release, Struct
from datahub.store import audit, releases, submissions
from datahub.store.objects import digest_of
from datahub.store.signing import Digest, strict
from datahub.store.trust import CHAIN, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datahub.store.stores import Store

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
MANIFEST_BYTES = 8 << 20
SIGNATURE = "manifest.json.sig"
PROOFS = (KEYS, CHAIN, SIGNATURE)
"""Signed documents that come along with a release and are no part of it; see `proofs`."""
LEFT_OUT = ".left-out.json"
"""A user's own note in a folder that was pulled, on which files were not wanted."""


_UNFINISHED = (".part", ".pieces")  # endings of what a pull has not finished


class Fault(Struct, frozen=True):
    """Something that is not as it was recorded."""

    kind: str  # of `errors_signing.KINDS`; in a data folder also unowned, lost, chain
    place: str  # relative to the folder that was verified
    expected: str = ""
    actual: str = ""


class Listed(Struct, frozen=True):
    """What verifying needs of a file in a manifest."""

    path: str
    bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    sha256: Digest
    resource: str | None = None
    form: str | None = None

    @property
    def written_as(self) -> str:
        """Its form; a manifest of old says none, and the name's ending is it."""
        return self.form or self.path.rsplit(".", 1)[-1]


class Manifest(Struct, frozen=True):
    """What verifying needs of a manifest.json."""

    dataset: str
    version: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    files: tuple[Listed, ...]
    previous: Digest | None = None  # digest of the manifest before

    def wanted(self, only: str | None) -> tuple[Listed, ...]:
        """Files in one form, all their parts, or all of them; descriptors come along always."""
        return tuple(
            file
            for file in self.files
            if only is None or file.resource is None or file.written_as == only
        )

    @property
    def forms(self) -> tuple[str, ...]:
        """Forms that there are files in."""
        return tuple(dict.fromkeys(f.written_as for f in self.files if f.resource is not None))


def verify_folder(
    folder: Path, *, name: str = "", only: str | None = None, left: frozenset[str] | None = None
) -> Iterator[Fault]:
    """Verify one release's folder offline: sizes and digests, nothing missing, nothing extra.

    With `only` files of other formats may be missing. In a folder of a user's own, those in `left`
    may be too; what describes a release must not.
    """
    place = f"{name}/" if name else ""
    try:
        data = read_document(folder / MANIFEST)
        manifest = strict(data, Manifest, place=MANIFEST, limit=MANIFEST_BYTES)
        check_names(manifest)
        text = read_document(folder / SUMS)
        sums = read_sums(text)
    except (OSError, ValueError) as error:
        yield Fault(kind="unreadable", place=f"{place}{MANIFEST}", actual=type(error).__name__)
        return
    except ProofInvalid as error:
        told = {name: error.facts[name] for name in ("kind", "expected", "actual")}
        yield Fault(place=f"{place}{MANIFEST}", **told)
        return
    listed = {file.path: file.sha256 for file in manifest.files}
    written = "".join(f"{digest}  {path}\n" for path, digest in sums.items())
    same = sums == listed | {MANIFEST: sums.get(MANIFEST, "")}
    if not same or written.encode() != text:
        yield Fault(kind="altered", place=f"{place}{SUMS}", expected="the manifest's digests")
    may_miss = left or frozenset()
    wanted = manifest.wanted(only)
    needed = {MANIFEST} | {f.path for f in wanted if f.resource is None or f.path not in may_miss}
    for path, expected in sums.items():
        if path in needed or (folder / path).exists():
            yield from _verify_file(folder, path, expected, place)
    present = {entry.name for entry in folder.iterdir()}
    besides = {SUMS, *PROOFS} if left is None else {SUMS, *PROOFS, LEFT_OUT}
    for path in sorted(present - sums.keys() - besides):
        yield Fault(kind="extra", place=place + path)


def read_document(path: Path) -> bytes:
    """Bytes of a document in a folder, of one that is too large a byte more than it may have.

    Raises:
        OSError: there is no such file.

    """
    if not path.is_file():  # a pipe would be read for ever
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        return file.read(MANIFEST_BYTES + 1)


def check_names(manifest: Manifest) -> None:
    """Check that every file of a manifest is one place in the release's own folder.

    Raises:
        ProofInvalid: a name leaves the folder, or two would be one file on some machine.

    """
    taken = {_folded(name) for name in (*PROOFS, SUMS, MANIFEST, LEFT_OUT)}
    for file in manifest.files:
        try:
            check_file_name(file.path)
        except NameInvalid as error:
            raise refused("name", MANIFEST, actual=error.facts["value"]) from None
        folded = _folded(file.path)
        if folded in taken or folded.endswith(_UNFINISHED):
            raise refused("name", MANIFEST, expected="names that differ", actual=file.path)
        taken.add(folded)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def check_sums(manifest: Manifest, data: bytes, text: bytes) -> None:
    """Check that SHA256SUMS says the same as a manifest, whose bytes are `data`.

    Raises:
        ProofInvalid: it does not.

    """
    expected = {file.path: file.sha256 for file in manifest.files}
    expected[MANIFEST] = sha256(data).hexdigest()
    try:
        same = read_sums(text) == expected
    except ValueError:
        same = False
    if not same:
        raise refused("altered", SUMS, expected="the manifest's digests")


def read_sums(text: bytes) -> dict[str, str]:
    """Digest of every file that SHA256SUMS names; ValueError where it is not in that form."""
    sums = {}
    for line in text.decode().splitlines():
        digest, _, name = line.partition("  ")
        if "/" in name or not name:
            raise ValueError(name)
        sums[name] = digest
    return sums


def _verify_file(folder: Path, path: str, expected: str, place: str) -> Iterator[Fault]:
    try:
        if not (folder / path).is_file():  # a pipe would be read for ever
            raise FileNotFoundError(path)
        actual = digest_of(folder / path)
    except OSError:
        yield Fault(kind="missing", place=place + path, expected=expected)
        return
    if actual != expected:
        yield Fault(kind="altered", place=place + path, expected=expected, actual=actual)


def unowned(store: Store) -> list[Path]:
    """Folders in public/ that no published release of the catalog owns."""
    with store.catalog.read() as db:
        owned = {(r.dataset, r.version) for r in releases.find(db) if r.withdrawn is None}
    return [
        path
        for dataset, version, path in store.objects.releases()
        if (dataset, version) not in owned
    ]


def verify_store(store: Store) -> Iterator[Fault]:
    """Verify a whole data folder: every release, every original it came from, the audit chain."""
    with store.catalog.read() as db:
        published = [r for r in releases.find(db) if r.withdrawn is None]
        broken = audit.broken_link(db)
        needed = submissions.originals(db)
    for folder in unowned(store):
        yield Fault(kind="unowned", place=str(folder.relative_to(store.objects.root)))
    for release in published:
        yield from _verify_release(store, release)
    for digest in sorted(needed):
        if not store.objects.received(digest).exists():
            yield Fault(kind="lost", place=f"received/{digest}", expected=digest)
    for original in sorted((store.objects.root / "received").iterdir()):
        actual = digest_of(original)
        if actual != original.name:
            yield Fault(
                kind="altered", place=f"received/{original.name}",
                expected=original.name, actual=actual,
            )  # fmt: skip
    if broken is not None:
        yield Fault(kind="chain", place=f"audit/{broken}")


def _verify_release(store: Store, release: Release) -> Iterator[Fault]:
    folder = store.objects.public(release.dataset, release.version)
    name = f"public/{release.dataset}/{release.version}"
    if not folder.is_dir():
        yield Fault(kind="lost", place=name)
        return
    yield from verify_folder(folder, name=name)
    manifest = folder / MANIFEST
    actual = digest_of(manifest) if manifest.exists() else ""
    if actual != release.manifest_sha256:  # files and manifest may agree and both be forged
        yield Fault(
            kind="altered",
            place=f"{name}/{MANIFEST}",
            expected=release.manifest_sha256,
            actual=actual,
        )
    else:
        yield from _verify_entry(release, folder, name)


class _Files(Struct, frozen=True):
    files: tuple[Distribution, ...]


def _verify_entry(release: Release, folder: Path, name: str) -> Iterator[Fault]:
    """Compare the catalog's list of files with the manifest, whose digest is right."""
    data = (folder / MANIFEST).read_bytes()
    files = msgspec.json.decode(data, type=_Files).files
    own = {file.path: file for file in release.files}
    sums = own.pop(SUMS, None)
    own.pop(MANIFEST, None)
    if list(own.values()) != list(files):
        yield Fault(kind="altered", place=f"catalog/{release.dataset}/{release.version}")
    if sums is not None:
        yield from _verify_file(folder, SUMS, sums.sha256, f"{name}/")
