"""Statistics of columns: exact against pandas, the same twice, at the edges, and as routes."""

from __future__ import annotations

import json
import math
from urllib.parse import quote

import duckdb
import msgspec
import pandas as pd
import pytest
from odd_columns import FIELDS, odd_hub
from own_store import own_store, publish

from datahub.errors_query import QueryLimit
from datahub.serve import statistics as serving
from datahub.serve.engine import Engine
from datahub.serve.reading import Reading
from datahub.validation.statistics import BINS, FEW, TOP, Job, statistics, write
from datahub.web.portal import profile

SCHEMA = {
    "fields": [
        {"name": "编号", "type": "string"},
        {"name": "等级", "type": "string"},
        {"name": "浓度", "type": "number"},
        {"name": "班级数", "type": "integer"},
        {"name": "float", "type": "number", "floatNumber": True},
        {"name": "time", "type": "datetime", "timezone": "+08:00"},
        {"name": "day", "type": "date"},
        {"name": "clock", "type": "time"},
        {"name": "flag", "type": "boolean"},
        {"name": "lon", "type": "number"},
        {"name": "lat", "type": "number"},
        {"name": "tags", "type": "array"},
    ]
}
ROWS = 20_000
MADE = """
    select 'S' || lpad(i::varchar, 5, '0') as "编号",
        case when i % 10 = 0 then null else ['优', '良', '轻度污染'][1 + i % 3] end as "等级",
        (i % 777 / 10)::decimal(9, 2) as "浓度",
        i % 7 + 1 as "班级数",
        case i when 3 then 'nan'::double when 4 then 'inf'::double else i * 0.37 end as "float",
        timestamptz '2024-12-31 20:30:00+00' + to_minutes(i * 5) as "time",
        date '1999-05-01' + (i % 4000)::int as "day",
        time '00:00' + to_minutes(i % 1440) as "clock",
        i % 4 = 0 as "flag",
        110 + (i % 1000) / 1000 as lon,
        30 + (i % 100) / 1000 as lat,
        '["a", ' || (i % 2) || ']' as tags
    from range({rows}) t(i)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A Parquet file with columns of every kind."""
    return parquet(tmp_path_factory.mktemp("stats"), MADE.format(rows=ROWS))


def parquet(folder, sql):
    """Parquet file of a query's rows."""
    path = folder / "t.parquet"
    duckdb.sql(f"copy ({sql}) to '{path}' (format parquet)")
    return path


def describe(path, schema=None):
    """Statistics as their readers get them, by column."""
    told = json.loads(msgspec.json.encode(statistics(path, schema or SCHEMA)))
    return told, {column["name"]: column for column in told["columns"]}


@pytest.fixture(scope="module")
def told(made):
    """What the statistics say of it."""
    return describe(made)


@pytest.fixture(scope="module")
def frame(made):
    """The same in pandas."""
    return pd.read_parquet(made)


def test_nulls_and_distinct_values_are_those_of_pandas(told, frame):
    """Every column: nulls, their share, exact number of distinct values, whether all differ."""
    _, columns = told
    for name, column in columns.items():
        values = frame[name].replace([math.inf], None).dropna()
        known = frame[name].isna().sum() if name != "float" else 0  # pandas counts NaN as null
        assert column["nulls"] == known, name
        assert column["nulls_share"] == round(known / ROWS, 6)
        assert column["distinct"] == values.nunique(), name
        assert column["approximate"] == []
    assert columns["编号"]["unique"] is True
    assert columns["等级"]["unique"] is False


