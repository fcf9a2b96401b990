"""The catalog record in DCAT-AP 3: which property each field becomes (standards.md §3).

Only what may be downloaded by everybody has a download address; a conditional dataset has
distributions whose access address is the page that says on what conditions. The API is not told
as a dcat:DataService: the published SHACL shapes name two shapes of it that they do not have, and
a validator stops there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datahub.model import Openness
from datahub.record import vocabularies
from datahub.serve.outputs import concepts
from datahub.serve.outputs.concepts import Names
from datahub.serve.outputs.graph import Node, compact, json_ld, ref, text, turtle, typed
from datahub.serve.outputs.texts import iri, mail, telephone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from datahub.model import Dataset, Distribution, Json, Release
    from datahub.store.listing import Context, Listed

_KINDS = (
    (re.compile(r"\d{4}\Z", re.ASCII), "gYear"),
    (re.compile(r"\d{4}-(0[1-9]|1[0-2])\Z", re.ASCII), "gYearMonth"),
    (re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z", re.ASCII), "date"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII),
     "dateTime"),
)  # fmt: skip
_STATUS = {"deprecated": concepts.DEPRECATED}


def write_turtle(items: Iterable[Listed], context: Context, base: str) -> Iterator[str]:
    """Write the catalog as Turtle, dataset by dataset."""
    return turtle(_nodes(items, context, base))


def write_json_ld(items: Iterable[Listed], context: Context, base: str) -> Iterator[str]:
    """Write the catalog as JSON-LD, dataset by dataset."""
    names, shared = Names(base), concepts.everything(context, base)
    nodes = (dataset(item, context, names) for item in items)
    return json_ld(catalog(context, names), {"dcat:dataset": nodes}, shared.values())


def write_one(item: Listed, context: Context, base: str, *, form: str) -> Iterator[str]:
    """Write one dataset with all that it points at, as `ttl` or `jsonld`."""
    names, shared = Names(base), concepts.everything(context, base)
    node = dataset(item, context, names)
    others = concepts.reached(node, shared)
    writers: dict[str, Callable[[], Iterator[str]]] = {
        "ttl": lambda: turtle([node, *others]),
        "jsonld": lambda: json_ld(node, {}, others),
    }
    return writers[form]()


def _nodes(items: Iterable[Listed], context: Context, base: str) -> Iterator[Node]:
    names = Names(base)
    yield catalog(context, names)
    yield from concepts.everything(context, base).values()
    for item in items:
        node = dataset(item, context, names)
        yield node | {"@reverse": {"dcat:dataset": [ref(names.catalog)]}}


# The catalog -------------------------------------------------------------------------------


def catalog(context: Context, names: Names) -> Node:
    """Describe the catalog itself."""
    given = context.catalog
    english = str(given.get("title_en") or "Public data catalog")
    top = [
        code
        for code, item in context.regions.items()
        if not item.get("parent") and not item.get("valid_to")
    ]
    licences = [ref(concepts.licence_name(i, names)) for i in context.licenses.values()]
    return compact(
        {
            "@id": names.catalog,
            "@type": "dcat:Catalog",
            "dct:title": [text(context.title, "zh"), text(english, "en")],
            "dct:description": _described(given, context.title),
            "dct:publisher": _owner(context, names),
            "dct:language": [ref(concepts.CHINESE), ref(concepts.ENGLISH)],
            "dct:license": licences[0] if licences else None,  # of the records; one at most
            "dct:issued": moment(str(given.get("issued") or "")) or moment(context.since),
            "dct:modified": moment(context.at),
            "dct:spatial": [ref(names.of("region", code)) for code in top],
            "dcat:themeTaxonomy": [
                ref(names.theme_scheme), ref(f"{concepts.EU}data-theme")
            ],
            "dct:conformsTo": ref(concepts.DCAT_AP),
            "foaf:homepage": {"@id": f"{names.base}/", "@type": "foaf:Document"},
        }
    )  # fmt: skip


def _described(given: Json, title: str) -> list[Node]:
    zh = str(given.get("description") or f"{title}：可开放、可查询的公共数据集及其元数据。")
    en = str(given.get("description_en") or "Datasets of public bodies with their metadata.")
    return [text(zh, "zh"), text(en, "en")]


def _owner(context: Context, names: Names) -> Node:
    publisher = context.catalog.get("publisher")
    if publisher in context.publishers:
        return ref(names.of("publisher", str(publisher)))
    return {
        "@id": f"{names.document}#operator",
        "@type": "foaf:Agent",
        "foaf:name": text(context.title, "zh"),
        "dct:type": ref(f"{concepts.ADMS}publishertype/LocalAuthority"),
    }


# A dataset ---------------------------------------------------------------------------------


def dataset(item: Listed, context: Context, names: Names) -> Node:
    """Describe a dataset, with its catalog record and its distributions."""
    found = item.dataset
    record, name = found.record, names.dataset(found.name)
    after = item.successor or str(record.get("superseded_by") or "")
    state = _STATUS.get(item.status) or (concepts.WITHDRAWN if item.gone else None)
    node = {
        "@id": name,
        "@type": ["dcat:Dataset", "dcat:Resource"],
        "dct:title": languages(found.package, "title"),
        "dct:description": _abstract(item),
        "dct:identifier": [text(str(v)) for v in (found.name, record.get("code")) if v],
        "adms:identifier": _code(record),
        "dcat:keyword": [text(str(word), "zh") for word in found.package.get("keywords", [])],
        "dcat:theme": _theme(found, context, names),
        "dct:publisher": ref(names.of("publisher", found.publisher)),
        "dcat:contactPoint": _contact(found, context, names),
        "dct:accrualPeriodicity": _frequency(record),
        "dct:accessRights": _equivalent("openness", found.openness.value, "dcat"),
        "dct:rights": _conditions(record),
        "dct:temporal": _period(record.get("temporal")),
        "dct:spatial": _places(record, context, names),
        "dct:issued": moment(str(record.get("issued") or "")) or moment(found.created),
        "dct:modified": moment(found.modified),
        "dct:language": ref(concepts.CHINESE),
        "dct:type": _class(record, names),
        "dct:conformsTo": [] if item.gone else _standards(found, names),
        "dct:relation": [{"dct:identifier": text(str(code))} for code in _many(record, "related")],
        "dct:isReplacedBy": ref(names.dataset(after)) if after else None,
        "dct:subject": [ref(names.term(str(term))) for term in _many(record, "terms")],
        "dct:provenance": _origin(record),
        "adms:status": ref(state) if state else None,
        "dcat:landingPage": {"@id": names.page(found.name), "@type": "foaf:Document"},
        "dcat:version": text(str(found.latest)) if found.latest and not item.gone else None,
        "dcat:distribution": _distributions(item, context, names),
        "foaf:isPrimaryTopicOf": _record(item, names),
    }  # fmt: skip
    return compact(node)


def languages(thing: Json, key: str) -> list[Node]:
    """Text of a record in Chinese and, where it has one, in English.

    A dataset of one table without English of its own speaks it as its table schema does.
    """
    zh, en = str(thing.get(key) or thing.get("name") or ""), thing.get(f"{key}_en")
    resources = thing.get("resources", [])
    if not en and len(resources) == 1:
        en = resources[0].get(f"{key}_en") or resources[0].get("schema", {}).get(f"{key}_en")
    return [text(zh, "zh"), *([text(str(en), "en")] if en else [])]


def _abstract(item: Listed) -> list[Node]:
    found = languages(item.dataset.package | {"name": item.dataset.title}, "description")
    told = f"状态：{vocabularies.label('status', item.status)}。{item.reason}"
    return [text(told, "zh")] if item.gone else found


def _code(record: Json) -> Node | None:
    if not record.get("code"):
        return None
    return {
        "@type": "adms:Identifier",
        "skos:notation": text(str(record["code"])),
        "dct:title": text("信息资源代码", "zh"),
    }


def _theme(found: Dataset, context: Context, names: Names) -> list[Node]:
    eu = concepts.eu_theme(found.theme, context.themes.get(found.theme, {}))
    ours = [ref(names.of("theme", found.theme))] if found.theme in context.themes else []
    return [*ours, *([ref(eu)] if eu else [])]


def _contact(found: Dataset, context: Context, names: Names) -> Node:
    given = found.record.get("contact") or {}
    owner = context.publishers.get(found.publisher, {})
    phone = telephone(given.get("phone")) or telephone(owner.get("phone"))
    address = mail(given.get("email")) or mail(owner.get("email"))
    return compact(
        {
            "@type": ["vcard:Kind", "vcard:Organization"],
            "vcard:fn": text(str(given.get("name") or found.publisher_title), "zh"),
            "vcard:hasTelephone": ref(phone) if phone else None,
            "vcard:hasEmail": ref(address) if address else None,
            "vcard:hasURL": ref(names.page(found.name)),
        }
    )


def _frequency(record: Json) -> Node | None:
    return _equivalent("update_cycle", str(record.get("update_cycle")), "eu")


def _equivalent(name: str, code: str, key: str) -> Node | None:
    term = vocabularies.term(name, code)
    return ref(term.more[key]) if term and key in term.more else None


def _conditions(record: Json) -> Node | None:
    """On what conditions data is given, or why it is not."""
    parts: list[str] = []
    if record.get("auth_level"):
        known = vocabularies.label("auth_level", str(record["auth_level"]))
        parts.append(f"使用者身份：{known}")
    given = record.get("open_condition")
    if isinstance(given, dict):
        titles = {"method": "开放方式", "use": "使用要求", "security": "安全措施"}
        parts += [f"{title}：{given[key]}" for key, title in titles.items() if given.get(key)]
    elif given:
        parts.append(str(given))
    if record.get("closed_reason"):
        code = str(record["closed_reason"])
        parts.append(f"不予开放理由：{code} {vocabularies.label('closed_reason', code)}")
    if record.get("legal_basis"):
        parts.append(f"依据：{record['legal_basis']}")
    if not parts:
        return None
    return {"@type": "dct:RightsStatement", "rdfs:label": text("；".join(parts), "zh")}


def _origin(record: Json) -> Node | None:
    """Where the data comes from, in words."""
    titles = {"source_dept": "数源单位", "provider": "数据提供单位", "source_system": "来源系统"}
    parts = [f"{title}：{record[key]}" for key, title in titles.items() if record.get(key)]
    if not parts:
        return None
    return {"@type": "dct:ProvenanceStatement", "rdfs:label": text("；".join(parts), "zh")}


def _period(given: object) -> Node | None:
    if not isinstance(given, dict):
        return None
    start, end = moment(str(given.get("start") or "")), moment(str(given.get("end") or ""))
    if not (start or end):
        return None
    return compact({"@type": "dct:PeriodOfTime", "dcat:startDate": start, "dcat:endDate": end})


def _places(record: Json, context: Context, names: Names) -> list[Node]:
    region, words = record.get("region"), record.get("spatial")
    known = context.regions.get(str(region))
    places = [ref(names.of("region", str(region)))] if known else []
    if words and (not known or words != known["title"]):
        places.append({"@type": "dct:Location", "skos:prefLabel": text(str(words), "zh")})
    return places


def _many(record: Json, key: str) -> list[object]:
    given = record.get(key)
    return given if isinstance(given, list) else []


def _class(record: Json, names: Names) -> Node | None:
    first = str(record.get("code") or "")[:1]
    return ref(names.of("class", first)) if first and first in "123" else None


def _standards(found: Dataset, names: Names) -> list[Node]:
    standards = [
        {
            "@id": schema_name(found.name, resource["name"], names),
            "@type": "dct:Standard",
            "dct:title": languages(resource["schema"] | {"name": resource["name"]}, "title"),
        }
        for resource in found.package["resources"]
        if resource.get("schema")
    ]
    if item := record_text(found.record.get("std_item")):
        standards.append({"@type": "dct:Standard", "dct:title": [text(item, "zh")]})
    crs = _equivalent("crs", str(found.record.get("crs")), "uri")
    return [*standards, crs] if crs else standards


def record_text(value: object) -> str:
    """Text of a value that may be a list."""
    return "；".join(map(str, value)) if isinstance(value, list) else str(value or "")


def schema_name(dataset_name: str, resource: str, names: Names) -> str:
    """Address of the table schema of a resource."""
    return iri(f"{names.base}/api/v1/datasets/{dataset_name}/resources/{resource}/schema")


def _record(item: Listed, names: Names) -> Node:
    found = item.dataset
    change = "deleted" if item.gone else "updated" if found.modified > found.created else "created"
    return compact(
        {
            "@id": f"{names.page(found.name)}#record",
            "@type": "dcat:CatalogRecord",
            "foaf:primaryTopic": ref(names.dataset(found.name)),
            "dct:title": text(found.title, "zh"),
            "dct:issued": moment(found.created),
            "dct:modified": moment(found.modified),
            "dct:conformsTo": ref(concepts.DCAT_AP),
            "dct:language": [ref(concepts.CHINESE)],
            "adms:status": ref(f"{concepts.ADMS}changetype/{change}"),
            "@reverse": {"dcat:record": [ref(names.catalog)]},
        }
    )


# Distributions -----------------------------------------------------------------------------


def _distributions(item: Listed, context: Context, names: Names) -> list[Node]:
    found, release = item.dataset, item.release
    if release is None or item.gone or found.openness is Openness.CLOSED:
        return []
    terms = _licence(found, context, names)
    return [
        _distribution(found, release, file, names) | ({"dct:license": terms} if terms else {})
        for file in release.files
        if file.has_rows
    ]


def _distribution(found: Dataset, release: Release, file: Distribution, names: Names) -> Node:
    address = names.file(found.name, release.version, file.path)
    media = file.media_type.split(";")[0].strip()
    kind = concepts.FILE_TYPES.get(media)
    titles = {r["name"]: str(r.get("title") or r["name"]) for r in found.package["resources"]}
    title = titles.get(str(file.resource), str(file.resource))
    suffix = file.path.rsplit(".", 1)[-1].upper()
    open_ = found.openness is Openness.OPEN
    node = {
        "@id": f"{address}#distribution",
        "@type": "dcat:Distribution",
        "dct:title": text(f"{title}（{suffix}）", "zh"),
        "dct:description": text(f"{title}，第 {release.version} 版，{suffix} 文件。", "zh"),
        "dcat:accessURL": ref(names.page(found.name)),
        "dcat:mediaType": ref(f"{concepts.IANA}{media}"),
        "dct:format": ref(f"{concepts.EU}file-type/{kind}") if kind else None,
        "dct:issued": moment(release.released),
        "dct:modified": moment(release.released),
        "dct:language": ref(concepts.CHINESE),
        "dct:conformsTo": ref(schema_name(found.name, str(file.resource), names)),
        "dcatap:availability": ref(concepts.AVAILABLE),
        "adms:status": ref(concepts.COMPLETED),
    }
    if open_:
        node |= {
            "dcat:downloadURL": ref(address),
            "dcat:byteSize": typed(str(file.bytes), "nonNegativeInteger"),
            "spdx:checksum": {
                "@type": "spdx:Checksum",
                "spdx:algorithm": ref(concepts.SHA256),
                "spdx:checksumValue": typed(file.sha256, "hexBinary"),
            },
        }
    else:
        node["dct:rights"] = _conditions(found.record)
    return compact(node)


def _licence(found: Dataset, context: Context, names: Names) -> Node | None:
    given = found.package.get("licenses") or []
    if not given:
        return None
    known = context.licenses.get(str(given[0].get("name")))
    return ref(concepts.licence_name(known, names)) if known else concepts.licence(given[0], names)


def moment(value: str) -> Node | None:
    """Date or time as a typed literal, by how it is written; None where it is neither."""
    for pattern, kind in _KINDS:
        if pattern.match(value):
            return typed(value, kind)
    return None
