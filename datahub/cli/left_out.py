"""What `pull` left out on purpose: its own note in the folder of a release, for `verify`.

The note is as little proof as the folder's names are: who can delete a file can write it here too.
So it only says which files need not be there, and `verify` says each time what it did not check.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from datahub.errors_signing import ProofInvalid, refused
from datahub.model import Struct
from datahub.store.signing import Digest, strict
from datahub.store.verify import LEFT_OUT, MANIFEST, MANIFEST_BYTES, Manifest, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_SHOWN = 12


class LeftOut(Struct, frozen=True):
    """Files of a release that were not asked for."""

    manifest_sha256: Digest
    files: tuple[str, ...]


def left_out(folder: Path) -> frozenset[str]:
    """Names of files that were left out of a folder, as far as they are of its manifest.

    Raises:
        ProofInvalid: the note cannot be read.

    """
    found = _read(folder)
    path = folder / MANIFEST
    if found is None or not path.is_file():
        return frozenset()
    same = found.manifest_sha256 == sha256(read_document(path)).hexdigest()
    return frozenset(found.files) if same else frozenset()


def note(
    folder: Path,
    manifest: Manifest,
    data: bytes,
    only: str | None,
    write: Callable[[Path, bytes], None],
) -> list[str]:
    """Note what a pull leaves out of a folder and no pull before it wanted; return it.

    `data` are the manifest's bytes; `write` puts a file into place.
    """
    wanted = {file.path for file in manifest.wanted(only)}
    left = [file.path for file in manifest.files if file.path not in wanted]
    before, digest = _readable(folder), sha256(data).hexdigest()
    if before is not None and before.manifest_sha256 == digest:
        left = [path for path in left if path in before.files]
    left = [path for path in left if not (folder / path).exists()]
    if left:
        made = LeftOut(manifest_sha256=digest, files=tuple(left))
        write(folder / LEFT_OUT, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    else:
        (folder / LEFT_OUT).unlink(missing_ok=True)
    return left


def shown(names: Iterable[str]) -> str:
    """Names in a line; of very many the first ones and how many more."""
    listed = list(names)
    more = f" … (+{len(listed) - _SHOWN})" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _read(folder: Path) -> LeftOut | None:
    path = folder / LEFT_OUT
    if not path.exists():
        return None
    if not path.is_file():  # a pipe would be read for ever
        raise refused("unreadable", LEFT_OUT)
    return strict(read_document(path), LeftOut, place=LEFT_OUT, limit=MANIFEST_BYTES)


def _readable(folder: Path) -> LeftOut | None:
    try:
        return _read(folder)
    except ProofInvalid:
        return None  # it is written anew
