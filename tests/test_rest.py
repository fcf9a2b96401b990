"""The alias /rest for clients of PostgREST: postgrest-py unmodified, and the protocol on the wire."""

from __future__ import annotations

import json

import httpx
import pytest
from postgrest import SyncPostgrestClient
from postgrest.exceptions import APIError

AIR, LINES, SCHOOLS = "air_hourly.air_hourly", "bus.lines", "schools.schools"


@pytest.fixture(scope="module")
def client(server):
    """The client, as its users make it."""
    with SyncPostgrestClient(f"{server.url}/rest") as opened:
        yield opened


def every(server, table, **params):
    """Rows of the native API, to compare with."""
    dataset, resource = table.split(".")
    path = f"/api/v1/datasets/{dataset}/resources/{resource}/rows"
    answered = server.get(path, params={"limit": 10_000, **params})
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


# The client -------------------------------------------------------------------------------


def test_selecting_all(client, server):
    """A table without conditions comes as a list of objects."""
    assert client.from_(LINES).select("*").execute().data == every(server, LINES)


def test_conditions_order_and_count(client, server):
    """eq, gte, order and limit narrow the rows; count=exact counts them all."""
    query = client.from_(AIR).select("time,aqi", count="exact").eq("level", "优").gte("aqi", 45)
    found = query.order("aqi", desc=True).order("time").limit(5).execute()
    expected = every(
        server, AIR, level="eq.优", aqi="gte.45", order="aqi.desc,time", select="time,aqi"
    )
    assert found.data == expected[:5]
    assert found.count == len(expected)


def test_lists_patterns_and_alternatives(client, server):
    """in_, like, ilike, not_, is_, or_ and match mean what they mean to PostgREST."""
    table = client.from_(SCHOOLS)
    cases = [
        (table.select("*").in_("stage", ["小学", "学前"]), {"stage": "in.(小学,学前)"}),
        (table.select("*").like("name", "枝江%"), {"name": "like.枝江*"}),
        (table.select("*").ilike("uscc", "%mb9%"), {"uscc": "ilike.*MB9*"}),
        (table.select("*").not_.eq("nature", "公办"), {"nature": "neq.公办"}),
        (table.select("*").is_("phone", None), {"phone": "is.null"}),
        (
            table.select("*").or_("students.gt.900,and(nature.eq.民办,classes.lt.6)"),
            {"or": "(students.gt.900,and(nature.eq.民办,classes.lt.6))"},
        ),
        (table.select("*").like_any_of("name", "枝江%,当阳%"), {"name": "like(any).{枝江*,当阳*}"}),
        (table.select("*").match({"stage": "小学", "nature": "公办"}), {"stage": "eq.小学", "nature": "eq.公办"}),
    ]  # fmt: skip
    for query, params in cases:
        expected = every(server, SCHOOLS, **params)
        assert query.execute().data == expected, params
    assert 0 < len(every(server, SCHOOLS, stage="in.(小学,学前)")) < 400


def test_values_with_signs_of_the_grammar(client):
    """Values with commas, brackets and quotes reach us as they were meant."""
    table = client.from_(SCHOOLS)
    for value in ("a,b", 'a"b', "a(b)", "a\\b", "a.b", "枝江, 市"):
        assert table.select("*").in_("name", [value, "x"]).execute().data == []
        assert table.select("*").eq("name", value).execute().data == []


def test_ranges(client, server):
    """Range gives the rows from one to another, both included."""
    found = client.from_(LINES).select("line_id").range(10, 19).execute().data
    assert found == every(server, LINES, select="line_id")[10:20]


def test_single_rows(client):
    """Single gives one object, and an error PGRST116 for none or many; maybe_single gives None."""
    one = client.from_(SCHOOLS).select("school_id,region").eq("school_id", "2142000001")
    assert one.single().execute().data == {"school_id": "2142000001", "region": "420583"}
    for query in (
        client.from_(SCHOOLS).select("*").eq("school_id", "none"),
        client.from_(LINES).select("*"),
    ):
        with pytest.raises(APIError) as caught:
            query.single().execute()
        assert caught.value.code == "PGRST116"
        assert "rows" in caught.value.details
    assert client.from_(SCHOOLS).select("*").eq("school_id", "x").maybe_single().execute() is None


