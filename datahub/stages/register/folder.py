"""A catalog folder, read and checked before anything is changed.

    <folder>/catalog.yaml                        publishers, regions, themes, licences
    <folder>/datasets/<name>/datapackage.yaml    a Data Package 2.0; the catalog record's own
                                                 fields stand under `catalog`
    <folder>/glossary.yaml                       政务词条, where there are any

A dataset that is as it was registered was checked then, and is not checked again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path  # noqa: TC003 - msgspec reads annotations
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import CatalogError
from datahub.model import Dataset, Json, Struct
from datahub.record.problems import Context
from datahub.record.regions import Tree
from datahub.record.rules import complete
from datahub.stages.register.catalogfile import read_catalog
from datahub.stages.register.descriptors import Descriptor, Schemas
from datahub.stages.register.yamls import CATALOG_BYTES, failure, line_of, load
from datahub.store.records import package_digest as digest
from datahub.store.rulebook import tables, titles_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_TOLD = 50


class Folder(Struct, frozen=True):
    """A catalog folder that was read and checked."""

    path: Path
    catalog: Json
    packages: dict[str, Json]
    glossary: list[Any] | None = None
    digests: dict[str, str] = msgspec.field(default_factory=dict)


class Around(Struct, frozen=True):
    """What the catalog has already: datasets, and what is taken for ever."""

    known: dict[str, Dataset] = msgspec.field(default_factory=dict)
    names: dict[str, str] = msgspec.field(default_factory=dict)  # former names
    codes: dict[str, str] = msgspec.field(default_factory=dict)  # former codes
    lists: Json = msgspec.field(
        default_factory=dict
    )  # publishers, regions, themes, licences as registered


def read_folder(folder: Path, around: Around | None = None) -> Folder:
    """Read and check a catalog folder.

    Raises:
        CatalogError: with file, line and field of the first mistake; `problems` has all.

    """
    if not folder.is_dir():
        raise failure(folder, "没有这个文件夹", "there is no such folder")
    catalog = read_catalog(folder / "catalog.yaml")
    return _Reading(folder, catalog, around or Around()).read()


class _Reading:
    """One pass over a folder."""

    def __init__(self, folder: Path, catalog: Json, around: Around) -> None:
        self.folder, self.catalog, self.around = folder, catalog, around
        self.schemas = Schemas(folder)
        self.packages: dict[str, Json] = {}
        self.descriptors: dict[str, Descriptor] = {}
        self.errors: list[CatalogError] = []

    def read(self) -> Folder:
        for file in sorted(self.folder.glob("datasets/*/datapackage.yaml")):
            self._add(file)
            if len(self.errors) >= _MOST_TOLD:
                break
        if not self.packages and not self.errors:
            place = self.folder / "datasets"
            raise failure(place, "没有任何数据集", "there is no dataset in it")
        glossary = self._glossary()
        context = self._context()
        digests = {}
        for name, package in self.packages.items():
            whole = complete(package, context)
            self.packages[name] = whole = self._owned(name, whole)
            digests[name] = digest(whole)
            if not self._unchanged(name, digests[name]) and len(self.errors) < _MOST_TOLD:
                self.errors += self.descriptors[name].check(whole, context)
        if self.errors:
            raise _all(self.errors)
        return Folder(
            path=self.folder,
            catalog=self.catalog,
            packages=self.packages,
            glossary=glossary,
            digests=digests,
        )

    def _add(self, file: Path) -> None:
        try:
            descriptor = Descriptor(file, self.schemas)
            package = descriptor.package(self.catalog["name"])
        except CatalogError as error:
            self.errors.append(error)
            return
        name = package["name"]
        if name in self.packages:
            other = self.descriptors[name].file
            self.errors.append(
                descriptor.fail(
                    ("name",),
                    f"名称“{name}”已被 {other} 使用，数据集不能重名",
                    f"the name '{name}' is taken by {other}",
                    "duplicate-name",
                )
            )
            return
        self.packages[name], self.descriptors[name] = package, descriptor

    def _glossary(self) -> list[Any] | None:
        file = self.folder / "glossary.yaml"
        if not file.exists():
            return None
        content = load(file, CATALOG_BYTES)
        terms = content.get("terms") if isinstance(content, dict) else content
        if not isinstance(terms, list):
            raise failure(f"{file}:1 terms", "应为词条的列表", "a list of terms is expected")
        for number, term in enumerate(terms):
            if not isinstance(term, dict):
                place = f"{file}:{line_of(file, ('terms', number))} terms.{number}"
                raise failure(place, "应是键值映射", "a mapping is expected")
        return terms

    def _context(self) -> Context:
        """The catalog as it would be around each record."""
        around, listed = self.around, self.catalog
        others = {n: d for n, d in around.known.items() if n not in self.packages}
        codes = around.codes | {d.record["code"]: n for n, d in around.known.items()
                                if d.record.get("code")}  # fmt: skip
        for name, package in self.packages.items():
            record = package["catalog"]
            code = record.get("code") if isinstance(record, dict) else None
            if isinstance(code, str):
                codes.setdefault(code, name)
        titles: dict[tuple[str, str], str] = {}
        for key, name in titles_of(self.packages):
            titles.setdefault(key, name)
        gone = self._renamed()
        for name, dataset in others.items():
            if not dataset.retired and name not in gone and not self._leaves(dataset):
                titles.setdefault((dataset.publisher, dataset.title), name)
        plain = Context()
        return replace(
            plain,
            publishers={item["id"]: item for item in listed["publishers"]},
            themes={item["code"]: item for item in listed["themes"]},
            licenses={item["name"]: item for item in listed["licenses"]},
            regions=Tree(listed["regions"]),
            codes=codes,
            titles=titles,
            datasets={n: tables(d.package) for n, d in others.items()}
            | {n: tables(p) for n, p in self.packages.items()},
            aliases=around.names,
        )

    def _leaves(self, dataset: Dataset) -> bool:
        """Whether a dataset of this catalog is no longer in the folder."""
        return bool(dataset.record.get("catalog") == self.catalog["name"])

    def _renamed(self) -> set[str]:
        """Names that datasets of the folder had before."""
        found: set[str] = set()
        for package in self.packages.values():
            record = package["catalog"]
            names = record.get("formerly") if isinstance(record, dict) else None
            found |= {name for name in names or () if isinstance(name, str)}
        return found

    def _owned(self, name: str, package: Json) -> Json:
        """A record made by people belongs to no catalog, and stays so until the folder differs."""
        dataset = self.around.known.get(name)
        if dataset is None or dataset.record.get("catalog") or dataset.retired:
            return package
        free = package | {
            "catalog": {k: v for k, v in package["catalog"].items() if k != "catalog"}
        }
        return free if digest(free) == dataset.digest else package

    def _unchanged(self, name: str, digest_: str) -> bool:
        dataset = self.around.known.get(name)
        if dataset is None or dataset.retired:
            return False
        return bool(dataset.digest == digest_) and self._same_lists

    @cached_property
    def _same_lists(self) -> bool:
        lists: Mapping[str, Any] = self.around.lists
        return bool(lists) and all(_by(lists[n]) == _by(self.catalog[n]) for n in lists)


def _by(items: list[Json]) -> dict[str, Json]:
    return {item.get("id") or item.get("code") or item["name"]: item for item in items}


def _all(errors: list[CatalogError]) -> CatalogError:
    """The first mistake, with all of them as its `problems`."""
    first = errors[0].facts
    problems = [
        {
            "place": error.facts["place"],
            "rule": error.facts.get("rule", ""),
            "zh": error.facts["reason_zh"],
            "en": error.facts["reason_en"],
        }
        for error in errors[:_MOST_TOLD]
    ]
    return CatalogError(**first | {"problems": problems})
