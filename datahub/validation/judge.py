"""Judge tables against their schemas by calling frictionless: the reference for every verdict.

`validate(table, schema) -> report` is the seam behind which a faster engine may stand; a report
has Frictionless's own shape and error types, plus `totals` over the whole file.
"""

from __future__ import annotations

import copy
import csv
import re
from collections import Counter
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frictionless
from frictionless import formats
from frictionless.resources import TableResource

from datahub.errors import CatalogError
from datahub.model import Json, Struct, Table
from datahub.validation.messages import ERROR_COLUMNS, error_row
from datahub.validation.reading import Slot, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ENGINE = f"frictionless {version('frictionless')}"
_LIMIT_WARNING = "reached error limit"
_WHOLE = "-all-files"
_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d\Z", re.ASCII)


class Job(Struct, frozen=True):
    """All tables of a submission; `errors_csv` takes every error, the report the first ones."""

    slots: tuple[Slot, ...]
    folder: str  # for files that help judging
    errors_csv: str
    errors_kept: int = 1000


def judge(job: Job) -> Json:
    """Judge a submission (in a child); foreign keys see the other resources of the job.

    Raises:
        CatalogError: a schema is not one that frictionless takes.

    """
    wholes = {slot.name: _as_one(slot, Path(job.folder)) for slot in job.slots}
    referred = wholes | {f"{name}{_WHOLE}": whole for name, whole in wholes.items()}
    tasks, counter = [], _Counter()
    with Path(job.errors_csv).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ERROR_COLUMNS)
        for slot in job.slots:
            for table in slot.tables:
                schema = _self_keys(slot) if len(slot.tables) > 1 else slot.schema
                resource = _resource(slot.name, table, schema, referred)
                task = _task(resource, table, job.errors_kept)
                tasks.append(task)
                for error in _all_errors(resource, task):
                    counter.add(error)
                    writer.writerow(error_row(slot.name, table.name, error))
            for task, error in _repeated_keys(slot, tasks):
                _attach(task, error, job.errors_kept)
                counter.add(error)
                writer.writerow(error_row(slot.name, task["place"], error))
    return _report(tasks, counter)


def validate(
    table: Table,
    schema: Json,
    *,
    name: str = "table",
    related: Mapping[str, tuple[Json, Table]] | None = None,
    errors_kept: int = 1000,
) -> Json:
    """Judge one table: the report of frictionless, with one task.

    `related` gives schema and table of the resources that foreign keys refer to.
    """
    resource = _resource(name, table, schema, related or {})
    task = _task(resource, table, errors_kept)
    counter = _Counter()
    for error in _all_errors(resource, task):
        counter.add(error)
    return _report([task], counter)


class _Counter:
    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()

    def add(self, error: Json) -> None:
        self.types[error["type"]] += 1
        if error.get("fieldName"):
            self.fields[error["fieldName"]] += 1


def _report(tasks: list[Json], counter: _Counter) -> Json:
    total = counter.types.total()
    stats = {
        "tasks": len(tasks),
        "errors": sum(task["stats"].get("errors", 0) for task in tasks),
        "warnings": sum(len(task["warnings"]) for task in tasks),
        "seconds": round(sum(task["stats"].get("seconds", 0) for task in tasks), 3),
    }
    return {
        "valid": total == 0 and all(task["valid"] for task in tasks),
        "stats": stats,
        "warnings": [],
        "errors": [],
        "tasks": tasks,
        "totals": {
            "errors": total,
            "rows": sum(task["stats"].get("rows", 0) for task in tasks),
            "types": dict(counter.types.most_common()),
            "fields": dict(counter.fields.most_common()),
        },
        "engine": ENGINE,
    }


def _resource(
    name: str, table: Table, schema: Json, related: Mapping[str, tuple[Json, Table]]
) -> TableResource:
    resource = _table_resource(name, table, schema)
    others = {key["reference"]["resource"] for key in schema.get("foreignKeys", ())} - {"", name}
    package: list[frictionless.Resource] = [resource]
    package += [
        _table_resource(other, related[other][1], related[other][0])
        for other in sorted(others)
        if other in related
    ]
    frictionless.Package(resources=package)  # foreign keys find their resources through it
    return resource


