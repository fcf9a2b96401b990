"""The pages of records of every kind: states, regions, hostile text; in a real browser, too."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from html import unescape
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import yaml
from hub import Hub
from own_store import package, publish, swift, table, write_catalog, write_dataset

from datahub.clock import stamp, system_clock
from datahub.settings import Settings
from datahub.stages.register import register
from datahub.store import lifecycle, open_store, records
from datahub.store.aliases import rename, sweep

CHROMIUM = Path("/usr/bin/chromium")
BROWSER = {"accept": "text/html,application/xhtml+xml"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}&amp;\"'"
REGIONS = [
    {"code": "420500", "title": "宜昌市"},
    {"code": "420506", "title": "夷陵区", "parent": "420500"},
]
PUBLISHERS = [
    {"id": "p1", "title": "环境局", "credit_code": "11420500MB0000019T", "region": "420500",
     "category": "GOV", "phone": "0717-0000001"},
    {"id": "p2", "title": "夷陵供水公司", "credit_code": "91420500MA0000090W", "region": "420506",
     "category": "WAT", "supervisor": "p1",
     "complaint": {"name": "投诉科", "phone": "0717-0000012"}},
]  # fmt: skip
GLOSSARY = {
    "terms": [
        {"id": "street-lamp", "term": "路灯", "definition": "道路上照明用的灯。", "owner": "p1",
         "synonyms": ["街灯"], "related_datasets": ["lamps"]},
    ]
}  # fmt: skip
SCHEMA = {
    "fields": [
        {"name": "id", "title": "编号", "title_en": "Number", "type": "integer", "example": "7"},
        {"name": "name", "title": "名称", "unit": "盏", "constraints": {"enum": [f"路灯{n}" for n in range(1, 30)]}},
    ],
    "primaryKey": ["id"],
}  # fmt: skip
BREAKING = "x\" onload='alert(1)' {{7*7}} < & y"  # markup itself is refused at registration
LONG = "宜昌市城区和各县市区主要河流及其支流沿岸植被覆盖情况调查登记表所列的第"
WIDE = [{"name": "id", "title": "编号", "type": "integer"},
        {"name": BREAKING, "title": BREAKING, "unit": BREAKING},
        *({"name": f"c{n}", "title": f"{LONG}{n}项"} for n in range(28))]  # fmt: skip
PLANTS = {"fields": WIDE, "primaryKey": ["id"]}
BOOKS = {"fields": [{"name": "year", "type": "year"}, {"name": "no", "type": "integer"}]}
PAGES = (
    "/",
    "/?q=路灯",
    "/?openness=open,closed&region=420506",
    "/datasets/lamps",
    "/datasets/asked",
    "/datasets/secret",
    "/datasets/old",
    "/datasets/hostile",
    "/datasets/rule",
    "/datasets/books",
    "/publishers",
    "/publishers/p2",
    "/regions",
    "/statistics",
    "/glossary",
    "/glossary/street-lamp",
    "/datasets/nothing",
    "/datasets/plants/resources/plants",
    "/datasets/plants/resources/plants?id=gt.99",
    "/datasets/plants/resources/plants?c0=eq.x&c0=lt.y&nix=eq.1",
    "/datasets/plants/versions",
    "/datasets/plants/versions?resource=plants&from=1&to=3",
    "/datasets/books/resources/books?order=no.desc&limit=20",
    "/datasets/asked/versions",
    "/sql",
    "/sql?q=select+*+from+plants",
    "/sql?q=select+nme,+$x::int%0Afrom+plants&p.x=1",
    "/sql?q=select+*+from+plants+where+c0=$植物",
    "/keys",
)


def _descriptors() -> dict[str, dict]:
    found = {
        name: package(name)
        for name in ("lamps", "trees", "old", "water", "asked", "secret", "rule", "books", "plants")
    }
    found["lamps"] |= {"title": "路灯", "keywords": ["照明", "路灯"]}
    found["lamps"]["catalog"] |= {
        "related": [found["trees"]["catalog"]["code"]],
        "permissions": {"store": True, "commercial": False, "attribution": "来源：环境局"},
        "contact": {"name": "照明科", "phone": "0717-0000001", "complaint": "12345"},
    }
    found["water"]["catalog"] |= {"publisher": "p2"}
    found["asked"]["catalog"] |= {
        "openness": "conditional", "auth_level": "approval", "grade": "L2",
        "open_condition": {"method": "网上申请", "use": "不得转售", "security": "加密保存"},
    }  # fmt: skip
    found["secret"]["catalog"] |= {
        "openness": "closed", "closed_reason": "N03", "legal_basis": "反不正当竞争法第九条",
        "grade": "L3", "share_type": "3", "share_condition": "不共享",
    }  # fmt: skip
    found["rule"]["catalog"] |= {"validity": "repealed", "superseded_by": "lamps"}
    found["books"]["catalog"]["series"] = {
        "kind": "issue", "resource": "books", "fields": ["year", "no"], "start": "2023-1",
    }  # fmt: skip
    return found


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Hub:
    """A service whose records are open, conditional, closed, deprecated, gone, renamed, hostile."""
    folder = tmp_path_factory.mktemp("portal")
    catalog = write_catalog(folder / "catalog", regions=REGIONS, publishers=PUBLISHERS)
    (catalog / "glossary.yaml").write_text(
        yaml.safe_dump(GLOSSARY, allow_unicode=True), encoding="utf-8"
    )
    for descriptor in _descriptors().values():
        name = descriptor["name"]
        write_dataset(catalog, descriptor, {"books": BOOKS, "plants": PLANTS}.get(name, SCHEMA))
    hub = Hub(folder / "data", catalog=catalog)
    store = open_store(Settings(data=hub.data))
    register(store, catalog)
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        for name in ("lamps", "trees", "old"):
            publish(store, table(), dataset=name)
        for words in ("香樟", "香樟", "桂花"):
            publish(store, plants(words), dataset="plants")
        publish(store, b"year,no\n2023,1\n2023,2\n2023,4\n", dataset="books")
    now = stamp(system_clock)
    with store.catalog.write() as db:
        for name, status in (("trees", "deprecated"), ("old", "tombstone")):
            lifecycle.set_status(
                db, name, status=status, reason="已由路灯替代", successor="lamps", who="op", now=now
            )
        rename(db, store.objects, "water", "waters", who="op", now=now)
        planted = records.get_dataset(db, "asked").package | {
            "name": "hostile", "title": HOSTILE, "description": HOSTILE, "keywords": [HOSTILE],
        }  # fmt: skip
        record = {"code": "30701001/666", "spatial": HOSTILE, "legal_basis": HOSTILE,
                  "contact": {"name": HOSTILE, "email": "javascript:alert(1)"}}  # fmt: skip
        planted["catalog"] = planted["catalog"] | record | {"openness": "closed"}
        records.save_dataset(db, planted, digest=records.package_digest(planted), now=now)
    sweep(store)
    store.close()
    hub.start()
    hub_ready(hub)
    yield hub
    hub.stop()


def plants(word: str) -> bytes:
    """CSV of a table of 30 columns with hostile names and values; a row more each time."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field["name"] for field in WIDE])
    for number in range(1, 60 + (word == "桂花")):
        writer.writerow([number, HOSTILE, *[f"{LONG}{word if number == 1 else ''}"] * 28])
    return out.getvalue().encode()


