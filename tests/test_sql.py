"""SQL over HTTP: ordinary questions and their results, forms, limits, errors with their place."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import httpx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.serve.sql import functions

TABLES = {
    "schools": ("schools",),
    "air_hourly": ("air_hourly",),
    "bus": ("lines", "stops", "line_stops"),
    "admin_license": ("admin_license",),
}
SCHOOLS = {"dataset": "schools", "resource": "schools", "version": 1}
QUESTIONS = (
    'select count(*) as n from "schools"."schools"',
    "select stage, count(*) as n from schools.schools group by all order by n desc, stage",
    (
        "select stage, nature, sum(students) as s from schools.schools group by rollup (stage, nature) "
        "order by all"
    ),
    (
        "select region, avg(students)::decimal(12,2) as a from schools.schools group by region "
        "having count(*) > 20 order by region"
    ),
    (
        "select name, students, rank() over (partition by stage order by students desc, name) as r "
        "from schools.schools qualify r <= 2 order by stage, r"
    ),
    (
        "select name, students - lag(students) over (order by school_id) as d from schools.schools "
        "order by school_id limit 5"
    ),
    (
        "with big as (select * from schools.schools where students > 1000) "
        "select stage, count(*) as n from big group by all order by all"
    ),
    (
        "with a as (select region, count(*) as n from schools.schools group by all), "
        "b as (select max(n) as m from a) select a.region, n from a join b on a.n = b.m order by 1"
    ),
    (
        "select l.name, count(*) as stops from bus.lines l join bus.line_stops s using (line_id, direction) "
        "group by l.line_id, l.name, l.direction order by stops desc, l.line_id, l.direction limit 10"
    ),
    (
        "select s.name, l.name as line from bus.stops s join bus.line_stops x using (stop_id) "
        "join bus.lines l using (line_id, direction) order by s.stop_id, l.line_id, l.direction limit 20"
    ),
    "select count(*) as n from bus.stops s anti join bus.line_stops x using (stop_id)",
    "select count(*) as n from bus.stops s semi join bus.line_stops x using (stop_id)",
    (
        "select s.stop_id, x.line_id from bus.stops s left join bus.line_stops x using (stop_id) "
        "order by 1, 2 limit 7"
    ),
    (
        "select date_trunc('month', time) as month, avg(aqi)::int as aqi, max(pm25) as pm25 "
        "from air_hourly.air_hourly group by 1 order by 1"
    ),
    "select hour(time) as h, round(avg(o3), 3) as o3 from air_hourly.air_hourly group by h order by h",
    (
        "select level, count(*) as n, count(*) filter (where aqi > 100) as bad from air_hourly.air_hourly "
        "group by level order by level"
    ),
    "select quantile_cont(pm25, [0.1, 0.5, 0.9]) as q from air_hourly.air_hourly",
    (
        "select station_code, arg_max(time, aqi) as worst from air_hourly.air_hourly where aqi is not null "
        "group by 1 order by 1"
    ),
    "select strftime(time, '%Y-%m') as m, mode(level) as l from air_hourly.air_hourly group by m order by m",
    (
        "select avg(pm25) over (order by time rows between 23 preceding and current row)::decimal(9,2) as w "
        "from air_hourly.air_hourly where station_code = 'YC0001' order by time limit 30"
    ),
    (
        "select regexp_extract(name, '(.+?)示例', 1) as place, count(*) as n from schools.schools "
        "group by place order by n desc, place limit 5"
    ),
    (
        "select name from schools.schools where name like '%小学%' and name not similar to '.*第00.*' "
        "order by name limit 3"
    ),
    (
        "select upper(school_id) || '-' || left(name, 3) as 标识, length(name) as 字数 "
        "from schools.schools order by 标识 limit 4"
    ),
    (
        "select stage, list(distinct nature order by nature) as kinds from schools.schools "
        "group by stage order by stage"
    ),
    "select list_transform(list_sort(list(students)), lambda x: x // 100)[1:5] as l from schools.schools",
    (
        "select {'name': name, 'place': {'lon': lon, 'lat': lat}} as school from schools.schools "
        "order by school_id limit 2"
    ),
    "select unnest([1, 2, 3]) as n, unnest(['a', 'b', 'c']) as t",
    "select n, n * n as squared from range(1, 6) t(n)",
    (
        "with recursive t(n, f) as (select 1, 1 union all select n + 1, f * (n + 1) from t where n < 10) "
        "select max(f) as f from t"
    ),
    (
        "select case when students > 2000 then '大' when students > 1000 then '中' else '小' end as 规模, "
        "count(*) as n from schools.schools group by 1 order by 1"
    ),
    "select stage from schools.schools union select level from air_hourly.air_hourly order by 1",
    "select region from schools.schools intersect select region from bus.stops order by 1",
    "select distinct on (stage) stage, name from schools.schools order by stage, school_id",
    (
        "select * exclude (_row_updated) replace (upper(name) as name) from schools.schools "
        "order by school_id limit 2"
    ),
    "select columns('^(lon|lat)$') from schools.schools order by school_id limit 3",
    (
        "select date_diff('day', accept_date, decision_date) as days, count(*) as n "
        "from admin_license.admin_license group by all order by n desc, days limit 5"
    ),
    (
        "select decision_date + interval 1 month as due, valid_to - valid_from as days "
        "from admin_license.admin_license order by license_no limit 3"
    ),
    'select json_extract_string(\'{"a": {"b": "值"}}\', \'$.a.b\') as j',
    "select (select max(students) from schools.schools) as top, exists (from bus.stops) as there",
    (
        "select a.stop_id from bus.stops a, lateral (select count(*) as n from bus.line_stops b "
        "where b.stop_id = a.stop_id) where n > 8 order by 1"
    ),
    "from schools.schools select min(name) as 最小, max(name) as 最大",
    (
        "select stddev(students)::decimal(9,3) as s, corr(students, teachers)::decimal(9,6) as c, "
        "median(classes) as m from schools.schools"
    ),
)


@pytest.fixture(scope="module")
def bare(server):
    """DuckDB itself on the released files: what the same questions find without the service."""
    connection = duckdb.connect()
    connection.execute("set timezone='Etc/GMT-8'")
    for dataset, resources in TABLES.items():
        connection.execute(f"create schema {dataset}")
        for resource in resources:
            file = server.data / "public" / dataset / "1" / f"{resource}.parquet"
            view = f"create view {dataset}.{resource} as from read_parquet('{file}')"
            connection.execute(view)
    yield connection
    connection.close()


def asked(server, sql, status=200, **params):
    """Answer to a statement, as JSON."""
    answered = server.get("/api/v1/sql", params={"q": sql, **params})
    assert answered.status_code == status, answered.text[:500]
    return answered.json()


def refused(server, sql, status=400, **params):
    """Facts of the error that a statement is refused with."""
    found = asked(server, sql, status, **params)
    assert found["code"] == "sql-invalid"
    return found["facts"]


# Results ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", QUESTIONS)
def test_ordinary_questions_find_what_duckdb_finds(server, bare, sql):
    """Joins, windows, WITH, lists, dates, Chinese names: the same columns, types and rows."""
    body = server.post("/api/v1/sql", json={"q": sql, "format": "arrow"})
    assert body.status_code == 200, body.text[:500]
    found = pa.ipc.open_stream(body.content).read_all()
    expected = bare.execute(sql).to_arrow_table()
    assert found.column_names == expected.column_names
    assert found.to_pylist() == expected.to_pylist()
    assert found.num_rows > 0


def test_an_answer_in_json(server):
    """Rows, fields with types, versions, and that nothing is missing."""
    found = asked(server, "select stage, count(*) as n from schools group by all order by n, stage")
    assert sum(row["n"] for row in found["data"]) == 400
    assert found["fields"] == [
        {"name": "stage", "type": "VARCHAR"},
        {"name": "n", "type": "BIGINT"},
    ]
    assert (found["rows"], found["truncated"], found["reason"]) == (len(found["data"]), False, None)
    assert found["versions"] == [SCHOOLS]
    assert 0 < found["seconds"] < 5


def test_values_in_json_are_those_of_rows(server):
    """Decimals keep their zeros, times their zone, as the rows of the same table do."""
    path = "/api/v1/datasets/schools/resources/schools/rows"
    rows = server.get(path, params={"limit": 5, "order": "school_id"}).json()["data"]
    assert asked(server, "from schools order by school_id limit 5")["data"] == rows


def test_rows_as_arrays_and_no_rows(server):
    """shape=arrays tells values in the order of fields; no rows are an empty list with fields."""
    sql = "select stage, nature from schools order by school_id limit 1"
    (row,) = asked(server, sql)["data"]
    assert asked(server, sql, shape="arrays")["data"] == [list(row.values())]
    empty = asked(server, "select stage from schools where false")
    assert (empty["data"], [f["name"] for f in empty["fields"]]) == ([], ["stage"])


def test_columns_without_a_name_tell_nothing_of_ours(server):
    """They are called by their expression; a name that was given stays as it is."""
    sql = """select (select count(*) from schools), map(['a'], [1]), 1 as "main.x" """
    first, second, third = server.get("/api/v1/sql", params={"q": sql}).json()["fields"]
    assert "schools" in first["name"]
    assert "map" in second["name"]
    assert not any(word in f["name"] for f in (first, second) for word in ("main.", "memory"))
    assert third["name"] == "main.x"


def test_columns_of_one_name_are_told_apart(server):
    """The second of a name gets a number, in every form."""
    sql = 'select 1 as a, 2 as a, 3 as "A", 4 as "a_2"'
    assert asked(server, sql)["data"] == [{"a": 1, "a_1": 2, "A_2": 3, "a_2_1": 4}]


# Names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ['"schools"."schools"', "schools", "SCHOOLS", "Schools.Schools", '"schools@v1"."schools"',
     '"schools@1"."schools"', '"schools@latest"."schools"', '"schools@v1"'],
)  # fmt: skip
def test_names_of_a_table(server, name):
    """A table is named with its dataset, or by it alone where it has one; a version is pinned."""
    found = asked(server, f"select count(*) as n from {name}")
    assert found["data"] == [{"n": 400}]
    assert found["versions"] == [SCHOOLS]


@pytest.mark.parametrize(
    ("sql", "status", "code", "words"),
    [
        ("select * from scools", 404, "dataset-unknown", "schools"),
        ("select *\nfrom schools.school", 404, "resource-unknown", "schools"),
        ('select * from "schools@v9"."schools"', 404, "release-unknown", "latest 1"),
        ("select * from clinics", 404, "release-unknown", "nothing has been released"),
        ("select * from bus_arrival", 403, "data-not-open", "not open"),
        ("select * from bus", 400, "sql-invalid", '"bus"."stops"'),
        ('select * from "schools@x"."schools"', 400, "sql-invalid", "@v3"),
    ],
)  # fmt: skip
def test_tables_that_are_not_there(server, sql, status, code, words):
    """The error says what is wrong with the name, where it stands, and what is there."""
    found = asked(server, sql, status)
    assert (found["code"], words in found["detail"]) == (code, True), found["detail"]
    line = sql[: sql.index("from")].count("\n") + 1
    assert found["facts"]["position"]["line"] == line
    assert (
        sql[found["facts"]["position"]["offset"] :]
        .lstrip('"')
        .startswith(sql.split("from ")[1][1:3])
        or found["facts"]["position"]["offset"] == sql.index("from ") + 5
    )


# Parameters -------------------------------------------------------------------------------


def test_parameters_are_bound_not_written(server):
    """Values come by name; of a GET they are texts to be cast, of a POST what JSON has."""
    sql = "select count(*) as n from schools where stage = $stage and students > $least::int"
    got = asked(server, sql, **{"p.stage": "小学", "p.least": "500"})["data"]
    body = {"q": sql, "params": {"stage": "小学", "least": 500}}
    assert server.post("/api/v1/sql", json=body).json()["data"] == got
    assert got[0]["n"] > 0
    injected = asked(server, "select count(*) as n from schools where name = $n",
                     **{"p.n": "' or true --"})  # fmt: skip
    assert injected["data"] == [{"n": 0}]


def test_parameters_of_every_kind(server):
    """Numbers, truth values, null, lists and Chinese texts keep their kind."""
    sql = "select $i as i, $f as f, $b as b, $n is null as n, len($l) as l, $t as t"
    params = {"i": 7, "f": 1.5, "b": True, "n": None, "l": [1, 2, 3], "t": "中"}
    found = server.post("/api/v1/sql", json={"q": sql, "params": params}).json()["data"]
    assert found == [{"i": 7, "f": 1.5, "b": True, "n": True, "l": 3, "t": "中"}]


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("select $a", {}, "no value for a"),
        ("select 1", {"p.b": "1"}, "no parameter b"),
        ("select ?", {}, "parameters have names"),
        ("select $n::int", {"p.n": "viele"}, "Could not convert"),
    ],
)
def test_parameters_that_do_not_fit(server, sql, params, words):
    """A value that is missing, one too many or of another kind is told."""
    assert words in refused(server, sql, **params)["reason_en"]


# Mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (r"select E'\u4e2d'", "escapes with"),
        ("select (select * from range(3)) as n", "More than one row"),
    ],
)
def test_words_of_the_engine_stay_inside(server, sql, words):
    """No settings that nobody may set, no names of functions of its parser."""
    facts = refused(server, sql)
    assert words in facts["reason_en"]
    assert "unicode_to_utf8" not in str(facts)
    assert "SET " not in str(facts)


@pytest.mark.parametrize(
    ("sql", "line", "column", "hint"),
    [
        ("selec 1", 1, 1, ""),
        ("select 1\nfrm schools", 2, 5, ""),
        ("select '中文', nam from schools", 1, 14, "name"),
        ("select\n  '中文',\n  studnts\nfrom schools", 3, 3, "students"),
        ("select stage, sum(name) from schools group by all", 1, 15, ""),
        ("select a.nope from schools a", 1, 8, ""),
        ("select name::int from schools", 1, 12, ""),
        ("select '中',\n  1e400", 2, 3, "'inf'::double"),
        ("select students from schools where students < -1e309", 1, 47, "'inf'::double"),
        ("with t as (select nope from schools) select * from t", 1, 19, "name"),
        ("select /* 注释 */ getenv('HOME')", 1, 17, "/api/v1/sql/functions"),
        ("select * from read_csv('x')", 1, 15, "dataset"),
        ("select name, repeat('x', 9) from schools", 1, 14, "/api/v1/sql/functions"),
        ("select range(students) from schools", 1, 8, "10,000"),
        ("show tables", None, None, "/api/v1/sql/tables"),
        ("select user from schools", 1, 8, "table"),
        ("select * from schools pivot (count(*) for stage in ('小学'))", 1, 23, "filter"),
        ("copy (select 1) to 'x'", 1, 1, "SELECT"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(server, sql, line, column, hint):
    """Line and column are of the user's own text, characters and not bytes; a hint tells more."""
    facts = refused(server, sql)
    place = facts.get("position", {})
    assert (place.get("line"), place.get("column")) == (line, column), facts
    assert hint in facts["hint_en"]


