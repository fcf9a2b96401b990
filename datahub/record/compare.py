"""What differs between two records, field by field, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.record.rules import Changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.model import Json


def compare(old: Json, new: Json) -> list[Changed]:
    """Every field that differs, with its values before and after."""
    return [
        *_mappings(old, new, "", skip=("catalog", "resources")),
        *_mappings(old.get("catalog", {}), new.get("catalog", {}), "catalog."),
        *_resources(old.get("resources", []), new.get("resources", [])),
    ]


def _mappings(old: Json, new: Json, prefix: str, skip: tuple[str, ...] = ()) -> Iterator[Changed]:
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in skip and old.get(key) != new.get(key):
            yield Changed(field=f"{prefix}{key}", before=old.get(key), after=new.get(key))


def _resources(old: list[Json], new: list[Json]) -> Iterator[Changed]:
    before, after = ({item["name"]: item for item in items} for items in (old, new))
    for name in [*before, *(name for name in after if name not in before)]:
        path = f"resources.{name}"
        if name not in after:
            yield Changed(field=path, before=name, after=None)
        elif name not in before:
            yield Changed(field=path, before=None, after=name)
        else:
            yield from _mappings(before[name], after[name], f"{path}.", skip=("schema",))
            yield from _schemas(before[name]["schema"], after[name]["schema"], f"{path}.schema")
    if set(before) == set(after) and list(before) != list(after):
        yield Changed(field="resources", before=list(before), after=list(after))


def _schemas(old: Json, new: Json, path: str) -> Iterator[Changed]:
    if old == new:
        return
    yield from _mappings(old, new, f"{path}.", skip=("fields",))
    before, after = (
        {str(field.get("name")): field for field in schema.get("fields", ())}
        for schema in (old, new)
    )
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            was, now = _field(before.get(name)), _field(after.get(name))
            yield Changed(field=f"{path}.fields.{name}", before=was, after=now)
    if set(before) == set(after) and list(before) != list(after):
        yield Changed(field=f"{path}.fields", before=list(before), after=list(after))


def _field(field: Json | None) -> Any:
    return None if field is None else {key: field[key] for key in field if key != "name"}
