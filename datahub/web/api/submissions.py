"""Routes on submissions: hand in, follow, decide."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, cast

from anyio.to_thread import run_sync
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import File

from datahub.clock import stamp
from datahub.errors import BodyInvalid, DatahubError, ReportMissing, SubmissionUnknown
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import STATE_ZH, Json, Person, Role, State, Submission
from datahub.stages.receive import may_receive, receive
from datahub.stages.review import Verdict, review
from datahub.stages.validate import ERRORS_CSV
from datahub.store import Store, records, submissions
from datahub.web.access import Permission, person_of
from datahub.web.api.datasets import store_of
from datahub.web.api.upload import take_files
from datahub.web.api.views import DecisionBody, SubmissionView, submission_view

_VERDICTS = ("approve", "return", "decline")
_READ = {"permission": Permission.SUBMISSION_READ}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WORKBOOK = "datahub.validation.errors_xlsx:build"
_building = asyncio.Lock()  # one child of this kind at a time; those who wait hold no thread


@post(
    "/datasets/{dataset:str}/submissions",
    opt={"permission": Permission.SUBMISSION_CREATE},
    summary="Hand in a dataset's files",
    request_max_body_size=None,
)
async def create(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    resource: Annotated[str | None, QueryParameter(description="of a raw body")] = None,
    filename: Annotated[str | None, QueryParameter(description="of a raw body")] = None,
) -> Response[SubmissionView]:
    """Hand in files as multipart/form-data (one part per file, named like the resource, or
    `file`), or one file as the raw body. When 201 comes back the submission survives any crash.
    """  # noqa: D205 - one paragraph in the published description
    store, person = store_of(request), person_of(request)
    try:
        await run_sync(may_receive, store, person, dataset)
    except DatahubError:
        async for _ in request.stream():  # a client that is still sending would miss the answer
            pass
        raise
    files, note = await take_files(request, store, resource=resource, filename=filename)
    submission = await run_sync(lambda: receive(store, person, dataset, files, note=note))
    view = submission_view(submission)
    return Response(view, status_code=201, headers={"location": view.links["self"]})


@get("/submissions", opt=_READ, sync_to_thread=True, summary="List submissions")
def find(
    request: Request[Any, Any, Any],
    dataset: Annotated[str | None, QueryParameter()] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> list[SubmissionView]:
    """Submissions that the person may see, newest first."""
    store, person = store_of(request), person_of(request)
    with store.catalog.read() as db:
        mine = _publishes(db, person)
        found = submissions.find(db, dataset=dataset, state=in_state, among=mine, limit=limit)
    return [submission_view(item) for item in found]


def _publishes(db: Any, person: Person) -> set[str] | None:
    """Datasets whose submissions a person may see; None for all."""
    if person.role is not Role.STEWARD:
        return None
    return records.names_of(db, person.publisher or "")


def _visible(store: Store, person: Person, identifier: str) -> Submission:
    with store.catalog.read() as db:
        submission = submissions.get(db, identifier)
        if person.role is Role.STEWARD:
            dataset = records.get_dataset(db, submission.dataset)
            if dataset.publisher != person.publisher:  # that it exists is not theirs to know
                raise SubmissionUnknown(submission=identifier[:80])
    return submission


@get("/submissions/{submission:str}", opt=_READ, sync_to_thread=True, summary="A submission")
def get_submission(request: Request[Any, Any, Any], submission: FromPath[str]) -> SubmissionView:
    """State, detection, findings, problem and decision."""
    return submission_view(_visible(store_of(request), person_of(request), submission))


@get(
    "/submissions/{submission:str}/report",
    opt=_READ,
    sync_to_thread=True,
    summary="A submission's report",
)
def get_report(request: Request[Any, Any, Any], submission: FromPath[str]) -> Json:
    """Frictionless's report with the first errors, and totals over the whole file."""
    store = store_of(request)
    found = _visible(store, person_of(request), submission)
    with store.catalog.read() as db:
        return submissions.get_report(db, found)


