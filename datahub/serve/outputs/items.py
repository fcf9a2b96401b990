"""A dataset as one JSON object, for the catalog as JSON and NDJSON; addresses are absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from datahub.model import Openness
from datahub.serve.outputs.concepts import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from datahub.model import Dataset, Distribution, Json, Release
    from datahub.store.listing import Context, Listed

_FIELD = ("name", "title", "title_en", "description", "type", "format", "unit")


def item(listed: Listed, context: Context, base: str) -> Json:
    """Describe a dataset; of one that is gone only what a tombstone says."""
    found = listed.dataset
    gone = listed.gone
    owner = context.publishers.get(found.publisher, {})
    return {
        "name": found.name,
        "title": found.title,
        "title_en": found.package.get("title_en", ""),
        "description": "" if gone else found.package.get("description", ""),
        "description_en": "" if gone else found.package.get("description_en", ""),
        "status": listed.status,
        "reason": listed.reason,
        "successor": listed.successor,
        "publisher": {
            "id": found.publisher,
            "title": found.publisher_title,
            "credit_code": owner.get("credit_code", ""),
        },
        "theme": {"code": found.theme, "title": found.theme_title},
        "region": region(found, context),
        "openness": found.openness.value,
        "keywords": [] if gone else found.package.get("keywords", []),
        "sample": bool(found.record.get("sample")),
        "created": found.created,
        "modified": found.modified,
        "data_updated": found.data_updated,
        "latest": None if gone else found.latest,
        "rows": found.rows,
        "cells": found.cells,
        "score": found.score,
        "record": {} if gone else found.record,
        "licenses": [] if gone else found.package.get("licenses", []),
        "resources": [] if gone else [_resource(r, listed) for r in found.package["resources"]],
        "release": None if gone else release_view(listed, base),
        "links": _links(found, base),
    }


def region(found: Dataset, context: Context) -> Json:
    """Region of a dataset, or of its publisher."""
    owner = context.publishers.get(found.publisher, {})
    code = str(found.record.get("region") or owner.get("region") or "")
    return {"code": code, "title": context.regions.get(code, {}).get("title", code)}


def files(listed: Listed) -> tuple[Distribution, ...]:
    """Files that everybody may download."""
    release, found = listed.release, listed.dataset
    if release is None or listed.gone or found.openness is not Openness.OPEN:
        return ()
    return release.files


def address(release: Release, file: Distribution, base: str) -> str:
    """Address of a file of a release, which never changes."""
    return Names(base).file(release.dataset, release.version, file.path)


def release_view(listed: Listed, base: str) -> Json | None:
    """Latest release with its files, where everybody may have them."""
    release = listed.release
    if release is None:
        return None
    return {
        "version": release.version,
        "released": release.released,
        "manifest_sha256": release.manifest_sha256,
        "files": [
            {
                "path": file.path,
                "url": address(release, file, base),
                "bytes": file.bytes,
                "sha256": file.sha256,
                "media_type": file.media_type,
                "resource": file.resource,
                "rows": file.rows,
            }
            for file in files(listed)
        ],
    }


def _resource(resource: Json, listed: Listed) -> Json:
    schema = resource.get("schema") or {}
    name = resource["name"]
    written = listed.release.files if listed.release else ()
    return {
        "name": name,
        "title": resource.get("title") or name,
        "description": resource.get("description") or schema.get("description", ""),
        "rows": next((file.rows for file in written if file.resource == name), None),
        "primary_key": schema.get("primaryKey", []),
        "fields": [
            {key: field[key] for key in _FIELD if field.get(key)}
            for field in schema.get("fields", [])
        ],
    }


def _links(found: Dataset, base: str) -> dict[str, str]:
    names = Names(base)
    record = f"{names.api}/datasets/{found.name}"
    return {
        "self": record,
        "page": names.page(found.name),
        "releases": f"{record}/releases",
        "jsonld": f"{names.page(found.name)}.jsonld",
        "ttl": f"{names.page(found.name)}.ttl",
    }


# Documents ---------------------------------------------------------------------------------


def write_ndjson(listed: Iterable[Listed], context: Context, base: str) -> Iterator[str]:
    """Write one dataset a line."""
    for one in listed:
        yield _text(item(one, context, base)) + "\n"


def write_json(listed: Iterable[Listed], context: Context, base: str) -> Iterator[str]:
    """Write one document; `total` stands at its end, when it is known."""
    head = {
        "title": context.title,
        "change": context.seq,  # number of the last change: what follows may be newer, not older
        "modified": context.at,
        "publishers": list(context.publishers.values()),
        "themes": list(context.themes.values()),
        "regions": list(context.regions.values()),
        "licenses": list(context.licenses.values()),
    }
    yield f'{{"catalog":{_text(head)},"data":['
    total, mark = 0, "\n"
    for one in listed:
        yield mark + _text(item(one, context, base))
        total, mark = total + 1, ",\n"
    yield f'\n],"total":{total}}}\n'


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
