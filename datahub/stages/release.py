"""Stage release: an approved submission becomes immutable public files and one catalog entry.

Distributions are written to staging, made durable, and become public by one rename; then one
catalog transaction makes the release visible. A crash before it leaves garbage that the next
attempt or the sweep removes; a crash after it leaves a complete release.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from datahub import __version__
from datahub.clock import stamp
from datahub.errors import DatasetUnknown, DecisionVoid, DigestMismatch, StateError
from datahub.errors_catalog import DatasetGone
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import (
    STAGE_VERSIONS,
    Dataset,
    Distribution,
    Json,
    Release,
    State,
    Struct,
    Submission,
)
from datahub.model import data_digest as digest_of_data
from datahub.store import records, releases, submissions
from datahub.store.objects import digest_of, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from datahub.store import Store

TARGET = "datahub.validation.export:export"
MEDIA_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
}


class Written(Struct, frozen=True):
    """What the child wrote for a resource."""

    rows: int
    columns: dict[str, str]


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
    schema = dataset.resource(resource)["schema"]
    names = [field["name"] for field in schema["fields"]]
    with store.catalog.write() as db:
        ids = records.assign_field_ids(db, dataset.name, resource, names)
    store.objects.need(2 * sum(f.bytes for f in submission.files if f.resource == resource))
    return run(
        TARGET,
        {
            "resource": resource,
            "schema": schema,
            "tables": msgspec.to_builtins(submission.tables[resource]),
            "field_ids": ids,
            "folder": str(staged),
            "typed": _typed(store, submission, resource),
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


def _describe(
    dataset: Dataset,
    submission: Submission,
    version: int,
    written: dict[str, Written],
    staged: Path,
    previous: str | None,
) -> tuple[Json, tuple[Distribution, ...], str]:
    """Write datapackage.json, manifest.json and SHA256SUMS; return what the catalog keeps."""
    tables = [
        _distribution(staged / f"{name}{suffix}", name, written[name].rows)
        for name in dataset.resources
        for suffix in (".parquet", ".csv")
    ]
    package = _package(dataset, submission, version, tables, written)
    write_file(staged / "datapackage.json", _json(package))
    files = [*tables, _distribution(staged / "datapackage.json")]
    manifest = _manifest(dataset, submission, version, files, previous)
    write_file(staged / "manifest.json", _json(manifest))
    files.append(_distribution(staged / "manifest.json"))
    sums = "".join(f"{f.sha256}  {f.path}\n" for f in files)
    write_file(staged / "SHA256SUMS", sums.encode())
    digest = sha256(_json(manifest)).hexdigest()
    return package, (*files, _distribution(staged / "SHA256SUMS")), digest


def _distribution(path: Path, resource: str | None = None, rows: int | None = None) -> Distribution:
    return Distribution(
        path=path.name,
        bytes=path.stat().st_size,
        sha256=digest_of(path),
        media_type=MEDIA_TYPES.get(path.suffix, "text/plain; charset=utf-8"),
        resource=resource,
        rows=rows,
    )


def _package(
    dataset: Dataset,
    submission: Submission,
    version: int,
    files: list[Distribution],
    written: dict[str, Written],
) -> Json:
    """Data Package 2.0 of the release: its resources are the CSV files, beside them the Parquet."""
    decided = submission.decision
    by_path = {file.path: file for file in files}
    return dataset.package | {
        "version": str(version),
        "created": decided.at if decided else submission.modified,
        "resources": [
            resource
            | {
                "path": f"{resource['name']}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "bytes": by_path[f"{resource['name']}.csv"].bytes,
                "hash": f"sha256:{by_path[resource['name'] + '.csv'].sha256}",
                "rows": written[resource["name"]].rows,
                "parquet": {
                    "path": f"{resource['name']}.parquet",
                    "columns": written[resource["name"]].columns,
                },
            }
            for resource in dataset.package["resources"]
        ],
    }


def _manifest(
    dataset: Dataset,
    submission: Submission,
    version: int,
    files: list[Distribution],
    previous: str | None,
) -> Json:
    decision = submission.decision
    return {
        "dataset": dataset.name,
        "version": version,
        "title": dataset.title,
        "publisher": dataset.publisher_title,
        "released": decision.at if decision else submission.modified,
        "submission": submission.id,
        "data_digest": digest_of_data(submission.files),
        "metadata_digest": dataset.digest,
        "made_by": f"datahub {__version__}",
        "stages": STAGE_VERSIONS,
        "previous": previous,
        "files": [msgspec.to_builtins(file) for file in files],
    }


def _make_visible(
    store: Store,
    submission: Submission,
    version: int,
    package: Json,
    files: tuple[Distribution, ...],
    manifest: str,
) -> Submission:
    decision = submission.decision
    entry = Release(
        dataset=submission.dataset,
        version=version,
        released=decision.at if decision else submission.modified,
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


def _json(value: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