def hub_ready(hub: Hub) -> None:
    """Wait until the search has its index."""
    for _ in range(200):
        if hub.get("/api/v1/search").json()["indexed"]:
            return
        time.sleep(0.05)
    raise AssertionError("no index")


def read(hub: Hub, path: str, status: int = 200) -> str:
    """Text of a page."""
    answer = hub.get(path, headers=BROWSER)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def listed(html: str) -> list[str]:
    """Names of the datasets that a page's cards show, in order."""
    return re.findall(r'<h3><a href="/datasets/([a-z_]+)">', html)


# Catalog ----------------------------------------------------------------------------------------


def test_the_list_is_the_search(city):
    """Page and API find the same datasets in the same order, with the same facet counts."""
    html = unescape(read(city, "/?sort=title"))
    found = city.get("/api/v1/search?sort=title&limit=20").json()
    assert listed(html) == [item["name"] for item in found["data"]]
    assert f"共 {found['total']} 个数据集" in html
    for name in ("openness", "region", "publisher", "theme", "grade", "update_cycle"):
        assert found["facets"][name]
        for value in found["facets"][name]:
            assert (
                f'<span>{value["title"]}</span> <span class="count">{value["count"]}</span>' in html
            )


def test_several_values_are_chosen_and_taken_away(city):
    """Two values of one facet widen, another facet narrows; each has a chip that removes it."""
    html = unescape(read(city, "/?openness=conditional,closed&publisher=p1"))
    assert set(listed(html)) == {"asked", "secret", "hostile"}
    chips = html.split('class="chips"')[1].split("</ul>")[0]
    assert "开放类型：有条件开放" in chips
    assert 'href="/?openness=closed&publisher=p1"' in chips
    assert 'href="/?openness=conditional,closed"' in chips
    assert 'href="/?openness=closed&publisher=p1"' in html.split('class="groups"')[1]


