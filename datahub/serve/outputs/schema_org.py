"""A dataset as schema.org/Dataset, which search engines read from its page.

Embed it as `<script type="application/ld+json">` + `safe_json(schema_org(…))` + `</script>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.model import Openness
from datahub.serve.outputs.concepts import Names
from datahub.serve.outputs.texts import safe_json, web

if TYPE_CHECKING:
    from datahub.model import Dataset, Distribution, Json, Release

__all__ = ["safe_json", "schema_org"]

_LEAST, _MOST = 50, 5000  # characters of a description, as search engines want them


def schema_org(dataset: Dataset, release: Release | None, base: str) -> Json:
    """Describe a dataset; `base` is the address that visitors come by, without a slash.

    Files are named where everybody may download them: of open datasets, in the given release.
    """
    names, package, record = Names(base), dataset.package, dataset.record
    contact = record.get("contact") or {}
    open_ = dataset.openness is Openness.OPEN
    creator = {
        "@type": "GovernmentOrganization",
        "@id": names.of("publisher", dataset.publisher),
        "name": dataset.publisher_title,
    }
    found: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": names.dataset(dataset.name),
        "name": dataset.title,
        "alternateName": package.get("title_en"),
        "description": _description(dataset),
        "url": names.page(dataset.name),
        "identifier": [dataset.name, *([str(record["code"])] if record.get("code") else [])],
        "keywords": [str(word) for word in package.get("keywords", [])],
        "inLanguage": "zh-CN",
        "license": _license(package),
        "isAccessibleForFree": open_,
        "conditionsOfAccess": _conditions(record),
        "creator": creator
        | _given(telephone=contact.get("phone"), email=contact.get("email")),
        "publisher": {"@id": creator["@id"], "@type": creator["@type"], "name": creator["name"]},
        "includedInDataCatalog": {
            "@type": "DataCatalog", "@id": names.catalog, "url": f"{base}/",
        },
        "dateCreated": record.get("issued") or dataset.created,
        "dateModified": dataset.data_updated or dataset.modified,
        "datePublished": release.released if release else None,
        "version": str(release.version) if release else None,
        "temporalCoverage": _period(record.get("temporal")),
        "spatialCoverage": _place(record.get("spatial")),
        "variableMeasured": [
            variable for resource in package["resources"] for variable in _variables(resource)
        ],
        "distribution": _downloads(dataset, release, names) if release and open_ else None,
    }  # fmt: skip
    return _given(**found)


def _given(**values: Any) -> Json:
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _description(dataset: Dataset) -> str:
    told = str(dataset.package.get("description") or "")
    if len(told) < _LEAST:
        fields = [
            str(field.get("title") or field["name"])
            for resource in dataset.package["resources"]
            for field in (resource.get("schema") or {}).get("fields", [])
        ]
        told += (
            f"{dataset.title}，由{dataset.publisher_title}提供，数据领域：{dataset.theme_title}。"
        )
        told += f"公共数据，附元数据和表结构，信息项：{'、'.join(fields)}。"
    return told[:_MOST]


def _license(package: Json) -> str | None:
    given = package.get("licenses") or []
    return next((found for item in given if (found := web(item.get("path")))), None) or next(
        (str(item.get("title") or item.get("name")) for item in given), None
    )


def _conditions(record: Json) -> str | None:
    given = record.get("open_condition")
    if isinstance(given, dict):
        return "；".join(str(value) for value in given.values() if value) or None
    return str(given) if given else None


def _period(given: Any) -> str | None:
    """ISO 8601 interval, open with `..` where an end is not told."""
    if not isinstance(given, dict) or not (given.get("start") or given.get("end")):
        return None
    start, end = str(given.get("start") or ".."), str(given.get("end") or "..")
    return start if start == end else f"{start}/{end}"


def _place(words: Any) -> Json | None:
    return {"@type": "Place", "name": str(words)} if words else None


def _variables(resource: Json) -> list[Json]:
    return [
        _given(
            **{
                "@type": "PropertyValue",
                "name": str(field.get("title") or field["name"]),
                "alternateName": field["name"] if field.get("title") else None,
                "description": field.get("description"),
                "unitText": field.get("unit"),
            }
        )
        for field in (resource.get("schema") or {}).get("fields", [])
    ]


def _downloads(dataset: Dataset, release: Release, names: Names) -> list[Json]:
    files = (file for file in release.files if file.has_rows)
    return [_download(file, release, dataset, names) for file in files]


def _download(file: Distribution, release: Release, dataset: Dataset, names: Names) -> Json:
    titles = {r["name"]: r.get("title") for r in dataset.package["resources"]}
    return {
        "@type": "DataDownload",
        "name": f"{titles.get(str(file.resource)) or file.resource}（{file.path}）",
        "contentUrl": names.file(dataset.name, release.version, file.path),
        "encodingFormat": file.media_type.split(";")[0],
        "contentSize": f"{file.bytes} B",
        "sha256": file.sha256,
        "dateModified": release.released,
    }
