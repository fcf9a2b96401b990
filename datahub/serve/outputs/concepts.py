"""What datasets share in DCAT-AP: publishers, themes, regions, licences, EU and other code lists.

EU authority tables stand for our codes wherever they have the like; each term is written out
with its class, label and scheme, so that a reader (and SHACL) needs nothing from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.record import vocabularies
from datahub.serve.outputs.graph import Node, compact, ref, text
from datahub.serve.outputs.texts import iri, mail, telephone, web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.model import Json
    from datahub.store.listing import Context

EU = "http://publications.europa.eu/resource/authority/"
ADMS = "http://purl.org/adms/"
IANA = "https://www.iana.org/assignments/media-types/"
CHINESE = f"{EU}language/ZHO"
ENGLISH = f"{EU}language/ENG"
AVAILABLE = f"{EU}planned-availability/AVAILABLE"
COMPLETED = f"{EU}distribution-status/COMPLETED"
DEPRECATED = f"{EU}distribution-status/DEPRECATED"
WITHDRAWN = f"{EU}distribution-status/WITHDRAWN"
SHA256 = "https://spdx.org/rdf/terms#checksumAlgorithm_sha256"
"""With https, as the published SHACL shapes want it; the term itself is said to be the same."""
DCAT_AP = "https://semiceu.github.io/DCAT-AP/releases/3.0.1/"
FILE_TYPES = {
    "text/csv": "CSV",
    "application/vnd.apache.parquet": "PARQUET",
    "application/json": "JSON",
    "application/geo+json": "GEOJSON",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "text/plain": "TXT",
}
_STATES = {COMPLETED: "Completed", DEPRECATED: "Deprecated", WITHDRAWN: "Withdrawn"}
_AUTHORITY, _COMPANY, _SOCIETY = "LocalAuthority", "Company", "NonProfitOrganisation"
_PUBLISHER_TYPES = {"GOV": _AUTHORITY} | dict.fromkeys(
    ("WAT", "PWR", "GAS", "BUS", "SOE"), _COMPANY
)
_LICENCE_TYPES = {
    "CC-BY": "Attribution",
    "CC0": "PublicDomain",
    "PDDL": "PublicDomain",
    "ODC-BY": "Attribution",
    "CC-BY-SA": "ViralEffect-ShareAlike",
}
_EU_THEMES = {
    "AGRI": "Agriculture, fisheries, forestry and food",
    "ECON": "Economy and finance",
    "EDUC": "Education, culture and sport",
    "ENER": "Energy",
    "ENVI": "Environment",
    "GOVE": "Government and public sector",
    "HEAL": "Health",
    "INTR": "International issues",
    "JUST": "Justice, legal system and public safety",
    "OP_DATPRO": "Provisional data",
    "REGI": "Regions and cities",
    "SOCI": "Population and society",
    "TECH": "Science and technology",
    "TRAN": "Transport",
}


class Names:
    """Addresses of what has no page of its own: fragments of the catalog's document."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.api = f"{base}/api/v1"
        self.document = f"{self.api}/catalog"
        self.catalog = f"{self.document}#catalog"
        self.theme_scheme = f"{self.document}#themes"

    def of(self, kind: str, code: str) -> str:
        """Address of a publisher, theme, region, licence or resource class."""
        return iri(f"{self.document}#{kind}-") + iri(code).replace("#", "%23").replace("/", "%2F")

    def term(self, identifier: str) -> str:
        """Address of a glossary entry."""
        return iri(f"{self.api}/glossary/{identifier}")

    def page(self, dataset: str) -> str:
        """Address of a dataset's page."""
        return iri(f"{self.base}/datasets/{dataset}")

    def file(self, dataset: str, version: int, path: str) -> str:
        """Address of a file of a release, which never changes."""
        return iri(f"{self.base}/d/{dataset}/{version}/{path}")

    def dataset(self, dataset: str) -> str:
        """Address of a dataset itself."""
        return f"{self.page(dataset)}#dataset"


def everything(context: Context, base: str) -> dict[str, Node]:
    """Every node that datasets may point at, by address."""
    names = Names(base)
    nodes = [*_lists(), *_themes(context, names), *_places(context, names)]
    nodes += [_publisher(item, context, names) for item in context.publishers.values()]
    nodes += [licence(item, names) for item in context.licenses.values()]
    nodes += _classes(names)
    return {node["@id"]: node for node in nodes}


