"""Rows over HTTP: pages, filters, cursors, and what is refused; DuckDB on the Parquet is the judge."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from datahub.errors import CursorInvalid, DatahubError
from datahub.serve import filters

AIR, LINES, STOPS = "air_hourly/air_hourly", "bus/lines", "bus/stops"
SCHOOLS, LICENSES = "schools/schools", "admin_license/admin_license"
KEYS = {AIR: "station_code", LINES: "line_id", SCHOOLS: "school_id", LICENSES: "license_no"}
LOCAL = "strftime(make_timestamp(epoch_us(time) + 28800000000), '%Y-%m-%dT%H:%M:%S+08:00')"


def rows(server, target=AIR, **params):
    """Answer for a page of rows."""
    dataset, resource = target.split("/")
    return server.get(f"/api/v1/datasets/{dataset}/resources/{resource}/rows", params=params)


def good(server, target=AIR, **params):
    """Page of rows that is there."""
    answered = rows(server, target, **params)
    assert answered.status_code == 200, answered.text[:500]
    return answered.json()


def refused(server, target=AIR, **params):
    """Problem of a request that is refused with 400."""
    answered = rows(server, target, **params)
    assert answered.status_code == 400, answered.text[:500]
    assert answered.headers["content-type"] == "application/problem+json"
    return answered.json()


def judge(server, column, where="true", target=AIR):
    """Values of a column that DuckDB finds in the published Parquet under a condition, in order."""
    dataset, resource = target.split("/")
    path = server.data / "public" / dataset / "1" / f"{resource}.parquet"
    query = f"select {column} from read_parquet(?, file_row_number=true) where {where}"
    with duckdb.connect() as db:
        found = db.execute(f"{query} order by file_row_number", [str(path)]).fetchall()
    return [value for (value,) in found]


def keys(page):
    """What identifies the rows of a page of air_hourly."""
    return [(row["station_code"], row["time"]) for row in page["data"]]


# Pages ------------------------------------------------------------------------------------


def test_all_pages_give_every_row_once_in_order(server):
    """Following next from page one to the end gives each of the 43,800 rows once, in file order."""
    found, cursor = [], None
    while True:
        page = good(server, limit=5000, **({"cursor": cursor} if cursor else {}))
        found += keys(page)
        cursor = page["page"]["next"]
        if cursor is None:
            break
    assert len(found) == 43_800
    assert found == judge(server, f"(station_code, {LOCAL})")


def test_filtered_pages_join_up(server):
    """Pages under a filter give exactly the rows that match, in order."""
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = good(server, limit=700, level="eq.优", station_code="eq.YC0003", **more)
        found += keys(page)
        cursor = page["page"]["next"]
        if cursor is None:
            break
    expected = judge(server, LOCAL, "level = '优' and station_code = 'YC0003'")
    assert [time for _, time in found] == expected
    assert page["total"] == {"value": len(expected), "kind": "exact"}


@pytest.mark.parametrize("limit", [1, 100, 9999, 10_000])
def test_a_page_has_as_many_rows_as_asked(server, limit):
    """`limit` rows come back, and page.limit says so."""
    page = good(server, limit=limit)
    assert (len(page["data"]), page["page"]["limit"]) == (limit, limit)


def test_the_default_page(server):
    """Without parameters the first hundred rows of the latest version come, with the exact total."""
    page = good(server)
    assert len(page["data"]) == 100
    assert page["version"] == 1
    assert page["total"] == {"value": 43_800, "kind": "exact"}
    assert page["data"][0]["time"] == "2025-01-01T00:00:00+08:00"


def test_the_last_page_has_no_next(server):
    """A page that holds the last row has neither cursor nor Link."""
    answered = rows(server, LINES, limit=228)
    assert len(answered.json()["data"]) == 228
    assert answered.json()["page"]["next"] is None
    assert "link" not in answered.headers


def test_fields_are_the_schema(server):
    """`fields` names every column with its title and type, in the schema's order."""
    schema = server.get("/api/v1/datasets/air_hourly/resources/air_hourly/schema").json()
    expected = [{k: f[k] for k in ("name", "title", "type")} for f in schema["fields"]]
    page = good(server, limit=1)
    assert page["fields"] == expected
    assert list(page["data"][0]) == [f["name"] for f in expected]