@pytest.mark.parametrize("name", ["浓度", "班级数", "float", "lon"])
def test_numbers_are_those_of_pandas(told, frame, name):
    """Mean, deviation, quantiles and ends; not a number and infinity are counted apart."""
    column = told[1][name]
    values = frame[name].astype(float).replace([math.inf], None).dropna().astype(float)
    assert column["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert column["std"] == pytest.approx(values.std(), rel=1e-9)
    for share, value in column["quantiles"].items():
        assert value == pytest.approx(values.quantile(float(share)), rel=1e-12)
    assert (column["min"], column["max"]) == (values.min(), values.max())
    assert column.get("not_finite", 0) == (2 if name == "float" else 0)


@pytest.mark.parametrize("name", ["浓度", "班级数", "float", "lon"])
def test_histograms_count_every_value_in_its_bin(told, frame, name):
    """A bin holds what is at least its lower edge and below the next; the last one its end, too."""
    edges, counts = told[1][name]["histogram"].values()
    values = frame[name].astype(float).replace([math.inf], None).dropna().astype(float)
    bins = zip(edges[:-1], [*edges[1:-1], math.inf], counts, strict=True)
    assert all(((values >= low) & (values < high)).sum() == n for low, high, n in bins)
    assert len(counts) == (7 if name == "班级数" else BINS)  # a small range has a bin for each


def test_values_are_as_the_rows_have_them(told):
    """Decimals, times with their zone, dates and nested values read like the rows of the API."""
    _, columns = told
    assert columns["浓度"]["max"] == 77.6
    assert columns["time"]["min"] == "2025-01-01T04:30:00+08:00"
    assert columns["day"]["min"] == "1999-05-01"
    assert columns["clock"]["max"] == "23:59:00"
    assert [v["value"] for v in columns["tags"]["top"]] == [["a", 0], ["a", 1]]
    assert (columns["flag"]["true"], columns["flag"]["false"]) == (ROWS // 4, 3 * ROWS // 4)


def test_decimals_keep_their_digits(tmp_path):
    """A decimal longer than a double is told with all of its digits, zeros at the end included."""
    sql = "select 12345678901234567.80::decimal(19, 2) as a"
    raw = msgspec.json.encode(statistics(parquet(tmp_path, sql), {"fields": []}))
    assert b'"min":12345678901234567.80,' in raw
    assert b'"value":12345678901234567.80,' in raw


def test_frequent_values(told, frame):
    """The most frequent values come with their counts, and what is left is counted."""
    _, columns = told
    level = columns["等级"]
    assert {v["value"]: v["count"] for v in level["top"]} == dict(frame["等级"].value_counts())
    assert (level["other"], level["top_share"]) == (0, 1.0)
    many = columns["浓度"]
    assert len(many["top"]) == TOP
    shown = sum(v["count"] for v in many["top"])
    assert many["other"] == ROWS - shown
    assert many["top_share"] == pytest.approx(shown / ROWS, abs=1e-6)
    assert columns["编号"]["top"] == []  # each stands there once: there are no frequent ones


def test_few_values_are_told_completely(tmp_path):
    """Up to fifty values all are told, even those that stand there once."""
    path = parquet(tmp_path, f"select i::varchar as a from range({FEW}) t(i)")
    assert len(describe(path, {"fields": []})[1]["a"]["top"]) == FEW


def test_texts_have_lengths_and_patterns(told):
    """Lengths in characters; codes have the pattern that they share."""
    _, columns = told
    assert columns["编号"]["length"] == {"min": 6, "max": 6, "mean": 6.0}
    assert columns["编号"]["pattern"] == {"regex": r"[A-Z]\d{5}", "share": 1.0}
    assert columns["等级"]["length"] == {"min": 1, "max": 4, "mean": 2.0}
    assert columns["等级"]["pattern"] is None


def test_times_are_counted_by_a_fitting_unit(told, frame):
    """Periods in the column's own zone, without holes, as many as can be looked at."""
    _, columns = told
    time = columns["time"]["histogram"]
    assert time["unit"] == "day"
    assert time["starts"][0] == "2025-01-01"
    local = frame["time"].dt.tz_convert("+08:00").dt.strftime("%Y-%m-%d")
    assert dict(zip(*list(time.values())[1:], strict=True)) == dict(local.value_counts())
    day = columns["day"]["histogram"]
    assert (day["unit"], day["starts"][0], len(day["starts"])) == ("year", "1999", 12)
    assert sum(day["counts"]) == ROWS
    clock = columns["clock"]["histogram"]
    assert (clock["unit"], len(clock["counts"]), sum(clock["counts"])) == ("hour", 24, ROWS)


def test_periods_without_rows_are_there(tmp_path):
    """A month in which there is nothing has a bar of zero."""
    sql = "select unnest([date '2025-01-31', date '2025-05-01', date '2020-03-04']) as d"
    column = describe(parquet(tmp_path, sql), {"fields": []})[1]["d"]
    assert column["histogram"]["unit"] == "month"
    assert len(column["histogram"]["counts"]) == 63
    assert sum(column["histogram"]["counts"]) == 3


def test_places_have_a_box(told):
    """Longitude and latitude together have the box around all places."""
    whole, _ = told
    assert whole["bbox"] == {
        "west": 110.0, "south": 30.0, "east": 110.999, "north": 30.099, "columns": ["lon", "lat"],
    }  # fmt: skip


def test_points_have_a_box(tmp_path):
    """So has a column of points."""
    path = parquet(tmp_path, "select unnest(['111.2, 30.5', '111.4,30.1', null]) as at")
    schema = {"fields": [{"name": "at", "type": "geopoint"}]}
    box = describe(path, schema)[0]["bbox"]
    assert (box["west"], box["south"], box["east"], box["north"]) == (111.2, 30.1, 111.4, 30.5)


def test_the_same_file_gives_the_same_bytes(made, tmp_path):
    """Whatever the order in which threads work, the result is the same."""
    found = {msgspec.json.encode(statistics(made, SCHEMA)) for _ in range(3)}
    assert len(found) == 1
    job = Job(parquet=str(made), schema=SCHEMA, to=str(tmp_path / "s.json"))
    assert write(job) == len(*found) + 1
    assert (tmp_path / "s.json").read_bytes() == min(found) + b"\n"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 as a where false", {"nulls": 0, "distinct": 0, "min": None, "mean": None}),
        ("select null::bigint as a", {"nulls": 1, "distinct": 0, "max": None, "histogram": None}),
        ("select null::varchar as a", {"nulls": 1, "top": [], "pattern": None}),
        ("select null::date as a", {"min": None, "histogram": None}),
        ("select null::timestamptz as a", {"min": None, "histogram": None}),
        ("select null::time as a", {"min": None}),
        ("select 5::bigint as a", {"mean": 5.0, "std": None, "min": 5}),
        ("select 'nan'::double as a", {"not_finite": 1, "min": None, "mean": None}),
        ("select unnest([1e308, -1e308]) as a", {"histogram": None, "min": -1e308}),
        ("select '' as a", {"min": "", "distinct": 1, "length": {"min": 0, "max": 0, "mean": 0.0}}),
        ("select date '0001-01-01' as a union all select date '9999-12-31'", {"max": "9999-12-31"}),
        ("select repeat('长', 9000) as a", {"min": None, "top": [], "other": 1}),
        ("select 99999999999999999999999999999999999999::decimal(38,0) as a", {"distinct": 1}),
        ("select true as a", {"true": 1, "false": 0, "max": True}),
    ],
)
def test_edges(tmp_path, sql, expected):
    """Nothing, one value, the largest values: each is told without a fault."""
    column = describe(parquet(tmp_path, sql), {"fields": []})[1]["a"]
    assert {name: column[name] for name in expected} == expected