def test_mistakes_name_nothing_of_ours(server):
    """No path, view, catalog or program of ours stands in an error."""
    for sql in ("select * from main.schools", "select filename from schools", "select lat(1)",
                "select * from schools where x.y.z = 1", "select 'a'::nothing"):  # fmt: skip
        answered = server.get("/api/v1/sql", params={"q": sql})
        assert 400 <= answered.status_code < 500
        for word in ("/proc", "memory.", "duckdb", "pg_catalog", "read_parquet"):
            assert word not in answered.text.lower(), answered.text


def test_wrong_requests(server):
    """Parameters that are unknown, twice, out of range or of another kind are refused by name."""
    for query, name in (
        ("", "q"), ("q=select+1&x=1", "x"), ("q=select+1&limit=0", "limit"),
        ("q=select+1&limit=10001", "limit"), ("q=select+1&timeout_ms=99999", "timeout_ms"),
        ("q=select+1&q=select+2", "q"), ("q=select+1&timeout_ms=-1", "timeout_ms"),
        ("q=select+1&shape=round", "shape"), ("q=select+1&shape=arrays&format=csv", "shape"),
        ("q=select+1&limit=ten", "limit"), ("q=select+$a&p.a=1&p.a=2", "p.a"),
    ):  # fmt: skip
        answered = server.get(f"/api/v1/sql?{query}")
        assert answered.status_code == 400, (query, answered.text)
        assert name in json.dumps(answered.json()["facts"]), answered.text
    for body in (
        '{"q": 1}',
        "[]",
        '{"q": "select 1", "x": 1}',
        "{",
        '{"q":"select $a","params":{"a":{}}}',
    ):
        answered = server.post(
            "/api/v1/sql", content=body, headers={"content-type": "application/json"}
        )
        assert answered.status_code == 400, body
        assert answered.json()["code"] in ("body-invalid", "bad-request")