def test_link_next_works_as_given(server):
    """Link rel=next is an address that gives the following page under the same filters."""
    answered = rows(server, level="eq.优", limit=3, version=1)
    target = answered.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    following = server.get(target)
    both = good(server, level="eq.优", limit=6)
    assert following.status_code == 200
    assert keys(answered.json()) + keys(following.json()) == keys(both)


def test_version_pins(server):
    """version=1 gives version 1; the cursor keeps to it."""
    page = good(server, version=1, limit=2)
    following = good(server, version=1, limit=2, cursor=page["page"]["next"])
    assert (page["version"], following["version"]) == (1, 1)


@pytest.mark.parametrize("version", ["99", "99999999999999999999999", str(2**63)])
def test_a_version_that_is_not_there(server, version):
    """Any version that was never published is 404, however large the number."""
    answered = rows(server, version=version)
    assert (answered.status_code, answered.json()["code"]) == (404, "release-unknown")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("nowhere/x", "dataset-unknown"),
        ("bus/bus", "resource-unknown"),
        ("admin_penalty/admin_penalty", "release-unknown"),
    ],
)
def test_rows_that_are_not_there(server, target, code):
    """Unknown dataset, unknown resource and nothing published are 404, each by its name."""
    answered = rows(server, target)
    assert (answered.status_code, answered.json()["code"]) == (404, code)


# Values -----------------------------------------------------------------------------------


def test_decimals_are_numbers_with_their_digits(server):
    """A price of 2.00 is the JSON number 2.00, neither text nor 2.0."""
    text = rows(server, LINES, limit=1).text
    assert '"price":2.00' in text
    assert json.loads(text, parse_float=Decimal)["data"][0]["price"] == Decimal("2.00")


def test_codes_stay_text(server):
    """Codes of digits stay text: identifiers, regions, credit codes."""
    row = good(server, SCHOOLS, limit=1)["data"][0]
    assert (row["school_id"], row["region"]) == ("2142000001", "420583")


def test_times_tell_their_zone(server):
    """Times come in the zone that the schema declares, dates and times of day in ISO 8601."""
    line = good(server, LINES, limit=1)["data"][0]
    licence = good(server, LICENSES, limit=1)["data"][0]
    assert line["first"] == "06:30:00"
    assert line["_row_updated"] == "2025-12-31T17:00:00+08:00"
    assert licence["accept_date"] == "2025-04-07"


def test_nulls_are_null(server):
    """What is missing is null in JSON."""
    page = good(server, so2="is.null", limit=5)
    assert {row["so2"] for row in page["data"]} == {None}


