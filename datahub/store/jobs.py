"""Jobs: SQL that takes long, worked on one after another, its result kept as a file for a while.

    waiting → running → done → gone
                  ↘ failed

A job whose worker died waits again, a few times. Its result is in place before it is `done`, and
only then can it be seen; what lies in the folder of results without such a job is swept.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors_jobs import JobAbandoned, JobLimit, JobUnknown
from datahub.errors_query import QueryBusy
from datahub.model import Json, Pin, Struct
from datahub.store.tables import jobs

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.errors import DatahubError
    from datahub.store.engine import Db
    from datahub.store.stores import Store

EACH, ALL = 5, 200
"""Jobs that wait or run: of one owner, and of all."""
ATTEMPTS = 3
"""How often a job is begun before it is given up."""
SHARE = 8
"""One owner's results take this part of the room for all results at most."""
_LATER = 60  # seconds, when too much waits
_LISTED = 1000


class Job(Struct, frozen=True):
    """A statement, and how far it has come."""

    id: str
    owner: str
    sql: str
    values: Json
    form: str
    state: str
    created: str
    versions: list[Pin]
    started: str | None = None
    ended: str | None = None
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    truncated: str | None = None
    problem: Json | None = None  # code and facts
    attempts: int = 0

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in _OPEN


class Result(Struct, frozen=True):
    """What a job ended with."""

    rows: int
    bytes: int
    sha256: str
    truncated: str | None


_OPEN = ("waiting", "running")
_CODED = ("values", "versions", "problem")


def folder(store: Store) -> Path:
    """Folder of results; each is called like its job."""
    found = store.objects.root / "results"
    found.mkdir(exist_ok=True)
    return found


def create(
    db: Db, *, owner: str, sql: str, values: Json, form: str, versions: list[Pin], room: int,
    now: str,
) -> Job:  # fmt: skip
    """Put a job in line; `room` is the bytes that all results may take.

    Raises:
        JobLimit: the owner has too many in line, or too much kept.
        QueryBusy: all have.

    """
    waiting = sa.select(jobs.c.owner).where(jobs.c.state.in_(_OPEN))
    owners = list(db.scalars(waiting))
    if owners.count(owner) >= EACH:
        limit = {"limit_zh": f"有 {EACH} 个作业在排队或执行", "limit_en": f"{EACH} jobs at a time"}
        raise JobLimit(retry_after=_LATER, **limit)
    if kept(db, owner) >= room // SHARE:
        size = f"{room // SHARE:,}"
        raise JobLimit(limit_zh=f"保留 {size} 字节的结果", limit_en=f"{size} bytes of results",
                       retry_after=_LATER)  # fmt: skip
    if len(owners) >= ALL or kept(db) >= room:
        raise QueryBusy(retry_after=_LATER)
    made = Job(id=secrets.token_hex(16), owner=owner, sql=sql, values=values, form=form,
               state="waiting", created=now, versions=versions)  # fmt: skip
    coded = {name: msgspec.json.encode(getattr(made, name)).decode() for name in _CODED}
    db.execute(jobs.insert().values(**msgspec.structs.asdict(made) | coded))
    return made


def _job(row: Any) -> Job:
    coded = {name: msgspec.json.decode(getattr(row, name) or "null") for name in _CODED}
    coded["versions"] = msgspec.convert(coded["versions"], list[Pin])
    return Job(**row._asdict() | coded)


def kept(db: Db, owner: str | None = None) -> int:
    """Bytes of the results that are kept, of one owner or of all."""
    query = sa.select(sa.func.sum(jobs.c.bytes)).where(jobs.c.state == "done")
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    return db.scalar(query) or 0


def get(db: Db, identifier: str) -> Job:
    """Return one job.

    Raises:
        JobUnknown: there is none.

    """
    row = db.execute(sa.select(jobs).where(jobs.c.id == identifier)).first()
    if row is None:
        raise JobUnknown(job=identifier[:40])
    return _job(row)


def find(db: Db, owner: str) -> list[Job]:
    """Jobs of one owner, newest first."""
    query = sa.select(jobs).where(jobs.c.owner == owner)
    rows = db.execute(query.order_by(jobs.c.created.desc(), jobs.c.id).limit(_LISTED))
    return [_job(row) for row in rows]


def queue(db: Db) -> list[str]:
    """Ids of jobs that wait, in the order of their turns.

    Owners take turns: the n-th job of one comes before the next one of another, and whose last
    job began longer ago comes first.
    """
    begun = sa.select(jobs.c.owner, sa.func.max(jobs.c.started)).group_by(jobs.c.owner)
    last = {owner: started or "" for owner, started in db.execute(begun)}
    waiting = sa.select(jobs.c.id, jobs.c.owner, jobs.c.created).where(jobs.c.state == "waiting")
    turns: dict[str, int] = {}
    order = []
    for identifier, owner, created in db.execute(waiting.order_by(jobs.c.created, jobs.c.id)):
        turns[owner] = turns.get(owner, -1) + 1
        order.append((turns[owner], last[owner], created, identifier))
    return [identifier for *_, identifier in sorted(order)]


def begin(db: Db, now: str) -> Job | None:
    """Take the job whose turn it is; it runs from now on."""
    order = queue(db)
    if not order:
        return None
    found = get(db, order[0])
    _set(db, found, state="running", started=now, attempts=found.attempts + 1)
    return get(db, found.id)


def again(db: Db, job: Job, *, counted: bool, now: str) -> None:
    """Let a job that was interrupted wait again, or give it up after so many attempts."""
    if counted and job.attempts >= ATTEMPTS:
        fail(db, job, JobAbandoned(attempts=job.attempts), now)
    else:
        _set(db, job, state="waiting", attempts=job.attempts - (0 if counted else 1))


def running(db: Db) -> list[Job]:
    """Jobs that are being worked on, or were when their worker died."""
    return [_job(row) for row in db.execute(sa.select(jobs).where(jobs.c.state == "running"))]


def finish(db: Db, job: Job, result: Result, now: str) -> bool:
    """Tell that the result is in place; False when nobody wants it any more."""
    return _set(db, job, state="done", ended=now, **msgspec.structs.asdict(result))


def fail(db: Db, job: Job, error: DatahubError, now: str) -> None:
    """Tell what went wrong."""
    problem = msgspec.json.encode({"code": error.code, "facts": error.facts}).decode()
    _set(db, job, state="failed", ended=now, problem=problem)


def _set(db: Db, job: Job, **values: Any) -> bool:
    """Change a job, unless somebody did in the meantime."""
    same = sa.and_(jobs.c.id == job.id, jobs.c.state == job.state)
    changed = db.execute(jobs.update().where(same).values(**values))
    return changed.rowcount == 1


def delete(db: Db, identifier: str) -> None:
    """Forget a job; who works on it notices."""
    db.execute(jobs.delete().where(jobs.c.id == identifier))


def expire(db: Db, before: str) -> list[str]:
    """Let go of results that came before a moment; return whose they were."""
    over = sa.and_(jobs.c.state == "done", jobs.c.ended < before)
    found = list(db.scalars(sa.select(jobs.c.id).where(over)))
    db.execute(jobs.update().where(jobs.c.id.in_(found)).values(state="gone"))
    return found


def forget(db: Db, before: str) -> None:
    """Delete what ended before a moment."""
    db.execute(jobs.delete().where(jobs.c.state.in_(("gone", "failed")), jobs.c.ended < before))


def results(db: Db) -> set[str]:
    """Ids of the jobs whose results are kept."""
    return set(db.scalars(sa.select(jobs.c.id).where(jobs.c.state == "done")))
