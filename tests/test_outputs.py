"""The catalog for other people's programs: tables, JSON, DCAT-AP, feeds, sitemap, crawlers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import socket
import threading
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import openpyxl
import outputs_catalog as made
import pyshacl
import pytest
from hub import SHARED, Hub
from rdflib import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic

from datahub.serve.outputs import graph, sitemap
from datahub.serve.outputs.schema_org import safe_json, schema_org
from datahub.settings import Settings
from datahub.store import listing, open_store, records, releases
from datahub.web.address import base_of
from datahub.web.negotiation import best

SPDX = Namespace("http://spdx.org/rdf/terms#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
ADMS = Namespace("http://www.w3.org/ns/adms#")
EU = Namespace("http://publications.europa.eu/resource/authority/")
SH = Namespace("http://www.w3.org/ns/shacl#")
DCAT_VERSION = URIRef("http://www.w3.org/ns/dcat#version")
# rdflib reads JSON-LD into a class that it calls deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
ATOM = {"a": "http://www.w3.org/2005/Atom"}
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
PUBLISHED = SHARED / "dcat-ap-3.0.1-shacl"
LISTED = {"air", "bus", "hostile", "limited", "shut", "worn", "empty"}
ALL = LISTED | {"old_rule", "dead"}
CLEAN = made.HOSTILE.replace("\x00", "\ufffd").replace("\x0b", "\ufffd").replace("\x1f", "\ufffd")
SUFFIXES = ("json", "ndjson", "csv", "xlsx", "jsonld", "ttl")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A service on a catalog with every kind of dataset; tests change nothing in it."""
    data = tmp_path_factory.mktemp("outputs") / "data"
    made.fill(data).close()
    hub = Hub(data)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def own(tmp_path):
    """A service of the test's own on the same catalog, and its store."""
    store = made.fill(tmp_path / "data")
    hub = Hub(tmp_path / "data")
    hub.start()
    yield hub, store
    hub.stop()
    store.close()