def test_counting_alone(client):
    """Select with head=True sends HEAD and reads the count."""
    found = client.from_(AIR).select("*", count="exact", head=True).execute()
    assert (found.data, found.count) == ([], 43_800)


def test_groups(client, server):
    """Aggregates in select group by the rest."""
    found = client.from_(AIR).select("level,n:count(),aqi.max()").execute().data
    assert found == every(server, AIR, select="level,n:count(),aqi.max()")


def test_csv(client):
    """csv() gives the rows as text with a header."""
    found = client.from_(LINES).select("line_id,price").limit(2).csv().execute().data
    assert found == "line_id,price\nL001,2.00\nL001,2.00\n"


def test_nulls_left_out(client):
    """strip_nulls() leaves out the keys of what is missing."""
    query = client.from_(AIR).select("so2,level").is_("so2", None).limit(1).strip_nulls()
    assert list(query.execute().data[0]) == ["level"]


@pytest.mark.parametrize(
    ("table", "select", "code"),
    [
        ("bus.none", "*", "PGRST205"),
        ("none.none", "*", "PGRST205"),
        ("bus", "*", "PGRST205"),
        (LINES, "none", "PGRST100"),
        (LINES, "line_id::money", "PGRST100"),
    ],
)
def test_errors_have_the_shape_of_postgrest(client, table, select, code):
    """Errors come as code, message, details and hint, which the client reads."""
    with pytest.raises(APIError) as caught:
        client.from_(table).select(select).execute()
    assert caught.value.code == code
    assert caught.value.message
    assert caught.value.details


def test_unknown_columns_and_operators(client):
    """A condition on no column, and one of no operator, are errors by name."""
    with pytest.raises(APIError, match="nope") as caught:
        client.from_(LINES).select("*").eq("nope", 1).execute()
    assert caught.value.code == "42703"
    with pytest.raises(APIError, match="operators"):
        client.from_(LINES).select("*").sl("price", (1, 2)).execute()


# The wire ---------------------------------------------------------------------------------


