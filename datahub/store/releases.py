"""Releases: a row makes a version visible, a tombstone hides its files and keeps the reason."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import ParameterInvalid, ReleaseUnknown, ReleaseWithdrawn, StateError
from datahub.model import Distribution, Json, Release
from datahub.store import audit, changes, milestones, records
from datahub.store.tables import releases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.store.engine import Db

_LOCAL = timezone(timedelta(hours=8))  # of a date or time without a zone
_TOO_LARGE = 1 << 62  # for an integer column


def _release(row: Any) -> Release:
    return Release(
        dataset=row.dataset,
        version=row.version,
        released=row.released,
        submission=row.submission,
        manifest_sha256=row.manifest_sha256,
        files=msgspec.json.decode(row.files, type=tuple[Distribution, ...]),
        withdrawn=row.withdrawn,
        reason=row.reason,
        withdrawn_by=row.withdrawn_by,
    )


def _where(dataset: str, version: int) -> Any:
    return sa.and_(releases.c.dataset == dataset, releases.c.version == version)


def add(db: Db, release: Release, package: Json, *, who: str) -> None:
    """Make a release visible and point `latest` at it."""
    rows, cells = size_of(release.files, package)
    db.execute(
        releases.insert().values(
            dataset=release.dataset,
            version=release.version,
            submission=release.submission,
            released=release.released,
            manifest_sha256=release.manifest_sha256,
            package=msgspec.json.encode(package).decode(),
            files=msgspec.json.encode(release.files).decode(),
            rows=rows,
            cells=cells,
        )
    )
    _point(db, release, package, now=release.released)
    changes.append(db, release.released, release.dataset, "released", release.version)
    audit.append(
        db,
        release.released,
        who,
        "release:published",
        f"{release.dataset}/{release.version}",
        after=release.manifest_sha256,
    )


def size_of(files: Iterable[Distribution], package: Json) -> tuple[int, int]:
    """Rows of a release over all resources, and its cells (数据容量: rows × fields)."""
    whole = (file for file in files if file.resource and file.rows and file.part is None)
    rows = {file.resource: file.rows or 0 for file in whole}
    width = {item["name"]: len(item["schema"]["fields"]) for item in package["resources"]}
    cells = sum(count * width.get(name, 0) for name, count in rows.items())
    return sum(rows.values()), cells


def _point(db: Db, release: Release, package: Json, *, now: str) -> None:
    """Make a release the latest one."""
    rows, cells = size_of(release.files, package)
    name = release.dataset
    records.set_latest(db, name, release.version, rows=rows, cells=cells, at=release.released)
    milestones.refresh(db, name, now)


def next_version(db: Db, dataset: str) -> int:
    """Number of the release that comes next; withdrawn numbers are not used again."""
    last = db.scalar(
        sa.select(sa.func.max(releases.c.version)).where(releases.c.dataset == dataset)
    )
    return (last or 0) + 1


def find(db: Db, dataset: str | None = None) -> list[Release]:
    """Releases, newest first, tombstones included."""
    query = sa.select(releases).order_by(releases.c.dataset, releases.c.version.desc())
    if dataset is not None:
        query = query.where(releases.c.dataset == dataset)
    return [_release(row) for row in db.execute(query)]


def get(db: Db, dataset: str, version: int | None) -> Release:
    """Return a release, `None` meaning the latest.

    Raises:
        DatasetUnknown: there is no such dataset.
        ReleaseUnknown: it has no such release, or none at all.
        ReleaseWithdrawn: it was taken down; the error carries date and reason.

    """
    if version is None:
        version = records.latest_version(db, dataset)
    known = version is not None and 0 < version < _TOO_LARGE
    row = (
        db.execute(sa.select(releases).where(_where(dataset, version or 0))).first()
        if known
        else None
    )
    if row is None:
        raise _unknown(db, dataset, version)
    if row.withdrawn is not None:
        raise ReleaseWithdrawn(
            dataset=dataset, version=version, at=row.withdrawn, reason=row.reason
        )
    return _release(row)


def _unknown(db: Db, dataset: str, version: int | None) -> ReleaseUnknown:
    known = records.get_dataset(db, dataset)
    there = [r.version for r in find(db, dataset) if r.withdrawn is None]
    if not there:
        hint = "还没有发布任何版本", "nothing has been released yet"
    else:
        hint = (
            f"现有版本：{there}，最新 {known.latest}",
            f"releases: {there}, latest {known.latest}",
        )
    return ReleaseUnknown(
        dataset=dataset,
        version="latest" if version is None else version,
        hint_zh=hint[0],
        hint_en=hint[1],
    )


def end_of(text: str) -> str:
    """Last moment of a day, or a time as it stands, in the form that releases are dated in.

    Raises:
        ParameterInvalid: neither a date nor a time.

    """
    try:
        if len(text) == len("2025-01-31"):
            day = date.fromisoformat(text)
            return f"{day.isoformat()}T15:59:59.999Z"  # the end of the day at +08:00
        at = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)\Z", r"+\1", text))
        at = at.replace(tzinfo=at.tzinfo or _LOCAL).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParameterInvalid(
            name="as_of", value=text[:40],
            reason_zh="应为日期 2025-01-31 或时间 2025-01-31T08:00:00+08:00",
            reason_en="give a date 2025-01-31 or a time 2025-01-31T08:00:00+08:00",
        ) from None  # fmt: skip
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def get_package(db: Db, dataset: str, version: int) -> Json:
    """Descriptor (Data Package) of a release, as it was released."""
    text = db.scalar(sa.select(releases.c.package).where(_where(dataset, version)))
    package: Json = msgspec.json.decode(text or "{}")
    return package


def withdraw(db: Db, release: Release, *, reason: str, who: str, at: str) -> None:
    """Turn a release into a tombstone; `latest` falls back to the newest that remains.

    Raises:
        StateError: it is a tombstone already.

    """
    changed = db.execute(
        releases.update()
        .where(_where(release.dataset, release.version), releases.c.withdrawn.is_(None))
        .values(withdrawn=at, reason=reason, withdrawn_by=who)
    )
    subject = f"{release.dataset}/{release.version}"
    if changed.rowcount == 0:
        raise StateError(
            what="release", id=subject, state="已撤回 withdrawn",
            action_zh="再次撤回", action_en="withdrawn again",
        )  # fmt: skip
    remaining = [r for r in find(db, release.dataset) if r.withdrawn is None]
    if remaining:
        last = remaining[0]
        _point(db, last, get_package(db, release.dataset, last.version), now=at)
    else:
        records.set_latest(db, release.dataset, None)
    changes.append(db, at, release.dataset, "withdrawn", release.version)
    audit.append(
        db, at, who, "release:withdrawn", subject, before=release.manifest_sha256, after=reason
    )
