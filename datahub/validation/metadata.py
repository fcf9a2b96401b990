"""What is wrong with a schema or package, told before any data is judged by it."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import frictionless

from datahub.validation.rules import check_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d\Z", re.ASCII)


def check_schema(descriptor: Any) -> list[str]:
    """Return what is wrong with a table schema; empty when every value could be judged by it."""
    fields = descriptor.get("fields", ()) if isinstance(descriptor, dict) else None
    if not isinstance(fields, (list, tuple)) or not all(isinstance(f, dict) for f in fields):
        return ["fields must be a list of objects"]  # a text would be opened as a path
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
    return problems + check_rules(descriptor)


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