def test_a_region_holds_those_within_it(city):
    """Counties stand under their city with their own counts."""
    html = read(city, "/")
    facet = html.split('id="filter-region"')[1].split("</section>")[0]
    assert re.search(
        r"宜昌市</span>.*<ul>\s*<li>.*夷陵区</span> <span class=\"count\">1<", facet, re.DOTALL
    )
    assert listed(read(city, "/?region=420506")) == ["waters"]
    assert "waters" in listed(read(city, "/?region=420500"))


def test_found_words_are_marked(city):
    """What was looked for is marked in title and keywords, and the rest is text."""
    html = read(city, "/?q=路灯")
    assert '<h3><a href="/datasets/lamps"><mark>路灯</mark></a></h3>' in html
    marked = read(city, "/?q=script")
    assert "<script>alert" not in marked


def test_nothing_found_offers_what_is_near(city):
    """A word that nothing has leads to words that are there."""
    html = unescape(read(city, "/?q=zzqqxxzz"))
    nearest = city.get("/api/v1/search?q=zzqqxxzz").json()["nearest"]
    assert nearest
    assert all(f">{text}</a>" in html for text in nearest)
    assert "您要找的是不是" in html
    empty = read(city, "/?q=路灯&grade=L4")
    assert listed(empty) == []
    assert "没有符合条件的数据集" in empty


@pytest.mark.parametrize(
    "wrong", ["openness=nix", "grade=L9", "sort=best", "freshness=x", "page=0"]
)
def test_wrong_parameters_are_a_page(city, wrong):
    """A code that does not exist is refused with those that do, as a page."""
    assert "parameter-invalid" in read(city, f"/?{wrong}", 400)


def test_what_is_gone_is_listed_only_when_asked(city):
    """Tombstones are not in the list until the link in the scope is followed."""
    assert "old" not in listed(read(city, "/"))
    html = unescape(read(city, "/?status=all"))
    assert "old" in listed(html)
    assert "数据集状态：全部" in html


# Datasets ---------------------------------------------------------------------------------------


def test_the_page_tells_what_the_api_tells(city):
    """Dates, rows, score, milestones and rights on the page are those of the API."""
    html = unescape(read(city, "/datasets/lamps"))
    found = city.get("/api/v1/datasets/lamps").json()
    assert f'<time datetime="{found["modified"]}">' in html
    assert f'<time datetime="{found["data_updated"]}">' in html
    assert f"<span>{found['rows']:,} 行</span>" in html
    score = found["completeness"]
    assert f"<small>{score['score'] if isinstance(score, dict) else score} / 100</small>" in html
    for stage in ("编目", "归集", "共享", "开放"):
        assert f'<li class="done"><span>{stage}</span>' in html
    assert '<a class="part" href="tel:+86-717-0000001">0717-0000001</a>' in html
    assert '<a class="part" href="/datasets/trees">' in html
    assert '<a href="/glossary/street-lamp">路灯</a>' in html
    rights = html.split('class="rights"')[1].split("</table>")[0]
    assert re.search(r'存储</th><td><span class="badge open">允许', rights)
    assert re.search(r'商业利用</th><td><span class="badge closed">不允许', rights)
    assert "来源：环境局" in rights
    assert re.search(r"再传播</th><td>未说明", rights)


