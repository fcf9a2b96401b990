"""The order of the stages, durable: it survives kill -9 at any point.

The catalog is the truth and the outbox: a submission's state says which stage is next. The
worker turns each waiting submission into a DBOS workflow whose steps are the stages; a step
that was interrupted runs again when the worker is back, and every stage starts from the state
that the catalog shows, so that running it again is harmless.

    received -detect-> detected -validate-> validated -screen-> in_review
    approved -release-> released
"""

from __future__ import annotations

import fcntl
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from datahub.clock import stamp
from datahub.errors import (
    ChildCrashed,
    DatahubError,
    DigestMismatch,
    PlatformError,
    StateError,
)
from datahub.errors_catalog import DatasetMoved
from datahub.model import MACHINE_STATES, OVER_STATES, State, Submission
from datahub.stages.detect import detect
from datahub.stages.release import release
from datahub.stages.screen import screen
from datahub.stages.validate import ERRORS, validate
from datahub.store import aliases, releases, submissions
from datahub.store.engine import complete_sqlite
from datahub.store.verify import unowned

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from datahub.store import Store

STAGES: dict[State, Callable[[Store, Submission], Submission]] = {
    State.RECEIVED: detect,
    State.DETECTED: validate,
    State.VALIDATED: screen,
    State.APPROVED: release,
}
APPLICATION_VERSION = "1"
"""Fixed, so that a worker of a newer build takes up what an older one left."""

POLL_SECONDS = 0.2
RETRY_SECONDS = 5.0
INCOMING_AGE = 24 * 3600.0
MAX_ATTEMPTS = 5
CRASHES = 3
_log = structlog.get_logger()


def advance(store: Store, submission_id: str) -> State:
    """Run the stage that a submission waits for; return the state it is in afterwards.

    A fault of the file rejects the submission; a fault of ours is raised, to be tried again.

    Raises:
        PlatformError: the disk is full or something else of ours is out of order.

    """
    with store.catalog.read() as db:
        submission = submissions.get(db, submission_id)
    stage = STAGES.get(submission.state)
    if stage is None:
        return submission.state
    try:
        after = _run(stage, store, submission)
    except PlatformError:
        raise
    except DigestMismatch as error:
        after = reject(store, submission, error)
    except StateError:  # somebody withdrew it meanwhile
        with store.catalog.read() as db:
            return submissions.get(db, submission_id).state
    except ChildCrashed as error:
        if submission.attempt < CRASHES:  # killed from outside perhaps; a bad file dies again
            return _once_more(store, submission)
        after = reject(store, submission, error)
    except DatahubError as error:
        after = reject(store, submission, error)
    if after.state in OVER_STATES:
        _tidy(store, after.id)
    return after.state


def _run(
    stage: Callable[[Store, Submission], Submission], store: Store, submission: Submission
) -> Submission:
    """Run a stage; once more under its new name when the dataset is renamed meanwhile."""
    try:
        return stage(store, submission)
    except DatasetMoved:
        with store.catalog.read() as db:
            return stage(store, submissions.get(db, submission.id))


def _once_more(store: Store, submission: Submission) -> State:
    with store.catalog.write() as db:
        submissions.set_attempt(db, submission.id, submission.attempt + 1)
    return submission.state


def reject(store: Store, submission: Submission, error: DatahubError) -> Submission:
    """Reject a submission for a fault that a stage found."""
    problem = {"code": error.code, "facts": error.facts}
    with store.catalog.write() as db:
        return submissions.move(
            db,
            submission,
            State.REJECTED,
            who="pipeline",
            at=stamp(store.clock),
            problem=problem,
        )


def _tidy(store: Store, submission_id: str) -> None:
    """Drop what the stages left for each other, once nothing will read it; keep the error list."""
    for path in store.objects.work(submission_id).glob("*"):
        if path.is_dir():  # of judging that was killed
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.startswith(ERRORS):
            path.unlink(missing_ok=True)


def recover(store: Store) -> None:
    """Remove what a killed worker left half done; only the one worker may call this.

    Raises:
        OSError: the data folder cannot be read.

    """
    for entry in (store.objects.root / "staging").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif _is_old(entry):  # younger ones are being received
            entry.unlink(missing_ok=True)
    with store.catalog.read() as db:
        known = submissions.originals(db)
    for original in (store.objects.root / "received").iterdir():
        if original.name not in known and _is_old(original):  # of requests that were refused
            original.unlink(missing_ok=True)
    with store.catalog.read() as db:
        withdrawn = [r for r in releases.find(db) if r.withdrawn is not None]
        over = submissions.over(db)
    for tombstone in withdrawn:  # before the unowned ones go: these are kept, out of sight
        store.objects.take_down(tombstone.dataset, tombstone.version)
    for path in unowned(store):
        store.objects.discard(path)
    aliases.sweep(store)
    for submission_id in over:
        _tidy(store, submission_id)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > INCOMING_AGE


