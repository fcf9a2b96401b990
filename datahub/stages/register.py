"""Stage register: a catalog folder becomes publishers, datasets and resources.

    <folder>/catalog.yaml                        publishers, regions, themes, licences
    <folder>/datasets/<name>/datapackage.yaml    a Data Package 2.0; the catalog record's own
                                                 fields stand under `catalog`

Declarative and idempotent: a plan says what would change, applying it changes just that. A
mistake is refused with file, line and field before anything is changed.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from datahub.clock import stamp
from datahub.errors import CatalogError, NameInvalid
from datahub.guard.text import check_name
from datahub.model import Json, Openness, Struct
from datahub.record.codes import is_credit_code
from datahub.store import audit, records
from datahub.validation.metadata import check_package, check_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.store import Db, Store

UPDATE_CYCLES = (
    *("realtime", "daily", "weekly", "tendays", "monthly", "quarterly", "halfyear"),
    *("yearly", "twoyear", "irregular", "static", "other"),
)
_VOCABULARIES = {"regions": "code", "themes": "code", "licenses": "name", "publishers": "id"}
_RECORD = ("publisher", "theme", "openness", "update_cycle", "code", "issued")


class Plan(Struct, frozen=True):
    """What registering would change, by dataset name."""

    catalog: str
    add: tuple[str, ...]
    change: tuple[str, ...]
    retire: tuple[str, ...]
    same: tuple[str, ...]
    vocabularies: bool  # publishers, regions, themes or licences change

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.add or self.change or self.retire or self.vocabularies)


class Folder(Struct, frozen=True):
    """A catalog folder that was read and checked."""

    catalog: Json
    packages: dict[str, Json]


def register(store: Store, folder: Path, *, apply: bool = True, who: str = "operator") -> Plan:
    """Compare a catalog folder with the catalog, and unless told otherwise make it so.

    Datasets that left the folder are retired from the lists; nothing that was released goes.

    Raises:
        CatalogError: the folder has a mistake; its place is file, line and field.

    """
    wanted = read_folder(folder)
    if not apply:
        with store.catalog.read() as db:
            return _plan(db, wanted)
    with store.catalog.write() as db:
        plan = _plan(db, wanted)
        if not plan.empty:
            _apply(db, wanted, plan, now=stamp(store.clock), who=who)
    return plan


def _plan(db: Db, wanted: Folder) -> Plan:
    name = wanted.catalog["name"]
    known = records.all_datasets(db)
    for dataset in wanted.packages.keys() & known.keys():
        owner = known[dataset].record.get("catalog")
        if owner != name:
            raise _error(dataset, f"数据集已属于目录 {owner}", f"dataset belongs to {owner}")
    same = {n for n, p in wanted.packages.items() if _is_same(known.get(n), p)}
    mine = {n for n, d in known.items() if d.record.get("catalog") == name and not d.retired}
    return Plan(
        catalog=name,
        add=tuple(sorted(wanted.packages.keys() - known.keys())),
        change=tuple(sorted((wanted.packages.keys() & known.keys()) - same)),
        retire=tuple(sorted(mine - wanted.packages.keys())),
        same=tuple(sorted(same)),
        vocabularies=not _same_vocabularies(db, wanted.catalog),
    )


def _is_same(dataset: Any, package: Json) -> bool:
    return dataset is not None and not dataset.retired and dataset.digest == digest(package)


def _same_vocabularies(db: Db, catalog: Json) -> bool:
    def known(kind: str, key: str) -> dict[str, Json]:
        found = records.get_publishers(db) if kind == "publishers" else records.get_terms(db, kind)
        return {item[key]: item for item in found}

    return all(
        known(_kind(name), key) == {item[key]: item for item in catalog[name]}
        for name, key in _VOCABULARIES.items()
    )


def _kind(name: str) -> str:
    return name if name == "publishers" else name.removesuffix("s")


def _apply(db: Db, wanted: Folder, plan: Plan, *, now: str, who: str) -> None:
    for name, key in _VOCABULARIES.items():
        if name == "publishers":
            for item in wanted.catalog[name]:
                records.save_publisher(db, item)
        else:
            records.save_terms(db, _kind(name), wanted.catalog[name], code=key)
    publishers = {item["id"]: item["title"] for item in wanted.catalog["publishers"]}
    for name in plan.add + plan.change:
        package = wanted.packages[name]
        records.save_dataset(
            db,
            package,
            digest=digest(package),
            search=_search_text(package, publishers[package["catalog"]["publisher"]]),
            now=now,
        )
        audit.append(db, now, who, "dataset:registered", name, after=digest(package))
    for name in plan.retire:
        records.retire_dataset(db, name, now=now)
        audit.append(db, now, who, "dataset:retired", name)


def digest(package: Json) -> str:
    """Digest of a dataset's metadata: record and schemas, whatever the order of keys."""
    return sha256(msgspec.json.encode(package, order="deterministic")).hexdigest()


