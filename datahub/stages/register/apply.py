"""Doing what a plan says, within one writing transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from datahub.stages.register.catalogfile import LISTS
from datahub.stages.register.plan import own_terms
from datahub.store import aliases, audit, bulk, changes, glossary, proposals, records

if TYPE_CHECKING:
    from datahub.model import Json
    from datahub.stages.register.folder import Folder
    from datahub.stages.register.plan import Plan
    from datahub.store import Db, Store


def apply_plan(store: Store, db: Db, wanted: Folder, plan: Plan, *, now: str, who: str) -> None:
    """Make the catalog what the folder says; changes that need a second person are proposed."""
    if plan.lists:
        _save_lists(db, wanted.catalog, now=now, who=who)
    for old, new in plan.rename:
        aliases.rename(db, store.objects, old, new, who=who, now=now)
    publishers = {item["id"]: item["title"] for item in wanted.catalog["publishers"]}
    for name in plan.change:
        package, digest = wanted.packages[name], wanted.digests[name]
        words = search_text(package, publishers[package["catalog"]["publisher"]])
        records.save_dataset(db, package, digest=digest, search=words, now=now)
        audit.append(db, now, who, "dataset:registered", name, after=digest)
    added = (wanted.packages[name] for name in plan.add)
    bulk.add_datasets(
        db,
        (
            (item, wanted.digests[item["name"]],
             search_text(item, publishers[item["catalog"]["publisher"]]))
            for item in added
        ),
        now=now,
        who=who,
        what="dataset:registered",
    )  # fmt: skip
    for name in plan.review:
        _propose(db, wanted, plan, name, now=now, who=who)
    for name in plan.retire:
        records.retire_dataset(db, name, now=now)
        audit.append(db, now, who, "dataset:retired", name)
    if wanted.glossary is not None and plan.terms:
        glossary.sync(db, wanted.glossary, now, who, catalog=plan.catalog)


def _save_lists(db: Db, catalog: Json, *, now: str, who: str) -> None:
    for name, key in LISTS.items():
        if name == "publishers":
            for item in catalog[name]:
                records.save_publisher(db, item)
        else:
            records.save_terms(db, name.removesuffix("s"), catalog[name], code=key)
    others = [c for c in records.get_terms(db, "catalog") if c["name"] != catalog["name"]]
    records.save_terms(db, "catalog", [*others, own_terms(catalog)], code="name")
    changes.append(db, now, changes.CATALOG, "vocabulary")
    audit.append(db, now, who, "catalog:lists", catalog["name"])


def _propose(db: Db, wanted: Folder, plan: Plan, name: str, *, now: str, who: str) -> None:
    current = records.get_dataset(db, name)
    proposals.add(
        db,
        package=wanted.packages[name],
        digest=wanted.digests[name],
        base_digest=current.digest,
        changes=msgspec.to_builtins(plan.differences[name]),
        proposer=who,
        reason=f"目录文件夹 {plan.catalog} 的变更 (register)",
        now=now,
    )


def search_text(package: Json, publisher: str) -> str:
    """Text that the simple search looks in, as `records.search_text` makes it."""
    words = [package["name"], package["title"], package.get("description", ""), publisher]
    words += package.get("keywords", [])
    for resource in package["resources"]:
        words += [resource["name"], resource.get("title", "")]
        words += [field.get("title", field["name"]) for field in resource["schema"]["fields"]]
    return "\n".join(words)
