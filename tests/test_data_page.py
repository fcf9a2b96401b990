"""The data page of a resource: filters by form, order, pages, downloads and programs."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from datahub.forms.columns import Column
from datahub.web.portal import filters

BROWSER = {"accept": "text/html,application/xhtml+xml"}
SCHOOLS = "/datasets/schools/resources/schools"
AIR = "/datasets/air_hourly/resources/air_hourly"
COLUMNS = (
    Column("名称", "VARCHAR"),
    Column("aqi", "BIGINT", type="integer"),
    Column("limit", "VARCHAR"),
)


def read(server, path: str, status: int = 200) -> str:
    """Text of a page."""
    answer = httpx.get(server.url + path, headers=BROWSER, timeout=60)
    assert answer.status_code == status, answer.text
    return unescape(answer.text)


def cells(html: str) -> list[list[str]]:
    """Texts of the shown rows."""
    body = html.split("<tbody>")[1].split("</tbody>", maxsplit=1)[0]
    return [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in body.split("</tr>")[:-1]
    ]


def test_the_page_shows_what_the_api_answers(server):
    """Rows, order and total are those of the API for the same parameters."""
    query = "nature=eq.民办&order=name.desc&limit=20"
    html = read(server, f"{SCHOOLS}?{query}")
    found = server.get(f"/api/v1{SCHOOLS}/rows?{query}").json()
    names = [field["name"] for field in found["fields"]]
    assert [row[names.index("name")] for row in cells(html)] == [r["name"] for r in found["data"]]
    assert f"符合条件的 {found['total']['value']:,} 行" in html
    assert 'aria-sort="descending"' in html


def test_pages_hang_together(server):
    """Following 下一页 shows every row of the API once, in its order."""
    seen, link = [], f"{SCHOOLS}?nature=eq.民办&limit=50"
    while link:
        html = read(server, link)
        seen += [row[0] for row in cells(html)]
        found = re.search(r'<a href="([^"]+)" rel="next">', html)
        link = found and found.group(1)
    rows = server.get(f"/api/v1{SCHOOLS}/rows?nature=eq.民办&limit=1000").json()["data"]
    assert seen == [row["school_id"] for row in rows]


def test_the_form_leads_to_an_address(server):
    """Lines of the form become the API's own parameters; empty ones and pages fall away."""
    sent = [("order", "name.desc"), ("cursor", "old"), ("q", ""),
            ("filter.column", "nature"), ("filter.op", "eq"), ("filter.value", " 民办 "),
            ("filter.column", ""), ("filter.op", "eq"), ("filter.value", "x"),
            ("filter.column", "name"), ("filter.op", "has"), ("filter.value", "50%_幼")]  # fmt: skip
    answer = httpx.get(server.url + SCHOOLS, params=sent, headers=BROWSER)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path == SCHOOLS
    assert parse_qsl(where.query) == [
        ("order", "name.desc"), ("nature", "eq.民办"), ("name", r"ilike.*50\%\_幼*"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        filters.Line("名称", "eq", "a,b"),
        filters.Line("名称", "has", r"50%_\x"),
        filters.Line("名称", "starts", "宜"),
        filters.Line("名称", "in", 'a, "b", 民办'),
        filters.Line("名称", "null", ""),
        filters.Line("名称", "filled", ""),
        filters.Line("aqi", "gte", "5"),
        filters.Line("limit", "neq", "x"),
    ],
)
def test_a_line_is_read_as_it_was_written(line):
    """What the form sends is shown in it again, whatever stands in the value."""
    sent = [
        (filters.COLUMN, line.column),
        (filters.OPERATOR, line.operator),
        (filters.VALUE, line.value),
    ]
    assert filters.lines(filters.submitted(sent), COLUMNS) == [line]


def test_what_has_no_line_stays(server):
    """Conditions beyond the form are shown as they stand, kept by it, and can be taken away."""
    html = read(server, f"{SCHOOLS}?or=(nature.eq.民办,name.like.*小学*)&limit=20")
    assert "<code>or=(nature.eq.民办,name.like.*小学*)</code>" in html
    assert '<input type="hidden" name="or" value="(nature.eq.民办,name.like.*小学*)">' in html
    assert f'<a href="{SCHOOLS}?limit=20">去掉</a>' in html


