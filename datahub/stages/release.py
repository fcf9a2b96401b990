"""Stage release: an approved submission becomes immutable public files and one catalog entry.

Distributions are written to staging, made durable, and become public by one rename; then one
catalog transaction makes the release visible. A crash before it leaves garbage that the next
attempt or the sweep removes; a crash after it leaves a complete release.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from datahub.clock import stamp
from datahub.errors import DatasetUnknown, DecisionVoid, DigestMismatch, StateError
from datahub.errors_catalog import DatasetGone
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Dataset, Distribution, Json, Release, State, Struct, Submission
from datahub.model import data_digest as digest_of_data
from datahub.store import documents, records, releases, submissions
from datahub.store.derived import LINES, Derived
from datahub.store.objects import digest_of, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.store import Store

TARGET = "datahub.validation.export:export"
_ROOM = 5
"""Bytes that the forms of a resource take, at most, for each byte that was handed in."""


class Written(Struct, frozen=True):
    """What the child wrote for a resource."""

    rows: int
    columns: dict[str, str]
    files: tuple[Distribution, ...]


def release(store: Store, submission: Submission) -> Submission:
    """Move an approved submission to released, or back to received when its decision is void.

    Raises:
        DatasetGone: the dataset was taken down meanwhile.
        FileError: writing the distributions hit a limit.
        DigestMismatch: an original is not what was received.

    """
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, submission.dataset)
        version = releases.next_version(db, dataset.name)
        before = releases.find(db, dataset.name)
        records.check_alive(db, dataset.name)
    if not _binds(submission, dataset):
        return _start_again(store, submission)
    _check_originals(store, submission)
    staged = store.objects.staging()
    try:
        written = {name: _export(store, dataset, submission, name, staged)
                   for name in dataset.resources}  # fmt: skip
        previous = before[0].manifest_sha256 if before else None
        package, files, manifest = _describe(
            dataset, submission, version, written, staged, previous
        )
        _keep_lines(store, submission, written)
        store.objects.publish(staged, dataset.name, version)
    except BaseException:
        if staged.exists():
            store.objects.discard(staged)
        raise
    try:
        return _make_visible(store, submission, version, package, files, manifest)
    except (StateError, DatasetUnknown, DatasetGone):
        # Withdrawn, or its dataset renamed or taken down while files were written: unowned.
        store.objects.discard(store.objects.public(dataset.name, version))
        raise


def _binds(submission: Submission, dataset: Dataset) -> bool:
    decision = submission.decision
    return (
        decision is not None
        and decision.metadata_digest == dataset.digest
        and decision.data_digest == digest_of_data(submission.files)
    )


def _start_again(store: Store, submission: Submission) -> Submission:
    with store.catalog.write() as db:
        return submissions.move(
            db,
            submission,
            State.RECEIVED,
            who="pipeline",
            at=stamp(store.clock),
            attempt=submission.attempt + 1,
            decision=None,
            problem={"code": DecisionVoid.code, "facts": {"submission": submission.id}},
        )


def _check_originals(store: Store, submission: Submission) -> None:
    for file in submission.files:
        original = store.objects.received(file.sha256)
        actual = digest_of(original) if original.exists() else "—"
        if actual != file.sha256:
            raise DigestMismatch(file=file.name, expected=file.sha256, actual=actual)


def _export(
    store: Store, dataset: Dataset, submission: Submission, resource: str, staged: Path
) -> Written:
    described = dataset.resource(resource)
    schema = described["schema"]
    names = [field["name"] for field in schema["fields"]]
    with store.catalog.write() as db:
        ids = records.assign_field_ids(db, dataset.name, resource, names)
    originals = [file for file in submission.files if file.resource == resource]
    store.objects.need(_ROOM * sum(file.bytes for file in originals))
    return run(
        TARGET,
        {
            "resource": resource,
            "schema": schema,
            "tables": msgspec.to_builtins(submission.tables[resource]),
            "field_ids": ids,
            "folder": str(staged),
            "typed": _typed(store, submission, resource),
            "title": described.get("title") or resource,
            "crs": dataset.record.get("crs") or "",
            "originals": [
                {"file": msgspec.to_builtins(f), "path": str(store.objects.received(f.sha256))}
                for f in originals
            ],
            "part_bytes": store.settings.part_bytes,
            "lines": str(_lines(store, submission, resource)),
        },
        returns=Written,
        limits=Limits(store.settings.child_memory, store.settings.child_seconds),
        folder=staged,
    )


def _typed(store: Store, submission: Submission, resource: str) -> Json | None:
    """What stage validate wrote of a resource: path, size, digest, rows and columns; if it did."""
    with store.catalog.read() as db:
        report = submissions.get_report(db, submission)
    found: Json | None = report.get("typed", {}).get(resource)
    path = store.objects.work(submission.id) / f"{resource}.parquet"
    return found | {"path": str(path)} if found else None


def _lines(store: Store, submission: Submission, resource: str) -> Path:
    """Where the child leaves the index of a resource's NDJSON."""
    return store.objects.work(submission.id) / f"{resource}.lines"


def _keep_lines(store: Store, submission: Submission, written: dict[str, Written]) -> None:
    """Keep the indexes with what is derived; one that is missing is made when it is asked for."""
    derived = Derived(store.objects.root / "cache")
    for name, made in written.items():
        (parquet,) = [file for file in made.files if file.form == "parquet"]
        folder = derived.folder(parquet.sha256)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _lines(store, submission, name).replace(folder / LINES)


def _describe(
    dataset: Dataset,
    submission: Submission,
    version: int,
    written: dict[str, Written],
    staged: Path,
    previous: str | None,
) -> tuple[Json, tuple[Distribution, ...], str]:
    """Write datapackage.json, manifest.json and SHA256SUMS; return what the catalog keeps."""
    tables = [file for made in written.values() for file in made.files]
    columns = {name: made.columns for name, made in written.items()}
    package = documents.package(dataset, submission, version, tables, columns)
    described = _write(staged / "datapackage.json", documents.written(package))
    files = [*tables, described]
    manifest = documents.written(documents.manifest(dataset, submission, version, files, previous))
    files.append(_write(staged / "manifest.json", manifest))
    files.append(_write(staged / "SHA256SUMS", documents.sums(files)))
    return package, tuple(files), sha256(manifest).hexdigest()


def _write(path: Path, data: bytes) -> Distribution:
    """Write a document of the release."""
    write_file(path, data)
    return Distribution(
        path=path.name, bytes=len(data), sha256=sha256(data).hexdigest(), crc32=crc32(data),
        media_type="application/json" if path.suffix == ".json" else "text/plain; charset=utf-8",
    )  # fmt: skip


def _make_visible(
    store: Store,
    submission: Submission,
    version: int,
    package: Json,
    files: tuple[Distribution, ...],
    manifest: str,
) -> Submission:
    entry = Release(
        dataset=submission.dataset,
        version=version,
        released=documents.released(submission),
        submission=submission.id,
        manifest_sha256=manifest,
        files=files,
    )
    with store.catalog.write() as db:
        records.check_alive(db, submission.dataset)
        releases.add(db, entry, package, who="pipeline")
        return submissions.move(
            db, submission, State.RELEASED, who="pipeline", at=stamp(store.clock), version=version
        )
