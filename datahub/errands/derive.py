"""Builds what answers faster than Parquet, for resources that are asked.

Web processes leave notes of what they are asked (`store.derived`). What is noted and not there is
built in a child, one thing after another, the latest asked first. What belongs to releases that
are gone is removed, and the longest unused when all of it takes more room than it may.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from datahub.errors import DatahubError, ResourceUnknown
from datahub.errors_catalog import DatasetMoved
from datahub.forms.derive import Job, Made
from datahub.forms.ordered import order_name, top_name, values_name
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Json, Struct
from datahub.store import Store, records, releases
from datahub.store.derived import (
    LINES,
    NATIVE,
    TABLE,
    TEXT,
    Derived,
    Wanted,
    ndjson_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET = "datahub.forms.derive:derive"
_AFTER_FAULT = 600.0  # seconds until a thing that could not be built is tried again
_LOOK = 5.0  # seconds between looks when nothing seems to have changed
_log = structlog.get_logger()
_later: dict[Path, float] = {}  # what could not be built -> when to try again
_seen: dict[Path, tuple[object, float]] = {}  # folder -> what it was like, when it was looked at


class _Table(Struct, frozen=True):
    """Files and schema of a resource of a release."""

    parquet: Path
    schema: Json
    ndjson: tuple[Path, ...]


def derive(store: Store, stopping: Callable[[], bool]) -> None:
    """Build what is wanted and missing, and remove what is not wanted any more."""
    derived = Derived(store.objects.root / "cache")
    if not _changed(store, derived):
        return
    _remove_orphans(store, derived)
    for wanted in derived.wanted():
        if stopping():
            return
        try:
            table = _find(store, wanted)
        except DatahubError:
            derived.forget(wanted.digest)
            continue
        for job in _missing(derived.folder(wanted.digest), wanted, table):
            _build(store, derived, wanted, job)
            _keep_within(derived, store.settings.cache_bytes, wanted.digest)


def _changed(store: Store, derived: Derived) -> bool:
    """Whether to look: something was noted or committed, or the last look was a while ago."""
    state, now = (store.catalog.stamp(), derived.state()), time.monotonic()
    before, looked = _seen.get(derived.root, ((), 0.0))
    if state == before and now - looked < _LOOK:
        return False
    _seen[derived.root] = (state, now)
    return True


def _find(store: Store, wanted: Wanted) -> _Table:
    """Find what is wanted, under whatever name its dataset has now.

    Raises:
        DatahubError: it is not there for everybody any more.

    """
    with store.catalog.read() as db:
        name = wanted.dataset
        try:
            records.check_open(db, name)
        except DatasetMoved as moved:
            name = moved.facts["now"]
            records.check_open(db, name)
        release = releases.get(db, name, wanted.version)
        package = releases.get_package(db, name, wanted.version)
    folder = store.objects.public(name, wanted.version)
    parquet = folder / f"{wanted.resource}.parquet"
    if wanted.digest not in {f.sha256 for f in release.files if f.path == parquet.name}:
        raise ResourceUnknown(dataset=name, resource=wanted.resource, allowed="")
    (schema,) = [r["schema"] for r in package["resources"] if r["name"] == wanted.resource]
    texts = ndjson_of(release.files, wanted.resource)
    return _Table(parquet=parquet, schema=schema, ndjson=tuple(folder / f.path for f in texts))


def _missing(folder: Path, wanted: Wanted, table: _Table) -> Iterator[Job]:
    """What is to be built, each thing when those before it are there."""
    own = () if table.ndjson else (folder / TEXT,)
    job = Job(
        parquet=str(table.parquet),
        schema=table.schema,
        folder=str(folder),
        target="",
        kind="",
        ndjson=tuple(str(path) for path in table.ndjson or own),
    )
    if wanted.order is not None:
        jobs = _order_jobs(folder, job, *wanted.order)
    elif wanted.values is not None:
        jobs = _values_jobs(job, wanted.values)
    else:
        jobs = _rows_jobs(job, text=bool(own))
    for each in jobs:
        target_path = folder / each.target
        if not target_path.exists() and _later.get(target_path, 0.0) < time.monotonic():
            yield each


def _rows_jobs(job: Job, *, text: bool) -> list[Job]:
    steps = [(TEXT, "text")] * text + [(LINES, "lines"), (NATIVE, "native")]
    return [msgspec.structs.replace(job, target=name, kind=kind) for name, kind in steps]


def _order_jobs(folder: Path, job: Job, number: int, descending: bool) -> list[Job]:
    """Row numbers of an order, and its first lines if there are lines."""
    name = order_name(number, descending)
    job = msgspec.structs.replace(job, column=_column(job, number), descending=descending)
    jobs = [msgspec.structs.replace(job, target=name, kind="order")]
    if (folder / LINES).exists():
        read = {"order": str(folder / name), "lines": str(folder / LINES)}
        target = top_name(number, descending)
        jobs.append(msgspec.structs.replace(job, target=target, kind="top", **read))
    return jobs


def _values_jobs(job: Job, number: int) -> list[Job]:
    """Row numbers of the ascending order of a column, and keys of its values."""
    job = msgspec.structs.replace(job, column=_column(job, number))
    steps = [(order_name(number, descending=False), "order"), (values_name(number), "values")]
    return [msgspec.structs.replace(job, target=name, kind=kind) for name, kind in steps]


def _column(job: Job, number: int) -> str:
    fields = job.schema["fields"]
    return str(fields[number]["name"]) if number < len(fields) else ""


def _build(store: Store, derived: Derived, wanted: Wanted, job: Job) -> None:
    """Build one thing; should that fail, it is left for a while."""
    folder, began = derived.folder(wanted.digest), time.monotonic()
    settings = store.settings
    try:
        store.objects.need(2 * Path(job.parquet).stat().st_size)
        folder.mkdir(parents=True, exist_ok=True)
        for rest in folder.glob(".*"):  # of a child that was killed
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
        (folder / TABLE).write_bytes(msgspec.json.encode(wanted))
        limits = Limits(settings.child_memory, settings.child_seconds)
        made = run(TARGET, job, returns=Made, limits=limits, folder=folder)
    except (DatahubError, OSError) as error:
        _later[folder / job.target] = time.monotonic() + _AFTER_FAULT
        _log.warning("derive.failed", dataset=wanted.dataset, target=job.target, error=str(error))
        return
    seconds = round(time.monotonic() - began, 2)
    _log.info("derive.made", dataset=wanted.dataset, target=job.target, bytes=made.bytes, s=seconds)


def _remove_orphans(store: Store, derived: Derived) -> None:
    """Remove what belongs to releases that were taken down, or are not open any more."""
    for folder in derived.folders():
        try:
            _find(store, msgspec.json.decode((folder / TABLE).read_bytes(), type=Wanted))
        except FileNotFoundError:  # offsets of lines, made with the release: they tell nothing
            continue
        except (DatahubError, msgspec.DecodeError):
            derived.remove(folder)


def _keep_within(derived: Derived, most: int, latest: str) -> None:
    """Remove the longest unused while all of it takes more than `most` bytes."""
    sizes = {folder: derived.size(folder) for folder in derived.folders()}
    total = sum(sizes.values())
    for folder, size in sizes.items():
        if total <= most:
            return
        if folder.name == latest and size <= most:
            continue
        if folder.name == latest:  # too large for all of the room: not again at once
            for path in folder.iterdir():
                _later[path] = time.monotonic() + _AFTER_FAULT
        derived.remove(folder)
        total -= size
