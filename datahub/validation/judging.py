"""Judge a submission: every table, keys over several files of one resource, one report.

A report has Frictionless's own shape and error types. Beside them stand `totals` over all rows,
`groups` of errors in words, and `engine`, which tells how it was judged.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.model import Json, Table
from datahub.validation import reference
from datahub.validation.across import repeated_across
from datahub.validation.engine import judge_table
from datahub.validation.messages import ERROR_COLUMNS, error_row
from datahub.validation.reading import Slot, merged
from datahub.validation.request import Outcome, Request
from datahub.validation.ruling import add_rules, has_rules
from datahub.validation.sentences import sentence
from datahub.validation.typed import TypedFile
from datahub.validation.writing import describe, write_again, write_typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from datahub.validation.judge import Job
    from datahub.validation.scan import Scan

_CELLS = 16 << 20
_WHOLE = "-all-files"


def judge_submission(job: Job, started: Scan) -> Json:
    """Judge a submission; foreign keys see the other resources of the job.

    `started` is a reading of its first table.
    """
    folder = Path(job.folder) / "judging"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    folder.mkdir()
    typed = Path(job.typed) if job.typed else folder
    write = bool(job.typed) or any(has_rules(slot.schema) for slot in job.slots)
    wholes = {slot.name: _as_one(slot, folder) for slot in (*job.slots, *job.related)}
    found: list[tuple[Table, Outcome]] = []
    written: Json = {}
    part = folder / "errors.csv"  # complete before anybody sees it
    with part.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ERROR_COLUMNS)
        for slot in job.slots:
            path = typed / f"{slot.name}.parquet"
            own = _judge_slot(job, slot, wholes, folder, path if write else None, started)
            for table, outcome in own:
                writer.writerows(all_errors(slot.name, table.name, outcome))
            if path.exists():
                written[slot.name] = describe(path)
            found += own
        report = report_of(found)
        add_rules(report, job, typed, writer)
    part.replace(job.errors_csv)
    shutil.rmtree(folder, ignore_errors=True)
    return report | {"typed": written}


def _judge_slot(
    job: Job,
    slot: Slot,
    wholes: dict[str, tuple[Json, Table]],
    folder: Path,
    path: Path | None,
    started: Scan,
) -> list[tuple[Table, Outcome]]:
    """Judge all files of a resource; on the way its typed columns are written to `path`."""
    ids = job.field_ids.get(slot.name)
    typed = None if path is None else TypedFile(path, slot.schema, ids)
    own = []
    for table in slot.tables:
        request = _request(slot, table, wholes, folder, job.errors_kept)
        request.typed, request.started = typed, started
        own.append((table, judge_table(request)))
    repeated_across(slot, own, folder, job.errors_kept)
    if typed is None or path is None:
        return own
    if not all(outcome.report["valid"] for _, outcome in own):
        typed.abandon()
    elif any(outcome.engine != "columns" for _, outcome in own):
        typed.abandon()
        write_typed(path, slot.schema, slot.tables, ids)
    else:
        while typed.stale:  # twice when batches that were not looked at any more need more yet
            typed.again()
            write_again(typed, slot.schema, slot.tables)
        typed.finish()
    return own


def _request(
    slot: Slot, table: Table, wholes: dict[str, tuple[Json, Table]], folder: Path, kept: int
) -> Request:
    schema = _self_keys(slot) if len(slot.tables) > 1 else slot.schema
    referred = wholes | {f"{name}{_WHOLE}": whole for name, whole in wholes.items()}
    wanted = {key["reference"]["resource"] for key in schema.get("foreignKeys", ())}
    related = {name: referred[name] for name in wanted - {"", slot.name} if name in referred}
    given = reference.Given(
        name=slot.name,
        path=table.path,
        schema=schema,
        dialect=table.dialect,
        related={
            name: reference.Given(name, whole.path, its, whole.dialect)
            for name, (its, whole) in related.items()
        },
    )
    tables = {name: whole for name, (_, whole) in related.items()}
    return Request(given, table, folder, limit_errors=kept, related=tables)


def all_errors(resource: str, file: str, outcome: Outcome) -> Any:
    """Every error of a table as lines under ERROR_COLUMNS, header first, then in file order."""
    for error in outcome.header:
        yield error_row(resource, file, error)
    for row, place, kind, field, cell, note in outcome.ledger.rows():
        error = {"rowNumber": row, "fieldNumber": place if place < reference.NO_FIELD else "",
                 "fieldName": field, "cell": cell, "type": kind, "note": note,
                 "message": ""}  # fmt: skip
        yield error_row(resource, file, error)


# The report -------------------------------------------------------------------------------


def report_of(found: Sequence[tuple[Table, Outcome]]) -> Json:
    """One report of several tables."""
    tasks = [_task(table, outcome) for table, outcome in found]
    types: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    groups: list[Json] = []
    for table, outcome in found:
        totals = outcome.ledger.totals()
        types.update(totals["types"])
        fields.update(totals["fields"])
        for error in outcome.header:
            types[error["type"]] += 1
            if error.get("fieldName"):
                fields[error["fieldName"]] += 1
        groups += _groups(table, outcome)
        outcome.ledger.close()
    total = types.total()
    return {
        "valid": total == 0 and all(task["valid"] for task in tasks),
        "stats": {
            "tasks": len(tasks),
            "errors": sum(task["stats"].get("errors", 0) for task in tasks),
            "warnings": sum(len(task["warnings"]) for task in tasks),
            "seconds": round(sum(task["stats"].get("seconds", 0) for task in tasks), 3),
        },
        "warnings": [],
        "errors": [],
        "tasks": tasks,
        "totals": {
            "errors": total,
            "rows": sum(outcome.rows for _, outcome in found),
            "types": dict(types.most_common()),
            "fields": dict(fields.most_common()),
        },
        "groups": groups,
        "rules": [],
        "notices": [
            msgspec.to_builtins(notice) | {"file": table.name, "resource": _resource(outcome)}
            for table, outcome in found
            for notice in table.notices
        ],
        "engine": _engine([outcome for _, outcome in found]),
    }


def _task(table: Table, outcome: Outcome) -> Json:
    (task,) = outcome.report["tasks"]
    found: Json = task
    found["place"] = table.name
    stats = found["stats"]
    stats.pop("md5", None)  # of a copy perhaps: what counts is the original
    if {"bytes", "sha256"} & stats.keys() or outcome.rows:
        stats |= {"bytes": table.bytes, "sha256": table.sha256}
    room = _CELLS
    for number, error in enumerate(found["errors"]):
        room -= sum(map(len, error.get("cells", ()))) + len(error.get("message", ""))
        if room < 0:  # rows of megabytes: their errors are in the list of all errors
            found["warnings"].append(f"errors from the {number + 1}th on are not shown: too long")
            del found["errors"][number:]
            stats["errors"] = number
            break
    return found


def _resource(outcome: Outcome) -> str:
    (task,) = outcome.report["tasks"]
    return str(task["name"])


def _groups(table: Table, outcome: Outcome) -> list[Json]:
    fields = {field["name"]: field for field in outcome.fields}
    types = {name: field.get("type", "string") for name, field in fields.items()}
    groups = [*_header_groups(outcome.header, fields), *outcome.ledger.groups(types)]
    return [
        {k: v for k, v in group.items() if k not in ("place", "label", "title", "names")}
        | {"file": table.name, "resource": _resource(outcome)}
        | sentence(group, fields)
        for group in groups
    ]


def _header_groups(errors: Sequence[Json], fields: Mapping[str, Json]) -> Iterator[Json]:
    """Errors of the header; columns that are missing, or too many, are told together."""
    for kind in dict.fromkeys(error["type"] for error in errors):
        same = [error for error in errors if error["type"] == kind]
        whole = [same] if kind in ("missing-label", "extra-label") else [[e] for e in same[:50]]
        for found in whole:
            names = [error.get("fieldName", "") for error in found]
            titles = [fields.get(name, {}).get("title") or name for name in names]
            yield {
                "type": kind,
                "field": names[0] if len(found) == 1 else "",
                "title": "、".join(titles[:20]),
                "label": "、".join(error.get("label", "") for error in found[:20]),
                "names": ", ".join(names[:20]),
                "note": found[0]["note"],
                "cause": "",
                "count": len(found),
                "rows": [],
                "samples": [],
            }


def _engine(outcomes: Sequence[Outcome]) -> Json:
    names = {outcome.engine for outcome in outcomes}
    judged: dict[str, str] = {}
    for outcome in outcomes:
        judged |= outcome.judged
    return {
        "name": "columns" if names == {"columns"} else "frictionless",
        "frictionless": reference.VERSION,
        "why": "; ".join(sorted({outcome.why for outcome in outcomes} - {""})),
        "judged": judged,
        "audited": sum(outcome.audited for outcome in outcomes),
        "differences": sum(outcome.differences for outcome in outcomes),
    }


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
    path = folder / f"whole-{slot.name.replace('/', '.')}.csv"  # of another dataset: with a slash
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(merged(slot.tables))
    return slot.schema, Table(path=str(path), name=slot.name, bytes=0, sha256="")
