"""What the API answers with: typed, documented in /openapi.json by these structs."""

from __future__ import annotations

from typing import Any

from datahub.errors import from_code
from datahub.model import (
    STATE_ZH,
    Dataset,
    Decision,
    Distribution,
    FileIn,
    Finding,
    Json,
    Release,
    Struct,
    Submission,
)
from datahub.store.lifecycle import STATUSES_ZH, Status


class ResourceView(Struct, frozen=True):
    """A resource of a dataset."""

    name: str
    title: str
    fields: int
    rows: int | None
    links: dict[str, str]


class DatasetView(Struct, frozen=True):
    """A catalog record, short enough for a list."""

    name: str
    title: str
    description: str
    publisher: dict[str, str]
    theme: dict[str, str]
    openness: str
    keywords: list[str]
    sample: bool
    latest: int | None
    modified: str  # of the record
    data_updated: str | None  # of the data: when the latest release came
    status: str  # active, deprecated, withdrawn, tombstone
    completeness: int  # of the record, 0 to 100
    rows: int
    cells: int  # 数据容量: rows × fields
    code: str
    region: str
    update_cycle: str
    grade: str
    validity: str | None
    links: dict[str, str]


class Notice(Struct, frozen=True):
    """What a page must say above everything else of a dataset that is not simply active."""

    status: str
    status_zh: str
    reason: str
    at: str
    successor: str | None


class DatasetDetail(DatasetView, frozen=True):
    """A whole catalog record with its resources."""

    digest: str  # of the record: what If-Match of a change names
    created: str
    notice: Notice | None
    milestones: dict[str, str | None]  # catalogued, collected, shared, opened
    formerly: list[str]
    record: Json
    licenses: list[Json]
    resources: list[ResourceView]


class DatasetList(Struct, frozen=True):
    """A page of datasets."""

    total: int
    limit: int
    offset: int
    data: list[DatasetView]


class ReleaseView(Struct, frozen=True):
    """A release with its files, or the tombstone of one."""

    dataset: str
    version: int
    released: str
    latest: bool
    manifest_sha256: str
    files: list[dict[str, Any]]
    withdrawn: str | None = None
    reason: str | None = None


class ProblemView(Struct, frozen=True):
    """Why a submission was rejected."""

    code: str
    detail: str
    detail_zh: str


class SubmissionView(Struct, frozen=True):
    """A submission with what the stages found out so far."""

    id: str
    dataset: str
    state: str
    state_zh: str
    submitter: str
    created: str
    modified: str
    note: str
    files: tuple[FileIn, ...]
    detected: list[Json]
    findings: tuple[Finding, ...]
    problem: ProblemView | None
    decision: Decision | None
    version: int | None
    links: dict[str, str]


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision: approve, return (with reason) or decline (with reason)."""

    verdict: str
    reason: str = ""


class WithdrawalBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A withdrawal and its public reason."""

    reason: str


_SHOWN = ("code", "region", "update_cycle", "grade")


def _short(dataset: Dataset) -> dict[str, Any]:
    package = dataset.package
    return {
        "name": dataset.name,
        "title": dataset.title,
        "description": package.get("description", ""),
        "publisher": {"id": dataset.publisher, "title": dataset.publisher_title},
        "theme": {"code": dataset.theme, "title": dataset.theme_title},
        "openness": dataset.openness.value,
        "keywords": package.get("keywords", []),
        "sample": bool(dataset.record.get("sample")),
        "latest": dataset.latest,
        "modified": dataset.modified,
        "data_updated": dataset.data_updated or None,
        "status": dataset.status,
        "completeness": dataset.score,
        "rows": dataset.rows,
        "cells": dataset.cells,
        **{name: str(dataset.record.get(name) or "") for name in _SHOWN},
        "validity": dataset.record.get("validity"),
        "links": {
            "self": f"/api/v1/datasets/{dataset.name}",
            "page": f"/datasets/{dataset.name}",
            "releases": f"/api/v1/datasets/{dataset.name}/releases",
        },
    }


def dataset_view(dataset: Dataset) -> DatasetView:
    """Catalog record for a list."""
    return DatasetView(**_short(dataset))


