"""Submissions, their reports and decisions; every move of state is audited with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import ReportMissing, StateError, SubmissionUnknown
from datahub.model import (
    MACHINE_STATES,
    OVER_STATES,
    STATE_ZH,
    Decision,
    FileIn,
    Finding,
    Json,
    State,
    Submission,
    Table,
    may_move,
)
from datahub.store import audit, milestones
from datahub.store.tables import decisions, reports, submissions

if TYPE_CHECKING:
    from collections.abc import Collection

    from datahub.store.engine import Db

_JSON: dict[str, Any] = {
    "files": tuple[FileIn, ...],
    "tables": dict[str, tuple[Table, ...]],
    "findings": tuple[Finding, ...],
    "problem": dict[str, Any],
    "decision": Decision,
}


def _submission(row: Any) -> Submission:
    values = {name: getattr(row, name) for name in Submission.__struct_fields__}
    for name, kind in _JSON.items():
        if values[name] is None and name in ("tables", "findings"):
            del values[name]
        elif values[name] is not None:
            values[name] = msgspec.json.decode(values[name], type=kind)
    return Submission(**values | {"state": State(values["state"])})


def add(db: Db, submission: Submission) -> None:
    """Record a submission that was just received."""
    values = {
        name: getattr(submission, name)
        for name in (
            "id",
            "dataset",
            "submitter",
            "created",
            "modified",
            "note",
            "attempt",
            "metadata_digest",
        )
    }
    db.execute(
        submissions.insert().values(
            **values,
            state=submission.state.value,
            files=msgspec.json.encode(submission.files).decode(),
        )
    )
    audit.append(
        db,
        submission.created,
        submission.submitter,
        "submission:received",
        submission.id,
        after=submission.state.value,
    )


def get(db: Db, submission: str) -> Submission:
    """Return one submission.

    Raises:
        SubmissionUnknown: there is none with this id.

    """
    row = db.execute(sa.select(submissions).where(submissions.c.id == submission)).first()
    if row is None:
        raise SubmissionUnknown(submission=submission[:80])
    return _submission(row)


def find(
    db: Db,
    *,
    dataset: str | None = None,
    state: State | None = None,
    among: Collection[str] | None = None,
    limit: int = 100,
) -> list[Submission]:
    """Newest submissions first; `among` are the datasets that the asker may see, None for all."""
    query = sa.select(submissions).order_by(submissions.c.seq.desc()).limit(limit)
    if dataset is not None:
        query = query.where(submissions.c.dataset == dataset)
    if state is not None:
        query = query.where(submissions.c.state == state.value)
    if among is not None:
        query = query.where(submissions.c.dataset.in_(among))
    return [_submission(row) for row in db.execute(query)]


def over(db: Db) -> list[str]:
    """Ids of submissions that nothing follows any more."""
    states = [state.value for state in OVER_STATES]
    return list(db.scalars(sa.select(submissions.c.id).where(submissions.c.state.in_(states))))


def originals(db: Db) -> set[str]:
    """Digests of all files that submissions came from."""
    lists = db.scalars(sa.select(submissions.c.files))
    return {f.sha256 for text in lists for f in msgspec.json.decode(text, type=tuple[FileIn, ...])}


def waiting(db: Db) -> list[tuple[str, State, int]]:
    """Submissions whose next step is the machine's, oldest first: id, state, attempt."""
    query = (
        sa.select(submissions.c.id, submissions.c.state, submissions.c.attempt)
        .where(submissions.c.state.in_([s.value for s in MACHINE_STATES]))
        .order_by(submissions.c.seq)
    )
    return [(row.id, State(row.state), row.attempt) for row in db.execute(query)]


def move(
    db: Db, submission: Submission, after: State, *, who: str, at: str, **changes: Any
) -> Submission:
    """Move a submission to another state, with what the stage found out, and audit it.

    Raises:
        StateError: the state machine has no such step from where the submission is now.

    """
    now = get(db, submission.id)
    if now.state is not submission.state or not may_move(now.state, after):
        raise StateError(
            what="submission",
            id=submission.id,
            state=f"{STATE_ZH[now.state]} {now.state}",
            action_zh=f"变为“{STATE_ZH[after]}”",
            action_en=f"moved to '{after}'",
        )
    values: Json = {
        name: msgspec.json.encode(value).decode() if name in _JSON and value is not None else value
        for name, value in changes.items()
    }
    db.execute(
        submissions.update()
        .where(submissions.c.id == submission.id)
        .values(state=after.value, modified=at, **values)
    )
    if after is State.VALIDATED:
        milestones.reach(db, now.dataset, "collected", at)
    audit.append(
        db, at, who, f"submission:{after}", submission.id, before=now.state, after=after.value
    )
    return get(db, submission.id)


def set_attempt(db: Db, submission: str, attempt: int) -> None:
    """Note that the pipeline tries a submission once more."""
    db.execute(submissions.update().where(submissions.c.id == submission).values(attempt=attempt))


def save_report(db: Db, submission: str, report: Json) -> None:
    """Keep a submission's report; a repeated validation replaces it."""
    db.execute(reports.delete().where(reports.c.submission == submission))
    db.execute(
        reports.insert().values(submission=submission, report=msgspec.json.encode(report).decode())
    )


def get_report(db: Db, submission: Submission) -> Json:
    """Return the report of a submission.

    Raises:
        ReportMissing: it was not validated (yet).

    """
    text = db.scalar(sa.select(reports.c.report).where(reports.c.submission == submission.id))
    if text is None:
        raise ReportMissing(submission=submission.id, state=STATE_ZH[submission.state])
    report: Json = msgspec.json.decode(text)
    return report


def save_decision(db: Db, submission: str, decision: Decision) -> None:
    """Append a decision to the submission's history."""
    db.execute(
        decisions.insert().values(
            submission=submission, decision=msgspec.json.encode(decision).decode()
        )
    )