# Forms ------------------------------------------------------------------------------------

SQL = "select school_id, name, lon, lat, students from schools order by school_id limit 3"


@pytest.mark.parametrize("by", ["ending", "format", "accept"])
@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("json", "application/json"), ("ndjson", "application/x-ndjson"), ("csv", "text/csv"),
        ("tsv", "text/tab-separated-values"), ("parquet", "application/vnd.apache.parquet"),
        ("arrow", "application/vnd.apache.arrow.stream"), ("geojson", "application/geo+json"),
        ("xml", "application/xml"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)  # fmt: skip
def test_forms(server, form, kind, by):
    """Ending, format= and Accept give the same form, with its media type once."""
    path = f"/api/v1/sql.{form}" if by == "ending" else "/api/v1/sql"
    params = {"q": SQL} | ({"format": form} if by == "format" else {})
    headers = {"Accept": kind} if by == "accept" else {}
    answered = server.get(path, params=params, headers=headers)
    assert answered.status_code == 200, answered.text[:300]
    assert answered.headers["content-type"].split(";")[0] == kind
    assert answered.headers["content-type"].count("charset") <= 1
    assert (answered.headers["x-rows"], answered.headers["x-versions"]) == (
        "3",
        "schools.schools=1",
    )
    assert "x-truncated" not in answered.headers
    assert READERS[form](answered.content) == 3


