"""Stored queries: versions that stay, parameters by their types, pinned tables, citations."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest
from hub import Hub
from own_store import own_store, publish, swift, table

from datahub.errors import ParameterInvalid
from datahub.errors_jobs import QueryNameTaken, QueryParameterInvalid, QueryStoreFull, QueryUnknown
from datahub.serve.sql.citation import Source, cite
from datahub.serve.sql.parameters import Parameter, check, examples, values
from datahub.store import stored_queries
from datahub.store.stored_queries import StoredQuery

QUERIES = "/api/v1/queries"
LAMPS = {"dataset": "lamps", "resource": "lamps", "version": 1}
FROM = {
    "title": "某号以后的路灯",
    "description": "按编号取路灯",
    "sql": 'select id, name as "名称" from lamps where id >= $起 and name like $name order by id',
    "parameters": [
        {"name": "起", "type": "integer", "title": "起始编号", "min": 1, "max": 100},
        {"name": "name", "default": "%"},
    ],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A service on a small catalog, with two tables of twelve rows."""
    folder = tmp_path_factory.mktemp("queries")
    store = own_store(folder, "lamps", "trees")
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        for name in ("lamps", "trees"):
            publish(store, table(), dataset=name)
    store.close()
    own = Hub(folder / "data", catalog=folder / "catalog")
    own.start()
    yield own
    own.stop()


@pytest.fixture(scope="module")
def token(hub):
    """A steward's token."""
    return hub.token("steward", "p1")


@pytest.fixture(scope="module")
def lamps(hub, token):
    """A query that tests read and nobody changes."""
    return stored(hub, token, name="lamps-from", pin=True, **FROM)


def stored(hub, token, **body):
    """Store a query."""
    answered = hub.post(QUERIES, token=token, json=body)
    assert answered.status_code == 201, answered.text
    made = answered.json()
    assert answered.headers["location"] == made["links"]["self"]
    return made


