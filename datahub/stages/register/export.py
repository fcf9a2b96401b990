"""Writing the catalog as a folder that registers to the same catalog."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from datahub.model import Json, Struct
from datahub.stages.register.plan import known_list
from datahub.stages.register.yamls import failure
from datahub.store import editions, records

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.record.glossary import Term
    from datahub.store import Db, Store

_HEAD = "# 由 datahub catalog export 写出；可改动后再用 datahub register 登记。\n"


class Exported(Struct, frozen=True):
    """What was written."""

    catalog: str
    datasets: int
    publishers: int
    terms: int


class _Dumper(yaml.CSafeDumper):
    """The safe dumper without anchors: a value that stands twice is written twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def export(store: Store, folder: Path, *, catalog: str = "") -> Exported:
    """Write publishers, regions, themes, licences, records, schemas and glossary to a new folder.

    Retired datasets are not in it; their releases stay where they are.

    Raises:
        CatalogError: the folder is there already, or it is not clear which catalog is meant.

    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise failure(folder, "文件夹已存在且不是空的", "the folder exists and is not empty")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with store.catalog.read() as db:
            done = _write(db, partial, _chosen(db, catalog))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return done


def _chosen(db: Db, name: str) -> Json:
    """The catalog of this name, or the only one."""
    known = {item["name"]: item for item in records.get_terms(db, "catalog")}
    if not known:  # registered before catalogs were kept
        owners = {str(d.record.get("catalog", "")) for d in records.all_datasets(db).values()}
        known = {owner: {"name": owner, "title": owner} for owner in sorted(owners - {""})}
    if name in known:
        return known[name]
    if name or len(known) != 1:
        shown = "、".join(known) or "（还没有登记）"
        zh = f"没有目录“{name}”，现有：{shown}" if name else f"请用 --catalog 指明目录：{shown}"
        raise failure(name or "catalog", zh, f"choose a catalog of: {', '.join(known)}")
    return next(iter(known.values()))


def _write(db: Db, folder: Path, own: Json) -> Exported:
    lists = {name: known_list(db, name) for name in ("regions", "themes", "licenses", "publishers")}
    (folder / "catalog.yaml").write_text(_HEAD + _yaml(own | lists), encoding="utf-8")
    written: set[str] = set()
    for dataset in records.all_datasets(db).values():
        if not dataset.retired and dataset.record.get("catalog") in (None, "", own["name"]):
            _write_dataset(folder / "datasets" / dataset.name, dataset.package)
            written.add(dataset.name)
    terms = [_term(item.term, written) for item in editions.holding(db).values()]
    if terms:
        (folder / "glossary.yaml").write_text(_HEAD + _yaml({"terms": terms}), encoding="utf-8")
    return Exported(
        catalog=own["name"],
        datasets=len(written),
        publishers=len(lists["publishers"]),
        terms=len(terms),
    )


def _write_dataset(place: Path, package: Json) -> None:
    (place / "schemas").mkdir(parents=True)
    resources = []
    for resource in package["resources"]:
        file = f"schemas/{resource['name']}.json"
        text = json.dumps(resource["schema"], ensure_ascii=False, indent=2)
        (place / file).write_text(f"{text}\n", encoding="utf-8")
        resources.append(resource | {"schema": file})
    record = {key: value for key, value in package["catalog"].items() if key != "catalog"}
    content = package | {"resources": resources, "catalog": record}
    (place / "datapackage.yaml").write_text(_yaml(content), encoding="utf-8")


def _term(term: Term, datasets: set[str]) -> Json:
    """A glossary entry without its number, what is empty, and datasets that are not exported."""
    plain: Json = msgspec.to_builtins(term)
    plain["related_datasets"] = [name for name in term.related_datasets if name in datasets]
    return {key: value for key, value in plain.items() if value and key != "version"}


def _yaml(value: Any) -> str:
    return str(
        yaml.dump(
            msgspec.to_builtins(value),
            Dumper=_Dumper,
            allow_unicode=True,
            sort_keys=False,
            width=100,
        )
    )
