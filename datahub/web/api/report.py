"""What a report looks like, for /openapi.json: Frictionless's own report and what stands beside."""

from __future__ import annotations

from typing import Any


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": description}


def _list(of: str, description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": of}, "description": description}


def _counts(description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "integer"},
            "description": description}  # fmt: skip


_SENTENCES = {
    "zh": _text("what is wrong, in Chinese"),
    "en": _text("what is wrong, in English"),
    "right_zh": _text("what would be right, in Chinese"),
    "right_en": _text("what would be right, in English"),
}
_GROUP = {
    "type": "object",
    "description": "all errors of one kind in a column of a file, in a sentence",
    "properties": {
        "type": _text("error type of Frictionless, as in the tasks"),
        "field": _text("name of the field; empty where it is about a whole row or the header"),
        "note": _text("Frictionless's note, or the name of the rule"),
        "cause": _text("why the values are not of the field's type, such as thousands or "
                       "chinese-date; empty where that is not known"),
        "count": _count("errors of this kind"),
        "rows": _list("integer", "row numbers of the first ones, as in the owner's file"),
        "samples": _list("string", "a few of the values"),
        "file": _text("name of the file"),
        "resource": _text("name of the resource"),
        **_SENTENCES,
    },
    "required": ["type", "field", "note", "cause", "count", "rows", "samples", "file",
                 "zh", "en", "right_zh", "right_en"],
}  # fmt: skip
_RULE = {
    "type": "object",
    "description": "outcome of a rule that the schema declares beyond Table Schema",
    "properties": {
        "rule": _text("name of the rule"),
        "kind": _text("kind of the rule"),
        "severity": {
            "enum": ["error", "warn"],
            "description": "a broken rule of severity error makes the report invalid",
        },
        "resource": _text("resource that the rule is about"),
        "fields": _list("string", "fields that it is about"),
        "checked": _count("rows that it applies to"),
        "count": _count("rows that break it"),
        "rows": _list("integer", "row numbers of the first ones"),
        "samples": _list("string", "values of the first ones; personal data is masked"),
        "skipped": {
            "type": "boolean",
            "description": "it could not be evaluated; zh and en say why",
        },
        **_SENTENCES,
    },
}
_ENGINE = {
    "type": "object",
    "description": "how the tables were judged",
    "properties": {
        "name": {
            "enum": ["columns", "frictionless"],
            "description": "columns: whole columns at a time, the rows at fault and a sample by "
            "Frictionless; frictionless: all rows by Frictionless",
        },
        "frictionless": _text("version of Frictionless"),
        "why": _text("why Frictionless judged all rows; empty when it did not"),
        "judged": {
            "type": "object",
            "additionalProperties": {"enum": ["kernel", "distinct"]},
            "description": "for each field: by a kernel over the column, or by Frictionless once "
            "for each distinct value",
        },
        "audited": _count("rows whose verdicts were compared with Frictionless's"),
        "differences": _count("tables for which they differed; the report is Frictionless's then"),
    },
    "required": ["name", "frictionless", "why", "judged", "audited", "differences"],
}
_TOTALS = {
    "type": "object",
    "description": "over all rows of all files",
    "properties": {
        "errors": _count("errors"),
        "rows": _count("rows below the header"),
        "types": _counts("errors by type"),
        "fields": _counts("errors by field"),
    },
    "required": ["errors", "rows", "types", "fields"],
}
_NOTICE = {
    "type": "object",
    "description": "what was noticed while a file was read: how it is written, what was damaged",
    "properties": {
        "code": _text("D and a number: how the file is written; Q: what its content suffered"),
        "severity": {"enum": ["warn", "note"]},
        "zh": _text("what was noticed, in Chinese"),
        "en": _text("what was noticed, in English"),
        "field": _text("name of the field; empty where it is about the whole file"),
        "count": _count("cells or rows that show it"),
        "rows": _list("integer", "row numbers of the first ones"),
        "sample": _text("one of the values"),
        "file": _text("name of the file"),
        "resource": _text("name of the resource"),
    },
}
_TYPED = {
    "type": "object",
    "description": "the typed columns written of a valid resource",
    "properties": {
        "rows": _count("rows"),
        "columns": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Arrow type of each column",
        },
        "bytes": _count("size of the Parquet file"),
        "sha256": _text("digest of the Parquet file"),
    },
}
REPORT: dict[str, Any] = {
    "type": "object",
    "description": "Frictionless's validation report (valid, stats, warnings, errors, tasks) with "
    "the first errors, and beside it totals, groups, rules, notices and engine",
    "properties": {
        "valid": {"type": "boolean"},
        "stats": {"type": "object", "description": "as in Frictionless's report"},
        "warnings": _list("string", "as in Frictionless's report"),
        "errors": _list("object", "as in Frictionless's report: errors about no file"),
        "tasks": _list("object", "as in Frictionless's report: one a file, with the first errors; "
                       "place is the name of the file"),
        "totals": _TOTALS,
        "groups": {"type": "array", "items": _GROUP, "description": "at most 200 a file"},
        "rules": {
            "type": "array",
            "items": _RULE,
            "description": "in the schema's order; evaluated once the tables are valid",
        },
        "notices": {"type": "array", "items": _NOTICE},
        "engine": _ENGINE,
        "typed": {"type": "object", "additionalProperties": _TYPED, "description": "by resource"},
        "referred": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "release of each resource of another dataset that keys and rules were "
            "checked against, by dataset/resource",
        },
        "version": _count("release that was validated; only in the report of a dataset"),
    },
    "required": ["valid", "stats", "warnings", "errors", "tasks", "totals"],
}  # fmt: skip
"""Schema of a report; those made before groups and rules existed have none of them."""