@get(
    "/submissions/{submission:str}/report.csv",
    opt=_READ,
    sync_to_thread=True,
    media_type="text/csv; charset=utf-8",
    summary="All errors as CSV",
)
def get_errors(request: Request[Any, Any, Any], submission: FromPath[str]) -> File:
    """Every error of every file, one a line, for a spreadsheet."""
    store = store_of(request)
    found, path = _errors(store, person_of(request), submission)
    return File(path, filename=_errors_name(found, "csv"), media_type="text/csv")


@get(
    "/submissions/{submission:str}/report.xlsx",
    opt=_READ,
    media_type=_XLSX,
    summary="Errors as an Excel workbook",
)
async def get_workbook(request: Request[Any, Any, Any], submission: FromPath[str]) -> File:
    """The first 100,000 errors, one a row under a header; the last row tells how many more
    `report.csv` has.
    """  # noqa: D205 - one paragraph in the published description
    store, person = store_of(request), person_of(request)
    found, path = await run_sync(_errors, store, person, submission)
    async with _building:
        book = await run_sync(_workbook, store, path)
    return File(book, filename=_errors_name(found, "xlsx"), media_type=_XLSX)


def _errors(store: Store, person: Person, identifier: str) -> tuple[Submission, Path]:
    """Submission and the list of its errors.

    Raises:
        ReportMissing: it has not been validated.

    """
    found = _visible(store, person, identifier)
    path = store.objects.work(found.id) / ERRORS_CSV
    if not path.exists():
        raise ReportMissing(submission=found.id, state=STATE_ZH[found.state])
    return found, path


def _errors_name(submission: Submission, suffix: str) -> str:
    return f"{submission.dataset}-{submission.id}-errors.{suffix}"


def _workbook(store: Store, listing: Path) -> Path:
    """Workbook of a list of errors, made when there is none or the list is newer."""
    book = listing.with_suffix(".xlsx")
    if book.exists() and book.stat().st_mtime_ns >= listing.stat().st_mtime_ns:
        return book
    store.objects.need(listing.stat().st_size)
    settings = store.settings
    run(
        _WORKBOOK,
        {"csv": str(listing), "xlsx": str(book)},
        returns=int,
        limits=Limits(settings.child_memory, settings.child_seconds),
        folder=listing.parent,
    )
    return book


@post(
    "/submissions/{submission:str}/decisions",
    opt={"permission": Permission.SUBMISSION_DECIDE},
    sync_to_thread=True,
    summary="Decide on a submission",
)
def decide(
    request: Request[Any, Any, Any],
    submission: FromPath[str],
    data: JSONBody[DecisionBody],
) -> SubmissionView:
    """Approve, return or decline; never one's own submission."""
    if data.verdict not in _VERDICTS:
        shown = ", ".join(_VERDICTS)
        raise BodyInvalid(
            reason_zh=f"verdict 应为 {shown} 之一", reason_en=f"verdict must be one of {shown}"
        )
    store, person = store_of(request), person_of(request)
    verdict = cast("Verdict", data.verdict)
    return submission_view(review(store, person, submission, verdict, data.reason))


@post(
    "/submissions/{submission:str}/withdrawal",
    opt={"permission": Permission.SUBMISSION_WITHDRAW},
    sync_to_thread=True,
    status_code=200,
    summary="Withdraw a submission",
)
def withdraw(request: Request[Any, Any, Any], submission: FromPath[str]) -> SubmissionView:
    """Take back a submission that is not released yet."""
    store, person = store_of(request), person_of(request)
    found = _visible(store, person, submission)
    with store.catalog.write() as db:
        after = submissions.move(db, found, State.WITHDRAWN, who=person.name, at=stamp(store.clock))
    return submission_view(after)


router = Router(
    path="/api/v1",
    route_handlers=[
        create,
        find,
        get_submission,
        get_report,
        get_errors,
        get_workbook,
        decide,
        withdraw,
    ],
    tags=["submissions"],
)