READERS = {
    "json": lambda content: len(json.loads(content)["data"]),
    "geojson": lambda content: len(json.loads(content)["features"]),
    "ndjson": lambda content: len([json.loads(line) for line in content.splitlines()]),
    "csv": lambda content: len(list(csv.DictReader(io.StringIO(content.decode())))),
    "tsv": lambda content: len(list(csv.DictReader(io.StringIO(content.decode()), delimiter="\t"))),
    "xml": lambda content: content.count(b"<row>"),
    "parquet": lambda content: pq.read_table(io.BytesIO(content)).num_rows,
    "arrow": lambda content: pa.ipc.open_stream(content).read_all().num_rows,
    "xlsx": lambda content: openpyxl.load_workbook(io.BytesIO(content)).active.max_row - 1,
}
"""How many rows somebody else's reader finds."""


def test_a_form_that_does_not_fit(server):
    """GeoJSON without a place is refused with what would do."""
    answered = server.get("/api/v1/sql.geojson", params={"q": "select 1 as a"})
    assert (answered.status_code, answered.json()["code"]) == (406, "form-unfit")


# Limits -----------------------------------------------------------------------------------


def test_too_many_rows_are_said(server):
    """10,000 rows at most, fewer if asked; the answer says that there would be more."""
    found = asked(server, "select * from air_hourly")
    assert (found["rows"], len(found["data"]), found["truncated"], found["reason"]) == (
        *(10_000, 10_000, True, "rows"),
    )
    few = server.get("/api/v1/sql.csv", params={"q": "select aqi from air_hourly", "limit": 7})
    assert (few.headers["x-rows"], few.headers["x-truncated"]) == ("7", "rows")
    assert len(few.text.splitlines()) == 8
    exact = asked(server, "select aqi from air_hourly limit 7", limit=7)
    assert (exact["rows"], exact["truncated"]) == (7, False)


