"""One datapackage.yaml: read, its schemas put in, and everything that is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import NameInvalid
from datahub.guard.text import check_name
from datahub.record.rules import Context, Problem, check
from datahub.stages.register.yamls import Keys, failure, line_of, load, read_json
from datahub.validation.metadata import check_package, check_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.errors import CatalogError
    from datahub.model import Json


_TEXTS = ("name", "title", "description", "keywords", "title_en", "description_en")
_PLAIN_PATH = re.compile(r"\w[\w-]*\.\w+")


class Schemas:
    """Table schemas of a folder; a file that many datasets name is read and checked once."""

    def __init__(self, folder: Path) -> None:
        self.roots = [folder.resolve(), (folder / "../../schemas").resolve()]
        self._files: dict[Path, Json] = {}
        self._checked: dict[int, tuple[Json, list[str]]] = {}
        self._shapes: set[bytes] = set()

    def read(self, path: Path) -> Json:
        """Schema of a file, the same object each time."""
        if path not in self._files:
            self._files[path] = read_schema(path)
        return self._files[path]

    def inside(self, path: Path) -> bool:
        """Whether a file lies in the folder, or in `schemas/` beside `catalogs/`."""
        return any(path.is_relative_to(root) for root in self.roots)

    def problems(self, schema: Json) -> list[str]:
        """What the validation has against a schema."""
        known = self._checked.get(id(schema))
        if known is None or known[0] is not schema:
            known = (schema, check_schema(schema))
            self._checked[id(schema)] = known
        return known[1]

    def package_problems(self, package: Json, folder: Path) -> list[str]:
        """What frictionless has against a package; packages of one shape are checked once."""
        shape = msgspec.json.encode(_shape(package))
        if shape not in self._shapes:
            bare = [{**r, "schema": {"fields": [{"name": "a"}]}} for r in package["resources"]]
            problems = check_package(package | {"resources": bare}, folder)
            if problems:
                return problems
            self._shapes.add(shape)
        return []


def _shape(package: Json) -> Json:
    """What of a package its validity depends on: the texts in it do not matter, nor plain names.

    Our own rules have checked that these texts are texts, and that names are names.
    """
    own = {key: value for key, value in package.items() if key not in _TEXTS and key != "catalog"}
    for key in ("contributors", "sources"):
        if isinstance(own.get(key), list):
            own[key] = [_without_texts(item) for item in own[key]]
    own["resources"] = [_plain_resource(item) for item in package["resources"]]
    return own


def _without_texts(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {k: "" if k == "title" and v and isinstance(v, str) else v for k, v in item.items()}


def _plain_resource(resource: Json) -> Json:
    own = {k: v for k, v in resource.items() if k not in (*_TEXTS, "schema")}
    own |= {k: type(resource[k]).__name__ for k in ("title", "description") if k in resource}
    path = own.get("path")
    if isinstance(path, str) and _PLAIN_PATH.fullmatch(path):
        own["path"] = f"x.{path.rpartition('.')[2]}"
    return own


class Descriptor:
    """A dataset of a folder: its descriptor as it stands, then with its schemas in it."""

    def __init__(self, file: Path, schemas: Schemas) -> None:
        self.file, self.schemas = file, schemas
        self.places: dict[int, Path] = {}  # file of each resource's schema
        given = load(file)
        if not isinstance(given, dict):
            raise self.fail((), "应是键值映射", "a mapping is expected", "type")
        self.given: Json = given

    def fail(self, keys: Keys, zh: str, en: str, rule: str = "") -> CatalogError:
        """Make the error for a place in the file."""
        field = ".".join(str(key) for key in keys)
        place = f"{self.file}:{line_of(self.file, keys)} {field}".rstrip()
        return failure(place, zh, en, rule=rule)

    def told(self, problem: Problem) -> CatalogError:
        """Make the error of a rule."""
        keys = tuple(problem.field.split(".")) if problem.field else ()
        if keys[:1] == ("resources",) and keys[2:3] == ("schema",) and int(keys[1]) in self.places:
            place = f"{self.places[int(keys[1])]} {'.'.join(keys[3:])}".rstrip()
            return failure(place, problem.zh, problem.en, rule=problem.rule)
        return self.fail(keys, problem.zh, problem.en, problem.rule)

    def package(self, catalog: str) -> Json:
        """Descriptor with its schemas and the name of its catalog.

        Raises:
            CatalogError: it cannot be put together; the place has line and field.

        """
        given = self.given
        for key in ("name", "title", "resources", "catalog", "licenses"):
            if not given.get(key):
                raise self.fail((key,), "缺少必填项", "this is mandatory", "mandatory")
        self.name(given["name"], ("name",), "数据集名 dataset name")
        listed = given["resources"]
        if not isinstance(listed, list):
            raise self.fail(("resources",), "应是资源的列表", "a list is expected", "type")
        resources = [self.resource(number, item) for number, item in enumerate(listed)]
        record = given["catalog"]
        if isinstance(record, dict):
            record = record | {"catalog": catalog}
        return given | {"resources": resources, "catalog": record}

    def name(self, value: Any, keys: Keys, what: str) -> None:
        """Refuse a name that could not be a folder, a file stem and an identifier."""
        if not isinstance(value, str):
            raise self.fail(keys, "名称应为文字（加引号）", "a name must be text: quote it", "type")
        try:
            check_name(value, what)
        except NameInvalid as error:
            raise self.fail(keys, error.text_zh, error.text_en, "name") from None

    def resource(self, number: int, resource: Any) -> Json:
        """Resource with its schema in it."""
        place: Keys = ("resources", number)
        if not isinstance(resource, dict) or not resource.get("name"):
            raise self.fail((*place, "name"), "缺少必填项", "this is mandatory", "mandatory")
        self.name(resource["name"], (*place, "name"), "资源名 resource name")
        reference = resource.get("schema")
        if not isinstance(reference, str | dict) or not reference:
            raise self.fail(
                (*place, "schema"), "缺少表结构", "a table schema is mandatory", "mandatory"
            )
        if isinstance(reference, dict):
            return resource
        path = self.schema_file((*place, "schema"), reference)
        self.places[number] = path
        return resource | {"schema": self.schemas.read(path)}

    def schema_file(self, keys: Keys, reference: str) -> Path:
        """File of a schema; it lies in the catalog folder or in `schemas/` beside `catalogs/`."""
        outside = Path(reference).is_absolute() or "\0" in reference
        path = Path() if outside else (self.file.parent / reference).resolve()
        if outside or not self.schemas.inside(path):
            raise self.fail(keys, "表结构文件在目录之外", "the schema is outside the catalog")
        if not path.is_file():
            raise self.fail(keys, f"没有文件 {reference}", f"there is no file {reference}")
        return path

    def check(self, package: Json, context: Context) -> Iterator[CatalogError]:
        """Everything that is wrong with the record, its schemas and the package as a whole."""
        wrong = [self.told(problem) for problem in check(package, context)]
        yield from wrong
        if wrong:
            return
        for number, resource in enumerate(package["resources"]):
            for problem in self.schemas.problems(resource["schema"]):
                if number in self.places:
                    yield failure(self.places[number], f"表结构有误：{problem}", problem)
                else:
                    keys: Keys = ("resources", number, "schema")
                    yield self.fail(keys, f"表结构有误：{problem}", problem)
                wrong.append(failure(self.file, problem, problem))
        if wrong:
            return
        yield from self.keys(package["resources"], context)
        for problem in self.schemas.package_problems(package, self.file.parent):
            yield self.fail((), f"不是有效的数据包：{problem}", f"no valid Data Package: {problem}")

    def keys(self, resources: list[Json], context: Context) -> Iterator[CatalogError]:
        """Names used twice, and foreign keys to nowhere."""
        names = [resource["name"] for resource in resources]
        for number, name in enumerate(names):
            if name in names[:number]:
                zh, en = f"资源名“{name}”重复", f"'{name}' is repeated"
                yield self.fail(("resources", number, "name"), zh, en, "duplicate-name")
            place: Keys = ("resources", number, "schema")
            for other, fields in _referred(resources[number]["schema"]):
                known = _target(resources, number, other, context)
                if known is None:
                    what, what_en = ("数据集或资源", "dataset or resource") if "/" in other else (
                        "资源", "resource")  # fmt: skip
                    zh = f"外键引用了不存在的{what}“{other}”"
                    en = f"a foreign key refers to '{other}', which is no {what_en} here"
                    yield self.fail(place, zh, en, "foreign-key")
                elif not fields <= known:
                    missing = ", ".join(sorted(fields - known))
                    shown = other or name
                    zh = f"外键引用的字段 {missing} 在资源“{shown}”里不存在"
                    en = f"a foreign key refers to {missing}, no field of '{shown}'"
                    yield self.fail(place, zh, en, "foreign-key")


def _target(resources: list[Json], number: int, other: str, context: Context) -> set[str] | None:
    """Fields of the resource that a foreign key refers to; None where there is none."""
    if "/" in other:
        dataset, _, resource = other.partition("/")
        if context.datasets is None:
            return None
        found = context.datasets.get(dataset)
        schema = found.get(resource) if isinstance(found, dict) else None
        return None if schema is None else _fields(schema)
    if not other:
        return _fields(resources[number]["schema"])
    return next((_fields(r["schema"]) for r in resources if r["name"] == other), None)


def _fields(schema: Json) -> set[str]:
    return {str(field.get("name")) for field in schema.get("fields", ())}


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
    schema = read_json(file)
    if not isinstance(schema, dict) or not isinstance(schema.get("fields"), list):
        raise failure(file, "缺少 fields（字段列表）", "fields (a list) is mandatory")
    return schema
