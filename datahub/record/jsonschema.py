"""JSON Schema (2020-12) of the record, made from the table of fields and the code lists.

It tells what one descriptor can tell by itself: keys, types, lengths, codes, and the conditional
rules between fields. What depends on the catalog (codes in use, publishers, regions) it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.record import vocabularies
from datahub.record.fields import DATA_PACKAGE, FIELDS, TOP, Field

if TYPE_CHECKING:
    from datahub.model import Json

_MARKUP = r"<[A-Za-z/!?]"


def schema() -> Json:
    """The JSON Schema of a datapackage.yaml with its catalog record."""
    top = {field.key: _field(field) for field in FIELDS if field.top}
    top["licenses"] = {
        **_told(TOP["licenses"]),
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "title": {"type": "string"},
                "path": {"type": "string"},
            },
        },
    }
    top["resources"] = {**_told(TOP["resources"]), "type": "array", "minItems": 1,
                        "items": _RESOURCE}  # fmt: skip
    record = {
        "type": "object",
        "title": "目录记录",
        "required": [f.key for f in FIELDS if f.mandatory and not f.top],
        "properties": {field.key: _field(field) for field in FIELDS if not field.top},
        "additionalProperties": False,
        "allOf": _conditions(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "公共数据目录记录 Catalog record",
        "description": "Data Package 2.0 描述文件（datapackage.yaml），目录字段写在 catalog 之下。"
        "由 datahub catalog schema 生成，请勿手改。",
        "type": "object",
        "required": [*(f.key for f in FIELDS if f.mandatory and f.top), "catalog"],
        "properties": {**dict.fromkeys(DATA_PACKAGE, True), **top, "catalog": record},
    }


_RESOURCE: Json = {
    "type": "object",
    "required": ["name", "schema"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"},
        "title": {"type": "string"},
        "schema": {
            "description": "表结构文件的路径，或表结构本身 Path of a table schema, or the schema",
            "type": ["string", "object"],
        },
    },
}


def _told(field: Field) -> Json:
    return {"title": field.zh, "description": field.en}


def _field(field: Field) -> Json:
    told = _told(field)
    if field.kind == "object":
        return {**told, **_object(field)}
    if field.kind == "flag":
        return {**told, "type": "boolean"}
    if field.kind == "lines":
        return {**told, "type": "array", "items": _line(field)}
    if field.either:
        listed = {"type": "array", "items": _line(field)}
        return {**told, "anyOf": [_line(field), listed]}
    return {**told, **_line(field)}


def _line(field: Field) -> Json:
    if field.vocabulary:
        labels = vocabularies.labels(field.vocabulary)
        return {"type": "string", "enum": list(labels), "x-labels": labels}
    if field.kind == "date":
        return {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    line: Json = {"type": "string", "minLength": 1, "maxLength": field.most}
    if field.pattern:
        line["pattern"] = f"^(?:{field.pattern})$"
    else:
        line["not"] = {"pattern": _MARKUP}
    return line


def _object(field: Field) -> Json:
    if not field.parts:
        return {"type": "object"}
    return {
        "type": "object",
        "required": [part.key for part in field.parts if part.mandatory],
        "properties": {part.key: _field(part) for part in field.parts},
        "additionalProperties": False,
    }


def _when(key: str, value: Any, then: Json) -> Json:
    condition = {"properties": {key: {"const": value}}, "required": [key]}
    return {"if": condition, "then": then}


def _conditions() -> list[Json]:
    """The conditional rules that one record can tell by itself."""
    superseded = [t.code for t in vocabularies.get("validity") if t.more.get("superseded")]
    rules = [
        _when("openness", "conditional", {"required": ["open_condition"]}),
        _when("openness", "closed", {"required": ["closed_reason", "legal_basis"]}),
        _when("closed_reason", "N11", {"required": ["review_by"]}),
        _when("share_type", "2", {"required": ["share_condition"]}),
        _when("share_type", "3",
              {"anyOf": [{"required": ["share_condition"]}, {"required": ["legal_basis"]}]}),
        _when("update_cycle", "other", {"required": ["update_lag"]}),
        *(_when("validity", code, {"required": ["superseded_by"]}) for code in superseded),
    ]  # fmt: skip
    for term in vocabularies.get("grade"):
        allowed = term.more["openness"]
        if len(allowed) < len(vocabularies.get("openness")):
            rules.append(
                _when("grade", term.code, {"properties": {"openness": {"enum": list(allowed)}}})
            )
    return rules
