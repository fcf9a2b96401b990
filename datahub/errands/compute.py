"""Works on SQL jobs, owners in turn, and sweeps results that are old.

A result is written under another name, made durable and renamed; then the catalog tells that the
job is done. Whatever moment the worker is killed at, the job is begun again, and nobody sees half
a result. Old results leave the catalog first, then the disk: a file without its job is swept.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import structlog

from datahub.clock import stamp
from datahub.errors import DatahubError, ServiceUnavailable, StorageFull
from datahub.errors_query import QueryBusy, QueryLimit
from datahub.forms.names import FORMS
from datahub.serve.asking import PAYER, Bounds, Payer, Question, ask
from datahub.serve.engine import Engine
from datahub.serve.reading import Reading
from datahub.serve.sql.envelope import around
from datahub.serve.sql.pins import pinned
from datahub.store import jobs, keys
from datahub.store.budgets import Budgets, Levels, name_of, quota_of
from datahub.store.jobs import Job, Result
from datahub.store.objects import full_disk_told, sync_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from datahub.serve.asking import Answer
    from datahub.store import Store

AT_ONCE = 2
"""Jobs that are worked on at a time; streams have children of their own, and keep some."""
KEEP_RECORDS = 4
"""Times as long as its result is kept, a job is remembered."""
_ALL = 1 << 60  # rows: a job has no bound of these
_LOOK, _SWEEP = 0.1, 60.0  # seconds between looks
_PAUSE = 3.0  # seconds before a job that found no child is tried again
_STAGED = ".new"
_log = structlog.get_logger()
_known: dict[Path, Reading] = {}  # of the stores of this process
_swept: dict[Path, float] = {}


def compute(store: Store, stopping: Callable[[], bool]) -> None:
    """Do what there is to do, and return."""
    root = store.objects.root
    if root not in _known:
        recover(store)
        _known[root] = Reading(store, Engine(threads=1))
    if time.monotonic() - _swept.get(root, -_SWEEP) >= _SWEEP:
        sweep(store)
        _swept[root] = time.monotonic()
    with store.catalog.read() as db:
        waiting = jobs.queue(db)
    if waiting:
        asyncio.run(_work(_known[root], stopping))


def recover(store: Store) -> None:
    """Let jobs wait again that a worker before us left, and remove what no job owns."""
    with store.catalog.write() as db:
        for job in jobs.running(db):
            _log.warning("job.interrupted", job=job.id, attempts=job.attempts)
            jobs.again(db, job, counted=True, now=stamp(store.clock))
        kept = jobs.results(db)
    for path in jobs.folder(store).iterdir():
        if path.name not in kept:
            path.unlink()


def sweep(store: Store) -> None:
    """Let go of results that were kept long enough, and forget jobs of long ago."""
    days = timedelta(days=store.settings.job_days)
    over, long_ago = store.clock() - days, store.clock() - KEEP_RECORDS * days
    with store.catalog.write() as db:
        gone = jobs.expire(db, stamp(lambda: over))
        jobs.forget(db, stamp(lambda: long_ago))
    for identifier in gone:
        (jobs.folder(store) / identifier).unlink(missing_ok=True)


async def _work(reading: Reading, stopping: Callable[[], bool]) -> None:
    """Work on jobs until none waits; a job that was deleted is not worked on further."""
    store = reading.store
    places = max(1, min(AT_ONCE, store.settings.sql_children - 1))
    tasks: dict[str, asyncio.Task[None]] = {}
    while not stopping():
        tasks = {name: task for name, task in tasks.items() if not task.done()}
        wanted, begun = await asyncio.to_thread(_look, store, places - len(tasks))
        for name in tasks.keys() - wanted:
            tasks[name].cancel()
        for job in begun:
            tasks[job.id] = asyncio.create_task(_one(reading, job))
        if not tasks:
            return
        await asyncio.wait(tasks.values(), timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


def _look(store: Store, places: int) -> tuple[set[str], list[Job]]:
    """Which jobs run as far as the catalog knows, and those that begin now."""
    begun = []
    with store.catalog.read() as db:
        wanted = {job.id for job in jobs.running(db)}
        waiting = bool(jobs.queue(db))
    if waiting and places > 0:
        with store.catalog.write() as db:
            for _ in range(places):
                job = jobs.begin(db, stamp(store.clock))
                begun += [job] if job else []
    return wanted | {job.id for job in begun}, begun


async def _one(reading: Reading, job: Job) -> None:
    """Work on a job to its end."""
    store, began, owner = reading.store, time.monotonic(), _Owner()
    PAYER.set(owner)  # in the context of this task
    try:
        result = await _result(reading, job)
        await asyncio.to_thread(_done, store, job, result)
    except asyncio.CancelledError:
        _again(store, job)
        raise
    except ServiceUnavailable as error:  # all children are busy, or are just being started
        await asyncio.sleep(_PAUSE)
        _again(store, job, counted=not isinstance(error, QueryBusy))
    except DatahubError as error:
        await asyncio.to_thread(_failed, store, job, error)
    except Exception as error:  # noqa: BLE001 - told without its words, and the errand goes on
        _log.error("job.fault", job=job.id, exc_info=error)
        await asyncio.to_thread(_failed, store, job, DatahubError())
    finally:
        _staged(store, job).unlink(missing_ok=True)
        _charge(store, job.owner, owner.seconds)
        _log.info("job.ended", job=job.id, s=round(time.monotonic() - began, 2))


class _Owner(Payer):
    """Who handed a job in, and pays for its children."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def pay(self, seconds: float) -> None:
        """Add what a child worked."""
        self.seconds += seconds