def test_names_of_columns_are_never_sql(tmp_path):
    """A column may be called anything."""
    names = ['a"b', "c'd", "e;drop view rows", "@", "v", "n", "rows", "选/择"]
    listed = ", ".join('1 as "' + name.replace('"', '""') + '"' for name in names)
    assert list(describe(parquet(tmp_path, f"select {listed}"), {"fields": []})[1]) == names


def test_very_many_values_are_estimated_and_said_so(tmp_path, monkeypatch):
    """Beyond the bound distinct values and quantiles are near, and marked as approximate."""
    monkeypatch.setattr("datahub.validation.statistics.EXACT", 1000)
    path = parquet(tmp_path, "select i as a, i % 3 as b, i::varchar as c from range(50000) t(i)")
    columns = describe(path, {"fields": []})[1]
    assert columns["a"]["approximate"] == ["distinct", "quantiles"]
    assert columns["a"]["distinct"] == pytest.approx(50000, rel=0.2)
    assert columns["a"]["quantiles"]["0.5"] == pytest.approx(25000, rel=0.05)
    assert sum(columns["a"]["histogram"]["counts"]) == 50000
    assert (columns["b"]["distinct"], columns["b"]["approximate"]) == (3, [])
    assert columns["c"]["approximate"] == ["distinct"]


# Routes -----------------------------------------------------------------------------------