def test_fields_have_units_examples_and_code_lists(city):
    """Every column is told in both languages, with unit, example and its whole code list."""
    html = read(city, "/datasets/lamps")
    assert '<span class="small" lang="en">Number</span>' in html
    assert '<td data-label="单位">盏</td>' in html
    assert '<td data-label="示例">7</td>' in html
    assert "代码表（29）" in html
    assert "<li>路灯29</li>" in html


def test_a_tombstone_answers_410_with_its_page(city):
    """What is gone says why, since when and what follows, keeps its record, offers no data."""
    html = unescape(read(city, "/datasets/old", 410))
    assert "已注销" in html
    assert "已由路灯替代" in html
    assert '<a href="/datasets/lamps">路灯</a>' in html
    assert 'name="robots" content="noindex"' in html
    assert "<dt>目录代码</dt>" in html
    assert "/d/old/" not in html
    assert '<table class="rows">' not in html


def test_a_deprecated_dataset_says_so(city):
    """It stays, with reason and successor above everything else."""
    html = unescape(read(city, "/datasets/trees"))
    notice = html.split('<p class="notice bad">')[1].split("</p>")[0]
    assert "不再推荐使用" in notice
    assert "已由路灯替代" in notice
    assert 'href="/datasets/lamps"' in notice
    assert "/d/trees/1/trees.csv" in html


def test_conditions_and_reasons_are_told(city):
    """Conditional data tells its conditions, closed data its reason code and legal basis."""
    asked = read(city, "/datasets/asked")
    for text in ("申请方式：网上申请", "使用要求：不得转售", "安全措施：加密保存"):
        assert f"<li>{text}</li>" in asked
    secret = read(city, "/datasets/secret")
    assert "理由：N03 商业秘密；法律依据：反不正当竞争法第九条" in secret
    assert "尚未发布数据" not in secret


def test_what_is_out_of_force_says_so(city):
    """A repealed document is listed when asked for only, and names what replaces it."""
    assert "rule" not in listed(read(city, "/"))
    assert "rule" in listed(read(city, "/?validity=repealed"))
    html = read(city, "/datasets/rule")
    notice = html.split('<p class="notice bad">')[1].split("</p>")[0]
    assert "效力状态：废止" in notice
    assert 'href="/datasets/lamps"' in notice


def test_gaps_of_a_series_are_told(city):
    """Issues that are missing between those held stand on the page as the API counts them."""
    html = read(city, "/datasets/books")
    found = city.get("/api/v1/datasets/books/series").json()
    assert found["missing_count"] == 1
    assert f"应有 {found['expected']} 期，现有 {found['held']} 期，缺 1 期" in html
    assert "<li>2023 年第 3 期</li>" in html


def test_an_old_name_leads_to_the_new_one(city):
    """The page of a former name redirects for good."""
    answer = city.get("/datasets/water", headers=BROWSER)
    assert answer.status_code == 301
    assert answer.headers["location"] == "/datasets/waters"
    assert "<dt>曾用标识</dt>" in read(city, "/datasets/waters")


def test_the_head_is_for_machines(city):
    """Canonical address, alternates and a schema.org Dataset stand in the head."""
    html = read(city, "/datasets/lamps")
    assert f'<link rel="canonical" href="{city.url}/datasets/lamps">' in html
    for form in ("jsonld", "ttl"):
        assert city.get(f"/datasets/lamps.{form}").status_code == 200
        assert f'href="/datasets/lamps.{form}"' in html
    assert 'href="/feed.atom"' in html
    found = json.loads(html.split('<script type="application/ld+json">')[1].split("</script>")[0])
    assert found["@type"] == "Dataset"
    assert found["name"] == "路灯"
    assert {item["contentUrl"] for item in found["distribution"]} == {
        f"{city.url}/d/lamps/1/lamps.{form}" for form in ("csv", "parquet", "ndjson", "xlsx")
    }


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/plants",
        "/datasets/plants/resources/plants?limit=20",
        "/datasets/plants/versions?resource=plants&from=1&to=3",
        "/sql?q=select+*+from+plants",
    ],
)
def test_hostile_columns_and_values_are_text(city, path):
    """Markup in the name of a column, its title, its unit or a cell never becomes markup."""
    html = read(city, path)
    assert "&lt;img src=x onerror=" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "{{7*7}}" in html
    assert '" onload=' not in re.sub(r'<script type="application/ld\+json">.*?</script>', "", html)


