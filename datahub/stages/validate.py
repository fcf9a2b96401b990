"""Stage validate: judge in a child every table against its schema, keys across resources too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.clock import stamp
from datahub.errors import TableInvalid
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Json, State, Submission, slots
from datahub.store import records, submissions

if TYPE_CHECKING:
    from datahub.store import Store

TARGET = "datahub.validation.judge:judge"
ERRORS_CSV = "errors.csv"


def validate(store: Store, submission: Submission) -> Submission:
    """Move a detected submission to validated, or to rejected when its report has errors.

    Raises:
        FileError: the judging itself hit a limit.

    """
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, submission.dataset)
    folder = store.objects.work(submission.id)
    settings = store.settings
    report = run(
        TARGET,
        {
            "slots": slots(dataset, submission),
            "folder": str(folder),
            "errors_csv": str(folder / ERRORS_CSV),
            "errors_kept": settings.errors_kept,
        },
        returns=dict[str, Any],
        limits=Limits(settings.child_memory, settings.child_seconds),
        folder=folder,
    )
    after, problem = _verdict(report)
    with store.catalog.write() as db:
        submissions.save_report(db, submission.id, report)
        return submissions.move(
            db, submission, after, who="pipeline", at=stamp(store.clock), problem=problem
        )


def _verdict(report: Json) -> tuple[State, Json | None]:
    if report["valid"]:
        return State.VALIDATED, None
    totals = report["totals"]
    types = ", ".join(f"{kind} × {count}" for kind, count in totals["types"].items())
    return State.REJECTED, {
        "code": TableInvalid.code,
        "facts": {"errors": totals["errors"], "types": types},
    }
