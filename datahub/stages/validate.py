"""Stage validate: judge in a child every table against its schema, keys across resources too."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from datahub.clock import stamp
from datahub.errors import DatahubError, ReferenceMissing, TableInvalid
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Dataset, Json, State, Submission, Table, slots
from datahub.store import records, releases, submissions

if TYPE_CHECKING:
    from datahub.model import Distribution
    from datahub.store import Store

TARGET = "datahub.validation.judge:judge"
ERRORS = "errors"
ERRORS_CSV = f"{ERRORS}.csv"
LOCAL = timezone(timedelta(hours=8))
_log = structlog.get_logger()


def validate(store: Store, submission: Submission) -> Submission:
    """Move a detected submission to validated, or to rejected when its report has errors.

    Raises:
        FileError: the judging itself hit a limit.
        ReferenceMissing: a table that foreign keys refer to has no release.

    """
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, submission.dataset)
    folder = store.objects.work(submission.id)
    settings = store.settings
    related, versions = _referred(store, dataset)
    report = run(
        TARGET,
        {
            "slots": slots(dataset, submission),
            "folder": str(folder),
            "errors_csv": str(folder / ERRORS_CSV),
            "errors_kept": settings.errors_kept,
            "related": related,
            "typed": str(folder),
            "field_ids": _field_ids(store, dataset),
            "today": store.clock().astimezone(LOCAL).date().isoformat(),
        },
        returns=dict[str, Any],
        limits=Limits(settings.child_memory, settings.child_seconds),
        folder=folder,
    )
    report["referred"] = versions
    if report["engine"]["differences"]:  # the fast engine was wrong: the report is frictionless's
        _log.error("validation.difference", submission=submission.id, why=report["engine"]["why"])
    after, problem = _verdict(report)
    with store.catalog.write() as db:
        submissions.save_report(db, submission.id, report)
        return submissions.move(
            db, submission, after, who="pipeline", at=stamp(store.clock), problem=problem
        )


def _field_ids(store: Store, dataset: Dataset) -> dict[str, dict[str, int]]:
    with store.catalog.write() as db:
        return {
            name: records.assign_field_ids(db, dataset.name, name, _names(dataset, name))
            for name in dataset.resources
        }


def _names(dataset: Dataset, resource: str) -> list[str]:
    return [field["name"] for field in dataset.resource(resource)["schema"]["fields"]]


def _referred(store: Store, dataset: Dataset) -> tuple[list[Json], dict[str, int]]:
    """Released tables that foreign keys and rules refer to as "dataset/resource", and versions.

    Raises:
        ReferenceMissing: there is no such release.

    """
    wanted: dict[str, int | None] = {}
    for name in dataset.resources:
        wanted |= _references(dataset.resource(name)["schema"])
    tables, versions = [], {}
    with store.catalog.read() as db:
        for name, version in sorted(wanted.items()):
            other, _, resource = name.partition("/")
            other = records.current_name(db, other) or other  # it may have been renamed
            try:
                release = releases.get(db, other, version)
                package = releases.get_package(db, other, release.version)
                (schema,) = [r["schema"] for r in package["resources"] if r["name"] == resource]
                first, *more = [f for f in release.files if _is_csv(f, resource)]
            except (DatahubError, ValueError) as error:
                raise ReferenceMissing(reference=name, version=version or "latest") from error
            folder = store.objects.public(other, release.version)
            parts = [
                Table(path=str(folder / f.path), name=f.path, bytes=f.bytes, sha256=f.sha256)
                for f in (first, *more)
            ]
            tables.append({"name": name, "schema": schema, "tables": msgspec.to_builtins(parts)})
            versions[name] = release.version
    return tables, versions


def _is_csv(file: Distribution, resource: str) -> bool:
    """Tell whether a file is the CSV of a resource, or a part of it."""
    if file.form is None:  # of a release from before forms were told
        return file.path == f"{resource}.csv"
    return file.form == "csv" and file.resource == resource


def _references(schema: Json) -> dict[str, int | None]:
    """Resources of other datasets that a schema refers to, and the version it wants of each."""
    stated = [key["reference"] for key in schema.get("foreignKeys", ())]
    stated += [rule["reference"] for rule in schema.get("datahub:rules", ()) if "reference" in rule]
    return {
        reference["resource"]: reference.get("datahub:version")
        for reference in stated
        if "/" in reference.get("resource", "")
    }


def _verdict(report: Json) -> tuple[State, Json | None]:
    if report["valid"]:
        return State.VALIDATED, None
    totals = report["totals"]
    types = ", ".join(f"{kind} × {count}" for kind, count in totals["types"].items())
    return State.REJECTED, {
        "code": TableInvalid.code,
        "facts": {"errors": totals["errors"], "types": types},
    }