def changed(hub, token, name, **body):
    """Store a next version."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.put(f"{hub.url}{QUERIES}/{name}", headers=headers, json=body, timeout=60)


# Asking ---------------------------------------------------------------------------------------


def test_the_address_of_an_answer(hub, lamps):
    """Parameters are those of the address; the answer is the same for ever, and says so."""
    address = f"{lamps['links']['rows']}?{quote('起')}=11"
    answered = hub.get(address)
    assert answered.status_code == 200, answered.text
    found = answered.json()
    assert found["data"] == [{"id": 11, "名称": "路灯11"}, {"id": 12, "名称": "路灯12"}]
    assert (found["versions"], found["truncated"]) == ([LAMPS], False)
    assert "immutable" in answered.headers["cache-control"]
    assert lamps["links"]["self"] in answered.headers["link"]
    again = hub.get(address, headers={"If-None-Match": answered.headers["etag"]})
    assert again.status_code == 304
    csv = hub.get(f"{lamps['links']['rows']}.csv?{quote('起')}=12&name={quote('路灯1%')}")
    assert csv.text.splitlines() == ["id,名称", "12,路灯12"]
    assert "lamps-from-v1.csv" in csv.headers["content-disposition"]
    short = hub.get(f"{address}&limit=1&shape=arrays").json()
    assert (short["data"], short["truncated"], short["reason"]) == ([[11, "路灯11"]], True, "rows")
    newest = hub.get(f"{QUERIES}/lamps-from/latest/rows?{quote('起')}=11")
    assert newest.json()["data"] == found["data"]
    assert "immutable" not in newest.headers["cache-control"]


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("", "parameter-invalid", "必填"),
        ("起=x", "parameter-invalid", "应为整数"),
        ("起=1.5", "parameter-invalid", "应为整数"),
        ("起=0", "parameter-invalid", "最小为 1"),
        ("起=101", "parameter-invalid", "最大为 100"),
        ("起=1&起=2", "parameter-invalid", "只能出现一次"),
        ("起=1 or 1=1", "parameter-invalid", "应为整数"),
        ("起=1;drop table lamps", "parameter-invalid", "应为整数"),
        ("起=１", "parameter-invalid", "应为整数"),
        ("起=1&q=select 1", "parameter-unknown", "起"),
        ("起=1&p.起=2", "parameter-unknown", "起"),
        ("起=1&limit=0", "parameter-invalid", "limit"),
        ("起=1&format=docx", "form-unknown", "docx"),
    ],
)
def test_wrong_parameters(hub, lamps, query, code, words):
    """Each is told by its name, with what would be right."""
    pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
    answered = hub.get(lamps["links"]["rows"], params=[tuple(pair) for pair in pairs])
    assert answered.json()["code"] == code, answered.text
    assert words in answered.json()["detail_zh"]
    assert 400 <= answered.status_code < 500


@pytest.mark.parametrize(
    "text",
    [
        "' or '1'='1",
        "%' union select 1, '2",
        "'; drop table lamps; --",
        "$起",
        "\\' or 1=1 --",
        "%0",
    ],
)
def test_a_text_is_a_value_and_nothing_else(hub, lamps, text):
    """Whatever stands in a text is compared with names, and never read as SQL."""
    answered = hub.get(lamps["links"]["rows"], params={"起": "1", "name": text})
    assert (answered.status_code, len(answered.json()["data"])) == (200, 1 if text == "%0" else 0)


def test_versions_stay(hub, token):
    """A change is a new version; the former one answers as before; the same again adds none."""
    made = stored(hub, token, title="一", sql="select count(*) as n from trees")
    name = made["name"]
    assert (name[:2], made["version"], made["tables"]) == (
        *("q-", 1),
        [{"dataset": "trees", "resource": "trees", "version": None}],
    )
    body = {"title": "二", "sql": "select count(*) + $more as n from trees",
            "parameters": [{"name": "more", "type": "number", "default": 0.5}]}  # fmt: skip
    assert changed(hub, token, name, **body).json()["version"] == 2
    assert changed(hub, token, name, **body).json()["version"] == 2
    rows = [hub.get(f"{QUERIES}/{name}/{v}/rows").json()["data"] for v in ("v1", "2", "latest")]
    assert rows == [[{"n": 12}], [{"n": 12.5}], [{"n": 12.5}]]
    listed = hub.get(f"{QUERIES}/{name}/versions").json()
    assert [(item["version"], item["title"]) for item in listed] == [(2, "二"), (1, "一")]
    assert hub.get(f"{QUERIES}/{name}").json()["version"] == 2
    assert hub.get(f"{QUERIES}/{name}/v1").json()["title"] == "一"
    for version in ("v3", "0", "v01x", "newest"):
        answered = hub.get(f"{QUERIES}/{name}/{version}/rows")
        assert (answered.status_code, answered.json()["code"]) == (404, "query-unknown")


def test_names_are_not_given_twice(hub, token):
    """Who retires a query takes it from the list; its versions answer, its name stays taken."""
    body = {"title": "临时", "sql": "select 1 as n"}
    stored(hub, token, name="passing", **body)
    taken = hub.post(QUERIES, token=token, json=body | {"name": "passing"})
    assert (taken.status_code, taken.json()["code"]) == (409, "query-name-taken")
    foreign = hub.token("reviewer")
    for answered in (
        changed(hub, foreign, "passing", **body),
        httpx.delete(f"{hub.url}{QUERIES}/passing", headers={"Authorization": f"Bearer {foreign}"}),
    ):
        assert (answered.status_code, answered.json()["code"]) == (403, "not-yours")
    gone = httpx.delete(
        f"{hub.url}{QUERIES}/passing", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    assert gone.json()["retired"]
    assert "passing" not in [item["name"] for item in hub.get(QUERIES).json()["data"]]
    assert hub.get(f"{QUERIES}/passing/v1/rows").json()["data"] == [{"n": 1}]
    for answered in (
        hub.post(QUERIES, token=token, json=body | {"name": "passing"}),
        changed(hub, token, "passing", **body | {"title": "又"}),
    ):
        assert (answered.status_code, answered.json()["code"]) == (409, "query-name-taken")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"sql": "select nme from lamps"}, 400, "sql-invalid"),
        ({"sql": "attach 'x'"}, 400, "sql-invalid"),
        ({"sql": "select $year as n from nowhere"}, 404, "dataset-unknown"),
        ({"sql": "select $other as n"}, 400, "sql-invalid"),
        ({"sql": "select 1 as n"}, 400, "sql-invalid"),  # $year is declared and not there
        ({"title": " "}, 400, "body-invalid"),
        ({"name": "../x"}, 400, "name-invalid"),
        ({"owner": "me"}, 400, "body-invalid"),
        ({"parameters": [{"name": "limit"}]}, 422, "query-parameter-invalid"),
        ({"parameters": [{"name": "a b"}]}, 422, "query-parameter-invalid"),
        ({"parameters": [{"name": "year", "type": "float"}]}, 400, "body-invalid"),
        (
            {"parameters": [{"name": "year", "type": "date", "default": "2025"}]},
            *(422, "query-parameter-invalid"),
        ),
    ],
)
def test_what_cannot_run_is_not_stored(hub, token, change, status, code):
    """A query is checked when it is stored, with the words of SQL."""
    body = {"title": "年", "sql": "select $year as n", "parameters": [{"name": "year"}]} | change
    answered = hub.post(QUERIES, token=token, json=body)
    assert (answered.status_code, answered.json()["code"]) == (status, code), answered.text


def test_lists_and_words(hub, token, lamps):
    """Words of the title, the description or the name find a query; pages follow each other."""
    stored(hub, token, name="percent_100", title="百分比", sql="select 100 as n")
    for words, names in (
        ("路灯", ["lamps-from"]),
        ("路灯 编号", ["lamps-from"]),
        ("LAMPS-from", ["lamps-from"]),
        ("percent_", ["percent_100"]),
        ("%", []),
        ("路灯 百分比", []),
    ):
        found = hub.get(QUERIES, params={"q": words}).json()
        assert [item["name"] for item in found["data"]] == names, words
        assert found["total"] == len(names)
    first = hub.get(f"{QUERIES}?limit=1").json()
    second = hub.get(first["next"]).json()
    assert first["data"][0]["name"] != second["data"][0]["name"]
    assert lamps["name"] == "lamps-from"


def test_how_it_is_cited(hub, lamps):
    """A record has the words to cite it with, publisher, data, version, day and address."""
    cited = lamps["citation"]
    for text in cited.values():
        for part in (
            "环境局",
            "某号以后的路灯",
            "数据集 lamps",
            f"{hub.url}{lamps['links']['self']}",
        ):
            assert part in text, part
    assert cited["zh"].startswith(
        "环境局. 某号以后的路灯（第 1 版）[DS/OL]. 数据：《数据集 lamps》第 1 版"
    )
    assert cited["bibtex"].startswith("@misc{lamps-from-v1,")


def test_a_new_release_and_what_is_pinned(hub, token, lamps):
    """Pinned tables, and those of a job that waits, stay; others are the latest."""
    loose = stored(hub, token, name="loose", title="最新", sql="select max(id) as n from lamps")
    fixed = stored(hub, token, name="fixed", title="当时", sql=loose["sql"], pin=True)
    written = stored(hub, token, name="written", title="写明",
                     sql='select max(id) as n from "lamps@v1"')  # fmt: skip
    every = [query["links"]["rows"] for query in (loose, fixed, written)]
    assert [hub.get(address).json()["data"][0]["n"] for address in every] == [12, 12, 12]
    before = hub.get(f"{lamps['links']['rows']}?{quote('起')}=12")
    endless = "select count(*) as n from range(1000000) a, range(1000000) b, range(1000) c"
    jobs = [
        hub.post("/api/v1/sql/jobs", json={"q": q, "format": "json"}).json()
        for q in (endless, endless, loose["sql"])
    ]
    released = hub.publish("lamps", ("lamps", "lamps.csv", table(30)))
    assert released["state"] == "released", released
    assert [hub.get(address).json()["data"][0]["n"] for address in every] == [30, 12, 12]
    assert "immutable" not in hub.get(every[0]).headers["cache-control"]
    for address in every[1:]:
        assert "immutable" in hub.get(address).headers["cache-control"]
    after = hub.get(f"{lamps['links']['rows']}?{quote('起')}=12")
    assert after.json()["data"] == before.json()["data"]
    for job in jobs[:2]:
        assert httpx.delete(hub.url + job["links"]["self"], timeout=60).status_code == 200
    result = f"{jobs[2]['links']['self']}/result"
    for _ in range(200):
        answered = hub.get(result)
        if answered.status_code == 200:
            break
    assert answered.json()["data"] == [{"n": 12}]


# Parameters -----------------------------------------------------------------------------------

TYPED = [
    ("text", "a'b", "a'b"),
    ("text", "", ""),
    ("integer", "-7", -7),
    ("integer", "999999999999999999", 999999999999999999),
    ("number", "1e3", 1000.0),
    ("number", "-.5", -0.5),
    ("boolean", "TRUE", True),
    ("date", "2024-02-29", "2024-02-29"),
]
UNTYPED = [
    ("text", "x" * 2001),
    ("text", "\0"),
    ("integer", "1e3"),
    ("integer", "9" * 19),
    ("integer", "٣"),
    ("integer", ""),
    ("number", "nan"),
    ("number", "1e999"),
    ("number", "0x10"),
    ("boolean", "1"),
    ("date", "2025-02-29"),
    ("date", "20250101"),
    ("date", "2025-1-1"),
]


@pytest.mark.parametrize(("kind", "text", "value"), TYPED)
def test_values_of_texts(kind, text, value):
    """A text of an address becomes a value of the declared type."""
    assert values([Parameter(name="x", type=kind)], {"x": text}) == {"x": value}


@pytest.mark.parametrize(("kind", "text"), UNTYPED)
def test_texts_that_are_no_values(kind, text):
    """A text that is not of the type is refused under its name."""
    with pytest.raises(ParameterInvalid) as raised:
        values([Parameter(name="年", type=kind)], {"年": text})
    assert raised.value.facts["name"] == "年"


def test_lists_of_values_and_bounds():
    """An enum allows its values alone; bounds belong to what they bound; defaults stand in."""
    level = Parameter(name="level", enum=("优", "良"), default="优")
    day = Parameter(name="day", type="date", min="2025-01-01", max="2025-12-31")
    assert values([level, day], {"day": "2025-12-31"}) == {"level": "优", "day": "2025-12-31"}
    assert values([level, day], {"day": "2025-01-01", "level": "良"})["level"] == "良"
    for given in (
        {"level": "差", "day": "2025-01-01"},
        {"day": "2024-12-31"},
        {"day": "2026-01-01"},
    ):
        with pytest.raises(ParameterInvalid):
            values([level, day], given)
    assert examples([level, day]) == {"level": "优", "day": "2025-01-01"}
    assert examples([Parameter(name="x")]) == {"x": None}


@pytest.mark.parametrize(
    "declared",
    [
        [Parameter(name="x", type="integer", default=True)],
        [Parameter(name="x", type="integer", default=1.5)],
        [Parameter(name="x", type="integer", enum=(1, "2"))],
        [Parameter(name="x", type="integer", min=5, default=4)],
        [Parameter(name="x", enum=("a",), default="b")],
        [Parameter(name="x", type="boolean", min=False)],
        [Parameter(name="x", min="a")],
        [Parameter(name="x", type="date", max="2025-02-30")],
        [Parameter(name="x"), Parameter(name="X")],
        [Parameter(name="Format")],
        [Parameter(name="1x")],
        [Parameter(name=f"x{n}") for n in range(21)],
    ],
)
def test_declarations_that_cannot_be(declared):
    """A parameter whose declaration contradicts itself is refused under its name."""
    with pytest.raises(QueryParameterInvalid):
        check(declared, ("format",))


def test_bibtex_is_tex():
    """What TeX takes for its own is escaped or left out."""
    source = Source(title="50% & more_{x}", publisher="A", version=None)
    cited = cite("n", 2, "a{b}\\c#", "2026-01-02T00:00:00Z", [source, source], "https://h/x_y")
    assert "title = {abc\\#}" in cited.bibtex
    assert "50\\% \\& more\\_x (latest when asked)" in cited.bibtex
    assert "url = {https://h/x_y}" in cited.bibtex
    assert cited.zh.count("50%") == 1


# The store ------------------------------------------------------------------------------------


def query(name="a", **changes):
    """A stored query."""
    given = {"title": "t", "description": "", "sql": "select 1", "parameters": [], "tables": []}
    given |= {"owner": "person:li", "created": "2026-01-01T00:00:00.000Z"}
    return StoredQuery(name=name, version=1, **given | changes)


def test_one_owner_stores_so_much(tmp_path, monkeypatch):
    """Versions count; other owners have room of their own."""
    monkeypatch.setattr(stored_queries, "EACH", 3)
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        stored_queries.create(db, query())
        for title in ("u", "v"):
            stored_queries.change(db, query(title=title))
        with pytest.raises(QueryStoreFull):
            stored_queries.create(db, query("b"))
        stored_queries.create(db, query("b", owner="key:1"))
        with pytest.raises(QueryNameTaken):
            stored_queries.create(db, query("b", owner="key:1"))
        with pytest.raises(QueryUnknown):
            stored_queries.change(db, query("c"))
        assert stored_queries.find(db, "", limit=1, offset=1)[0] == 2
    store.close()
