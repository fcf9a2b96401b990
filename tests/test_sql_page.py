"""The pages where people ask in SQL and make keys: forms, addresses, errors, and what stays secret."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from datahub.web.portal import asking

BROWSER = {"accept": "text/html,application/xhtml+xml"}
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"


def ask(server, **query: str) -> httpx.Response:
    """The SQL page for a statement."""
    return httpx.get(f"{server.url}/sql", params=query, headers=BROWSER, timeout=60)


def rows_of(html: str) -> list[list[str]]:
    """Texts of the shown rows."""
    body = html.split("<tbody>")[1].split("</tbody>", 1)[0]
    return [
        [unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in body.split("</tr>")[:-1]
    ]


# SQL ------------------------------------------------------------------------------------------


def test_the_page_answers_as_the_api(server):
    """Columns and rows are those of the API, numbers as they were told, NULL as a dash."""
    sql = "select nature, count(*) as n, 1.50 as d, null as z from schools group by all order by n"
    html = ask(server, q=sql).text
    found = server.get("/api/v1/sql", params={"q": sql, "shape": "arrays"}).json()
    assert rows_of(html) == [[nature, str(n), "1.50", "—"] for nature, n, _, _ in found["data"]]
    assert "<code>schools.schools</code> 第 1 版" in html
    links = [unescape(link) for link in re.findall(r'href="(/api/v1/sql\.[^"]+)"', html)]
    assert [link.split("?")[0] for link in links] == [
        f"/api/v1/sql.{form}" for form in ("csv", "xlsx", "parquet", "json")
    ]
    lines = server.get(links[0]).text.splitlines()
    assert len(lines) == len(found["data"]) + 1


def test_names_become_fields(server):
    """A $name without a value is asked for; with one the statement runs, the value as a text."""
    sql = "select count(*) from schools where nature = $性质 -- not $this"
    html = ask(server, q=sql).text
    assert 'name="p.性质"' in html
    assert 'name="p.this"' not in html
    assert 'id="missing"' in html
    assert "<tbody>" not in html
    found = ask(server, **{"q": sql, "p.性质": "民办", "p.gone": "x"}).text
    total = server.get("/api/v1/datasets/schools/resources/schools/rows?nature=eq.民办").json()[
        "total"
    ]
    assert rows_of(found) == [[str(total["value"])]]
    assert 'value="民办"' in found


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select $a, $b, $a", ("a", "b")),
        ("select '$a', \"$b\", $c", ("c",)),
        ("select 1 -- $a\n + $b /* $c */ + $d", ("b", "d")),
        ("select $$ $a $$, $x$ $b $x$, $c", ("c",)),
        ("select 'it''s $a', $年份::int", ("年份",)),
        ("select 'never closed $a", ()),
        ("/* " * 6000 + "$a", ()),
        ("'" * 9999 + "$a", ()),
        ("$1, $ a", ()),
    ],
)
def test_names_are_found_outside_of_texts(sql, names):
    """Texts, quoted names and comments hold no parameters."""
    assert asking.read([("q", sql)]).names == names


def test_examples_run(server):
    """Every example of the page, and of each table, answers with rows."""
    html = httpx.get(f"{server.url}/sql", headers=BROWSER).text
    links = set(re.findall(r'href="(/sql\?[^"]+)"', html))
    assert len(links) > 5
    with httpx.Client(base_url=server.url, headers=BROWSER, timeout=60) as client:
        for link in sorted(links)[::3]:
            assert "<tbody>" in client.get(unescape(link)).text, link
    assert "<code>&#34;bus&#34;.&#34;stops&#34;</code>" in html


def test_a_mistake_is_marked_where_it_is(server):
    """The statement stays in the form; the place is marked, with what is close to it."""
    answer = ask(server, q='select nme\nfrom "schools"."schools"')
    html = unescape(answer.text)
    assert answer.status_code == 400
    assert "select <mark>nme</mark>\nfrom" in html
    assert "第 1 行第 8 列" in html
    assert "相近的名称：name" in html
    assert "sql-invalid" in html
    for sql in ("select", "drop table schools", "select * from nix", "select * from '/etc/passwd'"):
        refused = ask(server, q=sql)
        assert 400 <= refused.status_code < 500, sql
        assert f">\n{sql}</textarea>" in unescape(refused.text)
    plain = server.get("/sql?q=select+nme+from+schools")
    assert (plain.status_code, plain.json()["code"]) == (400, "sql-invalid")


def test_what_is_cut_says_why(server):
    """A page holds 200 rows and says that there are more; one that is whole says nothing."""
    html = ask(server, q="select * from air_hourly").text
    assert "<strong>结果被截断，</strong>因为这里只显示前 200 行" in html
    assert len(rows_of(html)) == 200
    wide = ask(server, q="select (select string_agg(name, '') from schools) from air_hourly").text
    assert "因为结果太大" in wide
    assert "结果被截断" not in ask(server, q="select 1").text
    assert "没有符合条件的行" in ask(server, q="select 1 where false").text


def test_a_sent_statement_gets_an_address(server):
    """A short one is redirected to its address; a long one is answered, without downloads."""
    form = {"q": "select $x as v", "p.x": "值"}
    answer = httpx.post(f"{server.url}/sql", data=form, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sql?q=select+%24x+as+v&p.x=%E5%80%BC"
    assert rows_of(httpx.get(server.url + answer.headers["location"], headers=BROWSER).text) == [
        ["值"]
    ]
    long = {"q": f"select length('{'x' * 7000}') as n"}
    answer = httpx.post(f"{server.url}/sql", data=long, headers=BROWSER)
    assert (answer.status_code, rows_of(answer.text)) == (200, [["7000"]])
    assert "POST /api/v1/sql" in answer.text
    too_long = httpx.post(
        f"{server.url}/sql", data={"q": "select " + "1+" * 11_000 + "1"}, headers=BROWSER
    )
    assert too_long.status_code == 400


def test_a_statement_is_charged_as_heavy(server):
    """The page tells the limits of its caller as the API does."""
    assert "ratelimit-policy" in ask(server, q="select 1").headers


@pytest.mark.parametrize(
    "sql",
    [
        f"select '{EVIL.replace(chr(39), chr(39) * 2)}' as \"{EVIL.replace(chr(34), '')}\"",
        EVIL,
        f"select ${{x}} {EVIL}",
        "select \0 1",
        "select '\ud800'.x",
    ],
)
def test_hostile_statements_are_text(server, sql):
    """Markup in a statement, a value or the name of a column never becomes markup."""
    answer = httpx.post(f"{server.url}/sql", data={"q": sql.encode("utf-8", "surrogatepass")},
                        headers=BROWSER, follow_redirects=True)  # fmt: skip
    assert answer.status_code in (200, 400)
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# Keys -----------------------------------------------------------------------------------------


def test_a_key_is_made_by_form_and_shown_once(server):
    """The secret works, stands in no address and is not kept; its usage is told to who has it."""
    made = httpx.post(f"{server.url}/keys", data={"label": " 公交课题 "}, headers=BROWSER)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    assert "密钥已生成：公交课题" in made.text
    secret = re.search(r"dk_[\w-]{43}", made.text).group(0)
    assert secret not in str(made.url)
    own = server.get("/api/v1/keys/self", headers={"X-API-Key": secret}).json()
    assert own["label"] == "公交课题"
    used = httpx.post(f"{server.url}/keys/usage", data={"key": f" {secret} "}, headers=BROWSER)
    assert used.status_code == 200
    assert own["id"] in used.text
    assert secret not in used.text


def test_wrong_forms_are_told_on_the_page(server):
    """A label or key that is none is told beside its field; programs get a problem."""
    empty = httpx.post(f"{server.url}/keys", data={"label": " "}, headers=BROWSER)
    assert (empty.status_code, 'role="alert"' in empty.text) == (400, True)
    wrong = httpx.post(f"{server.url}/keys/usage", data={"key": "dk_x"}, headers=BROWSER)
    assert (wrong.status_code, "密钥无效" in wrong.text) == (401, True)
    plain = httpx.post(f"{server.url}/keys/usage", data={"key": "dk_x"})
    assert (plain.status_code, plain.json()["code"]) == (401, "key-invalid")
    named = httpx.post(f"{server.url}/keys", data={"label": EVIL}, headers=BROWSER)
    assert named.status_code == 200
    assert "<script>alert" not in named.text


def test_limits_are_those_of_the_settings(server):
    """The table tells what the headers of every answer and a key's own view tell."""
    html = httpx.get(f"{server.url}/keys", headers=BROWSER).text
    policy = server.get("/api/v1/datasets?limit=1").headers["ratelimit-policy"]
    requests = int(re.search(r'"requests";q=(\d+)', policy).group(1))
    limits = server.post("/api/v1/keys", json={"label": "限额"}).json()["limits"]
    assert f'data-label="不带密钥" class="number">{requests:,}<' in html
    assert f'data-label="带密钥" class="number">{limits["requests"]:,}<' in html
    assert f'data-label="带密钥" class="number">{limits["heavy_at_once"]}<' in html