AIR = "/api/v1/datasets/air_hourly/resources/air_hourly"


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A service whose only table has odd names of columns."""
    hub = odd_hub(tmp_path_factory.mktemp("odd"))
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def air(samples):
    """The sample of hourly air quality in pandas."""
    (path,) = (samples / "air_hourly").iterdir()
    return pd.read_csv(path, dtype={"station_code": str})


def test_stats_of_a_release(server, air):
    """A release answers with the statistics of its columns, made from its own file."""
    told = server.get(f"{AIR}/stats").json()
    assert told["rows"] == len(air)
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == list(air.columns)
    level = dict(air["level"].value_counts())
    assert {v["value"]: v["count"] for v in columns["level"]["top"]} == level
    assert columns["pm25"]["mean"] == pytest.approx(air["pm25"].mean())
    assert columns["primary"]["nulls"] == air["primary"].isna().sum()


def test_stats_are_a_file_of_the_release(server):
    """What the route answers is the released file, byte for byte."""
    file = server.get("/d/air_hourly/1/air_hourly.stats.json")
    assert file.content == server.get(f"{AIR}/stats").content


@pytest.mark.parametrize("path", ["stats", "values/level", "profile"])
def test_answers_are_not_sent_twice(server, path):
    """Who has an answer is told 304; a numbered version is for ever, the latest for a minute."""
    first = server.get(f"{AIR}/{path}")
    assert first.headers["cache-control"] == "public, max-age=60"
    again = server.get(f"{AIR}/{path}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    asked = {"Accept": "application/json", "Accept-Language": f"x-{path[:5]}"}  # by nobody else
    kept = [server.get(f"{AIR}/{path}", headers=asked) for _ in range(2)]
    told = [answer.headers["cache-status"] for answer in kept]
    assert told == ["datahub; fwd=miss", "datahub; hit"]
    assert {answer.content for answer in kept} == {first.content}
    fixed = server.get(f"{AIR}/{path}?version=v1")
    assert fixed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert fixed.content == first.content


def test_values_with_counts(server, air):
    """Distinct values, the most frequent first, or in their own order; a part of them by text."""
    counts = air["level"].value_counts()
    found = server.get(f"{AIR}/values/level").json()
    assert [(v["value"], v["count"]) for v in found["data"]] == list(counts.items())
    assert found["total"] == {"value": 5, "kind": "exact"}
    assert (found["title"], found["nulls"]) == ("空气质量级别", air["level"].isna().sum())
    assert found["cut"] is None
    sorted_ = server.get(f"{AIR}/values/level?order=value").json()["data"]
    assert [v["value"] for v in sorted_] == sorted(counts.index)
    part = server.get(f"{AIR}/values/level", params={"q": "度"}).json()
    assert {v["value"] for v in part["data"]} == {v for v in counts.index if "度" in v}
    two = server.get(f"{AIR}/values/aqi?limit=2&order=value").json()
    assert [v["value"] for v in two["data"]] == sorted(air["aqi"].dropna().unique())[:2]
    assert two["total"]["value"] == air["aqi"].nunique()
    times = server.get(f"{AIR}/values/time?limit=1&order=value&q=2025-03-01").json()
    assert times["data"] == [{"value": "2025-03-01T00:00:00+08:00", "count": 5}]
    assert times["total"]["value"] == 24


def test_columns_of_any_name_have_values(odd):
    """Chinese, quotes and slashes in the name of a column, percent-encoded in the address."""
    for field in FIELDS:
        path = f"/api/v1/datasets/odd/resources/odd/values/{quote(field['name'], safe='')}"
        answered = odd.get(path)
        assert answered.status_code == 200, answered.text
        assert answered.json()["column"] == field["name"]
    slash = odd.get("/api/v1/datasets/odd/resources/odd/values/选%2F择").json()["data"]
    assert slash == [{"value": "是", "count": 18}, {"value": "否/无", "count": 17}]


def test_a_profile_shows_a_resource_at_a_glance(server):
    """Titles, units and statistics of the columns, and the first rows as the rows have them."""
    told = server.get(f"{AIR}/profile").json()
    assert (told["dataset"], told["version"], told["rows"]) == ("air_hourly", 1, 43800)
    pm25 = next(column for column in told["columns"] if column["name"] == "pm25")
    assert (pm25["title"], pm25["unit"]) == ("细颗粒物", "µg/m³")
    assert pm25["quantiles"]["0.5"] == 44.0
    assert told["first"] == server.get(f"{AIR}/rows?limit=10").json()["data"]


def test_places_in_a_profile(server):
    """The box around the schools."""
    told = server.get("/api/v1/datasets/schools/resources/schools/profile").json()
    assert 110 < told["bbox"]["west"] < told["bbox"]["east"] < 113


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{AIR}/stats?x=1", 400, "parameter-unknown"),
        (f"{AIR}/stats?version=one", 400, "parameter-invalid"),
        (f"{AIR}/stats?version=9", 404, "release-unknown"),
        (f"{AIR}/stats?as_of=2020-01-01", 404, "release-unknown"),
        (f"{AIR}/values/none", 400, "parameter-invalid"),
        (f"{AIR}/values/level?limit=1001", 400, "parameter-invalid"),
        (f"{AIR}/values/level?order=none", 400, "parameter-invalid"),
        (f"{AIR}/values/", 404, None),
        (f"{AIR}/profile?q=1", 400, "parameter-unknown"),
        ("/api/v1/datasets/bus/resources/none/stats", 404, "resource-unknown"),
        ("/api/v1/datasets/none/resources/none/profile", 404, "dataset-unknown"),
        ("/api/v1/datasets/clinics/resources/clinics/stats", 404, "release-unknown"),
    ],
)
def test_what_is_wrong_is_told(server, path, status, code):
    """A parameter, column, version or resource that is not there is named."""
    answered = server.get(path)
    assert answered.status_code == status
    assert answered.headers["content-type"] == "application/problem+json"
    assert code in (None, answered.json()["code"])


def test_a_release_without_statistics_gets_them(tmp_path):
    """Of a release that has no statistics they are made once, and kept beside what is derived."""
    store = own_store(tmp_path)
    try:
        publish(store)
        reading = Reading(store, Engine())
        table = reading.table("lamps", "lamps")
        released = table.path.with_name("lamps.stats.json").read_bytes()
        table.path.with_name("lamps.stats.json").rename(tmp_path / "away")
        assert serving.content(reading, table) == released
        kept = reading.derived.folder(table.digest)
        assert (kept / "stats.json").read_bytes() == released
        assert {path.name for path in kept.iterdir()} >= {"stats.json", "table.json"}
        before = (kept / "stats.json").stat().st_mtime_ns
        assert serving.content(reading, table) == released
        assert (kept / "stats.json").stat().st_mtime_ns == before
    finally:
        store.close()


def test_values_that_take_too_long_come_from_the_statistics(tmp_path, monkeypatch):
    """When the time is up, the answer has the frequent values that are known, and says so."""
    store = own_store(tmp_path)
    try:
        publish(store)
        reading = Reading(store, Engine())
        table = reading.table("lamps", "lamps")

        def slow(*_: object) -> object:
            raise QueryLimit(reason_zh="超过 2 秒", reason_en="more than 2 seconds")

        monkeypatch.setattr(reading.engine, "run", slow)
        found = serving.values(reading, table, "name", q="路灯1")
        assert [v["value"] for v in found.data] == ["路灯1", "路灯10", "路灯11", "路灯12"]
        assert found.total == {"value": 4, "kind": "atleast"}
        assert found.cut == {"reason": "time", "zh": "超过 2 秒", "en": "more than 2 seconds"}
    finally:
        store.close()


# The page ---------------------------------------------------------------------------------


def test_a_page_shows_each_column_at_a_glance(server):
    """Histograms are drawn on the server, frequent values with their part, nulls, and programs."""
    text = server.get("/datasets/air_hourly").text
    assert text.count('<svg class="histogram"') == 10 + 2  # measures, times
    first = text[text.index("空气质量级别</h4>") :].split("</dl>")[0]
    assert '<span class="value">良</span><span class="percent">58.5%</span>' in first
    assert "<dt>缺失</dt><dd>0.4%</dd>" in first
    assert "eq.良" in text  # the programs have a condition of this table
    assert "Power Query" in text


def test_a_page_without_statistics_goes_without(tmp_path):
    """A release from before there were statistics has its page all the same."""
    assert profile.read(tmp_path / "none.stats.json") is None


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0"), (1234567.0, "1,234,567"), (0.80801, "0.808"), (-2.5, "-2.5"), (12.0, "12")],
)
def test_numbers_are_told_short(value, told):
    """Four digits, and no zeros that say nothing."""
    assert profile.number(value) == told


def test_every_kind_of_column_has_a_profile(made):
    """Bars stay inside of their picture, whatever the column; shares are at most all rows."""
    stats = json.loads(msgspec.json.encode(statistics(made, SCHEMA)))
    found = profile.profiles(stats, SCHEMA)
    assert [item.name for item in found] == [field["name"] for field in SCHEMA["fields"]]
    for item in found:
        for bar in item.bars:
            assert bar.x >= 0
            assert bar.x + bar.width <= profile.WIDTH
            assert bar.y + bar.height == pytest.approx(profile.HEIGHT, abs=0.1)
        assert sum(share.percent for share in item.shares) <= 100.1
        assert item.bars or item.shares or item.note
