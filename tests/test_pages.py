"""The pages: what people read, at two widths, with hostile input and without foreign hosts."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

CHROMIUM = Path("/usr/bin/chromium")
BROWSER = {"accept": "text/html,application/xhtml+xml"}
PAGES = (
    "/",
    "/?q=没有这个词",
    "/datasets/schools",
    "/datasets/air_hourly",
    "/datasets/bus",
    "/docs",
)
WIDTHS = {375: 812, 1280: 900}


class Elements(HTMLParser):
    """Collects the elements of a page, and the text outside of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Keep text."""
        self.text.append(data)


def read(server, path: str, **query: str) -> str:
    """Text of a page that must be there."""
    answer = httpx.get(server.url + path, params=query or None, headers=BROWSER)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def listed(html: str) -> set[str]:
    """Names of the datasets that a list shows."""
    return set(re.findall(r'<h3><a href="/datasets/([a-z_]+)">', html))


def everything(server, **query: str) -> str:
    """Text of all pages of a list, one after the other."""
    pages = [read(server, "/", **query)]
    while listed(pages[-1]):
        pages.append(read(server, "/", **query, page=str(len(pages) + 1)))
        if pages[-1].count('rel="prev"') == 0 or listed(pages[-1]) == listed(pages[-2]):
            break
    return unescape("".join(pages))


def test_home_lists_datasets(server):
    """The catalog lists every dataset that the API lists, with their titles."""
    html = everything(server)
    known = httpx.get(f"{server.url}/api/v1/datasets").json()
    assert listed(html) == {item["name"] for item in known["data"]}
    assert f"共 {known['total']} 个数据集" in html
    assert all(item["title"] in html for item in known["data"])


def test_search_finds_by_chinese_word(server):
    """A Chinese word finds the dataset that has it, and what was typed stays in the box."""
    html = read(server, "/", q="空气质量")
    assert "air_hourly" in listed(html)
    assert "schools" not in listed(html)
    assert 'value="空气质量"' in html


def test_search_without_result_helps_on(server):
    """A word that nothing has gives a sentence and a way back, not an empty page."""
    html = read(server, "/", q="没有这个词")
    assert listed(html) == set()
    assert "没有符合条件的数据集" in html
    assert "查看全部数据集" in html


@pytest.mark.parametrize(
    ("query", "inside", "outside"),
    [
        ({"theme": "15"}, "schools", "air_hourly"),
        ({"publisher": "yc-env"}, "air_hourly", "schools"),
        ({"openness": "open", "theme": "07"}, "air_hourly", "schools"),
    ],
)
def test_filters_narrow(server, query, inside, outside):
    """Each filter keeps what it names and drops the rest; an empty field filters nothing."""
    found = listed(everything(server, **query))
    assert inside in found
    assert outside not in found
    assert listed(everything(server, q="", publisher="", theme="", openness="")) > found


def test_filter_counts_are_what_the_links_give(server):
    """The number beside a filter is the number of datasets behind its link."""
    html = read(server, "/")
    links = re.findall(
        r'<li><a href="([^"]+)"[^>]*><span>[^<]*</span> <span class="count">(\d+)', html
    )
    assert len(links) > 3
    for url, count in links:
        assert f"共 {count} 个数据集" in read(server, unescape(url)), url


def test_filter_with_a_wrong_value_is_refused(server):
    """A kind of openness that does not exist gives the error page, not a fault."""
    answer = httpx.get(f"{server.url}/?openness=nix", headers=BROWSER)
    assert answer.status_code == 400
    assert "parameter-invalid" in answer.text


def test_dataset_page_shows_the_record(server):
    """The page tells the record's items and every field's title in Chinese."""
    html = unescape(read(server, "/datasets/schools"))
    for term in (
        "发布机构",
        "数据领域",
        "开放类型",
        "更新周期",
        "目录代码",
        "许可",
        "联系方式",
        "坐标系",
    ):
        assert f"<dt>{term}</dt>" in html
    assert "宜昌市教育局" in html
    schema = httpx.get(f"{server.url}/api/v1/datasets/schools/resources/schools/schema").json()
    for field in schema["fields"]:
        assert f"<td>{field['title']}</td>" in html


def test_dataset_page_shows_ten_rows(server):
    """The page shows the first ten rows as the API gives them."""
    html = unescape(read(server, "/datasets/schools"))
    body = html.split('<table class="rows">')[1].split("</table>")[0]
    assert body.count("<tr>") == 11
    rows = f"{server.url}/api/v1/datasets/schools/resources/schools/rows"
    for row in httpx.get(rows, params={"limit": 10}).json()["data"]:
        assert f">{row['school_id']}</td>" in body
        assert f">{row['name']}</td>" in body


@pytest.mark.parametrize("dataset", ["schools", "air_hourly"])
def test_digests_are_those_of_the_api(server, dataset):
    """Every file of the latest release stands on the page with its link and whole digest."""
    html = read(server, f"/datasets/{dataset}")
    latest = httpx.get(f"{server.url}/api/v1/datasets/{dataset}/releases").json()[0]
    assert latest["files"]
    for file in latest["files"]:
        assert file["sha256"] in html
        assert f'href="{file["url"]}"' in html


def test_sample_data_is_marked(server):
    """Generated data is called so on its card and on its page, besides what its title says."""
    badge = '<span class="badge sample">示例数据</span>'
    home = read(server, "/", q="教育机构")
    assert badge in home.split('href="/datasets/schools"')[1].split("</li>")[0]
    page = read(server, "/datasets/schools")
    assert badge in page
    assert '<p class="notice sample">' in page


def test_dataset_without_release_says_so(server):
    """A registered dataset without data shows its fields and that nothing is released."""
    html = read(server, "/datasets/admin_penalty")
    assert "尚未发布数据" in html
    assert '<table class="fields">' in html
    assert "download" not in html


def test_unknown_dataset_is_a_page_in_chinese(server):
    """A wrong name gives 404 as a page, Chinese first, with code and a way home."""
    answer = httpx.get(f"{server.url}/datasets/school", headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'lang="zh-CN"' in answer.text
    assert "<h1>没有名为“school”的数据集" in answer.text
    assert "dataset-unknown" in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "%00'"],
)
@pytest.mark.parametrize("parameter", ["q", "publisher", "theme"])
def test_hostile_text_is_text(server, parameter, hostile):
    """Whatever a visitor types comes back as text, never as markup."""
    html = read(server, "/", **{parameter: hostile})
    parsed = Elements(html)
    assert {tag for tag, _ in parsed.found}.isdisjoint({"iframe", "object", "style"})
    assert all(a["src"].startswith("/static/") for tag, a in parsed.found if tag == "script")
    assert not [name for _, attrs in parsed.found for name in attrs if name.startswith("on")]
    assert not [
        attrs
        for tag, attrs in parsed.found
        if tag == "img" and not attrs["src"].startswith("/static/")
    ]
    if parameter == "q":
        assert f"“{hostile}”" in "".join(parsed.text)


def test_hostile_name_is_text(server):
    """A hostile address comes back on the error page as text."""
    answer = httpx.get(
        f"{server.url}/datasets/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers=BROWSER
    )
    assert answer.status_code == 404
    assert "<script>" not in answer.text
    assert answer.text.count("<script") == 1  # our own


@pytest.mark.parametrize("path", [*PAGES, "/datasets/school"])
def test_no_foreign_host(server, path):
    """No page loads from or links to another host, and its policy forbids it besides."""
    answer = httpx.get(server.url + path, headers=BROWSER)
    shown = re.sub(r'<script type="application/ld\+json">[^<]*</script>', "", answer.text)
    hosts = set(re.findall(r"(?:https?:)?//([\w.:-]+)", shown))
    assert hosts <= {server.url.removeprefix("http://")}
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_static_files_are_cached(server):
    """The stylesheet's address changes with its bytes, so that it may be kept for ever."""
    address = re.search(r'href="(/static/site\.css\?v=\w+)"', read(server, "/")).group(1)
    answer = httpx.get(server.url + address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    again = httpx.get(server.url + address, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert httpx.get(f"{server.url}/static/nothing.css").status_code == 404
    assert (
        httpx.get(f"{server.url}/favicon.ico").headers["content-type"].startswith("image/svg+xml")
    )


def test_docs_have_every_operation_and_error(server):
    """The documentation has each operation of the OpenAPI document and an anchor per error code."""
    from datahub.errors import codes

    html = unescape(read(server, "/docs"))
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert len(paths) > 5
    for path in paths:
        assert f"<code>{path}</code>" in html
    for code in codes():
        assert f'id="error-{code}"' in html


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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES)
def test_fits_the_screen(server, browser, path, width):
    """A page is as wide as the screen, on a phone and on a desk, and the console stays silent."""
    page = browser.new_page(viewport={"width": width, "height": WIDTHS[width]})
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    try:
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert told == []
    finally:
        page.close()


def test_works_by_keyboard(server, browser):
    """The first stop of the tab key is the link to the text; then search works with Enter."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(server.url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "跳到正文"
        page.fill("#q", "空气")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?q=*")
        assert page.locator(".card").count() >= 1
    finally:
        page.close()
