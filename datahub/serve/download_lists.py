"""Lists of a release's files for download programs; they hold absolute addresses.

`urls.txt` is for `wget -i` and `aria2c -i`; Metalink 4 (RFC 5854) adds sizes and digests, which
`aria2c -M` checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from datahub.model import Release

METALINK = "application/metalink4+xml"


def address(release: Release, name: str, version: str | None = None) -> str:
    """Path of a file of a release on this site; by its number, or as `version` says."""
    return f"/d/{release.dataset}/{version or release.version}/{quote(name, safe='')}"


def urls(release: Release, base: str) -> bytes:
    """Address of every file, one a line."""
    return "".join(f"{base}{address(release, file.path)}\n" for file in release.files).encode()


def metalink(release: Release, base: str) -> bytes:
    """Every file with name, size, SHA-256 and address."""
    files = "".join(
        f"  <file name={quoteattr(file.path)}>\n"
        f"    <size>{file.bytes}</size>\n"
        f'    <hash type="sha-256">{file.sha256}</hash>\n'
        f"    <url>{escape(base + address(release, file.path))}</url>\n"
        "  </file>\n"
        for file in release.files
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n'
        f"  <published>{release.released}</published>\n"
        f"{files}</metalink>\n"
    ).encode()
