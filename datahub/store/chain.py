"""The chain of a dataset's releases: one signed document, after the ideas of TUF.

It lists every release there ever was, tombstones too, with the digest of its manifest and of the
one before. So nobody can swap a release, leave one out, bring a withdrawn one back, or show an
old state as the newest one: the number only grows, and the document expires.

A chain is the same bytes for everybody until something changes or the day ends: it is issued at
the last change, or at the beginning of the day (UTC) where that is later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import sqlalchemy as sa

from datahub.errors_signing import refused
from datahub.model import Struct
from datahub.store import aliases, lifecycle, records
from datahub.store.signing import Digest, Stamp  # noqa: TC001 - msgspec reads annotations
from datahub.store.tables import releases

if TYPE_CHECKING:
    from datahub.store.engine import Db

CHAIN_BYTES = 8 << 20
DAYS = 7
"""For which a chain is fresh: so long may a release be kept from somebody unnoticed."""

Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Version = Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]


class Tombstone(Struct, frozen=True):
    """When and why a release was withdrawn."""

    at: str
    reason: str


class Entry(Struct, frozen=True):
    """A release in the chain."""

    version: Version
    released: str
    manifest_sha256: Digest
    previous: Digest | None
    withdrawn: Tombstone | None = None


class Chain(Struct, frozen=True):
    """Every release of a dataset, oldest first."""

    dataset: str
    formerly: tuple[str, ...]  # names the dataset had before, which its older manifests have
    number: Number  # of releases and withdrawals together, neither of which is ever undone
    issued: Stamp
    expires: Stamp
    latest: Version | None  # None: there is none, or the dataset is not served any more
    entries: tuple[Entry, ...]

    def entry(self, version: int) -> Entry | None:
        """Entry of a version; versions are numbered from 1 without a gap."""
        return self.entries[version - 1] if 0 < version <= len(self.entries) else None


def chain_of(db: Db, dataset: str, now: datetime) -> Chain:
    """Chain of a dataset as it is now.

    Raises:
        DatasetUnknown: there is no such dataset.
        DatasetMoved: it has another name now.

    """
    known = records.get_dataset(db, dataset)
    columns = releases.c
    query = sa.select(
        columns.version, columns.released, columns.manifest_sha256,
        columns.withdrawn, columns.reason,
    ).where(columns.dataset == dataset).order_by(columns.version)  # fmt: skip
    entries = _entries(db.execute(query).all())
    given = lifecycle.current(db, dataset)
    changes = [e.withdrawn.at if e.withdrawn else e.released for e in entries]
    issued = max(_day(now), *changes, given.at if given else "")
    return Chain(
        dataset=dataset,
        formerly=tuple(name for name in aliases.names_of(db, dataset) if "/" not in name),
        number=number_of(entries),
        issued=issued,
        expires=_later(issued),
        latest=known.latest if known.status in records.LISTED else None,
        entries=entries,
    )


def number_of(entries: tuple[Entry, ...]) -> int:
    """Releases and withdrawals together."""
    return len(entries) + sum(entry.withdrawn is not None for entry in entries)


def _entries(rows: Any) -> tuple[Entry, ...]:
    found: list[Entry] = []
    for row in rows:
        gone = None
        if row.withdrawn is not None:
            gone = Tombstone(at=row.withdrawn, reason=row.reason or "")
        entry = Entry(
            version=row.version,
            released=row.released,
            manifest_sha256=row.manifest_sha256,
            previous=found[-1].manifest_sha256 if found else None,
            withdrawn=gone,
        )
        found.append(entry)
    return tuple(found)


def _day(now: datetime) -> str:
    return f"{now:%Y-%m-%d}T00:00:00.000Z"


def _later(issued: str) -> str:
    until = datetime.fromisoformat(issued) + timedelta(days=DAYS)
    return until.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_chain(chain: Chain, place: str) -> None:
    """Check that a chain agrees with itself.

    Raises:
        ProofInvalid: a gap, a broken link, a wrong number, or a wrong latest.

    """
    before: Digest | None = None
    for count, entry in enumerate(chain.entries, start=1):
        if entry.version != count:
            raise refused("chain", place, expected=f"version {count}", actual=entry.version)
        if entry.previous != before:
            raise refused("chain", f"{place} {count}", expected=before, actual=entry.previous)
        before = entry.manifest_sha256
    if chain.number != number_of(chain.entries):
        raise refused("chain", place, expected=number_of(chain.entries), actual=chain.number)
    alive = [entry.version for entry in chain.entries if entry.withdrawn is None]
    newest = alive[-1] if alive else None
    if chain.latest not in (None, newest):
        raise refused("chain", place, expected=f"latest {newest}", actual=chain.latest)
