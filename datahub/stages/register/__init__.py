"""Stage register: a catalog folder becomes publishers, datasets and resources, and back.

Declarative and idempotent: a plan says what would change, applying it changes just that. A
mistake is refused with file, line, field and rule before anything is changed; nothing that was
released is ever deleted. `folder` reads, `plan` compares, `apply` does it, `export` writes a
folder that registers to the same catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.clock import stamp
from datahub.stages.register.apply import apply_plan
from datahub.stages.register.catalogfile import LISTS
from datahub.stages.register.descriptors import read_schema
from datahub.stages.register.export import export
from datahub.stages.register.folder import Around, Folder, read_folder
from datahub.stages.register.plan import Plan, known_list, make_plan
from datahub.store import aliases, records, rulebook
from datahub.store.records import package_digest as digest

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.store import Db, Store

__all__ = ["Folder", "Plan", "digest", "export", "read_folder", "read_schema", "register"]


def register(store: Store, folder: Path, *, apply: bool = True, who: str = "operator") -> Plan:
    """Compare a catalog folder with the catalog, and unless told otherwise make it so.

    Datasets that left the folder are retired from the lists; nothing that was released goes.

    Raises:
        CatalogError: the folder has a mistake; its place is file, line and field.

    """
    now = stamp(store.clock)
    with store.catalog.read() as db:
        around = _around(db)
        wanted = read_folder(folder, around)
        plan = make_plan(db, wanted, now=now, known=around.known)
        if plan.empty or not apply:
            return plan
    with store.catalog.write() as db:
        # Somebody may have changed the catalog meanwhile.
        plan = make_plan(db, wanted, now=now, duplicates=plan.duplicates)
        apply_plan(store, db, wanted, plan, now=now, who=who)
    if plan.rename:
        aliases.sweep(store)
    return plan


def _around(db: Db) -> Around:
    names, codes = rulebook.former(db)
    return Around(
        known=records.all_datasets(db),
        names=names,
        codes=codes,
        lists={name: known_list(db, name) for name in LISTS},
    )