def test_versions_tell_what_changed(city):
    """A difference is told once it was asked for; rows stand in it with old and new values."""
    html = read(city, "/datasets/plants/versions")
    assert html.count('class="panel version"') == 3
    assert "数据与上一版相同" in html
    assert "没有可以比较的上一版" in html
    compared = read(city, "/datasets/plants/versions?resource=plants&from=2&to=3")
    found = city.get("/api/v1/datasets/plants/resources/plants/diff?from=2&to=3").json()["counts"]
    assert found == {"removed": 0, "added": 1, "changed": 1, "unchanged": 58}
    assert f"<del>{LONG}香樟</del>" in compared
    assert f"<ins>{LONG}桂花</ins>" in compared
    again = read(city, "/datasets/plants/versions")
    assert "看改了哪些行" in again
    assert "<strong>+1</strong> 新增" in again
    for wrong, status in (
        ("resource=plants&from=1&to=9", 404),
        ("resource=plants&from=x&to=1", 400),
    ):
        assert 'role="alert"' in read(city, f"/datasets/plants/versions?{wrong}", status)
    assert "还没有发布版本" in read(city, "/datasets/asked/versions")


@pytest.mark.parametrize("path", ["/datasets/hostile", "/?q=alert", "/", "/publishers/p1"])
def test_hostile_records_are_text(city, path):
    """Markup in a record never becomes markup, whatever field it stands in."""
    html = read(city, path)
    scripts = re.findall(r"<script[^>]*>", html)
    assert all("/static/" in tag or "application/ld+json" in tag for tag in scripts)
    assert "<img src=x" not in html
    assert "javascript:" not in re.sub(r">[^<]*<", "><", html)
    if path == "/datasets/hostile":
        assert "&lt;script&gt;" in html
        block = html.split('<script type="application/ld+json">')[1].split("</script>")[0]
        assert json.loads(block)["name"] == HOSTILE


# Publishers, regions, statistics, glossary --------------------------------------------------


def test_publishers_are_those_of_the_api(city):
    """Each has its category, region and figures; filters narrow the list."""
    html = unescape(read(city, "/publishers"))
    for item in city.get("/api/v1/publishers").json():
        row = html.split(f'href="/publishers/{item["id"]}">{item["title"]}</a></th>')[1].split(
            "</tr>"
        )[0]
        assert item["category"]["title"] in row
        assert f'data-label="数据集" class="number">{item["totals"]["datasets"]:,}<' in row
        assert f'data-label="数据行" class="number">{item["totals"]["rows"]:,}<' in row
    assert "/publishers/p2" in read(city, "/publishers?category=WAT")
    assert 'href="/publishers/p1">环境局</a></th>' not in read(city, "/publishers?category=WAT")


def test_a_publisher_tells_who_watches_it(city):
    """A public enterprise names its supervisor, and where to complain; its datasets are listed."""
    html = unescape(read(city, "/publishers/p2"))
    assert '<dt>主管部门</dt><dd><a href="/publishers/p1">环境局</a>' in html
    assert "投诉科" in html
    assert 'href="tel:+86-717-0000012"' in html
    assert listed(html) == ["waters"]
    assert 'href="/publishers/p2">夷陵供水公司</a>' in read(city, "/publishers/p1")
    assert "publisher-unknown" in read(city, "/publishers/p9", 404)


def test_regions_add_up(city):
    """A region's line has the totals of all below it."""
    html = read(city, "/regions")
    (root,) = city.get("/api/v1/regions").json()
    lines = re.findall(r'<th scope="row".*?</tr>', html, re.DOTALL)
    assert "宜昌市" in lines[0]
    assert f'data-label="数据集" class="number">{root["below"]["datasets"]}<' in lines[0]
    assert 'class="depth-1"' in lines[1]
    assert (
        f'data-label="数据集" class="number">{root["regions"][0]["below"]["datasets"]}<' in lines[1]
    )


