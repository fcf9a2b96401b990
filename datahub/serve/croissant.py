"""Description of a release as Croissant 1.0 (MLCommons): its files and the fields of its tables.

Made when it is asked for, because its readers take absolute addresses only, and a site may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from datahub.serve.download_lists import address

if TYPE_CHECKING:
    from datahub.model import Distribution, Json, Release

NAME, MEDIA_TYPE = "croissant.json", "application/ld+json"
_NAMES = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: Json = {
    "@language": "zh",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {name: f"cr:{name}" for name in _NAMES}
_TYPES = {
    "integer": "sc:Integer",
    "year": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}
_FORMATS = {"parquet": "application/x-parquet", "csv": "text/csv"}


def croissant(package: Json, release: Release, base: str) -> bytes:
    """Describe a release; `package` is its Data Package, `base` the address of the site."""
    files = [file for file in release.files if _form(file) in _FORMATS]
    licences = [item.get("path") or item.get("name") for item in package.get("licenses", ())]
    found = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": release.dataset,
        "alternateName": package.get("title"),
        "description": package.get("description") or package.get("title"),
        "keywords": package.get("keywords"),
        "license": licences or None,
        "url": f"{base}/datasets/{release.dataset}",
        "version": f"{release.version}.0.0",
        "datePublished": release.released,
        "citeAs": f"{package.get('title')}，第 {release.version} 版，"
        f"{base}{address(release, '')[:-1]}",
        "distribution": [_file(file, release, base) for file in files],
        "recordSet": [_records(item) for item in package["resources"]],
    }
    return msgspec.json.encode({key: value for key, value in found.items() if value is not None})


def _form(file: Distribution) -> str:
    """Form of a file, of releases from before forms were told too."""
    if file.resource is None:
        return ""
    return file.form or file.path.rsplit(".", 1)[-1]


def _file(file: Distribution, release: Release, base: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": base + address(release, file.path),
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _FORMATS[_form(file)],
        "sha256": file.sha256,
    }


def _records(resource: Json) -> Json:
    """Fields of a table, read from its Parquet file, where every value has its type."""
    name, schema = resource["name"], resource["schema"]
    given = schema.get("primaryKey", ())
    key = [given] if isinstance(given, str) else given
    found: Json = {"@type": "cr:RecordSet", "@id": name, "name": name}
    if key:
        found["key"] = [{"@id": f"{name}/{column}"} for column in key]
    return found | {"field": [_field(name, field) for field in schema["fields"]]}


def _field(resource: str, field: Json) -> Json:
    told = field.get("title"), field.get("description")
    return {
        "@type": "cr:Field",
        "@id": f"{resource}/{field['name']}",
        "name": f"{resource}/{field['name']}",
        "description": "：".join(text for text in told if text) or field["name"],
        "dataType": _TYPES.get(field.get("type", "string"), "sc:Text"),
        "source": {
            "fileObject": {"@id": f"{resource}.parquet"},
            "extract": {"column": field["name"]},
        },
    }