def dataset_detail(
    dataset: Dataset,
    release: Release | None,
    *,
    status: Status | None = None,
    milestones: dict[str, str | None] | None = None,
    formerly: list[str] | None = None,
) -> DatasetDetail:
    """Catalog record with its resources as they are in the latest release."""
    return DatasetDetail(
        **_short(dataset),
        digest=dataset.digest,
        created=dataset.created,
        notice=None if dataset.status == "active" or status is None else _notice(status),
        milestones=milestones or {},
        formerly=formerly or [],
        record=dataset.record,
        licenses=dataset.package.get("licenses", []),
        resources=[
            ResourceView(
                name=resource["name"],
                title=resource.get("title", resource["name"]),
                fields=len(resource["schema"]["fields"]),
                rows=rows_of(release, resource["name"]),
                links=_resource_links(dataset.name, resource["name"], release),
            )
            for resource in dataset.package["resources"]
        ],
    )


def _notice(status: Status) -> Notice:
    return Notice(
        status=status.status,
        status_zh=STATUSES_ZH[status.status],
        reason=status.reason,
        at=status.at,
        successor=status.successor,
    )


def rows_of(release: Release | None, resource: str) -> int | None:
    """Rows that a resource has in a release."""
    files = release.files if release else ()
    return next((file.rows for file in files if file.resource == resource), None)


def _resource_links(dataset: str, resource: str, release: Release | None) -> dict[str, str]:
    base = f"/api/v1/datasets/{dataset}/resources/{resource}"
    links = {"schema": f"{base}/schema"}
    if release is not None:
        links |= {"rows": f"{base}/rows", "report": f"{base}/report"}
        for file in release.files:
            if file.resource == resource:
                links[file.path.rsplit(".", 1)[-1]] = f"/d/{dataset}/latest/{file.path}"
    return links


def release_view(release: Release, latest: int | None, *, gone: bool = False) -> ReleaseView:
    """Release with the addresses of its files; a tombstone, or a dataset gone, has none."""
    return ReleaseView(
        dataset=release.dataset,
        version=release.version,
        released=release.released,
        latest=release.version == latest,
        manifest_sha256=release.manifest_sha256,
        files=[]
        if release.withdrawn or gone
        else [file_view(release, file) for file in release.files],
        withdrawn=release.withdrawn,
        reason=release.reason,
    )


def file_view(release: Release, file: Distribution) -> dict[str, Any]:
    """Distribution with its address."""
    return {
        "path": file.path,
        "url": f"/d/{release.dataset}/{release.version}/{file.path}",
        "bytes": file.bytes,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "resource": file.resource,
        "rows": file.rows,
    }


def problem_view(problem: Json | None) -> ProblemView | None:
    """Stored error as a person reads it."""
    if problem is None:
        return None
    error = from_code(problem["code"], problem["facts"])
    return ProblemView(code=error.code, detail=error.text_en, detail_zh=error.text_zh)


def submission_view(submission: Submission) -> SubmissionView:
    """Submission without any server path."""
    base = f"/api/v1/submissions/{submission.id}"
    return SubmissionView(
        id=submission.id,
        dataset=submission.dataset,
        state=submission.state.value,
        state_zh=STATE_ZH[submission.state],
        submitter=submission.submitter,
        created=submission.created,
        modified=submission.modified,
        note=submission.note,
        files=submission.files,
        detected=[
            {
                "resource": resource,
                "file": table.name,
                "format": table.format,
                "encoding": table.encoding,
                "delimiter": table.dialect.delimiter,
                "quote_char": table.dialect.quote_char,
                "header_row": table.dialect.header_row,
                "sheet": table.sheet,
            }
            for resource, tables in submission.tables.items()
            for table in tables
        ],
        findings=submission.findings,
        problem=problem_view(submission.problem),
        decision=submission.decision,
        version=submission.version,
        links={
            "self": base,
            "report": f"{base}/report",
            "errors": f"{base}/report.csv",
            "errors_xlsx": f"{base}/report.xlsx",
            "decisions": f"{base}/decisions",
        },
    )