def _search_text(package: Json, publisher: str) -> str:
    words = [package["name"], package["title"], package.get("description", ""), publisher]
    words += package.get("keywords", [])
    for resource in package["resources"]:
        words += [resource["name"], resource.get("title", "")]
        words += [field.get("title", field["name"]) for field in resource["schema"]["fields"]]
    return "\n".join(words)


# Reading and checking a folder --------------------------------------------------------------


def read_folder(folder: Path) -> Folder:
    """Read and check a catalog folder.

    Raises:
        CatalogError: with file, line and field of the first mistake.

    """
    if not folder.is_dir():
        raise _error(folder, "没有这个文件夹", "there is no such folder")
    catalog = _read_catalog(folder / "catalog.yaml")
    packages: dict[str, Json] = {}
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("datasets/*/datapackage.yaml")):
        package = _Reader(file, folder).package(catalog)
        name = package["name"]
        if name in packages:
            raise _error(
                f"{file}:{_line(file, ('name',))} name",
                f"名称“{name}”已被 {files[name]} 使用，数据集不能重名",
                f"the name '{name}' is taken by {files[name]}",
            )
        packages[name], files[name] = package, file
    if not packages:
        raise _error(folder / "datasets", "没有任何数据集", "there is no dataset in it")
    return Folder(catalog=catalog, packages=packages)


def _error(place: object, zh: str, en: str) -> CatalogError:
    return CatalogError(place=str(place), reason_zh=zh, reason_en=en)


def _load(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except FileNotFoundError:
        raise _error(file, "缺少这个文件", "the file is missing") from None
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
        raise _error(file, f"不是 UTF-8 文字（第 {error.start} 字节）", reason) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = str(getattr(error, "problem", error))
        raise _error(f"{file}:{line}", f"YAML 语法错误：{problem}", problem) from None


def _line(file: Path, keys: tuple[str | int, ...]) -> int:
    """Line of a value in a YAML file; of the nearest thing around it when it is missing."""
    node: Any = yaml.compose(file.read_text(encoding="utf-8"))
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == key]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


def _read_catalog(file: Path) -> Json:
    catalog = _load(file)
    if not isinstance(catalog, dict):
        raise _error(f"{file}:1", "应是键值映射", "a mapping is expected")
    for key in ("name", "title", *_VOCABULARIES):
        if not catalog.get(key):
            raise _error(f"{file}:1 {key}", "缺少必填项", "this is mandatory")
    for name, key in _VOCABULARIES.items():
        seen: set[str] = set()
        for number, item in enumerate(catalog[name]):
            place = f"{file}:{_line(file, (name, number))} {name}[{number}]"
            _check_item(place, name, item, key)
            if item[key] in seen:
                raise _error(f"{place}.{key}", f"“{item[key]}”重复", f"'{item[key]}' is repeated")
            seen.add(item[key])
    regions = {item["code"] for item in catalog["regions"]}
    for number, item in enumerate(catalog["publishers"]):
        place = f"{file}:{_line(file, ('publishers', number))} publishers[{number}]"
        _check_publisher(place, item, regions)
    found: Json = catalog
    return found


def _check_item(place: str, name: str, item: Any, key: str) -> None:
    if not isinstance(item, dict):
        raise _error(place, "应是键值映射", "a mapping is expected")
    needed = (key, "title", *(("credit_code", "region") if name == "publishers" else ()))
    for field in needed:
        if not isinstance(item.get(field), str) or not item[field]:
            raise _error(
                f"{place}.{field}",
                "缺少必填项，或没有加引号（代码须写成文字）",
                "this is mandatory and must be text (quote codes)",
            )


def _check_publisher(place: str, item: Json, regions: set[str]) -> None:
    if not is_credit_code(item["credit_code"]):
        raise _error(
            f"{place}.credit_code",
            f"统一社会信用代码 {item['credit_code']} 校验位不对（GB 32100）",
            f"credit code {item['credit_code']} fails its check digit (GB 32100)",
        )
    if item["region"] not in regions:
        raise _error(
            f"{place}.region", f"未知地区 {item['region']}", f"unknown region {item['region']}"
        )


