"""Stage screen: look in a child for what must not be published; blocking findings reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.clock import stamp
from datahub.errors import FindingsBlock
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Finding, State, Submission, slots
from datahub.store import records, submissions

if TYPE_CHECKING:
    from datahub.model import Json
    from datahub.store import Store

TARGET = "datahub.validation.screening:screen"


def screen(store: Store, submission: Submission) -> Submission:
    """Move a validated submission to screened and on to review, or to rejected.

    Raises:
        FileError: the screening itself hit a limit.

    """
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, submission.dataset)
    findings = run(
        TARGET,
        slots(dataset, submission),
        returns=tuple[Finding, ...],
        limits=Limits(store.settings.child_memory, store.settings.child_seconds),
        folder=store.objects.work(submission.id),
    )
    blocking = [finding for finding in findings if finding.severity == "block"]
    at = stamp(store.clock)
    with store.catalog.write() as db:
        if blocking:
            return submissions.move(
                db, submission, State.REJECTED, who="pipeline", at=at,
                findings=findings, problem=_problem(blocking),
            )  # fmt: skip
        screened = submissions.move(
            db, submission, State.SCREENED, who="pipeline", at=at, findings=findings
        )
        return submissions.move(db, screened, State.IN_REVIEW, who="pipeline", at=at)


def _problem(blocking: list[Finding]) -> Json:
    facts = {"zh": " ".join(f.zh for f in blocking), "en": " ".join(f.en for f in blocking)}
    return {"code": FindingsBlock.code, "facts": facts}