def reached(node: Node, shared: dict[str, Node]) -> list[Node]:
    """Shared nodes that a node points at, directly or by way of others."""
    found: dict[str, Node] = {}
    waiting: list[Any] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            name = item.get("@id", "")
            if name in shared and name not in found:
                found[name] = shared[name]
                waiting.append(shared[name])
            waiting += [value for key, value in item.items() if key != "@reverse"]
    return [found[name] for name in sorted(found)]


# Code lists --------------------------------------------------------------------------------


def _concept(name: str, scheme: str, labels: Iterable[Node], *classes: str) -> Node:
    return {
        "@id": name,
        "@type": ["skos:Concept", *classes],
        "skos:prefLabel": list(labels),
        "skos:inScheme": ref(scheme),
    }


def _scheme(name: str, title: str, zh: str = "") -> Node:
    titles = [text(zh, "zh")] if zh else []
    return {
        "@id": name,
        "@type": "skos:ConceptScheme",
        "dct:title": [*titles, text(title, "en")],
    }


def _both(zh: str, en: str) -> list[Node]:
    return [text(zh, "zh"), text(en, "en")]


def _lists() -> Iterable[Node]:
    yield from _schemes()
    yield from _languages()
    yield from _terms()
    yield from _formats()
    yield from _states()
    yield {
        "@id": SHA256,
        "@type": "spdx:ChecksumAlgorithm",
        "owl:sameAs": ref("http://spdx.org/rdf/terms#checksumAlgorithm_sha256"),
    }
    yield {"@id": DCAT_AP, "@type": "dct:Standard", "dct:title": text("DCAT-AP 3.0.1", "en")}


def _schemes() -> Iterable[Node]:
    for path in (
        *("language", "frequency", "access-right", "file-type", "data-theme"),
        *("distribution-status", "planned-availability"),
    ):
        yield _scheme(f"{EU}{path}", path.replace("-", " ").capitalize())
    yield _scheme(f"{ADMS}publishertype/1.0", "Publisher type")
    yield _scheme(f"{ADMS}licencetype/1.0", "Licence type")
    yield _scheme(f"{ADMS}changetype/1.0", "Change type")


def _terms() -> Iterable[Node]:
    for term in vocabularies.get("update_cycle"):
        if "eu" in term.more:
            labels = _both(term.zh, term.en)
            yield _concept(term.more["eu"], f"{EU}frequency", labels, "dct:Frequency")
    for term in vocabularies.get("openness"):
        labels = _both(term.zh, term.en)
        yield _concept(term.more["dcat"], f"{EU}access-right", labels, "dct:RightsStatement")
    for term in vocabularies.get("crs"):
        if "uri" in term.more:
            titles = _both(term.zh, term.en)
            yield {"@id": term.more["uri"], "@type": "dct:Standard", "dct:title": titles}


def _formats() -> Iterable[Node]:
    for media, code in FILE_TYPES.items():
        yield {"@id": f"{IANA}{media}", "@type": "dct:MediaType", "rdfs:label": text(media)}
        name, label = f"{EU}file-type/{code}", text(code, "en")
        yield _concept(name, f"{EU}file-type", [label], "dct:MediaTypeOrExtent")


def _states() -> Iterable[Node]:
    for state, label in _STATES.items():
        yield _concept(state, f"{EU}distribution-status", [text(label, "en")])
    yield _concept(AVAILABLE, f"{EU}planned-availability", [text("Available", "en")])
    lists = {
        "changetype": ("created", "updated", "deleted"),
        "publishertype": (_AUTHORITY, _COMPANY, _SOCIETY),
        "licencetype": sorted(set(_LICENCE_TYPES.values())),
    }
    for kind, codes in lists.items():
        for code in codes:
            yield _concept(f"{ADMS}{kind}/{code}", f"{ADMS}{kind}/1.0", [text(code, "en")])


def _languages() -> Iterable[Node]:
    for name, zh, en in ((CHINESE, "中文", "Chinese"), (ENGLISH, "英文", "English")):
        yield _concept(name, f"{EU}language", _both(zh, en), "dct:LinguisticSystem")


