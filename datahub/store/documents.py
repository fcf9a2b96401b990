"""The documents of a release: datapackage.json, manifest.json, SHA256SUMS. Pure functions.

The same release gives the same bytes: no clock, no random number, every list in one order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from datahub import __version__
from datahub.model import STAGE_VERSIONS, data_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datahub.model import Dataset, Distribution, Json, Submission

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"


def package(
    dataset: Dataset,
    submission: Submission,
    version: int,
    files: Iterable[Distribution],
    columns: Mapping[str, Mapping[str, str]],
) -> Json:
    """Data Package 2.0 of a release: its resources are the CSV files, beside them the Parquet.

    `columns` gives the Arrow type of every column by resource.
    """
    own: dict[str, list[Distribution]] = {}
    for file in files:
        own.setdefault(file.resource or "", []).append(file)
    return {"$schema": PROFILE} | dataset.package | {
        "version": str(version),
        "created": released(submission),
        "resources": [
            resource | _resource(own[resource["name"]], columns[resource["name"]])
            for resource in dataset.package["resources"]
        ],
    }  # fmt: skip


def _resource(files: list[Distribution], columns: Mapping[str, str]) -> Json:
    parts = [file for file in files if file.form == "csv"]
    (parquet,) = [file for file in files if file.form == "parquet"]
    where: Json = {"path": parts[0].path, "bytes": parts[0].bytes, "hash": _hash(parts[0])}
    if len(parts) > 1:  # no one digest is that of several files: each has its own
        sizes = [{"path": p.path, "bytes": p.bytes, "hash": _hash(p)} for p in parts]
        where = {"path": [part.path for part in parts], "parts": sizes}
    return where | {
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "rows": parquet.rows,
        "parquet": {"path": parquet.path, "columns": dict(columns)},
    }


def manifest(
    dataset: Dataset,
    submission: Submission,
    version: int,
    files: Iterable[Distribution],
    previous: str | None,
) -> Json:
    """List every file with form, part, size and digest; `previous` is the manifest before."""
    return {
        "dataset": dataset.name,
        "version": version,
        "title": dataset.title,
        "publisher": dataset.publisher_title,
        "released": released(submission),
        "submission": submission.id,
        "data_digest": data_digest(submission.files),
        "metadata_digest": dataset.digest,
        "made_by": f"datahub {__version__}",
        "stages": STAGE_VERSIONS,
        "previous": previous,
        "files": [msgspec.to_builtins(file) for file in files],
    }


def sums(files: Iterable[Distribution]) -> bytes:
    """Digests as `sha256sum -c` reads them."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in files).encode()


def released(submission: Submission) -> str:
    """When the decision was made that a release rests on."""
    return submission.decision.at if submission.decision else submission.modified


def written(value: Any) -> bytes:
    """Bytes of a document."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _hash(file: Distribution) -> str:
    return f"sha256:{file.sha256}"