# Filters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "params", "where"),
    [
        (AIR, {"aqi": "eq.50"}, "aqi = 50"),
        (AIR, {"aqi": "neq.50"}, "aqi <> 50"),
        (AIR, {"aqi": "gt.200"}, "aqi > 200"),
        (AIR, {"aqi": "gte.200"}, "aqi >= 200"),
        (AIR, {"aqi": "lt.30"}, "aqi < 30"),
        (AIR, {"aqi": "lte.30"}, "aqi <= 30"),
        (AIR, {"so2": "is.null"}, "so2 is null"),
        (AIR, {"so2": "is.not_null"}, "so2 is not null"),
        (AIR, {"aqi": "eq.-1"}, "false"),
        (AIR, {"aqi": "lt.99999999999999999999"}, "aqi is not null"),
        (AIR, {"co": "eq.0.8"}, "co = 0.8"),
        (AIR, {"co": "gt.1.25"}, "co > 1.25"),
        (AIR, {"co": "lt.0.80000000000000000001"}, "co <= 0.8"),
        (AIR, {"level": "eq.优"}, "level = '优'"),
        (AIR, {"level": "neq.优"}, "level <> '优'"),
        (AIR, {"primary": "eq.PM2.5"}, "\"primary\" = 'PM2.5'"),
        (AIR, {"level": "eq.优", "aqi": "gte.40"}, "level = '优' and aqi >= 40"),
        (AIR, {"aqi": ["gte.40", "lt.60"]}, "aqi >= 40 and aqi < 60"),
        (AIR, {'"level"': "eq.优"}, "level = '优'"),
        (AIR, {'"primary"': "is.null"}, '"primary" is null'),
        (AIR, {"time": "gte.2025-07-01T00:00:00"}, "time >= '2025-07-01 00:00:00+08'::timestamptz"),
        (AIR, {"time": "lt.2025-01-01T08:00:00Z"}, "time < '2025-01-01 16:00:00+08'::timestamptz"),
        (
            AIR,
            {"time": "eq.2025-03-01T00:00:00+08:00"},
            "time = '2025-03-01 00:00:00+08'::timestamptz",
        ),
        (AIR, {"time": "gt.2025-03-01"}, "time > '2025-03-01 00:00:00+08'::timestamptz"),
        (LINES, {"price": "eq.2"}, "price = 2.00"),
        (LINES, {"first": "lte.06:00:00"}, "first <= '06:00:00'::time"),
        (LINES, {"line_id": "eq.L001"}, "line_id = 'L001'"),
        (LINES, {"line_id": "eq."}, "line_id = ''"),
        (
            "admin_license/admin_license",
            {"decision_date": "gte.2025-06-01"},
            "decision_date >= '2025-06-01'",
        ),
        (SCHOOLS, {"school_id": "eq.2142000001"}, "school_id = '2142000001'"),
        (SCHOOLS, {"school_id": "eq.02142000001"}, "false"),
    ],
)
def test_filters_mean_what_sql_means(server, target, params, where):
    """A filter gives the rows that DuckDB finds with the same condition, and their exact number."""
    key = KEYS[target]
    page = good(server, target, limit=50, **params)
    expected = judge(server, key, where, target)
    assert page["total"] == {"value": len(expected), "kind": "exact"}
    assert [row[key] for row in page["data"]] == expected[:50]


def test_a_plus_that_became_a_space_is_read(server):
    """A zone typed with a bare + (a space, once decoded) means what its author wrote."""
    dataset = "/api/v1/datasets/air_hourly/resources/air_hourly/rows"
    answered = server.get(f"{dataset}?time=eq.2025-03-01T00:00:00+08:00")
    assert answered.status_code == 200, answered.text[:500]
    assert answered.json()["total"]["value"] == 5


@pytest.mark.parametrize(
    "value",
    [
        *(
            "'; drop table t; --",
            "' or '1'='1",
            "优' or 1=1 --",
            '" or ""="',
            "\\' or 1=1",
            "%",
            "*",
        ),
        *("优; attach 'x.db'", "(select 1)", "read_text('/etc/passwd')", "$1", "?", "null", "\x00"),
    ],
)
def test_sql_in_a_value_is_a_value(server, value):
    """SQL in a value is compared as text: it finds nothing, and the data is as before."""
    page = good(server, level=f"eq.{value}", limit=5)
    assert (page["data"], page["total"]["value"]) == ([], 0)
    assert good(server, limit=1)["total"]["value"] == 43_800


@pytest.mark.parametrize(
    "name",
    [
        *("level; drop table t", 'level" or 1=1 --', '"level" or "x', "level/**/", "1=1 or level"),
        *(
            "file_row_number",
            "filename",
            "rowid",
            "*",
            "count(*)",
            '""',
            '"',
            "LEVEL",
            "",
            " level",
        ),
        *("read_text('/etc/passwd')", '"""level"""', "limit ", "級別"),
    ],
)
def test_sql_in_a_name_is_an_unknown_column(server, name):
    """Only the schema's own columns are columns; anything else is refused with their names."""
    problem = refused(server, **{name: "eq.1"})
    assert problem["code"] == "parameter-unknown"
    assert "station_code" in problem["facts"]["allowed"]
    assert "Error" not in problem["detail"]


