"""Re-read bytes against manifests; the folder of a release needs nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from datahub.model import Distribution, Release, Struct
from datahub.store import audit, releases, submissions
from datahub.store.objects import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datahub.store.stores import Store

SUMS = "SHA256SUMS"


class Fault(Struct, frozen=True):
    """Something that is not as it was recorded."""

    kind: str  # missing, altered, extra, unowned, unreadable, lost, chain
    place: str  # relative to the folder that was verified
    expected: str = ""
    actual: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What verifying needs of a manifest.json."""

    dataset: str
    version: int
    files: tuple[Distribution, ...]


def verify_folder(folder: Path, *, name: str = "", extras: bool = True) -> Iterator[Fault]:
    """Verify one release's folder offline: sizes and digests, nothing missing, nothing extra."""
    place = f"{name}/" if name else ""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
        sums = _read_sums(folder / SUMS)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        yield Fault(kind="unreadable", place=f"{place}manifest.json", actual=type(error).__name__)
        return
    listed = {file.path: file.sha256 for file in manifest.files}
    written = "".join(f"{digest}  {path}\n" for path, digest in sums.items())
    same = sums == listed | {"manifest.json": sums.get("manifest.json", "")}
    if not same or written.encode() != (folder / SUMS).read_bytes():
        yield Fault(kind="altered", place=f"{place}{SUMS}", expected="the manifest's digests")
    for path, expected in sums.items():
        yield from _verify_file(folder, path, expected, place)
    if extras:
        present = {entry.name for entry in folder.iterdir()}
        for path in sorted(present - sums.keys() - {SUMS}):
            yield Fault(kind="extra", place=place + path)


def _read_sums(path: Path) -> dict[str, str]:
    sums = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if "/" in name or not name:
            raise ValueError(name)
        sums[name] = digest
    return sums


def _verify_file(folder: Path, path: str, expected: str, place: str) -> Iterator[Fault]:
    try:
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
    manifest = folder / "manifest.json"
    actual = digest_of(manifest) if manifest.exists() else ""
    if actual != release.manifest_sha256:  # files and manifest may agree and both be forged
        yield Fault(
            kind="altered",
            place=f"{name}/manifest.json",
            expected=release.manifest_sha256,
            actual=actual,
        )
    else:
        yield from _verify_entry(release, folder, name)


def _verify_entry(release: Release, folder: Path, name: str) -> Iterator[Fault]:
    """Compare the catalog's list of files with the manifest, whose digest is right."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    own = {file.path: file for file in release.files}
    sums = own.pop(SUMS, None)
    own.pop("manifest.json", None)
    if list(own.values()) != list(manifest.files):
        yield Fault(kind="altered", place=f"catalog/{release.dataset}/{release.version}")
    if sums is not None:
        yield from _verify_file(folder, SUMS, sums.sha256, f"{name}/")