def _charge(store: Store, owner: str, seconds: float) -> None:
    """Charge the owner of a job as for a request; people with a role are not limited."""
    kind, _, name = owner.partition(":")
    if not seconds or not name or kind not in ("key", "address"):
        return
    own, cost = store.settings, Levels(work=1000 * seconds)
    caller = name_of("key", name) if kind == "key" else bytes.fromhex(name)
    budgets = Budgets(own.data / "run" / "budgets", own.limit_window)
    try:
        budgets.spend(caller, quota_of(own, "key" if kind == "key" else "anonymous"), cost)
    finally:
        budgets.close()
    if kind == "key":
        day = store.clock().date().isoformat()
        with store.catalog.write() as db:
            keys.add_usage(db, {(name, day): (0, 0, 0, round(cost.work))})


def _again(store: Store, job: Job, *, counted: bool = False) -> None:
    with store.catalog.write() as db:
        jobs.again(db, job, counted=counted, now=stamp(store.clock))


def _failed(store: Store, job: Job, error: DatahubError) -> None:
    with store.catalog.write() as db:
        jobs.fail(db, job, error, stamp(store.clock))


def _done(store: Store, job: Job, result: Result) -> None:
    """Put the result in its place, then tell of it."""
    target = jobs.folder(store) / job.id
    with full_disk_told():
        _staged(store, job).rename(target)
        sync_folder(target.parent)
    with store.catalog.write() as db:
        wanted = jobs.finish(db, job, result, stamp(store.clock))
    if not wanted:
        target.unlink(missing_ok=True)


def _staged(store: Store, job: Job) -> Path:
    return jobs.folder(store) / f"{job.id}{_STAGED}"


async def _result(reading: Reading, job: Job) -> Result:
    """Ask, and write the answer to the disk.

    Raises:
        DatahubError: as `ask`, or there is no room.

    """
    store, form = reading.store, FORMS[job.form]
    settings = store.settings
    question = Question(
        sql=job.sql,
        values=job.values,
        form=form,
        bounds=Bounds(seconds=settings.job_seconds, rows=_ALL, bytes=settings.job_bytes),
        whole=False,
        title=f"job-{job.id[:8]}",
    )
    with store.catalog.read() as db:
        room = settings.results_bytes - jobs.kept(db)
    writer = _Writer(store, _staged(store, job), room)
    try:
        answer = await ask(reading, question, pinned(reading, job.versions))
        async for piece in _told(answer, job):
            await asyncio.to_thread(writer.write, piece)
        await asyncio.to_thread(writer.close)
    finally:
        writer.abandon()
    ending = answer.ending
    if ending is None or (ending.truncated == "time" and not ending.rows):
        zh, en = f"超过 {settings.job_seconds:g} 秒", f"more than {settings.job_seconds:g} seconds"
        raise QueryLimit(reason_zh=zh, reason_en=en)
    return Result(ending.rows, writer.bytes, writer.digest, ending.truncated)


async def _told(answer: Answer, job: Job) -> AsyncIterator[bytes]:
    """The pieces of an answer with what stands around them."""
    before, _ = around(job.form, answer)
    if before:
        yield before
    async for piece in answer.chunks:
        yield piece
    _, after = around(job.form, answer)
    if after:
        yield after


class _Writer:
    """Writes a result while hashing it, as long as there is room."""

    def __init__(self, store: Store, path: Path, room: int) -> None:
        self._store, self._room = store, room
        self._hash, self.bytes = sha256(), 0
        self._file = path.open("wb")

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            StorageFull: there is no room for them.

        """
        self.bytes += len(piece)
        if self.bytes > self._room:
            raise StorageFull
        self._store.objects.need(len(piece))
        with full_disk_told():
            self._file.write(piece)
        self._hash.update(piece)

    def close(self) -> None:
        """Make the bytes durable."""
        with full_disk_told():
            self._file.flush()
            os.fsync(self._file.fileno())
        os.fchmod(self._file.fileno(), 0o444)

    def abandon(self) -> None:
        """Let the file go."""
        with suppress(OSError):  # a full disk may refuse the last flush
            self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()
