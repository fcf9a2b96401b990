"""Declared rules over the typed tables of a submission: their results become part of the report."""

# ruff: noqa: S608 - names are ours, values are bound
from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.forms.columns import literal, numbered, row_number
from datahub.validation.messages import error_row
from datahub.validation.rules import RuleResult, run_rules
from datahub.validation.writing import write_typed

if TYPE_CHECKING:
    import duckdb

    from datahub.model import Json
    from datahub.validation.judge import Job
    from datahub.validation.reading import Slot

KIND = "row-constraint"
"""Frictionless's error type for a rule over several cells of a row."""
_ROWS_KEPT = 10_000
_ROWS_SHOWN = 20


def add_rules(report: Json, job: Job, typed: Path, errors: Any) -> None:
    """Evaluate the rules of every resource whose tables are valid; add what they found.

    A rule of severity "error" that some row breaks makes the report invalid.
    """
    if not report["valid"] or not any(has_rules(slot.schema) for slot in job.slots):
        return
    import duckdb

    today = dt.date.fromisoformat(job.today) if job.today else dt.datetime.now(dt.UTC).date()
    with duckdb.connect(
        config={
            "memory_limit": "512MB",
            "temp_directory": str(Path(job.folder) / "judging" / "spill"),
            "threads": "2",
        }
    ) as db:
        views = {slot.name: _view(db, number, slot, typed) for number, slot in enumerate(job.slots)}
        views |= _related_views(db, job)
        for slot in job.slots:
            if has_rules(slot.schema):
                results = run_rules(
                    db, views[slot.name], slot.schema, today=today, related=views, kept=_ROWS_KEPT
                )
                for result in results:
                    _add(report, slot, result, errors)


def has_rules(schema: Json) -> bool:
    """Whether a schema declares any rule."""
    return bool(schema.get("datahub:rules")) or any(
        "datahub:check" in field for field in schema["fields"]
    )


def _view(db: duckdb.DuckDBPyConnection, number: int, slot: Slot, typed: Path) -> str:
    """View of a resource's typed columns, with the row numbers of the report."""
    path = literal(str(typed / f"{slot.name}.parquet"))
    found = db.execute(f"DESCRIBE FROM read_parquet({path})").fetchall()
    names = [name for name, *_ in found]
    row = row_number(names)
    first = slot.tables[0].dialect.header_row + 1
    db.execute(
        f"CREATE VIEW t{number} AS SELECT * EXCLUDE ({row}),"
        f" {row} + {first} AS __row FROM {numbered(path, names)}"
    )
    return f"t{number}"


def _related_views(db: duckdb.DuckDBPyConnection, job: Job) -> dict[str, str]:
    """Views of the related resources that rules refer to.

    A release has its Parquet beside the CSV; of another file the typed columns are written first.
    """
    wanted = {
        rule["reference"]["resource"]
        for slot in job.slots
        for rule in slot.schema.get("datahub:rules", ())
        if "reference" in rule
    }
    found = {}
    for number, slot in enumerate(slot for slot in job.related if slot.name in wanted):
        path = Path(slot.tables[0].path).with_suffix(".parquet")
        if not path.exists():
            path = Path(job.folder) / "judging" / f"related-{number}.parquet"
            write_typed(path, slot.schema, slot.tables)
        quoted = str(path).replace("'", "''")
        db.execute(f"CREATE VIEW r{number} AS SELECT * FROM read_parquet('{quoted}')")
        found[slot.name] = f"r{number}"
    return found


def _add(report: Json, slot: Slot, result: RuleResult, errors: Any) -> None:
    told = msgspec.to_builtins(result)
    told["resource"] = slot.name
    told["rows"] = list(told["rows"][:_ROWS_SHOWN])
    report["rules"].append(told)
    if not result.count or result.severity != "error":
        return
    file = slot.tables[0].name if len(slot.tables) == 1 else slot.name
    report["valid"] = False
    totals = report["totals"]
    totals["errors"] += result.count
    totals["types"][KIND] = totals["types"].get(KIND, 0) + result.count
    for field in result.fields:
        totals["fields"][field] = totals["fields"].get(field, 0) + result.count
    names = ", ".join(result.fields)
    report["groups"].append({
        "type": KIND, "field": names, "note": result.rule, "cause": result.kind,
        "count": result.count, "rows": told["rows"][:5], "samples": list(result.samples[:3]),
        "file": file, "zh": result.zh, "en": result.en,
        "right_zh": result.right_zh, "right_en": result.right_en,
    })  # fmt: skip
    errors.writerows(
        error_row(slot.name, file, {"rowNumber": row, "fieldName": names, "type": KIND,
                                    "note": f"{result.rule}: {result.right_zh}", "message": ""})
        for row in result.rows
    )  # fmt: skip
