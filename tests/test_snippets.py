"""Programs that a resource offers: each is run as it stands and gives the rows that are right."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest
from odd_columns import LEVELS, ROWS, odd_hub

ODD = "/api/v1/datasets/odd/resources/odd"
AIR = "/api/v1/datasets/air_hourly/resources/air_hourly"
LANGUAGES = (
    "curl",
    "python",
    "pandas",
    "polars",
    "duckdb",
    "javascript",
    "r",
    "excel",
    "powerquery",
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A service whose only table has odd names of columns and values."""
    hub = odd_hub(tmp_path_factory.mktemp("odd"))
    yield hub
    hub.stop()


def codes(hub, path, **parameters):
    """Programs of a resource by language."""
    told = hub.get(f"{path}/snippets", params=parameters)
    assert told.status_code == 200, told.text
    return {item["lang"]: item["code"] for item in told.json()["data"]}


def output(*command, code=None):
    """What a program prints."""
    done = subprocess.run(
        command, input=code, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rows_of(hub, path, lang):
    """Rows that a program prints as JSON."""
    code = codes(hub, path)[lang]
    if lang == "curl":
        return json.loads(output("bash", "-c", code))["data"]
    command = {"python": [sys.executable, "-"], "javascript": ["node", "--input-type=module"]}[lang]
    return [json.loads(line) for line in output(*command, code=code).splitlines()]


@pytest.mark.parametrize("lang", ["curl", "python", "javascript"])
def test_programs_find_rows(server, odd, lang):
    """Programs over HTTP give rows that fulfil their condition, whatever the columns are called."""
    if lang == "javascript" and shutil.which("node") is None:
        pytest.skip("no node here")
    good = rows_of(server, AIR, lang)
    assert (len(good), {row["level"] for row in good}) == (5, {"良"})
    assert good == server.get(f"{AIR}/rows?level=eq.良&limit=5").json()["data"]
    strange = rows_of(odd, ODD, lang)
    assert len(strange) == 5
    assert (
        len({row["选/择"] for row in strange}) == 1 or len({row["select"] for row in strange}) == 1
    )


@pytest.mark.parametrize("lang", ["pandas", "polars"])
def test_programs_read_the_file(server, odd, lang):
    """Data frames have the columns and the first rows."""
    shown = output(sys.executable, "-", code=codes(server, AIR)[lang])
    assert "YC0001" in shown
    assert ("43800" in shown) is False  # the head only
    assert "编号" in output(sys.executable, "-", code=codes(odd, ODD)[lang])


@pytest.fixture
def duck():
    """A DuckDB with its HTTP extension, from the wheel instead of the network."""
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    with duckdb.connect() as db:
        db.execute(f"load '{extension}'")
        yield db


def test_sql_reads_the_file(server, odd, duck):
    """The SQL counts what the statistics count."""
    head = "install httpfs; load httpfs;\n"
    code = codes(server, AIR)["duckdb"]
    assert code.startswith(head)
    found = dict(duck.execute(code.removeprefix(head)).fetchall())
    known = server.get(f"{AIR}/values/level").json()["data"]
    assert {k: n for k, n in found.items() if k is not None} == {
        v["value"]: v["count"] for v in known
    }
    strange = duck.execute(codes(odd, ODD)["duckdb"].removeprefix(head)).fetchall()
    assert sum(row[1] for row in strange) == ROWS


def test_every_language_is_there(server):
    """All languages, each with a title; a resource with places has QGIS, too."""
    told = server.get(f"{AIR}/snippets").json()
    assert tuple(item["lang"] for item in told["data"]) == LANGUAGES
    assert {item["lang"] for item in told["data"] if item["runs"]} == set(LANGUAGES[:6])
    assert all(re.search("[a-z]", i["title_en"]) and i["title"] for i in told["data"])
    schools = codes(server, "/api/v1/datasets/schools/resources/schools")
    assert "/vsicurl/" in schools["qgis"]
    address = re.search(r"http\S+geojson", schools["qgis"])[0]
    assert server.get(address.removeprefix(server.url)).status_code == 200


def test_every_address_of_a_program_answers(server):
    """Whatever a program reads is there."""
    for path in (AIR, "/api/v1/datasets/schools/resources/schools"):
        for pinned in ({}, {"version": "1"}):
            for lang, code in codes(server, path, **pinned).items():
                found = set(re.findall(r"http://127[^\s\"')]+", code))
                assert found or lang == "curl", lang
                for address in found:
                    answered = server.get(address.removeprefix(server.url))
                    assert answered.status_code == 200, (lang, address)


def test_pinned_programs_keep_to_their_version(server):
    """With a version, programs name it and never the latest."""
    told = server.get(f"{AIR}/snippets?version=1").json()
    assert (told["version"], told["pinned"]) == (1, True)
    for item in told["data"]:
        assert "latest" not in item["code"], item["lang"]
        assert "/d/air_hourly/1/" in item["code"] or "v1" in item["code"], item["lang"]
    assert server.get(f"{AIR}/snippets").json()["pinned"] is False


def test_a_program_as_plain_text_can_be_run_from_the_line(server):
    """`curl -H 'Accept: text/plain' …/snippets?lang=python | python`."""
    plain = {"Accept": "text/plain"}
    one = server.get(f"{AIR}/snippets?lang=python", headers=plain)
    assert one.headers["content-type"] == "text/plain; charset=utf-8"
    assert one.text == codes(server, AIR)["python"] + "\n"
    everything = server.get(f"{AIR}/snippets", headers=plain).text
    assert [line.split()[1] for line in everything.splitlines() if line.startswith("--- ")] == [
        f"{lang}:" for lang in LANGUAGES
    ]


def test_r_is_well_formed(odd):
    """R is not run here: its brackets and quotes are balanced, its strings are those of JSON."""
    code = codes(odd, ODD)["r"]
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', code)
    assert all(json.loads(text) is not None for text in strings)
    left = re.sub(r'"(?:[^"\\]|\\.)*"', "", code)
    assert '"' not in left
    assert left.count("(") == left.count(")")


def test_power_query_is_well_formed(odd):
    """M is not run here: quotes are doubled, brackets balanced, every column has a type."""
    code = codes(odd, ODD)["powerquery"]
    left = re.sub(r'"(?:[^"]|"")*"', "S", code)
    assert '"' not in left
    for opening, closing in ("()", "[]", "{}"):
        assert left.count(opening) == left.count(closing)
    assert '{"o\'neil ""x""", type text}' in code
    assert '{"编号", Int64.Type}' in code
    assert '{"大小 (㎡)", type number}' in code
    assert left.strip().startswith("let")
    assert left.strip().endswith("in\n    Typed")


def test_excel_is_told_step_by_step(server):
    """The steps are in Chinese and hold the address of the CSV."""
    code = codes(server, AIR)["excel"]
    assert "自网站" in code
    assert f"{server.url}/d/air_hourly/latest/air_hourly.csv" in code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("lang=cobol", "parameter-invalid"),
        ("x=1", "parameter-unknown"),
        ("version=x", "parameter-invalid"),
    ],
)
def test_what_is_wrong_is_told(server, query, code):
    """Languages, parameters and versions that are not there."""
    answered = server.get(f"{AIR}/snippets?{query}")
    assert (answered.status_code, answered.json()["code"]) == (400, code)


def test_the_condition_is_one_that_rows_fulfil(odd):
    """The value of the condition stands in the data, even where it looks like grammar."""
    code = codes(odd, ODD)["python"]
    question = json.loads(re.search(r"question = (.*)", code)[1])
    (value,) = [v.removeprefix("eq.") for v in question.values() if v.startswith("eq.")]
    assert value in LEVELS or value in ("是", "否/无")