class _Reader:
    """Reads and checks one datapackage.yaml."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder

    def fail(self, keys: tuple[str | int, ...], zh: str, en: str) -> CatalogError:
        field = ".".join(str(key) for key in keys)
        return _error(f"{self.file}:{_line(self.file, keys)} {field}", zh, en)

    def package(self, catalog: Json) -> Json:
        package = _load(self.file)
        if not isinstance(package, dict):
            raise self.fail((), "应是键值映射", "a mapping is expected")
        for key in ("name", "title", "resources", "catalog", "licenses"):
            if not package.get(key):
                raise self.fail((key,), "缺少必填项", "this is mandatory")
        self.name(package["name"], ("name",), "数据集名 dataset name")
        self.record(package["catalog"], catalog)
        resources = [self.resource(i, r) for i, r in enumerate(package["resources"])]
        self.keys(resources)
        record = package["catalog"] | {"catalog": catalog["name"]}
        whole: Json = msgspec.to_builtins(
            package | {"resources": resources, "catalog": record}, str_keys=True
        )
        for problem in check_package(whole, self.file.parent):
            raise self.fail((), f"不是有效的数据包：{problem}", f"no valid Data Package: {problem}")
        return whole

    def name(self, value: Any, keys: tuple[str | int, ...], what: str) -> None:
        try:
            check_name(str(value), what)
        except NameInvalid as error:
            raise self.fail(keys, error.text_zh, error.text_en) from None

    def record(self, record: Any, catalog: Json) -> None:
        for key in _RECORD:
            if not isinstance(record, dict) or not record.get(key):
                raise self.fail(("catalog", key), "缺少必填项", "this is mandatory")
        allowed = {
            "publisher": [item["id"] for item in catalog["publishers"]],
            "theme": [item["code"] for item in catalog["themes"]],
            "openness": [item.value for item in Openness],
            "update_cycle": UPDATE_CYCLES,
        }
        for key, values in allowed.items():
            if record[key] not in values:
                shown = ", ".join(map(str, values))
                raise self.fail(
                    ("catalog", key),
                    f"“{record[key]}”不在允许的值里：{shown}",
                    f"'{record[key]}' is none of: {shown}",
                )

    def resource(self, number: int, resource: Any) -> Json:
        place = ("resources", number)
        if not isinstance(resource, dict) or not resource.get("name"):
            raise self.fail((*place, "name"), "缺少必填项", "this is mandatory")
        self.name(resource["name"], (*place, "name"), "资源名 resource name")
        schema = self.schema((*place, "schema"), resource.get("schema"))
        return resource | {"schema": schema}

    def schema(self, keys: tuple[str | int, ...], reference: Any) -> Json:
        if not isinstance(reference, str | dict):
            raise self.fail(keys, "缺少表结构", "a table schema is mandatory")
        place: object = self.file
        schema: Any = reference
        if isinstance(reference, str):
            place = self.schema_file(keys, reference)
            schema = read_schema(Path(str(place)))
        for problem in check_schema(schema):
            if place is self.file:
                raise self.fail(keys, f"表结构有误：{problem}", problem)
            raise _error(place, f"表结构有误：{problem}", problem)
        found: Json = schema
        return found

    def schema_file(self, keys: tuple[str | int, ...], reference: str) -> Path:
        """File of a schema; it lies in the catalog folder or in `schemas/` beside `catalogs/`."""
        path = (self.file.parent / reference).resolve()
        roots = [self.folder.resolve(), (self.folder / "../../schemas").resolve()]
        if Path(reference).is_absolute() or not any(path.is_relative_to(root) for root in roots):
            raise self.fail(keys, "表结构文件在目录之外", "the schema is outside the catalog")
        if not path.is_file():
            raise self.fail(keys, f"没有文件 {reference}", f"there is no file {reference}")
        return path

    def keys(self, resources: list[Json]) -> None:
        names = [resource["name"] for resource in resources]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise self.fail(
                    ("resources", number, "name"), f"资源名“{name}”重复", f"'{name}' is repeated"
                )
            for other, fields in _referred(resources[number]["schema"]):
                if "/" in other:  # of another dataset: looked up when data comes, in its release
                    continue
                if other and other not in names:
                    raise self.fail(
                        ("resources", number, "schema"),
                        f"外键引用了不存在的资源“{other}”",
                        f"a foreign key refers to '{other}', which is no resource here",
                    )
                target = resources[names.index(other)] if other in names else resources[number]
                known = {field["name"] for field in target["schema"]["fields"]}
                if not fields <= known:
                    missing = ", ".join(sorted(fields - known))
                    raise self.fail(
                        ("resources", number, "schema"),
                        f"外键引用的字段 {missing} 在资源“{target['name']}”里不存在",
                        f"a foreign key refers to {missing}, no field of '{target['name']}'",
                    )


def _referred(schema: Json) -> Iterator[tuple[str, set[str]]]:
    """Resource and fields that each foreign key refers to; "" is the resource itself."""
    for key in schema.get("foreignKeys", []):
        fields = key["reference"]["fields"]
        names = {fields} if isinstance(fields, str) else set(fields)
        yield key["reference"].get("resource", ""), names


def read_schema(file: Path) -> Json:
    """Read a table schema from a JSON file.

    Raises:
        CatalogError: it is no JSON; the place has the line.

    """
    import json

    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = f"{file}:{error.lineno}:{error.colno}"
        raise _error(place, f"JSON 语法错误：{error.msg}", error.msg) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _error(file, "读不出来", type(error).__name__) from None
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        raise _error(file, "缺少 fields（字段列表）", "fields (a list) is mandatory")
    found: Json = schema
    return found