def test_a_wrong_question_keeps_its_form(server):
    """The error stands on the page in both languages, with what can be mended."""
    html = read(server, f"{AIR}?aqi=gte.很多&level=eq.优", 400)
    assert 'role="alert"' in html
    assert "很多" in html.split('role="alert"')[1].split("</div>")[0]
    assert '<option value="level" selected>' in html
    assert 'name="filter.value" value="很多"' in html
    assert "<tbody>" not in html
    assert "<code>nix=eq.1</code>" in read(server, f"{AIR}?nix=eq.1", 400)
    for wrong in ("format=csv", "limit=501", "cursor=x"):
        assert 'role="alert"' in read(server, f"{AIR}?{wrong}", 400)
    plain = server.get(f"{AIR}?aqi=gte.x")
    assert (plain.status_code, plain.json()["code"]) == (400, "parameter-invalid")


def test_pages_and_orders_are_no_conditions(server):
    """What only says which rows are shown is no filter, and nothing to take away."""
    html = read(server, f"{SCHOOLS}?limit=20&version=1&order=name&offset=20")
    assert "有误" not in html
    assert "符合条件" not in html
    assert "第 21–40 行" in html


def test_nothing_found_says_so(server):
    """An empty answer is a sentence and a way back."""
    html = read(server, f"{AIR}?aqi=gt.100000")
    assert "没有符合条件的行" in html
    assert f'<a href="{AIR}">清除条件' in html


def test_downloads_are_what_is_shown(server):
    """CSV of the page and of all, and the address of the API, hold the rows of the page."""
    html = read(server, f"{SCHOOLS}?nature=eq.民办&limit=20&order=name")
    part = html.split('id="take"')[1].split("</section>")[0]
    links = re.findall(r'href="(/api/v1/[^"]+)"', part)
    whole, page = (
        next(link for link in links if f"/{kind}.csv" in link) for kind in ("export", "rows")
    )
    shown = [row[0] for row in cells(html)]
    lines = server.get(page).text.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == shown
    total = server.get(f"/api/v1{SCHOOLS}/rows?nature=eq.民办&limit=1").json()["total"]["value"]
    assert len(server.get(whole).text.splitlines()) == total + 1
    address = re.search(r'class="address" href="([^"]+)"', part).group(1)
    assert [row["school_id"] for row in httpx.get(address).json()["data"]] == shown
    assert "version=1" in part


def test_programs_ask_what_is_shown(server):
    """Several conditions on one column stand in the programs as one that means the same."""
    html = read(server, f"{AIR}?aqi=gte.100&aqi=lt.110&station_code=eq.YC0001")
    code = html.split("Python（标准库）")[1].split("<code>")[1].split("</code>")[0]
    asked = json.loads(re.search(r"^question = (.*)$", code, re.MULTILINE).group(1))
    found = server.get(f"/api/v1{AIR}/rows", params=asked).json()
    wanted = server.get(
        f"/api/v1{AIR}/rows?aqi=gte.100&aqi=lt.110&station_code=eq.YC0001&limit=50"
    ).json()
    assert found["data"] == wanted["data"] != []


@pytest.mark.parametrize("place", ["q", "filter", "unknown", "order"])
def test_hostile_parameters_are_text(server, place):
    """Markup in an address never becomes markup."""
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}'
    query = {"q": {"q": evil}, "filter": {"name": f"eq.{evil}"}, "unknown": {evil: "eq.1"},
             "order": {"order": evil}}[place]  # fmt: skip
    answer = httpx.get(server.url + SCHOOLS, params=query, headers=BROWSER)
    assert answer.status_code in (200, 400)
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert ">49<" not in answer.text


def test_what_is_not_open_or_not_there(server):
    """Pages of data that nobody may see answer as the API does."""
    assert "resource-unknown" in read(server, "/datasets/schools/resources/nix", 404)
    assert "dataset-unknown" in read(server, "/datasets/nix/resources/nix", 404)
    assert httpx.get(f"{server.url}/datasets/clinics/resources/clinics").status_code == 404
