"""Renaming: a dataset gets another name, the old one is kept for ever and redirects.

All rows follow in one transaction. The public files follow by hard links that are made before
the commit; the old folder is swept after it. Killed before the commit, the old name is whole
and the links are garbage; killed after it, the new name is whole and the old folder is garbage.
Both are told by the catalog alone: a folder in public/ of a name that no dataset has. The one
writing transaction is also the lock that keeps sweeping and linking apart.
"""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import StateError
from datahub.guard.text import check_name
from datahub.store import audit, changes, records
from datahub.store import releases as releasing
from datahub.store.objects import full_disk_told, sync_folder
from datahub.store.tables import (
    aliases,
    datasets,
    field_ids,
    milestones,
    proposals,
    releases,
    statuses,
    submissions,
)

if TYPE_CHECKING:
    from datahub.store.engine import Db
    from datahub.store.objects import Objects
    from datahub.store.stores import Store

_FOLLOWING = (field_ids, milestones, proposals, releases, statuses, submissions, aliases)
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)


def names_of(db: Db, dataset: str) -> list[str]:
    """Names and codes that a dataset had before."""
    query = sa.select(aliases.c.alias).where(aliases.c.dataset == dataset)
    return list(db.scalars(query.order_by(aliases.c.at, aliases.c.alias)))


def rename(db: Db, objects: Objects, old: str, new: str, *, who: str, now: str) -> None:
    """Give a dataset another name, within a writing transaction; afterwards call `sweep`.

    Raises:
        DatasetUnknown: there is no dataset called `old`.
        NameInvalid: the new name is none.
        NameTaken: the new name is, or once was, another dataset's.
        StateError: the dataset is a tombstone.

    """
    check_name(new, "数据集名 dataset name")
    found = records.get_dataset(db, old)
    if found.status == "tombstone":
        raise StateError(
            what="dataset", id=old, state="已注销 tombstone",
            action_zh="更名", action_en="renamed",
        )  # fmt: skip
    records.check_free(db, new, own=old)
    versions = [r.version for r in releasing.find(db, old) if r.withdrawn is None]
    for version in versions:
        link_release(objects, old, new, version)
    package = found.package | {"name": new}
    digest = records.package_digest(package)
    _move_rows(db, old, new, package=package, digest=digest, now=now)
    _move_proposals(db, new, before=found.digest, after=digest)
    changes.append(db, now, old, "renamed")
    changes.append(db, now, new, "renamed")
    audit.append(db, now, who, "dataset:renamed", new, before=old, after=new)


def _move_rows(db: Db, old: str, new: str, *, package: Any, digest: str, now: str) -> None:
    row = db.execute(sa.select(datasets).where(datasets.c.name == old)).one()
    text = msgspec.json.encode(package).decode()
    values = row._asdict() | {"name": new, "package": text, "digest": digest, "modified": now}
    db.execute(datasets.insert().values(**values | {"search": f"{row.search}\n{new}"}))
    for table in _FOLLOWING:
        db.execute(table.update().where(table.c.dataset == old).values(dataset=new))
    db.execute(statuses.update().where(statuses.c.successor == old).values(successor=new))
    db.execute(datasets.delete().where(datasets.c.name == old))
    db.execute(aliases.delete().where(aliases.c.alias == new))  # it takes an own old name back
    db.execute(aliases.insert().values(alias=old, dataset=new, at=now))


def _move_proposals(db: Db, name: str, *, before: str, after: str) -> None:
    """Let proposals that wait apply to the record under its new name."""
    waiting = sa.select(proposals).where(
        proposals.c.dataset == name, proposals.c.state == "pending"
    )
    for row in db.execute(waiting).all():
        package = msgspec.json.decode(row.package) | {"name": name}
        values = {
            "package": msgspec.json.encode(package).decode(),
            "digest": records.package_digest(package),
            "base_digest": after if row.base_digest == before else row.base_digest,
        }
        db.execute(proposals.update().where(proposals.c.id == row.id).values(**values))


def link_release(objects: Objects, old: str, new: str, version: int) -> None:
    """Show the files of a release under another name as well; the bytes are there once."""
    source, target = objects.public(old, version), objects.public(new, version)
    staged = objects.staging()
    with full_disk_told():
        shutil.copytree(source, staged, copy_function=_link, dirs_exist_ok=True)
        for folder, _, _ in os.walk(staged):
            sync_folder(staged.__class__(folder))
        target.parent.mkdir(exist_ok=True)
        if target.exists():  # left by a renaming that was killed before its commit
            objects.discard(target)
        staged.rename(target)
        sync_folder(target.parent)
        sync_folder(target.parent.parent)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, target)
        with open(target, "rb") as file:  # noqa: PTH123 - what copytree gives is text
            os.fsync(file.fileno())


def sweep(store: Store) -> None:
    """Remove public folders of names that no dataset has: what renaming leaves behind."""
    public, withdrawn = store.objects.root / "public", store.objects.root / "withdrawn"
    there = {p.name for folder in (public, withdrawn) for p in folder.iterdir() if p.is_dir()}
    with store.catalog.read() as db:
        stray = there - set(db.scalars(sa.select(datasets.c.name)))
    if not stray:
        return
    with store.catalog.write() as db:  # nobody renames meanwhile
        for name in sorted(stray - set(db.scalars(sa.select(datasets.c.name)))):
            if (public / name).is_dir():
                store.objects.discard(public / name)
            now = db.scalar(sa.select(aliases.c.dataset).where(aliases.c.alias == name))
            if now is not None and (withdrawn / name).is_dir():
                _move_withdrawn(store.objects, name, now)


def _move_withdrawn(objects: Objects, old: str, new: str) -> None:
    """Let the files of withdrawn releases, which nobody is served, follow too."""
    source, target = objects.root / "withdrawn" / old, objects.root / "withdrawn" / new
    target.mkdir(exist_ok=True)
    for version in source.iterdir():
        if not (target / version.name).exists():
            version.rename(target / version.name)
    sync_folder(target)
    if not any(source.iterdir()):
        source.rmdir()