def test_a_long_question_is_ended(server):
    """A question longer than its time is ended; the next one is answered as before."""
    sql = "select count(*) from range(1000000) a, range(1000000) b"
    began = time.monotonic()
    found = asked(server, sql, 422, timeout_ms=300)
    assert found["code"] == "query-limit"
    assert time.monotonic() - began < 5
    assert asked(server, "select 1 as a")["data"] == [{"a": 1}]


def test_rows_that_came_in_time_are_given(server):
    """A question that finds rows slowly gives those it found, and says that time cut it."""
    sql = ("select a.range from range(1000000) a where a.range < 5000 or "
           "(select count(*) from range(100000) b, range(10000) c where b.range > a.range) = 7")  # fmt: skip
    answered = server.get("/api/v1/sql", params={"q": sql, "timeout_ms": 300})
    assert answered.status_code in (200, 422)
    if answered.status_code == 200:
        assert answered.json()["reason"] in ("time", "rows")


def test_large_answers_come_whole(server):
    """An answer of megabytes, which goes through a file, is complete and has its length."""
    answered = server.get(
        "/api/v1/sql", params={"q": "select * from air_hourly"},
        headers={"Accept-Encoding": "identity"},
    )  # fmt: skip
    assert int(answered.headers["content-length"]) == len(answered.content) > 1 << 20
    assert len(answered.json()["data"]) == 10_000