# What is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "many", "", "1.5", "9" * 30, "٣x"])
def test_limits_out_of_bounds(server, limit):
    """A limit outside 1 to 10,000 is refused by its name, in both languages."""
    problem = refused(server, limit=limit)
    assert problem["code"] == "parameter-invalid"
    assert problem["facts"]["name"] == "limit"
    assert "limit" in problem["detail"]
    assert "参数 limit" in problem["detail_zh"]


@pytest.mark.parametrize("version", ["0", "-1", "latest", "1.5", ""])
def test_versions_that_are_no_number(server, version):
    """A version that is no positive number is refused by its name."""
    assert refused(server, version=version)["facts"]["name"] == "version"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("aqi", "150", "eq.150"),
        ("aqi", "like.150", "neq"),
        ("aqi", "eq", "eq."),
        ("aqi", "", "gte"),
        ("aqi", "is.maybe", "is"),
        ("aqi", "EQ.1", "eq"),
        ("aqi", "eq.abc", "integer"),
        ("aqi", "eq.1.5", "integer"),
        ("aqi", "eq.", "integer"),
        ("aqi", "gt.null", "integer"),
        ("co", "eq.high", "number"),
        ("co", "eq.NaN", "number"),
        ("co", "lt.Infinity", "number"),
        ("time", "gte.yesterday", "2025-01-31"),
        ("time", "gte.2025-13-01", "2025-01-31"),
        ("time", "gte.2025-02-30T00:00:00", "2025-01-31"),
        ("time", "gte.1735689600", "2025-01-31"),
    ],
)
def test_wrong_filters_tell_what_would_be_right(server, name, value, told):
    """A wrong operator or value is refused with the column, and what would be right."""
    problem = refused(server, **{name: value})
    assert (problem["code"], problem["facts"]["name"]) == ("parameter-invalid", name)
    assert told in problem["detail"]
    assert problem["detail_zh"] != problem["detail"]


@pytest.mark.parametrize(
    ("name", "values"), [("limit", ["1", "2"]), ("version", ["1", "1"]), ("cursor", ["a", "b"])]
)
def test_repeated_parameters(server, name, values):
    """limit, cursor and version are taken once."""
    assert refused(server, **{name: values})["facts"]["name"] == name


def _alter(cursor, index):
    swapped = "A" if cursor[index] != "A" else "B"
    return cursor[:index] + swapped + cursor[index + 1 :]


@pytest.mark.parametrize(
    "text", ["x", "!!!", "W10", "bnVsbA", "WzEsMl0", "WzEsLTEsIiJd", "WzAsMSwiIl0", "é", "A" * 9000]
)
def test_cursors_that_were_never_issued(server, text):
    """A cursor of another making is refused as such."""
    assert refused(server, cursor=text)["code"] == "cursor-invalid"


def test_an_altered_cursor_never_gives_other_rows(server):
    """Whichever character of a cursor is changed, it is refused or leads to a page of the data."""
    cursor = good(server, limit=1)["page"]["next"]
    for index in range(len(cursor)):
        answered = rows(server, limit=1, cursor=_alter(cursor, index))
        assert answered.status_code in (200, 400, 404), answered.text[:500]
        if answered.status_code == 400:
            assert answered.json()["code"] == "cursor-invalid"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"level": "eq.优"}),
        ({"level": "eq.优"}, {}),
        ({"level": "eq.优"}, {"level": "eq.良"}),
        ({"aqi": "gt.10"}, {"aqi": "gte.10"}),
    ],
)
def test_a_cursor_belongs_to_its_filters(server, first, then):
    """A cursor under other filters is refused: its row number means nothing there."""
    cursor = good(server, limit=1, **first)["page"]["next"]
    assert refused(server, limit=1, cursor=cursor, **then)["code"] == "cursor-invalid"