def test_statistics_are_those_of_the_api(city):
    """Funnel and totals on the page are the numbers of the API."""
    html = read(city, "/statistics")
    funnel = city.get("/api/v1/funnel").json()["total"]
    shown = re.findall(
        r"<strong>([\d,]+)</strong>", html.split('class="funnel"')[1].split("</ol>")[0]
    )
    assert shown == [str(funnel[s]) for s in ("catalogued", "collected", "shared", "opened")]
    total = city.get("/api/v1/totals?by=theme").json()["total"]
    for title, name in (("数据集", "datasets"), ("数据行", "rows"), ("数据容量", "cells")):
        assert f"<dt>{title}</dt><dd>{total[name]:,}</dd>" in html
    month = city.get("/api/v1/totals?by=month").json()["data"][-1]
    assert f'<th scope="row">{month["month"]}</th>' in html


def test_the_glossary_is_read_by_synonym(city):
    """An entry is found by its synonym and tells definition, owner, datasets and versions."""
    assert '<a href="/glossary/street-lamp">路灯</a>' in read(city, "/glossary?q=街灯")
    assert "没有这个词条" in read(city, "/glossary?q=没有")
    html = read(city, "/glossary/street-lamp")
    assert "道路上照明用的灯。" in html
    assert '<a href="/publishers/p1">环境局</a>' in html
    assert '<li><a href="/datasets/lamps">路灯</a></li>' in html
    assert "第 1 版" in html
    assert "term-unknown" in read(city, "/glossary/nothing", 404)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_well_made(city, path):
    """Language, one main and one h1, headings in order, labelled fields, unique ids, no dead link."""
    html = city.get(path, headers=BROWSER).text
    assert '<html lang="zh-CN">' in html
    assert html.count("<main ") == html.count("<h1") == 1
    levels = [
        int(n) for n in re.findall(r"<h([1-6])[ >]", html.split("<main ")[1].split("</main>")[0])
    ]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for name in re.findall(r'aria-labelledby="([^"]+)"', html):
        assert name in ids
    for tag in re.findall(r"<(?:input|select|textarea) [^>]*>", html):
        if 'type="hidden"' not in tag:
            assert f'for="{re.search(r"id=.([^ >]+?).[ >]", tag).group(1)}"' in html
    for nav in re.findall(r"<nav[^>]*>", html):
        assert "aria-label" in nav
    assert " style=" not in html


def test_no_link_leads_nowhere(city):
    """Every link of our own on every kind of page answers."""
    seen: set[str] = set()
    for path in PAGES:
        html = city.get(path, headers=BROWSER).text
        links = {
            unescape(link).split("#")[0] for link in re.findall(r'<a [^>]*href="(/[^"]*)"', html)
        }
        seen |= {link for link in links if not link.startswith("/?")} | set(
            sorted(link for link in links if link.startswith("/?"))[:5]
        )
    with httpx.Client(base_url=city.url, headers=BROWSER, timeout=60) as client:
        wrong = {
            link: status
            for link in sorted(seen - {""})
            if (status := client.get(link).status_code) not in (200, 307, 410)
        }
    assert wrong == {}


# In a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_the_screen(city, browser, width):
    """No page is wider than a phone or a desk, and nothing is told to the console."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{page.url} {message.text}"))
    page.on("pageerror", lambda error: told.append(f"{page.url} {error}"))
    page.on("dialog", lambda dialog: told.append(f"{page.url} dialog {dialog.message}"))
    try:
        wide = []
        for path in PAGES:
            page.goto(city.url + path)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(path)
        assert wide == []
        expected = re.compile("status of (400|404|410)")
        assert [text for text in told if not expected.search(text)] == []
    finally:
        page.close()


def test_suggestions_by_keyboard(city, browser):
    """Typing offers words, arrows choose, Escape closes, Enter searches; all told to screen readers."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(city.url)
        box = page.locator("#q")
        box.press_sequentially("路")
        page.wait_for_selector("#q-offers li")
        assert box.get_attribute("role") == "combobox"
        assert box.get_attribute("aria-expanded") == "true"
        box.press("ArrowDown")
        chosen = page.locator("#q-offers li[aria-selected=true]")
        assert chosen.count() == 1
        assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
        assert box.input_value() == chosen.locator("span").inner_text()
        box.press("Escape")
        assert box.get_attribute("aria-expanded") == "false"
        assert box.input_value() == "路"
        box.press("ArrowDown")
        page.wait_for_selector("#q-offers li")
        box.press("ArrowDown")
        wanted = box.input_value()
        box.press("Enter")
        page.wait_for_url("**/?q=*")
        assert page.locator("#q").input_value() == wanted
    finally:
        page.close()