def _table_resource(name: str, table: Table, schema: Json) -> TableResource:
    path = Path(table.path)
    dialect = table.dialect
    try:
        return TableResource(
            name=name,
            path=path.name,
            basepath=str(path.parent),
            scheme="file",
            format="csv",
            encoding="utf-8",
            dialect=frictionless.Dialect(
                header_rows=[dialect.header_row],
                controls=[
                    formats.CsvControl(delimiter=dialect.delimiter, quote_char=dialect.quote_char)
                ],
            ),
            schema=frictionless.Schema.from_descriptor(schema),
        )
    except frictionless.FrictionlessException as error:
        raise CatalogError(
            place=f"schema {name}", reason_zh=str(error.error.note), reason_en=error.error.note
        ) from error


def _task(resource: TableResource, table: Table, errors_kept: int) -> Json:
    report = resource.validate(limit_errors=errors_kept).to_descriptor()
    if not report["tasks"]:  # a fault of schema or dialect: nothing was read
        report["tasks"] = [_faulty_task(resource, report)]
    (task,) = report["tasks"]
    task["place"] = table.name
    stats = task["stats"]
    stats.pop("md5", None)  # of a copy perhaps: what counts is the original
    stats |= {"bytes": table.bytes, "sha256": table.sha256}
    found: Json = task
    return found


def _faulty_task(resource: TableResource, report: Json) -> Json:
    errors = report["errors"]
    return {
        "name": resource.name,
        "type": "table",
        "valid": False,
        "place": "",
        "labels": [],
        "stats": {"errors": len(errors)},
        "warnings": [],
        "errors": errors,
    }


def _all_errors(resource: TableResource, task: Json) -> Iterable[Json]:
    """Every error: from the report, or from a second reading when the report was cut."""
    if not any(_LIMIT_WARNING in warning for warning in task["warnings"]):
        return list(task["errors"])
    return _stream(resource, task)


def _stream(resource: TableResource, task: Json) -> Iterator[Json]:
    rows = 0
    with resource.to_copy() as copy:
        copy.package = resource.package
        yield from (error.to_descriptor() for error in copy.header.errors)
        for row in copy.row_stream:
            rows += 1
            yield from (error.to_descriptor() for error in row.errors)
    task["stats"]["rows"] = rows


# Several files for one resource -----------------------------------------------------------


def _self_keys(slot: Slot) -> Json:
    """Schema whose foreign keys to the resource itself look in all of its files."""
    keys = slot.schema.get("foreignKeys", [])
    return slot.schema | {
        "foreignKeys": [
            key | {"reference": key["reference"] | {"resource": f"{slot.name}{_WHOLE}"}}
            if key["reference"].get("resource", "") in ("", slot.name)
            else key
            for key in keys
        ]
    }


def _as_one(slot: Slot, folder: Path) -> tuple[Json, Table]:
    """One table for foreign keys to look in, even when the resource came in several files."""
    if len(slot.tables) == 1:
        return slot.schema, slot.tables[0]
    path = folder / f"whole-{slot.name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [field["name"] for field in slot.schema["fields"]]
        writer.writerows(chain([names], (cells for t in slot.tables for _, cells in records(t))))
    return slot.schema, Table(path=str(path), name=slot.name, bytes=0, sha256="")