def rows_of(site, query: str = "") -> dict[str, dict[str, str]]:
    """Rows of the CSV by dataset."""
    text = site.get(f"/catalog.csv{query}").content.decode()
    return {row["name"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def sheets_of(site, query: str = "") -> openpyxl.Workbook:
    """The workbook."""
    return openpyxl.load_workbook(io.BytesIO(site.get(f"/catalog.xlsx{query}").content))


def parsed(content: str | bytes) -> ET.Element:
    """XML of our own, as a strict reader takes it."""
    return ET.fromstring(content)  # noqa: S314 - from our own service


def graph_of(site, path: str) -> Graph:
    """RDF of an address, read by rdflib."""
    answer = site.get(path)
    assert answer.status_code == 200, answer.text
    kinds = {"text/turtle": "turtle", "application/ld+json": "json-ld"}
    kind = kinds[answer.headers["content-type"].split(";")[0]]
    return Graph().parse(data=answer.content, format=kind)


def test_json_tells_every_listed_dataset_as_the_api_does(site):
    """The JSON has the listed datasets, with the values that the API tells of each."""
    found = site.get("/catalog.json").json()
    assert {item["name"] for item in found["data"]} == LISTED
    assert found["total"] == len(LISTED)
    assert found["catalog"]["title"] == "宜昌市公共数据目录"
    for item in found["data"]:
        told = site.get(f"/api/v1/datasets/{item['name']}").json()
        for key in ("title", "description", "keywords", "openness", "modified", "record"):
            assert item[key] == told[key], (item["name"], key)
        assert item["publisher"]["id"] == told["publisher"]["id"]
        assert item["theme"]["code"] == told["theme"]["code"]


def test_ndjson_is_the_same_items_line_by_line(site):
    """Each line of the NDJSON is an item of the JSON, in the same order."""
    lines = site.get("/catalog.ndjson?all=true").text.splitlines()
    assert [json.loads(line) for line in lines] == site.get("/catalog.json?all=true").json()["data"]


def test_all_adds_what_is_out_of_force_and_tombstones_as_such(site):
    """With all=true documents out of force are there, and tombstones with reason and successor."""
    items = {item["name"]: item for item in site.get("/catalog.json?all=true").json()["data"]}
    assert set(items) == ALL
    assert items["dead"]["status"] == "tombstone"
    assert items["dead"]["reason"] == "并入空气 <b>"
    assert items["dead"]["successor"] == "air"
    assert items["dead"]["release"] is None
    assert items["dead"]["resources"] == []
    assert items["worn"]["status"] == "deprecated"
    assert items["old_rule"]["release"]["version"] == 1


def test_csv_reads_back_with_the_same_values(site):
    """The CSV is UTF-8 with a row a dataset; codes keep their zeros."""
    rows = rows_of(site)
    assert set(rows) == LISTED
    air = rows["air"]
    assert air["title"] == "数据集 air"
    assert air["code"] == "30700101/000001"
    assert air["theme"] == "07"
    assert air["publisher_code"] == "11420500MB0000019T"
    assert (air["version"], air["rows"], air["cells"], air["fields"]) == ("2", "7", "14", "2")
    assert air["temporal_end"] == "2025-12"
    assert air["keywords"] == "空气；监测"
    assert air["downloads"].split()[0] == f"{site.url}/d/air/2/main.csv"


def test_csv_has_a_byte_order_mark_when_asked(site):
    """`bom=1` puts the mark first that Excel needs; without it there is none."""
    assert site.get("/catalog.csv?bom=1").content.startswith(b"\xef\xbb\xbfname,")
    assert site.get("/catalog.csv").content.startswith(b"name,")
    assert site.get("/catalog.json?bom=1").status_code == 400


def test_csv_does_not_calculate(site):
    """A text that a spreadsheet would calculate is escaped with an apostrophe."""
    rows = rows_of(site)
    assert rows["hostile"]["title"] == f"'{CLEAN}"
    assert rows["air"]["timezone"] == "'+08:00"
    assert not any(
        value.startswith(("=", "+", "-", "@")) for row in rows.values() for value in row.values()
    )


def test_workbook_has_chinese_titles_and_text(site):
    """The workbook's header is Chinese and frozen, its codes are texts, nothing is a formula."""
    book = sheets_of(site, "?all=true")
    sheet = book["数据集"]
    header = [cell.value for cell in sheet[1]]
    assert header[:2] == ["标识", "名称"]
    assert sheet.freeze_panes == "A2"
    rows = {row[0].value: dict(zip(header, row, strict=True)) for row in sheet.iter_rows(min_row=2)}
    assert set(rows) == ALL
    assert rows["air"]["数据领域代码"].value == "07"
    assert rows["air"]["数据领域代码"].data_type in ("s", "inlineStr")
    assert rows["air"]["数据量（行）"].value == 7
    assert rows["air"]["开放类型"].value == "无条件开放"
    assert rows["air"]["更新周期"].value == "每日"
    assert rows["hostile"]["名称"].value == CLEAN
    assert rows["dead"]["状态"].value == "已注销"
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert sheet.auto_filter.ref.startswith("A1:")


def test_workbook_lists_resources_and_fields(site):
    """The second sheet has a row a field, with key and unit."""
    sheet = sheets_of(site)["资源和信息项"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    mine = [row for row in rows if row[0] == "air"]
    assert mine == [
        [
            "air",
            "数据集 air",
            "main",
            "主表",
            "code",
            "编码",
            "Code",
            "string",
            "是",
            "是",
            None,
            None,
        ],
        [
            "air",
            "数据集 air",
            "main",
            "主表",
            "value",
            "浓度",
            None,
            "number",
            None,
            None,
            "μg/m³",
            None,
        ],
    ]


@pytest.mark.parametrize("query", ["", "?all=true"])
def test_turtle_and_json_ld_say_the_same(site, query):
    """Both RDF forms of the catalog are the same graph."""
    turtle, linked = (graph_of(site, f"/catalog.{s}{query}") for s in ("ttl", "jsonld"))
    assert isomorphic(turtle, linked)
    expected = ALL if query else LISTED
    found = {str(s).rsplit("/", 1)[-1] for s in turtle.subjects(RDF.type, DCAT.Dataset)}
    assert found == {f"{name}#dataset" for name in expected}


def test_dcat_tells_the_record(site):
    """A dataset's properties in DCAT are those of its record, in EU vocabularies."""
    found = graph_of(site, "/catalog.ttl")
    air = URIRef(f"{site.url}/datasets/air#dataset")

    def values(name: URIRef) -> set:
        return set(found.objects(air, name))

    assert values(DCTERMS.title) == {
        Literal("数据集 air", lang="zh"),
        Literal("Air quality", lang="en"),
    }
    assert Literal("One row per station.", lang="en") in values(DCTERMS.description)
    assert values(DCTERMS.identifier) == {Literal("air"), Literal("30700101/000001")}
    assert values(DCAT.keyword) == {Literal("空气", lang="zh"), Literal("监测", lang="zh")}
    assert EU["data-theme/ENVI"] in values(DCAT.theme)
    assert values(DCTERMS.accrualPeriodicity) == {EU["frequency/DAILY"]}
    assert values(DCTERMS.accessRights) == {EU["access-right/PUBLIC"]}
    assert values(DCTERMS.issued) == {Literal("2025-01-15", datatype=XSD.date)}
    assert values(DCTERMS.modified) == {Literal(made.NOW, datatype=XSD.dateTime)}
    assert values(DCAT_VERSION) == {Literal("2")}
    assert URIRef("http://www.opengis.net/def/crs/EPSG/0/4490") in values(DCTERMS.conformsTo)
    (period,) = values(DCTERMS.temporal)
    assert found.value(period, DCAT.endDate) == Literal("2025-12", datatype=XSD.gYearMonth)
    (owner,) = values(DCTERMS.publisher)
    assert found.value(owner, FOAF.name, any=True).language in ("zh", "en")
    assert found.value(owner, DCTERMS.identifier) == Literal("11420500MB0000019T")
    (contact,) = values(DCAT.contactPoint)
    assert found.value(contact, VCARD.hasTelephone) == URIRef("tel:+86-717-0000001")
    assert found.value(contact, VCARD.hasEmail) == URIRef("mailto:open@example.cn")
    ours = [t for t in values(DCAT.theme) if "data-theme" not in str(t)]
    assert found.value(ours[0], SKOS.notation) == Literal("07")


def test_dcat_tells_the_files_of_the_latest_release(site):
    """Distributions have address, size, digest, licence and the date of the data."""
    found = graph_of(site, "/datasets/air.ttl")
    csv_file = URIRef(f"{site.url}/d/air/2/main.csv#distribution")
    parquet = URIRef(f"{site.url}/d/air/2/main.parquet#distribution")
    air = URIRef(f"{site.url}/datasets/air#dataset")
    assert set(found.objects(air, DCAT.distribution)) == {csv_file, parquet}
    assert found.value(csv_file, DCAT.downloadURL) == URIRef(f"{site.url}/d/air/2/main.csv")
    assert found.value(csv_file, DCAT.byteSize) == Literal("1236", datatype=XSD.nonNegativeInteger)
    released = Literal("2026-02-02T00:00:00.000Z", datatype=XSD.dateTime)
    assert found.value(csv_file, DCTERMS.modified) == released
    assert found.value(csv_file, DCTERMS.license) == URIRef(
        "https://creativecommons.org/licenses/by/4.0/"
    )
    checksum = found.value(csv_file, SPDX.checksum)
    assert str(found.value(checksum, SPDX.checksumValue)).lower() == f"{1236:064x}"
    kind = URIRef("https://www.iana.org/assignments/media-types/application/vnd.apache.parquet")
    assert found.value(parquet, DCAT.mediaType) == kind
    assert found.value(parquet, DCTERMS.format) == EU["file-type/PARQUET"]


def test_what_is_not_open_has_no_download(site):
    """Conditional datasets tell their conditions, closed ones their reason, neither an address."""
    found = graph_of(site, "/catalog.ttl?all=true")
    addresses = {str(a) for a in found.objects(None, DCAT.downloadURL)}
    assert addresses
    for name in ("limited", "shut", "dead", "empty"):
        assert not any(f"/d/{name}/" in address for address in addresses)
        assert f"/d/{name}/" not in site.get("/catalog.json?all=true").text
        assert f"/d/{name}/" not in site.get("/catalog.csv?all=true").text
    limited = URIRef(f"{site.url}/datasets/limited#dataset")
    (rights,) = found.objects(limited, DCTERMS.rights)
    told = found.value(rights, RDFS.label)
    assert told == Literal(
        "使用者身份：实名认证；开放方式：线上申请；使用要求：不得还原个人；安全措施：专网",
        lang="zh",
    )
    assert found.value(limited, DCTERMS.accessRights) == EU["access-right/RESTRICTED"]
    shown = next(found.objects(limited, DCAT.distribution))
    assert found.value(shown, DCAT.accessURL) == URIRef(f"{site.url}/datasets/limited")
    shut = URIRef(f"{site.url}/datasets/shut#dataset")
    assert found.value(shut, DCTERMS.accessRights) == EU["access-right/NON_PUBLIC"]
    assert not list(found.objects(shut, DCAT.distribution))
    dead = URIRef(f"{site.url}/datasets/dead#dataset")
    successor = URIRef(f"{site.url}/datasets/air#dataset")
    assert found.value(dead, DCTERMS.isReplacedBy) == successor
    amended = URIRef(f"{site.url}/datasets/old_rule#dataset")
    assert found.value(amended, DCTERMS.isReplacedBy) == successor


def test_hostile_texts_stay_data(site):
    """A title with markup, a formula, control characters, emoji and RTL is the same text everywhere."""
    item = next(i for i in site.get("/catalog.json").json()["data"] if i["name"] == "hostile")
    assert item["title"] == made.HOSTILE
    for suffix in ("ttl", "jsonld"):
        found = graph_of(site, f"/datasets/hostile.{suffix}")
        node = URIRef(f"{site.url}/datasets/hostile#dataset")
        assert Literal(CLEAN, lang="zh") in set(found.objects(node, DCTERMS.title))
        assert not [o for o in found.objects() if str(o).startswith("javascript:")]
        assert not list(found.objects(None, VCARD.hasEmail))
    feed = parsed(site.get("/feed.atom").content)
    titles = [e.findtext("a:title", namespaces=ATOM) for e in feed.findall("a:entry", ATOM)]
    assert f"新数据集：{CLEAN}" in titles
    assert "状态变化：数据集 dead（已注销）" in titles


@pytest.mark.parametrize(
    "path", ["/catalog.ttl?all=true", "/datasets/air.ttl", "/datasets/limited.jsonld"]
)
def test_dcat_conforms_to_our_shapes(site, path):
    """What we say conforms to the classes, properties and code lists of DCAT-AP 3.0."""
    shapes = Graph().parse(Path(__file__).parent / "dcat_ap_shapes.ttl")
    conforms, _, text = pyshacl.validate(graph_of(site, path), shacl_graph=shapes, inference="none")
    assert conforms, text


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published shapes are not on this machine")
@pytest.mark.parametrize(
    "name", ["dcat-ap-SHACL", "shapes", "range", "shapes_recommended", "mdr-vocabularies.shape"]
)
@pytest.mark.parametrize("path", ["/catalog.jsonld?all=true", "/datasets/bus.ttl"])
def test_dcat_conforms_to_the_published_shapes(site, path, name):
    """No shape of DCAT-AP 3.0.1 is violated; its warnings are about EU lists that have no Yichang."""
    shapes = Graph().parse(PUBLISHED / f"{name}.ttl")
    _, report, text = pyshacl.validate(graph_of(site, path), shacl_graph=shapes, inference="none")
    top = list(report.objects(None, SH.result))
    violated = [r for r in top if report.value(r, SH.resultSeverity) == SH.Violation]
    assert not violated, text
    warned = {str(report.value(r, SH.resultPath)) for r in top}
    assert warned <= {
        str(u)
        for u in (
            *(DCTERMS.publisher, DCTERMS.spatial, DCTERMS.type, DCAT.theme),  # no EU term for it
            *(DCAT.bbox, DCAT.centroid, DCAT.distribution),  # places by name; datasets without data
        )
    }


def test_shapes_find_what_is_wrong(site):
    """The shapes do refuse: a dataset without title and publisher does not conform."""
    found = graph_of(site, "/catalog.ttl")
    air = URIRef(f"{site.url}/datasets/air#dataset")
    found.remove((air, DCTERMS.title, None))
    found.remove((air, DCTERMS.publisher, None))
    shapes = Graph().parse(Path(__file__).parent / "dcat_ap_shapes.ttl")
    conforms, report, _ = pyshacl.validate(found, shacl_graph=shapes, inference="none")
    assert not conforms
    assert {
        report.value(r, SH.resultPath) for r in report.subjects(RDF.type, SH.ValidationResult)
    } == {
        DCTERMS.title,
        DCTERMS.publisher,
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_asked_again_it_is_not_sent_again(site, suffix):
    """An entity tag answers 304 until the catalog changes; HEAD has the same headers."""
    first = site.get(f"/catalog.{suffix}")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, no-cache"
    again = site.get(f"/catalog.{suffix}", headers={"if-none-match": f'"x", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert site.get(f"/catalog.{suffix}?all=true").headers["etag"] != tag
    head = httpx.head(f"{site.url}/catalog.{suffix}", timeout=30)
    assert (head.status_code, head.headers["etag"]) == (200, tag)
    assert head.headers["content-type"] == first.headers["content-type"]


def test_a_change_is_a_new_entity(own):
    """A withdrawn release vanishes from every form, and the old tag is no longer the catalog's."""
    hub, store = own
    before = {s: hub.get(f"/catalog.{s}").headers["etag"] for s in SUFFIXES}
    with store.catalog.write() as db:
        found = releases.get(db, "air", 2)
        releases.withdraw(
            db, found, reason="数据有误 <x>", who="test", at="2026-03-01T00:00:00.000Z"
        )
    for suffix in SUFFIXES:
        answer = hub.get(f"/catalog.{suffix}", headers={"if-none-match": before[suffix]})
        assert answer.status_code == 200
        assert answer.headers["etag"] != before[suffix]
        if suffix != "xlsx":
            assert "/d/air/2/" not in answer.text
            assert "/d/air/1/" in answer.text
    downloads = [
        row[-1].value for row in sheets_of(hub)["数据集"].iter_rows() if row[0].value == "air"
    ]
    assert "/d/air/1/" in downloads[0]
    newest = parsed(hub.get("/feed.atom").content).find("a:entry", ATOM)
    assert newest.findtext("a:title", namespaces=ATOM) == "数据撤回：数据集 air（第 2 版）"
    assert "数据有误 <x>" in newest.findtext("a:summary", namespaces=ATOM)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/turtle", "text/turtle"),
        ("application/ld+json;q=0.9, text/csv;q=0.5", "application/ld+json"),
        ("text/csv", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("text/*;q=0.2, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)  # fmt: skip
def test_the_catalog_comes_as_accept_asks(site, accept, kind):
    """One address answers in the form that a request likes best, else JSON."""
    answer = site.get("/api/v1/catalog", headers={"accept": accept})
    assert answer.headers["content-type"].split(";")[0] == kind
    assert "Accept" in answer.headers["vary"]


def test_negotiation_follows_rfc_9110():
    """The most exact range decides, zero refuses, equals go to what is offered first."""
    offered = {"text/html": "h", "text/turtle": "t"}
    assert best(None, offered) == "h"
    assert best("*/*", offered) == "h"
    assert best("text/html;q=0.5, text/turtle", offered) == "t"
    assert best("text/html;q=0, */*", offered) == "t"
    assert best("application/pdf", offered) is None
    assert best("nonsense;;;,,", offered) is None


def test_a_page_is_rdf_for_who_asks_so(site):
    """The page's address gives Turtle or JSON-LD by suffix or by Accept; other suffixes are unknown."""
    by_accept = site.get("/datasets/air", headers={"accept": "text/turtle"})
    assert by_accept.headers["content-type"].startswith("text/turtle")
    assert by_accept.content == site.get("/datasets/air.ttl").content
    tag = by_accept.headers["etag"]
    again = site.get("/datasets/air.ttl", headers={"if-none-match": tag})
    assert again.status_code == 304
    assert site.get("/datasets/air.exe").status_code == 404
    assert site.get("/datasets/nowhere.ttl").status_code == 404
    assert isomorphic(graph_of(site, "/datasets/air.ttl"), graph_of(site, "/datasets/air.jsonld"))


def test_feed_is_newest_first_and_paged(site):
    """Entries go back in time without gaps or repeats; ids are tags that stay."""
    root = parsed(site.get("/feed.atom").content)
    numbers = [int(e.findtext("a:id", namespaces=ATOM).rsplit("/", 1)[-1])
               for e in root.findall("a:entry", ATOM)]  # fmt: skip
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == len(set(numbers)) == 20
    assert root.findtext("a:id", namespaces=ATOM).startswith("tag:127.0.0.1,")
    middle = numbers[5]
    earlier = parsed(site.get(f"/feed.atom?before={middle}").content)
    ids = [e.findtext("a:id", namespaces=ATOM) for e in earlier.findall("a:entry", ATOM)]
    whole = [e.findtext("a:id", namespaces=ATOM) for e in root.findall("a:entry", ATOM)]
    assert ids == whole[6:]
    first = root.find("a:entry", ATOM)
    for name in ("id", "title", "updated"):
        assert first.findtext(f"a:{name}", namespaces=ATOM)
    assert root.findtext("a:updated", namespaces=ATOM) == first.findtext(
        "a:updated", namespaces=ATOM
    )


def test_feed_narrows_to_publisher_and_theme(site):
    """A feed of one publisher or theme has its changes only, as Atom and as JSON."""
    items = site.get("/feed.json?publisher=p2").json()["items"]
    assert {item["_datahub"]["dataset"] for item in items} == {"bus"}
    assert {item["_datahub"]["what"] for item in items} == {"registered", "released"}
    assert site.get("/feed.json?theme=04").json()["items"] == items
    assert site.get("/feed.json?theme=nothing").json()["items"] == []
    assert parsed(site.get("/feed.atom?theme=nothing").content).find("a:entry", ATOM) is None
    assert site.get("/feed.atom?publisher=p2&sort=x").status_code == 400
    assert site.get("/feed.atom?before=-1").status_code == 400


def test_a_long_feed_is_followed_to_its_end(own):
    """`rel=next` leads through all changes once, with the filter kept; renaming is told once."""
    hub, store = own
    made.save(store, *(made.package(f"d{i:03}", 100 + i, publisher="p2") for i in range(120)))
    seen, path = [], "/feed.atom?publisher=p2"
    while path:
        root = parsed(hub.get(path).content)
        seen += [e.findtext("a:id", namespaces=ATOM) for e in root.findall("a:entry", ATOM)]
        following = [n.get("href") for n in root.findall("a:link", ATOM) if n.get("rel") == "next"]
        path = following[0].removeprefix(hub.url) if following else None
        assert not path or "publisher=p2" in path
    assert len(seen) == len(set(seen)) == 122


def test_sitemap_has_every_page(site):
    """The sitemap lists home and datasets with the day of record or data, whichever is later."""
    root = parsed(site.get("/sitemap.xml").content)
    found = {u.findtext("s:loc", namespaces=SITEMAP): u.findtext("s:lastmod", namespaces=SITEMAP)
             for u in root.findall("s:url", SITEMAP)}  # fmt: skip
    assert {a for a in found if "/datasets/" in a} == {f"{site.url}/datasets/{n}" for n in LISTED}
    assert f"{site.url}/" in found
    assert found[f"{site.url}/datasets/air"] == "2026-02-02T00:00:00.000Z"
    assert found[f"{site.url}/datasets/empty"] == made.NOW
    assert site.get("/sitemap-2.xml").status_code == 404
    robots = site.get("/robots.txt").text
    assert f"Sitemap: {site.url}/sitemap.xml" in robots.splitlines()


def test_a_large_sitemap_is_an_index(tmp_path, monkeypatch):
    """Above the protocol's limit the sitemap is an index whose parts hold every page once."""
    monkeypatch.setattr(sitemap, "URLS", 10)
    store = made.begin(tmp_path / "data")
    made.save(store, *(made.package(f"d{i:03}", i + 1) for i in range(35)))
    with store.catalog.read() as db:
        count = listing.count(db)
    index = parsed("".join(sitemap.write_index(count, "http://x", modified="")).encode())
    assert len(index) == sitemap.parts(count) == 4
    seen = []
    for part in range(1, 5):
        skip, limit = sitemap.stretch(part)
        names = listing.addresses(store.catalog, skip=skip, limit=limit)
        text = "".join(sitemap.write_pages(names, "http://x", part=part, modified=""))
        urls = [u.findtext("s:loc", namespaces=SITEMAP) for u in parsed(text)]
        assert len(urls) <= 10
        seen += urls
    store.close()
    assert len(seen) == len(set(seen)) == 37


def test_steps_lose_and_repeat_nothing(tmp_path):
    """However many datasets are read at a time, each comes once, by name."""
    store = made.begin(tmp_path / "data")
    made.save(store, *(made.package(f"d{i:02}", i + 1) for i in range(23)))
    whole = [f"d{i:02}" for i in range(23)]
    for step in (1, 7, 23, 24):
        assert [one.dataset.name for one in listing.each(store.catalog, step=step)] == whole
    store.close()


def test_a_step_costs_the_same_anywhere(tmp_path):
    """Each step goes on by the order of names: nothing is sorted, whatever the catalog's size."""
    store = made.begin(tmp_path / "data")
    with store.catalog.read() as db:
        for query in (listing.step_query("a"), listing.step_query("a", everything=True)):
            text = query.limit(10).compile(db.engine, compile_kwargs={"literal_binds": True})
            plan = [row[3] for row in db.exec_driver_sql(f"explain query plan {text}")]
            assert not any("TEMP B-TREE" in line or "SCAN" in line for line in plan), plan
    store.close()


def test_links_come_from_a_host_that_is_one(site):
    """Links are absolute from Host; a forged proxy header counts for nothing, a bad host is refused."""
    host = {"host": "data.example.cn"}
    assert "http://data.example.cn/datasets/air" in site.get("/sitemap.xml", headers=host).text
    forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    text = site.get("/sitemap.xml", headers=forged).text
    assert f"{site.url}/datasets/air" in text
    assert "evil.example" not in text
    for bad in ('a"b', "a<b", "a b", "a/b", "evil.example/x", "@evil"):
        answer = _raw(site, bad)
        assert answer.startswith(b"HTTP/1.1 400"), (bad, answer[:80])


def _raw(site, host: str) -> bytes:
    """Answer to a request with a Host as it stands."""
    with socket.create_connection(("127.0.0.1", urlsplit(site.url).port), timeout=10) as wire:
        wire.sendall(
            f"GET /sitemap.xml HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        return wire.recv(4096)


def test_a_site_behind_a_proxy_names_itself(tmp_path):
    """`proxied` believes the proxy's headers; the setting `site` names the site whatever comes."""
    made.fill(tmp_path / "data").close()
    headers = {"x-forwarded-host": "open.example.cn", "x-forwarded-proto": "https"}
    hub = Hub(tmp_path / "data", proxied=True)
    hub.start()
    try:
        text = hub.get("/sitemap.xml", headers=headers).text
    finally:
        hub.stop()
    assert "<loc>https://open.example.cn/datasets/air</loc>" in text
    named = Settings(site="https://data.yichang.example/", proxied=True)
    state = SimpleNamespace(store=SimpleNamespace(settings=named))
    request = SimpleNamespace(app=SimpleNamespace(state=state), headers=headers)
    assert base_of(request) == "https://data.yichang.example"


def test_documents_come_compressed(site):
    """Text forms are gzip for who takes it, and the same bytes within."""
    plain = site.get("/catalog.ttl", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with httpx.stream(
        "GET", f"{site.url}/catalog.ttl", headers={"accept-encoding": "gzip"}
    ) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join(answer.iter_raw())
    assert gzip.decompress(packed) == plain.content


class Scripts(HTMLParser):
    """Collects what a browser would take as the content of each script."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open = False

    def handle_starttag(self, tag, _attrs) -> None:
        self.open = tag == "script"

    def handle_endtag(self, tag) -> None:
        self.open = self.open and tag != "script"

    def handle_data(self, data) -> None:
        if self.open:
            self.found.append(data)


def test_schema_org_stands_safely_in_a_page(tmp_path):
    """schema.org/Dataset of a hostile record is one script in a page, with the text as it is."""
    store = made.fill(tmp_path / "data")
    with store.catalog.read() as db:
        found = records.get_dataset(db, "hostile")
        release = releases.get(db, "hostile", None)
    text = safe_json(schema_org(found, release, "https://x.example"))
    page = Scripts()
    page.feed(f'<html><script type="application/ld+json">{text}</script><p>after</p></html>')
    store.close()
    assert len(page.found) == 1
    assert json.loads(page.found[0])["name"] == made.HOSTILE
    assert "<" not in text


def test_schema_org_describes_data(tmp_path):
    """It names licence, coverage, variables and files; what is not open has no files."""
    store = made.fill(tmp_path / "data")
    with store.catalog.read() as db:
        air, limited = (records.get_dataset(db, name) for name in ("air", "limited"))
        release = releases.get(db, "air", None)
        other = releases.get(db, "limited", None)
    store.close()
    told = schema_org(air, release, "https://x.example")
    assert told["@type"] == "Dataset"
    assert told["license"] == "CC-BY-4.0"
    assert told["temporalCoverage"] == "2025-01-01/2025-12"
    assert told["spatialCoverage"]["name"] == "宜昌市城区"
    assert told["creator"]["name"] == "环境局"
    assert told["isAccessibleForFree"] is True
    assert [v["name"] for v in told["variableMeasured"]] == ["编码", "浓度"]
    assert told["variableMeasured"][1]["unitText"] == "μg/m³"
    assert told["distribution"][0]["contentUrl"] == "https://x.example/d/air/2/main.csv"
    assert len(told["description"]) >= 50
    on_conditions = schema_org(limited, other, "https://x.example")
    assert on_conditions["isAccessibleForFree"] is False
    assert "distribution" not in on_conditions
    assert "不得还原个人" in on_conditions["conditionsOfAccess"]


def test_turtle_of_any_text_reads_back():
    """Every character that RDF can hold comes back from Turtle as it went in."""
    texts = [
        '"',
        "\\",
        "\n\r\t",
        "\u2028\u0085\x7f",
        "🙂\ufffd",
        "a\\u0041",
        "'''\"\"\"",
        "^^<x>@en .",
    ]
    node = {"@id": "http://x/1", "dct:title": [graph.text(t, "zh") for t in texts]}
    found = Graph().parse(data="".join(graph.turtle([node])), format="turtle")
    assert set(found.objects()) == {Literal(t, lang="zh") for t in texts}


def test_others_are_answered_while_a_document_is_made(own):
    """While large documents are read slowly, other requests do not wait for them."""
    hub, store = own
    made.save(store, *(made.package(f"d{i:05}", i + 10) for i in range(1500)))
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            hub.get("/catalog.ttl")
            hub.get("/catalog.xlsx")

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    time.sleep(0.5)
    waits = []
    for _ in range(20):
        began = time.perf_counter()
        assert hub.get("/health/live").status_code == 200
        waits.append(time.perf_counter() - began)
    done.set()
    for reader in readers:
        reader.join()
    assert sorted(waits)[10] < 1


def test_a_retired_dataset_leaves_the_outputs(tmp_path):
    """What left its catalog folder is in no output, not even with all=true."""
    store = made.fill(tmp_path / "data")
    with store.catalog.write() as db:
        records.retire_dataset(db, "bus", now=made.NOW)
    assert "bus" not in {one.dataset.name for one in listing.each(store.catalog, everything=True)}
    store.close()
    shutil.rmtree(tmp_path / "data")
    again = open_store(store.settings)
    assert list(listing.each(again.catalog)) == []
    again.close()