def test_search_and_facets_work_without_script(city, browser):
    """Without script the form searches, the facets narrow, and on a phone the drawer opens."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    try:
        page.goto(city.url)
        assert not page.get_by_role("link", name="无条件开放").first.is_visible()
        page.locator(".drawer > summary").click()
        page.locator(".groups").get_by_role("link", name="有条件开放").first.click()
        page.wait_for_url("**/?openness=*")
        page.fill("#q", "路灯")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=*")
        assert "openness=" in page.url
    finally:
        context.close()


def test_open_data_work_without_script(city, browser):
    """Rows are filtered, ordered and turned over by form and link; SQL and keys are forms, too."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    try:
        page.goto(f"{city.url}/datasets/plants/resources/plants")
        page.select_option("#column-1", "id")
        page.select_option("#operator-1", "gt")
        page.fill("#value-1", "2")
        page.press("#value-1", "Enter")
        page.wait_for_url("**?id=gt.2")
        page.locator("th a.sort").first.click()
        page.locator("th a.sort").first.click()
        page.get_by_role("link", name="下一页").click()
        assert page.locator("tbody tr").first.locator("td").first.inner_text() == "10"
        page.goto(f"{city.url}/sql")
        page.fill("#statement", "select $a || '园' as 名")
        page.get_by_role("button", name="运行").click()
        page.fill("#p-1", "公")
        page.get_by_role("button", name="运行").click()
        assert page.locator("tbody td").inner_text() == "公园"
        page.goto(f"{city.url}/keys")
        page.fill("#label", "试验")
        page.get_by_role("button", name="生成密钥").click()
        assert page.locator(".secret").inner_text().startswith("dk_")
    finally:
        context.close()


def test_programs_are_copied(city, browser):
    """With script each program has a button that copies it."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    try:
        page.goto(f"{city.url}/datasets/books/resources/books")
        page.locator(".copy").first.click()
        page.get_by_text("已复制").wait_for()
        code = page.locator(".snippet pre").first.inner_text()
        assert page.evaluate("navigator.clipboard.readText()") == code
    finally:
        context.close()


def test_facets_are_open_on_a_desk_without_script(city, browser):
    """A wide screen shows the facets at once."""
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    try:
        page.goto(city.url)
        assert page.locator(".groups a").first.is_visible()
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(city, browser, scheme):
    """Text has a contrast of 4.5 to what lies behind it (WCAG 1.4.3), by day and by night."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    try:
        faint = []
        for path in ("/?q=路灯", "/datasets/old", "/statistics", "/publishers", "/keys",
                     "/datasets/plants/versions?resource=plants&from=2&to=3",
                     "/datasets/books/resources/books", "/sql?q=select+nme+from+plants"):  # fmt: skip
            page.goto(city.url + path)
            faint += page.evaluate(_CONTRAST)
        assert faint == []
    finally:
        page.close()


_CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const own = walker.currentNode.parentElement;
    if (!text || !own.checkVisibility({checkVisibilityCSS: true}) || own.closest(".hidden, .skip, svg")) continue;
    let behind = own, colour = null;
    while (behind && !colour) {
      const style = getComputedStyle(behind);
      if (style.backgroundImage !== "none") colour = [15, 76, 92];
      const [r, g, b, a = 1] = parse(style.backgroundColor);
      if (!colour && a === 1) colour = [r, g, b];
      behind = behind.parentElement;
    }
    const a = lum(parse(getComputedStyle(own).color)), b = lum(colour || [255, 255, 255]);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${location.pathname} ${text.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return found;
}"""