def test_many_at_a_time(server):
    """As many clients at a time as one address may have are all answered rightly."""

    def one(n):
        return asked(server, f"select count(*) + {n} as n from schools")["data"][0]["n"]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(24))) == [400 + n for n in range(24)]


# Conditional requests ----------------------------------------------------------------------


def test_the_tag_is_known_before_the_question_runs(server):
    """The same question has the same tag and 304, however it is written; another has another."""
    first = server.get("/api/v1/sql", params={"q": "select count(*) as n from schools"})
    tag = first.headers["etag"]
    for sql in ("SELECT count(*) AS n\nFROM schools -- again", "select count(*) as n from schools"):
        again = server.get("/api/v1/sql", params={"q": sql}, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    other = server.get("/api/v1/sql", params={"q": "select count(*) as n from schools where true"})
    assert other.headers["etag"] != tag
    as_csv = server.get("/api/v1/sql.csv", params={"q": "select count(*) as n from schools"})
    assert as_csv.headers["etag"] != tag


@pytest.mark.parametrize("sql", ["select now() as t", "select random() as r", "select current_date as d",
                                 "select uuid() as u"])  # fmt: skip
def test_what_changes_has_no_tag(server, sql):
    """An answer that the clock or chance has a part in is not kept."""
    answered = server.get("/api/v1/sql", params={"q": sql})
    assert answered.headers["cache-control"] == "no-store"
    assert "etag" not in answered.headers


def test_the_clock_is_the_citys(server):
    """Days begin at midnight of +08:00, and times are told with it."""
    (row,) = asked(server, "select now() as t, current_date as d, current_date + 1 as e")["data"]
    assert row["t"].endswith("+08:00")
    assert row["t"][:10] == row["d"]


# What can be asked -------------------------------------------------------------------------


def test_tables_with_examples_that_run(server):
    """Each released open table is listed with columns, types and rows; its example runs."""
    found = server.get("/api/v1/sql/tables", params={"limit": 1000}).json()
    listed = {table["name"]: table for table in found["data"]}
    assert set(listed) == {f'"{d}"."{r}"' for d, resources in TABLES.items() for r in resources}
    for table in listed.values():
        assert asked(server, table["example"])["rows"] > 0
    schools = listed['"schools"."schools"']
    assert (schools["rows"], schools["version"]) == (400, 1)
    assert {"name": "students", "type": "BIGINT", "title": "在校生数"}.keys() == schools["columns"][
        0
    ].keys()
    assert found["datasets"] == len({table["dataset"] for table in found["data"]})
    first = server.get("/api/v1/sql/tables", params={"limit": 1}).json()
    assert (first["datasets"], bool(first["next"])) == (found["datasets"], True)
    (only,) = server.get("/api/v1/sql/tables", params={"dataset": "schools"}).json()["data"]
    assert only == schools
    words = server.get("/api/v1/sql/tables", params={"q": "公交"}).json()["data"]
    assert {table["dataset"] for table in words} == {"bus"}
    assert server.get("/api/v1/sql/tables", params={"dataset": "nobody"}).status_code == 404


def test_functions_are_listed_and_exist(server):
    """Every allowed function is one of DuckDB's, and the dangerous ones are not allowed."""
    listed = server.get("/api/v1/sql/functions").json()["data"]
    names = {name for topic in listed for name in topic["names"]}
    assert names == functions.ALLOWED
    have = {
        row[0] for row in duckdb.execute("select function_name from duckdb_functions()").fetchall()
    }
    assert names - have == set()
    dangerous = {"getenv", "read_text", "repeat", "lpad", "query", "current_setting", "write_log", "nextval",
                 "levenshtein", "printf", "format", "list_reduce", "sleep_ms", "pg_sleep", "stats"}  # fmt: skip
    assert names & dangerous == set()


def test_a_check_runs_nothing(server):
    """A check tells tables, columns and an estimate, of a statement that would take hours too."""
    sql = "select a.name, count(*) as n from schools a, air_hourly b, air_hourly c group by all"
    found = server.post("/api/v1/sql/check", json={"q": sql}).json()
    assert found["valid"] is True
    assert found["fields"] == [{"name": "name", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}]
    assert [(t["dataset"], t["rows"]) for t in found["tables"]] == [
        ("schools", 400),
        ("air_hourly", 43_800),
    ]
    wrong = server.post("/api/v1/sql/check", json={"q": "select nope from schools"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "sql-invalid")


def test_head_tells_what_get_would(server):
    """HEAD has the headers and no body."""
    answered = httpx.head(f"{server.url}/api/v1/sql", params={"q": "select 1 as a"}, timeout=60)
    assert (answered.status_code, answered.content, answered.headers["x-rows"]) == (200, b"", "1")


def test_who_leaves_frees_a_child(server):
    """Clients that hang up in the middle of long questions leave room for others at once."""
    sql = "select count(*) from range(1000000) a, range(1000000) b"

    async def leave():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(
                client.get(f"{server.url}/api/v1/sql", params={"q": sql}, timeout=0.4) for _ in range(4)
            ), return_exceptions=True)  # fmt: skip

    asyncio.run(leave())
    began = time.monotonic()
    assert asked(server, "select 1 as a")["data"] == [{"a": 1}]
    assert time.monotonic() - began < 4