def withdraw_release(store: Store, dataset: str, version: int, *, reason: str, who: str) -> None:
    """Take a release down: first the catalog stops showing it, then its files leave public/.

    Raises:
        DatasetUnknown: there is no such dataset.
        ReleaseUnknown: there is no such release.
        ReleaseWithdrawn: it was taken down before.

    """
    with store.catalog.write() as db:
        found = releases.get(db, dataset, version)
        releases.withdraw(db, found, reason=reason, who=who, at=stamp(store.clock))
    store.objects.take_down(dataset, version)


@contextmanager
def only_worker(store: Store) -> Iterator[None]:
    """Hold the worker's place; a second worker on the same folder waits here."""
    with (store.objects.root / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def work(
    store: Store,
    stopping: Callable[[], bool],
    beside: Callable[[Store, Callable[[], bool]], list[threading.Thread]] | None = None,
) -> None:
    """Run the pipeline until told to stop, and beside it the threads that `beside` starts."""
    with only_worker(store):
        recover(store)
        engine = _Engine(store)
        threads = beside(store, stopping) if beside else []
        try:
            while not stopping():
                engine.dispatch()
                time.sleep(POLL_SECONDS)
        finally:
            engine.close()
            for thread in threads:
                thread.join(timeout=5)


class _Engine:
    """DBOS on the data folder's own database: durable workflows with the stages as steps."""

    def __init__(self, store: Store) -> None:
        from dbos import DBOS, DBOSConfig

        complete_sqlite()
        self._dbos, self._store = DBOS, store
        self._retry_at: dict[str, float] = {}
        config: DBOSConfig = {
            "name": "datahub",
            "system_database_url": f"sqlite:///{store.objects.root / 'pipeline.sqlite'}",
            "application_version": APPLICATION_VERSION,
            "executor_id": "worker",
            "log_level": "ERROR",
        }
        DBOS(config=config)

        @DBOS.step(name="stage")
        def stage(submission_id: str, _state: str) -> str:
            return advance(store, submission_id).value

        @DBOS.workflow(name="pipeline")
        def pipeline(submission_id: str, state: str) -> str:
            after = stage(submission_id, state)
            while after in MACHINE_STATES and after != state:
                state, after = after, stage(submission_id, after)
            return after

        self._workflow = pipeline
        DBOS.launch()
        # Releases of one dataset must not overtake each other; one at a time is simple and enough.
        self._queues = {
            State.APPROVED: DBOS.register_queue(
                "release", worker_concurrency=1, polling_interval_sec=POLL_SECONDS
            )
        }
        self._examine = DBOS.register_queue(
            "examine", worker_concurrency=2, polling_interval_sec=POLL_SECONDS
        )
        self._known: set[str] = set()

    def dispatch(self) -> None:
        """Give every waiting submission a workflow; its id makes a second one impossible."""
        with self._store.catalog.read() as db:
            waiting = submissions.waiting(db)
        for submission_id, state, attempt in waiting:
            kind = "release" if state is State.APPROVED else "examine"
            workflow_id = f"{submission_id}:{kind}:{attempt}"
            if workflow_id not in self._known:
                self._enqueue(workflow_id, submission_id, state)
            elif self._ended(workflow_id):
                self._again(workflow_id, submission_id, attempt)

    def _enqueue(self, workflow_id: str, submission_id: str, state: State) -> None:
        from dbos import SetWorkflowID

        queue = self._queues.get(state, self._examine)
        with SetWorkflowID(workflow_id):
            queue.enqueue(self._workflow, submission_id, state.value)
        self._known.add(workflow_id)

    def _ended(self, workflow_id: str) -> bool:
        """Whether a workflow is over though its submission still waits; asked now and then."""
        now = time.monotonic()
        if now < self._retry_at.setdefault(workflow_id, now + RETRY_SECONDS):
            return False
        self._retry_at[workflow_id] = now + RETRY_SECONDS
        status = self._dbos.get_workflow_status(workflow_id)
        return status is not None and status.status not in ("ENQUEUED", "PENDING", "DELAYED")

    def _again(self, workflow_id: str, submission_id: str, attempt: int) -> None:
        """Try a submission again whose workflow ended without moving it; at last reject it."""
        error = self._error(workflow_id)
        _log.error("pipeline.again", submission=submission_id, attempt=attempt, error=repr(error))
        if isinstance(error, PlatformError) or attempt < MAX_ATTEMPTS:
            with self._store.catalog.write() as db:
                submissions.set_attempt(db, submission_id, attempt + 1)
            return
        with self._store.catalog.read() as db:
            submission = submissions.get(db, submission_id)
        reject(self._store, submission, ChildCrashed(signal="internal"))

    def _error(self, workflow_id: str) -> BaseException | None:
        status = self._dbos.get_workflow_status(workflow_id)
        return None if status is None else status.error

    def close(self) -> None:
        """Let running steps end, for a while."""
        self._dbos.destroy(workflow_completion_timeout_sec=10)
