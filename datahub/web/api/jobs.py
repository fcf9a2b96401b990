"""Routes on jobs: SQL that takes long, its result kept as a file.

The id of a job is 128 random bits: who knows it may see the job and take its result.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, delete, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp

from datahub.clock import stamp
from datahub.errors import from_code
from datahub.errors_jobs import JobFailed, JobForeign, JobGone, JobUnfinished
from datahub.forms.names import FORMS
from datahub.model import Pin, Struct, TableVersion
from datahub.serve.asking import prepare
from datahub.serve.files import Content
from datahub.serve.pieces import Stretch
from datahub.serve.sql.pins import noting, versions
from datahub.serve.sql.tables import resolver
from datahub.store import Store, jobs
from datahub.store.jobs import Job
from datahub.web.access import Permission
from datahub.web.api.datasets import check_names, store_of
from datahub.web.asker import ANONYMOUS, asker_of
from datahub.web.attending import attended
from datahub.web.files import Found, found_in, sending
from datahub.web.sql_request import SqlBody, of_body

if TYPE_CHECKING:
    from datahub.serve.reading import Reading

_PUBLIC = {"permission": Permission.CATALOG_READ}
_FORM = "parquet"
_LOOK, _LOOK_LATER = 1, 5  # seconds until it is worth asking again: of the first, of others
_OWN = "private, max-age=86400, immutable"


class JobBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement that may take minutes; `params` are the values of its $names."""

    q: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    format: str = _FORM


class JobView(Struct, frozen=True):
    """A job: waiting, running, done, failed, or gone (its result was kept long enough).

    `position` in the line counts from 1; `versions` were pinned when it was handed in; `truncated`
    tells which bound cut the result (time, bytes); `problem` is what it failed with.
    """

    id: str
    state: str
    position: int | None
    created: str
    started: str | None
    ended: str | None
    expires: str | None
    attempts: int
    sql: str
    params: dict[str, Any]
    format: str
    rows: int | None
    bytes: int | None
    sha256: str | None
    truncated: str | None
    versions: list[TableVersion]
    problem: dict[str, Any] | None
    links: dict[str, str]


@post(
    "/api/v1/sql/jobs",
    opt=_PUBLIC,
    status_code=202,
    operation_id="HandInJob",
    summary="Hand in SQL that takes long",
    tags=["sql"],
    responses={202: ResponseSpec(JobView, description="the job", generate_examples=False)},
)
async def hand_in(request: Request[Any, Any, Any], data: JSONBody[JobBody]) -> Response[JobView]:
    """Check a statement, pin the versions that it reads, and put it in line.

    The answer's Location tells how it goes and where its result is, in whatever form
    `/api/v1/sql` has (else parquet), for a week. Who has a key finds their jobs in a list.
    """
    check_names(request, ())
    reading: Reading = request.app.state.reading
    body = SqlBody(q=data.q, params=data.params, format=data.format)
    asked = of_body(request, reading.store.settings, body)
    pins: list[Pin] = []
    question = msgspec.structs.replace(asked.question, only_check=True)
    prepared = await attended(request, prepare(reading, question, noting(resolver(reading), pins)))
    await attended(request, prepared.run())
    job, position = await run_sync(
        _created, reading.store, asker_of(request), asked.question.sql, asked.question.values,
        asked.form.name, pins,
    )  # fmt: skip
    view = _view(job, position, reading.store)
    return Response(view, status_code=202, headers=_headers(view) | {"location": _address(job)})


def _created(
    store: Store, owner: str, sql: str, values: Any, form: str, pins: list[Pin]
) -> tuple[Job, int | None]:
    with store.catalog.write() as db:
        job = jobs.create(
            db, owner=owner, sql=sql, values=values, form=form, versions=pins,
            room=store.settings.results_bytes, now=stamp(store.clock),
        )  # fmt: skip
        return job, _position(jobs.queue(db), job)


@get(
    "/api/v1/sql/jobs",
    opt=_PUBLIC,
    sync_to_thread=True,
    operation_id="ListJobs",
    summary="Your jobs",
    tags=["sql"],
)
def find(request: Request[Any, Any, Any]) -> Response[list[JobView]]:
    """Jobs of the holder of a key or token, newest first; without one there is no list."""
    check_names(request, ())
    store, owner = store_of(request), asker_of(request)
    found: list[Job] = []
    order: list[str] = []
    if not owner.startswith(ANONYMOUS):  # an address is shared by strangers
        with store.catalog.read() as db:
            found, order = jobs.find(db, owner), jobs.queue(db)
    views = [_view(job, _position(order, job), store) for job in found]
    return Response(views, headers={"cache-control": "no-store"})


@get(
    "/api/v1/sql/jobs/{job:str}",
    opt=_PUBLIC,
    operation_id="ReadJob",
    summary="How a job goes",
    tags=["sql"],
)
async def read(request: Request[Any, Any, Any], job: FromPath[str]) -> Response[JobView]:
    """State, place in the line, and once it is done rows, bytes and SHA-256 of its result."""
    check_names(request, ())
    view = await run_sync(_read, store_of(request), job)
    return Response(view, headers=_headers(view))


