"""What registering a folder would change, told before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import CatalogError, DatahubError
from datahub.model import Dataset, Json, Struct
from datahub.record.compare import compare
from datahub.record.duplicates import Duplicate, Index
from datahub.record.rules import Changed, guarded
from datahub.stages.register.catalogfile import LISTS
from datahub.stages.register.yamls import failure, line_of
from datahub.store import glossary, proposals, records

if TYPE_CHECKING:
    from datahub.stages.register.folder import Folder
    from datahub.store import Db


_MOST_DUPLICATES = 500


class Plan(Struct, frozen=True):
    """What registering would change, by dataset name."""

    catalog: str
    add: tuple[str, ...]
    change: tuple[str, ...]
    retire: tuple[str, ...]
    same: tuple[str, ...]
    vocabularies: bool  # publishers, regions, themes or licences change
    rename: tuple[tuple[str, str], ...] = ()
    review: tuple[str, ...] = ()  # fixed at registration: a second person decides
    waiting: tuple[str, ...] = ()  # the same change is waiting for a decision already
    lists: tuple[str, ...] = ()  # which of the lists change
    terms: tuple[str, ...] = ()  # glossary entries that come or change
    differences: dict[str, tuple[Changed, ...]] = msgspec.field(default_factory=dict)
    duplicates: tuple[Duplicate, ...] = ()
    titles: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        datasets = self.add or self.change or self.retire or self.rename or self.review
        return not (datasets or self.vocabularies or self.terms)


def make_plan(
    db: Db,
    wanted: Folder,
    *,
    now: str,
    known: dict[str, Dataset] | None = None,
    duplicates: tuple[Duplicate, ...] | None = None,
) -> Plan:
    """Compare a folder with the catalog.

    Raises:
        CatalogError: a dataset belongs to another catalog, or a former name is another's.

    """
    name = wanted.catalog["name"]
    known = records.all_datasets(db) if known is None else known
    renames = _renames(wanted, known)
    base = {new: known[old] for old, new in renames} | {
        n: known[n] for n in wanted.packages.keys() & known.keys()
    }
    for dataset, found in base.items():
        owner = found.record.get("catalog")
        if owner and owner != name:
            raise failure(dataset, f"数据集已属于目录 {owner}", f"dataset belongs to {owner}")
    same = {n for n, found in base.items() if _is_same(found, wanted.digests[n])}
    differing = sorted(base.keys() - same)
    fixed = {n for n in differing if guarded(base[n].package, wanted.packages[n])}
    pending = {(p.dataset, p.digest, p.base_digest) for p in proposals.pending(db)}
    waiting = {n for n in fixed if (n, wanted.digests[n], base[n].digest) in pending}
    gone = {old for old, _ in renames}
    mine = {n for n, d in known.items() if d.record.get("catalog") == name and not d.retired}
    added = sorted(wanted.packages.keys() - base.keys())
    lists = changed_lists(db, wanted.catalog)
    return Plan(
        catalog=name,
        add=tuple(added),
        change=tuple(n for n in differing if n not in fixed),
        retire=tuple(sorted(mine - wanted.packages.keys() - gone)),
        same=tuple(sorted(same)),
        vocabularies=bool(lists),
        rename=tuple(renames),
        review=tuple(sorted(fixed - waiting)),
        waiting=tuple(sorted(waiting)),
        lists=lists,
        terms=_terms(db, wanted, now),
        differences={n: tuple(compare(base[n].package, wanted.packages[n])) for n in differing},
        duplicates=_duplicates(known, wanted, [*added, *differing])
        if duplicates is None
        else duplicates,
        titles={n: wanted.packages[n]["title"] for n in [*added, *differing]},
    )


def _is_same(dataset: Dataset, digest: str) -> bool:
    return not dataset.retired and dataset.digest == digest


def _renames(wanted: Folder, known: dict[str, Dataset]) -> list[tuple[str, str]]:
    """Old and new name of the datasets that the folder gives another name."""
    found: dict[str, str] = {}
    for name, package in wanted.packages.items():
        for old in package["catalog"].get("formerly") or ():
            if old in wanted.packages:
                raise failure(
                    f"{name} catalog.formerly",
                    f"“{old}”还在目录里，不能同时是 {name} 的曾用标识",
                    f"'{old}' is still in the folder and cannot be a former name of {name}",
                    rule="name-used",
                )
            if old not in known or name in known:
                continue
            if old in found:
                raise failure(
                    f"{name} catalog.formerly",
                    f"“{old}”已由 {found[old]} 声明为曾用标识",
                    f"'{old}' is claimed by {found[old]} too",
                    rule="name-used",
                )
            found[old] = name
    return sorted(found.items())


def changed_lists(db: Db, catalog: Json) -> tuple[str, ...]:
    """Which lists of the catalog differ; publishers that left a folder stay."""
    found = []
    for name, key in LISTS.items():
        items = known_list(db, name)
        before, after = ({item[key]: item for item in all_} for all_ in (items, catalog[name]))
        kept = before if name != "publishers" else {k: v for k, v in before.items() if k in after}
        if kept != after:
            found.append(name)
    if own_terms(catalog) not in records.get_terms(db, "catalog"):
        found.append("catalog")
    return tuple(found)


def known_list(db: Db, name: str) -> list[Json]:
    """A list of the catalog as it was registered."""
    kind = name.removesuffix("s")
    return records.get_publishers(db) if name == "publishers" else records.get_terms(db, kind)


def own_terms(catalog: Json) -> Json:
    """What a catalog says of itself."""
    keys = ("name", "title", "title_en", "description")
    return {key: catalog[key] for key in keys if catalog.get(key)}


def _terms(db: Db, wanted: Folder, now: str) -> tuple[str, ...]:
    if wanted.glossary is None:
        return ()
    coming = {
        "owner": [item["id"] for item in wanted.catalog["publishers"]],
        "region": [item["code"] for item in wanted.catalog["regions"]],
        "related_datasets": list(wanted.packages),
    }
    name = wanted.catalog["name"]
    try:
        found = glossary.plan(db, wanted.glossary, now, catalog=name, coming=coming)
    except DatahubError as error:
        raise _term_error(wanted, error) from None
    return (*found.added, *found.changed, *found.retired)


def _term_error(wanted: Folder, error: DatahubError) -> CatalogError:
    """The mistake of an entry, with file and line."""
    file = wanted.path / "glossary.yaml"
    entries, term = wanted.glossary or [], error.facts.get("term")
    number = next((n for n, item in enumerate(entries) if item.get("id") == term), 0)
    field = str(error.facts.get("field", ""))
    line = line_of(file, ("terms", number, field))
    place = f"{file}:{line} terms.{number}.{field}"
    return failure(place, error.text_zh, error.text_en, rule=error.code)


def _duplicates(
    known: dict[str, Dataset], wanted: Folder, names: list[str]
) -> tuple[Duplicate, ...]:
    """Records of other publishers that the new and changed ones seem to repeat."""
    if not names:
        return ()
    index, packages = Index(), {n: d.package for n, d in known.items() if not d.retired}
    for package in (packages | wanted.packages).values():
        index.add(package)
    found: list[Duplicate] = []
    told: set[frozenset[str]] = set()
    for name in names:
        if len(found) >= _MOST_DUPLICATES:
            break
        for item in index.find(wanted.packages[name]):
            pair = frozenset((item.dataset, item.like))
            if pair not in told:
                told.add(pair)
                found.append(item)
    return tuple(found)


def shown(value: Any, most: int = 60) -> str:
    """Value of a field on one line."""
    import json

    if value is None:
        return "（无）"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}…"
