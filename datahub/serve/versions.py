"""The versions of a dataset as a list: what each holds and how it differs in form from the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.model import Json, Release, Struct
from datahub.record import diff
from datahub.store import records, releases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.store import Store


class ResourceOf(Struct, frozen=True):
    """A resource of a version; `sha256` is of its Parquet file and names its content."""

    name: str
    rows: int | None
    bytes: int
    sha256: str
    schema_changes: list[dict[str, Any]]
    """Against the version before: field, what, before, after, compatible, zh, en."""


class Version(Struct, frozen=True):
    """A version, or the tombstone of one; those have no resources."""

    version: int
    released: str
    latest: bool
    rows: int
    bytes: int
    manifest_sha256: str
    resources: list[ResourceOf]
    resources_added: list[str]
    resources_removed: list[str]
    withdrawn: str | None
    reason: str | None
    links: dict[str, str]


class Versions(Struct, frozen=True):
    """Versions of a dataset, newest first; `next` is the address of those before."""

    dataset: str
    total: int
    data: list[Version]
    next: str | None


def versions(
    store: Store, dataset: str, *, as_of: str | None, before: int | None, limit: int
) -> Versions:
    """List versions, newest first: those released by `as_of`, with numbers below `before`.

    Raises:
        DatasetUnknown: there is no such dataset.
        ParameterInvalid: `as_of` is neither a date nor a time.

    """
    end = None if as_of is None else releases.end_of(as_of)
    with store.catalog.read() as db:
        known = records.get_dataset(db, dataset)
        gone = known.status not in records.LISTED
        there = [r for r in releases.find(db, dataset) if end is None or r.released <= end]
        rest = [r for r in there if before is None or r.version < before]
        schemas = {
            release.version: _schemas(releases.get_package(db, dataset, release.version))
            for release in rest[: limit + 1]
        }
    data = [
        _version(release, older, schemas, latest=release.version == known.latest, gone=gone)
        for release, older in zip(rest[:limit], [*rest[1:], None], strict=False)
    ]
    following = None
    if len(rest) > limit:
        asked = {"before": data[-1].version, "limit": limit, "as_of": as_of}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        following = f"/api/v1/datasets/{dataset}/versions?{query}"
    return Versions(dataset=dataset, total=len(there), data=data, next=following)


def _schemas(package: Json) -> dict[str, Json]:
    return {item["name"]: item["schema"] for item in package.get("resources", ())}


def _version(
    release: Release,
    older: Release | None,
    schemas: Mapping[int, dict[str, Json]],
    *,
    latest: bool,
    gone: bool,
) -> Version:
    own = schemas[release.version]
    before = own if older is None else schemas[older.version]
    hidden = gone or release.withdrawn is not None
    rows = {file.resource: file.rows for file in release.files if file.resource and file.rows}
    return Version(
        version=release.version,
        released=release.released,
        latest=latest,
        rows=sum(rows.values()),
        bytes=sum(file.bytes for file in release.files),
        manifest_sha256=release.manifest_sha256,
        resources=[] if hidden else [_resource(release, name, own, before) for name in own],
        resources_added=[name for name in own if name not in before],
        resources_removed=[name for name in before if name not in own],
        withdrawn=release.withdrawn,
        reason=release.reason,
        links={} if hidden else _links(release, older),
    )


def _resource(
    release: Release, name: str, own: dict[str, Json], before: dict[str, Json]
) -> ResourceOf:
    files = [file for file in release.files if file.resource == name]
    (parquet,) = [file for file in files if file.path == f"{name}.parquet"]
    found = diff.compare(before.get(name, own[name]), own[name])
    shown = ("field", "what", "before", "after", "compatible", "zh", "en")
    return ResourceOf(
        name=name,
        rows=parquet.rows,
        bytes=sum(file.bytes for file in files),
        sha256=parquet.sha256,
        schema_changes=[{key: getattr(change, key) for key in shown} for change in found],
    )


def _links(release: Release, older: Release | None) -> dict[str, str]:
    folder = f"/d/{release.dataset}/{release.version}"
    links = {"manifest": f"{folder}/manifest.json", "package": f"{folder}/datapackage.json"}
    if older is not None and older.withdrawn is None:
        links["diff"] = (
            f"/api/v1/datasets/{release.dataset}/resources/{{resource}}/diff"
            f"?from={older.version}&to={release.version}"
        )
    return links