@pytest.mark.parametrize("target", [STOPS, AIR])
def test_a_cursor_belongs_to_its_resource(server, target):
    """A cursor of another resource is refused, as its error says."""
    cursor = good(server, LINES, limit=1)["page"]["next"]
    assert refused(server, target, limit=1, cursor=cursor)["code"] == "cursor-invalid"


def test_a_cursor_contradicts_no_version(server):
    """A version other than the cursor's own is refused."""
    cursor = good(server, limit=1)["page"]["next"]
    problem = refused(server, limit=1, cursor=cursor, version=2)
    assert problem["facts"]["name"] == "version"


def test_an_empty_cursor_is_no_first_page(server):
    """A program that sends an empty cursor at the end is told, not sent round again."""
    assert refused(server, cursor="")["code"] == "cursor-invalid"


# Properties -------------------------------------------------------------------------------

KINDS = (
    *("BIGINT", "INTEGER", "DECIMAL(9,2)", "DOUBLE", "BOOLEAN", "DATE", "TIME", "VARCHAR"),
    *("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
)
MEMORY = duckdb.connect(config={"threads": 1})
COLUMNS = [filters.Column(name=kind, kind=kind, zone="+08:00") for kind in KINDS]


def parsed(columns, name, text):
    """Filters, or the error of our tree; anything else breaks the test."""
    try:
        return filters.parse(columns, [(name, text)]), None
    except DatahubError as error:
        return [], error


_OPERATOR = st.sampled_from([*filters.OPERATORS, "is", "like", ""])
_VALUE = st.one_of(
    st.text(),
    st.from_regex(r"[-+]?[0-9.eE_]{1,12}", fullmatch=True),
    st.datetimes().map(dt.datetime.isoformat),
    st.dates().map(dt.date.isoformat),
    st.sampled_from(["null", "not_null", "true", "NaN", "sNaN", "Infinity", "1e999999999"]),
)


@given(
    name=st.one_of(st.text(), st.sampled_from(KINDS)),
    text=st.one_of(st.text(), st.builds("{}.{}".format, _OPERATOR, _VALUE)),
)
def test_any_text_is_parsed_or_refused(name, text):
    """filters.parse gives filters or an error of our tree, with text in both languages."""
    found, error = parsed(COLUMNS, name, text)
    if error is None:
        sql, values = filters.to_sql(found)
        assert sql.count("?") == len(values)
    else:
        assert error.status == 400
        assert error.text_zh
        assert error.text_en


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(kind=st.sampled_from(KINDS), operator=st.sampled_from(list(filters.OPERATORS)), text=_VALUE)
def test_whatever_is_parsed_runs(kind, operator, text):
    """A filter that was accepted can be compared by DuckDB with a column of its type."""
    column = filters.Column(name="c", kind=kind, zone="+08:00")
    chosen, error = parsed([column], "c", f"{operator}.{text}")
    assume(error is None)
    where, values = filters.to_sql(chosen)
    query = f"select count(*) from (select null::{kind} as c) where {where}"
    assert MEMORY.cursor().execute(query, values).fetchone() in ((0,), (1,))


@given(name=st.text(min_size=1))
def test_quoted_names_are_one_identifier(name):
    """A quoted name is one SQL identifier for any name without NUL."""
    name = name.replace("\x00", "")
    quoted = filters.quote(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@given(
    version=st.integers(1, 2**61),
    row=st.integers(0, 2**61),
    own=st.text("0123456789abcdef", max_size=12),
)
def test_cursors_come_back(version, row, own):
    """A cursor read back is the one that was written, and is safe in a URL."""
    cursor = filters.Cursor(version=version, row=row, filters=own)
    text = filters.encode_cursor(cursor)
    assert filters.decode_cursor(text) == cursor
    assert all(c.isascii() and (c.isalnum() or c in "-_") for c in text)


@given(st.one_of(st.text(), st.binary().map(lambda raw: msgspec.json.encode(raw).decode())))
def test_no_text_breaks_the_cursor(text):
    """Any text is a cursor or is refused as none."""
    try:
        found = filters.decode_cursor(text)
    except CursorInvalid:
        return
    assert found.row >= 0
    assert found.version > 0
