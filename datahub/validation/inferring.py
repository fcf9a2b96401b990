"""Propose a table schema for a table, and judge the table by it until it passes.

What frictionless finds wrong with the proposal is loosened: a constraint goes, then the type. The
steward is told each time, and everything that only a person can know.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datahub.model import Json, Struct, Table
from datahub.validation import kinds_of, remarks
from datahub.validation.kinds_of import kind_of
from datahub.validation.library import validate
from datahub.validation.naming import Known, name_of, split_unit, unique_names
from datahub.validation.profiling import STRONG, WEAK, Profile, profile
from datahub.validation.proposing import bounds_of, key_of, unique_of
from datahub.validation.titles import with_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.validation.profiling import Column, Profile

_ROUNDS = 8
_OF_TYPE = ("format", "trueValues", "falseValues", "groupChar", "bareNumber", "datahub:geo")
_EXAMPLE = 40
_HEAD = "https://datapackage.org/profiles/2.0/tableschema.json"
_GEO = {"lon": ("经度", "lng", "longitude"), "lat": ("纬度", "latitude")}


class Draft(Struct, frozen=True):
    """What a schema is proposed for: a table that was detected."""

    table: Table
    folder: str  # for files that help
    title: str = ""
    bounds: bool = False  # propose minimum, maximum and maxLength, too
    known: tuple[Json, ...] = ()  # schemas whose fields are used again


def propose(draft: Draft) -> Json:
    """Propose a schema.

    The result has `schema`, the `table` as it was read, `columns` (facts per field), `checks` (what
    a person has to look at), `valid` and the `totals` of the report by the proposal.

    Raises:
        FileError: the file cannot be read as a table.

    """
    found = profile(draft.table)
    known = Known(draft.known)
    maker = _Maker(draft, found, known)
    schema = maker.schema()
    named = _named(draft, [field["name"] for field in schema["fields"]])
    schema, report = _loosen(named, schema, maker.checks)
    odd = remarks.odd_labels(draft.table, schema)
    maker.checks += [*odd, *remarks.about_table(found, schema, report)]
    return {
        "schema": schema,
        "table": {
            "name": draft.table.name,
            "format": draft.table.format,
            "encoding": draft.table.encoding,
            "sheet": draft.table.sheet,
            "delimiter": draft.table.dialect.delimiter,
            "header_row": draft.table.dialect.header_row,
            "rows": report["totals"]["rows"],
        },
        "columns": maker.facts(schema),
        "checks": maker.checks,
        "valid": report["valid"] and not odd,
        "totals": report["totals"],
        "groups": report["groups"][:20],
    }


def _named(draft: Draft, names: list[str]) -> Table:
    """The table with the proposed names as its labels, as it will be handed in."""
    labels = remarks.labels_of(draft.table)
    if labels == names:
        return draft.table
    return with_labels(draft.table, names, str(Path(draft.folder) / "named.csv"))


class _Maker:
    """Makes a schema of a profile."""

    def __init__(self, draft: Draft, found: Profile, known: Known) -> None:
        self.draft, self.profile = draft, found
        self.known = [known.field(column.label) for column in found.columns]
        self.values = [list(column.seen) for column in found.columns]
        self.kinds = [
            kind_of(*args) for args in zip(found.columns, self.values, self.known, strict=True)
        ]
        self.tokens = self._tokens()
        pairs = zip(found.columns, self.known, strict=True)
        self.names = unique_names([name_of(column.label, known) for column, known in pairs])
        self.checks: list[Json] = []

    def _tokens(self) -> set[str]:
        """Texts that mean "missing": the strong ones, the weak ones beside numbers and dates."""
        found = {""}
        pairs = list(zip(self.profile.columns, self.kinds, strict=True))
        for column, kind in pairs:
            if kind.field["type"] not in ("string", "boolean") and column.filled:
                found |= {text for text in column.tokens if text in WEAK}
            if column.filled:
                found |= {text for text in column.tokens if text in STRONG}
        meant = {
            text
            for column, kind in pairs
            for text in column.tokens
            if text in kind.field.get("falseValues", ())
        }
        return found - meant

    def schema(self) -> Json:
        """The first proposal."""
        columns = self.profile.columns
        fields = [self._field(place) for place in range(len(columns))]
        if self.draft.bounds:
            bounds_of(self.draft.table, fields, self.tokens)
        required = [bool(f.get("constraints", {}).get("required")) for f in fields]
        key = key_of(self.profile, fields, required)
        for place in unique_of(self.profile, fields, required):
            if fields[place]["name"] not in key:
                fields[place]["constraints"]["unique"] = True
        found: Json = {"$schema": _HEAD}
        if self.draft.title:
            found["title"] = self.draft.title
        found |= {"fields": fields, "missingValues": sorted(self.tokens)}
        if key:
            found["primaryKey"] = key
        return found

    def _field(self, place: int) -> Json:
        column, kind, known = self.profile.columns[place], self.kinds[place], self.known[place]
        field: Json = {"name": self.names[place]}
        field |= self._words(column, known, field["name"])
        field |= {key: value for key, value in kind.field.items() if key != "constraints"}
        field.setdefault("type", "string")
        if field.get("format") == "default":
            del field["format"]
        limits = dict(kind.field.get("constraints", {}))
        if column.rows and not column.missing(self.tokens):
            limits["required"] = True
        limits |= self._limits(place, field)
        if limits:
            field["constraints"] = limits
        field |= _measured(column.label, field)
        told = list(remarks.about(column, kind, field, self.values[place], self.tokens))
        self.checks += [*told, *remarks.reused(known, column.label, field)]
        personal = any(check["code"] == "I06" for check in told)
        return field if personal else field | self._example(place)

    @staticmethod
    def _words(column: Column, known: Json | None, name: str) -> Json:
        """Title, and what our schemas say about a field of this title."""
        given = {"title": column.label} if column.label != name else {}
        keys = ("title", "title_en", "description", "description_en", "unit", "datahub:check")
        return {key: known[key] for key in keys if known is not None and key in known} | given

    def _limits(self, place: int, field: Json) -> Json:
        """Code list, or pattern and check digit, that all values fit."""
        column, kind = self.profile.columns[place], self.kinds[place]
        if "enum" in kind.field.get("constraints", {}):
            return {}
        codes = kinds_of.enum_of(column, kind, self.tokens)
        if codes:
            return {"enum": codes}
        if field["type"] != "string" or "pattern" in kind.field.get("constraints", {}):
            return {}
        pattern, check = kinds_of.pattern_of(column, self.values[place])
        if check:
            field["datahub:check"] = check
        return {"pattern": pattern} if pattern else {}

    def _example(self, place: int) -> Json:
        for text in self.values[place]:
            if len(text) <= _EXAMPLE and self.kinds[place].field["type"] == "string":
                return {"example": text}
        return {}

    def facts(self, schema: Json) -> list[Json]:
        """What was found of each column, in the order of the fields."""
        return [
            {
                "name": field["name"],
                "label": column.label,
                "type": field["type"],
                "missing": column.missing(self.tokens),
                "distinct": None if column.values is None else len(column.values),
                "reused": known is not None,
            }
            for field, column, known in zip(
                schema["fields"], self.profile.columns, self.known, strict=True
            )
        ]


def _measured(label: str, field: Json) -> Json:
    """Unit that a title names, and which coordinate a column holds."""
    if field["type"] not in ("integer", "number"):
        return {}
    plain, unit = split_unit(label)
    for name, words in _GEO.items():
        if plain in words or field["name"] in (name, *words):
            return {"unit": "°", "datahub:geo": name}
    return {"unit": unit} if unit else {}


# Judging and loosening ----------------------------------------------------------------------


def _loosen(table: Table, schema: Json, checks: list[Json]) -> tuple[Json, Json]:
    """Judge by the schema and give way until it passes, or until nothing is left to give."""
    report: Json = {}
    for _ in range(_ROUNDS):
        report = validate(table, schema, limit_errors=100)
        if report["valid"]:
            break
        changed = False
        for group in report["groups"]:
            for after, told in _give_way(schema, group):
                schema, changed = after, True
                checks.append(told)
        if not changed:
            break
    return schema, report


def _give_way(schema: Json, group: Json) -> Iterator[tuple[Json, Json]]:
    """The schema without what a group of errors is about."""
    kind, name = group["type"], group.get("field") or ""
    if kind == "primary-key" and "primaryKey" in schema:
        told = remarks.loosened("", "主键不成立（有重复或空值）", "the key repeats or is missing")
        yield {k: v for k, v in schema.items() if k != "primaryKey"}, told
        return
    field = next((f for f in schema["fields"] if f["name"] == name), None)
    if field is None:
        return
    after = _field_after(field, kind, str(group.get("note") or ""))
    if after is not None:
        fields = [after if f is field else f for f in schema["fields"]]
        count = group["count"]
        zh = f"{count} 个单元格不符，已放宽（{kind}）"
        en = f"{count} cells did not fit: loosened ({kind})"
        yield schema | {"fields": fields}, remarks.loosened(name, zh, en)


def _field_after(field: Json, kind: str, note: str) -> Json | None:
    limits: dict[str, Any] = field.get("constraints", {})
    if kind == "type-error" and field["type"] != "string":
        looser = {"integer": "number", "year": "integer"}.get(field["type"], "string")
        kept = {k: v for k, v in limits.items() if k in ("required", "unique")}
        bare = {key: value for key, value in field.items() if key not in _OF_TYPE}
        return bare | {"type": looser, "constraints": kept}
    if kind == "unique-error" and "unique" in limits:
        return field | {"constraints": {k: v for k, v in limits.items() if k != "unique"}}
    named = [key for key in limits if f'"{key}"' in note]
    if kind == "constraint-error" and limits:
        gone = set(named) or set(limits)
        return field | {"constraints": {k: v for k, v in limits.items() if k not in gone}}
    if "datahub:check" in field:
        return {k: v for k, v in field.items() if k != "datahub:check"}
    return None