def rest(server, table=LINES, method="GET", params=None, **headers):
    """Answer of the alias."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, f"{server.url}/rest/{table}", params=params, headers=named)


@pytest.mark.parametrize(
    ("params", "headers", "status", "told", "rows"),
    [
        ({"limit": "5"}, {}, 200, "0-4/*", 5),
        ({"limit": "5"}, {"prefer": "count=exact"}, 206, "0-4/228", 5),
        ({"limit": "5", "offset": "226"}, {"prefer": "count=exact"}, 206, "226-227/228", 2),
        ({}, {"prefer": "count=exact"}, 200, "0-227/228", 228),
        ({}, {"prefer": "count=planned"}, 200, "0-227/228", 228),
        ({"limit": "3"}, {"prefer": "return=minimal, count=estimated"}, 206, "0-2/228", 3),
        ({"line_id": "eq.none"}, {"prefer": "count=exact"}, 200, "*/0", 0),
        ({"limit": "0"}, {"prefer": "count=exact"}, 206, "*/228", 0),
        ({}, {"range": "0-9"}, 200, "0-9/*", 10),
        ({}, {"range": "0-9", "range_unit": "items", "prefer": "count=exact"}, 206, "0-9/228", 10),
        ({}, {"range": "220-", "prefer": "count=exact"}, 206, "220-227/228", 8),
        ({}, {"range": "bytes=0-9"}, 200, "0-227/*", 228),
    ],
)
def test_ranges_on_the_wire(server, params, headers, status, told, rows):
    """Content-Range tells the rows and their total; 206 is for a part of a known total."""
    answered = rest(server, params=params, **headers)
    assert (answered.status_code, answered.headers["content-range"]) == (status, told)
    assert len(answered.json()) == rows
    assert answered.headers["range-unit"] == "items"
    if "prefer" in headers:
        assert answered.headers["preference-applied"].startswith("count=")


@pytest.mark.parametrize("headers", [{}, {"range": "0-9"}, {"prefer": "count=exact"}])
def test_who_has_the_rows_gets_none(server, headers):
    """304 with the same tag; other rows, counts and forms have other tags, HEAD has the same."""
    params = {"select": "line_id,price", "price": "gte.1", "order": "price"}
    headers = headers | {"accept_encoding": "identity"}
    first = rest(server, params=params, **headers)
    tag = first.headers["etag"]
    again = rest(server, params=params, if_none_match=f'"x", {tag}', **headers)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == first.headers["cache-control"]
    other = rest(server, params=params, if_none_match='"x"', **headers)
    assert (other.status_code, other.content) == (first.status_code, first.content)
    head = rest(server, method="HEAD", params=params, **headers)
    assert (head.status_code, head.content) == (first.status_code, b"")
    for name in ("etag", "content-range", "content-type", "content-length"):
        assert head.headers[name] == first.headers[name]
    others = [
        rest(server, params=params | {"limit": "7"}, **headers),
        rest(server, params=params | {"price": "gte.2"}, **headers),
        rest(server, params=params, accept="text/csv", **headers),
        rest(server, table=SCHOOLS, **headers),
    ]
    assert len({tag, *(answer.headers["etag"] for answer in others)}) == 5


def test_a_table_without_its_dataset(server):
    """What an address should name is told."""
    answered = rest(server, table="schools")
    assert (answered.status_code, answered.json()["code"]) == (404, "PGRST205")
    assert "dataset.resource" in answered.json()["message"]


@pytest.mark.parametrize(
    ("params", "headers"),
    [({"offset": "229"}, {"prefer": "count=exact"}), ({}, {"range": "9-0"})],
)
def test_ranges_behind_the_end(server, params, headers):
    """A range that begins behind the last row is 416 with the total."""
    answered = rest(server, params=params, **headers)
    assert (answered.status_code, answered.json()["code"]) == (416, "PGRST103")
    assert answered.headers["content-range"].startswith("*/")


def test_at_most_ten_thousand_rows(server):
    """Without a limit, or with a larger one, 10,000 rows come, and Content-Range says so."""
    for params in ({}, {"limit": "50000"}):
        answered = rest(server, AIR, params={"select": "aqi", **params}, prefer="count=exact")
        assert answered.headers["content-range"] == "0-9999/43800"
        assert len(answered.json()) == 10_000


def test_one_object(server):
    """application/vnd.pgrst.object+json is one object, of its own media type."""
    accept = "application/vnd.pgrst.object+json"
    answered = rest(server, SCHOOLS, params={"school_id": "eq.2142000001"}, accept=accept)
    assert answered.headers["content-type"].startswith(accept)
    assert isinstance(json.loads(answered.text), dict)
    refused = rest(server, SCHOOLS, accept=accept)
    assert (refused.status_code, refused.json()["code"]) == (406, "PGRST116")


def test_other_forms_are_refused(server):
    """What is neither JSON nor CSV is 406, in the shape of this protocol."""
    answered = rest(server, accept="application/pdf")
    assert (answered.status_code, answered.json()["code"]) == (406, "PGRST107")


def test_writing_is_refused(server):
    """The alias only reads."""
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        assert rest(server, method=method).status_code == 405


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "-1"), ("limit", "x"), ("offset", "1.5"), ("facet", "price"), ("order", "none")],
)
def test_wrong_parameters(server, name, value):
    """Wrong parameters are 400 by their names."""
    answered = rest(server, params={name: value})
    assert answered.status_code == 400
    assert name in answered.json()["message"]


def test_a_range_backwards_says_how_ranges_are_written(server):
    """A range that ends before it begins is refused with what it should look like."""
    answered = rest(server, SCHOOLS, range="5-2")
    told = answered.json()
    assert (answered.status_code, told["code"]) == (416, "PGRST103")
    assert "'5-2'" in told["message"]
    assert "0-24" in told["detail_zh"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/rest/a/b", 404), ("POST", "/rest/schools.schools", 405), ("GET", "/rest/none", 404)],
)
def test_addresses_without_a_route_have_a_message(server, method, path, status):
    """PostgREST's clients show `message`: it is there for wrong addresses and methods as well."""
    answered = httpx.request(method, server.url + path)
    told = answered.json()
    assert answered.status_code == status
    assert told["message"] == told["detail"]
    assert told["detail_zh"]


def test_varchar_is_text(server):
    """A cast to varchar is one to text, as in PostgreSQL."""
    found, same = (
        rest(server, SCHOOLS, params={"select": f"v:students::{kind}", "limit": 3}).json()
        for kind in ("varchar", "text")
    )
    assert found == same