def _themes(context: Context, names: Names) -> Iterable[Node]:
    yield _scheme(names.theme_scheme, "Themes of the catalog", "数据领域")
    for code, label in _EU_THEMES.items():
        yield _concept(f"{EU}data-theme/{code}", f"{EU}data-theme", [text(label, "en")])
    for code, item in context.themes.items():
        labels = [text(item["title"], "zh")]
        if item.get("title_en"):
            labels.append(text(item["title_en"], "en"))
        node = _concept(names.of("theme", code), names.theme_scheme, labels)
        eu = eu_theme(code, item)
        yield compact(
            node | {"skos:notation": text(code), "skos:broadMatch": ref(eu) if eu else None}
        )


def eu_theme(code: str, item: Json) -> str | None:
    """EU data theme that one of ours belongs to: as the catalog says, else as the code list."""
    given = str(item.get("eu") or "").rsplit("/", 1)[-1]
    if given not in _EU_THEMES:
        term = vocabularies.term("theme", code)
        given = str(term.more.get("eu", "") if term else "").rsplit("/", 1)[-1]
    return f"{EU}data-theme/{given}" if given in _EU_THEMES else None


def _places(context: Context, names: Names) -> Iterable[Node]:
    for code, item in context.regions.items():
        parent = item.get("parent")
        box = item.get("bbox")  # west, south, east, north
        yield compact(
            {
                "@id": names.of("region", code),
                "@type": "dct:Location",
                "skos:prefLabel": text(item["title"], "zh"),
                "dct:identifier": text(code),  # GB/T 2260
                "dct:isPartOf": ref(names.of("region", parent)) if parent else None,
                "dcat:bbox": text(_polygon(box)) if box else None,
                "dcat:centroid": text(_middle(box)) if box else None,
            }
        )


def _polygon(box: list[float]) -> str:
    west, south, east, north = box
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return f"POLYGON(({', '.join(f'{x} {y}' for x, y in corners)}))"


def _middle(box: list[float]) -> str:
    west, south, east, north = box
    return f"POINT({round((west + east) / 2, 6)} {round((south + north) / 2, 6)})"


def _classes(names: Names) -> Iterable[Node]:
    scheme = f"{names.document}#classes"
    yield _scheme(scheme, "Resource classes", "信息资源分类")
    for term in vocabularies.get("resource_class"):
        yield _concept(names.of("class", term.code), scheme, _both(term.zh, term.en))


# Publishers and licences -------------------------------------------------------------------


def _publisher(item: Json, context: Context, names: Names) -> Node:
    kind = _PUBLISHER_TYPES.get(str(item.get("category")), _SOCIETY)
    region = item.get("region")
    supervisor = item.get("supervisor")
    titles = [text(item["title"], "zh")]
    if item.get("title_en"):
        titles.append(text(item["title_en"], "en"))
    phone, address = telephone(item.get("phone")), mail(item.get("email"))
    known = supervisor in context.publishers
    return compact(
        {
            "@id": names.of("publisher", item["id"]),
            "@type": ["foaf:Agent", "foaf:Organization", "org:Organization"],
            "foaf:name": titles,
            "dct:type": ref(f"{ADMS}publishertype/{kind}"),
            "dct:identifier": text(item["credit_code"]),  # 统一社会信用代码, GB 32100
            "org:identifier": text(item["credit_code"]),
            "dct:spatial": ref(names.of("region", region)) if region in context.regions else None,
            "org:subOrganizationOf": ref(names.of("publisher", str(supervisor))) if known else None,
            "foaf:homepage": _page(item.get("homepage") or item.get("url")),
            "foaf:phone": ref(phone) if phone else None,
            "foaf:mbox": ref(address) if address else None,
        }
    )


def _page(address: object) -> Node | None:
    found = web(address)
    return {"@id": found, "@type": "foaf:Document"} if found else None


def licence(item: Json, names: Names) -> Node:
    """Licence of a catalog or of a Data Package."""
    name = str(item.get("name") or item.get("title") or item.get("path") or "")
    family = name.upper().rstrip("0123456789.").rstrip("-")
    kind = _LICENCE_TYPES.get(family)
    return compact(
        {
            "@id": licence_name(item, names),
            "@type": "dct:LicenseDocument",
            "dct:title": text(str(item.get("title") or name), "zh"),
            "dct:identifier": text(name),
            "dct:type": ref(f"{ADMS}licencetype/{kind}") if kind else None,
        }
    )


def licence_name(item: Json, names: Names) -> str:
    """Address of a licence: its own on the web where it has one."""
    name = str(item.get("name") or item.get("title") or "")
    return web(item.get("path")) or names.of("license", name)