def _repeated_keys(slot: Slot, tasks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Keys that appear in more than one file of a resource, as errors of the later file.

    Within one file frictionless finds them itself; values are compared as its readers give them.
    """
    if len(slot.tables) < 2:  # noqa: PLR2004 - more than one file
        return
    keys = _keys(slot.schema)
    own = tasks[-len(slot.tables) :]
    seen: list[dict[tuple[Any, ...], tuple[int, int]]] = [{} for _ in keys]
    for file, (table, task) in enumerate(zip(slot.tables, own, strict=True)):
        for number, cells in records(table):
            for key, known in zip(keys, seen, strict=True):
                value = key.value(cells)
                if value is None:
                    continue
                first = known.setdefault(value, (file, number))
                if first[0] != file:
                    place = own[first[0]]["place"]
                    yield task, key.error(number, cells, f'{first[1]} of "{place}"')


class _Key:
    """A primary key, or a field that is unique: how to read its value from a record."""

    def __init__(self, schema: frictionless.Schema, names: list[str], *, primary: bool) -> None:
        self._names, self._primary = names, primary
        self._columns = [schema.field_names.index(name) for name in names]
        self._readers = [schema.get_field(name).create_cell_reader() for name in names]

    def value(self, cells: list[str]) -> tuple[Any, ...] | None:
        """Parsed cells of the key; None when there is nothing to compare."""
        if len(cells) <= max(self._columns):
            return None
        pairs = zip(self._readers, self._columns, strict=True)
        found = tuple(read(cells[i])[0] for read, i in pairs)
        return None if set(map(repr, found)) == {"None"} else found

    def error(self, number: int, cells: list[str], place: str) -> Json:
        """The error that frictionless would give were it one file."""
        note = f"the same as in the row at position {place}"
        found: Json
        if self._primary:
            found = frictionless.errors.PrimaryKeyError(
                note=note, cells=cells, row_number=number
            ).to_descriptor()
        else:
            found = frictionless.errors.UniqueError(
                note=note,
                cells=cells,
                row_number=number,
                cell=cells[self._columns[0]],
                field_name=self._names[0],
                field_number=self._columns[0] + 1,
            ).to_descriptor()
        return found


def _keys(descriptor: Json) -> list[_Key]:
    schema = frictionless.Schema.from_descriptor(descriptor)
    unique = [field.name for field in schema.fields if field.constraints.get("unique")]
    keys = [_Key(schema, [name], primary=False) for name in unique]
    if schema.primary_key:
        keys.append(_Key(schema, schema.primary_key, primary=True))
    return keys


def _attach(task: Json, error: Json, errors_kept: int) -> None:
    task["valid"] = False
    if len(task["errors"]) < errors_kept:
        task["errors"].append(error)
        task["stats"]["errors"] = task["stats"].get("errors", 0) + 1


def check_schema(descriptor: Any) -> list[str]:
    """Return what is wrong with a table schema; empty when every value could be judged by it."""
    try:
        schema = frictionless.Schema.from_descriptor(descriptor)
    except frictionless.FrictionlessException as error:
        return [str(reason.note) for reason in error.reasons or [error.error]]
    if not schema.fields:
        return ["there are no fields"]
    names = {field.name for field in schema.fields}
    keys = list(schema.primary_key) + [f for k in schema.foreign_keys for f in k["fields"]]
    problems = [f"key field '{name}' is not among the fields" for name in keys if name not in names]
    for field in schema.fields:
        problems += [f"field '{field.name}': {text}" for text in _check_field(field)]
    return problems


def _check_field(field: Any) -> Iterator[str]:
    """Faults that frictionless meets only when it reads a cell."""
    pattern = field.constraints.get("pattern")
    if pattern is not None:
        try:
            re.compile(f"^{pattern}$")
        except (re.error, TypeError) as error:
            yield f"pattern {pattern!r} is no regular expression ({error})"
    zone = field.custom.get("timezone")
    if zone is not None and not _ZONE.match(str(zone)):
        yield f"timezone {zone!r} must be an offset such as +08:00"
    bare = copy.deepcopy(field)
    bare.constraints = {}
    read = bare.create_cell_reader()
    for name in ("minimum", "maximum"):
        bound = field.constraints.get(name)
        if bound is not None and read(bound if isinstance(bound, str) else str(bound))[0] is None:
            yield f"{name} {bound!r} is no {field.type}"


def check_package(descriptor: Any, folder: Path) -> list[str]:
    """Return what frictionless has against a Data Package descriptor; empty when it is valid."""
    try:
        frictionless.Package.from_descriptor(descriptor, basepath=str(folder))
    except frictionless.FrictionlessException as error:
        return [str(reason.note) for reason in error.reasons or [error.error]]
    return []
