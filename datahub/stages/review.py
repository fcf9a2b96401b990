"""Stage review: a person other than the submitter decides, bound to what they could see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from datahub.clock import stamp
from datahub.errors import BodyInvalid, DecisionVoid, OwnSubmission, StateError
from datahub.model import STATE_ZH, Decision, Person, State, Submission, data_digest
from datahub.store import records, submissions

if TYPE_CHECKING:
    from datahub.store import Store

Verdict = Literal["approve", "return", "decline"]
_AFTER = {"approve": State.APPROVED, "return": State.RETURNED, "decline": State.DECLINED}


def review(
    store: Store, person: Person, submission_id: str, verdict: Verdict, reason: str
) -> Submission:
    """Record a decision on a submission that is in review.

    Raises:
        SubmissionUnknown: there is no such submission.
        OwnSubmission: the reviewer handed it in.
        StateError: it is not in review.
        DecisionVoid: the metadata changed since it was validated; it is validated again.
        BodyInvalid: a return or refusal has no reason.

    """
    at = stamp(store.clock)
    with store.catalog.write() as db:
        submission = submissions.get(db, submission_id)
        _check(person, submission, verdict, reason)
        dataset = records.get_dataset(db, submission.dataset)
        if dataset.digest == submission.metadata_digest:
            decision = Decision(
                person=person.name,
                verdict=verdict,
                reason=reason,
                data_digest=data_digest(submission.files),
                metadata_digest=dataset.digest,
                at=at,
            )
            submissions.save_decision(db, submission.id, decision)
            return submissions.move(
                db, submission, _AFTER[verdict], who=person.name, at=at, decision=decision
            )
        submissions.move(
            db, submission, State.RECEIVED, who="pipeline", at=at, attempt=submission.attempt + 1
        )
    raise DecisionVoid(submission=submission_id)


def _check(person: Person, submission: Submission, verdict: Verdict, reason: str) -> None:
    if submission.submitter == person.name:
        raise OwnSubmission
    if submission.state is not State.IN_REVIEW:
        raise StateError(
            what="submission",
            id=submission.id,
            state=f"{STATE_ZH[submission.state]} {submission.state}",
            action_zh="审核（只有“待审核”的报送可以审核）",
            action_en="decided on (only one that is in_review can)",
        )
    if verdict != "approve" and not reason.strip():
        raise BodyInvalid(
            reason_zh="退回或不予发布时必须填写理由（reason）",
            reason_en="a return or refusal needs a reason",
        )