def _read(store: Store, identifier: str) -> JobView:
    with store.catalog.read() as db:
        job = jobs.get(db, identifier)
        return _view(job, _position(jobs.queue(db), job), store)


@get(
    "/api/v1/sql/jobs/{job:str}/result",
    opt=_PUBLIC,
    operation_id="ReadJobResult",
    summary="The result of a job",
    tags=["sql"],
    responses={
        200: ResponseSpec(bytes, description="the result", media_type="*/*",
                          generate_examples=False),
    },
)  # fmt: skip
async def result(request: Request[Any, Any, Any], job: FromPath[str]) -> ASGIApp:
    """The bytes, with ranges, If-Range, strong ETag and digest; 409 until the job is done.

    Also 409, with the reason, when it failed; 410 when its result is gone.
    """
    check_names(request, ())
    headers = {name.lower(): value for name, value in request.headers.items()}
    head = "head" in request.scope
    return sending(await run_sync(_found, store_of(request), job, headers, head))


def _found(store: Store, identifier: str, headers: dict[str, str], head: bool) -> Found:
    with store.catalog.read() as db:
        job = jobs.get(db, identifier)
    gone = JobGone(job=job.id, days=store.settings.job_days)
    if job.open:
        raise JobUnfinished(job=job.id, state=job.state, retry_after=_LOOK)
    if job.problem is not None:
        error = from_code(job.problem["code"], job.problem["facts"])
        raise JobFailed(job=job.id, reason_zh=error.text_zh, reason_en=error.text_en)
    if job.state == "gone" or job.bytes is None:
        raise gone
    form = FORMS[job.form]
    content = Content(
        name=f"job-{job.id[:8]}{form.suffix}",
        bytes=job.bytes,
        tag=f'"sha256-{job.sha256}"',
        media_type=form.media_type,
        sha256=job.sha256,
        modified=job.ended,
        links=f'<{_address(job)}>; rel="describedby"; type="application/json"',
        keep=_OWN,
    )
    pieces = (Stretch(file=job.id, start=0, length=job.bytes),)
    try:
        return found_in(jobs.folder(store), content, pieces, headers, head=head)
    except FileNotFoundError:  # swept a moment ago
        raise gone from None


@delete(
    "/api/v1/sql/jobs/{job:str}",
    opt=_PUBLIC,
    sync_to_thread=True,
    status_code=200,
    operation_id="DeleteJob",
    summary="Cancel or forget a job",
    tags=["sql"],
)
def remove(request: Request[Any, Any, Any], job: FromPath[str]) -> JobView:
    """Stop working on it and delete its result; the answer is what it was.

    Who handed it in without a key needs its id alone, others the key.
    """
    check_names(request, ())
    store = store_of(request)
    with store.catalog.write() as db:
        found = jobs.get(db, job)
        if not found.owner.startswith(ANONYMOUS) and found.owner != asker_of(request):
            raise JobForeign(name=found.id, action_zh="删除", action_en="delete")
        view = _view(found, _position(jobs.queue(db), found), store)
        jobs.delete(db, found.id)
    (jobs.folder(store) / found.id).unlink(missing_ok=True)
    return view


def _position(order: list[str], job: Job) -> int | None:
    return order.index(job.id) + 1 if job.id in order else None


def _address(job: Job) -> str:
    return f"/api/v1/sql/jobs/{job.id}"


def _headers(view: JobView) -> dict[str, str]:
    """Headers of a view: nobody keeps it, and while it changes, when to ask again."""
    headers = {"cache-control": "no-store"}
    if view.state in ("waiting", "running"):
        headers["retry-after"] = str(_LOOK_LATER if (view.position or 0) > 1 else _LOOK)
    return headers


def _view(job: Job, position: int | None, store: Store) -> JobView:
    links = {"self": _address(job)}
    expires = None
    if job.state == "done" and job.ended:
        links["result"] = f"{_address(job)}/result"
        over = datetime.fromisoformat(job.ended) + timedelta(days=store.settings.job_days)
        expires = stamp(lambda: over)
    problem: dict[str, Any] | None = None
    if job.problem is not None:
        error = from_code(job.problem["code"], job.problem["facts"])
        problem = {"code": error.code, "facts": error.facts}
        problem |= {"detail": error.text_en, "detail_zh": error.text_zh}
    same = ("id", "state", "created", "started", "ended", "attempts", "sql", "rows", "bytes",
            "sha256", "truncated")  # fmt: skip
    return JobView(
        **{name: getattr(job, name) for name in same},
        position=position,
        expires=expires,
        params=job.values,
        format=job.form,
        versions=versions(job.versions),
        problem=problem,
        links=links,
    )


routes: list[Any] = [hand_in, find, read, result, remove]
